//! What a run looks like from outside: a line for each worker, events as JSON, what is kept of it;
//! and the sums for the summary. What is held in memory does not grow with the length of a run.
//!
//! It is called by the task that owns the scheduler, so nothing here waits: what is shown goes
//! through the queues of `console`, what is kept through that of `keeper.rs`.
//!
//! **What it does not know:** the network, and what is decided.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::path::Path;

use console::{note, print_line};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use results::runs::RunSummary;
use scheduler::machine::{Config, Event, Fate, Record, WorkerId};
use scheduler::{Instant, Span};
use serde_json::{Value, json};

use super::compute_times::ComputeTimes;
use super::history::{Replayed, Shift};
use super::judgements::Judgements;
use super::keeper::{Keeper, Kept};
use super::names::Names;
use super::room::Room;
use super::standing::Standing;
use super::tables::Tables;
use crate::orchestrator::{Checkpoint, Member, Watch};
use crate::train::{DeviceChoice, Evaluation};

/// What a worker says of itself, for the summary.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkerInfo {
    pub(crate) cpu: String,
    pub(crate) device: String,
    pub(crate) threads: u32,
    pub(crate) cores: u32,
    pub(crate) address: String,
}

/// Follows a run, shows it and writes it down.
pub(crate) struct Report {
    json: bool,
    bars: Option<Bars>,
    standing: Standing,
    keeper: Keeper,
    workers: BTreeMap<WorkerId, WorkerInfo>,
    names: BTreeMap<WorkerId, String>,
    /// Sums of the run, in which nothing grows with its length.
    summary: RunSummary,
    /// Moves the records of this part of a run behind those of earlier ones.
    shift: Shift,
}

/// What a run came to, for its summary.
pub(crate) struct Account {
    pub(crate) workers: BTreeMap<WorkerId, WorkerInfo>,
    /// Sums of the run.
    pub(crate) summary: RunSummary,
}

struct Bars {
    all: MultiProgress,
    whole: ProgressBar,
    workers: BTreeMap<WorkerId, ProgressBar>,
}

impl Report {
    /// Shows progress on a terminal, or events with `json`, and writes what a run leaves in a
    /// folder; of a run that is resumed, after this cycle. These workers are known already, by number.
    ///
    /// # Errors
    /// When a file cannot be made.
    pub(crate) fn new(
        folder: &Path,
        tables: Tables,
        summary: RunSummary,
        json: bool,
        resumed: Option<u32>,
        names: &[String],
        room: &Room,
    ) -> io::Result<Self> {
        let is_seen = io::stderr().is_terminal() && !json;
        let bars = is_seen.then(|| {
            let all = console::bars();
            let style = ProgressStyle::with_template(
                "{prefix:>14} {bar:24} {pos}/{len}\n               {wide_msg}",
            );
            let style = style.expect("the template is valid").progress_chars("=> ");
            let whole = all.add(ProgressBar::new(0).with_style(style).with_prefix("cycles"));
            Bars {
                all,
                whole,
                workers: BTreeMap::new(),
            }
        });
        let numbered = (0..).map(WorkerId::new).zip(names.iter().cloned());
        let judgements = Judgements::open(folder, resumed)?;
        let times = ComputeTimes::create(folder, &room.patience())?;
        let kept = Names::create(folder, names)?;
        let mut keeper = Keeper::start(folder, tables, judgements, times, kept, room)?;
        for (worker, name) in numbered.clone() {
            keeper.named(worker, &name);
        }
        Ok(Self {
            json,
            bars,
            standing: Standing::default(),
            keeper,
            workers: BTreeMap::new(),
            names: numbered.collect(),
            summary,
            shift: Shift::default(),
        })
    }

    /// Takes in what happened in an earlier part of the run.
    pub(crate) fn replays(&mut self, at: Instant, record: &Record, kept: Replayed) {
        self.keeper.replay(at, record, kept);
        self.summary.record(at, record);
        self.standing.replays(record);
    }

    /// The records that follow come after those of earlier parts.
    pub(crate) fn goes_on(&mut self, shift: Shift) {
        self.shift = shift;
    }

    /// Nothing more comes: waits until everything is kept.
    pub(crate) fn finish(self) -> (Account, Kept) {
        if let Some(bars) = self.bars {
            bars.workers
                .values()
                .for_each(ProgressBar::finish_and_clear);
            bars.whole.finish_and_clear();
        }
        let account = Account {
            workers: self.workers,
            summary: self.summary,
        };
        (account, self.keeper.finish())
    }

    fn emit(&self, now: Option<Instant>, what: &str, mut fields: Value) {
        if !self.json {
            return;
        }
        if let Some(fields) = fields.as_object_mut() {
            fields.insert("event".to_owned(), json!(what));
            if let Some(now) = now {
                fields.insert(
                    "at_s".to_owned(),
                    json!(now.since(Instant::START).seconds_f64()),
                );
            }
        }
        print_line(format_args!("{fields}"));
    }

    fn bar(&mut self, worker: WorkerId) -> Option<&ProgressBar> {
        let name = self.names.get(&worker).cloned().unwrap_or_default();
        let bars = self.bars.as_mut()?;
        let all = &bars.all;
        // Below that of the cycles, in the order of their numbers.
        let place = 1 + bars.workers.range(..worker).count();
        let bar = bars.workers.entry(worker).or_insert_with(|| {
            let style = ProgressStyle::with_template("{prefix:>14} {bar:16} {wide_msg}");
            let style = style.expect("the template is valid").progress_chars("=> ");
            all.insert(
                place,
                ProgressBar::new(1).with_style(style).with_prefix(name),
            )
        });
        Some(bar)
    }

    /// Shows where the run stands beside the bar of its cycles.
    fn stands(&self) {
        if let Some(bars) = &self.bars {
            bars.whole.set_position(self.standing.done().into());
            bars.whole.set_message(self.standing.words());
        }
    }

    fn shows(&mut self, worker: WorkerId, at: u64, of: u64, message: String) {
        if let Some(bar) = self.bar(worker) {
            bar.set_length(of.max(1));
            bar.set_position(at);
            bar.set_message(message);
        }
    }
}

impl Watch for Report {
    fn begins(&mut self, config: &Config) {
        self.keeper.begins(config);
        if let Some(bars) = &self.bars {
            bars.whole.set_length(config.cycles.into());
        }
        self.standing.begins(config);
        self.stands();
        let fields = json!({"cycles": config.cycles, "batches": config.batches});
        self.emit(None, "begins", fields);
    }

    fn event(&mut self, now: Instant, event: &Event) {
        self.keeper.event(now, event);
        if self.bars.is_none()
            && !self.json
            && let Some(line) = self.standing.line(now)
        {
            note!("{line}");
        }
    }

    fn record(&mut self, now: Instant, record: &Record, name: &dyn Fn(WorkerId) -> String) {
        let (at, shifted) = (self.shift.moment(now), self.shift.record(record));
        self.keeper.record(at, &shifted);
        self.summary.record(at, &shifted);
        self.standing.record(record);
        self.stands();
        match record {
            Record::Joined { worker, fee, .. } => {
                self.names.insert(*worker, name(*worker));
                self.shows(*worker, 0, 1, "benchmark".to_owned());
                let fields = json!({"worker": name(*worker), "fee": fee.to_string()});
                self.emit(Some(now), "joined", fields);
            }
            Record::Benchmarked {
                worker,
                speed,
                noisy,
                ..
            } => {
                let rate = speed.per_second_f64();
                self.shows(*worker, 0, 1, format!("{rate:.0} batches/s"));
                let fields =
                    json!({"worker": name(*worker), "batches_per_s": rate, "noisy": noisy});
                self.emit(Some(now), "benchmarked", fields);
            }
            Record::Departed { worker, why, .. } => {
                self.names.insert(*worker, name(*worker));
                self.shows(*worker, 0, 1, format!("gone: {why}"));
                let fields = json!({"worker": name(*worker), "why": why.name()});
                self.emit(Some(now), "departed", fields);
            }
            Record::Planned(row) => {
                self.emit(
                    Some(now),
                    "planned",
                    json!({
                        "trigger": row.trigger.name(), "workers": row.workers_employed,
                        "cost": row.cost.to_string(), "status": row.status.name(),
                    }),
                );
            }
            Record::Share(row) => {
                self.emit(
                    Some(now),
                    "share",
                    json!({
                        "worker": name(row.worker), "batches": row.batches, "s_max": row.s_max,
                        "fee": row.fee.to_string(), "charge": row.charge.to_string(),
                    }),
                );
            }
            Record::NotPlanned { why, .. } => {
                self.emit(Some(now), "not_planned", json!({"why": why.reason()}));
            }
            Record::Shipped { batches, since, .. } => {
                let took = now.since(*since).seconds_f64();
                self.emit(
                    Some(now),
                    "shipped",
                    json!({"batches": batches, "took_s": took}),
                );
            }
            Record::Paused { why, .. } => {
                self.emit(Some(now), "paused", json!({"why": why.reason()}));
            }
            Record::Assignment(row) => {
                let message = match row.fate {
                    Fate::Complete | Fate::Truncated => {
                        format!("{} of {}", row.accepted, row.assigned)
                    }
                    Fate::Late | Fate::Lost | Fate::Refused | Fate::Absent => {
                        row.fate.name().to_owned()
                    }
                };
                self.shows(row.worker, row.accepted, row.assigned, message);
                self.emit(Some(now), "lot", json!({
                    "cycle": row.cycle.get(), "worker": name(row.worker), "fate": row.fate.name(),
                    "assigned": row.assigned, "accepted": row.accepted,
                }));
            }
            Record::Cycle(row) => {
                self.emit(
                    Some(now),
                    "cycle",
                    json!({
                        "cycle": row.cycle.get(), "result": row.result.name(),
                        "took_s": row.ended.since(row.started).seconds_f64(),
                        "limit_s": row.limit.seconds_f64(), "accepted": row.accepted,
                        "lost": row.lost, "cost": row.cost.to_string(),
                    }),
                );
            }
            Record::Ignored { worker, why, .. } => {
                self.emit(
                    Some(now),
                    "ignored",
                    json!({"worker": name(*worker), "why": why.name()}),
                );
            }
        }
    }

    fn note(&mut self, line: &str) {
        match &self.bars {
            Some(bars) => {
                // A terminal that cannot be written to shows nothing.
                let _ = bars.all.println(line);
            }
            None => note!("{line}"),
        }
        self.emit(None, "note", json!({"text": line}));
    }

    fn named(&mut self, worker: WorkerId, name: &str) {
        if self.names.insert(worker, name.to_owned()).is_none() {
            self.keeper.named(worker, name);
        }
    }

    fn member(&mut self, worker: WorkerId, member: &Member) {
        let hello = &member.hello;
        let known = self.workers.remove(&worker);
        // Until it reports what its choice comes to.
        let device = known.map_or_else(|| hello.device.clone(), |known| known.device);
        let info = WorkerInfo {
            cpu: hello.cpu.clone(),
            device,
            threads: hello.threads,
            cores: hello.cores,
            address: member.peer.remote().to_string(),
        };
        self.workers.insert(worker, info);
    }

    fn ready(&mut self, worker: WorkerId, device: DeviceChoice) {
        if let Some(info) = self.workers.get_mut(&worker) {
            info.device = device.to_string();
        }
    }

    fn shipped(&mut self, worker: WorkerId, held: u64, of: u64) {
        self.shows(worker, held, of, format!("data {held} of {of}"));
    }

    fn trains(&mut self, worker: WorkerId, batches: u64, within: Span) {
        self.shows(
            worker,
            0,
            batches,
            format!("0 of {batches} within {within}"),
        );
    }

    fn beat(&mut self, worker: WorkerId, done: u64) {
        if let Some(bar) = self.bar(worker) {
            bar.set_position(done);
            let of = bar.length().unwrap_or(0);
            bar.set_message(format!("{done} of {of}"));
        }
    }

    fn judged(&mut self, cycle: u32, judged: &Evaluation) {
        self.keeper.judged(cycle, judged);
        self.standing.judged(judged.accuracy);
        self.stands();
        self.emit(
            None,
            "judged",
            json!({
                "cycle": cycle, "accuracy": judged.accuracy, "loss": judged.loss,
                "true_class_probability": judged.true_class_probability,
                "others": judged.others,
            }),
        );
    }

    fn checkpoint(&mut self, checkpoint: &dyn Fn() -> Checkpoint) {
        self.keeper.checkpoint(checkpoint());
    }
}
