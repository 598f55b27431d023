//! One answer of one allocator as a row of a table, and what a test says about its answers.

use std::time::Duration;

use scheduler::{Certificate, Cost, FailureReason, Outcome, PlanStatus};

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
const REASONS: [&str; 8] = [
    "insufficient_data",
    "insufficient_workers",
    "insufficient_capacity",
    "cardinality_gap",
    FailureReason::TooLarge.name(),
    FailureReason::NoPlanFound.name(),
    FailureReason::Unverified.name(),
    FailureReason::SolverError.name(),
];

/// The reason of this name, as every row shares it.
pub(crate) fn reason_from_name(name: &str) -> Option<&'static str> {
    REASONS.into_iter().find(|reason| *reason == name)
}

/// The certificate of this name.
pub(crate) fn certificate_from_name(name: &str) -> Option<Certificate> {
    Certificate::from_name(name)
}

/// What is kept of one allocator's answer to one test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutcomeRow {
    /// The kind of answer.
    pub status: Status,
    /// Why there is no plan.
    pub reason: Option<&'static str>,
    /// What the lower bound rests on.
    pub certificate: Option<Certificate>,
    /// The cost of the plan, if there is one.
    pub cost: Option<Cost>,
    /// No plan costs less, says the allocator.
    pub lower_bound: Option<Cost>,
    /// Workers that the plan employs.
    pub workers_employed: Option<u64>,
    /// What became of the plan in a simulated cycle, if plans are simulated.
    pub simulated: Option<Simulated>,
}

/// What became of a plan in one simulated cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Simulated {
    /// Nanoseconds from the beginning of the cycle until the last employed worker has finished
    /// all of its batches, however long after the limit: nothing is truncated.
    pub makespan_ns: u64,
    /// Whether that is longer than the cycle's limit.
    pub missed: bool,
    /// Employed workers that needed longer than the limit.
    pub late_workers: u64,
}

impl From<&Outcome> for OutcomeRow {
    fn from(outcome: &Outcome) -> Self {
        let status = match outcome {
            Outcome::Planned(planned) => match planned.status {
                PlanStatus::Optimal => Status::Optimal,
                PlanStatus::Bounded => Status::Bounded,
                PlanStatus::Feasible => Status::Feasible,
            },
            Outcome::Infeasible(_) => Status::Infeasible,
            Outcome::Failed(_) => Status::Failed,
        };
        let planned = outcome.planned();
        Self {
            status,
            reason: outcome.reason(),
            certificate: planned.and_then(|p| p.certificate),
            cost: planned.map(|p| p.plan.cost),
            lower_bound: planned.and_then(|p| p.lower_bound),
            workers_employed: planned.map(|p| p.plan.workers_employed()),
            simulated: None,
        }
    }
}

/// What one answer took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Took {
    /// Wall time in nanoseconds.
    pub wall_ns: u64,
    /// CPU time inside an external solver library, in nanoseconds.
    pub library_cpu_ns: u64,
}

impl Took {
    /// From lengths of time, which saturate after 584 years.
    pub fn new(wall: Duration, library_cpu: Duration) -> Self {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self {
            wall_ns: nanos(wall),
            library_cpu_ns: nanos(library_cpu),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scheduler::{Failure, Infeasible};

    #[test]
    fn names_read_back() {
        for status in Status::ALL {
            assert_eq!(Status::from_name(status.name()), Some(status));
        }
        for &certificate in Certificate::ALL {
            assert_eq!(certificate_from_name(certificate.name()), Some(certificate));
        }
        assert_eq!(Status::from_name("Optimal"), None);
        assert_eq!(reason_from_name(""), None);
    }

    #[test]
    fn every_reason_is_known() {
        let infeasible = [
            Infeasible::InsufficientData { n: 0, needed: 1 },
            Infeasible::InsufficientWorkers {
                eligible: 0,
                needed: 1,
            },
            Infeasible::InsufficientCapacity { capacity: 0, n: 1 },
            Infeasible::CardinalityGap {
                employable: 0,
                capacity: 0,
                n: 1,
            },
        ];
        for outcome in infeasible.map(Outcome::Infeasible) {
            let row = OutcomeRow::from(&outcome);
            assert_eq!(row.status.name(), outcome.status());
            assert_eq!(reason_from_name(row.reason.expect("given")), row.reason);
        }
        let failure = |reason| {
            Outcome::Failed(Failure {
                reason,
                message: String::new(),
            })
        };
        let row = OutcomeRow::from(&failure(FailureReason::TooLarge));
        assert_eq!(
            (row.status, row.reason),
            (Status::Failed, Some("too_large"))
        );
    }
}
