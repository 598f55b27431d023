//! `[job]`, `[benchmark]`, `[waits]`, `[model]`, `[link]`, `[fees]` and `[run]`.

use scheduler::machine::{Billing, Limit, MAX_CYCLES, Partial, Replan, Waits};
use scheduler::{
    BenchmarkRule, CapacityModel, Cost, Fee, LinkService, MAX_BATCHES, MAX_N, MAX_PASSES,
    MAX_ROUNDS, MAX_WORKERS, Objective, Span, Until,
};

use crate::scenario::errors::AssumedErrors;
use crate::scenario::field::{choices, listed};
use crate::scenario::key::keys;
use crate::scenario::read::Mistakes;
use crate::scenario::streams::{Purpose, WorkerStreams};
use crate::scenario::tree::{Node, Value};
use crate::scenario::unit::{BitRate, Bytes, Quantity, Ratio};

/// The shortest time limit, in nanoseconds.
const SHORTEST: u64 = 1_000;
/// The longest time.
const LONGEST: u64 = <Span as Quantity>::RANGE.1;

keys! {
    /// What is to be trained, and how.
    pub struct Job in "job" {
        /// Batches that are trained in each cycle.
        batches: u64 => example("1875").within(1, MAX_N);
        /// Samples in a batch. A speed is in batches of this size.
        batch_size: u64 => default("32").within(1, MAX_BATCHES)
            .variable("BATCH_SIZE").flag("batch-size");
        /// Number of cycles.
        cycles: u32 => default("10").within(1, MAX_CYCLES as u64)
            .variable("NUM_GLOBAL_CYCLES").flag("cycles");
        /// Time for all cycles together. Either this or cycle_time must be given.
        max_time: Option<Span> => example("\"60 s\"").within(SHORTEST, LONGEST)
            .variable("MAX_TIME").flag("max-time");
        /// Time for each cycle, instead of max_time.
        cycle_time: Option<Span> => example("\"6 s\"").within(SHORTEST, LONGEST)
            .flag("cycle-time");
        /// Whether max_time includes joining, benchmarks, planning and shipping.
        counts_setup: bool => default("false");
        /// Least number of employed workers.
        beta: u64 => default("1").within(0, MAX_BATCHES).variable("BETA").flag("beta");
        /// Least number of batches of an employed worker.
        s_min: u64 => default("10").within(0, MAX_BATCHES).variable("S_MIN").flag("s-min");
        /// Passes that a worker makes over its batches in a cycle.
        tau: u32 => default("1").within(1, MAX_PASSES as u64);
        /// Allocator that makes the plans: exact, heuristic, cbc or lp.
        allocator: String => default("\"exact\"").within(1, 64).flag("allocator");
        /// What plans are chosen by: the least fee, the least fee and then the least time of a cycle, or
        /// the least time and then the least fee. Allocators other than exact look at the fee alone.
        /// With a budget the default is the last.
        objective: Objective => default("\"cheapest-then-quickest\"").flag("objective");
        /// Most that all cycles together may cost, in the unit of fees.
        budget: Option<Cost> => default("\"none\"").or_word("none")
            .within(0, <Cost as Quantity>::RANGE.1).flag("budget");
        /// What the capacity of a worker accounts for: everything, or computing only, as in the
        /// thesis.
        capacity: CapacityModel => default("\"full\"");
        /// Chance that every cycle of the job keeps its limit, 0.95 if nothing is said. Margins of
        /// time follow from it and from the errors of workers.
        confidence: Option<Ratio> => example("0.95").within(1_000, 999_900).flag("confidence");
        /// Chance that one worker at its capacity overruns the limit of a cycle, instead of
        /// confidence.
        risk: Option<Ratio> => example("0.01").within(100, 999_900).flag("risk");
        /// Errors that margins are made for, instead of those that workers state.
        assumed_errors: Option<AssumedErrors> => example("{ benchmark = 0.08, jitter = 0.05 }");
        /// Whether the plan follows what is learnt in the run, or stays as it is, as in the thesis.
        replan: Replan => default("\"adaptive\"").flag("replan");
        /// Whether the batches of an unfinished share count.
        partial: Partial => default("\"accept\"").flag("partial");
        /// Whether all assigned batches are paid, as in the thesis, or only the computed ones.
        billing: Billing => default("\"assigned\"").flag("billing");
        /// Whether data travels to the workers once, or in each cycle.
        ship: Ship => default("\"once\"");
        /// Number of workers to wait for before the first plan: "all" are those that join at the
        /// beginning.
        expect: Option<u32> => default("\"all\"").or_word("all").within(1, MAX_WORKERS as u64)
            .flag("expect");
    }
}

impl Job {
    /// Notes whether a document has no time limit, or several.
    pub(crate) fn check_limit(document: &Node, mistakes: &Mistakes) {
        let given = |key| document.at_path(key);
        match (given("job.max_time"), given("job.cycle_time")) {
            (Some(_), Some(cycle)) => {
                let message =
                    "job.max_time and job.cycle_time are both given, expected one of them";
                mistakes.add(&cycle.at, message.to_owned());
            }
            (None, None) => {
                let message = "job.max_time is missing, expected it or job.cycle_time, \
                               such as \"30 s\"";
                let job = given("job").unwrap_or(document);
                mistakes.add(&job.at, message.to_owned());
            }
            (None, Some(_)) => {
                if let Some(counts) = given("job.counts_setup")
                    && matches!(counts.value, Value::Bool(true))
                {
                    let message = "job.counts_setup is true, expected false with cycle_time, \
                                   which includes no set-up";
                    mistakes.add(&counts.at, message.to_owned());
                }
            }
            (Some(_), None) => {}
        }
    }

    /// Settles the objective, whose default depends on whether there is a budget.
    pub(crate) fn settle(&mut self, document: &Node) {
        if self.budget.is_some() && document.at_path("job.objective").is_none() {
            self.objective = Objective::Quickest;
        }
    }

    /// Notes whether a document has two sources of margins.
    pub(crate) fn check_confidence(document: &Node, mistakes: &Mistakes) {
        let given = |key| document.at_path(key);
        if let (Some(risk), Some(_)) = (given("job.risk"), given("job.confidence")) {
            let message = "job.risk and job.confidence are both given, expected one of them";
            mistakes.add(&risk.at, message.to_owned());
        }
    }

    /// The chance that every cycle of the job keeps its limit, if no risk is stated instead.
    pub fn confidence(&self) -> Ratio {
        self.confidence.unwrap_or(Ratio::from_micros(950_000))
    }

    /// The time limit.
    pub fn limit(&self) -> Limit {
        match (self.cycle_time, self.max_time) {
            (Some(limit), _) => Limit::Cycle(limit),
            (None, max_time) => Limit::Job {
                max_time: max_time.unwrap_or(Span::ZERO), // one of them is given
                counts_setup: self.counts_setup,
            },
        }
    }
}

/// When data travels to the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ship {
    /// Once, before the first cycle.
    Once,
    /// Anew in each cycle.
    EachCycle,
}

choices! {
    Ship { "once" => Once, "each-cycle" => EachCycle }
}

keys! {
    /// How workers are benchmarked.
    pub struct Benchmark in "benchmark" {
        /// Until when rounds of a tenth of a second are measured: half of the 95 % confidence interval of the
        /// speed, as a part of it. 0.02 unless it is given.
        error: Option<Ratio> => example("0.02").within(1_000, 1_000_000);
        /// The time after the first round in which a speed is to be known; then it counts as it is. 3 s
        /// unless it is given.
        time: Option<Span> => example("\"3 s\"").within(1, LONGEST);
        /// Batches in a round: in place of the two above, a number of rounds is measured.
        batches: Option<u64> => example("1000").within(1, MAX_BATCHES)
            .variable("NUM_BENCHMARK").flag("benchmark-batches");
        /// Least number of rounds of a number of batches, 3 unless it is given.
        rounds: Option<u8> => example("1").within(1, MAX_ROUNDS as u64);
        /// Most rounds, if the first ones disagree: 5, or the least number, unless it is given.
        max_rounds: Option<u8> => example("9").within(1, MAX_ROUNDS as u64);
        /// Rounds agree when their speeds differ by less than this, 0.15 unless it is given.
        spread: Option<Ratio> => example("0.1").within(0, 1_000_000);
        /// Time for a benchmark. A worker that takes longer is excluded.
        limit: Span => default("\"1 min\"").within(1, LONGEST);
    }
}

/// The rounds of a number of batches.
const ROUNDS: u8 = BenchmarkRule::DEFAULT.rounds;

impl Benchmark {
    /// Refuses what contradicts itself.
    pub(crate) fn settle(&self, document: &Node, mistakes: &Mistakes) {
        let rounds = self.rounds.unwrap_or(ROUNDS);
        if let Some(node) = document.at_path("benchmark.max_rounds")
            && self.max_rounds.is_some_and(|most| most < rounds)
        {
            let message = format!("at least benchmark.rounds, which is {rounds}");
            let message = format!("benchmark.max_rounds is {node}, expected {message}");
            mistakes.add(&node.at, message);
        }
        for key in ["error", "time"] {
            if let Some(node) = document.at_path(&format!("benchmark.{key}"))
                && self.is_counted()
            {
                let message = format!(
                    "benchmark.{key} is {node}, expected none where a number of batches or rounds \
                     is measured"
                );
                mistakes.add(&node.at, message);
            }
        }
    }

    /// Whether a number of batches or rounds is given.
    const fn is_counted(&self) -> bool {
        self.batches.is_some()
            || self.rounds.is_some()
            || self.max_rounds.is_some()
            || self.spread.is_some()
    }

    /// As the scheduler has it.
    pub(crate) fn rule(&self) -> BenchmarkRule {
        let usual = BenchmarkRule::DEFAULT;
        let ppm = |ratio: Ratio| u32::try_from(ratio.micros()).unwrap_or(u32::MAX);
        let rounds = self.rounds.unwrap_or(ROUNDS);
        let until = Until {
            error_ppm: self.error.map_or(Until::DEFAULT.error_ppm, ppm),
            most: self.time.unwrap_or(Until::DEFAULT.most),
        };
        BenchmarkRule {
            batches: self.batches.unwrap_or(usual.batches),
            rounds,
            max_rounds: self.max_rounds.unwrap_or(usual.max_rounds.max(rounds)),
            spread_ppm: self.spread.map_or(usual.spread_ppm, ppm),
            limit: self.limit,
            until: (!self.is_counted()).then_some(until),
        }
    }
}

keys! {
    /// How long the scheduler waits.
    for Waits in "waits" {
        /// Time for the expected workers to join.
        gather: Span => default("\"1 min\"");
        /// Time for the allocator's answer.
        solve: Span => default("\"1 min\"");
        /// Time for the data to reach the workers.
        ship: Span => default("\"10 min\"");
        /// Time that a run may be paused between two cycles, waiting for workers.
        pause: Span => default("\"1 min\"");
        /// Time after the end of a cycle for late results. More than 0 lets a run break its limit.
        grace: Span => default("\"0 s\"");
        /// Time for averaging after the end of a cycle.
        aggregation: Span => default("\"1 s\"").within(1, LONGEST);
    }
}

/// Bytes of a sample of the thesis: 784 features and a label, as 32-bit floats.
const SAMPLE_BYTES: u64 = 785 * 4;

keys! {
    /// The sizes and times of the model. The defaults are those of the thesis: its
    /// 784-200-200-10 network.
    pub struct Model in "model" {
        /// Size of the parameters as 32-bit floats; training.wire may send fewer bytes.
        parameters: Bytes => default("\"796840 B\"");
        /// Size of a batch of data. The default is 3140 bytes for each sample.
        batch: Bytes => default("\"100480 B\"");
        /// Time of evaluating the model once.
        evaluation: Span => default("\"0 s\"");
        /// Whether the next cycle waits for the evaluation, as in the thesis.
        evaluation_waits: bool => default("false");
        /// Time of averaging the parameters of a cycle. A real run measures it.
        aggregation: Span => default("\"0 s\"");
        /// Time that a cycle's limit leaves for averaging and late transfers beyond what they are expected
        /// to take. It is in no prediction. A real run sets it by what it measures.
        aggregation_slack: Span => default("\"0 s\"");
    }
}

impl Model {
    /// What the orchestrator itself is expected to take at the end of a cycle.
    pub fn own(&self) -> Span {
        match self.evaluation_waits {
            true => self.aggregation + self.evaluation,
            false => self.aggregation,
        }
    }

    /// Settles the size of a batch, whose default follows from the number of samples.
    pub(crate) fn settle(&mut self, document: &Node, samples: u64) {
        if document.at_path("model.batch").is_none() {
            let bytes = samples.saturating_mul(SAMPLE_BYTES);
            self.batch = Bytes::from_base(bytes.min(<Bytes as Quantity>::RANGE.1));
        }
    }
}

keys! {
    /// The orchestrator's own connection, which all workers share.
    pub struct SharedLink in "link" {
        /// Rate to the workers.
        down: BitRate => default("\"1 Gbit/s\"");
        /// Rate from the workers.
        up: BitRate => default("\"1 Gbit/s\"");
        /// How it serves the transfers of a cycle. "shared": all at once. "ordered": one after the other, the
        /// worker that computes longest first, and each result in a time slot of its own, so that a plan
        /// leaves about half as much time for the link; workers whose own connection is slower are served
        /// together, after the others. Where data travels in every cycle, "ordered" means "shared".
        /// "last-first": one after the other, the last of the list first, with the capacities of
        /// "shared", as the thesis program did.
        service: LinkService => default("\"shared\"").flag("link-service");
    }
}

keys! {
    /// What workers are paid.
    pub struct Fees in "fees" {
        /// How fees are set. "linear": 1, 2, 3, … in the order of the workers. "random": a whole
        /// number from 1 to 20 for each. "declared", which is the default when a worker has a fee or a
        /// price of its time: what each worker asks for.
        kind as "type": FeeType => default("\"constant\"").variable("FEE_TYPE").flag("fee-type");
        /// Fee of every worker, when fees are constant.
        fee: Option<Fee> => default("1");
        /// Fees in the order of the workers, when they are specific.
        fees: Option<Vec<Fee>> => example("[14, 5.8]").variable("FEES").flag("fees");
        /// Fee of those that have none of their own, when fees are specific or declared. It must
        /// be given if there are fewer specific fees than workers.
        default_fee: Option<Fee> => default("1").variable("DEFAULT_FEE").flag("default-fee");
        /// Price of a kilowatt-hour of the power that workers draw.
        energy: Fee => default("0").within(0, 10_000_000_000);
    }
}

/// How fees are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeeType {
    /// The same for all.
    Constant,
    /// 1, 2, 3, … in the order of the workers.
    Linear,
    /// A whole number from 1 to 20 for each, both included.
    Random,
    /// A list in the order of the workers.
    Specific,
    /// What each worker asks for.
    Declared,
}

choices! {
    FeeType {
        "constant" => Constant,
        "linear" => Linear,
        "random" => Random,
        "specific" => Specific,
        "declared" => Declared,
    }
}

impl FeeType {
    /// As a scenario has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Linear => "linear",
            Self::Random => "random",
            Self::Specific => "specific",
            Self::Declared => "declared",
        }
    }
}

impl Fees {
    /// What the worker at a place, from 0, is paid for a batch. `declared` is what it asks for
    /// itself, which counts only when fees are declared.
    pub fn of(&self, place: usize, declared: Option<Fee>, streams: WorkerStreams) -> Fee {
        let units = |units: u64| Fee::from_micros(units * 1_000_000).unwrap_or(Fee::MAX);
        let default = self.default_fee.unwrap_or(units(1));
        match self.kind {
            FeeType::Constant => self.fee.unwrap_or(units(1)),
            FeeType::Linear => units(place as u64 + 1),
            FeeType::Random => units(streams.draws(Purpose::Fee, 0).between(1, 20)),
            FeeType::Specific => {
                let fees = self.fees.as_deref().unwrap_or_default();
                fees.get(place).copied().unwrap_or(default)
            }
            FeeType::Declared => declared.unwrap_or(default),
        }
    }

    /// Settles the type, whose default depends on whether any worker has a fee.
    pub(crate) fn settle_type(&mut self, document: &Node) {
        if document.at_path("fees.type").is_none() && any_fee(document) {
            self.kind = FeeType::Declared;
        }
    }

    /// Notes the keys that have no meaning with the type, and a list that does not fit.
    pub(crate) fn settle(&mut self, document: &Node, workers: usize, mistakes: &Mistakes) {
        let kind = self.kind;
        let given = |key: &str| document.get("fees").and_then(|fees| fees.get(key));
        for (key, kinds) in [
            ("fee", &[FeeType::Constant][..]),
            ("fees", &[FeeType::Specific]),
            ("default_fee", &[FeeType::Specific, FeeType::Declared]),
        ] {
            if kinds.contains(&kind) {
                continue;
            }
            if let Some(node) = given(key) {
                let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
                let message = format!(
                    "fees.{key} has no meaning with fees.type = \"{}\", expected {} with it",
                    kind.name(),
                    listed(&names)
                );
                mistakes.add(&node.at, message);
            }
            match key {
                "fee" => self.fee = None,
                "fees" => self.fees = None,
                _ => self.default_fee = None,
            }
        }
        if kind != FeeType::Specific {
            return;
        }
        let count = self.fees.as_ref().map_or(0, Vec::len);
        let message = match given("fees") {
            None => "fees.fees is missing, expected a list such as [14, 5.8]".to_owned(),
            Some(_) if count < workers && given("default_fee").is_none() => format!(
                "fees.fees has {count} fees for {workers} workers, expected one for each, or \
                 fees.default_fee for the others"
            ),
            Some(_) => return,
        };
        let node = given("fees").or(document.get("fees")).unwrap_or(document);
        mistakes.add(&node.at, message);
    }
}

/// Keys of workers with which fees are declared.
const DECLARED_BY: [&str; 4] = ["fee", "per_hour", "per_hour_employed", "power"];

/// Whether any worker of a document has a fee, or is paid for its time.
pub(crate) fn any_fee(document: &Node) -> bool {
    let workers = document.get("workers").map_or(&[][..], Node::items);
    let mut all = workers.iter().chain(document.get("fleet"));
    all.any(|node| DECLARED_BY.iter().any(|key| node.get(key).is_some()))
}

keys! {
    /// The random draws.
    pub struct Run in "run" {
        /// Seed of all random draws.
        seed: u64 => default("1").within(0, i64::MAX as u64).flag("seed");
        /// Number of simulated runs, each with other draws.
        replicates: u32 => default("1").within(1, 1_000_000);
    }
}
