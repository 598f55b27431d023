//! CBC in this process, by its library.

use std::ffi::{CStr, CString};
use std::fmt::Display;
use std::time::Duration;

use coin_cbc::{Sense, raw};
use scheduler::{FailureReason, Outcome, Problem};

use super::model::{Model, Stated};
use super::{CbcOptions, DEFAULT_NODE_LIMIT, MAX_CBC_WORKERS, concluded, failed};
use crate::clock::cpu_time_of;
use crate::{Allocator, trivial};

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
            let mut cbc = load(&model, &stated, self.options, self.node_limit);
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
pub(super) fn decided(problem: &Problem) -> Option<Outcome> {
    let workers = problem.workers().len();
    if workers > MAX_CBC_WORKERS {
        return Some(failed(
            FailureReason::TooLarge,
            format!("there are {workers} workers, expected at most {MAX_CBC_WORKERS} for cbc"),
        ));
    }
    trivial::answer(problem)
}

/// Hands the model to the library, with its settings.
fn load(model: &Model, stated: &Stated, options: CbcOptions, node_limit: u32) -> raw::Model {
    let mut cbc = raw::Model::new();
    cbc.set_log_level(0);
    let (columns, rows) = (stated.cost.len(), stated.row_lower.len());
    cbc.load_problem(
        columns,
        rows,
        &stated.starts,
        &stated.rows,
        &stated.weights,
        None,
        Some(&stated.upper),
        Some(&stated.cost),
        Some(&stated.row_lower),
        Some(&stated.row_upper),
    );
    cbc.set_obj_sense(Sense::Minimize);
    for z in (0..columns).step_by(2) {
        cbc.set_integer(z);
    }
    set(&mut cbc, c"maxNodes", node_limit);
    if options == CbcOptions::Tuned {
        for (name, value) in TUNED {
            cbc.set_parameter(name, value);
        }
        set(&mut cbc, c"increment", model.increment());
    }
    cbc
}

fn set(cbc: &mut raw::Model, name: &CStr, value: impl Display) {
    // A number in decimal has no zero byte.
    if let Ok(value) = CString::new(value.to_string()) {
        cbc.set_parameter(name, &value);
    }
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

/// CBC's objective value while it has no plan is 1e50.
const NO_INCUMBENT: f64 = 1e40;

/// What makes CBC fast on this model, and its claims exact.
const TUNED: [(&CStr, &CStr); 8] = [
    (c"presolve", c"off"),
    (c"preprocess", c"off"),
    (c"cutsOnOff", c"off"),
    (c"heuristicsOnOff", c"off"),
    (c"scaling", c"off"),
    (c"ratioGap", c"0"),
    (c"allowableGap", c"0"),
    (c"integerTolerance", c"1e-9"),
];
