//! `[job]`, `[benchmark]`, `[waits]`, `[model]`, `[link]`, `[fees]` and `[run]`.

use serde::{Deserialize, Serialize};

use scheduler::machine::{Billing, Limit, MAX_CYCLES, Partial, Replan, Waits};
use scheduler::{
    BenchmarkRule, CapacityModel, Fee, MAX_BATCHES, MAX_N, MAX_PASSES, MAX_ROUNDS, MAX_WORKERS,
    Span,
};

use crate::scenario::drawn::Drawn;
use crate::scenario::read::{Item, Section};
use crate::scenario::unit::{BitRate, Bytes, Quantity, Ratio, parse};
use crate::scenario::worker::both_ways;

/// What is to be trained, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Batches in every cycle.
    pub batches: u64,
    /// Samples in a batch.
    pub batch_size: u64,
    /// How many cycles.
    pub cycles: u32,
    /// The time limit.
    pub limit: Limit,
    /// The least number of employed workers.
    pub beta: u64,
    /// The least batches of an employed worker.
    pub s_min: u64,
    /// Local passes in a cycle.
    pub tau: u32,
    /// The allocator's name; whoever knows the allocators looks it up.
    pub allocator: String,
    /// What capacities take into account.
    pub capacity: CapacityModel,
    /// The chance of an overrun that a capacity may have.
    pub risk: Ratio,
    /// Whether the plan is made again.
    pub replan: Replan,
    /// What becomes of a share that was not finished.
    pub partial: Partial,
    /// What is paid for.
    pub billing: Billing,
    /// Whether data travels in every cycle, or once.
    pub ships_each_cycle: bool,
    /// So many workers are waited for; `None` for all that are there from the beginning.
    pub expect: Option<u32>,
}

/// The sizes and times of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    /// The parameters.
    pub parameters: Bytes,
    /// One batch of data.
    pub batch: Bytes,
    /// Evaluating the model once.
    pub evaluation: Span,
    /// Whether the next cycle waits for the evaluation, as the seed's did.
    pub evaluation_waits: bool,
    /// Averaging the parameters of a cycle.
    pub aggregation: Span,
}

/// The orchestrator's own connection, which all workers share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedLink {
    /// To the workers.
    pub down: BitRate,
    /// From the workers.
    pub up: BitRate,
}

/// Who is paid what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fees {
    /// The same for all.
    Constant(Fee),
    /// 1, 2, 3, … in the order of the workers.
    Linear,
    /// A whole number from 1 to 20 for each, both included.
    Random,
    /// A list in the order of the workers, filled up with the default and cut off.
    Specific {
        /// The list.
        fees: Vec<Fee>,
        /// For those beyond it.
        default: Fee,
    },
    /// What each worker says.
    Declared {
        /// For those that say nothing.
        default: Fee,
    },
}

impl Fees {
    /// As a scenario has it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Constant(_) => "constant",
            Self::Linear => "linear",
            Self::Random => "random",
            Self::Specific { .. } => "specific",
            Self::Declared { .. } => "declared",
        }
    }
}

/// What only the real runner has a use for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Training {
    /// How weights are drawn at first.
    pub weights: Weights,
    /// Whether workers may use their GPU.
    pub allow_gpu: bool,
    /// Where results go.
    pub out: String,
}

/// How a network's weights are drawn at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Weights {
    /// By Glorot and Bengio.
    Xavier,
    /// By He and others.
    Kaiming,
    /// As orthogonal matrices.
    Orthogonal,
}

impl Weights {
    /// All of them, the default first.
    pub const ALL: [Self; 3] = [Self::Xavier, Self::Kaiming, Self::Orthogonal];

    /// As a scenario has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xavier => "xavier",
            Self::Kaiming => "kaiming",
            Self::Orthogonal => "orthogonal",
        }
    }
}

/// What is drawn how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The seed of all draws.
    pub seed: u64,
    /// How many times it is run with other draws.
    pub replicates: u32,
}

/// The shortest time limit.
const MIN_LIMIT: u64 = 1_000;

const ONE_FEE: Fee = match Fee::from_micros(1_000_000) {
    Some(fee) => fee,
    None => Fee::MAX,
};

fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

pub(crate) fn job(root: &mut Section<'_>) -> Option<Job> {
    let mut job = root.require("job", "a table [job]")?.section()?;
    let mut whole = |key, default: u64, least, most| {
        job.take(key)
            .map_or(Some(default), |item| item.whole(least, most))
    };
    let batch_size = whole("batch_size", BATCH_SIZE, 1, MAX_BATCHES);
    let beta = whole("beta", 1, 0, MAX_BATCHES);
    let s_min = whole("s_min", 10, 0, MAX_BATCHES);
    let cycles = whole("cycles", 10, 1, MAX_CYCLES.into()).map(narrow);
    let tau = whole("tau", 1, 1, MAX_PASSES.into()).map(narrow);
    let batches = job.require("batches", "how many are trained in a cycle, such as 1875");
    let batches = batches.and_then(|item| item.whole(1, MAX_N));
    let limit = limit(&mut job);
    let allocator = match job.take("allocator") {
        None => Some("exact".to_owned()),
        Some(item) => match item.text() {
            Some(name)
                if !name.is_empty() && name.len() <= 64 && !name.contains(char::is_control) =>
            {
                Some(name.to_owned())
            }
            _ => item.expected("an allocator's name such as \"exact\""),
        },
    };
    let capacity = choice(
        &mut job,
        "capacity",
        &[
            ("full", CapacityModel::Full),
            ("compute-only", CapacityModel::ComputeOnly),
        ],
    );
    let risk = match job.take("risk") {
        None => Some(Ratio::from_base(50_000)),
        Some(item) => item.within(100, 999_900),
    };
    let replan = choice(
        &mut job,
        "replan",
        &[("adaptive", Replan::Adaptive), ("static", Replan::Static)],
    );
    let partial = choice(
        &mut job,
        "partial",
        &[("accept", Partial::Accept), ("discard", Partial::Discard)],
    );
    let billing = choice(
        &mut job,
        "billing",
        &[
            ("assigned", Billing::Assigned),
            ("computed", Billing::Computed),
        ],
    );
    let ship = choice(&mut job, "ship", &[("once", false), ("each-cycle", true)]);
    let expect = job.take("expect").map_or(Some(None), |item| {
        item.or_word("all", |item| item.whole(1, MAX_WORKERS as u64).map(narrow))
    });
    job.finish();
    Some(Job {
        batches: batches?,
        batch_size: batch_size?,
        cycles: cycles?,
        limit: limit?,
        beta: beta?,
        s_min: s_min?,
        tau: tau?,
        allocator: allocator?,
        capacity: capacity?,
        risk: risk?,
        replan: replan?,
        partial: partial?,
        billing: billing?,
        ships_each_cycle: ship?,
        expect: expect?,
    })
}

/// One of several names, the first when nothing is said.
fn choice<T: Copy>(
    section: &mut Section<'_>,
    key: &'static str,
    choices: &[(&str, T)],
) -> Option<T> {
    let default = choices.first().map(|(_, value)| *value);
    section
        .take(key)
        .map_or(default, |item| item.choice(choices))
}

fn limit(job: &mut Section<'_>) -> Option<Limit> {
    let most = Span::RANGE.1;
    let (max, cycle) = (job.take("max_time"), job.take("cycle_time"));
    let counts = job.take("counts_setup");
    let counts_setup = counts.as_ref().map_or(Some(false), Item::bool);
    match (max, cycle) {
        (Some(max), None) => {
            let max_time = max.within(MIN_LIMIT, most)?;
            Some(Limit::Job {
                max_time,
                counts_setup: counts_setup?,
            })
        }
        (None, Some(cycle)) => {
            if counts_setup? {
                let item = counts?;
                return item.expected("false with cycle_time, which knows no set-up");
            }
            Some(Limit::Cycle(cycle.within(MIN_LIMIT, most)?))
        }
        (Some(max), Some(cycle)) => {
            let message = format!(
                "{} and {} are both given, expected one of them",
                max.path, cycle.path
            );
            cycle.faults.add(&cycle.node.at, message);
            None
        }
        (None, None) => {
            job.fault(
                "job.max_time is missing, expected it or job.cycle_time, such as \"30 s\""
                    .to_owned(),
            );
            None
        }
    }
}

/// A section that may be left out is an empty one.
macro_rules! section {
    ($root:ident, $name:literal, |$section:ident| $read:expr, $default:expr) => {
        match $root.take($name) {
            None => Some($default),
            Some(item) => item.section().and_then(|mut $section| {
                let read = $read;
                $section.finish();
                read
            }),
        }
    };
}

pub(crate) fn benchmark(root: &mut Section<'_>) -> Option<BenchmarkRule> {
    let default = BenchmarkRule::DEFAULT;
    section!(
        root,
        "benchmark",
        |section| {
            let mut whole = |key, default: u64, most| {
                section
                    .take(key)
                    .map_or(Some(default), |item| item.whole(1, most))
            };
            let batches = whole("batches", default.batches, MAX_BATCHES);
            let rounds = whole("rounds", default.rounds.into(), MAX_ROUNDS.into());
            let max = section
                .take("max_rounds")
                .map(|item| (item.whole(1, MAX_ROUNDS.into()), item));
            let spread = section
                .take("spread")
                .map_or(Some(Ratio::from_base(default.spread_ppm.into())), |item| {
                    item.within(0, 1_000_000)
                });
            let limit = section
                .take("limit")
                .map_or(Some(default.limit), |item| item.within(1, Span::RANGE.1));
            let rounds = rounds?;
            let max_rounds = match max {
                None => rounds.max(default.max_rounds.into()),
                Some((Some(most), _)) if most >= rounds => most,
                Some((Some(_), item)) => {
                    return item.expected(&format!("at least benchmark.rounds, which is {rounds}"));
                }
                Some((None, _)) => return None,
            };
            Some(BenchmarkRule {
                batches: batches?,
                rounds: rounds as u8,         // at most MAX_ROUNDS
                max_rounds: max_rounds as u8, // at most MAX_ROUNDS
                spread_ppm: narrow(spread?.micros()),
                limit: limit?,
            })
        },
        default
    )
}

pub(crate) fn waits(root: &mut Section<'_>) -> Option<Waits> {
    let default = Waits::DEFAULT;
    section!(
        root,
        "waits",
        |section| {
            let mut time = |key, default, least| {
                section
                    .take(key)
                    .map_or(Some(default), |item| item.within(least, Span::RANGE.1))
            };
            let waits = (
                time("gather", default.gather, 0),
                time("solve", default.solve, 0),
                time("ship", default.ship, 0),
                time("pause", default.pause, 0),
                time("grace", default.grace, 0),
                time("aggregation", default.aggregation, 1),
            );
            Some(Waits {
                gather: waits.0?,
                solve: waits.1?,
                ship: waits.2?,
                pause: waits.3?,
                grace: waits.4?,
                aggregation: waits.5?,
            })
        },
        default
    )
}

/// Samples in a batch, if nobody says.
const BATCH_SIZE: u64 = 32;

/// A sample of the seed's: 784 features and a label, as 32-bit floats.
const SAMPLE_BYTES: u64 = 785 * 4;

/// The size of a batch follows the samples in it, unless it is stated.
pub(crate) fn model(root: &mut Section<'_>, batch_size: Option<u64>) -> Option<Model> {
    let samples = batch_size.unwrap_or(BATCH_SIZE);
    let batch = samples.saturating_mul(SAMPLE_BYTES);
    // The seed's 784-200-200-10 network.
    let default = Model {
        parameters: Bytes::from_base(796_840),
        batch: Bytes::from_base(batch.clamp(Bytes::RANGE.0, Bytes::RANGE.1)),
        evaluation: Span::ZERO,
        evaluation_waits: false,
        aggregation: Span::ZERO,
    };
    section!(
        root,
        "model",
        |section| {
            let parameters = section
                .take("parameters")
                .map_or(Some(default.parameters), |i| i.quantity());
            let batch = section
                .take("batch")
                .map_or(Some(default.batch), |i| i.quantity());
            let evaluation = section
                .take("evaluation")
                .map_or(Some(Span::ZERO), |i| i.quantity());
            let waits = section
                .take("evaluation_waits")
                .map_or(Some(false), |i| i.bool());
            let aggregation = section
                .take("aggregation")
                .map_or(Some(Span::ZERO), |i| i.quantity());
            Some(Model {
                parameters: parameters?,
                batch: batch?,
                evaluation: evaluation?,
                evaluation_waits: waits?,
                aggregation: aggregation?,
            })
        },
        default
    )
}

pub(crate) fn link(root: &mut Section<'_>) -> Option<SharedLink> {
    let rate = parse::<BitRate>("1 Gbit/s").ok()?;
    let default = SharedLink {
        down: rate,
        up: rate,
    };
    section!(
        root,
        "link",
        |section| {
            let said = ["bandwidth", "down", "up"].map(|key| section.has(key));
            let (down, up) = both_ways(&mut section);
            let fixed = |drawn: Option<Drawn<BitRate>>, said: bool| match drawn {
                Some(Drawn::Fixed(rate)) => Some(rate),
                None if !said => Some(rate),
                None => None,
                Some(_) => {
                    section.fault("link is drawn from a distribution, expected a rate".to_owned());
                    None
                }
            };
            Some(SharedLink {
                down: fixed(down, said[0] || said[1])?,
                up: fixed(up, said[0] || said[2])?,
            })
        },
        default
    )
}

/// Fees are declared when nothing is said but a worker has one.
pub(crate) fn fees(root: &mut Section<'_>, any_declared: bool) -> Option<Fees> {
    let default = if any_declared {
        Fees::Declared { default: ONE_FEE }
    } else {
        Fees::Constant(ONE_FEE)
    };
    section!(
        root,
        "fees",
        |section| {
            let kinds = ["constant", "linear", "random", "specific", "declared"];
            let kinds: Vec<_> = kinds
                .iter()
                .enumerate()
                .map(|(at, name)| (*name, at))
                .collect();
            let kind = section.require("type", "constant, linear, random, specific or declared");
            let kind = kind?.choice(&kinds)?;
            let mut fee = |key| {
                section
                    .take(key)
                    .map_or(Some(ONE_FEE), |item| item.quantity())
            };
            match kind {
                0 => fee("fee").map(Fees::Constant),
                1 => Some(Fees::Linear),
                2 => Some(Fees::Random),
                3 => {
                    let default = fee("default_fee");
                    let fees = section
                        .require("fees", "a list such as [14, 5.8]")?
                        .list()?;
                    let fees: Vec<_> = fees.iter().map(Item::quantity).collect();
                    Some(Fees::Specific {
                        fees: fees.into_iter().collect::<Option<_>>()?,
                        default: default?,
                    })
                }
                _ => Some(Fees::Declared {
                    default: fee("default_fee")?,
                }),
            }
        },
        default
    )
}

pub(crate) fn run(root: &mut Section<'_>) -> Option<Run> {
    let default = Run {
        seed: 1,
        replicates: 1,
    };
    section!(
        root,
        "run",
        |section| {
            // TOML's own integers end there.
            let most = i64::MAX as u64;
            let seed = section
                .take("seed")
                .map_or(Some(1), |item| item.whole(0, most));
            let replicates = section.take("replicates");
            let replicates = replicates.map_or(Some(1), |item| item.whole(1, 1_000_000));
            Some(Run {
                seed: seed?,
                replicates: narrow(replicates?),
            })
        },
        default
    )
}

pub(crate) fn training(root: &mut Section<'_>) -> Option<Training> {
    let default = Training {
        weights: Weights::Xavier,
        allow_gpu: true,
        out: "logs".to_owned(),
    };
    section!(
        root,
        "training",
        |section| {
            let names = Weights::ALL.map(|weights| (weights.name(), weights));
            let weights = choice(&mut section, "weights", &names);
            let allow_gpu = section
                .take("allow_gpu")
                .map_or(Some(true), |item| item.bool());
            let out = section
                .take("out")
                .map_or(Some(default.out), |item| match item.text() {
                    Some(out) if !out.is_empty() && !out.contains(char::is_control) => {
                        Some(out.to_owned())
                    }
                    _ => item.expected("the name of a folder such as \"logs\""),
                });
            Some(Training {
                weights: weights?,
                allow_gpu: allow_gpu?,
                out: out?,
            })
        },
        default
    )
}
