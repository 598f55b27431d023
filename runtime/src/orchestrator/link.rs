//! One worker's connection, as the orchestrator sees it: commands go out, events come in.
//!
//! Three tasks serve a connection: one writes, in the order of the commands; one reads reports;
//! one takes in results, each checked as soon as it is whole. Transfers run beside the writer, so
//! that an order never waits behind a transfer, and are dropped, which resets their streams, when
//! something newer makes them useless. The orchestrator never waits for a worker: a command is handed
//! over, or the worker counts as gone.
//!
//! **What it does not know:** membership, plans and deadlines. Of what it passes on it checks
//! lengths and numbers, and trusts nothing.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant as Moment};

use bytes::Bytes;
use scheduler::machine::{CycleId, SessionId};
use scheduler::{Link, Span};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::budget::Budget;
use super::messages::{Command, ConnectionId, Input, JobData, Member, PeerEvent, Unfit};
use super::turns::Sending;
use crate::average::{Intake, PIECE, Update};
use crate::clock;
use crate::net::{BlobReader, ControlReceiver, ControlSender, NetError, Peer};
use crate::protocol::{BATCHES_PER_STREAM, Down, Order, Report, Training, Up};
use crate::wire::{Fault, fault};

/// Commands that may wait for a worker.
const COMMANDS: usize = 256;
/// From the admission by key to the hello.
const HELLO_WITHIN: Duration = Duration::from_secs(5);
/// For one probe of the connection there and back.
const PROBE_WITHIN: Duration = Duration::from_secs(20);
/// Probes of a kind; the median counts. The first with bytes opens the congestion window.
const PROBES: u32 = 3;
/// For a whole result, whatever the scheduler thinks: without a limit its stream would leak.
const RESULT_WITHIN: Duration = Duration::from_secs(600);

/// Pieces of a result that may wait to be checked and kept.
const PIECES_WAITING: usize = 4;

/// Held by the connection that is being measured.
pub(crate) type Measuring = Arc<Mutex<()>>;

/// Serves a connection to its end.
pub(crate) async fn serve(
    id: ConnectionId,
    peer: Peer,
    inputs: mpsc::Sender<Input>,
    measuring: Measuring,
) {
    let (why, misbehaved) = match talk(id, &peer, &inputs, measuring).await {
        Ok(()) => (peer.closed().await.to_string(), false),
        Err(Broken::Connection(why)) => (why, false),
        Err(Broken::Rules(why)) => (why, true),
    };
    peer.close(&why);
    let gone = PeerEvent::Gone { why, misbehaved };
    let _ = inputs.send(Input::Link(id, gone)).await; // the job may have ended
}

/// Why a connection cannot go on.
enum Broken {
    /// It ended.
    Connection(String),
    /// The worker broke a rule.
    Rules(String),
}

fn broken(error: &NetError) -> Broken {
    match fault(error) {
        Fault::Rules => Broken::Rules(error.to_string()),
        Fault::Connection | Fault::GivenUp => Broken::Connection(error.to_string()),
    }
}

/// A result that is expected: who checks it, against which model.
#[derive(Clone)]
struct Expected {
    session: SessionId,
    cycle: CycleId,
    /// None is left once training goes on with another one.
    model: Weak<Vec<f32>>,
    job: Arc<JobData>,
}

async fn talk(
    id: ConnectionId,
    peer: &Peer,
    inputs: &mpsc::Sender<Input>,
    measuring: Measuring,
) -> Result<(), Broken> {
    let lost = |error: NetError| broken(&error);
    let (sender, mut receiver) = peer.accept_control().await.map_err(lost)?;
    let hello = match timeout(HELLO_WITHIN, receiver.recv::<Report>()).await {
        Ok(Ok(Some(Report::Hello(hello)))) => hello,
        Ok(Ok(Some(_))) => return Err(Broken::Rules("it did not say hello first".to_owned())),
        Ok(Ok(None)) => return Err(Broken::Connection("it said nothing".to_owned())),
        Ok(Err(error)) => return Err(lost(error)),
        Err(_) => return Err(Broken::Rules("it did not say hello in time".to_owned())),
    };
    let (commands, orders) = mpsc::channel(COMMANDS);
    let member = Member {
        hello,
        peer: peer.clone(),
        commands,
    };
    let hello = PeerEvent::Hello(Box::new(member));
    if inputs.send(Input::Link(id, hello)).await.is_err() {
        return Ok(());
    }
    let budget = Budget::new(Moment::now());
    let (probes_in, probes) = mpsc::channel(1);
    let (expected_in, expected) = watch::channel(None);
    let writer = Writer {
        id,
        peer: peer.clone(),
        control: sender,
        inputs: inputs.clone(),
        measuring,
        probes,
        expected: expected_in,
        budget: budget.clone(),
        shipping: None,
        parameters: None,
    };
    let result = tokio::select! {
        result = writer.run(orders) => result,
        result = read_reports(id, &mut receiver, inputs, &budget) => result,
        result = take_blobs(id, peer, inputs, (probes_in, expected), &budget) => result,
    };
    result
}

async fn read_reports(
    id: ConnectionId,
    receiver: &mut ControlReceiver,
    inputs: &mpsc::Sender<Input>,
    budget: &Budget,
) -> Result<(), Broken> {
    loop {
        match receiver.recv::<Report>().await {
            Ok(Some(Report::Hello(_))) => {
                return Err(Broken::Rules("it said hello twice".to_owned()));
            }
            Ok(Some(report)) => {
                within(budget)?;
                let said = Input::Link(id, PeerEvent::Report(report));
                if inputs.send(said).await.is_err() {
                    return Ok(());
                }
            }
            Ok(None) => return Err(Broken::Connection("it ended the conversation".to_owned())),
            Err(error) => return Err(broken(&error)),
        }
    }
}

/// One more report or transfer of the worker.
fn within(budget: &Budget) -> Result<(), Broken> {
    if budget.spend(Moment::now()) {
        return Ok(());
    }
    Err(Broken::Rules(
        "it reports far more than its orders call for".to_owned(),
    ))
}

/// Takes in transfers, each in a task of its own so that a slow one holds up no other; QUIC's
/// limit on open streams bounds them.
async fn take_blobs(
    id: ConnectionId,
    peer: &Peer,
    inputs: &mpsc::Sender<Input>,
    (probes, expected): (mpsc::Sender<u32>, watch::Receiver<Option<Expectation>>),
    budget: &Budget,
) -> Result<(), Broken> {
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            blob = peer.accept_blob() => {
                let blob = blob.map_err(|error| Broken::Connection(error.to_string()))?;
                within(budget)?;
                let (inputs, probes) = (inputs.clone(), probes.clone());
                let (expected, peer) = (expected.borrow().clone(), peer.clone());
                tasks.spawn(async move {
                    let of = match &expected {
                        Some(Expectation::Result(of)) => Some((of.session, of.cycle)),
                        Some(Expectation::Probe(_)) | None => None,
                    };
                    let taken = take_blob(blob, probes, expected);
                    let taken = match of {
                        Some(of) => while_travelling(taken, id, &peer, &inputs, of).await,
                        None => taken.await,
                    };
                    if let Some(said) = taken? {
                        let _ = inputs.send(Input::Link(id, said)).await;
                    }
                    Ok(())
                });
            }
            Some(done) = tasks.join_next() => {
                if let Ok(Err(broken)) = done {
                    return Err(broken);
                }
            }
        }
    }
}

/// Between two looks whether a worker whose transfer is under way is there.
const LOOK_FOR_LIFE: Duration = Duration::from_millis(500);

/// Waits for a transfer. There are no beats meanwhile, and where much is lost it takes several times what
/// was measured: as long as packets arrive from the worker, it is not silent.
async fn while_travelling<T>(
    transfer: impl Future<Output = T>,
    id: ConnectionId,
    peer: &Peer,
    inputs: &mpsc::Sender<Input>,
    (session, cycle): (SessionId, CycleId),
) -> T {
    tokio::pin!(transfer);
    let mut heard = peer.received_packets();
    loop {
        tokio::select! {
            done = &mut transfer => return done,
            () = tokio::time::sleep(LOOK_FOR_LIFE) => {}
        }
        let now = peer.received_packets();
        if now != heard {
            let sign = PeerEvent::Travels(session, cycle);
            let _ = inputs.send(Input::Link(id, sign)).await;
        }
        heard = now;
    }
}

/// What may come over a stream that the worker opens.
#[derive(Clone)]
enum Expectation {
    /// A probe of this length in bytes.
    Probe(usize),
    /// A result.
    Result(Expected),
}

async fn take_blob(
    mut blob: BlobReader,
    probes: mpsc::Sender<u32>,
    expected: Option<Expectation>,
) -> Result<Option<PeerEvent>, Broken> {
    let header = match blob.header::<Up>().await {
        Ok(header) => header,
        Err(error) if fault(&error) == Fault::GivenUp => return Ok(None), // given up, which is allowed
        Err(error) => return Err(broken(&error)),
    };
    match (header, expected) {
        (Up::Probe { number }, Some(Expectation::Probe(length))) => {
            let (pieces, nobody) = mpsc::channel(1);
            drop(nobody);
            let read = blob.read_exact_in_pieces(&pieces, PIECE, length, PROBE_WITHIN);
            read.await.map_err(|error| broken(&error))?;
            let _ = probes.send(number).await;
            Ok(None)
        }
        (Up::Trained(trained), Some(Expectation::Result(expected))) => {
            let result = |update| PeerEvent::Result(trained, update);
            let current = (SessionId::new(trained.session), CycleId::new(trained.cycle));
            let model = expected.model.upgrade();
            let model = model.filter(|_| current == (expected.session, expected.cycle));
            let (pieces, arrived) = mpsc::channel(PIECES_WAITING);
            let job = expected.job;
            let wire_len = job.wire_len;
            let read = async move {
                let read = blob.read_exact_in_pieces(&pieces, PIECE, wire_len, RESULT_WITHIN);
                let read = read.await;
                drop(pieces); // there are no more
                read
            };
            let checked = async move {
                match model {
                    Some(model) => check(&job, &model, trained.done, arrived).await,
                    // The scheduler decides what that is worth.
                    None => Err("its result is of another cycle".to_owned().into()),
                }
            };
            let (read, checked) = tokio::join!(read, checked);
            match read {
                Ok(()) => Ok(Some(result(checked.map(Box::new)))),
                Err(error) => match fault(&error) {
                    Fault::GivenUp => Ok(None),
                    Fault::Rules => Ok(Some(result(Err(error.to_string().into())))),
                    Fault::Connection => Err(broken(&error)),
                },
            }
        }
        // Of a job before this one, most likely: dropping it stops its stream.
        (Up::Probe { .. } | Up::Trained(_), _) => Ok(None),
    }
}

/// Checks a result piece by piece while it arrives, on threads that may wait for the disk. None of them is
/// held while nothing arrives.
async fn check(
    job: &Arc<JobData>,
    model: &Arc<Vec<f32>>,
    done: u64,
    mut arrived: mpsc::Receiver<Vec<u8>>,
) -> Result<Update, Unfit> {
    // One more may have been under way when it stopped.
    let steps = done.saturating_add(1).saturating_mul(job.passes.into());
    let mut intake: Option<Intake> = None;
    while let Some(piece) = arrived.recv().await {
        let (job, model) = (Arc::clone(job), Arc::clone(model));
        let taken = tokio::task::spawn_blocking(move || {
            let mut intake = intake.unwrap_or_else(|| job.average.intake(steps));
            intake.take(&piece, &model);
            intake
        });
        intake = Some(taken.await.map_err(|error| error.to_string())?);
    }
    let intake = intake.unwrap_or_else(|| job.average.intake(steps));
    intake.finish().map_err(Unfit::from)
}

struct Writer {
    id: ConnectionId,
    peer: Peer,
    control: ControlSender,
    inputs: mpsc::Sender<Input>,
    measuring: Measuring,
    probes: mpsc::Receiver<u32>,
    expected: watch::Sender<Option<Expectation>>,
    budget: Budget,
    shipping: Option<Transfer>,
    parameters: Option<Transfer>,
}

/// A transfer beside the writer; dropping it gives it up.
struct Transfer(JoinHandle<()>);

impl Drop for Transfer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Writer {
    async fn run(mut self, mut orders: mpsc::Receiver<Command>) -> Result<(), Broken> {
        let mut job: Option<Arc<JobData>> = None;
        while let Some(command) = orders.recv().await {
            match command {
                Command::Job(brief, data) => {
                    (self.shipping, self.parameters) = (None, None);
                    let number = brief.job;
                    self.say(&Order::Job(brief)).await?;
                    let link = self.measure(number, data.wire_len).await?;
                    job = Some(data);
                    let said = Input::Link(self.id, PeerEvent::Measured(link));
                    if self.inputs.send(said).await.is_err() {
                        return Ok(());
                    }
                }
                Command::Say(order) => self.say(&order).await?,
                Command::Train { order, model } => {
                    self.parameters = None;
                    let Some(job) = &job else { continue };
                    let expected = Expected {
                        session: order.session,
                        cycle: order.cycle,
                        model,
                        job: Arc::clone(job),
                    };
                    self.expected
                        .send_replace(Some(Expectation::Result(expected)));
                    let rate_ppb = job.schedule.rate_ppb(order.cycle);
                    let training = Training::new(&order, job.passes, rate_ppb, job.clock.now());
                    self.budget.trains(&training);
                    self.say(&Order::Train(training)).await?;
                }
                Command::Parameters {
                    session,
                    cycle,
                    wire,
                    sending,
                } => {
                    let (id, peer, inputs) = (self.id, self.peer.clone(), self.inputs.clone());
                    let header = Down::Parameters {
                        session: session.get(),
                        cycle: cycle.get(),
                    };
                    let limited = match sending {
                        Sending::Together(bytes) => Some(peer.limit_under_way(bytes)),
                        Sending::Alone(_) => None,
                    };
                    self.parameters = Some(Transfer(tokio::spawn(async move {
                        let before = peer.sent_bytes();
                        let bytes = wire.len() as u64;
                        // A failure shows as the end of the connection, or as silence.
                        let sent = peer.send_blob(&header, vec![wire]);
                        tokio::pin!(sent);
                        if let Sending::Alone(occupied) = sending {
                            let is_over = tokio::select! {
                                _ = &mut sent => true,
                                () = left(&peer, before + bytes, occupied) => false,
                            };
                            let next = Input::Link(id, PeerEvent::Sent(session, cycle));
                            let _ = inputs.send(next).await;
                            if is_over {
                                return;
                            }
                        }
                        let of = (session, cycle);
                        let _ = while_travelling(sent, id, &peer, &inputs, of).await;
                        drop(limited);
                    })));
                }
                Command::Abort { session, cycle } => {
                    self.parameters = None;
                    let (session, cycle) = (session.get(), cycle.get());
                    self.say(&Order::Abort { session, cycle }).await?;
                }
                Command::Ship {
                    session,
                    plan,
                    keep,
                    new,
                } => {
                    self.shipping = None;
                    let Some(job) = &job else { continue };
                    let session = session.get();
                    self.budget.ships(new.len());
                    let order = Order::Ship {
                        session,
                        plan,
                        keep,
                        new: new.len() as u64,
                    };
                    let job = Arc::clone(job);
                    self.say(&order).await?;
                    let peer = self.peer.clone();
                    let ship = ship(peer, job, (session, plan), keep, new);
                    self.shipping = Some(Transfer(tokio::spawn(ship)));
                }
                Command::Close { reason } => {
                    self.say(&Order::Over {
                        reason: reason.clone(),
                    })
                    .await?;
                    // The reason has to arrive before the connection is gone.
                    self.control.finish();
                    let _ = timeout(Duration::from_millis(500), self.peer.closed()).await;
                    return Err(Broken::Connection(reason));
                }
            }
        }
        Ok(())
    }

    async fn say(&mut self, order: &Order) -> Result<(), Broken> {
        let said = self.control.send(order).await;
        said.map_err(|error| Broken::Connection(error.to_string()))
    }

    /// Measures the connection, one at a time: two that are measured at once share the link.
    async fn measure(&mut self, job: u32, bytes: usize) -> Result<Link, Broken> {
        let measuring = Arc::clone(&self.measuring);
        let _alone = timeout(PROBE_WITHIN, measuring.lock()).await;
        // Not what QUIC takes for the round trip: with its own bytes in the link's queue, that is longer.
        let latency = self.median(job, 0, 0).await?;
        let both = self.median(job, PROBES, bytes).await?;
        Ok(Link {
            transfer: clock::span(both.saturating_sub(latency)),
            latency: clock::span(latency),
            ship: Span::ZERO,
        })
    }

    /// How long probes of this number of bytes take there and back: the median of some, numbered from `first`.
    async fn median(&mut self, job: u32, first: u32, bytes: usize) -> Result<Duration, Broken> {
        self.expected.send_replace(Some(Expectation::Probe(bytes)));
        let payload = Bytes::from(vec![0_u8; bytes]);
        let empty = bytes == 0;
        let mut took = Vec::new();
        for number in first..first + PROBES {
            let since = Moment::now();
            let header = Down::Probe { job, number, empty };
            let there_and_back = async {
                let sent = self.peer.send_blob(&header, vec![payload.clone()]);
                let answered = async {
                    while let Some(answered) = self.probes.recv().await {
                        if answered == number {
                            break;
                        }
                    }
                };
                tokio::join!(sent, answered).0
            };
            match timeout(PROBE_WITHIN, there_and_back).await {
                Ok(Ok(())) => took.push(since.elapsed()),
                Ok(Err(error)) => return Err(Broken::Connection(error.to_string())),
                Err(_) => {
                    let why = "its connection could not be measured in time".to_owned();
                    return Err(Broken::Rules(why));
                }
            }
        }
        took.sort_unstable();
        Ok(took[took.len() / 2])
    }
}

/// How often it is looked whether bytes have left.
const LOOK: Duration = Duration::from_millis(1);

/// Returns when this number of bytes has left for a worker, and the link has had the time to carry them. To
/// wait for their acknowledgement would leave the link idle for a round trip.
async fn left(peer: &Peer, bytes: u64, occupied: Span) {
    tokio::time::sleep(Duration::from_nanos(occupied.nanos())).await;
    while peer.sent_bytes() < bytes {
        tokio::time::sleep(LOOK).await;
    }
}

/// Sends batches, a few per stream: little is held in memory, and the worker reports its progress.
async fn ship(
    peer: Peer,
    job: Arc<JobData>,
    (session, plan): (u32, u32),
    mut first: u64,
    new: Vec<u64>,
) {
    for some in new.chunks(BATCHES_PER_STREAM) {
        let count = some.len() as u32; // at most BATCHES_PER_STREAM
        if job.at_workers.is_some() {
            let places = some.iter().flat_map(|index| index.to_le_bytes());
            let header = Down::Places {
                session,
                plan,
                first,
                count,
            };
            let places = vec![Bytes::from_iter(places)];
            if peer.send_blob(&header, places).await.is_err() {
                return;
            }
            first += u64::from(count);
            continue;
        }
        let (of, wanted) = (Arc::clone(&job), some.to_vec());
        let read = tokio::task::spawn_blocking(move || {
            let batch = |index: u64| of.train.batch(index, of.batch_size);
            let batches = wanted.into_iter().map(batch);
            let bytes = batches.map(|batch| batch.map(|batch| Bytes::from(batch.into_wire())));
            bytes.collect::<Result<Vec<Bytes>, _>>()
        });
        let batches = match read.await {
            Ok(Ok(batches)) => batches,
            Ok(Err(error)) => {
                tracing::error!("{error}");
                return peer.close("the orchestrator cannot read its data");
            }
            Err(_) => return, // the program ends
        };
        let header = Down::Data {
            session,
            plan,
            first,
            count,
        };
        if peer.send_blob(&header, batches).await.is_err() {
            return; // the end of the connection tells the rest
        }
        first += u64::from(count);
    }
}
