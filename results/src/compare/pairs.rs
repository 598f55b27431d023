//! Two validations, test by test: the same problems, solved twice.

use hdrhistogram::Histogram;
use scheduler::Cost;

use super::contradiction::Contradictions;
use super::figure::{EXCESS, FEASIBLE, LATENCY, MAKESPAN, MISSED, SUBOPTIMAL, TestFigure, point};
use super::folder::{CommonTests, ValidationFolder, common_tests};
use super::side::Side;
use crate::error::ResultsError;
use crate::interval::{Moments, difference_of_shares, share};
use crate::row::{OutcomeRow, Simulated, Took};
use crate::status::Status;
use crate::tally::ALL_FAMILIES;

/// What two folders say of the tests that both have.
pub struct PairedTests {
    /// A row for each family and pair of allocators, then for all families if there are several.
    pub rows: Vec<PairedRow>,
    /// What cannot be.
    pub contradictions: Contradictions,
}

/// Two allocators on the tests of one family.
#[derive(Clone, Debug, PartialEq)]
pub struct PairedRow {
    /// The family, or [`ALL_FAMILIES`].
    pub family: String,
    /// The allocators' places in both plans, the base's first.
    pub allocators: [usize; 2],
    /// Tests of which both have an answer.
    pub tests: u64,
    /// Tests with a plan of ours that is cheaper than the base's,
    pub cheaper: u64,
    /// that costs the same,
    pub equal: u64,
    /// that is more expensive.
    pub more_expensive: u64,
    /// Tests with a plan of ours alone,
    pub gained: u64,
    /// of the base's alone.
    pub lost: u64,
    /// The figures, those left out of which nothing is known.
    pub figures: Vec<TestFigure>,
}

/// Compares two folders of the same tests by these pairs of allocators. `progress` is given how
/// many tests were read, now and then.
///
/// # Errors
/// When a table cannot be read.
pub fn paired_tests(
    base: &ValidationFolder,
    ours: &ValidationFolder,
    partners: &[[usize; 2]],
    progress: &mut dyn FnMut(u64),
) -> Result<PairedTests, ResultsError> {
    let common = common_tests(base, ours);
    let (mut a, mut b) = (Side::open(base)?, Side::open(ours)?);
    let mut contradictions = Contradictions::default();
    let counters = || vec![Counter::new(); partners.len()];
    let (mut rows, mut all) = (Vec::new(), counters());
    for CommonTests {
        family,
        places,
        tests,
    } in &common
    {
        let mut counted = counters();
        a.seek(places[0], tests.start)?;
        b.seek(places[1], tests.start)?;
        let mut next = tests.start;
        while next < tests.end {
            let at = (family.as_str(), next);
            let wanted = usize::try_from(tests.end - next).unwrap_or(usize::MAX);
            let at_hand = wanted.min(a.at_hand(at)?).min(b.at_hand(at)?);
            let (from_a, from_b) = (a.take(at_hand), b.take(at_hand));
            let others = a.other_problems(&from_a, &b, &from_b);
            for (index, is_other) in others.into_iter().enumerate() {
                let test = next + index as u64;
                if is_other {
                    contradictions.add_problem(family, test);
                    continue;
                }
                let ((base_rows, base_took), (our_rows, our_took)) =
                    (a.answers(&from_a, index), b.answers(&from_b, index));
                contradictions.add_answers((family, test), base_rows, our_rows);
                let optimum = optimum(base_rows, our_rows);
                for (places, counter) in partners.iter().zip(&mut counted) {
                    let [x, y] = *places;
                    counter.add([&base_rows[x], &our_rows[y]], optimum);
                    counter.took([base_took[x], our_took[y]]);
                }
            }
            next += at_hand as u64;
            progress(at_hand as u64);
        }
        for ((counter, all), places) in counted.into_iter().zip(&mut all).zip(partners) {
            if common.len() > 1 {
                all.merge(&counter);
            }
            rows.push(counter.row(family, *places));
        }
    }
    if common.len() > 1 {
        let total = all.into_iter().zip(partners);
        rows.extend(total.map(|(counter, places)| counter.row(ALL_FAMILIES, *places)));
    }
    Ok(PairedTests {
        rows,
        contradictions,
    })
}

/// The cost that is proved the least by anybody, if no plan is cheaper.
fn optimum(base: &[OutcomeRow], ours: &[OutcomeRow]) -> Option<Cost> {
    let rows = || base.iter().chain(ours);
    let cheapest = rows().filter_map(|row| row.cost).min();
    let mut claims = rows().filter(|row| row.status == Status::Optimal);
    claims.find(|row| row.cost == cheapest)?.cost
}

/// What adds up, the base's first.
#[derive(Clone)]
struct Counter {
    tests: u64,
    planned: [u64; 2],
    cheaper: u64,
    equal: u64,
    more_expensive: u64,
    gained: u64,
    lost: u64,
    /// Tests with two plans and a proven optimum.
    compared: u64,
    suboptimal: [u64; 2],
    /// Of ours alone, and of the base's alone.
    suboptimal_alone: [u64; 2],
    excess: [Moments; 2],
    excess_more: Moments,
    simulated: u64,
    missed: [u64; 2],
    missed_alone: [u64; 2],
    makespan: [Moments; 2],
    makespan_more: Moments,
    times: [Histogram<u64>; 2],
}

impl Counter {
    fn new() -> Self {
        let times = || Histogram::new(3).expect("three digits are within 0 to 5");
        Self {
            tests: 0,
            planned: [0; 2],
            cheaper: 0,
            equal: 0,
            more_expensive: 0,
            gained: 0,
            lost: 0,
            compared: 0,
            suboptimal: [0; 2],
            suboptimal_alone: [0; 2],
            excess: Default::default(),
            excess_more: Moments::default(),
            simulated: 0,
            missed: [0; 2],
            missed_alone: [0; 2],
            makespan: Default::default(),
            makespan_more: Moments::default(),
            times: [times(), times()],
        }
    }

    fn add(&mut self, [base, ours]: [&OutcomeRow; 2], optimum: Option<Cost>) {
        self.tests += 1;
        self.planned[0] += u64::from(base.cost.is_some());
        self.planned[1] += u64::from(ours.cost.is_some());
        let (before, after) = match (base.cost, ours.cost) {
            (Some(before), Some(after)) => (before, after),
            (None, Some(_)) => return self.gained += 1,
            (Some(_), None) => return self.lost += 1,
            (None, None) => return,
        };
        match after.cmp(&before) {
            std::cmp::Ordering::Less => self.cheaper += 1,
            std::cmp::Ordering::Equal => self.equal += 1,
            std::cmp::Ordering::Greater => self.more_expensive += 1,
        }
        if let Some(optimum) = optimum {
            self.compare([before, after], optimum);
        }
        if let Some(pair) = base.simulated.zip(ours.simulated) {
            self.simulate(pair);
        }
    }

    fn compare(&mut self, [before, after]: [Cost; 2], optimum: Cost) {
        self.compared += 1;
        let is_worse = [before > optimum, after > optimum];
        self.suboptimal[0] += u64::from(is_worse[0]);
        self.suboptimal[1] += u64::from(is_worse[1]);
        match is_worse {
            [false, true] => self.suboptimal_alone[0] += 1,
            [true, false] => self.suboptimal_alone[1] += 1,
            [true, true] | [false, false] => {}
        }
        let percent = |cost: Cost| {
            let excess = cost.micros().saturating_sub(optimum.micros());
            match (excess, optimum.micros()) {
                (0, _) => Some(0.0),
                (_, 0) => None, // no percentage of what is free
                (excess, optimum) => Some(100.0 * (excess as f64 / optimum as f64)),
            }
        };
        if let Some((before, after)) = percent(before).zip(percent(after)) {
            self.excess[0].add(before);
            self.excess[1].add(after);
            self.excess_more.add(after - before);
        }
    }

    fn simulate(&mut self, (base, ours): (Simulated, Simulated)) {
        self.simulated += 1;
        self.missed[0] += u64::from(base.missed);
        self.missed[1] += u64::from(ours.missed);
        self.missed_alone[0] += u64::from(ours.missed && !base.missed);
        self.missed_alone[1] += u64::from(base.missed && !ours.missed);
        let ms = |of: Simulated| of.makespan_ns as f64 / 1e6;
        self.makespan[0].add(ms(base));
        self.makespan[1].add(ms(ours));
        self.makespan_more.add(ms(ours) - ms(base));
    }

    fn took(&mut self, took: [Took; 2]) {
        for (times, took) in self.times.iter_mut().zip(took) {
            times.saturating_record(took.wall_ns);
        }
    }

    fn merge(&mut self, other: &Self) {
        let add = |ours: &mut [u64], theirs: &[u64]| {
            ours.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
        };
        self.tests += other.tests;
        self.cheaper += other.cheaper;
        self.equal += other.equal;
        self.more_expensive += other.more_expensive;
        self.gained += other.gained;
        self.lost += other.lost;
        self.compared += other.compared;
        self.simulated += other.simulated;
        add(&mut self.planned, &other.planned);
        add(&mut self.suboptimal, &other.suboptimal);
        add(&mut self.suboptimal_alone, &other.suboptimal_alone);
        add(&mut self.missed, &other.missed);
        add(&mut self.missed_alone, &other.missed_alone);
        self.excess_more.merge(&other.excess_more);
        self.makespan_more.merge(&other.makespan_more);
        for side in [0, 1] {
            self.excess[side].merge(&other.excess[side]);
            self.makespan[side].merge(&other.makespan[side]);
            let added = self.times[side].add(&other.times[side]);
            added.expect("histograms that resize take any value");
        }
    }

    fn row(&self, family: &str, allocators: [usize; 2]) -> PairedRow {
        PairedRow {
            family: family.to_owned(),
            allocators,
            tests: self.tests,
            cheaper: self.cheaper,
            equal: self.equal,
            more_expensive: self.more_expensive,
            gained: self.gained,
            lost: self.lost,
            figures: self.figures(),
        }
    }

    fn figures(&self) -> Vec<TestFigure> {
        let shares = |key, hits: [u64; 2], alone: [u64; 2], of: u64| TestFigure {
            key,
            cases: [of; 2],
            ours: share(hits[1], of).map(|share| share.times(100.0)),
            base: share(hits[0], of).map(|share| share.times(100.0)),
            difference: difference_of_shares((alone[0], alone[1]), of)
                .map(|difference| difference.times(100.0)),
        };
        let means = |key, of: &[Moments; 2], more: &Moments| TestFigure {
            key,
            cases: [more.count(); 2],
            ours: of[1].mean(),
            base: of[0].mean(),
            difference: more.mean(),
        };
        let planned_alone = [self.gained, self.lost];
        let median = |side: usize| self.times[side].value_at_quantile(0.5) as f64 / 1e3;
        let latency = TestFigure {
            key: LATENCY,
            cases: [self.tests; 2],
            ours: Some(point(median(1))),
            base: Some(point(median(0))),
            difference: Some(point(median(1) - median(0))),
        };
        let figures = [
            shares(FEASIBLE, self.planned, planned_alone, self.tests),
            shares(
                SUBOPTIMAL,
                self.suboptimal,
                self.suboptimal_alone,
                self.compared,
            ),
            means(EXCESS, &self.excess, &self.excess_more),
            shares(MISSED, self.missed, self.missed_alone, self.simulated),
            means(MAKESPAN, &self.makespan, &self.makespan_more),
            latency,
        ];
        figures.into_iter().filter(|f| f.cases[0] > 0).collect()
    }
}
