//! Arms against the first of them, figure by figure and pair by pair.

use results::Estimate;
use results::paired::{self, Difference, Part, Scale};
use scheduler::machine::Ending;
use serde_json::json;

use super::arm::Arm;
use super::figures::{dash, share_of};
use super::simulate::Run;

/// What is compared.
struct Figure {
    key: &'static str,
    /// As the table has it.
    name: &'static str,
    scale: Scale,
    /// Only of pairs in which both runs reached the end: what a run had still to pay, and how
    /// long it had still to go, nobody knows.
    of_whole_runs: bool,
    /// What a run of so many cycles says of it.
    part: fn(&Run, u32) -> Part,
}

const FIGURES: [Figure; 8] = [
    Figure {
        key: "fee",
        name: "fee",
        scale: Scale::Number,
        of_whole_runs: true,
        part: |run, _| number(run.totals.scheduled.cost.units_f64()),
    },
    Figure {
        key: "wall_s",
        name: "wall s",
        scale: Scale::Number,
        of_whole_runs: true,
        part: |run, _| number(run.totals.wall.seconds_f64()),
    },
    Figure {
        key: "fee_per_accepted_batch",
        name: "fee of a batch that counts",
        scale: Scale::Number,
        of_whole_runs: false,
        part: |run, _| Part {
            value: run.totals.scheduled.cost.units_f64(),
            of: run.totals.scheduled.accepted as f64,
        },
    },
    Figure {
        key: "missed",
        name: "missed %",
        scale: Scale::Share,
        of_whole_runs: false,
        part: |run, _| number(f64::from(u8::from(run.totals.is_missed()))),
    },
    Figure {
        key: "complete_of_all",
        name: "complete, % of all cycles",
        scale: Scale::Share,
        of_whole_runs: false,
        part: |run, cycles| share_of(run.totals.scheduled.complete.into(), cycles.into()),
    },
    Figure {
        key: "complete_of_feasible",
        name: "complete, % of feasible cycles",
        scale: Scale::Share,
        of_whole_runs: false,
        part: |run, _| share_of(run.judged.feasible_complete, run.judged.feasible),
    },
    Figure {
        key: "complete_of_untouched",
        name: "the same, no fault within",
        scale: Scale::Share,
        of_whole_runs: false,
        part: |run, _| share_of(run.judged.untouched_complete, run.judged.untouched),
    },
    Figure {
        key: "lost_of_ordered",
        name: "lost, % of batches ordered",
        scale: Scale::Share,
        of_whole_runs: false,
        part: |run, _| {
            let (accepted, lost) = (run.totals.scheduled.accepted, run.totals.scheduled.lost);
            share_of(lost, accepted + lost)
        },
    },
];

/// A figure of two arms, and by how much they differ.
struct Compared {
    pairs: usize,
    ours: Option<Estimate>,
    base: Option<Estimate>,
    difference: Option<Difference>,
}

impl Figure {
    fn compare(&self, arm: &Arm<'_>, base: &Arm<'_>) -> Compared {
        let pairs = arm.runs.iter().zip(&base.runs);
        let pairs = pairs.filter(|(ours, theirs)| {
            !self.of_whole_runs || (reached_the_end(ours) && reached_the_end(theirs))
        });
        let of = |run: &Run, arm: &Arm<'_>| (self.part)(run, arm.setting.scenario().job().cycles);
        let (ours, theirs): (Vec<Part>, Vec<Part>) =
            pairs.map(|(a, b)| (of(a, arm), of(b, base))).unzip();
        Compared {
            pairs: ours.len(),
            difference: paired::difference(&ours, &theirs, self.scale),
            ours: paired::estimate(&ours, self.scale),
            base: paired::estimate(&theirs, self.scale),
        }
    }

    /// In the unit of the table: shares in percent.
    fn shown(&self, value: f64) -> String {
        match self.scale {
            Scale::Share => format!("{:.2}", 100.0 * value),
            Scale::Number if self.of_whole_runs => format!("{value:.2}"),
            Scale::Number => format!("{value:.4}"),
        }
    }
}

/// A table for each arm but the first.
pub(super) fn tables(arms: &[Arm<'_>], heading: impl Fn(String) -> String) -> String {
    let Some((base, others)) = arms.split_first() else {
        return String::new();
    };
    let mut text = String::new();
    for arm in others {
        text += &format!("\n{} against {}, paired\n", arm.name, base.name);
        text += &heading(format!(
            "{:<32}{:>12}{:>12}{:>38}{:>8}{:>7}",
            "figure", "against", "this", "difference", "effect", "pairs"
        ));
        for figure in &FIGURES {
            let compared = figure.compare(arm, base);
            let value = |of: Option<Estimate>| of.map_or_else(dash, |e| figure.shown(e.value));
            let difference = compared
                .difference
                .map_or_else(dash, |d| signed(figure, d.estimate));
            let effect = compared.difference.and_then(|d| d.effect);
            text += &format!(
                "{:<32}{:>12}{:>12}{difference:>38}{:>8}{:>7}\n",
                figure.name,
                value(compared.base),
                value(compared.ours),
                effect.map_or_else(dash, |effect| format!("{effect:+.2}")),
                compared.pairs,
            );
        }
    }
    if !others.is_empty() {
        text += "\nruns of one replicate are a pair: the same workers, links, errors and faults; fee \
                 and wall\nare of the pairs in which both runs reached the end, the rest is of all: \
                 a cycle that a run did\nnot reach is not complete, and neither feasible nor not; \
                 effect is the difference in standard\ndeviations of a pair's difference\n";
    }
    text
}

/// A line for each figure of each arm but the first.
pub(super) fn lines(arms: &[Arm<'_>]) -> String {
    let Some((base, others)) = arms.split_first() else {
        return String::new();
    };
    let mut text = String::new();
    for arm in others {
        for figure in &FIGURES {
            let compared = figure.compare(arm, base);
            let difference = compared.difference.map(|d| d.estimate);
            let line = json!({
                "figure": figure.key,
                "arm": arm.name,
                "against": base.name,
                "pairs": compared.pairs,
                "value": compared.ours.map(|e| e.value),
                "value_low": compared.ours.and_then(|e| e.low),
                "value_high": compared.ours.and_then(|e| e.high),
                "base": compared.base.map(|e| e.value),
                "base_low": compared.base.and_then(|e| e.low),
                "base_high": compared.base.and_then(|e| e.high),
                "difference": difference.map(|e| e.value),
                "difference_low": difference.and_then(|e| e.low),
                "difference_high": difference.and_then(|e| e.high),
                "effect": compared.difference.and_then(|d| d.effect),
            });
            text += &format!("{line}\n");
        }
    }
    text
}

const fn number(value: f64) -> Part {
    Part { value, of: 1.0 }
}

fn reached_the_end(run: &Run) -> bool {
    run.totals.ending == Ending::Completed
}

fn signed(figure: &Figure, estimate: Estimate) -> String {
    let signed = |value: f64| {
        let text = figure.shown(value);
        if text.starts_with('-') {
            text
        } else {
            format!("+{text}")
        }
    };
    match (estimate.low, estimate.high) {
        (Some(low), Some(high)) => {
            let value = signed(estimate.value);
            format!("{value} [{}, {}]", signed(low), signed(high))
        }
        _ => signed(estimate.value),
    }
}
