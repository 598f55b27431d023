//! Decoders of what others wrote that have no public name, for the fuzz targets in `fuzz/`.
//!
//! **What it does not know:** what is tried.

use std::path::Path;

use crate::orchestrator::Checkpoint;
use crate::trainer::{Reply, Request, greeted, read_frame};

/// Reads the checkpoint of a folder.
pub fn checkpoint(folder: &Path) {
    let _ = Checkpoint::read(folder);
}

/// Reads a trainer's greeting and replies, and the same bytes as requests.
pub fn trainer_frames(bytes: &[u8]) {
    let mut from = bytes;
    if let Ok(Some(_)) = greeted(&mut from) {
        while let Ok(Some(_)) = read_frame::<Reply>(&mut from) {}
    }
    let mut from = bytes;
    while let Ok(Some(_)) = read_frame::<Request>(&mut from) {}
}
