//! The kinds of answers, and the names of reasons.

use scheduler::{FailureReason, PlanStatus};

/// The kind of an answer, under its name in lines and tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// A plan that its allocator calls optimal.
    Optimal,
    /// A plan with a lower bound below its cost: a budget ran out.
    Bounded,
    /// A plan of which nothing is proved.
    Feasible,
    /// The allocator says that there is no plan.
    Infeasible,
    /// The allocator found no plan, though one may exist.
    Failed,
}

impl Status {
    const ALL: [Self; 5] = [
        Self::Optimal,
        Self::Bounded,
        Self::Feasible,
        Self::Infeasible,
        Self::Failed,
    ];

    /// The name in lines and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Optimal => PlanStatus::Optimal.name(),
            Self::Bounded => PlanStatus::Bounded.name(),
            Self::Feasible => PlanStatus::Feasible.name(),
            Self::Infeasible => "infeasible",
            Self::Failed => "failed",
        }
    }

    /// The status of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// The reasons of infeasible and failed answers, to give those read back their static names.
const REASONS: [&str; 12] = [
    "insufficient_data",
    "insufficient_workers",
    "count_limit",
    "insufficient_capacity",
    "cardinality_gap",
    "limits_gap",
    "insufficient_budget",
    FailureReason::TooLarge.name(),
    FailureReason::NoPlanFound.name(),
    FailureReason::Unverified.name(),
    FailureReason::SolverError.name(),
    FailureReason::Unsupported.name(),
];

/// The reason of this name, as every row shares it.
pub(crate) fn reason_from_name(name: &str) -> Option<&'static str> {
    REASONS.into_iter().find(|reason| *reason == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for status in Status::ALL {
            assert_eq!(Status::from_name(status.name()), Some(status));
        }
        assert_eq!(Status::from_name("Optimal"), None);
        assert_eq!(reason_from_name(""), None);
    }
}
