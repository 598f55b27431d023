//! How much a worker may say: what its orders call for, and a little more.
//!
//! An honest worker reports beats and held batches, a known number for each order, and otherwise
//! hardly anything. One that floods its orchestrator with reports has used up its budget within
//! milliseconds, and its connection is closed before it costs time or disk.
//!
//! **What it does not know:** what reports mean, and clocks: moments are arguments.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::protocol::{BATCHES_PER_STREAM, Training};

/// Reports without any order, at once and per second.
const AT_ONCE: u64 = 1_000;
const PER_SECOND: u64 = 20;

/// The budget of a connection, shared by its tasks.
#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    left: u64,
    /// What the newest orders call for. Earlier ones call for nothing any more.
    orders: u64,
    refilled: Instant,
}

impl Budget {
    pub(super) fn new(now: Instant) -> Self {
        Self(Arc::new(Mutex::new(State {
            left: AT_ONCE,
            orders: 0,
            refilled: now,
        })))
    }

    /// One more report or transfer of the worker; false if that is beyond what it may.
    pub(super) fn spend(&self, now: Instant) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = now.saturating_duration_since(state.refilled).as_secs();
        state.refilled += Duration::from_secs(seconds);
        let most = AT_ONCE.saturating_add(state.orders);
        state.left = state
            .left
            .saturating_add(seconds.saturating_mul(PER_SECOND))
            .min(most);
        state.left = match state.left.checked_sub(1) {
            Some(left) => left,
            None => return false,
        };
        true
    }

    /// The worker is ordered to train.
    pub(super) fn trains(&self, order: &Training) {
        let beats = order.results_in_ns / order.beat_ns.max(1);
        let steps = order.batches.saturating_mul(order.passes.into());
        let by_batches = steps / order.beat_batches.max(1);
        self.grant(beats.saturating_add(by_batches).saturating_add(2));
    }

    /// The worker is sent this number of batches.
    pub(super) fn ships(&self, batches: usize) {
        self.grant((batches / BATCHES_PER_STREAM) as u64 + 2);
    }

    fn grant(&self, reports: u64) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.orders = reports;
        state.left = state.left.saturating_add(reports);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many reports in a row are within the budget.
    fn spent(budget: &Budget, now: Instant) -> u64 {
        (0..).take_while(|_| budget.spend(now)).count() as u64
    }

    #[test]
    fn a_flood_ends_it_and_orders_and_time_add_to_it() {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let budget = Budget::new(began);
        assert_eq!(spent(&budget, began), AT_ONCE);
        assert_eq!(spent(&budget, after(3)), 3 * PER_SECOND);
        budget.ships(64_000);
        assert_eq!(spent(&budget, after(3)), 1_002);
        assert_eq!(spent(&budget, after(100_000)), AT_ONCE + 1_002, "at most");
        // Beats by time and by batches, however fast it is.
        let mut order = Training {
            session: 1,
            cycle: 1,
            batches: 1_000_000,
            passes: 2,
            rate_ppb: 1_000_000_000,
            beat_ns: 500_000_000,
            beat_batches: 10,
            tail_batches: 1,
            stop_in_ns: 10_000_000_000,
            results_in_ns: 10_000_000_000,
        };
        budget.trains(&order);
        assert_eq!(spent(&budget, after(100_000)), 200_000 + 20 + 2);
        (order.beat_ns, order.beat_batches, order.batches) = (0, 0, u64::MAX);
        budget.trains(&order);
        assert!(budget.spend(after(100_000)), "and no order overflows it");
    }

    /// What an honest worker of any speed reports in an hour fits.
    #[test]
    fn honest_reports_fit() {
        let began = Instant::now();
        let budget = Budget::new(began);
        for cycle in 0..360 {
            let now = began + Duration::from_secs(10 * cycle);
            budget.trains(&Training {
                session: 1,
                cycle: 1,
                batches: 5_000,
                passes: 1,
                rate_ppb: 1_000_000_000,
                beat_ns: 500_000_000,
                beat_batches: 50,
                tail_batches: 1,
                stop_in_ns: 9_000_000_000,
                results_in_ns: 10_000_000_000,
            });
            for _ in 0..5_000 / 50 + 20 {
                assert!(budget.spend(now), "in cycle {cycle}");
            }
        }
    }
}
