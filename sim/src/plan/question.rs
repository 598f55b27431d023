//! The first question that the scheduler asks in the first replicate: what there is to plan.
//!
//! It is taken from a simulated run, so that joining, benchmarks and their errors, margins and
//! limits are those that `sim run` has.

use scheduler::machine::Limit;
use scheduler::{Failure, FailureReason, Outcome, PlanRequest, PlanResponse};

use crate::run::Setting;
use crate::world::{self, Observers, World};

/// What the allocator is asked in the first replicate of the setting's seed.
pub(crate) fn of(setting: &Setting) -> PlanRequest {
    let world = setting.conversion.world(setting.seed, 0);
    let (batches, s_min, beta) = (world.config.batches, world.config.s_min, world.config.beta);
    let limit = match world.config.limit {
        Limit::Job { max_time, .. } => max_time / u64::from(world.config.cycles),
        Limit::Cycle(limit) => limit,
    };
    if let Some(request) = first(&world, setting.seed) {
        return request;
    }
    // Fewer came than must be employed, so that nothing was asked: plan with those.
    let mut fewer = world;
    fewer.config.beta = 0;
    fewer.config.expect = 1;
    let asked = first(&fewer, setting.seed);
    let (limit, candidates) = asked.map_or((limit, Vec::new()), |request| {
        (request.limit(), request.candidates().to_vec())
    });
    PlanRequest::new(
        (batches, s_min, beta),
        limit,
        fewer.config.time_model,
        candidates,
    )
    .expect("a scenario's numbers are within the bounds of a problem")
}

/// The first question of a run that gets no answer, and so ends soon.
fn first(world: &World, seed: u64) -> Option<PlanRequest> {
    let mut first = None;
    let mut unanswered = |request: &PlanRequest| {
        first.get_or_insert_with(|| request.clone());
        PlanResponse {
            employed: 1,
            outcome: Outcome::Failed(Failure {
                reason: FailureReason::NoPlanFound,
                message: String::new(),
            }),
            solves: 0,
        }
    };
    world::run(world, seed, 0, &mut unanswered, Observers::default());
    first
}
