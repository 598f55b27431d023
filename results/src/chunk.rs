//! Consecutive tests of one family with all answers, as a worker thread gathers them.

use scheduler::{Outcome, Problem};

use crate::problems::ProblemColumns;
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
