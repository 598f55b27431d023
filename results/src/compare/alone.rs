//! Two validations that share no test: each by itself, and the difference of independent figures.

use hdrhistogram::Histogram;

use super::figure::{EXCESS, FEASIBLE, LATENCY, MAKESPAN, MISSED, SUBOPTIMAL, TestFigure, point};
use super::folder::ValidationFolder;
use super::side::Side;
use crate::assess::{Verdict, assess};
use crate::error::ResultsError;
use crate::interval::{Moments, difference_of_independent_shares, difference_of_means, share};

/// What one folder says of an allocator on the tests of a family.
#[derive(Clone)]
pub struct Alone {
    tests: u64,
    planned: u64,
    compared: u64,
    suboptimal: u64,
    excess: Moments,
    simulated: u64,
    missed: u64,
    makespan: Moments,
    times: Histogram<u64>,
}

impl Alone {
    /// Reads the tests of the family at this place; by allocator. `progress` is given how many
    /// tests were read, now and then.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub fn read(
        folder: &ValidationFolder,
        place: usize,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<Self>, ResultsError> {
        let (plan, tests) = (folder.plan(), folder.tests(place));
        let mut all = vec![Self::new(); plan.allocators.len()];
        if tests.is_empty() {
            return Ok(all);
        }
        let family = plan.families[place].name.as_str();
        let mut side = Side::open(folder)?;
        side.seek(place, tests.start)?;
        let (mut next, mut assessed) = (tests.start, Vec::new());
        while next < tests.end {
            let wanted = usize::try_from(tests.end - next).unwrap_or(usize::MAX);
            let at_hand = wanted.min(side.at_hand((family, next))?);
            let taken = side.take(at_hand);
            for index in 0..at_hand {
                let (rows, took) = side.answers(&taken, index);
                assess(&plan.allocators, rows, &mut assessed);
                for ((alone, answer), took) in all.iter_mut().zip(&assessed).zip(took) {
                    alone.tests += 1;
                    alone.planned += u64::from(answer.row.cost.is_some());
                    let is_worse = answer.verdict == Verdict::Suboptimal;
                    alone.compared += u64::from(is_worse || answer.verdict == Verdict::Optimal);
                    alone.suboptimal += u64::from(is_worse);
                    if let Some(excess) = answer.excess.and_then(|excess| excess.relative) {
                        alone.excess.add(100.0 * excess);
                    }
                    if let Some(simulated) = answer.row.simulated {
                        alone.simulated += 1;
                        alone.missed += u64::from(simulated.missed);
                        alone.makespan.add(simulated.makespan_ns as f64 / 1e6);
                    }
                    alone.times.saturating_record(took.wall_ns);
                }
            }
            next += at_hand as u64;
            progress(at_hand as u64);
        }
        Ok(all)
    }

    fn new() -> Self {
        Self {
            tests: 0,
            planned: 0,
            compared: 0,
            suboptimal: 0,
            excess: Moments::default(),
            simulated: 0,
            missed: 0,
            makespan: Moments::default(),
            times: Histogram::new(3).expect("three digits are within 0 to 5"),
        }
    }
}

/// The figures of one folder and those of another, and by how much they differ: those of which
/// nothing is known on either side are left out.
pub fn independent_tests(base: &Alone, ours: &Alone) -> Vec<TestFigure> {
    let shares = |key, of: fn(&Alone) -> (u64, u64)| {
        let (base, ours) = (of(base), of(ours));
        let percent = |(hits, of): (u64, u64)| share(hits, of).map(|share| share.times(100.0));
        TestFigure {
            key,
            cases: [ours.1, base.1],
            ours: percent(ours),
            base: percent(base),
            difference: difference_of_independent_shares(ours, base)
                .map(|difference| difference.times(100.0)),
        }
    };
    let means = |key, of: fn(&Alone) -> &Moments| TestFigure {
        key,
        cases: [of(ours).count(), of(base).count()],
        ours: of(ours).mean(),
        base: of(base).mean(),
        difference: difference_of_means(of(ours), of(base)),
    };
    let median = |of: &Alone| of.times.value_at_quantile(0.5) as f64 / 1e3;
    let latency = TestFigure {
        key: LATENCY,
        cases: [ours.tests, base.tests],
        ours: Some(point(median(ours))),
        base: Some(point(median(base))),
        difference: Some(point(median(ours) - median(base))),
    };
    let figures = [
        shares(FEASIBLE, |of| (of.planned, of.tests)),
        shares(SUBOPTIMAL, |of| (of.suboptimal, of.compared)),
        means(EXCESS, |of| &of.excess),
        shares(MISSED, |of| (of.missed, of.simulated)),
        means(MAKESPAN, |of| &of.makespan),
        latency,
    ];
    let is_known = |figure: &TestFigure| figure.cases.iter().all(|cases| *cases > 0);
    figures.into_iter().filter(is_known).collect()
}
