//! What the answers to one test say about each other.
//!
//! Every plan that arrives here was verified in integers, so a plan is a fact: it shows that
//! the test is feasible and that no optimum costs more. A claim is not: one that a verified plan
//! contradicts is a mismatch, whichever allocator makes it.
//!
//! The **proven optimum** of a test is the cost of the cheapest plan, if an allocator claims that
//! cost optimal. While no claim is contradicted this is what `exact` says, else `cbc`, else `lp`.
//! A test is **feasible** if there is a plan, infeasible if there is none and an allocator says
//! so, and otherwise unknown.

use scheduler::Cost;

use crate::row::OutcomeRow;
use crate::schema::columns;
use crate::status::Status;

/// Whose word goes first where allocators give different reasons: those that prove more.
const TRUSTED: [&str; 3] = ["exact", "cbc", "lp"];

/// The place of one answer among the answers to its test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The plan costs the proven optimum.
    Optimal,
    /// The plan costs more than the proven optimum.
    Suboptimal,
    /// There is a plan, but no proven optimum to compare it with.
    Unproven,
    /// The allocator says that there is no plan.
    Infeasible,
    /// The allocator found none.
    Failed,
}

/// How an answer differs from the proven optimum or from the right feasibility.
///
/// The order is that of alarm: the first contradict what an allocator promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It is called optimal, and a verified plan is cheaper.
    Cost,
    /// Its lower bound lies above the cost of a verified plan.
    Bound,
    /// It says that there is no plan, and there is one.
    Feasibility,
    /// There is no plan, but it names another reason than the others.
    Reason,
    /// It found no plan.
    Failed,
    /// It costs more than the proven optimum.
    Suboptimal,
    /// Lower bounds were sought, but nothing is proved optimal.
    Unproven,
}

impl Kind {
    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cost => "cost",
            Self::Bound => "bound",
            Self::Feasibility => "feasibility",
            Self::Reason => "reason",
            Self::Failed => "failed",
            Self::Suboptimal => "suboptimal",
            Self::Unproven => "unproven",
        }
    }
}

columns! {
    /// How much more than the proven optimum a plan costs.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Excess {
        /// The excess over the proven optimum, as a share of it; empty when the optimum is free and
        /// the plan is not.
        relative: Option<f64> = "excess",
        /// The excess over the proven optimum.
        cost: Cost = "excess_cost_micro",
    }
}

impl Excess {
    fn of(cost: Cost, optimum: Cost) -> Option<Self> {
        let excess = cost.checked_sub(optimum)?;
        let relative = match (excess.micros(), optimum.micros()) {
            (0, _) => Some(0.0),
            (_, 0) => None,
            (excess, optimum) => Some(excess as f64 / optimum as f64),
        };
        Some(Self {
            cost: excess,
            relative,
        })
    }
}

/// One answer, seen beside the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assessed {
    /// The answer.
    pub row: OutcomeRow,
    /// Its place among the answers.
    pub verdict: Verdict,
    /// Its distance from the proven optimum, where there is one.
    pub excess: Option<Excess>,
    /// How it differs from what it should be.
    pub kind: Option<Kind>,
    /// Another allocator's plan is cheaper.
    pub beaten: bool,
}

/// What is known of one test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truth {
    /// The cost of the cheapest plan.
    pub cheapest: Option<Cost>,
    /// Whether that is the proven optimum.
    pub proven: bool,
}

impl Truth {
    /// The proven optimum.
    pub fn optimum(&self) -> Option<Cost> {
        self.cheapest.filter(|_| self.proven)
    }
}

/// Compares the answers to one test, in the order of `allocators`.
pub(crate) fn assess(
    allocators: &[String],
    rows: &[OutcomeRow],
    assessed: &mut Vec<Assessed>,
) -> Truth {
    let cheapest = rows.iter().filter_map(|row| row.cost).min();
    let claims = |row: &OutcomeRow| row.status == Status::Optimal && row.cost == cheapest;
    let truth = Truth {
        cheapest,
        proven: rows.iter().any(claims),
    };
    let sought = rows.iter().any(|row| row.lower_bound.is_some());
    let reason = if cheapest.is_none() {
        trusted_reason(allocators, rows)
    } else {
        None
    };
    assessed.clear();
    assessed.extend(rows.iter().map(|&row| {
        let beaten = row.cost.is_some() && row.cost > cheapest;
        let excess = match (row.cost, truth.optimum()) {
            (Some(cost), Some(optimum)) => Excess::of(cost, optimum),
            _ => None,
        };
        let verdict = match (row.status, truth.proven) {
            (Status::Infeasible, _) => Verdict::Infeasible,
            (Status::Failed, _) => Verdict::Failed,
            (_, false) => Verdict::Unproven,
            (_, true) if beaten => Verdict::Suboptimal,
            (_, true) => Verdict::Optimal,
        };
        let bound_too_high = cheapest.is_some() && row.lower_bound > cheapest;
        let kind = match verdict {
            _ if beaten && row.status == Status::Optimal => Some(Kind::Cost),
            _ if bound_too_high => Some(Kind::Bound),
            Verdict::Optimal => None,
            Verdict::Suboptimal => Some(Kind::Suboptimal),
            Verdict::Unproven => sought.then_some(Kind::Unproven),
            Verdict::Infeasible if cheapest.is_some() => Some(Kind::Feasibility),
            Verdict::Infeasible => (row.reason != reason).then_some(Kind::Reason),
            Verdict::Failed => Some(Kind::Failed),
        };
        Assessed {
            row,
            verdict,
            excess,
            kind,
            beaten,
        }
    }));
    truth
}

/// The reason that the most trusted allocator gives for there being no plan.
fn trusted_reason(allocators: &[String], rows: &[OutcomeRow]) -> Option<&'static str> {
    let infeasible = || {
        let answers = allocators.iter().zip(rows);
        answers.filter(|(_, row)| row.status == Status::Infeasible)
    };
    TRUSTED
        .iter()
        .find_map(|name| infeasible().find(|(allocator, _)| allocator == name))
        .or_else(|| infeasible().next())
        .and_then(|(_, row)| row.reason)
}
