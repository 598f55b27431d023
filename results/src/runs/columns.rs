//! The rows of a run folder's tables, with the columns that they fill.

use std::borrow::Cow;
use std::sync::Arc;

use scheduler::machine::{
    AssignmentRow, CycleId, CycleResult, CycleRow, Ending, Fate, PlanId, PlanRow, Record,
    SessionId, ShareRow, Trigger, WorkerId,
};
use scheduler::{Certificate, Cost, Fee, Instant, PlanStatus, Span, Speed, Tier};

use super::account::{RunEnd, Truth, WorkerTotals};
use super::plan::RunKey;
use crate::schema::{Described, Row, column, columns};
use crate::value::{Kind, Value};

type Text = Cow<'static, str>;

/// What the columns are by which a row's run is known.
fn describe_keys() -> Vec<Described> {
    vec![
        Described::new("replicate", Kind::Number, "The replicate, from 0."),
        Described::new("allocator", Kind::Text, "The allocator."),
    ]
}

/// The row of a table of runs.
pub(crate) trait RunTable: Row {
    /// Whether rows are of workers, whose names then stand beside their numbers.
    const OF_WORKERS: bool = false;

    /// The worker that a row is of.
    fn worker_of(&self) -> Option<WorkerId> {
        None
    }

    /// All columns of the table.
    fn describe_all() -> Vec<Described> {
        let mut all = [describe_keys(), Self::describe()].concat();
        if Self::OF_WORKERS {
            all.push(Described {
                is_optional: true,
                ..Described::new("name", Kind::Text, "The worker's name.")
            });
        }
        all
    }
}

impl RunTable for RunRow {}
impl RunTable for WorkerRow {}
impl RunTable for QuestionRow {}
impl RunTable for CycleRow {}
impl RunTable for ModelRow {}

impl RunTable for ShareRow {
    const OF_WORKERS: bool = true;

    fn worker_of(&self) -> Option<WorkerId> {
        Some(self.worker)
    }
}

impl RunTable for AssignmentRow {
    const OF_WORKERS: bool = true;

    fn worker_of(&self) -> Option<WorkerId> {
        Some(self.worker)
    }
}

impl RunTable for HistoryRow {
    const OF_WORKERS: bool = true;

    fn worker_of(&self) -> Option<WorkerId> {
        self.worker
    }
}

/// The columns of rows after those of the runs that they are of, with the names of workers by
/// number.
pub(super) fn write<T: RunTable>(
    allocators: &[String],
    workers: &[Arc<str>],
    rows: &[(RunKey, T)],
) -> Vec<polars_core::prelude::Column> {
    let keys = || rows.iter().map(|(key, _)| key);
    let replicates = keys().map(|key| Value::Number(key.replicate));
    let names = keys().map(|key| Value::Text(&allocators[key.allocator]));
    let mut all = vec![
        column("replicate", Kind::Number, replicates),
        column("allocator", Kind::Text, names),
    ];
    all.extend(T::write(rows.iter().map(|(_, row)| Some(row))));
    if T::OF_WORKERS {
        let name = |(_, row): &(RunKey, T)| {
            let worker = row.worker_of()?;
            workers.get(worker.get() as usize)
        };
        let names = rows.iter().map(name);
        let names = names.map(|name| name.map_or(Value::Nothing, |name| Value::Text(name)));
        all.push(column("name", Kind::Text, names));
    }
    all
}

columns! {
    /// How a run ended.
    #[derive(Clone, Debug)]
    pub(crate) struct RunRow {
        /// How it ended: `completed`, or why it ended before its last cycle.
        ending: Text = "ending",
        /// The same as a sentence.
        message: String = "message",
        /// Whether it took longer than its limit, ended early, or has a cycle in which not every
        /// batch was trained in time.
        missed: bool = "missed",
        /// From the first parameter byte of the first cycle to the last aggregation.
        wall: Span = "wall_ns",
        /// The time that all cycles together had.
        limit: Span = "limit_ns",
        /// What came before the first cycle: joining, benchmarks, planning, shipping.
        setup: Span = "setup_ns",
        /// When it ended, since it began.
        ended: Instant = "ended_ns",
        /// Cycles in which every batch was trained in time.
        complete: u64 = "cycles_complete",
        /// Cycles in which some batches were.
        truncated: u64 = "cycles_truncated",
        /// Cycles that left the model as it was.
        failed: u64 = "cycles_failed",
        /// Batches that count.
        accepted: u64 = "batches_accepted",
        /// Batches that were ordered and do not count.
        lost: u64 = "batches_lost",
        /// Batches that new plans moved to other workers.
        moved: u64 = "batches_moved",
        /// Plans that were taken.
        plans: u64 = "plans",
        /// What the run cost.
        cost: Cost = "cost_micro",
        /// The part of that which was charged for employing workers.
        charges: Cost = "charge_micro",
        /// Cycles for which there was a plan with the workers' true speeds; empty in a real run.
        feasible: Option<u64> = "feasible",
        /// Of these, the number that were complete; empty in a real run.
        feasible_complete: Option<u64> = "feasible_complete",
        /// Feasible cycles within which no fault began or ended; empty in a real run.
        untouched: Option<u64> = "untouched",
        /// Of these, the number that were complete; empty in a real run.
        untouched_complete: Option<u64> = "untouched_complete",
        /// Shares that were ordered; empty in a real run.
        orders: Option<u64> = "orders",
        /// Of these, the number that were not computed by the time at which their workers were to
        /// stop; empty in a real run.
        overruns: Option<u64> = "overruns",
    }
}

impl From<&RunEnd> for RunRow {
    fn from(end: &RunEnd) -> Self {
        let (totals, truth) = (&end.totals, end.truth.as_ref());
        Self {
            ending: end.ending.reason().into(),
            message: end.ending.to_string(),
            missed: end.is_missed(),
            wall: end.wall(),
            limit: end.limit,
            setup: end.setup(),
            ended: end.ended,
            complete: totals.complete.into(),
            truncated: totals.truncated.into(),
            failed: totals.failed.into(),
            accepted: totals.accepted,
            lost: totals.lost,
            moved: totals.moved,
            plans: totals.plans.into(),
            cost: totals.cost,
            charges: totals.charges,
            feasible: truth.map(|truth| truth.feasible),
            feasible_complete: truth.map(|truth| truth.feasible_complete),
            untouched: truth.map(|truth| truth.untouched),
            untouched_complete: truth.map(|truth| truth.untouched_complete),
            orders: truth.map(|truth| truth.orders),
            overruns: truth.map(|truth| truth.overruns),
        }
    }
}

impl RunRow {
    /// What only a simulation knows of it.
    pub(super) fn truth(&self) -> Option<Truth> {
        Some(Truth {
            feasible: self.feasible?,
            feasible_complete: self.feasible_complete?,
            untouched: self.untouched?,
            untouched_complete: self.untouched_complete?,
            orders: self.orders?,
            overruns: self.overruns?,
        })
    }
}

columns! {
    /// One worker in a whole run.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(crate) struct WorkerRow {
        /// Its number, by which other tables name it.
        worker: u64 = "worker",
        /// Its name.
        name: Arc<str> = "name",
        /// What it is paid per batch, prices of time left out.
        fee: Option<Fee> = "fee_micro",
        /// When it was first admitted.
        joined: Option<Instant> = "joined_ns",
        /// Its first benchmark: the batches that it computed.
        speed: Option<Speed> = "speed",
        /// How often it was admitted.
        sessions: u64 = "stays",
        /// How often it left or was excluded.
        departures: u64 = "departures",
        /// Why it left last.
        last_departure: Option<Text> = "last_departure",
        /// Cycles in which it was given orders.
        cycles: u64 = "cycles",
        /// Of these, the number in which it did all of its share.
        complete: u64 = "cycles_complete",
        /// The batches of its shares.
        assigned: u64 = "batches_assigned",
        /// Batches that count.
        accepted: u64 = "batches_accepted",
        /// What it is paid in all.
        cost: Cost = "cost_micro",
        /// The part of that which was charged for employing it.
        charges: Cost = "charge_micro",
        /// How long the time model expected its shares to take.
        expected: Span = "expected_ns",
        /// From orders to results.
        elapsed: Span = "elapsed_ns",
        /// How long it says it computed.
        computed: Span = "computed_ns",
    }
}

impl WorkerRow {
    pub(super) fn new(worker: u64, name: Arc<str>, totals: &WorkerTotals) -> Self {
        Self {
            worker,
            name,
            fee: totals.fee,
            joined: totals.joined,
            speed: totals.benchmark,
            sessions: totals.sessions,
            departures: totals.departures,
            last_departure: totals.last_departure.map(|why| why.name().into()),
            cycles: totals.cycles,
            complete: totals.complete,
            assigned: totals.assigned,
            accepted: totals.accepted,
            cost: totals.cost,
            charges: totals.charges,
            expected: totals.expected,
            elapsed: totals.elapsed,
            computed: totals.computed,
        }
    }
}

columns! {
    /// A plan that was taken, or a question without one.
    #[derive(Clone, Debug)]
    pub(crate) struct QuestionRow {
        /// When it was taken.
        at: Instant = "at_ns",
        /// Its number.
        plan: PlanId = "plan",
        /// Why it was asked for.
        trigger: Trigger = "trigger",
        /// How long the question took.
        solve: Span = "solve_ns",
        /// What is proved of the plan; empty if there is none.
        status: Option<PlanStatus> = "status",
        /// Why there is no plan.
        reason: Option<Text> = "reason",
        /// The same as a sentence.
        message: Option<String> = "message",
        /// The first cycle that it is for.
        cycle: Option<CycleId> = "first_cycle",
        /// The time that a cycle had when it was made.
        limit: Option<Span> = "limit_ns",
        /// Workers that could have been employed.
        candidates: Option<u64> = "candidates",
        /// Workers that are.
        workers_employed: Option<u64> = "workers_employed",
        /// The number of employed workers that the capacities were taken for.
        capacities_for: Option<u64> = "capacities_for",
        /// What a cycle costs when all of it is done.
        cost: Option<Cost> = "cost_micro",
        /// No plan costs less, where that is known.
        lower_bound: Option<Cost> = "lower_bound_micro",
        /// What the bound rests on.
        certificate: Option<Certificate> = "certificate",
        /// Batches that move to other workers, if it replaces a plan.
        moved: Option<u64> = "moved",
    }
}

impl QuestionRow {
    /// A plan.
    pub(super) fn planned(at: Instant, row: &PlanRow) -> Self {
        Self {
            status: Some(row.status),
            cycle: Some(row.cycle),
            limit: Some(row.limit),
            candidates: Some(row.candidates),
            workers_employed: Some(row.workers_employed),
            capacities_for: Some(row.capacities_for),
            cost: Some(row.cost),
            lower_bound: row.lower_bound,
            certificate: row.certificate,
            moved: Some(row.moved),
            ..Self::asked(at, row.plan, row.trigger, row.solve)
        }
    }

    /// A question without an answer.
    pub(super) fn not_planned(
        at: Instant,
        (plan, trigger, solve): (PlanId, Trigger, Span),
        why: &Ending,
    ) -> Self {
        Self {
            reason: Some(why.reason().into()),
            message: Some(why.to_string()),
            ..Self::asked(at, plan, trigger, solve)
        }
    }

    const fn asked(at: Instant, plan: PlanId, trigger: Trigger, solve: Span) -> Self {
        Self {
            at,
            plan,
            trigger,
            solve,
            status: None,
            reason: None,
            message: None,
            cycle: None,
            limit: None,
            candidates: None,
            workers_employed: None,
            capacities_for: None,
            cost: None,
            lower_bound: None,
            certificate: None,
            moved: None,
        }
    }
}

columns! {
    for ShareRow {
        /// The plan.
        plan: PlanId = "plan",
        /// The worker.
        worker: WorkerId = "worker",
        /// What it is paid per batch, with what computing one costs; where fees have tiers, for the first.
        fee: Fee = "fee_micro",
        /// How fast it was thought to be: its benchmark, or what was learnt before this plan.
        speed: Speed = "speed",
        /// The most batches that it could be given.
        s_max: u64 = "s_max",
        /// The batches that it is given; 0 if it is not employed.
        batches: u64 = "batches",
        /// What it is charged for in a cycle that employs it, however little it does.
        charge: Cost = "charge_micro",
        /// Other fees for its batches beyond the first ones: the batches that come before, a colon, and what each of those
        /// beyond costs, such as `100:0.8 200:0.5`; empty if there are none.
        tiers: Vec<Tier> = "tiers",
        /// The least number of batches that it takes if it is employed, if it asks for one of its own; else 0.
        least: u64 = "least",
        /// What its batches cost in a cycle, with the charge.
        cost: Cost = "cost_micro",
        /// The parameters down and up over its own connection, as it was measured or stated.
        transfer: Span = "transfer_ns",
        /// The latency of its connection, down and up together.
        latency: Span = "latency_ns",
        /// One batch of data over its own connection.
        ship: Span = "ship_ns",
    }
}

columns! {
    for CycleRow {
        /// The cycle, from 1.
        cycle: CycleId = "cycle",
        /// The plan in force.
        plan: PlanId = "plan",
        /// What came of it: `complete`, `truncated` or `failed`.
        result: CycleResult = "result",
        /// When it began.
        started: Instant = "started_ns",
        /// The time that it had.
        limit: Span = "limit_ns",
        /// When the last result was in.
        results_at: Instant = "results_at_ns",
        /// When it ended.
        ended: Instant = "ended_ns",
        /// Workers that were given orders.
        workers: u64 = "workers",
        /// Batches that count.
        accepted: u64 = "batches_accepted",
        /// Batches that were not trained, or do not count.
        lost: u64 = "batches_lost",
        /// What it cost.
        cost: Cost = "cost_micro",
    }
}

columns! {
    for AssignmentRow {
        /// The cycle.
        cycle: CycleId = "cycle",
        /// The plan.
        plan: PlanId = "plan",
        /// The worker.
        worker: WorkerId = "worker",
        /// Its session, from joining to leaving; the last one if it is absent.
        session: SessionId = "session",
        /// What became of the share: `complete`, `truncated`, `late`, `lost`, `refused` or `absent`.
        fate: Fate = "fate",
        /// The batches of the share.
        assigned: u64 = "assigned",
        /// Batches that the worker says it did.
        claimed: u64 = "claimed",
        /// Batches that count.
        accepted: u64 = "accepted",
        /// What the worker is paid per batch, as in the plan.
        fee: Fee = "fee_micro",
        /// What it is paid for being employed, whatever became of the share.
        charge: Cost = "charge_micro",
        /// What it is paid for the share, with the charge.
        cost: Cost = "cost_micro",
        /// How long the time model expected the share to take, without margin.
        expected: Span = "expected_ns",
        /// From the order to the result.
        elapsed: Span = "elapsed_ns",
        /// How long the worker says it computed.
        computed: Span = "computed_ns",
    }
}

columns! {
    /// How good the model of a real run was, as its orchestrator judged it by the test set.
    #[derive(Clone, Copy, Debug, Default, PartialEq)]
    pub struct ModelRow {
        /// After this cycle; 0 is before training.
        cycle: u64 = "cycle",
        /// The mean loss over the test set.
        loss: Option<f64> = "loss",
        /// The share of samples whose greatest output is that of their class.
        accuracy: Option<f64> = "accuracy",
        /// The mean probability that the model gives a sample's class.
        true_class_probability: Option<f64> = "true_class_probability",
    }
}

columns! {
    /// What happened between plans and cycles; each kind of event fills its own columns.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct HistoryRow {
        /// When it happened.
        at: Instant = "at_ns",
        /// `joined`, `returned`, `benchmarked`, `departed`, `shipped`, `paused` or `ignored`.
        what: Text = "what",
        /// The worker that it is about.
        worker: Option<WorkerId> = "worker",
        /// Its session.
        session: Option<SessionId> = "session",
        /// Why a worker departed, the run paused, or a message was ignored.
        why: Option<Text> = "why",
        /// The same as a sentence.
        message: Option<String> = "message",
        /// What a worker that joined is paid per batch.
        fee: Option<Fee> = "fee_micro",
        /// A measured speed: the batches that were computed.
        speed: Option<Speed> = "speed",
        /// Rounds that the benchmark took.
        rounds: Option<u64> = "rounds",
        /// Whether the rounds did not agree.
        noisy: Option<bool> = "noisy",
        /// The plan that data was shipped for.
        plan: Option<PlanId> = "plan",
        /// Batches that were to be shipped.
        batches: Option<u64> = "batches",
        /// When shipping began.
        since: Option<Instant> = "since_ns",
        /// Until when a paused run waits.
        until: Option<Instant> = "until_ns",
    }
}

impl ModelRow {
    /// The model after a cycle, 0 before training, with what is known of it: the mean loss, the accuracy, and
    /// the mean probability of a sample's class.
    pub fn new(cycle: u32, [loss, accuracy, probability]: [Option<f64>; 3]) -> Self {
        Self {
            cycle: cycle.into(),
            loss,
            accuracy,
            true_class_probability: probability,
        }
    }
}

impl HistoryRow {
    /// That of a record which has no table of its own.
    pub(super) fn new(at: Instant, record: &Record) -> Option<Self> {
        let what = |what: &'static str| Self {
            at,
            what: what.into(),
            ..Self::default()
        };
        let of = |name, worker: WorkerId, session: SessionId| Self {
            worker: Some(worker),
            session: Some(session),
            ..what(name)
        };
        Some(match *record {
            Record::Joined {
                worker,
                session,
                fee,
                returned,
            } => Self {
                fee: Some(fee),
                ..of(
                    if returned { "returned" } else { "joined" },
                    worker,
                    session,
                )
            },
            Record::Benchmarked {
                worker,
                session,
                speed,
                rounds,
                noisy,
            } => Self {
                speed: Some(speed),
                rounds: Some(rounds.into()),
                noisy: Some(noisy),
                ..of("benchmarked", worker, session)
            },
            Record::Departed {
                worker,
                session,
                why,
            } => Self {
                worker: Some(worker),
                session,
                why: Some(why.name().into()),
                message: Some(why.to_string()),
                ..what("departed")
            },
            Record::Shipped {
                plan,
                since,
                batches,
            } => Self {
                plan: Some(plan),
                batches: Some(batches),
                since: Some(since),
                ..what("shipped")
            },
            Record::Paused { why, until } => Self {
                why: Some(why.reason().into()),
                message: Some(why.to_string()),
                until: Some(until),
                ..what("paused")
            },
            Record::Ignored {
                worker,
                session,
                why,
            } => Self {
                why: Some(why.name().into()),
                ..of("ignored", worker, session)
            },
            Record::Planned(_)
            | Record::NotPlanned { .. }
            | Record::Share(_)
            | Record::Assignment(_)
            | Record::Cycle(_) => return None,
        })
    }
}
