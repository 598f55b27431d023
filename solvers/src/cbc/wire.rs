//! What passes between [`CbcProcess`](super::CbcProcess) and [`serve`](super::serve()): frames
//! of a length and a postcard message. The messages have types of their own, so that the core's
//! types can change without the wire noticing.

use std::io::{self, Read, Write};
use std::time::Duration;

use scheduler::{
    Certificate, Cost, Failure, FailureReason, Fee, Infeasible, Outcome, Plan, PlanStatus, Planned,
    Problem, Worker,
};
use serde::{Deserialize, Serialize};

use super::{Cbc, CbcOptions};
use crate::Measured;

/// The longest frame: several times what the largest problem for CBC takes.
pub(super) const MAX_FRAME: u32 = 1 << 20;

/// A problem, and how to solve it.
#[derive(Serialize, Deserialize)]
pub(super) struct Request {
    n: u64,
    s_min: u64,
    beta: u64,
    /// `(s_max, fee in micro-units)`.
    workers: Vec<(u64, u64)>,
    tuned: bool,
    node_limit: u32,
}

impl Request {
    pub(super) fn new(problem: &Problem, options: CbcOptions, node_limit: u32) -> Self {
        let pair = |w: &Worker| (w.s_max, w.fee.micros());
        Self {
            n: problem.n(),
            s_min: problem.s_min(),
            beta: problem.beta(),
            workers: problem.workers().iter().map(pair).collect(),
            tuned: options == CbcOptions::Tuned,
            node_limit,
        }
    }

    /// The problem and the solver, if the numbers make sense.
    pub(super) fn into_core(self) -> io::Result<(Problem, CbcOptions, u32)> {
        let worker = |(s_max, micros): (u64, u64)| {
            let fee = Fee::from_micros(micros).ok_or_else(|| {
                invalid(format!("a fee is {micros} micro-units, above the largest"))
            })?;
            Ok(Worker { s_max, fee })
        };
        let workers = self
            .workers
            .into_iter()
            .map(worker)
            .collect::<io::Result<_>>()?;
        let problem = Problem::new(self.n, self.s_min, self.beta, workers)
            .map_err(|error| invalid(error.to_string()))?;
        let options = if self.tuned {
            CbcOptions::Tuned
        } else {
            CbcOptions::Default
        };
        Ok((problem, options, self.node_limit))
    }
}

/// The answer, and what it took the child.
#[derive(Serialize, Deserialize)]
pub(super) struct Reply {
    answer: Answer,
    wall_ns: u64,
    library_cpu_ns: u64,
}

#[derive(Serialize, Deserialize)]
enum Answer {
    Planned {
        optimal: bool,
        batches: Vec<u64>,
        cost_micros: u128,
        lower_bound_micros: Option<u128>,
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
        reason: Reason,
        message: String,
    },
}

#[derive(Serialize, Deserialize)]
enum Reason {
    TooLarge,
    NoPlanFound,
    Unverified,
    SolverError,
}

impl Reply {
    pub(super) fn new(measured: Measured) -> Self {
        Self {
            answer: Answer::from(measured.outcome),
            wall_ns: nanos(measured.wall),
            library_cpu_ns: nanos(measured.library_cpu),
        }
    }

    pub(super) fn into_core(self) -> Measured {
        Measured {
            outcome: self.answer.into(),
            wall: Duration::from_nanos(self.wall_ns),
            library_cpu: Duration::from_nanos(self.library_cpu_ns),
        }
    }
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Planned(planned) => Self::Planned {
                optimal: planned.status == PlanStatus::Optimal,
                cost_micros: planned.plan.cost.micros(),
                batches: planned.plan.batches,
                lower_bound_micros: planned.lower_bound.map(Cost::micros),
            },
            Outcome::Infeasible(Infeasible::InsufficientData { n, needed }) => {
                Self::InsufficientData { n, needed }
            }
            Outcome::Infeasible(Infeasible::InsufficientWorkers { eligible, needed }) => {
                Self::InsufficientWorkers { eligible, needed }
            }
            Outcome::Infeasible(Infeasible::InsufficientCapacity { capacity, n }) => {
                Self::InsufficientCapacity { capacity, n }
            }
            Outcome::Infeasible(Infeasible::CardinalityGap {
                employable,
                capacity,
                n,
            }) => Self::CardinalityGap {
                employable,
                capacity,
                n,
            },
            Outcome::Failed(Failure { reason, message }) => Self::Failed {
                reason: match reason {
                    FailureReason::TooLarge => Reason::TooLarge,
                    FailureReason::NoPlanFound => Reason::NoPlanFound,
                    FailureReason::Unverified => Reason::Unverified,
                    FailureReason::SolverError => Reason::SolverError,
                },
                message,
            },
        }
    }
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Planned {
                optimal,
                batches,
                cost_micros,
                lower_bound_micros,
            } => Self::Planned(Planned {
                plan: Plan {
                    batches,
                    cost: Cost::from_micros(cost_micros),
                },
                status: if optimal {
                    PlanStatus::Optimal
                } else {
                    PlanStatus::Bounded
                },
                lower_bound: lower_bound_micros.map(Cost::from_micros),
                certificate: Some(Certificate::Solver),
            }),
            Answer::InsufficientData { n, needed } => {
                Self::Infeasible(Infeasible::InsufficientData { n, needed })
            }
            Answer::InsufficientWorkers { eligible, needed } => {
                Self::Infeasible(Infeasible::InsufficientWorkers { eligible, needed })
            }
            Answer::InsufficientCapacity { capacity, n } => {
                Self::Infeasible(Infeasible::InsufficientCapacity { capacity, n })
            }
            Answer::CardinalityGap {
                employable,
                capacity,
                n,
            } => Self::Infeasible(Infeasible::CardinalityGap {
                employable,
                capacity,
                n,
            }),
            Answer::Failed { reason, message } => Self::Failed(Failure {
                reason: match reason {
                    Reason::TooLarge => FailureReason::TooLarge,
                    Reason::NoPlanFound => FailureReason::NoPlanFound,
                    Reason::Unverified => FailureReason::Unverified,
                    Reason::SolverError => FailureReason::SolverError,
                },
                message,
            }),
        }
    }
}

/// Answers one request.
pub(super) fn answer(request: Request) -> io::Result<Reply> {
    use crate::Allocator;
    let (problem, options, node_limit) = request.into_core()?;
    let mut cbc = Cbc::new().with_options(options).with_node_limit(node_limit);
    Ok(Reply::new(cbc.measure(&problem)))
}

/// Writes one message as a frame: a little-endian length of four bytes, then so many bytes.
pub(super) fn write_frame(
    output: &mut impl Write,
    buffer: &mut Vec<u8>,
    message: &impl Serialize,
) -> io::Result<()> {
    buffer.clear();
    buffer.extend_from_slice(&[0; 4]);
    *buffer = postcard::to_extend(message, std::mem::take(buffer))
        .map_err(|error| invalid(format!("a message cannot be written: {error}")))?;
    let length = u32::try_from(buffer.len() - 4).unwrap_or(u32::MAX);
    if length > MAX_FRAME {
        return Err(too_long(length));
    }
    buffer[..4].copy_from_slice(&length.to_le_bytes());
    output.write_all(buffer) // one write
}

/// Reads one message; `None` when the input ends where a frame would begin.
pub(super) fn read_frame<M: for<'a> Deserialize<'a>>(
    input: &mut impl Read,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<M>> {
    let mut length = [0; 4];
    if !read_or_end(input, &mut length)? {
        return Ok(None);
    }
    let length = u32::from_le_bytes(length);
    if length > MAX_FRAME {
        return Err(too_long(length)); // before anything is allocated for it
    }
    buffer.clear();
    let read = input.take(u64::from(length)).read_to_end(buffer)?;
    if read < length as usize {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("a frame ends after {read} bytes, expected {length}"),
        ));
    }
    match postcard::take_from_bytes(buffer) {
        Ok((message, [])) => Ok(Some(message)),
        Ok((_, rest)) => Err(invalid(format!(
            "a frame has {} bytes behind its message, expected none",
            rest.len()
        ))),
        Err(error) => Err(invalid(format!("a frame is not a message: {error}"))),
    }
}

/// Fills the buffer, or says that the input ended before its first byte.
fn read_or_end(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "a frame ends within its length",
                ));
            }
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn too_long(length: u32) -> io::Error {
    invalid(format!(
        "a frame is {length} bytes long, expected at most {MAX_FRAME}"
    ))
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(message: &impl Serialize) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, &mut Vec::new(), message).expect("written");
        bytes
    }

    fn read(mut bytes: &[u8]) -> Result<Option<Request>, String> {
        read_frame(&mut bytes, &mut Vec::new()).map_err(|error| error.to_string())
    }

    fn outcomes() -> Vec<Outcome> {
        let failed = |reason| {
            Outcome::Failed(Failure {
                reason,
                message: "why".to_owned(),
            })
        };
        let planned = |status, lower_bound| {
            Outcome::Planned(Planned {
                plan: Plan {
                    batches: vec![0, 1_000_000_000],
                    cost: Cost::from_micros(u128::MAX),
                },
                status,
                lower_bound,
                certificate: Some(Certificate::Solver),
            })
        };
        let infeasible = |infeasible| Outcome::Infeasible(infeasible);
        vec![
            planned(PlanStatus::Optimal, Some(Cost::from_micros(u128::MAX))),
            planned(PlanStatus::Bounded, Some(Cost::ZERO)),
            planned(PlanStatus::Bounded, None),
            infeasible(Infeasible::InsufficientData { n: 1, needed: 2 }),
            infeasible(Infeasible::InsufficientWorkers {
                eligible: 1,
                needed: 2,
            }),
            infeasible(Infeasible::InsufficientCapacity { capacity: 1, n: 2 }),
            infeasible(Infeasible::CardinalityGap {
                employable: 1,
                capacity: 2,
                n: 3,
            }),
            failed(FailureReason::TooLarge),
            failed(FailureReason::NoPlanFound),
            failed(FailureReason::Unverified),
            failed(FailureReason::SolverError),
        ]
    }

    #[test]
    fn every_outcome_survives_the_wire() {
        for outcome in outcomes() {
            let measured = Measured {
                outcome,
                wall: Duration::from_nanos(123),
                library_cpu: Duration::from_secs(4),
            };
            let bytes = frame(&Reply::new(measured.clone()));
            let reply: Reply = read_frame(&mut bytes.as_slice(), &mut Vec::new())
                .expect("a frame")
                .expect("not the end");
            assert_eq!(reply.into_core(), measured);
        }
    }

    #[test]
    fn malformed_frames_are_told_apart_from_the_end() {
        let worker = Worker {
            s_max: 7,
            fee: Fee::MAX,
        };
        let problem = Problem::new(5, 2, 1, vec![worker; 3]).expect("within bounds");
        let good = frame(&Request::new(&problem, CbcOptions::Tuned, 9));
        let request = read(&good).expect("a frame").expect("not the end");
        let (read_back, options, node_limit) = request.into_core().expect("valid");
        assert_eq!(
            (read_back, options, node_limit),
            (problem, CbcOptions::Tuned, 9)
        );

        let error = |bytes: &[u8]| read(bytes).err().unwrap_or_default();
        assert!(read(&[]).is_ok_and(|message| message.is_none()));
        assert_eq!(error(&good[..3]), "a frame ends within its length");
        assert!(error(&good[..9]).starts_with("a frame ends after 5 bytes, expected "));
        assert_eq!(
            error(&u32::MAX.to_le_bytes()),
            "a frame is 4294967295 bytes long, expected at most 1048576"
        );
        assert!(error(&[2, 0, 0, 0, 0xff, 0xff]).starts_with("a frame is not a message: "));
        let mut longer = good.clone();
        longer[0] += 1;
        longer.push(0);
        assert_eq!(
            error(&longer),
            "a frame has 1 bytes behind its message, expected none"
        );
    }

    /// A length inside a message must not make the reader allocate for it either.
    #[test]
    fn an_absurd_count_inside_a_message_is_refused() {
        let mut bytes = vec![13, 0, 0, 0, 1, 1, 1];
        bytes.extend_from_slice(&[0xff; 9]);
        bytes.push(0x01);
        assert!(read(&bytes).is_err());
    }

    #[test]
    fn a_request_out_of_bounds_is_refused() {
        let request = Request {
            n: 1,
            s_min: 0,
            beta: 0,
            workers: vec![(1, u64::MAX)],
            tuned: true,
            node_limit: 1,
        };
        let error = answer(request).err().expect("refused");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
