//! The 39 statistics of the thesis for one problem and one plan, under its names.
//!
//! [`sentence`] says what each of them is. They are of all workers (no suffix), of the employable
//! ones (`_employable`) and of those with batches (`_assigned`); `avg_` is a mean and `var_` the
//! population variance (divided by the number of workers, not by one less).
//!
//! What is undefined is missing: a ratio to zero workers, the mean of an empty group, and without
//! a plan everything that needs one (the rest depends on the problem alone and is still there).

use scheduler::{MICROS_PER_UNIT, Plan, Problem};

/// How many statistics there are.
pub const COUNT: usize = 39;

/// Their names, in the order of the table.
pub const NAMES: [&str; COUNT] = [
    "n",
    "beta",
    "s_min",
    "k",
    "total_assigned",
    "total_cost",
    "k_employable",
    "max_employable",
    "employable_total_ratio",
    "k_assigned",
    "assigned_total_ratio",
    "assigned_employed_ratio",
    "avg_utilization",
    "avg_c",
    "var_c",
    "avg_s_max",
    "var_s_max",
    "avg_cost",
    "var_cost",
    "avg_assigned",
    "var_assigned",
    "avg_utilization_employable",
    "avg_c_employable",
    "var_c_employable",
    "avg_s_max_employable",
    "var_s_max_employable",
    "avg_cost_employable",
    "var_cost_employable",
    "avg_assigned_employable",
    "var_assigned_employable",
    "avg_utilization_assigned",
    "avg_c_assigned",
    "var_c_assigned",
    "avg_s_max_assigned",
    "var_s_max_assigned",
    "avg_cost_assigned",
    "var_cost_assigned",
    "avg_assigned_assigned",
    "var_assigned_assigned",
];

/// The statistics of one problem under one plan.
#[derive(Clone, Copy, Debug)]
pub struct Statistics {
    /// In the order of [`NAMES`]; what is missing is NaN, which no statistic ever is.
    values: [f64; COUNT],
}

impl Statistics {
    /// Computes them in two passes over the workers, without allocating.
    ///
    /// # Panics
    /// When the plan is for another number of workers: it was not verified.
    pub fn of(problem: &Problem, plan: Option<&Plan>) -> Self {
        let workers = problem.workers().len();
        if let Some(plan) = plan {
            assert_eq!(
                plan.batches.len(),
                workers,
                "a plan must be verified before it is described"
            );
        }
        let groups = match plan {
            Some(plan) => Groups::of(problem, plan.batches.iter().copied()),
            None => Groups::of(problem, std::iter::repeat_n(0, workers)),
        };
        let [all, employable, assigned] = groups.0.map(|group| group.count);
        let total_assigned: u64 = plan.map_or(0, |plan| plan.batches.iter().sum());
        let planned = |value: f64| if plan.is_some() { value } else { f64::NAN };

        let mut values = [f64::NAN; COUNT];
        values[..HEAD].copy_from_slice(&[
            problem.n() as f64,
            problem.beta() as f64,
            problem.s_min() as f64,
            all,
            planned(total_assigned as f64),
            plan.map_or(f64::NAN, |plan| plan.cost.units_f64()),
            employable,
            (problem.n() / problem.lot()) as f64,
            ratio(employable, all),
            planned(assigned),
            planned(ratio(assigned, all)),
            planned(ratio(assigned, employable)),
        ]);
        let parts = values[HEAD..].chunks_exact_mut(PER_GROUP);
        for (part, (index, group)) in parts.zip(groups.0.iter().enumerate()) {
            part.copy_from_slice(&group.values());
            if plan.is_none() {
                // Fees and capacities are known without a plan, but not whom it would employ.
                part[0] = f64::NAN;
                part[5..].fill(f64::NAN);
                if index == ASSIGNED {
                    part.fill(f64::NAN);
                }
            }
        }
        Self { values }
    }

    /// All of them in the order of [`NAMES`].
    pub fn values(&self) -> [Option<f64>; COUNT] {
        self.values.map(|value| (!value.is_nan()).then_some(value))
    }

    /// The statistic of this name; `None` also when there is no such name.
    pub fn get(&self, name: &str) -> Option<f64> {
        let at = NAMES.iter().position(|known| *known == name)?;
        self.values()[at]
    }

    /// As the tables buffer them: what is missing is NaN.
    pub(crate) const fn raw(&self) -> &[f64; COUNT] {
        &self.values
    }
}

/// Whether the table holds the statistic as an integer.
pub(crate) const fn is_integer(index: usize) -> bool {
    matches!(index, 0..=4 | 6 | 7 | 9)
}

/// What a statistic is, for the data dictionary.
pub(crate) fn sentence(index: usize) -> String {
    const FIRST: [&str; HEAD] = [
        "The batches to allocate.",
        "The least number of workers to employ.",
        "The least number of batches of an employed worker.",
        "The number of workers.",
        "The batches that the plan assigns.",
        "The cost of the plan, in units of money.",
        "Employable workers: `s_max` is at least `m = max(1, s_min)`.",
        "`n / m`, rounded down: the number of lots, not capped by `k_employable`.",
        "`k_employable / k`.",
        "Workers that the plan gives batches to.",
        "`k_assigned / k`.",
        "`k_assigned / k_employable`.",
    ];
    const OF_GROUP: [&str; PER_GROUP] = [
        "Mean of `x / s_max` (0 where `s_max` is 0)",
        "Mean fee per batch, in units of money",
        "Population variance of the fee",
        "Mean `s_max`",
        "Population variance of `s_max`",
        "Mean cost of a worker, in units of money",
        "Population variance of a worker's cost",
        "Mean batches `x` of a worker",
        "Population variance of `x`",
    ];
    const GROUPS: [&str; 3] = ["all workers", "employable workers", "workers with batches"];
    match index.checked_sub(HEAD) {
        None => FIRST[index].to_owned(),
        Some(at) => format!(
            "{} over {}.",
            OF_GROUP[at % PER_GROUP],
            GROUPS[at / PER_GROUP]
        ),
    }
}

/// Statistics that are not of a group.
const HEAD: usize = 12;
/// Statistics of each group.
const PER_GROUP: usize = 9;
/// The index of the group of workers that the plan employs.
const ASSIGNED: usize = 2;

/// Quantities with a mean and a variance: fee in micro-units, s_max, cost in micro-units, x.
const QUANTITIES: usize = 4;

#[derive(Clone, Copy, Default)]
struct Group {
    count: f64,
    utilization: f64,
    mean: [f64; QUANTITIES],
    squares: [f64; QUANTITIES],
}

struct Groups([Group; 3]);

impl Groups {
    /// Sums first, then squares around the means, so that large means cost no digits. Sums are of
    /// integers (micro-units), so that a group of equals has variance zero exactly.
    fn of(problem: &Problem, batches: impl Iterator<Item = u64> + Clone) -> Self {
        let lot = problem.lot();
        let mut groups = [Group::default(); 3];
        let rows = || {
            problem.workers().iter().zip(batches.clone()).map(|(w, x)| {
                let (fee, s_max) = (w.fee.micros() as f64, w.s_max as f64);
                let share = x as f64 / s_max.max(1.0);
                let x_f64 = x as f64;
                let quantities = [fee, s_max, fee * x_f64, x_f64];
                let flag = |member| if member { 1.0 } else { 0.0 };
                let members = [1.0, flag(w.s_max >= lot), flag(x > 0)];
                (members, share, quantities)
            })
        };
        for (members, share, quantities) in rows() {
            for (group, member) in groups.iter_mut().zip(members) {
                group.count += member;
                group.utilization += member * share;
                for (sum, value) in group.mean.iter_mut().zip(quantities) {
                    *sum += member * value;
                }
            }
        }
        for group in &mut groups {
            let count = group.count.max(1.0);
            group.utilization /= count;
            group.mean = group.mean.map(|sum| sum / count);
        }
        for (members, _, quantities) in rows() {
            for (group, member) in groups.iter_mut().zip(members) {
                let means = group.mean;
                for ((sum, value), mean) in group.squares.iter_mut().zip(quantities).zip(means) {
                    *sum += member * (value - mean) * (value - mean);
                }
            }
        }
        Self(groups)
    }
}

impl Group {
    fn values(&self) -> [f64; PER_GROUP] {
        if self.count == 0.0 {
            return [f64::NAN; PER_GROUP];
        }
        const UNIT: f64 = MICROS_PER_UNIT as f64;
        let [fee, s_max, cost, x] = self.mean;
        let [fee_var, s_max_var, cost_var, x_var] = self.squares.map(|sum| sum / self.count);
        [
            self.utilization,
            fee / UNIT,
            fee_var / (UNIT * UNIT),
            s_max,
            s_max_var,
            cost / UNIT,
            cost_var / (UNIT * UNIT),
            x,
            x_var,
        ]
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { f64::NAN } else { part / whole }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use scheduler::{Fee, Worker};

    fn problem(n: u64, s_min: u64, beta: u64, workers: &[(u64, u64)]) -> Problem {
        let worker = |&(fee_micro, s_max)| Worker {
            s_max,
            fee: Fee::from_micros(fee_micro).expect("small"),
        };
        Problem::new(n, s_min, beta, workers.iter().map(worker).collect()).expect("within bounds")
    }

    /// Every statistic of one plan, by hand: fees 1, 2, 3 and 0.5, capacities 4, 8, 2 and 0, lots
    /// of 3, 10 batches handed out as 4, 6, 0, 0.
    #[test]
    fn known_answers() {
        let workers = [(1_000_000, 4), (2_000_000, 8), (3_000_000, 2), (500_000, 0)];
        let problem = problem(10, 3, 1, &workers);
        let plan = Plan::costed(&problem, vec![4, 6, 0, 0]);
        plan.verify(&problem).expect("valid");
        let found = Statistics::of(&problem, Some(&plan)).values();
        let expected = [
            10.0,
            1.0,
            3.0,
            4.0,
            10.0,
            16.0,
            2.0,
            3.0,
            0.5,
            2.0,
            0.5,
            1.0,
            // All: utilizations 1, 0.75, 0 and 0.
            0.4375,
            // Fees 1, 2, 3, 0.5: mean 6.5 / 4, squares 14.25 / 4 - mean².
            1.625,
            3.5625 - 1.625 * 1.625,
            // Capacities 4, 8, 2, 0: squares 84 / 4 - 3.5².
            3.5,
            8.75,
            // Costs 4, 12, 0, 0: squares 160 / 4 - 4².
            4.0,
            24.0,
            // Batches 4, 6, 0, 0: squares 52 / 4 - 2.5².
            2.5,
            6.75,
            // Employable: the first two.
            0.875,
            1.5,
            0.25,
            6.0,
            4.0,
            8.0,
            16.0,
            5.0,
            1.0,
            // Assigned: the same two.
            0.875,
            1.5,
            0.25,
            6.0,
            4.0,
            8.0,
            16.0,
            5.0,
            1.0,
        ];
        for ((name, found), expected) in NAMES.iter().zip(found).zip(expected) {
            assert_eq!(found, Some(expected), "{name}");
        }
    }

    #[test]
    fn without_a_plan_what_the_problem_says_stays() {
        let problem = problem(10, 3, 1, &[(1_000_000, 4), (3_000_000, 2)]);
        let statistics = Statistics::of(&problem, None);
        let present: Vec<_> = NAMES
            .into_iter()
            .filter(|name| statistics.get(name).is_some())
            .collect();
        assert_eq!(
            present,
            [
                "n",
                "beta",
                "s_min",
                "k",
                "k_employable",
                "max_employable",
                "employable_total_ratio",
                "avg_c",
                "var_c",
                "avg_s_max",
                "var_s_max",
                "avg_c_employable",
                "var_c_employable",
                "avg_s_max_employable",
                "var_s_max_employable",
            ]
        );
        assert_eq!(statistics.get("avg_c"), Some(2.0));
        assert_eq!(statistics.get("avg_c_employable"), Some(1.0));
        assert_eq!(statistics.get("no such name"), None);
    }

    #[test]
    fn empty_groups_are_missing_not_zero() {
        let nobody = problem(0, 0, 0, &[]);
        let plan = Plan::costed(&nobody, vec![]);
        let statistics = Statistics::of(&nobody, Some(&plan));
        assert_eq!(statistics.get("k"), Some(0.0));
        assert_eq!(statistics.get("total_cost"), Some(0.0));
        assert_eq!(statistics.get("k_assigned"), Some(0.0));
        for name in ["employable_total_ratio", "assigned_total_ratio", "avg_c"] {
            assert_eq!(statistics.get(name), None, "{name}");
        }
        let idle = problem(0, 0, 0, &[(1_000_000, 4)]);
        let plan = Plan::costed(&idle, vec![0]);
        let statistics = Statistics::of(&idle, Some(&plan));
        assert_eq!(statistics.get("avg_assigned"), Some(0.0));
        assert_eq!(statistics.get("avg_assigned_assigned"), None);
        assert_eq!(statistics.get("avg_c_assigned"), None);
    }

    #[test]
    fn equals_have_no_variance_at_all() {
        let problem = problem(300, 0, 0, &[(333_333, 100); 3]);
        let plan = Plan::costed(&problem, vec![100; 3]);
        let statistics = Statistics::of(&problem, Some(&plan));
        for name in NAMES.into_iter().filter(|name| name.starts_with("var_")) {
            assert_eq!(statistics.get(name), Some(0.0), "{name}");
        }
        assert_eq!(statistics.get("avg_utilization"), Some(1.0));
    }

    #[test]
    fn names_are_those_of_the_groups() {
        for (index, suffix) in ["", "_employable", "_assigned"].into_iter().enumerate() {
            for place in 0..PER_GROUP {
                let all = NAMES[HEAD + place];
                let name = NAMES[HEAD + index * PER_GROUP + place];
                assert_eq!(name, format!("{all}{suffix}"));
            }
        }
        let distinct: std::collections::BTreeSet<_> = NAMES.into_iter().collect();
        assert_eq!(distinct.len(), COUNT);
    }

    proptest! {
        /// Against the plainest possible computation, over each group gathered into a vector.
        #[test]
        fn agrees_with_a_naive_computation(
            rows in prop::collection::vec((0_u64..2_000_000, 0_u64..30, 0_u64..30), 1..20),
            s_min in 0_u64..20,
        ) {
            let workers: Vec<_> = rows.iter().map(|&(fee, s_max, _)| (fee, s_max)).collect();
            let lot = s_min.max(1);
            let x: Vec<_> = rows
                .iter()
                .map(|&(_, s_max, x)| if s_max < lot { 0 } else { x.min(s_max) })
                .map(|x| if x < lot { 0 } else { x })
                .collect();
            let problem = problem(x.iter().sum(), s_min, 0, &workers);
            let plan = Plan::costed(&problem, x.clone());
            prop_assert_eq!(plan.verify(&problem), Ok(()));
            let found = Statistics::of(&problem, Some(&plan));
            let groups: [(&str, &dyn Fn(usize) -> bool); 3] = [
                ("", &|_| true),
                ("_employable", &|i| workers[i].1 >= lot),
                ("_assigned", &|i| x[i] > 0),
            ];
            for (suffix, member) in groups {
                let members: Vec<_> = (0..x.len()).filter(|&i| member(i)).collect();
                let check = |name: &str, value: &dyn Fn(usize) -> f64| {
                    let values: Vec<_> = members.iter().map(|&i| value(i)).collect();
                    let count = values.len() as f64;
                    let mean = values.iter().sum::<f64>() / count;
                    let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
                    for (kind, expected) in [("avg", mean), ("var", squares / count)] {
                        if (kind, name) == ("var", "utilization") {
                            continue;
                        }
                        let found = found.get(&format!("{kind}_{name}{suffix}"));
                        if members.is_empty() {
                            assert_eq!(found, None);
                        } else {
                            let found = found.expect("a group with members");
                            let tolerance = 1e-9 * expected.abs().max(1.0);
                            assert!((found - expected).abs() <= tolerance, "{kind}_{name}{suffix}");
                        }
                    }
                };
                let fee = |i: usize| workers[i].0 as f64 / 1e6;
                check("c", &fee);
                check("s_max", &|i| workers[i].1 as f64);
                check("cost", &|i| fee(i) * x[i] as f64);
                check("assigned", &|i| x[i] as f64);
                check("utilization", &|i| match workers[i].1 {
                    0 => 0.0,
                    s_max => x[i] as f64 / s_max as f64,
                });
            }
        }
    }
}
