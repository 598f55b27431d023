//! What happened in a run, in few words.

use crate::audit::Audited;
use scheduler::machine::{Action, CycleResult, Record};

/// One letter per cycle: complete, truncated, failed; then why it ended and the cost in micro-units.
pub(crate) fn summary(audited: &Audited) -> String {
    let letter = |result| match result {
        CycleResult::Complete => 'c',
        CycleResult::Truncated => 't',
        CycleResult::Failed => 'f',
    };
    let cycles: String = audited.cycles.iter().map(|c| letter(c.result)).collect();
    let (ending, totals) = audited.end.as_ref().expect("a run ends");
    let cost = totals.cost.micros();
    format!(
        "{cycles} {} lost={} cost={cost}",
        ending.reason(),
        totals.lost
    )
}

pub(crate) fn records(audited: &Audited) -> impl Iterator<Item = &Record> {
    audited
        .actions
        .iter()
        .filter_map(|(_, action)| match action {
            Action::Record(record) => Some(record),
            Action::Admit { .. }
            | Action::Benchmark { .. }
            | Action::Solve { .. }
            | Action::Ship { .. }
            | Action::Train(_)
            | Action::Accept { .. }
            | Action::Abort { .. }
            | Action::Aggregate { .. }
            | Action::Discard { .. }
            | Action::Exclude { .. }
            | Action::Finish { .. } => None,
        })
}

pub(crate) fn departures(audited: &Audited) -> Vec<(u32, &'static str)> {
    let departed = records(audited).filter_map(|record| match record {
        Record::Departed { worker, why, .. } => Some((worker.get(), why.name())),
        _ => None,
    });
    departed.collect()
}
