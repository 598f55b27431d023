//! Events as a file has them, apart from the core's types: a change there does not silently
//! change files.

use scheduler::machine::{CycleId, Departure, Event, PlanId, Profile, SessionId, WorkerId};
use scheduler::{
    Certificate, Cost, Failure, FailureReason, Fee, Infeasible, Link, Outcome, Plan, PlanResponse,
    PlanStatus, Planned, Span,
};
use serde::{Deserialize, Serialize};

use crate::named::named;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum EventWire {
    Joined {
        worker: u32,
        fee_micro: u64,
        least_fee_micro: u64,
        transfer_ns: u64,
        latency_ns: u64,
        ship_ns: u64,
        most: u64,
    },
    Benchmarked {
        worker: u32,
        session: u32,
        batches: u64,
        took_ns: u64,
    },
    Solved {
        plan: u32,
        employed: u64,
        solves: u64,
        outcome: OutcomeWire,
    },
    Shipped {
        worker: u32,
        session: u32,
        plan: u32,
        batches: u64,
    },
    Beat {
        worker: u32,
        session: u32,
        cycle: u32,
        done: u64,
    },
    Trained {
        worker: u32,
        session: u32,
        cycle: u32,
        done: u64,
        took_ns: u64,
        tail_ns: u64,
    },
    Refused {
        worker: u32,
        session: u32,
        cycle: u32,
    },
    Aggregated {
        cycle: u32,
    },
    Lost {
        worker: u32,
        session: u32,
        why: String,
    },
    Wake,
    Stopped,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum OutcomeWire {
    Planned {
        batches: Vec<u64>,
        cost_micro: u128,
        status: String,
        lower_bound_micro: Option<u128>,
        certificate: Option<String>,
    },
    InsufficientData {
        n: u64,
        needed: u64,
    },
    InsufficientWorkers {
        eligible: u64,
        needed: u64,
    },
    InsufficientCapacity {
        capacity: u64,
        n: u64,
    },
    CardinalityGap {
        employable: u64,
        capacity: u64,
        n: u64,
    },
    Failed {
        reason: String,
        message: String,
    },
}

impl From<&Event> for EventWire {
    fn from(event: &Event) -> Self {
        match event {
            Event::Joined { worker, profile } => Self::Joined {
                worker: worker.get(),
                fee_micro: profile.fee.micros(),
                least_fee_micro: profile.least_fee.micros(),
                transfer_ns: profile.link.transfer.nanos(),
                latency_ns: profile.link.latency.nanos(),
                ship_ns: profile.link.ship.nanos(),
                most: profile.most,
            },
            Event::Benchmarked {
                worker,
                session,
                batches,
                took,
            } => Self::Benchmarked {
                worker: worker.get(),
                session: session.get(),
                batches: *batches,
                took_ns: took.nanos(),
            },
            Event::Solved { plan, response } => Self::Solved {
                plan: plan.get(),
                employed: response.employed,
                solves: response.solves,
                outcome: OutcomeWire::from(&response.outcome),
            },
            Event::Shipped {
                worker,
                session,
                plan,
                batches,
            } => Self::Shipped {
                worker: worker.get(),
                session: session.get(),
                plan: plan.get(),
                batches: *batches,
            },
            Event::Beat {
                worker,
                session,
                cycle,
                done,
            } => Self::Beat {
                worker: worker.get(),
                session: session.get(),
                cycle: cycle.get(),
                done: *done,
            },
            Event::Trained {
                worker,
                session,
                cycle,
                done,
                took,
                tail,
            } => Self::Trained {
                worker: worker.get(),
                session: session.get(),
                cycle: cycle.get(),
                done: *done,
                took_ns: took.nanos(),
                tail_ns: tail.nanos(),
            },
            Event::Refused {
                worker,
                session,
                cycle,
            } => Self::Refused {
                worker: worker.get(),
                session: session.get(),
                cycle: cycle.get(),
            },
            Event::Aggregated { cycle } => Self::Aggregated { cycle: cycle.get() },
            Event::Lost {
                worker,
                session,
                why,
            } => Self::Lost {
                worker: worker.get(),
                session: session.get(),
                why: why.name().to_owned(),
            },
            Event::Wake => Self::Wake,
            Event::Stopped => Self::Stopped,
        }
    }
}

impl TryFrom<EventWire> for Event {
    type Error = String;

    fn try_from(wire: EventWire) -> Result<Self, String> {
        let span = Span::from_nanos;
        Ok(match wire {
            EventWire::Joined {
                worker,
                fee_micro,
                least_fee_micro,
                transfer_ns,
                latency_ns,
                ship_ns,
                most,
            } => Self::Joined {
                worker: WorkerId::new(worker),
                profile: Profile {
                    fee: fee(fee_micro)?,
                    least_fee: fee(least_fee_micro)?,
                    link: Link {
                        transfer: span(transfer_ns),
                        latency: span(latency_ns),
                        ship: span(ship_ns),
                    },
                    most,
                },
            },
            EventWire::Benchmarked {
                worker,
                session,
                batches,
                took_ns,
            } => Self::Benchmarked {
                worker: WorkerId::new(worker),
                session: SessionId::new(session),
                batches,
                took: span(took_ns),
            },
            EventWire::Solved {
                plan,
                employed,
                solves,
                outcome,
            } => Self::Solved {
                plan: PlanId::new(plan),
                response: Box::new(PlanResponse {
                    employed,
                    outcome: outcome.try_into()?,
                    solves,
                }),
            },
            EventWire::Shipped {
                worker,
                session,
                plan,
                batches,
            } => Self::Shipped {
                worker: WorkerId::new(worker),
                session: SessionId::new(session),
                plan: PlanId::new(plan),
                batches,
            },
            EventWire::Beat {
                worker,
                session,
                cycle,
                done,
            } => Self::Beat {
                worker: WorkerId::new(worker),
                session: SessionId::new(session),
                cycle: CycleId::new(cycle),
                done,
            },
            EventWire::Trained {
                worker,
                session,
                cycle,
                done,
                took_ns,
                tail_ns,
            } => Self::Trained {
                worker: WorkerId::new(worker),
                session: SessionId::new(session),
                cycle: CycleId::new(cycle),
                done,
                took: span(took_ns),
                tail: span(tail_ns),
            },
            EventWire::Refused {
                worker,
                session,
                cycle,
            } => Self::Refused {
                worker: WorkerId::new(worker),
                session: SessionId::new(session),
                cycle: CycleId::new(cycle),
            },
            EventWire::Aggregated { cycle } => Self::Aggregated {
                cycle: CycleId::new(cycle),
            },
            EventWire::Lost {
                worker,
                session,
                why,
            } => Self::Lost {
                worker: WorkerId::new(worker),
                session: SessionId::new(session),
                why: departure(&why)?,
            },
            EventWire::Wake => Self::Wake,
            EventWire::Stopped => Self::Stopped,
        })
    }
}

impl From<&Outcome> for OutcomeWire {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Planned(planned) => Self::Planned {
                batches: planned.plan.batches.clone(),
                cost_micro: planned.plan.cost.micros(),
                status: planned.status.name().to_owned(),
                lower_bound_micro: planned.lower_bound.map(Cost::micros),
                certificate: planned.certificate.map(|c| c.name().to_owned()),
            },
            Outcome::Infeasible(infeasible) => match *infeasible {
                Infeasible::InsufficientData { n, needed } => Self::InsufficientData { n, needed },
                Infeasible::InsufficientWorkers { eligible, needed } => {
                    Self::InsufficientWorkers { eligible, needed }
                }
                Infeasible::InsufficientCapacity { capacity, n } => {
                    Self::InsufficientCapacity { capacity, n }
                }
                Infeasible::CardinalityGap {
                    employable,
                    capacity,
                    n,
                } => Self::CardinalityGap {
                    employable,
                    capacity,
                    n,
                },
            },
            Outcome::Failed(failure) => Self::Failed {
                reason: failure.reason.name().to_owned(),
                message: failure.message.clone(),
            },
        }
    }
}

impl TryFrom<OutcomeWire> for Outcome {
    type Error = String;

    fn try_from(wire: OutcomeWire) -> Result<Self, String> {
        Ok(match wire {
            OutcomeWire::Planned {
                batches,
                cost_micro,
                status: stated,
                lower_bound_micro,
                certificate: proof,
            } => Self::Planned(Planned {
                plan: Plan {
                    batches,
                    cost: Cost::from_micros(cost_micro),
                },
                status: status(&stated)?,
                lower_bound: lower_bound_micro.map(Cost::from_micros),
                certificate: proof.as_deref().map(certificate).transpose()?,
            }),
            OutcomeWire::InsufficientData { n, needed } => {
                Self::Infeasible(Infeasible::InsufficientData { n, needed })
            }
            OutcomeWire::InsufficientWorkers { eligible, needed } => {
                Self::Infeasible(Infeasible::InsufficientWorkers { eligible, needed })
            }
            OutcomeWire::InsufficientCapacity { capacity, n } => {
                Self::Infeasible(Infeasible::InsufficientCapacity { capacity, n })
            }
            OutcomeWire::CardinalityGap {
                employable,
                capacity,
                n,
            } => Self::Infeasible(Infeasible::CardinalityGap {
                employable,
                capacity,
                n,
            }),
            OutcomeWire::Failed { reason, message } => Self::Failed(Failure {
                reason: failure(&reason)?,
                message,
            }),
        })
    }
}

fn fee(micros: u64) -> Result<Fee, String> {
    Fee::from_micros(micros).ok_or_else(|| {
        let most = Fee::MAX.micros();
        format!("a fee of {micros} micro-units, expected at most {most}")
    })
}

named!(
    departure,
    Departure,
    "departure",
    [
        Disconnected,
        Left,
        Misbehaved,
        Replaced,
        BenchmarkLate,
        ShipLate,
        MissedBeats,
        AlwaysLate,
        Quarantined,
        FeeTooLow,
        Full,
    ]
);
named!(
    status,
    PlanStatus,
    "status of a plan",
    [Optimal, Bounded, Feasible]
);
named!(
    certificate,
    Certificate,
    "certificate",
    [
        ClosedForm,
        Root,
        Search,
        DynamicProgramme,
        Solver,
        Relaxation,
    ]
);
named!(
    failure,
    FailureReason,
    "reason of a failure",
    [TooLarge, NoPlanFound, Unverified, SolverError,]
);
