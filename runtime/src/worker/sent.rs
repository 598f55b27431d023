//! How long results take to be sent.
//!
//! **What it does not know:** what is sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Results whose time of sending is remembered.
const REMEMBERED: usize = 8;

/// How long the last few results took, from the end of computing to the acknowledgement of the
/// last byte.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent(Arc<Mutex<VecDeque<Duration>>>);

impl Sent {
    /// A result took this long.
    pub(super) fn took(&self, time: Duration) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.push_back(time);
        if times.len() > REMEMBERED {
            times.pop_front();
        }
    }

    /// The longest of them; nothing before the first.
    pub(super) fn longest(&self) -> Duration {
        let times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.iter().max().copied().unwrap_or_default()
    }
}
