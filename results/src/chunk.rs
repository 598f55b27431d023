//! Consecutive tests of one family with all answers, as a worker thread gathers them.

use scheduler::{Outcome, Problem};

use crate::row::{OutcomeRow, Simulated, Took};
use crate::statistics::{COUNT, Statistics};

/// How much of each test a chunk keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// What the summary needs.
    Summary,
    /// What the tables need too: the problems and the statistics.
    Tables,
}

/// Consecutive tests of one family. A worker thread fills it, the one writer takes it.
#[derive(Clone, Debug)]
pub struct Chunk {
    pub(crate) family: usize,
    pub(crate) first_test: u64,
    pub(crate) detail: Detail,
    pub(crate) allocators: usize,
    pub(crate) tests: usize,
    /// By test, then allocator.
    pub(crate) rows: Vec<OutcomeRow>,
    pub(crate) took: Vec<Took>,
    pub(crate) statistics: Vec<[f64; COUNT]>,
    pub(crate) problems: ProblemColumns,
}

impl Chunk {
    /// An empty chunk of the family with this index in the plan, beginning with `first_test`.
    pub fn new(family: usize, first_test: u64, allocators: usize, detail: Detail) -> Self {
        Self {
            family,
            first_test,
            detail,
            allocators,
            tests: 0,
            rows: Vec::new(),
            took: Vec::new(),
            statistics: Vec::new(),
            problems: ProblemColumns::default(),
        }
    }

    /// Appends the next test with the answers of all allocators in the plan's order. Every plan
    /// among them must have been verified.
    ///
    /// # Panics
    /// When the number of answers is not that of the allocators.
    pub fn push<'a>(
        &mut self,
        problem: &Problem,
        answers: impl IntoIterator<Item = (&'a Outcome, Took)>,
    ) {
        let answers = answers.into_iter();
        self.push_simulated(
            problem,
            answers.map(|(outcome, took)| (outcome, took, None)),
        );
    }

    /// As [`push`](Self::push), with what became of each plan in a simulated cycle.
    ///
    /// # Panics
    /// When the number of answers is not that of the allocators.
    pub fn push_simulated<'a>(
        &mut self,
        problem: &Problem,
        answers: impl IntoIterator<Item = (&'a Outcome, Took, Option<Simulated>)>,
    ) {
        self.tests += 1;
        for (outcome, took, simulated) in answers {
            self.rows.push(OutcomeRow {
                simulated,
                ..outcome.into()
            });
            self.took.push(took);
            if self.detail == Detail::Tables {
                let plan = outcome.planned().map(|planned| &planned.plan);
                self.statistics.push(*Statistics::of(problem, plan).raw());
            }
        }
        assert_eq!(
            self.rows.len(),
            self.tests * self.allocators,
            "every allocator must answer every test"
        );
        if self.detail == Detail::Tables {
            self.problems.push(problem);
        }
    }

    /// How many tests it holds.
    pub const fn tests(&self) -> usize {
        self.tests
    }

    /// The number of the test that would be pushed next.
    pub const fn next_test(&self) -> u64 {
        self.first_test + self.tests as u64
    }

    /// How many workers its problems have together: a measure of its memory, 12 bytes each.
    pub fn workers(&self) -> usize {
        self.problems.s_max.len()
    }
}

/// The problems of consecutive tests, by column.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProblemColumns {
    pub(crate) n: Vec<u64>,
    pub(crate) beta: Vec<u64>,
    pub(crate) s_min: Vec<u64>,
    pub(crate) k: Vec<u64>,
    pub(crate) eligible: Vec<u64>,
    pub(crate) capacity: Vec<u64>,
    /// Of all workers of all problems, one problem after the other.
    pub(crate) s_max: Vec<u32>,
    pub(crate) fee_micro: Vec<u64>,
}

impl ProblemColumns {
    fn push(&mut self, problem: &Problem) {
        let workers = problem.workers();
        let (mut eligible, mut capacity) = (0, 0);
        for worker in workers.iter().filter(|w| problem.is_eligible(w)) {
            eligible += 1;
            capacity += worker.s_max;
        }
        self.n.push(problem.n());
        self.beta.push(problem.beta());
        self.s_min.push(problem.s_min());
        self.k.push(workers.len() as u64);
        self.eligible.push(eligible);
        self.capacity.push(capacity);
        let s_max = |s_max: u64| u32::try_from(s_max).expect("s_max is at most 10^9");
        self.s_max.extend(workers.iter().map(|w| s_max(w.s_max)));
        let fees = workers.iter().map(|w| w.fee.micros());
        self.fee_micro.extend(fees);
    }

    /// Appends test `index` of `other`, whose workers begin at `worker`.
    pub(crate) fn push_from(&mut self, other: &Self, index: usize, worker: usize) {
        let end = worker + other.workers_of(index);
        self.n.push(other.n[index]);
        self.beta.push(other.beta[index]);
        self.s_min.push(other.s_min[index]);
        self.k.push(other.k[index]);
        self.eligible.push(other.eligible[index]);
        self.capacity.push(other.capacity[index]);
        self.s_max.extend_from_slice(&other.s_max[worker..end]);
        self.fee_micro
            .extend_from_slice(&other.fee_micro[worker..end]);
    }

    pub(crate) fn workers_of(&self, index: usize) -> usize {
        usize::try_from(self.k[index]).expect("k is at most 10^6")
    }
}
