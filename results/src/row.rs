//! One answer of one allocator as a row of a table, and what a test says about its answers.

use std::time::Duration;

use scheduler::{Certificate, Cost, Outcome, PlanStatus};

use crate::error::ResultsError;
use crate::read::Table;
use crate::schema::{Field, Row, columns};
use crate::status::Status;

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

columns! {
    /// What became of a plan in one simulated cycle.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Simulated {
        /// From the beginning of the cycle until the last employed worker has finished all of its
        /// batches, however long after the limit: nothing is truncated.
        makespan_ns: u64 = "makespan_ns",
        /// Whether that is longer than the limit of the cycle.
        missed: bool = "missed",
        /// Employed workers that needed longer than the limit.
        late_workers: u64 = "late_workers",
    }
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

columns! {
    for OutcomeRow {
        /// The kind of answer: `optimal`, `bounded`, `feasible`, `infeasible` or `failed`.
        status: Status = "status",
        /// Why there is no plan.
        reason: Option<&'static str> = "reason",
        /// What the lower bound rests on.
        certificate: Option<Certificate> = "certificate",
        /// The cost of the plan.
        cost: Option<Cost> = "cost_micro",
        /// The allocator's proof that no plan costs less.
        lower_bound: Option<Cost> = "lower_bound_micro",
        /// Workers that the plan employs.
        workers_employed: Option<u64> = "workers_employed",
        .. simulated: None
    }
}

impl OutcomeRow {
    /// The rows of a row group with what became of the plans in simulated cycles.
    pub(crate) fn read_simulated(table: &Table<'_>) -> Result<Vec<Self>, ResultsError> {
        let mut rows = Self::read(table)?;
        let makespan = Option::<u64>::read(table, "makespan_ns")?;
        let missed = Option::<bool>::read(table, "missed")?;
        let late = Option::<u64>::read(table, "late_workers")?;
        for (index, row) in rows
            .iter_mut()
            .enumerate()
            .filter(|(_, row)| row.cost.is_some())
        {
            row.simulated = Some(Simulated {
                makespan_ns: table.required(makespan[index], "makespan_ns")?,
                missed: table.required(missed[index], "missed")?,
                late_workers: table.required(late[index], "late_workers")?,
            });
        }
        Ok(rows)
    }
}

columns! {
    /// What one answer took.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Took {
        /// The wall time of the answer, its verification included.
        wall_ns: u64 = "nanoseconds",
        /// CPU time inside an external solver library.
        library_cpu_ns: u64 = "library_cpu_nanoseconds",
    }
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
    use crate::status::reason_from_name;
    use scheduler::{Cost, Failure, FailureReason, Infeasible};

    #[test]
    fn every_reason_is_known() {
        let infeasible = [
            Infeasible::InsufficientData { n: 0, needed: 1 },
            Infeasible::InsufficientWorkers {
                eligible: 0,
                needed: 1,
            },
            Infeasible::CountLimit { most: 0, needed: 1 },
            Infeasible::InsufficientCapacity { capacity: 0, n: 1 },
            Infeasible::CardinalityGap {
                employable: 0,
                capacity: 0,
                n: 1,
            },
            Infeasible::LimitsGap { n: 1 },
            Infeasible::InsufficientBudget {
                least: Cost::from_micros(1),
                budget: Cost::ZERO,
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
