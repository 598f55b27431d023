//! The problems of two papers on scheduling federated learning, drawn as they were drawn there.
//!
//! * L. L. Pilla, *Scheduling Algorithms for Federated Learning With Minimal Energy Consumption*, IEEE
//!   Transactions on Parallel and Distributed Systems 34 (4), 2023, doi 10.1109/TPDS.2023.3240833: the
//!   least total cost.
//! * L. L. Pilla, *Optimal Task Assignment to Heterogeneous Federated Learning Devices*, 2020, arXiv
//!   2010.00239: the least makespan.
//!
//! Resource `i` of an experiment takes its numbers from `numpy.random.seed(first + i)` and
//! `numpy.random.uniform`. Costs are rounded to micro-units, so that an optimum of `k` resources may differ
//! from one in floating point by `k` micro-units. All of a problem's resources take part.

use scheduler::{Curve, CurveProblem, CurveWorker};

use crate::math;

/// What an experiment asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// The least sum of all costs.
    TotalCost,
    /// The least largest cost.
    Makespan,
}

/// A series of problems of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Experiment {
    /// Its name in tables.
    pub name: &'static str,
    /// What is sought.
    pub goal: Goal,
    /// What a resource costs by its tasks, in words.
    pub function: &'static str,
    first_seed: u32,
    costs: Costs,
    limits: Limits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Costs {
    /// `a + b·x`
    Linear,
    /// `a + b·x·ln(x + 1)`
    Increasing,
    /// `a + b·ln(x + 1)`
    Decreasing,
    /// Every value by itself.
    Random,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limits {
    /// At least 5.
    Lower,
    /// At least 5; the second half at most twice an equal share.
    LowerAndUpper,
    /// None.
    Free,
    /// At least 4 and at most twice an equal share; the most expensive resource at least a quarter
    /// of one, the cheapest at most half of one.
    Shares,
}

/// The largest table of random costs.
const RANDOM: usize = 5_001;

/// All of them.
pub const EXPERIMENTS: [Experiment; 7] = [
    Experiment {
        name: "constant_marginal_costs",
        goal: Goal::TotalCost,
        function: "a + b x",
        first_seed: 100,
        costs: Costs::Linear,
        limits: Limits::LowerAndUpper,
    },
    Experiment {
        name: "constant_marginal_costs_no_upper_limit",
        goal: Goal::TotalCost,
        function: "a + b x",
        first_seed: 500,
        costs: Costs::Linear,
        limits: Limits::Lower,
    },
    Experiment {
        name: "increasing_marginal_costs",
        goal: Goal::TotalCost,
        function: "a + b x ln(x + 1)",
        first_seed: 200,
        costs: Costs::Increasing,
        limits: Limits::LowerAndUpper,
    },
    Experiment {
        name: "decreasing_marginal_costs",
        goal: Goal::TotalCost,
        function: "a + b ln(x + 1)",
        first_seed: 300,
        costs: Costs::Decreasing,
        limits: Limits::LowerAndUpper,
    },
    Experiment {
        name: "random_costs",
        goal: Goal::TotalCost,
        function: "any",
        first_seed: 400,
        costs: Costs::Random,
        limits: Limits::LowerAndUpper,
    },
    Experiment {
        name: "olar_linear_costs",
        goal: Goal::Makespan,
        function: "a + b x",
        first_seed: 100,
        costs: Costs::Linear,
        limits: Limits::Free,
    },
    Experiment {
        name: "olar_linear_costs_and_limits",
        goal: Goal::Makespan,
        function: "a + b x",
        first_seed: 600,
        costs: Costs::Linear,
        limits: Limits::Shares,
    },
];

impl Experiment {
    /// Its problems, as `(tasks, resources)`.
    pub fn sizes(&self) -> impl Iterator<Item = (u64, u64)> + use<> {
        let most = match self.goal {
            Goal::TotalCost => 5_000,
            Goal::Makespan => 10_000,
        };
        let tasks = move || (1_000..=most).step_by(200);
        [10, 100]
            .into_iter()
            .flat_map(move |resources| tasks().map(move |t| (t, resources)))
    }

    /// One of its problems.
    pub fn problem(&self, tasks: u64, resources: u64) -> CurveProblem {
        let tables: Vec<Vec<i64>> = (0..resources)
            .map(|resource| self.table(self.first_seed + resource as u32, tasks))
            .collect();
        let last = |table: &Vec<i64>| table[tasks as usize];
        let by_cost = || (0..tables.len()).map(|at| (last(&tables[at]), at));
        let cheapest = by_cost().min().map(|it| it.1);
        let dearest = by_cost().rev().max_by_key(|it| it.0).map(|it| it.1);
        let share = tasks / resources;
        let workers = tables.iter().enumerate().map(|(at, table)| {
            let (lower, upper) = match self.limits {
                Limits::Free => (0, tasks),
                Limits::Lower => (5, tasks),
                Limits::LowerAndUpper if at as u64 >= resources / 2 => (5, 2 * share),
                Limits::LowerAndUpper => (5, tasks),
                Limits::Shares => (
                    if dearest == Some(at) { share / 4 } else { 4 },
                    if cheapest == Some(at) {
                        share / 2
                    } else {
                        2 * share
                    },
                ),
            };
            let costs = table[lower as usize..=upper as usize].to_vec();
            CurveWorker {
                curve: Curve::table(lower, costs).expect("costs are far below their bound"),
                may_idle: false,
            }
        });
        CurveProblem::new(tasks, 0, resources, workers.collect()).expect("within all bounds")
    }

    /// What a resource costs with 0 to `tasks` tasks, in micro-units.
    fn table(&self, seed: u32, tasks: u64) -> Vec<i64> {
        let mut draws = Mersenne::new(seed);
        let micros = |units: f64| (units * 1e6).round() as i64;
        if self.costs == Costs::Random {
            let all = (0..=RANDOM).map(|_| micros(draws.uniform(0.0, RANDOM as f64)));
            return all.take(tasks as usize + 1).collect();
        }
        let (a, b) = (draws.uniform(1.0, 10.0), draws.uniform(1.0, 10.0));
        let cost = |x: u64| {
            let x = x as f64;
            match self.costs {
                Costs::Linear => a + b * x,
                Costs::Increasing => a + b * x * math::ln(x + 1.0),
                Costs::Decreasing => a + b * math::ln(x + 1.0),
                Costs::Random => unreachable!("it is drawn above"),
            }
        };
        (0..=tasks).map(|x| micros(cost(x))).collect()
    }
}

/// The Mersenne twister MT19937 as `numpy.random.seed` starts it and `numpy.random.uniform` reads it.
struct Mersenne {
    state: [u32; 624],
    next: usize,
}

impl Mersenne {
    fn new(seed: u32) -> Self {
        let mut state = [seed; 624];
        for at in 1..state.len() {
            let before = state[at - 1];
            let mixed = (before ^ (before >> 30)).wrapping_mul(1_812_433_253);
            state[at] = mixed.wrapping_add(at as u32);
        }
        Self { state, next: 624 }
    }

    fn word(&mut self) -> u32 {
        if self.next == self.state.len() {
            for at in 0..624 {
                let joined =
                    (self.state[at] & 0x8000_0000) | (self.state[(at + 1) % 624] & 0x7fff_ffff);
                let twist = if joined % 2 == 1 { 0x9908_b0df } else { 0 };
                self.state[at] = self.state[(at + 397) % 624] ^ (joined >> 1) ^ twist;
            }
            self.next = 0;
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    fn uniform(&mut self, low: f64, high: f64) -> f64 {
        let (high_bits, low_bits) = (self.word() >> 5, self.word() >> 6);
        let unit =
            (f64::from(high_bits) * 67_108_864.0 + f64::from(low_bits)) / 9_007_199_254_740_992.0;
        low + (high - low) * unit
    }
}
