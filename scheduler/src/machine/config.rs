//! What a job asks for.

use crate::benchmark::{BenchmarkRule, MAX_ROUNDS};
use crate::estimate::Margins;
use crate::limits::{MAX_BATCHES, MAX_N, MAX_WORKERS};
use crate::money::Cost;
use crate::request::Objective;
use crate::time::Span;
use crate::time_model::{MAX_PASSES, TimeModel};
use serde::{Deserialize, Serialize};

/// The most cycles of one job.
pub const MAX_CYCLES: u32 = 1_000_000;

/// Everything that is fixed before a job begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Batches that are trained in every cycle.
    pub batches: u64,
    /// The least batches of an employed worker.
    pub s_min: u64,
    /// The least number of employed workers.
    pub beta: u64,
    /// The last cycle.
    pub cycles: u32,
    /// The first cycle: 1, or later when a job is resumed.
    pub first_cycle: u32,
    /// The time limit.
    pub limit: Limit,
    /// The time model of capacities and deadlines.
    pub time_model: TimeModel,
    /// What is added to measured times against error and jitter.
    pub margins: Margins,
    /// What plans are chosen by.
    #[serde(default)]
    pub objective: Objective,
    /// The most that all cycles from the first one on may cost together.
    #[serde(default)]
    pub budget: Option<Cost>,
    /// Whether the plan is made again.
    pub replan: Replan,
    /// What becomes of a share that was not finished.
    pub partial: Partial,
    /// What is billed.
    pub billing: Billing,
    /// How workers are benchmarked.
    pub benchmark: BenchmarkRule,
    /// The number of workers to wait for at the start.
    pub expect: u32,
    /// No more workers than this are ever admitted.
    pub max_workers: u32,
    /// The longest waits.
    pub waits: Waits,
}

/// A time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Limit {
    /// For all cycles together, from the first parameter byte of the first to the last
    /// aggregation. The time that a cycle does not use is shared by those after it.
    Job {
        /// The limit.
        max_time: Span,
        /// Whether it counts from the beginning of the run, so that joining, benchmarks, planning
        /// and shipping are counted in.
        counts_setup: bool,
    },
    /// For each cycle.
    Cycle(Span),
}

impl Limit {
    /// The time that this number of cycles has together.
    pub fn total(self, cycles: u32) -> Span {
        match self {
            Self::Job { max_time, .. } => max_time,
            Self::Cycle(limit) => limit * u64::from(cycles),
        }
    }
}

/// When the plan is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Replan {
    /// Never once training has begun, as in the thesis: the share of a lost worker is lost in every
    /// cycle until it returns.
    Static,
    /// Between cycles, when a planned worker is gone or can no longer take its share; and beside
    /// the next cycle when a cheaper plan may have become possible.
    Adaptive,
}

/// What becomes of a share that was not finished by its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Partial {
    /// What was done counts.
    Accept,
    /// It counts for nothing: not in the average, and not in the bill where what was trained is
    /// paid for. The worker reports how far it came and need not send its parameters.
    Discard,
}

/// What is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Billing {
    /// What was ordered, as in the thesis.
    Assigned,
    /// What was trained and accepted.
    Computed,
}

/// The longest waits. Every wait of the scheduler has a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waits {
    /// For workers to join, from the beginning of the run.
    pub gather: Span,
    /// For the allocator to answer.
    pub solve: Span,
    /// For data to be shipped, each time.
    pub ship: Span,
    /// For workers to return when too few are left, between two cycles in all.
    pub pause: Span,
    /// For results beyond a cycle's limit. Zero keeps the limit; more lets a run break it, as the
    /// thesis program did.
    pub grace: Span,
    /// For the aggregation beyond a cycle's limit: the time model reserves time for it within the limit, and
    /// a whole cycle's work is not thrown away because it took a little longer.
    pub aggregation: Span,
}

impl Waits {
    /// A minute for joining and for a plan, ten for data, one for returns, no grace, and a
    /// second for a slow aggregation.
    pub const DEFAULT: Self = Self {
        gather: Span::from_secs(60),
        solve: Span::from_secs(60),
        ship: Span::from_secs(600),
        pause: Span::from_secs(60),
        grace: Span::ZERO,
        aggregation: Span::from_secs(1),
    };
}

impl Config {
    /// A job with everything else at its default: the policies of the thesis, and at least one worker.
    pub const fn new(batches: u64, cycles: u32, limit: Limit) -> Self {
        Self {
            batches,
            s_min: 0,
            beta: 0,
            cycles,
            first_cycle: 1,
            limit,
            time_model: TimeModel::COMPUTE,
            margins: Margins::NONE,
            objective: Objective::Cheapest,
            budget: None,
            replan: Replan::Static,
            partial: Partial::Accept,
            billing: Billing::Assigned,
            benchmark: BenchmarkRule::DEFAULT,
            expect: 1,
            max_workers: 100_000,
            waits: Waits::DEFAULT,
        }
    }

    /// Checks that every number lies within its bounds.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check(&self) -> Result<(), ConfigError> {
        let limit = match self.limit {
            Limit::Job { max_time, .. } => max_time,
            Limit::Cycle(span) => span,
        };
        let rounds = &self.benchmark;
        let ranges = [
            ("batches", self.batches, 1, MAX_N),
            ("s_min", self.s_min, 0, MAX_BATCHES),
            ("beta", self.beta, 0, MAX_BATCHES),
            ("cycles", self.cycles.into(), 1, MAX_CYCLES.into()),
            (
                "first_cycle",
                self.first_cycle.into(),
                1,
                self.cycles.into(),
            ),
            (
                "time limit in ns",
                limit.nanos(),
                MIN_CYCLE.nanos(),
                u64::MAX,
            ),
            (
                "passes",
                self.time_model.passes.into(),
                1,
                MAX_PASSES.into(),
            ),
            ("benchmark batches", rounds.batches, 1, MAX_BATCHES),
            (
                "benchmark time in ns",
                rounds.until.map_or(1, |until| until.most.nanos()),
                1,
                u64::MAX,
            ),
            ("expect", self.expect.into(), 1, MAX_WORKERS as u64),
            (
                "benchmark rounds",
                rounds.rounds.into(),
                1,
                rounds.max_rounds.into(),
            ),
            (
                "most benchmark rounds",
                rounds.max_rounds.into(),
                1,
                MAX_ROUNDS.into(),
            ),
            (
                "max_workers",
                self.max_workers.into(),
                1,
                MAX_WORKERS as u64,
            ),
            (
                "aggregation wait in ns",
                self.waits.aggregation.nanos(),
                1,
                u64::MAX,
            ),
        ];
        for (name, value, least, most) in ranges {
            if value < least || value > most {
                return Err(ConfigError {
                    name,
                    value,
                    least,
                    most,
                });
            }
        }
        Ok(())
    }
}

/// No cycle is begun with less time than this.
pub(crate) const MIN_CYCLE: Span = Span::from_nanos(1_000);

/// A number out of its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {value}, expected {least} to {most}")]
pub struct ConfigError {
    /// Which number.
    pub name: &'static str,
    /// What it was.
    pub value: u64,
    /// The least that is accepted.
    pub least: u64,
    /// The most that is accepted.
    pub most: u64,
}
