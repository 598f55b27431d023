//! The tables of one validation, read in step with another's.

use std::ops::Range;

use super::folder::ValidationFolder;
use crate::cursor::{Cursor, Decode};
use crate::error::ResultsError;
use crate::files::{OUTCOMES, TESTS, TIMINGS};
use crate::problems::ProblemColumns;
use crate::row::{OutcomeRow, Took};
use crate::schema::Row;

/// One folder's tests, one row group of each table at a time.
pub(super) struct Side<'a> {
    folder: &'a ValidationFolder,
    tests: Cursor<ProblemColumns>,
    outcomes: Cursor<Vec<OutcomeRow>>,
    timings: Cursor<Vec<Took>>,
    /// The first worker of the next test in the row group of `tests`.
    worker: usize,
    /// The place of the family that was last begun.
    family: Option<usize>,
}

/// Consecutive tests at hand, as places in the row groups.
pub(super) struct Taken {
    problems: Range<usize>,
    worker: usize,
    outcomes: Range<usize>,
    timings: Range<usize>,
}

impl<'a> Side<'a> {
    pub(super) fn open(folder: &'a ValidationFolder) -> Result<Self, ResultsError> {
        let (dir, plan) = (&folder.dir, folder.plan());
        let outcomes: Decode<Vec<OutcomeRow>> = if plan.simulate {
            OutcomeRow::read_simulated
        } else {
            OutcomeRow::read
        };
        Ok(Self {
            tests: Cursor::open(dir, TESTS, &[], ProblemColumns::read)?,
            outcomes: Cursor::open(dir, OUTCOMES, &plan.allocators, outcomes)?,
            timings: Cursor::open(dir, TIMINGS, &plan.allocators, Took::read)?,
            folder,
            worker: 0,
            family: None,
        })
    }

    /// Goes to a test of a family, from the beginning of the tables if that lies behind.
    pub(super) fn seek(&mut self, place: usize, test: u64) -> Result<(), ResultsError> {
        if self.family.is_some_and(|family| family >= place) {
            *self = Self::open(self.folder)?;
        }
        self.family = Some(place);
        let at = (self.folder.plan().families[place].name.as_str(), test);
        let before = self.tests.seek(at)?;
        let problems = &self.tests.group;
        self.worker = (0..before).map(|test| problems.workers_of(test)).sum();
        self.outcomes.seek(at)?;
        self.timings.seek(at)?;
        Ok(())
    }

    /// How many tests are at hand from one on, which must be the next: at least one.
    pub(super) fn at_hand(&mut self, at: (&str, u64)) -> Result<usize, ResultsError> {
        if self.tests.is_used_up() {
            self.worker = 0;
        }
        let at_hand = [
            self.tests.at_hand(at)?,
            self.outcomes.at_hand(at)?,
            self.timings.at_hand(at)?,
        ];
        Ok(at_hand.into_iter().fold(usize::MAX, usize::min))
    }

    /// Takes this number of the tests that are at hand.
    pub(super) fn take(&mut self, tests: usize) -> Taken {
        let taken = Taken {
            problems: self.tests.take(tests),
            worker: self.worker,
            outcomes: self.outcomes.take(tests),
            timings: self.timings.take(tests),
        };
        let problems = taken.problems.clone();
        let workers = problems.map(|test| self.tests.group.workers_of(test));
        self.worker += workers.sum::<usize>();
        taken
    }

    /// The answers to one of the tests taken, by allocator.
    pub(super) fn answers(&self, taken: &Taken, index: usize) -> (&[OutcomeRow], &[Took]) {
        let allocators = self.folder.plan().allocators.len();
        let of = |first: usize| (first + index) * allocators..(first + index + 1) * allocators;
        (
            &self.outcomes.group[of(taken.outcomes.start)],
            &self.timings.group[of(taken.timings.start)],
        )
    }

    /// Which of the tests taken are another problem than those of another folder.
    pub(super) fn other_problems(
        &self,
        taken: &Taken,
        other: &Side<'_>,
        theirs: &Taken,
    ) -> Vec<bool> {
        let (ours, other) = (&self.tests.group, &other.tests.group);
        let (mut worker, mut their_worker) = (taken.worker, theirs.worker);
        let pairs = taken.problems.clone().zip(theirs.problems.clone());
        let differs = |(a, b): (usize, usize)| {
            let (from, their_from) = (worker, their_worker);
            worker += ours.workers_of(a);
            their_worker += other.workers_of(b);
            let (mine, yours) = (from..worker, their_from..their_worker);
            ours.n[a] != other.n[b]
                || ours.beta[a] != other.beta[b]
                || ours.s_min[a] != other.s_min[b]
                || ours.s_max[mine.clone()] != other.s_max[yours.clone()]
                || ours.fee_micro[mine] != other.fee_micro[yours]
        };
        pairs.map(differs).collect()
    }
}
