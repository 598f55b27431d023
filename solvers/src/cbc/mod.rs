//! The mixed-integer program, solved by CBC.
//!
//! [`Cbc`] solves in this process. The stock libcbc is not thread-safe, so a global lock in its
//! binding lets one solve run at a time; [`CbcProcess`] has a process of its own, in which
//! [`serve()`] answers, and so uses every core.
//!
//! It is called by way of coin_cbc, the binding that good_lp is built on, and not good_lp itself:
//! that turns a run which stopped at its node limit into an error, losing the plan, calls every
//! finished run optimal, and spends as long on stating a model as a twentieth of the solve.
//!
//! [`Outside`] gives the same model to HiGHS or Gurobi.
//!
//! What CBC answers is taken with care, for its arithmetic is in floating point and its
//! constraints hold up to tolerances:
//!
//! - The objective is stated in integers, the unit being the greatest common divisor of the
//!   fees less the smallest of them, so that two plans of different cost are a whole unit apart
//!   and CBC's tolerances lie far below that.
//! - Only the set of employed workers is read from CBC. The cheapest plan for a set of workers
//!   is known exactly: everyone gets a lot, the rest goes to the cheapest first.
//! - That plan's exact cost must be the cost that CBC claims, to a quarter of a unit. Where it
//!   is not, the answer is `bounded`, with CBC's bound less a margin.
//! - Where numbers are so large that floating point cannot tell units apart, or that CBC's
//!   tolerances can take a fraction of a worker for a whole one, its claims and even its bounds
//!   can be false. There the bound is one that needs no solver, and the answer is `optimal` only
//!   if the plan costs as much.

mod model;
mod options;
mod outside;
mod process;
mod serve;
mod wire;

pub use options::CbcOptions;
pub use outside::{Outside, Solver};
pub use process::CbcProcess;
pub use serve::{serve, serve_stdio};

use std::time::Duration;

use coin_cbc::raw;
use scheduler::{Certificate, Failure, FailureReason, Outcome, PlanStatus, Planned, Problem};

use crate::Allocator;
use crate::clock::cpu_time_of;
use crate::trivial;
use model::Model;

/// The most workers that CBC is given: above, a solve takes too long to be of use.
pub const MAX_CBC_WORKERS: usize = 2_000;

/// The node limit unless another is asked for.
pub const DEFAULT_NODE_LIMIT: u32 = 10_000;

/// The allocator `cbc`, in this process.
#[derive(Clone, Debug)]
pub struct Cbc {
    options: CbcOptions,
    node_limit: u32,
    library_cpu: Duration,
}

impl Cbc {
    /// CBC with tuned options and the default node limit.
    pub const fn new() -> Self {
        Self {
            options: CbcOptions::Tuned,
            node_limit: DEFAULT_NODE_LIMIT,
            library_cpu: Duration::ZERO,
        }
    }

    /// The same with other options.
    #[must_use]
    pub const fn with_options(mut self, options: CbcOptions) -> Self {
        self.options = options;
        self
    }

    /// The same with another limit on the nodes of one search: a count, so that answers do not
    /// depend on the machine.
    #[must_use]
    pub const fn with_node_limit(mut self, node_limit: u32) -> Self {
        self.node_limit = node_limit;
        self
    }
}

impl Default for Cbc {
    fn default() -> Self {
        Self::new()
    }
}

impl Allocator for Cbc {
    fn name(&self) -> &'static str {
        "cbc"
    }

    fn propose(&mut self, problem: &Problem) -> Outcome {
        if let Some(outcome) = decided(problem) {
            return outcome;
        }
        let model = Model::new(problem);
        let stated = model.state();
        let (cbc, solving) = cpu_time_of(|| {
            let mut cbc = model.load(&stated, self.options, self.node_limit);
            cbc.solve();
            cbc
        });
        let outcome = interpret(problem, &model, &cbc);
        let ((), dropping) = cpu_time_of(|| drop(cbc));
        self.library_cpu += solving + dropping;
        outcome
    }

    fn library_cpu(&self) -> Duration {
        self.library_cpu
    }
}

/// The answers that need no solver.
fn decided(problem: &Problem) -> Option<Outcome> {
    let workers = problem.workers().len();
    if workers > MAX_CBC_WORKERS {
        return Some(failed(
            FailureReason::TooLarge,
            format!("there are {workers} workers, expected at most {MAX_CBC_WORKERS} for cbc"),
        ));
    }
    trivial::answer(problem)
}

/// What a run of CBC says about the problem.
fn interpret(problem: &Problem, model: &Model, run: &raw::Model) -> Outcome {
    use coin_cbc::raw::Status;
    let error = |message: String| failed(FailureReason::SolverError, message);
    if run.is_proven_infeasible() {
        return error("cbc calls the problem infeasible, its integer tests do not".to_owned());
    }
    let proven = match run.status() {
        Status::Finished if run.is_proven_optimal() => true,
        Status::Stopped if run.is_node_limit_reached() => false,
        status @ (Status::Finished
        | Status::Stopped
        | Status::Unlaunched
        | Status::Abandoned
        | Status::UserEvent) => {
            let secondary = run.secondary_status();
            return error(format!(
                "cbc ended with status {status:?} ({secondary:?}), expected a finished search"
            ));
        }
    };
    if run.obj_value().abs() >= NO_INCUMBENT {
        return failed(
            FailureReason::NoPlanFound,
            "cbc reached its node limit before it found a plan".to_owned(),
        );
    }
    let claimed = run.best_possible_value().min(run.obj_value());
    concluded(problem, model, run.col_solution(), proven, claimed)
}

/// The plan of a solution, and what is known of it: what a solver claims, where that can be trusted.
fn concluded(
    problem: &Problem,
    model: &Model,
    solution: &[f64],
    proven: bool,
    claimed: f64,
) -> Outcome {
    let incumbent = match model.incumbent(problem, solution) {
        Ok(incumbent) => incumbent,
        Err(message) => return failed(FailureReason::Unverified, message),
    };
    let cost = incumbent.plan.cost;
    let is_true = incumbent.as_claimed && model.is_exact();
    let floor = model.floor();
    let (status, lower_bound) = if proven && (is_true || cost == floor) {
        (PlanStatus::Optimal, cost)
    } else {
        let bound = Some(model.safe_bound(claimed)).filter(|&bound| {
            // A bound above a plan's cost is none.
            model.is_exact() && bound <= cost
        });
        (PlanStatus::Bounded, bound.unwrap_or(floor).max(floor))
    };
    Outcome::Planned(Planned {
        plan: incumbent.plan,
        status,
        lower_bound: Some(lower_bound),
        certificate: Some(Certificate::Solver),
    })
}

/// CBC's objective value while it has no plan is 1e50.
const NO_INCUMBENT: f64 = 1e40;

fn failed(reason: FailureReason, message: String) -> Outcome {
    Outcome::Failed(Failure { reason, message })
}
