//! A question to the allocator, and the plan that answered one.

use std::sync::Arc;

use super::record::{PlanRow, ShareRow, Trigger};
use crate::ids::{PlanId, WorkerId};
use crate::money::Fee;
use crate::request::PlanRequest;
use crate::terms::Terms;
use crate::time::Instant;

/// A question that the allocator works on.
#[derive(Debug)]
pub(super) struct Solving {
    pub(super) id: PlanId,
    pub(super) trigger: Trigger,
    pub(super) request: Arc<PlanRequest>,
    pub(super) since: Instant,
    pub(super) until: Instant,
    /// The run waits for it. If not, the run goes on meanwhile, and only a cheaper plan is taken.
    pub(super) required: bool,
}

/// A plan that was verified.
#[derive(Debug)]
pub(super) struct Adopted {
    pub(super) row: PlanRow,
    pub(super) shares: Vec<PlannedShare>,
    /// A row for each candidate, until the plan is taken.
    pub(super) rows: Vec<ShareRow>,
}

/// The batches of one employed worker.
#[derive(Clone, Debug)]
pub(super) struct PlannedShare {
    pub(super) worker: WorkerId,
    pub(super) batches: u64,
    /// What it is paid by, as the plan was made.
    pub(super) fee: Fee,
    pub(super) terms: Option<Arc<Terms>>,
}
