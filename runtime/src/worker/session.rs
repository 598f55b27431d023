//! One connection to an orchestrator, from the hello to its end.
//!
//! Orders and transfers come in and go to the trainer; its reports and results go out. The two halves
//! of an order to train, the order itself and the parameters, come on two streams, in either order.
//!
//! **What it does not know:** how the connection came about, and what becomes of it afterwards.

use std::time::{Duration, Instant};

use bytes::Bytes;
use scheduler::Fee;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::beats::{self, Beats};
use super::compute::{Compute, Job, TrainSettings};
use super::program::{self, HeldData};
use super::sent::Sent;
use crate::data::Batch;
use crate::model::{ModelKind, Wire, pack_result, to_wire, unpack};
use crate::net::{BlobReader, CloseReason, ControlSender, NetError, Peer};
use crate::protocol::{
    BATCHES_PER_STREAM, Brief, Down, Hello, Holds, Order, PLACE_BYTES, Report, Up, VERSION,
};
use crate::trainer::{Moment, Reply, Request, Task, TrainerEvent, pace};
use crate::wire::{Fault, fault};

/// How a worker introduces itself, and how it works.
#[derive(Clone, Debug)]
pub(crate) struct WorkerOptions {
    pub(crate) name: String,
    pub(crate) least_fee: Fee,
    pub(crate) memory: Option<u64>,
    pub(crate) cpu: String,
    /// The data that lies here.
    pub(crate) data: Option<HeldData>,
    pub(crate) settings: TrainSettings,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It broke, or the orchestrator has nothing more to do.
    Over(String),
    /// The same before it was admitted to a job: coming back at once would most likely be in vain.
    NotAdmitted(String),
    /// This worker cannot serve this orchestrator: coming back would change nothing.
    Useless(String),
    /// What trains died: another one may do better.
    Died(String),
}

/// After an exclusion the worker asks again after this, and each time twice as long.
const RETURN_AFTER: Duration = Duration::from_millis(200);
const RETURN_AFTER_MOST: Duration = Duration::from_secs(10);
/// A transfer may overtake the order that announces it by this time.
const ANNOUNCED_WITHIN: Duration = Duration::from_secs(5);
/// For a whole transfer; after this the connection is of no use.
const TRANSFER_WITHIN: Duration = Duration::from_secs(600);
/// Streams of batches that may have overtaken their order.
const EARLY: usize = 64;

/// What trains, and what it says.
pub(crate) type Training = (Compute, mpsc::UnboundedReceiver<TrainerEvent>);

/// Serves an orchestrator until the connection ends.
///
/// The trainer outlives it, with what it holds: a worker that comes back at once is not sent its data again.
pub(crate) async fn serve(peer: &Peer, options: &WorkerOptions, training: &mut Training) -> End {
    training.0.connected(&mut training.1);
    match Session::start(peer, options, training).await {
        Ok(session) => session.run().await,
        Err(error) => End::NotAdmitted(error.to_string()),
    }
}

struct Session<'a> {
    peer: &'a Peer,
    options: &'a WorkerOptions,
    control: ControlSender,
    orders: mpsc::Receiver<Incoming>,
    readers: [JoinHandle<()>; 2],
    /// The plan whose batches are taken in.
    shipping: Option<(u32, u32)>,
    /// Batches that came before the order of their plan.
    early: Vec<Shipment>,
    compute: &'a mut Compute,
    /// Parameters of the job's model, and how they are sent.
    parameters: u64,
    wire: Wire,
    /// What the share under way began with, if its result is sent as a difference to that.
    begun: Bytes,
    done: &'a mut mpsc::UnboundedReceiver<TrainerEvent>,
    /// An order to train whose parameters are not here, or the parameters without an order.
    pending: PendingTask,
    /// Of the share that the trainer has.
    beats: Option<Beats>,
    sending: Option<Sending>,
    /// How long results took to be sent of late.
    sent: Sent,
    /// A benchmark is under way.
    measures: bool,
    exclusions: u32,
    /// It was a member of some job.
    admitted: bool,
    return_at: Option<tokio::time::Instant>,
}

/// What arrived from the orchestrator.
enum Incoming {
    Order(Order),
    Probe {
        number: u32,
        bytes: Bytes,
    },
    Batches(Shipment),
    Parameters {
        session: u32,
        cycle: u32,
        parameters: Bytes,
    },
    Broken(String),
}

/// Some batches of a share.
struct Shipment {
    session: u32,
    plan: u32,
    first: u64,
    batches: Vec<Batch>,
}

#[derive(Default)]
struct PendingTask {
    task: Option<Task>,
    parameters: Option<(u32, u32, Bytes)>,
}

/// A transfer on its way; dropping it gives it up.
struct Sending {
    session: u32,
    cycle: u32,
    task: JoinHandle<()>,
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.readers.iter().for_each(JoinHandle::abort);
    }
}

impl<'a> Session<'a> {
    async fn start(
        peer: &'a Peer,
        options: &'a WorkerOptions,
        (compute, done): &'a mut Training,
    ) -> Result<Self, NetError> {
        let (mut control, mut receiver) = peer.open_control().await?;
        let holds = compute.holds();
        control.send(&Report::Hello(hello(options, holds))).await?;
        let (heard, orders) = mpsc::channel(64);
        let (briefs, brief) = watch::channel(None);
        let listener = heard.clone();
        let listen = async move {
            loop {
                let heard = match receiver.recv::<Order>().await {
                    Ok(Some(order)) => match order.check() {
                        Ok(()) => {
                            if let Order::Job(brief) = &order {
                                briefs.send_replace(Some(brief.clone()));
                            }
                            Incoming::Order(order)
                        }
                        Err(error) => Incoming::Broken(error.to_string()),
                    },
                    Ok(None) => {
                        Incoming::Broken("the orchestrator has nothing more to say".to_owned())
                    }
                    Err(error) => Incoming::Broken(error.to_string()),
                };
                let is_over = matches!(heard, Incoming::Broken(_));
                if listener.send(heard).await.is_err() || is_over {
                    return;
                }
            }
        };
        let taker = peer.clone();
        let (mut brief, data) = (brief, options.data.clone());
        let take = async move {
            loop {
                let read = match taker.accept_blob().await {
                    Ok(blob) => read_blob(blob, &mut brief, data.as_ref()).await,
                    Err(error) => Err(error.to_string()),
                };
                let (message, is_over) = match read {
                    Ok(Some(message)) => (message, false),
                    Ok(None) => continue,
                    Err(why) => (Incoming::Broken(why), true),
                };
                if heard.send(message).await.is_err() || is_over {
                    return;
                }
            }
        };
        Ok(Self {
            peer,
            options,
            control,
            orders,
            readers: [tokio::spawn(listen), tokio::spawn(take)],
            shipping: None,
            early: Vec::new(),
            compute,
            parameters: 0,
            wire: Wire::F32,
            begun: Bytes::new(),
            done,
            pending: PendingTask::default(),
            beats: None,
            sending: None,
            sent: Sent::default(),
            measures: false,
            exclusions: 0,
            admitted: false,
            return_at: None,
        })
    }

    async fn run(mut self) -> End {
        loop {
            let returns = at(self.return_at);
            let beats = at(self.beats.as_ref().map(|beats| beats.due().into()));
            let step = tokio::select! {
                Some(heard) = self.orders.recv() => self.hear(heard).await,
                Some(done) = self.done.recv() => self.report(done).await,
                () = beats => self.beat().await,
                () = returns => {
                    self.return_at = None;
                    let holds = self.compute.holds();
                    self.say(&Report::Return { holds }).await
                }
            };
            match step {
                Ok(()) => {}
                Err(End::Over(why)) if !self.admitted => return End::NotAdmitted(why),
                Err(end) => return end,
            }
        }
    }

    async fn hear(&mut self, heard: Incoming) -> Result<(), End> {
        match heard {
            Incoming::Order(order) => self.obey(order).await,
            Incoming::Probe { number, bytes } => {
                let peer = self.peer.clone();
                tokio::spawn(async move {
                    let _ = peer.send_blob(&Up::Probe { number }, vec![bytes]).await;
                });
                Ok(())
            }
            Incoming::Batches(shipment) => {
                if self.shipping == Some((shipment.session, shipment.plan)) {
                    self.hold(shipment);
                } else if self.early.len() < EARLY {
                    self.early.push(shipment);
                }
                Ok(())
            }
            Incoming::Parameters {
                session,
                cycle,
                parameters,
            } => {
                self.pending.parameters = Some((session, cycle, parameters));
                self.begin();
                Ok(())
            }
            Incoming::Broken(why) => {
                // The reason that the orchestrator gave on closing says more than this error.
                let closed = tokio::time::timeout(Duration::from_millis(200), self.peer.closed());
                Err(match closed.await {
                    // Each of two would replace the other for ever.
                    Ok(reason @ CloseReason::Replaced) => End::Useless(reason.to_string()),
                    Ok(reason) => End::Over(reason.to_string()),
                    Err(_) => End::Over(why),
                })
            }
        }
    }

    async fn obey(&mut self, order: Order) -> Result<(), End> {
        let received = Instant::now();
        match order {
            Order::Job(brief) => {
                if brief.fee_micro < self.options.least_fee.micros() {
                    let paid = Fee::from_micros(brief.fee_micro).unwrap_or(Fee::MAX);
                    let reason = format!(
                        "it is paid {paid} per batch here, and works for {} or more",
                        self.options.least_fee
                    );
                    return Err(self.leave(reason, End::Useless).await);
                }
                let own = self.options.settings.trainer.as_ref();
                let has_data = || program::has_data(self.options.data.as_ref(), &brief);
                if let Err(reason) = program::fits(own, &brief).and_then(|()| has_data()) {
                    return Err(self.leave(reason, End::Useless).await);
                }
                (self.parameters, self.wire) = (brief.parameters, brief.wire);
                self.begun = Bytes::new();
                self.cancel();
                (self.pending, self.sending) = (PendingTask::default(), None);
                (self.exclusions, self.return_at) = (0, None);
                (self.shipping, self.early) = (None, Vec::new());
                let goes_on = self.compute.begin(Job {
                    run: brief.run,
                    number: brief.job,
                    model: brief.model,
                    seed: brief.seed,
                    allow_gpu: brief.allow_gpu,
                    digest: brief.program.as_ref().map(|program| program.digest),
                });
                tracing::info!(model = %brief.model.kind, "a job");
                if let Some(device) = goes_on {
                    let device = device.to_string();
                    self.say(&Report::Ready { device }).await?;
                }
            }
            Order::Admit { session } => {
                self.admitted = true;
                tracing::info!(session, "admitted");
            }
            Order::Benchmark { session, batches } => {
                let benchmark = Request::Benchmark {
                    ticket: self.compute.ticket(),
                    session,
                    batches,
                };
                self.measures = true;
                self.compute.request(benchmark, Vec::new());
            }
            Order::Ship {
                session,
                plan,
                keep,
                new: _,
            } => {
                let keep = Request::Keep {
                    session,
                    plan,
                    keep,
                };
                self.compute.request(keep, Vec::new());
                self.shipping = Some((session, plan));
                // What is of an earlier plan is of no use any more.
                let early = std::mem::take(&mut self.early).into_iter();
                early
                    .filter(|shipment| (shipment.session, shipment.plan) == (session, plan))
                    .for_each(|shipment| self.hold(shipment));
            }
            Order::Train(training) => {
                // It goes before a benchmark that is under way.
                self.cancel();
                self.measures = false;
                // The order was half a round trip on its way, which is gone from its time.
                let [stop_in, results_in] = [training.stop_in_ns, training.results_in_ns]
                    .map(|nanos| Duration::from_nanos(nanos).saturating_sub(self.peer.rtt() / 2));
                let stop_in = pace::stop_in(stop_in, results_in, self.sent.longest());
                // More than a year is as good as for ever, and does not overflow a clock.
                let stop_in = stop_in.min(Duration::from_secs(1 << 25));
                let stop_at = Moment::of(received + stop_in);
                self.pending.task = Some(Task::new(self.compute.ticket(), &training, stop_at));
                self.begin();
            }
            Order::Abort { session, cycle } => {
                self.cancel();
                let is_it =
                    |sending: &mut Sending| (sending.session, sending.cycle) == (session, cycle);
                drop(self.sending.take_if(is_it));
                self.pending = PendingTask::default();
            }
            Order::Excluded { reason, may_return } => {
                tracing::warn!(reason, "excluded");
                if std::mem::take(&mut self.measures) {
                    self.compute.forget(); // it was too slow, or does not answer at all
                }
                self.beats = None;
                self.compute.excluded();
                if may_return {
                    let wait = RETURN_AFTER * 2_u32.saturating_pow(self.exclusions.min(10));
                    let wait = wait.min(RETURN_AFTER_MOST);
                    self.exclusions += 1;
                    self.return_at = Some(tokio::time::Instant::now() + wait);
                }
            }
            Order::Over { reason } => {
                tracing::info!(reason, "the job is over");
                self.cancel();
                self.compute.over();
                (self.pending, self.sending) = (PendingTask::default(), None);
                self.return_at = None;
            }
        }
        Ok(())
    }

    fn hold(&mut self, shipment: Shipment) {
        let Shipment {
            session,
            plan,
            first,
            batches,
        } = shipment;
        let hold = Request::Hold {
            session,
            plan,
            first,
        };
        let batches = batches.into_iter().map(|batch| batch.into_wire().into());
        self.compute.request(hold, batches.collect());
    }

    /// Hands an order to train over once both halves are here.
    fn begin(&mut self) {
        let PendingTask { task, parameters } = &mut self.pending;
        let (Some(waiting), Some((session, cycle, _))) = (&*task, &*parameters) else {
            return;
        };
        if (waiting.session, waiting.cycle) != (*session, *cycle) {
            return; // the other half of the newer one is still on its way
        }
        if let (Some(task), Some((_, _, parameters))) = (task.take(), parameters.take()) {
            if self.wire != Wire::F32 {
                self.begun = parameters.clone();
            }
            let waited = self.compute.process().and_then(beats::waited);
            self.beats = Some(Beats::new(&task, Instant::now(), waited));
            self.compute.request(Request::Train(task), vec![parameters]);
        }
    }

    /// Nothing that the trainer was asked for is wanted any more.
    fn cancel(&mut self) {
        self.compute.cancel_all();
        self.beats = None;
    }

    /// A beat is missing.
    async fn beat(&mut self) -> Result<(), End> {
        let waited = self.compute.process().and_then(beats::waited);
        let Some(beats) = &mut self.beats else {
            return Ok(());
        };
        match beats.missing(Instant::now(), waited) {
            Some(report) => self.say(&report).await,
            None => Ok(()),
        }
    }

    /// Passes on what the trainer reports.
    async fn report(&mut self, event: TrainerEvent) -> Result<(), End> {
        let (reply, parameters) = match event {
            TrainerEvent::Reply(reply, body) => (reply, body),
            TrainerEvent::Died(reason) => return Err(self.leave(reason, End::Died).await),
            TrainerEvent::Unfit(reason) => return Err(self.leave(reason, End::Useless).await),
        };
        match reply {
            Reply::Ready {
                device, tensors, ..
            } => {
                if let Err(reason) = program::is_ready(&device, tensors, self.parameters) {
                    return Err(self.leave(reason, End::Useless).await);
                }
                self.say(&Report::Ready { device }).await
            }
            Reply::Benchmarked {
                session,
                batches,
                took_ns,
            } => {
                self.measures = false;
                self.say(&Report::Benchmarked {
                    session,
                    batches,
                    took_ns,
                })
                .await
            }
            Reply::Held {
                session,
                plan,
                held,
            } => {
                self.compute.held(session, plan, held);
                self.say(&Report::Shipped {
                    session,
                    plan,
                    held,
                })
                .await
            }
            Reply::Beat {
                session,
                cycle,
                done,
            } => {
                if let Some(beats) = &mut self.beats {
                    beats.heard(session, cycle, done, Instant::now());
                }
                self.say(&Report::Beat {
                    session,
                    cycle,
                    done,
                })
                .await
            }
            Reply::Trained(trained) => {
                let is_it = |beats: &mut Beats| beats.is_of(trained.session, trained.cycle);
                let _ = self.beats.take_if(is_it);
                if let Err(reason) = program::gave(&parameters, self.parameters) {
                    return Err(self.leave(reason, End::Useless).await);
                }
                let (peer, sent) = (self.peer.clone(), self.sent.clone());
                let (begun, wire) = (self.begun.clone(), self.wire);
                let since = Instant::now();
                let task = tokio::spawn(async move {
                    // If it fails, the connection is over or the result not wanted any more.
                    let header = Up::Trained(trained);
                    let parameters = vec![pack_result(parameters, &begun, wire).into()];
                    if peer.send_blob(&header, parameters).await.is_ok() {
                        sent.took(since.elapsed());
                    }
                });
                self.sending = Some(Sending {
                    session: trained.session,
                    cycle: trained.cycle,
                    task,
                });
                Ok(())
            }
            Reply::Failed { reason } => Err(self.leave(reason, End::Useless).await),
            // Of no interest here.
            Reply::Begun { .. } | Reply::Initial | Reply::Judged { .. } => Ok(()),
        }
    }

    /// Leaves of its own accord, and says why.
    async fn leave(&mut self, reason: String, end: fn(String) -> End) -> End {
        let said = Report::Leave {
            reason: reason.clone(),
        };
        if let Err(over) = self.say(&said).await {
            return over;
        }
        self.control.finish();
        let _ = tokio::time::timeout(Duration::from_secs(1), self.peer.closed()).await;
        end(reason)
    }

    async fn say(&mut self, report: &Report) -> Result<(), End> {
        let said = self.control.send(report).await;
        said.map_err(|error| End::Over(error.to_string()))
    }
}

fn hello(options: &WorkerOptions, holds: Option<Holds>) -> Hello {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut models = vec![ModelKind::Linear, ModelKind::Program];
    if cfg!(feature = "torch") {
        models.push(ModelKind::Mlp);
    }
    Hello {
        version: VERSION,
        name: options.name.clone(),
        least_fee_micro: options.least_fee.micros(),
        cores: u32::try_from(cores).unwrap_or(u32::MAX),
        cpu: options.cpu.clone(),
        device: options.settings.device.to_string(),
        threads: u32::try_from(options.settings.threads).unwrap_or(u32::MAX),
        models,
        memory: options.memory,
        holds,
    }
}

/// Waits for a moment, for ever if there is none.
async fn at(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Reads a transfer; nothing if it was given up.
async fn read_blob(
    mut blob: BlobReader,
    briefs: &mut watch::Receiver<Option<Brief>>,
    data: Option<&HeldData>,
) -> Result<Option<Incoming>, String> {
    let header = match blob.header::<Down>().await {
        Ok(header) => header,
        Err(error) if fault(&error) == Fault::GivenUp => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let announced = |brief: &Option<Brief>| match (header, brief) {
        (Down::Probe { job, .. }, Some(brief)) => brief.job == job,
        (Down::Data { .. } | Down::Places { .. } | Down::Parameters { .. }, Some(_)) => true,
        (_, None) => false,
    };
    let waited = async {
        let brief = briefs.wait_for(announced).await;
        let told = |brief: &Brief| (brief.model, brief.wire, brief.parameters as usize);
        brief.ok().and_then(|brief| brief.as_ref().map(told))
    };
    let model = tokio::time::timeout(ANNOUNCED_WITHIN, waited).await;
    let model = model.ok().flatten();
    let Some((model, wire, parameters)) = model else {
        return Err("something was sent for a job that does not exist".to_owned());
    };
    let mut bytes = Vec::new();
    let expected = match header {
        Down::Data { count, .. } if count as usize <= BATCHES_PER_STREAM => {
            count as usize * model.shape.wire_len()
        }
        Down::Places { count, .. } if count as usize <= BATCHES_PER_STREAM => {
            count as usize * PLACE_BYTES
        }
        Down::Data { .. } | Down::Places { .. } => {
            return Err("too many batches in one stream".to_owned());
        }
        Down::Probe { empty: true, .. } => 0,
        // Bounded with the brief.
        Down::Probe { .. } | Down::Parameters { .. } => parameters * wire.size(),
    };
    match blob
        .read_exact_into(&mut bytes, expected, TRANSFER_WITHIN)
        .await
    {
        Ok(()) => {}
        Err(error) if fault(&error) == Fault::GivenUp => return Ok(None),
        Err(error) => return Err(error.to_string()),
    }
    Ok(Some(match header {
        Down::Probe { number, .. } => Incoming::Probe {
            number,
            bytes: bytes.into(),
        },
        Down::Data {
            session,
            plan,
            first,
            ..
        } => {
            let parts = bytes.chunks_exact(model.shape.wire_len());
            let batches: Result<Vec<Batch>, _> = parts
                .map(|part| Batch::from_wire(&model.shape, part.to_vec()))
                .collect();
            Incoming::Batches(Shipment {
                session,
                plan,
                first,
                batches: batches.map_err(|error| error.to_string())?,
            })
        }
        Down::Places {
            session,
            plan,
            first,
            ..
        } => Incoming::Batches(Shipment {
            session,
            plan,
            first,
            batches: {
                let held = data.ok_or("it is to use data that it does not have")?;
                held.look_up(&bytes, model.shape.batch_size).await?
            },
        }),
        Down::Parameters { session, cycle } => Incoming::Parameters {
            session,
            cycle,
            parameters: match wire {
                Wire::F32 => bytes.into(),
                Wire::Bf16 | Wire::F16 => to_wire(&unpack(&bytes, wire).unwrap_or_default()).into(),
            },
        },
    }))
}
