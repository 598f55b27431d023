//! What machine this is, as every folder of results states it.
//!
//! **What it does not know:** what the machine is used for.

use std::fs;
use std::thread;

use serde_json::{Map, Value, json};

/// What machine this is, for the record of a run.
pub fn machine() -> Map<String, Value> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let after = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut machine = Map::new();
    machine.insert("os".into(), json!(std::env::consts::OS));
    machine.insert("architecture".into(), json!(std::env::consts::ARCH));
    machine.insert(
        "processor".into(),
        json!(after(&read("/proc/cpuinfo"), "model name")),
    );
    machine.insert("cores".into(), json!(cores));
    machine.insert(
        "memory".into(),
        json!(after(&read("/proc/meminfo"), "MemTotal")),
    );
    machine
}
