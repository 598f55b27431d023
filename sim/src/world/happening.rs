//! What happens in the world, and the faults among it.

use scenarios::Draws;
use scenarios::scenario::{Purpose, WorkerStreams};
use scheduler::machine::{CycleId, PlanId, SessionId};

use super::model::{Renewal, WorkerModel};
use crate::engine::Stamp;

/// Something that happens in the world.
#[derive(Clone, Copy, Debug)]
pub(super) enum Happening {
    /// A worker connects.
    Joins(u32),
    /// It comes for the first time.
    Comes(u32),
    /// Something has passed the pipe towards the workers.
    Down,
    /// Something has passed the pipe from them.
    Up,
    /// A worker has what it needs to begin its task.
    Begins(u32, Stamp),
    /// A worker is done, to stop, or to send a beat.
    Looks(u32, Stamp),
    /// A worker holds its data.
    Holds(u32, Stamp),
    /// The orchestrator gets the acknowledgement.
    Shipped(u32, Stamp),
    /// The orchestrator has the answer to a worker's task.
    Reports(u32, Stamp),
    /// The orchestrator gets a beat.
    Beats(u32, SessionId, CycleId, u32),
    /// The orchestrator notices a broken connection.
    Noticed(u32, SessionId),
    /// The fault with this number in the worker's list.
    ListedFault(u32, u32),
    /// A random fault begins, or ends.
    RandomFault(u32, RandomFault, bool),
    /// A worker may move again.
    Moves(u32),
    /// The allocator answers.
    Solved(PlanId),
    /// The average is the model.
    Aggregated(CycleId),
}

/// A random fault.
#[derive(Clone, Copy, Debug)]
pub(super) enum RandomFault {
    Dropout,
    Stall,
    Slowdown,
}

impl RandomFault {
    pub(super) const ALL: [Self; 3] = [Self::Dropout, Self::Stall, Self::Slowdown];

    /// A worker's streams, if it has any faults by chance.
    pub(super) fn draws(
        model: &WorkerModel,
        streams: &WorkerStreams,
    ) -> Option<Box<[Option<Draws>; 3]>> {
        let draws = Self::ALL.map(|fault| {
            let purpose = match fault {
                Self::Dropout => Purpose::Dropout,
                Self::Stall => Purpose::Stall,
                Self::Slowdown => Purpose::Slowdown,
            };
            fault.of(model).map(|_| streams.draws(purpose, 0))
        });
        draws.iter().any(Option::is_some).then(|| Box::new(draws))
    }

    /// Its times, if the worker has it.
    pub(super) fn of(self, model: &WorkerModel) -> Option<Renewal> {
        match self {
            Self::Dropout => model.dropouts,
            Self::Stall => model.stalls,
            Self::Slowdown => model.slowdowns.map(|(renewal, _)| renewal),
        }
    }
}

/// The faults since the running cycle began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FaultCount {
    cycle: CycleId,
    pub(super) all: u64,
    pub(super) at_work: u64,
}

impl FaultCount {
    /// Starts from 0 when a cycle begins.
    pub(super) fn of_cycle(&mut self, cycle: CycleId) {
        if self.cycle != cycle {
            *self = Self {
                cycle,
                ..Self::default()
            };
        }
    }
}
