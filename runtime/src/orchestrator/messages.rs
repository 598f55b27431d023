//! What goes to the task of a connection, and what comes from there and from elsewhere.
//!
//! **What it does not know:** what becomes of any of it.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use scheduler::machine::{CycleId, PlanId, SessionId, TrainOrder};
use scheduler::{Link, PlanResponse};
use tokio::sync::mpsc;

use super::current::ModelState;
use super::turns::Sending;
use crate::average::{Average, Merged, Refusal, Update};
use crate::clock::Clock;
use crate::data::Dataset;
use crate::net::Peer;
use crate::protocol::{Brief, Hello, Order, Report, Trained};
use crate::train::Evaluation;

/// Which connection; no two in the life of the program have the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// A worker that is connected and has said hello.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) hello: Hello,
    pub(crate) peer: Peer,
    pub(super) commands: mpsc::Sender<Command>,
}

/// What all connections of a job have in common.
#[derive(Debug)]
pub(crate) struct JobData {
    /// What is shipped.
    pub(crate) train: Arc<Dataset>,
    pub(crate) batch_size: u32,
    /// The digest of the data, if the workers have it.
    pub(crate) at_workers: Option<[u8; 32]>,
    /// How often each batch is trained in a cycle.
    pub(crate) passes: u32,
    /// Checks results.
    pub(crate) average: Average,
    /// Bytes of parameters as they are sent.
    pub(crate) wire_len: usize,
    /// What the learning rate is multiplied by in each cycle.
    pub(crate) schedule: RateSchedule,
    /// The clock of the job.
    pub(crate) clock: Clock,
}

/// The learning rate of each cycle.
#[derive(Debug)]
pub(crate) struct RateSchedule {
    pub(crate) training: scenarios::scenario::Training,
    pub(crate) cycles: u32,
}

impl RateSchedule {
    pub(super) fn rate_ppb(&self, cycle: CycleId) -> u64 {
        self.training.rate_ppb(cycle.get(), self.cycles)
    }
}

/// What a connection has to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// There is a job: brief the worker, and measure the connection.
    Job(Brief, Arc<JobData>),
    /// Pass an order on.
    Say(Order),
    /// Train: the order. The parameters follow when it is the worker's turn.
    Train {
        order: TrainOrder,
        /// The model that it begins with. A connection alone does not keep it: once training goes on
        /// with another one, the result is of an earlier cycle.
        model: Weak<Vec<f32>>,
    },
    /// The parameters to train with.
    Parameters {
        session: SessionId,
        cycle: CycleId,
        wire: Bytes,
        /// How they go out. Alone, the answer is [`PeerEvent::Sent`].
        sending: Sending,
    },
    /// The result is not wanted any more.
    Abort { session: SessionId, cycle: CycleId },
    /// Have the worker keep some batches, and send these.
    Ship {
        session: SessionId,
        plan: u32,
        keep: u64,
        new: Vec<u64>,
    },
    /// Send the reason, and close.
    Close { reason: String },
}

/// What comes of a connection.
#[derive(Debug)]
pub(crate) enum PeerEvent {
    /// The first event.
    Hello(Box<Member>),
    /// The connection was measured, after [`Command::Job`].
    Measured(Link),
    /// A report.
    Report(Report),
    /// The parameters of a cycle have left for it, and the next ones may follow.
    Sent(SessionId, CycleId),
    /// What a cycle sends to it or back is under way, and it is there.
    Travels(SessionId, CycleId),
    /// A result: its parameters, checked, or why they do not count.
    Result(Trained, Result<Box<Update>, Unfit>),
    /// It is over, for this reason; the worker may have broken the rules.
    Gone { why: String, misbehaved: bool },
}

/// Why a result does not count.
#[derive(Debug)]
pub(crate) struct Unfit {
    pub(crate) why: String,
    /// It is not a number, which may be the fault of the model that it was made from.
    pub(crate) is_not_finite: bool,
    /// It could not be kept, which is the fault of this machine.
    pub(crate) is_not_kept: bool,
}

impl From<String> for Unfit {
    fn from(why: String) -> Self {
        Self {
            why,
            is_not_finite: false,
            is_not_kept: false,
        }
    }
}

impl From<Refusal> for Unfit {
    fn from(refusal: Refusal) -> Self {
        Self {
            why: refusal.to_string(),
            is_not_finite: matches!(refusal, Refusal::NotFinite { .. }),
            is_not_kept: matches!(refusal, Refusal::NotKept { .. }),
        }
    }
}

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Input {
    /// At a worker.
    Link(ConnectionId, PeerEvent),
    /// The allocator answers a question of a job.
    Solved {
        job: u32,
        plan: PlanId,
        response: Box<PlanResponse>,
    },
    /// A cycle's results are averaged.
    Merged {
        job: u32,
        cycle: CycleId,
        merged: Merged,
        /// The new model; none if nothing counted, and the old one stays.
        next: Option<ModelState>,
    },
    /// A cycle's model is judged.
    Evaluated {
        job: u32,
        cycle: u32,
        judged: Result<Evaluation, String>,
    },
    /// The user wants to stop.
    Interrupted,
}
