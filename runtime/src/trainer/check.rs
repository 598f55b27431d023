//! `runtime trainer check`: holds a trainer against the protocol of `docs/trainers.md`, as a worker and
//! an orchestrator would use it, and says what was checked and what broke.
//!
//! **What it does not know:** what the trainer trains.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use console::{Exit, Stop, print};
use scenarios::scenario::Weights;

use super::command::TrainerCommand;
use super::describe::{layout_of, parameters};
use super::frame::{Moment, Reply, Request, Task};
use super::pace::Fraction;
use super::practice::practice;
use super::process::{Launch, Priority, Process, TrainerEvent};
use crate::data::{DataSource, Dataset};
use crate::model::{Layout, ModelKind, ModelSpec, TrainingOptions, to_wire};
use crate::protocol::{Program, Training};
use crate::train::DeviceChoice;

/// What a trainer is held against.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The data that it gets
    #[arg(
        long,
        default_value = "synthetic:train=320,test=100",
        value_name = "DATA"
    )]
    pub(crate) data: DataSource,
    /// Samples in a batch
    #[arg(long, default_value_t = 32, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub(crate) batch_size: u32,
    /// The model that one of Allot's own trainers is to train
    #[arg(long, value_enum)]
    pub(crate) model: Option<ModelKind>,
    /// Seconds that an answer may take
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) within: u64,
    /// The trainer and its arguments, such as -- python my_model.py
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// Batches that are handed out; beats come after each.
const BATCHES: u64 = 4;

/// Runs the checks.
pub(crate) fn run(args: CheckArgs) -> Result<Exit, Stop> {
    let command = TrainerCommand::of(args.command).map_err(Stop::usage)?;
    let splits = args.data.load().map_err(Stop::bad)?;
    if splits.train.batches(args.batch_size) < BATCHES {
        return Err(Stop::bad(format!(
            "{} has fewer than {BATCHES} batches of {}",
            args.data, args.batch_size
        )));
    }
    let program = command.read().map_err(Stop::bad)?;
    let spec = ModelSpec {
        kind: args.model.unwrap_or(ModelKind::Program),
        weights: Weights::Xavier,
        options: TrainingOptions::NONE,
        shape: splits.train.batch_shape(args.batch_size),
    };
    let within = Duration::from_secs(args.within);
    let batch = |index| splits.train.batch(index, args.batch_size);
    let batches = (0..BATCHES).map(|index| batch(index).map(|batch| batch.into_wire().into()));
    let batches = batches.collect::<Result<_, _>>().map_err(Stop::bad)?;
    let mut check = Check::start(&command, within, spec, batches)?;
    print(&format!(
        "'{command}', digest {}\n",
        Program::short(&program.digest)
    ))?;
    match check.all(&splits.test) {
        Ok(()) => print("it keeps to the protocol\n").map(|()| Exit::Done),
        Err(Broke::Output(stop)) => Err(stop),
        Err(Broke::Protocol(why)) => Err(Stop::new(
            Exit::CheckFailed,
            format!("{}: {why}", check.doing),
        )),
    }
}

/// Why the checks end early.
enum Broke {
    Protocol(String),
    Output(Stop),
}

impl From<String> for Broke {
    fn from(why: String) -> Self {
        Self::Protocol(why)
    }
}

struct Check {
    process: Process,
    heard: Receiver<TrainerEvent>,
    within: Duration,
    spec: ModelSpec,
    batches: Vec<Bytes>,
    /// What is being checked.
    doing: &'static str,
    ticket: u64,
}

impl Check {
    fn start(
        command: &TrainerCommand,
        within: Duration,
        spec: ModelSpec,
        batches: Vec<Bytes>,
    ) -> Result<Self, Stop> {
        let (tell, heard) = channel();
        let hear = move |event| {
            let _ = tell.send(event); // nobody listens once the checks are over
        };
        let launch = Launch::Given(command.clone());
        let process = Process::start(&launch, 1, Priority::Usual, hear).map_err(Stop::bad)?;
        Ok(Self {
            process,
            heard,
            within,
            spec,
            batches,
            doing: "",
            ticket: 0,
        })
    }

    fn all(&mut self, test: &Dataset) -> Result<(), Broke> {
        self.doing = "it begins with the greeting and its protocol";
        let Reply::Begun { trainer, .. } = self.reply()?.0 else {
            return Err(self.odd("begun").into());
        };
        self.ok(&format!("it is {trainer:?}"))?;
        let layout = self.job()?;
        let initial = self.initial(&layout)?;
        self.benchmark()?;
        self.hold()?;
        self.train(&layout, &initial)?;
        self.cancel(&layout, &initial)?;
        self.judge(&initial, test)?;
        self.send(Request::Over);
        let again = self.job()?;
        let same = to_wire(&self.initial(&again)?) == to_wire(&initial);
        self.doing = "another job begins with the same parameters, since its seed is the same";
        if again != layout || !same {
            return Err("they differ: draw all of them from the job's seed"
                .to_owned()
                .into());
        }
        self.ok("")
    }

    fn job(&mut self) -> Result<Layout, Broke> {
        self.doing = "a job begins, and it tells its device and its tensors";
        let device = DeviceChoice::Auto;
        self.send(Request::job(&self.spec, 7, device, 1, Fraction::WHOLE));
        let Reply::Ready {
            device, tensors, ..
        } = self.reply()?.0
        else {
            return Err(self.odd("ready").into());
        };
        if device.parse::<DeviceChoice>().is_err() {
            return Err(format!("its device is {device:?}, expected cpu or cuda:NUMBER").into());
        }
        let layout = layout_of(tensors)?;
        let (parts, count) = (layout.tensors().len(), layout.parameter_count());
        self.ok(&format!(
            "{count} parameters in {parts} tensors, on {device}"
        ))?;
        Ok(layout)
    }

    fn initial(&mut self, layout: &Layout) -> Result<Vec<f32>, Broke> {
        self.doing = "it gives its initial parameters";
        self.send(Request::Initial);
        let (Reply::Initial, body) = self.reply()? else {
            return Err(self.odd("initial").into());
        };
        let initial = parameters(layout, &body, "initial parameters")?;
        self.ok("")?;
        Ok(initial)
    }

    fn benchmark(&mut self) -> Result<(), Broke> {
        self.doing = "it measures itself on batches that are made up";
        let batches = practice(&self.spec.shape, 7).into_iter();
        let batches = batches.map(|batch| batch.into_wire().into()).collect();
        self.process.send(Request::Practice, batches);
        let ticket = self.ticket();
        self.send(Request::Benchmark {
            ticket,
            session: 3,
            batches: 20,
        });
        match self.reply()?.0 {
            Reply::Benchmarked {
                session: 3,
                batches: 20,
                took_ns: took @ 1..,
            } => self.ok(&format!("{:.1} batches/s", 20.0 / (took as f64 / 1e9))),
            other => Err(format!("it answered {other:?}").into()),
        }
    }

    fn hold(&mut self) -> Result<(), Broke> {
        self.doing = "it holds batches, and lets go of them";
        let (session, plan) = (3, 5);
        let held = |check: &mut Self, expected: u64| match check.reply()?.0 {
            Reply::Held {
                session: 3,
                plan: 5,
                held,
            } if held == expected => Ok(()),
            other => Err(Broke::Protocol(format!(
                "it answered {other:?}, expected {expected} held"
            ))),
        };
        let hold = |first| Request::Hold {
            session,
            plan,
            first,
        };
        self.process.send(hold(0), self.batches.clone());
        held(self, BATCHES)?;
        self.send(Request::Keep {
            session,
            plan,
            keep: 1,
        });
        held(self, 1)?;
        // Those of an earlier plan do not fit, and are passed over.
        self.process.send(hold(3), self.batches[3..].to_vec());
        held(self, 1)?;
        self.process.send(hold(1), self.batches[1..].to_vec());
        held(self, BATCHES)?;
        self.ok("")
    }

    fn train(&mut self, layout: &Layout, initial: &[f32]) -> Result<(), Broke> {
        self.doing = "a share without any time gives the parameters back unchanged";
        let (done, same) = self.share(layout, initial, Duration::ZERO)?;
        if done != 0 || to_wire(&same) != to_wire(initial) {
            return Err(format!("it trained {done} batches").into());
        }
        self.ok("")?;
        self.doing = "a share is trained, with a beat after each batch";
        let (done, first) = self.share(layout, initial, self.within)?;
        if done != BATCHES {
            return Err(format!("it trained {done} batches, expected {BATCHES}").into());
        }
        if to_wire(&first) == to_wire(initial) {
            return Err("its parameters did not move".to_owned().into());
        }
        self.ok("")?;
        self.doing = "the same share again";
        let (_, second) = self.share(layout, initial, self.within)?;
        self.ok(if to_wire(&second) == to_wire(&first) {
            "the same parameters to the last bit"
        } else {
            "other parameters: runs cannot be repeated to the last bit"
        })
    }

    /// Has all batches trained; the beats must count them.
    fn share(
        &mut self,
        layout: &Layout,
        start: &[f32],
        stop_in: Duration,
    ) -> Result<(u64, Vec<f32>), Broke> {
        let ticket = self.ticket();
        self.process
            .send(self.task(ticket, stop_in, 1), vec![to_wire(start).into()]);
        let mut beats = 0;
        loop {
            let (reply, body) = self.reply()?;
            match reply {
                Reply::Beat {
                    session: 3,
                    cycle: 8,
                    done,
                } if done == beats + 1 => beats = done,
                Reply::Trained(trained) if (trained.session, trained.cycle) == (3, 8) => {
                    if trained.done != beats {
                        let done = trained.done;
                        return Err(
                            format!("it trained {done} batches and beat {beats} times").into()
                        );
                    }
                    if trained.tail_ns > trained.took_ns {
                        return Err("its last batches took longer than all".to_owned().into());
                    }
                    return Ok((trained.done, parameters(layout, &body, "results")?));
                }
                other => return Err(format!("it answered {other:?}").into()),
            }
        }
    }

    fn cancel(&mut self, layout: &Layout, initial: &[f32]) -> Result<(), Broke> {
        self.doing = "a share that is cancelled ends between two batches, without an answer";
        let ticket = self.ticket();
        let long = self.task(ticket, self.within * 2, u32::MAX);
        self.process.send(long, vec![to_wire(initial).into()]);
        let first = self.reply()?.0;
        if !matches!(first, Reply::Beat { .. }) {
            return Err(format!("it answered {first:?}").into()); // it should be under way
        }
        self.send(Request::Cancel { ticket });
        self.send(Request::Initial);
        let until = Instant::now() + self.within;
        loop {
            match self.reply()? {
                // Those that were on their way.
                (Reply::Beat { .. }, _) if Instant::now() < until => {}
                (Reply::Initial, body) => {
                    parameters(layout, &body, "initial parameters")?;
                    return self.ok("");
                }
                (other, _) => return Err(format!("it answered {other:?}").into()),
            }
        }
    }

    fn judge(&mut self, initial: &[f32], test: &Dataset) -> Result<(), Broke> {
        self.doing = "it judges parameters by the test set, twice the same";
        let samples = test.samples() as u64;
        let whole = test.whole().map_err(|error| error.to_string())?;
        let set = vec![whole.into_wire().into()];
        self.process.send(Request::TestSet { samples }, set);
        let mut told = Vec::new();
        for cycle in [4, 9] {
            let body = vec![to_wire(initial).into()];
            self.process.send(Request::Judge { cycle }, body);
            match self.reply()?.0 {
                Reply::Judged { cycle: of, metrics } if of == cycle => told.push(metrics),
                other => return Err(format!("it answered {other:?}").into()),
            }
        }
        if told[0].is_empty() || told[0].values().any(|value| !value.is_number()) {
            return Err(format!("it says {:?}, expected finite numbers", told[0]).into());
        }
        if told[0] != told[1] {
            return Err(format!("it says {:?}, then {:?}", told[0], told[1]).into());
        }
        let words = told[0]
            .iter()
            .map(|(name, value)| format!("{name} {value}"));
        self.ok(&words.collect::<Vec<_>>().join(", "))
    }

    fn task(&self, ticket: u64, stop_in: Duration, passes: u32) -> Request {
        let training = Training {
            session: 3,
            cycle: 8,
            batches: BATCHES,
            passes,
            rate_ppb: 1_000_000_000,
            beat_ns: 1, // at every batch, too
            beat_batches: 1,
            tail_batches: 2,
            stop_in_ns: 0,
            results_in_ns: 0,
        };
        let stop_at = Moment::of(Instant::now() + stop_in);
        Request::Train(Task::new(ticket, &training, stop_at))
    }

    fn ticket(&mut self) -> u64 {
        self.ticket += 1;
        self.ticket
    }

    fn send(&self, request: Request) {
        self.process.send(request, Vec::new());
    }

    /// The next reply.
    fn reply(&self) -> Result<(Reply, Vec<u8>), Broke> {
        match self.heard.recv_timeout(self.within) {
            Ok(TrainerEvent::Reply(Reply::Failed { reason }, _)) => Err(reason.into()),
            Ok(TrainerEvent::Reply(reply, body)) => Ok((reply, body)),
            Ok(TrainerEvent::Died(why) | TrainerEvent::Unfit(why)) => Err(why.into()),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                let seconds = self.within.as_secs();
                Err(format!("no answer within {seconds} s (--within allows more)").into())
            }
        }
    }

    fn odd(&self, expected: &str) -> String {
        format!("it answered something else than {expected:?}")
    }

    fn ok(&self, found: &str) -> Result<(), Broke> {
        let found = if found.is_empty() {
            String::new()
        } else {
            format!(": {found}")
        };
        print(&format!("ok  {}{found}\n", self.doing)).map_err(Broke::Output)
    }
}
