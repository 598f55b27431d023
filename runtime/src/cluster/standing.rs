//! Where a run stands, in a line: cycles, time left, fee, accuracy. A terminal shows it beside the bar of
//! the cycles; where standard error is no terminal, it is printed every few seconds.
//!
//! **What it does not know:** where it is shown. Time is an argument.

use std::collections::BTreeSet;

use scheduler::machine::{Config, CycleRow, Record, WorkerId};
use scheduler::{Cost, Instant, Span};

/// Between two lines where there is no terminal.
const EVERY: Span = Span::from_secs(5);

/// Where a run stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    cycles: u32,
    done: u32,
    /// What a cycle takes: the mean of those of this part of the run.
    timed: u32,
    took: Span,
    fee: Cost,
    accuracy: Option<f64>,
    joined: BTreeSet<WorkerId>,
    measured: BTreeSet<WorkerId>,
    /// Why nothing goes on, if so.
    phase: Phase,
    said: Instant,
}

#[derive(Clone, Debug, Default)]
enum Phase {
    #[default]
    Gathering,
    Shipping,
    Training,
    Paused(String),
}

impl Standing {
    pub(crate) fn begins(&mut self, config: &Config) {
        self.cycles = config.cycles;
        self.done = config.first_cycle.saturating_sub(1);
    }

    /// What earlier parts of the run cost.
    pub(crate) fn replays(&mut self, record: &Record) {
        if let Record::Cycle(row) = record {
            self.fee += row.cost;
        }
    }

    pub(crate) fn record(&mut self, record: &Record) {
        match record {
            Record::Joined { worker, .. } => {
                self.joined.insert(*worker);
            }
            Record::Benchmarked { worker, .. } => {
                self.measured.insert(*worker);
            }
            Record::Planned(_) => self.phase = Phase::Shipping,
            Record::Shipped { .. } => self.phase = Phase::Training,
            Record::Paused { why, .. } => self.phase = Phase::Paused(why.to_string()),
            Record::Cycle(row) => self.cycle(row),
            _ => {}
        }
    }

    fn cycle(&mut self, row: &CycleRow) {
        self.phase = Phase::Training;
        self.done = row.cycle.get();
        self.fee += row.cost;
        self.timed += 1;
        self.took = self.took + row.ended.since(row.started);
    }

    pub(crate) fn judged(&mut self, accuracy: f64) {
        self.accuracy = Some(accuracy);
    }

    /// The cycles that are done.
    pub(crate) fn done(&self) -> u32 {
        self.done
    }

    /// What is known, without the number of cycles.
    pub(crate) fn words(&self) -> String {
        let mut words = Vec::new();
        match &self.phase {
            Phase::Gathering => {
                let (joined, measured) = (self.joined.len(), self.measured.len());
                words.push(format!("{joined} joined, {measured} measured"));
            }
            Phase::Paused(why) => words.push(format!("paused: {why}")),
            Phase::Shipping if self.timed == 0 => words.push("shipping data".to_owned()),
            Phase::Shipping | Phase::Training => {}
        }
        if let Some(left) = self.left() {
            words.push(format!("{} left", rounded(left)));
        }
        if self.fee > Cost::ZERO {
            words.push(format!("fee {}", self.fee));
        }
        if let Some(accuracy) = self.accuracy {
            words.push(format!("accuracy {accuracy:.4}"));
        }
        words.join(", ")
    }

    /// A line, if it is time for one.
    pub(crate) fn line(&mut self, now: Instant) -> Option<String> {
        if now.since(self.said) < EVERY {
            return None;
        }
        self.said = now;
        let (done, cycles) = (self.done, self.cycles);
        Some(format!("cycle {done} of {cycles} done: {}", self.words()))
    }

    /// How long the cycles that are left take, if they take what those before took.
    fn left(&self) -> Option<Span> {
        let left = self.cycles.saturating_sub(self.done);
        (self.timed > 0 && left > 0).then(|| {
            let nanos = u128::from(self.took.nanos()) * u128::from(left) / u128::from(self.timed);
            Span::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        })
    }
}

/// Whole seconds, or hours and minutes.
fn rounded(span: Span) -> String {
    let seconds = span.nanos().div_ceil(1_000_000_000);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use scheduler::machine::{CycleId, CycleResult, Limit, PlanId};

    use super::*;

    fn cycle(number: u32, seconds: u64) -> Record {
        let started = Instant::from_nanos(0);
        let ended = started + Span::from_secs(seconds);
        Record::Cycle(CycleRow {
            cycle: CycleId::new(number),
            plan: PlanId::new(1),
            result: CycleResult::Complete,
            started,
            limit: Span::from_secs(90),
            results_at: ended,
            ended,
            workers: 2,
            accepted: 10,
            lost: 0,
            cost: Cost::from_micros(1_500_000),
        })
    }

    #[test]
    fn a_line_says_what_is_left() {
        let config = Config::new(10, 100, Limit::Cycle(Span::from_secs(90)));
        let mut standing = Standing::default();
        standing.begins(&config);
        assert_eq!(standing.words(), "0 joined, 0 measured");
        for number in 1..=2 {
            standing.record(&cycle(number, 40 * u64::from(number)));
        }
        standing.judged(0.75);
        assert_eq!(standing.words(), "1 h 38 min left, fee 3, accuracy 0.7500");
        let at = |seconds| Instant::START + Span::from_secs(seconds);
        assert_eq!(standing.line(at(4)), None);
        let line = standing.line(at(5)).expect("it is time");
        assert!(
            line.starts_with("cycle 2 of 100 done: 1 h 38 min left"),
            "{line}"
        );
        assert_eq!(standing.line(at(9)), None);
        assert!(standing.line(at(10)).is_some());
    }

    #[test]
    fn nothing_is_left_of_a_run_that_is_done() {
        let mut standing = Standing {
            cycles: 1,
            ..Standing::default()
        };
        standing.record(&cycle(1, 3));
        assert_eq!(standing.words(), "fee 1.5");
        assert_eq!(standing.done(), 1);
    }

    #[test]
    fn times_are_round() {
        for (seconds, said) in [(7, "7 s"), (61, "1 min 1 s"), (7_260, "2 h 1 min")] {
            assert_eq!(rounded(Span::from_secs(seconds)), said);
        }
        assert_eq!(rounded(Span::from_millis(1)), "1 s");
    }
}
