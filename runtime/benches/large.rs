//! A job with a model of 100 million parameters (400 MB) and four workers of this machine.
//!
//! The bars: from the last result of a cycle to the first order of the next at most 1.5 s, in the median
//! cycle; and the orchestrator holds at most three models and a small constant in memory. The trainer is this
//! program itself: it sleeps instead of training, and changes every parameter.
//! `cargo bench -p runtime --bench large -- [MILLIONS [CYCLES]]`; some minutes, and ends with 1 if a bar is
//! missed. It needs 16 GB of memory, most of it for the workers.

#![expect(clippy::print_stdout, reason = "it prints what it finds")]

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use results::event_log::EventReader;
use scheduler::machine::Event;
use serde_json::{Value, json};

#[path = "../tests/cluster/common.rs"]
#[expect(dead_code, reason = "jobs here have no faults")]
mod common;
use common::Run;

const MILLIONS: usize = 100;
const CYCLES: usize = 5;
const WORKERS: &str = "4";
const BATCHES: &str = "8";
const BATCH_SIZE: usize = 32;
/// Of memory that does not grow with the model: the program, buffers of connections, chunks.
const CONSTANT: f64 = 128e6;
const MODELS: f64 = 3.0;
const SECONDS: f64 = 1.5;
const TRAINS: &str = "--trains";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(place) = arguments.iter().position(|argument| argument == TRAINS) {
        let count = arguments[place + 1].parse().expect("a number");
        // Its parent may end first, and the pipe with it.
        let _ = train(count);
        return ExitCode::SUCCESS;
    }
    let mut numbers = arguments
        .iter()
        .skip(1)
        .filter_map(|text| text.parse().ok());
    let parameters = numbers.next().unwrap_or(MILLIONS) * 1_000_000;
    let cycles = numbers.next().unwrap_or(CYCLES);
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let peak = run(&out, parameters, cycles);
    let mut between = between(&out);
    println!(
        "from the last result to the next order, cycle by cycle: {:?} s",
        between
            .iter()
            .map(|s| (s * 1e3).round() / 1e3)
            .collect::<Vec<_>>()
    );
    between.sort_by(f64::total_cmp);
    let (median, worst) = (between[between.len() / 2], between[between.len() - 1]);
    let bytes = parameters as f64 * 4.0;
    let is_met = median <= SECONDS && peak <= MODELS * bytes + CONSTANT;
    println!(
        "{parameters} parameters, {WORKERS} workers: median {median:.2} s, worst {worst:.2} s (bar \
         {SECONDS}); most memory of the orchestrator {:.0} MB, {:.2} models (bar {MODELS} and {:.0} MB)",
        peak / 1e6,
        peak / bytes,
        CONSTANT / 1e6
    );
    if is_met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs the job; the most bytes that the orchestrator held in memory.
fn run(out: &Path, parameters: usize, cycles: usize) -> f64 {
    let program = std::env::current_exe().expect("a program");
    let trainer = format!("{} {TRAINS} {parameters}", program.display());
    let data = format!(
        "synthetic:train={},test=100",
        BATCH_SIZE * BATCHES.parse::<usize>().expect("a number")
    );
    let out = out.display().to_string();
    let cycles_text = cycles.to_string();
    let args = [
        "cluster",
        "--json",
        "--trainer",
        &trainer,
        "--data",
        &data,
        "--out",
        &out,
        "--local",
        WORKERS,
        "--beta",
        WORKERS,
        "--s-min",
        "1",
        "--replan",
        "static",
        "--max-time",
        "30 min",
        "--cycles",
        &cycles_text,
    ]
    .map(str::to_owned);
    let mut run = Run::start(&args, &[]);
    let (most, now) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let over = Arc::new(AtomicBool::new(false));
    let sampler = {
        let status = PathBuf::from(format!("/proc/{}/status", run.own_pid()));
        let (most, now, over) = (Arc::clone(&most), Arc::clone(&now), Arc::clone(&over));
        thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                let text = fs::read_to_string(&status).unwrap_or_default();
                most.fetch_max(kilobytes(&text, "VmHWM:"), Ordering::Relaxed);
                now.store(kilobytes(&text, "VmRSS:"), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(20));
            }
        })
    };
    let tell = |what: &str| {
        println!(
            "{what}: {} MB in memory, {} MB at most so far",
            now.load(Ordering::Relaxed) / 1000,
            most.load(Ordering::Relaxed) / 1000
        );
    };
    run.until("begins", |_| true);
    tell("it begins");
    run.until("planned", |_| true);
    tell("planned");
    for cycle in 1..=cycles {
        let row = run.until("cycle", |row| row["cycle"] == cycle);
        tell(&format!("cycle {cycle} took {} s", row["took_s"]));
    }
    let end = run.end();
    tell("it has ended");
    over.store(true, Ordering::Relaxed);
    sampler.join().expect("it counts");
    end.completed();
    most.load(Ordering::Relaxed) as f64 * 1024.0
}

fn kilobytes(status: &str, key: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Seconds from the last result of each cycle to the step in which the next one is ordered, from the log.
fn between(out: &Path) -> Vec<f64> {
    let mut logs = fs::read_dir(out.join("events")).expect("the folder of logs");
    let log = logs.find_map(|file| Some(file.ok()?.path()));
    let reader = EventReader::open(&log.expect("a log")).expect("it is whole");
    let (mut found, mut last) = (Vec::new(), None);
    for step in reader {
        let (now, event) = step.expect("it is whole");
        match event {
            Event::Trained { .. } => last = Some(now),
            Event::Aggregated { .. } => {
                let since = last.expect("a result before the average");
                found.push(now.since(since).seconds_f64());
            }
            _ => {}
        }
    }
    found
}

/// Speaks the protocol of `docs/trainers.md`.
fn train(parameters: usize) -> io::Result<()> {
    const BATCH: Duration = Duration::from_millis(20);
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    output.write_all(b"\0ALLOT-TRAINER\0\n")?;
    let mut say = |head: Value, body: &[u8]| -> io::Result<()> {
        let head = head.to_string();
        output.write_all(&(head.len() as u32).to_le_bytes())?;
        output.write_all(&(body.len() as u64).to_le_bytes())?;
        output.write_all(head.as_bytes())?;
        output.write_all(body)?;
        output.flush()
    };
    say(
        json!({"say": "begun", "protocol": 1, "trainer": "it sleeps"}),
        &[],
    )?;
    let mut held = 0;
    let mut batch = 1;
    loop {
        let mut lengths = [0; 12];
        input.read_exact(&mut lengths)?;
        let [a, b, c, d, body @ ..] = lengths;
        let mut head = vec![0; u32::from_le_bytes([a, b, c, d]) as usize];
        input.read_exact(&mut head)?;
        let mut body = vec![0; u64::from_le_bytes(body) as usize];
        input.read_exact(&mut body)?;
        let head: Value = serde_json::from_slice(&head)?;
        let number = |key: &str| head[key].as_u64().unwrap_or(0);
        match head["ask"].as_str().unwrap_or_default() {
            "job" => {
                let bytes = |field: &Value| -> u64 {
                    let shape = field["shape"].as_array().into_iter().flatten();
                    shape.filter_map(Value::as_u64).product()
                };
                let fields = head["batch"]["fields"].as_array().into_iter().flatten();
                let sample: u64 = fields.map(bytes).sum(); // all are bytes
                batch = (sample * head["batch"]["samples"].as_u64().unwrap_or(1)).max(1);
                held = 0;
                let tensors = json!([{"name": "all", "shape": [parameters]}]);
                say(
                    json!({"say": "ready", "device": "cpu", "tensors": tensors}),
                    &[],
                )?;
            }
            "initial" => {
                let values = (0..parameters).map(|at| (at % 1_000) as f32 / 1_000.0);
                let body: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
                say(json!({"say": "initial"}), &body)?;
            }
            "benchmark" => {
                let batches = number("batches");
                let since = Instant::now();
                thread::sleep(BATCH * batches as u32);
                let took = since.elapsed().as_nanos() as u64;
                let session = number("session");
                say(
                    json!({"say": "benchmarked", "session": session, "batches": batches, "took_ns": took}),
                    &[],
                )?;
            }
            ask @ ("keep" | "hold") => {
                held = match ask {
                    "keep" => held.min(number("keep")),
                    _ => number("first") + body.len() as u64 / batch,
                };
                say(
                    json!({"say": "held", "session": head["session"], "plan": head["plan"], "held": held}),
                    &[],
                )?;
            }
            "train" => {
                let (session, cycle, batches) =
                    (number("session"), number("cycle"), number("batches"));
                let since = Instant::now();
                for done in 1..=batches {
                    thread::sleep(BATCH);
                    say(
                        json!({"say": "beat", "session": session, "cycle": cycle, "done": done}),
                        &[],
                    )?;
                }
                for word in body.as_chunks_mut::<4>().0 {
                    *word = (f32::from_le_bytes(*word) * 0.999).to_le_bytes();
                }
                let took = since.elapsed().as_nanos() as u64;
                say(
                    json!({"say": "trained", "session": session, "cycle": cycle, "done": batches,
                        "took_ns": took, "tail_ns": took}),
                    &body,
                )?;
            }
            "judge" => {
                let metrics = json!({"loss": 1.0});
                say(
                    json!({"say": "judged", "cycle": number("cycle"), "metrics": metrics}),
                    &[],
                )?;
            }
            _ => {}
        }
    }
}
