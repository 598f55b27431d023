//! The comparison itself: counts, means and worst cases, kept while tests stream by.

use std::borrow::Cow;

use hdrhistogram::Histogram;
use polars_core::prelude::Column;
use scheduler::Cost;
use serde::Serialize;

use crate::assess::{Assessed, Kind, Truth, Verdict};
use crate::cycles::{CycleCounter, Cycles};
use crate::error::ResultsError;
use crate::interval::{Estimate, Moments, share};
use crate::read::Table;
use crate::row::{Simulated, Took};
use crate::run_plan::RunPlan;
use crate::schema::{Described, Field, Row, columns};
use crate::status::Status;

/// The name under which all families together are summed.
pub const ALL_FAMILIES: &str = "all";

/// How many of the worst discrepancies a report names.
pub const WORST: usize = 10;

/// What a validation found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The comparison: the same for every thread count and number of shards.
    pub summary: Summary,
    /// How long the allocators took, in the order of the summary's rows.
    pub timings: Vec<TimingRow>,
    /// The worst discrepancies, the most alarming first.
    pub worst: Vec<Discrepancy>,
}

/// The comparison of the allocators. It knows no time, path, thread or shard.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The seed of every test.
    pub seed: u64,
    /// Tests of all families.
    pub tests: u64,
    /// Tests on which a plan that `exact` calls optimal was beaten by a verified plan.
    pub exact_beaten: u64,
    /// Discrepancies of every kind.
    pub discrepancies: u64,
    /// A row for each family and allocator, then for all families together if there are several.
    pub rows: Vec<SummaryRow>,
}

impl Summary {
    /// A row for each allocator, over all families.
    pub fn totals(&self) -> &[SummaryRow] {
        let last = self.rows.last().map(|row| row.family.as_str());
        let start = self
            .rows
            .iter()
            .position(|row| Some(row.family.as_str()) == last);
        &self.rows[start.unwrap_or(0)..]
    }

    /// What must never happen if `exact` keeps its promises: one clear line each, empty when all
    /// is well.
    pub fn alarms(&self) -> Vec<String> {
        let exact = self.totals().iter().filter(|row| row.allocator == "exact");
        exact
            .flat_map(|row| {
                [
                    (
                        row.counts.cost_mismatches,
                        "calls optimal what a verified plan beats",
                    ),
                    (
                        row.counts.bound_mismatches,
                        "has a lower bound above a verified plan",
                    ),
                    (
                        row.counts.feasibility_mismatches,
                        "is wrong about feasibility",
                    ),
                    (row.counts.unverified, "returns a plan that does not verify"),
                ]
            })
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("exact {what} on {count} tests"))
            .collect()
    }
}

/// How one allocator did on the tests of one family.
#[derive(Clone, Debug, Serialize)]
pub struct SummaryRow {
    /// The family, or [`ALL_FAMILIES`].
    pub family: String,
    /// The allocator.
    pub allocator: String,
    /// How the tests went.
    #[serde(flatten)]
    pub counts: Counts,
    /// Mean excess over the proven optimum in percent, over the compared tests.
    pub mean_excess_percent: Option<Estimate>,
    /// Mean excess over the proven optimum in percent, over the suboptimal tests.
    pub mean_excess_suboptimal_percent: Option<Estimate>,
    /// The worst excess in percent.
    pub worst_excess_percent: Option<f64>,
    /// The percentage of compared tests that are suboptimal.
    pub suboptimal_percent: Option<Estimate>,
    /// What became of the plans in simulated cycles, if plans are simulated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cycles: Option<Cycles>,
}

columns! {
    /// How the tests of one allocator went.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
    pub struct Counts {
        /// Tests.
        tests: u64 = "tests",
        /// Tests with a plan: those below from `optimal` to `unproven`.
        planned: u64 = "planned",
        /// Plans that the allocator itself calls optimal.
        claimed_optimal: u64 = "claimed_optimal",
        /// Plans that cost the proven optimum.
        optimal: u64 = "optimal",
        /// Plans that cost more than the proven optimum.
        suboptimal: u64 = "suboptimal",
        /// Plans with no proven optimum to compare with.
        unproven: u64 = "unproven",
        /// Tests answered with "there is no plan".
        infeasible: u64 = "infeasible",
        /// Tests on which it found no plan.
        failed: u64 = "failed",
        /// Failures because the plan did not verify.
        unverified: u64 = "unverified",
        /// Plans whose proof ran out of its budget.
        bounded: u64 = "bounded",
        /// "There is no plan" where there is one, or for another reason than the others give.
        feasibility_mismatches: u64 = "feasibility_mismatches",
        /// Plans called optimal though a verified plan is cheaper.
        cost_mismatches: u64 = "cost_mismatches",
        /// Lower bounds above the cost of a verified plan, cost mismatches aside.
        bound_mismatches: u64 = "bound_mismatches",
        /// Plans that cost more than another allocator's.
        beaten: u64 = "beaten",
        /// Plans that cost something where the proven optimum is zero: they have no relative excess,
        /// and the means leave them out.
        excess_undefined: u64 = "excess_undefined",
}
}

/// A row within a row: its columns keep their names.
impl Field for Counts {
    fn describe(_: &str, _: &'static str, to: &mut Vec<Described>) {
        to.extend(<Self as Row>::describe());
    }

    fn write<'a>(
        _: &str,
        values: impl Iterator<Item = Option<&'a Self>> + Clone,
        to: &mut Vec<Column>,
    ) {
        to.extend(<Self as Row>::write(values));
    }

    fn read(table: &Table<'_>, _: &str) -> Result<Vec<Self>, ResultsError> {
        <Self as Row>::read(table)
    }
}

columns! {
    for SummaryRow {
        /// The family; `all` for all families together, if there are several.
        family: String = "family",
        /// The allocator.
        allocator: String = "allocator",
        /// How the tests went.
        counts: Counts = "",
        /// Mean excess over the proven optimum, over the compared tests.
        mean_excess_percent: Option<Estimate> = "mean_excess_percent",
        /// Mean excess over the proven optimum, over the suboptimal tests.
        mean_excess_suboptimal_percent: Option<Estimate> = "mean_excess_suboptimal_percent",
        /// The worst excess.
        worst_excess_percent: Option<f64> = "worst_excess_percent",
        /// The percentage of compared tests that are suboptimal.
        suboptimal_percent: Option<Estimate> = "suboptimal_percent",
        .. cycles: None
    }
}

columns! {
    /// How long one allocator took on the tests of one family.
    #[derive(Clone, Debug, PartialEq, Serialize)]
    pub struct TimingRow {
        /// The family; `all` for all families together, if there are several.
        family: String = "family",
        /// The allocator.
        allocator: String = "allocator",
        /// Tests.
        tests: u64 = "tests",
        /// Median wall time of a test, to three digits.
        p50_ns: u64 = "p50_ns",
        /// 99th percentile, to three digits.
        p99_ns: u64 = "p99_ns",
        /// The longest.
        max_ns: u64 = "max_ns",
        /// The mean.
        mean_ns: f64 = "mean_ns",
        /// All tests together.
        total_ns: u64 = "total_ns",
        /// CPU time inside external solver libraries, all tests together.
        library_cpu_ns: u64 = "library_cpu_ns",
}
}

/// An answer that is not the proven optimum, or not the right feasibility.
#[derive(Clone, Debug, PartialEq)]
pub struct Discrepancy {
    /// The family.
    pub family: String,
    /// The test's index in its family, from 0.
    pub test: u64,
    /// Whose answer.
    pub allocator: String,
    /// How it differs.
    pub kind: Kind,
    /// The answer.
    pub status: Status,
    /// Why it has no plan.
    pub reason: Option<&'static str>,
    /// The cost of its plan.
    pub cost: Option<Cost>,
    /// The proven optimum.
    pub optimum: Option<Cost>,
    /// The cost of the cheapest plan of any allocator.
    pub cheapest: Option<Cost>,
    /// The excess over the optimum as a share of it.
    pub excess: Option<f64>,
    /// The command that replays it.
    pub replay: String,
}

columns! {
    /// A [`Discrepancy`] as `discrepancies.csv` has it: money in units, to be read.
    pub(crate) struct DiscrepancyRow {
        /// The family.
        family: String = "family",
        /// The test's index in its family, from 0.
        test: u64 = "test",
        /// Whose answer it is.
        allocator: String = "allocator",
        /// How it differs: `cost` or `bound` contradict a verified plan, `feasibility` and `reason`
        /// are wrong about there being no plan, then `failed`, `suboptimal` and `unproven`.
        kind: Cow<'static, str> = "kind",
        /// The kind of answer.
        status: Status = "status",
        /// Why it has no plan.
        reason: Option<&'static str> = "reason",
        /// The cost of its plan, in units of money.
        cost: Option<String> = "cost",
        /// The proven optimum, in units of money.
        optimum: Option<String> = "optimum",
        /// The cost of the cheapest plan of any allocator, in units of money.
        cheapest: Option<String> = "cheapest",
        /// The excess over the optimum as a share of it.
        excess: Option<f64> = "excess",
        /// The command that replays it.
        replay: String = "replay",
    }
}

impl From<Discrepancy> for DiscrepancyRow {
    fn from(of: Discrepancy) -> Self {
        let text = |cost: Option<Cost>| cost.map(|cost| cost.to_string());
        Self {
            family: of.family,
            test: of.test,
            allocator: of.allocator,
            kind: of.kind.name().into(),
            status: of.status,
            reason: of.reason,
            cost: text(of.cost),
            optimum: text(of.optimum),
            cheapest: text(of.cheapest),
            excess: of.excess,
            replay: of.replay,
        }
    }
}

/// Takes tests in, in canonical order, in bounded memory.
pub(crate) struct Tally {
    plan: RunPlan,
    /// Which of the allocators is `exact`.
    exact: Option<usize>,
    /// By family, then allocator.
    families: Vec<Vec<Counter>>,
    /// By allocator; only fed when there are several families.
    total: Vec<Counter>,
    tests: u64,
    exact_beaten: u64,
    discrepancies: u64,
    worst: Vec<Discrepancy>,
}

impl Tally {
    pub(crate) fn new(plan: RunPlan) -> Self {
        let counters = || plan.allocators.iter().map(|_| Counter::new()).collect();
        Self {
            families: plan.families.iter().map(|_| counters()).collect(),
            total: counters(),
            exact: plan.allocators.iter().position(|name| name == "exact"),
            plan,
            tests: 0,
            exact_beaten: 0,
            discrepancies: 0,
            worst: Vec::new(),
        }
    }

    /// Takes in one test and appends its discrepancies to `found`.
    pub(crate) fn add(
        &mut self,
        (family, test): (usize, u64),
        truth: Truth,
        answers: &[Assessed],
        took: &[Took],
        found: &mut Vec<Discrepancy>,
    ) {
        self.tests += 1;
        let several = self.families.len() > 1;
        let reference = self.exact.and_then(|exact| answers[exact].row.simulated);
        for (allocator, (answer, took)) in answers.iter().zip(took).enumerate() {
            let exact = reference.filter(|_| self.exact != Some(allocator));
            self.families[family][allocator].add(answer, *took, exact);
            if several {
                self.total[allocator].add(answer, *took, exact);
            }
            let Some(kind) = answer.kind else { continue };
            self.discrepancies += 1;
            if kind == Kind::Cost && self.exact == Some(allocator) {
                self.exact_beaten += 1;
            }
            let discrepancy = self.discrepancy((family, test, allocator), kind, truth, answer);
            self.keep_if_worst(&discrepancy);
            found.push(discrepancy);
        }
    }

    pub(crate) fn report(&self) -> Report {
        let names = self.plan.families.iter().map(|family| family.name.as_str());
        let mut groups: Vec<_> = names.zip(&self.families).collect();
        if self.families.len() > 1 {
            groups.push((ALL_FAMILIES, &self.total));
        }
        let counters = || {
            let of_family = |(family, counters)| {
                let counters: &Vec<Counter> = counters;
                let allocators = self.plan.allocators.iter();
                allocators.zip(counters).map(move |(a, c)| (family, a, c))
            };
            groups.iter().copied().flat_map(of_family)
        };
        Report {
            summary: Summary {
                seed: self.plan.seed,
                tests: self.tests,
                exact_beaten: self.exact_beaten,
                discrepancies: self.discrepancies,
                rows: counters()
                    .map(|(f, a, c)| c.summary(f, a, self.cycles(a, c)))
                    .collect(),
            },
            timings: counters().map(|(f, a, c)| c.timing(f, a)).collect(),
            worst: self.worst.clone(),
        }
    }

    fn cycles(&self, allocator: &str, counter: &Counter) -> Option<Cycles> {
        let is_paired = self.exact.is_some() && allocator != "exact";
        let cycles = || counter.cycles.cycles(is_paired);
        self.plan.simulate.then(cycles)
    }

    fn discrepancy(
        &self,
        (family, test, allocator): (usize, u64, usize),
        kind: Kind,
        truth: Truth,
        answer: &Assessed,
    ) -> Discrepancy {
        let family = &self.plan.families[family].name;
        let allocator = &self.plan.allocators[allocator];
        Discrepancy {
            family: family.clone(),
            test,
            allocator: allocator.clone(),
            kind,
            status: answer.row.status,
            reason: answer.row.reason,
            cost: answer.row.cost,
            optimum: truth.optimum(),
            cheapest: truth.cheapest,
            excess: answer.excess.and_then(|excess| excess.relative),
            replay: self.plan.replay_line(family, test, allocator),
        }
    }

    /// Inserts after what is equally bad, so that of equals the earliest tests are kept.
    fn keep_if_worst(&mut self, candidate: &Discrepancy) {
        let not_better = |other: &Discrepancy| {
            let (a, b) = (badness(other), badness(candidate));
            a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)).is_le()
        };
        let at = self.worst.partition_point(not_better);
        if at < WORST {
            self.worst.truncate(WORST - 1);
            self.worst.insert(at, candidate.clone());
        }
    }
}

/// Sorts by alarm, then by excess; the excess of a plan that costs something over a free optimum counts as infinite.
fn badness(discrepancy: &Discrepancy) -> (Kind, f64) {
    let excess = match (discrepancy.excess, discrepancy.cost, discrepancy.optimum) {
        (Some(excess), _, _) => excess,
        (None, Some(_), Some(_)) => f64::INFINITY,
        _ => 0.0,
    };
    (discrepancy.kind, excess)
}

/// Longer solves (36 years) count as this long in the quantiles.
const LONGEST_NS: u64 = 1 << 60;

struct Counter {
    counts: Counts,
    excess: Moments,
    excess_suboptimal: Moments,
    worst: Option<f64>,
    cycles: CycleCounter,
    times: Histogram<u64>,
    max_ns: u64,
    total_ns: u128,
    library_cpu_ns: u128,
}

impl Counter {
    fn new() -> Self {
        Self {
            counts: Counts::default(),
            excess: Moments::default(),
            excess_suboptimal: Moments::default(),
            worst: None,
            cycles: CycleCounter::default(),
            times: Histogram::new(3).expect("three digits are within 0 to 5"),
            max_ns: 0,
            total_ns: 0,
            library_cpu_ns: 0,
        }
    }

    /// Takes in one answer; `exact` is what became of another allocator's plan, to compare with.
    fn add(&mut self, answer: &Assessed, took: Took, exact: Option<Simulated>) {
        let counts = &mut self.counts;
        counts.tests += 1;
        match answer.verdict {
            Verdict::Optimal => counts.optimal += 1,
            Verdict::Suboptimal => counts.suboptimal += 1,
            Verdict::Unproven => counts.unproven += 1,
            Verdict::Infeasible => counts.infeasible += 1,
            Verdict::Failed => counts.failed += 1,
        }
        match answer.row.status {
            Status::Optimal => counts.claimed_optimal += 1,
            Status::Bounded => counts.bounded += 1,
            Status::Feasible | Status::Infeasible | Status::Failed => {}
        }
        match answer.kind {
            Some(Kind::Cost) => counts.cost_mismatches += 1,
            Some(Kind::Bound) => counts.bound_mismatches += 1,
            Some(Kind::Feasibility | Kind::Reason) => counts.feasibility_mismatches += 1,
            Some(Kind::Failed | Kind::Suboptimal | Kind::Unproven) | None => {}
        }
        counts.planned += u64::from(answer.row.cost.is_some());
        counts.beaten += u64::from(answer.beaten);
        counts.unverified += u64::from(answer.row.reason == Some("unverified"));
        if let Some(excess) = answer.excess {
            match excess.relative {
                Some(relative) => self.add_excess(answer.verdict, 100.0 * relative),
                None => self.counts.excess_undefined += 1,
            }
        }
        if let Some(simulated) = answer.row.simulated {
            self.cycles.add(simulated, exact);
        }
        self.times
            .record(took.wall_ns.min(LONGEST_NS))
            .expect("the histogram grows to any value below 2^63");
        self.max_ns = self.max_ns.max(took.wall_ns);
        self.total_ns += u128::from(took.wall_ns);
        self.library_cpu_ns += u128::from(took.library_cpu_ns);
    }

    fn add_excess(&mut self, verdict: Verdict, percent: f64) {
        self.excess.add(percent);
        if verdict == Verdict::Suboptimal {
            self.excess_suboptimal.add(percent);
        }
        self.worst = Some(self.worst.map_or(percent, |worst| worst.max(percent)));
    }

    fn summary(&self, family: &str, allocator: &str, cycles: Option<Cycles>) -> SummaryRow {
        let compared = self.counts.optimal + self.counts.suboptimal;
        let percent = |estimate: Estimate| estimate.times(100.0);
        SummaryRow {
            family: family.to_owned(),
            allocator: allocator.to_owned(),
            counts: self.counts,
            mean_excess_percent: self.excess.mean(),
            mean_excess_suboptimal_percent: self.excess_suboptimal.mean(),
            worst_excess_percent: self.worst,
            suboptimal_percent: share(self.counts.suboptimal, compared).map(percent),
            cycles,
        }
    }

    fn timing(&self, family: &str, allocator: &str) -> TimingRow {
        let tests = self.counts.tests;
        // A histogram names the upper end of a bucket, which may lie above the maximum.
        let quantile = |q| self.times.value_at_quantile(q).min(self.max_ns);
        let capped = |nanos| u64::try_from(nanos).unwrap_or(u64::MAX);
        TimingRow {
            family: family.to_owned(),
            allocator: allocator.to_owned(),
            tests,
            p50_ns: quantile(0.5),
            p99_ns: quantile(0.99),
            max_ns: self.max_ns,
            mean_ns: self.total_ns as f64 / tests.max(1) as f64,
            total_ns: capped(self.total_ns),
            library_cpu_ns: capped(self.library_cpu_ns),
        }
    }
}
