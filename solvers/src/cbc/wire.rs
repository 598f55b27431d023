//! What passes between [`CbcProcess`](super::CbcProcess) and [`serve`](super::serve()): frames
//! of a length and a postcard message: a [`Request`] there, a [`Measured`] back. Both ends are the
//! same program.

use std::io::{self, Read, Write};

use scheduler::{Problem, Worker};
use serde::{Deserialize, Serialize};

use super::{Cbc, CbcOptions};
use crate::{Allocator, Measured};

/// The longest frame: several times what the largest problem for CBC takes.
pub(super) const MAX_FRAME: u32 = 1 << 20;

/// A problem, and how to solve it.
#[derive(Serialize, Deserialize)]
pub(super) struct Request {
    n: u64,
    s_min: u64,
    beta: u64,
    most_employed: u64,
    workers: Vec<Worker>,
    options: CbcOptions,
    node_limit: u32,
}

impl Request {
    pub(super) fn new(problem: &Problem, options: CbcOptions, node_limit: u32) -> Self {
        Self {
            n: problem.n(),
            s_min: problem.s_min(),
            beta: problem.beta(),
            most_employed: problem.most_employed(),
            workers: problem.workers().to_vec(),
            options,
            node_limit,
        }
    }

    /// The problem, if its numbers lie within their bounds.
    fn problem(self) -> io::Result<Problem> {
        Problem::new(self.n, self.s_min, self.beta, self.workers)
            .map(|problem| problem.with_most_employed(self.most_employed))
            .map_err(|error| invalid(error.to_string()))
    }
}

/// Answers one request.
pub(super) fn answer(request: Request) -> io::Result<Measured> {
    let mut cbc = Cbc::new()
        .with_options(request.options)
        .with_node_limit(request.node_limit);
    Ok(cbc.measure(&request.problem()?))
}

/// Writes one message as a frame: a little-endian length of four bytes, then that number of bytes.
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

#[cfg(test)]
mod tests {
    use super::*;
    use scheduler::{
        Certificate, Cost, Failure, FailureReason, Fee, Infeasible, Outcome, Plan, PlanStatus,
        Planned,
    };
    use std::time::Duration;

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
        let planned = |status, lower_bound, certificate| {
            Outcome::Planned(Planned {
                plan: Plan {
                    batches: vec![0, 1_000_000_000],
                    cost: Cost::from_micros(u128::MAX),
                },
                status,
                lower_bound,
                certificate,
            })
        };
        let infeasible = |infeasible| Outcome::Infeasible(infeasible);
        vec![
            planned(
                PlanStatus::Optimal,
                Some(Cost::from_micros(u128::MAX)),
                Some(Certificate::ClosedForm),
            ),
            planned(
                PlanStatus::Bounded,
                Some(Cost::ZERO),
                Some(Certificate::Solver),
            ),
            planned(PlanStatus::Feasible, None, None),
            infeasible(Infeasible::InsufficientData { n: 1, needed: 2 }),
            infeasible(Infeasible::InsufficientWorkers {
                eligible: 1,
                needed: 2,
            }),
            infeasible(Infeasible::CountLimit { most: 1, needed: 2 }),
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
            let bytes = frame(&measured);
            let read: Option<Measured> =
                read_frame(&mut bytes.as_slice(), &mut Vec::new()).expect("a frame");
            assert_eq!(read, Some(measured));
        }
    }

    #[test]
    fn malformed_frames_are_told_apart_from_the_end() {
        let worker = Worker {
            s_max: 7,
            fee: Fee::MAX,
        };
        let problem = Problem::new(5, 2, 1, vec![worker; 3]).expect("within bounds");
        let problem = problem.with_most_employed(2);
        let good = frame(&Request::new(&problem, CbcOptions::Tuned, 9));
        let request = read(&good).expect("a frame").expect("not the end");
        assert_eq!(
            (request.options, request.node_limit),
            (CbcOptions::Tuned, 9)
        );
        assert_eq!(request.problem().expect("valid"), problem);

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
        let mut bytes = vec![14, 0, 0, 0, 1, 1, 1, 1];
        bytes.extend_from_slice(&[0xff; 9]);
        bytes.push(0x01);
        assert!(read(&bytes).is_err());
    }

    #[test]
    fn a_request_out_of_bounds_is_refused() {
        let worker = Worker {
            s_max: u64::MAX,
            fee: Fee::MAX,
        };
        let request = Request {
            n: 1,
            s_min: 0,
            beta: 0,
            most_employed: 1,
            workers: vec![worker],
            options: CbcOptions::Tuned,
            node_limit: 1,
        };
        let error = answer(request).expect_err("its capacity is too large");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        // n, s_min, beta, at most one employed, one worker of 1 batch, and a fee of 2^63 micro-units
        // and more.
        let mut bytes = vec![18, 0, 0, 0, 1, 0, 0, 1, 1, 1];
        bytes.extend_from_slice(&[0xff; 9]);
        bytes.extend_from_slice(&[1, 0, 1, 0]);
        assert!(read(&bytes).is_err());
    }
}
