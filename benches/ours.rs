//! Our event queue behind the trait of the models.

use sim::engine::Queue;

use crate::models::Events;

pub(crate) struct Ours(Queue<u32>);

impl Ours {
    /// With capacity for this number of pending events.
    pub(crate) fn with_room(events: u32) -> Self {
        Self(Queue::with_capacity(events as usize))
    }
}

impl Events for Ours {
    fn push(&mut self, at: u64, worker: u32) {
        self.0.push(scheduler::Instant::from_nanos(at), worker);
    }

    fn pop(&mut self) -> Option<(u64, u32)> {
        self.0.pop().map(|(at, worker)| (at.nanos(), worker))
    }
}
