//! What `run.json` of a folder of runs holds.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::plan::RunsPlan;

/// What `run.json` holds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RunRecord {
    pub(super) format: String,
    pub(super) format_version: u64,
    pub(super) complete: bool,
    pub(super) finished_replicates: u64,
    pub(super) plan: RunsPlan,
    #[serde(flatten)]
    pub(super) details: Map<String, Value>,
}
