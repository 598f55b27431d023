//! What validations are compared by, and which of their allocators are compared.

use crate::interval::Estimate;

/// A figure of tests, of both folders.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TestFigure {
    /// In lines for scripts; its unit is in it.
    pub key: &'static str,
    /// Cases that it is of: pairs, or those of each folder, ours first.
    pub cases: [u64; 2],
    /// Of the first folder.
    pub ours: Option<Estimate>,
    /// Of that which it is compared with.
    pub base: Option<Estimate>,
    /// The first less the second.
    pub difference: Option<Estimate>,
}

/// The keys of figures of tests, and what they are called.
pub const TEST_FIGURES: [(&str, &str); 6] = [
    (FEASIBLE, "with a plan, % of tests"),
    (SUBOPTIMAL, "suboptimal, % of plans compared"),
    (EXCESS, "above the optimum, %"),
    (MISSED, "missed, % of simulated cycles"),
    (MAKESPAN, "makespan ms"),
    (LATENCY, "median time of a solve, us"),
];

pub(super) const FEASIBLE: &str = "planned_percent";
pub(super) const SUBOPTIMAL: &str = "suboptimal_percent";
pub(super) const EXCESS: &str = "excess_percent";
pub(super) const MISSED: &str = "missed_percent";
pub(super) const MAKESPAN: &str = "makespan_ms";
pub(super) const LATENCY: &str = "p50_us";

/// The allocators to compare, as places in both folders' plans, the base's first: those of one
/// name; if there are none, all of ours with the base's first.
pub fn partners(base: &[String], ours: &[String]) -> Vec<[usize; 2]> {
    let same = |(place, name): (usize, &String)| {
        let at = base.iter().position(|known| known == name)?;
        Some([at, place])
    };
    let same: Vec<[usize; 2]> = ours.iter().enumerate().filter_map(same).collect();
    if same.is_empty() && !base.is_empty() {
        return (0..ours.len()).map(|place| [0, place]).collect();
    }
    same
}

/// Without an interval.
pub(super) const fn point(value: f64) -> Estimate {
    Estimate {
        value,
        low: None,
        high: None,
    }
}
