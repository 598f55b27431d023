//! The papers' rules: valid plans, and optimal ones where the papers prove it.

use scheduler::{Case, Curve, CurveProblem, CurveWorker, Fee, Problem, Worker};
use solvers::Allocator;
use solvers::curves::{Solution, least_makespan, solve};
use solvers::papers::{Paper, Rule};

struct Random(u64);

impl Random {
    fn between(&mut self, least: i64, most: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        least + ((self.0 >> 11) % (most - least + 1) as u64) as i64
    }

    /// Everybody takes part, with tables whose slopes are sorted as `sort` does.
    fn problem(&mut self, sort: fn(&mut Vec<i64>)) -> CurveProblem {
        let workers: Vec<CurveWorker> = (0..self.between(1, 6))
            .map(|_| {
                let mut slopes: Vec<i64> = (0..self.between(0, 12))
                    .map(|_| self.between(0, 20))
                    .collect();
                sort(&mut slopes);
                let mut costs = vec![self.between(0, 30)];
                for slope in slopes {
                    costs.push(costs[costs.len() - 1] + slope);
                }
                let curve = Curve::table(self.between(0, 4) as u64, costs).expect("small");
                CurveWorker {
                    curve,
                    may_idle: false,
                }
            })
            .collect();
        let ends = |end: fn(&Curve) -> u64| workers.iter().map(|it| end(&it.curve)).sum::<u64>();
        let n = self.between(ends(Curve::lower) as i64, ends(Curve::upper) as i64);
        let k = workers.len() as u64;
        CurveProblem::new(n as u64, 0, k, workers).expect("small")
    }
}

const RULES: [Rule; 6] = [
    Rule::Equal,
    Rule::Proportional,
    Rule::MarIn,
    Rule::MarCo,
    Rule::MarDec,
    Rule::Olar,
];

fn optimum(problem: &CurveProblem) -> i128 {
    match solve(problem) {
        Solution::Planned {
            schedule,
            lower_bound,
            ..
        } => {
            assert_eq!(schedule.cost, lower_bound);
            schedule.cost
        }
        other => panic!("there is a plan, but {other:?}"),
    }
}

/// Gives the slopes of a cost function the order that a rule is made for.
type Shape = fn(&mut Vec<i64>);

/// With everybody taking part and a sum between the limits there is always a plan, and every rule finds one.
#[test]
fn each_rule_is_optimal_where_its_paper_says_so() {
    let mut random = Random(77);
    for case in 0..3_000 {
        let shapes: [(Rule, Shape); 3] = [
            (Rule::MarIn, |slopes| slopes.sort_unstable()),
            (Rule::MarCo, |slopes| {
                let first = slopes.first().copied().unwrap_or(0);
                slopes.fill(first);
            }),
            (Rule::MarDec, |slopes| {
                slopes.sort_unstable_by(|a, b| b.cmp(a))
            }),
        ];
        for (optimal, shape) in shapes {
            let problem = random.problem(shape);
            let best = optimum(&problem);
            for rule in RULES {
                let measured = Paper(rule).measure_case(&Case::Curves(problem.clone()));
                let planned = measured.outcome.planned();
                let planned =
                    planned.unwrap_or_else(|| panic!("case {case}, {rule:?}: {measured:?}"));
                let cost = planned.plan.cost.micros() as i128;
                assert!(cost >= best);
                if rule == optimal {
                    assert_eq!(cost, best, "case {case}, {rule:?}: {problem:?}");
                }
                if rule == Rule::Olar {
                    let shares = problem.workers().iter().zip(&planned.plan.batches);
                    let costs = shares.map(|(worker, &x)| worker.curve.at(x).expect("verified"));
                    let least = least_makespan(&problem);
                    assert_eq!(costs.max(), least, "case {case}: {problem:?}");
                }
            }
        }
    }
}

#[test]
fn shares_are_equal_or_in_proportion() {
    let worker = |s_max, units: u64| Worker {
        s_max,
        fee: Fee::from_micros(units * 1_000_000).expect("small"),
    };
    let workers = vec![worker(10, 3), worker(30, 2), worker(60, 1)];
    let problem = Problem::new(50, 0, 0, workers).expect("small");
    let batches = |rule| {
        let outcome = Paper(rule).measure(&problem).outcome;
        outcome.planned().expect("a plan").plan.batches.clone()
    };
    assert_eq!(batches(Rule::Equal), [10, 20, 20]);
    assert_eq!(batches(Rule::Proportional), [5, 15, 30]);
    assert_eq!(batches(Rule::MarCo), [0, 0, 50]);
}

/// Lots, least numbers of employed workers and capacities of problems with fees are kept, or no plan is
/// claimed.
#[test]
fn plans_for_fees_are_valid_or_not_there() {
    let mut random = Random(3);
    let mut planned = 0;
    for _ in 0..5_000 {
        let workers = (0..random.between(1, 8)).map(|_| Worker {
            s_max: random.between(0, 20) as u64,
            fee: Fee::from_micros(random.between(0, 5) as u64).expect("small"),
        });
        let workers = workers.collect();
        let (n, s_min) = (random.between(0, 60) as u64, random.between(0, 9) as u64);
        let problem = Problem::new(n, s_min, random.between(0, 4) as u64, workers).expect("small");
        for rule in RULES {
            let outcome = Paper(rule).measure(&problem).outcome;
            assert_ne!(
                outcome.reason(),
                Some("unverified"),
                "{rule:?}: {problem:?}, {outcome:?}"
            );
            planned += u32::from(outcome.planned().is_some());
        }
    }
    assert!(planned > 5_000, "{planned}");
}
