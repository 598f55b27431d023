//! What runs are compared by: fees, times and shares, each a ratio per run.
//!
//! **What it does not know:** which runs are a pair, and how a difference is shown.

use scheduler::machine::Ending;
use scheduler::{Cost, Span};

use super::account::{RunEnd, Truth};
use super::columns::RunRow;
use crate::interval::Estimate;
use crate::paired::{self, Difference, Part, Scale};
use crate::schema::columns;

/// The figures of a run by which runs are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunFigures {
    /// Whether it reached its last cycle.
    pub reached_end: bool,
    /// Whether it missed, as [`RunEnd::is_missed`] has it.
    pub missed: bool,
    /// Its fee.
    pub cost: Cost,
    /// All cycles together.
    pub wall: Span,
    /// What came before.
    pub setup: Span,
    /// The cycles that it was to have.
    pub cycles: u64,
    /// Cycles that are complete.
    pub complete: u64,
    /// Batches that count.
    pub accepted: u64,
    /// Batches that were ordered and do not.
    pub lost: u64,
    /// Plans that were made.
    pub plans: u64,
    /// What only a simulation knows.
    pub truth: Option<Truth>,
}

impl RunFigures {
    /// Of a run that was to have this number of cycles.
    pub fn of(end: &RunEnd, cycles: u32) -> Self {
        Self::read(&RunRow::from(end), cycles)
    }

    /// The same from its row of a table.
    pub(super) fn read(row: &RunRow, cycles: u32) -> Self {
        Self {
            reached_end: row.ending == Ending::Completed.reason(),
            missed: row.missed,
            cost: row.cost,
            wall: row.wall,
            setup: row.setup,
            cycles: cycles.into(),
            complete: row.complete,
            accepted: row.accepted,
            lost: row.lost,
            plans: row.plans,
            truth: row.truth(),
        }
    }
}

/// A figure that runs are compared by.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// In lines for scripts.
    pub key: &'static str,
    /// In tables.
    pub name: &'static str,
    /// What kind of number it is.
    pub scale: Scale,
    /// Only of pairs in which both runs reached the end: what a run that did not would still have
    /// paid, and how long it would have taken, is unknown.
    pub of_whole_runs: bool,
    /// What it is of a run.
    pub part: fn(&RunFigures) -> Part,
}

/// Two ways by one figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compared {
    /// Runs of which the figure is, on either side.
    pub runs: [usize; 2],
    /// The figure of the first runs.
    pub ours: Option<Estimate>,
    /// The figure of those that they are compared with.
    pub base: Option<Estimate>,
    /// The first less the second.
    pub difference: Option<Difference>,
}

impl Figure {
    /// Compares runs that are pairs, one by one.
    pub fn paired(&self, ours: &[RunFigures], base: &[RunFigures]) -> Compared {
        let pairs = ours.iter().zip(base);
        let pairs = pairs.filter(|(a, b)| self.counts(a) && self.counts(b));
        let (ours, base): (Vec<Part>, Vec<Part>) =
            pairs.map(|(a, b)| ((self.part)(a), (self.part)(b))).unzip();
        let difference = paired::difference(&ours, &base, self.scale);
        self.compared(&ours, &base, difference)
    }

    /// Compares runs that have nothing to do with each other.
    pub fn independent(&self, ours: &[RunFigures], base: &[RunFigures]) -> Compared {
        let (ours, base) = (self.parts(ours), self.parts(base));
        let difference = paired::independent(&ours, &base, self.scale);
        self.compared(&ours, &base, difference)
    }

    /// Compares many runs with one that would vary as they do, if it could be run again.
    pub fn one_with_many(&self, ours: &[RunFigures], base: &[RunFigures]) -> Compared {
        let (ours, base) = (self.parts(ours), self.parts(base));
        let difference = paired::one_with_many(&ours, &base);
        self.compared(&ours, &base, difference)
    }

    /// What it is of each run.
    pub fn parts(&self, runs: &[RunFigures]) -> Vec<Part> {
        let counted = runs.iter().filter(|run| self.counts(run));
        counted.map(self.part).collect()
    }

    fn counts(&self, run: &RunFigures) -> bool {
        !self.of_whole_runs || run.reached_end
    }

    fn compared(&self, ours: &[Part], base: &[Part], difference: Option<Difference>) -> Compared {
        Compared {
            runs: [ours.len(), base.len()],
            ours: paired::estimate(ours, self.scale),
            base: paired::estimate(base, self.scale),
            difference,
        }
    }
}

columns! {
    /// A figure of an arm compared with that of another, pair by pair.
    #[derive(Clone, Debug, PartialEq)]
    pub struct PairedRow {
        /// The figure; a share is between 0 and 1.
        figure: String = "figure",
        /// The arm: its allocator, and what is set for it alone.
        arm: String = "arm",
        /// The arm that it is compared with.
        against: String = "against",
        /// Pairs: runs of the same replicate.
        pairs: u64 = "pairs",
        /// The figure of the arm.
        value: Option<Estimate> = "value",
        /// The figure of the other.
        base: Option<Estimate> = "base",
        /// The first less the second, pair by pair.
        difference: Option<Estimate> = "difference",
        /// The difference in standard deviations of a pair's difference.
        effect: Option<f64> = "effect",
    }
}

impl PairedRow {
    /// A figure of two arms by their names.
    pub fn new(figure: &Figure, [arm, against]: [&str; 2], compared: &Compared) -> Self {
        Self {
            figure: figure.key.to_owned(),
            arm: arm.to_owned(),
            against: against.to_owned(),
            pairs: compared.runs[0] as u64,
            value: compared.ours,
            base: compared.base,
            difference: compared.difference.map(|of| of.estimate),
            effect: compared.difference.and_then(|of| of.effect),
        }
    }
}

/// What arms of one command are compared by.
pub const FIGURES: [Figure; 8] = [
    Figure {
        key: "fee",
        name: "fee",
        scale: Scale::Number,
        of_whole_runs: true,
        part: |run| number(run.cost.units_f64()),
    },
    Figure {
        key: "wall_s",
        name: "wall s",
        scale: Scale::Number,
        of_whole_runs: true,
        part: |run| number(run.wall.seconds_f64()),
    },
    Figure {
        key: "fee_per_accepted_batch",
        name: "fee per batch that counts",
        scale: Scale::Number,
        of_whole_runs: false,
        part: |run| Part {
            value: run.cost.units_f64(),
            of: run.accepted as f64,
        },
    },
    Figure {
        key: "missed",
        name: "missed %",
        scale: Scale::Share,
        of_whole_runs: false,
        part: |run| number(f64::from(u8::from(run.missed))),
    },
    Figure {
        key: "complete_of_all",
        name: "complete, % of all cycles",
        scale: Scale::Share,
        of_whole_runs: false,
        part: |run| share_of(run.complete, run.cycles),
    },
    Figure {
        key: "complete_of_feasible",
        name: "complete, % of feasible cycles",
        scale: Scale::Share,
        of_whole_runs: false,
        part: |run| known(run, |truth| (truth.feasible_complete, truth.feasible)),
    },
    Figure {
        key: "complete_of_untouched",
        name: "the same, no fault within",
        scale: Scale::Share,
        of_whole_runs: false,
        part: |run| known(run, |truth| (truth.untouched_complete, truth.untouched)),
    },
    Figure {
        key: "lost_of_ordered",
        name: "lost, % of batches ordered",
        scale: Scale::Share,
        of_whole_runs: false,
        part: |run| share_of(run.lost, run.accepted + run.lost),
    },
];

/// What folders are compared by as well.
pub const MORE_FIGURES: [Figure; 2] = [
    Figure {
        key: "setup_s",
        name: "set-up s",
        scale: Scale::Number,
        of_whole_runs: false,
        part: |run| number(run.setup.seconds_f64()),
    },
    Figure {
        key: "plans",
        name: "plans",
        scale: Scale::Number,
        of_whole_runs: false,
        part: |run| number(run.plans as f64),
    },
];

const fn number(value: f64) -> Part {
    Part { value, of: 1.0 }
}

fn share_of(count: u64, of: u64) -> Part {
    Part {
        value: count as f64,
        of: of as f64,
    }
}

/// Nothing of nothing where it is unknown.
fn known(run: &RunFigures, get: fn(&Truth) -> (u64, u64)) -> Part {
    let (count, of) = run.truth.as_ref().map_or((0, 0), get);
    share_of(count, of)
}
