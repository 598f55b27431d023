//! What is simulated or run, as one file says it.
//!
//! A scenario is a TOML file. Reading it gives a [`Scenario`], whose numbers all lie within their
//! bounds, or every mistake that was found, each on a line of its own with the file, the line and
//! what was expected. Nothing downstream checks again.
//!
//! Quantities are texts with a unit (`"30 s"`, `"7.3 MB/s"`), never bare numbers with the unit in
//! the key; fees, ratios and counts are plain numbers. All are read as decimals into integers.
//! A quantity of a worker may be a distribution instead: `{ dist = "lognormal", median = …, sigma
//! = … }`, `gamma` (mean, shape), `exponential` (mean) or `uniform` (low, high).
//!
//! What `[[workers]]` leave open comes from their device, then from `[fleet]`, then from
//! `[fleet]`'s device. `[fleet]` with a count makes workers of its own.
//!
//! This has every key with its default, or an example where there is none:
//!
//! ```
//! # let text = r#"
//! [job]
//! batches = 1875              # in each cycle; no default
//! max_time = "60 s"           # for all cycles, or cycle_time for each; no default
//! counts_setup = false        # whether max_time counts joining, benchmarks, planning, shipping
//! batch_size = 32             # samples; a speed is in batches of this size, whatever it is
//! cycles = 10
//! beta = 1                    # the least number of employed workers
//! s_min = 10                  # the least batches of an employed worker
//! tau = 1                     # local passes in a cycle
//! allocator = "exact"         # looked up by whoever knows the allocators
//! capacity = "full"           # or compute-only, as the seed
//! risk = 0.05                 # chance that a worker at its capacity overruns
//! replan = "adaptive"         # or static, as the seed
//! partial = "accept"          # or discard: unfinished shares count for nothing
//! billing = "assigned"        # as the seed, or computed
//! ship = "once"               # or each-cycle
//! expect = "all"              # workers to wait for
//!
//! [benchmark]
//! batches = 100
//! rounds = 3
//! max_rounds = 5
//! spread = 0.15               # rounds that differ by less agree
//! limit = "1 min"
//!
//! [waits]
//! gather = "1 min"
//! solve = "1 min"
//! ship = "10 min"
//! pause = "1 min"
//! grace = "0 s"               # for late results; more lets a run break its limit
//! aggregation = "1 s"
//!
//! [model]                     # the seed's 784-200-200-10 network
//! parameters = "796840 B"
//! batch = "100480 B"          # if not stated, 3140 bytes for each sample of a batch
//! evaluation = "0 s"
//! evaluation_waits = false    # whether the next cycle waits for it, as the seed's did
//! aggregation = "0 s"
//!
//! [link]                      # the orchestrator's, shared by all
//! down = "1 Gbit/s"           # to the workers; bandwidth says both
//! up = "1 Gbit/s"
//!
//! [fees]                      # linear and random have no keys; specific: fees, default_fee;
//! type = "constant"           # declared: default_fee, and each worker's fee
//! fee = 1
//!
//! [run]
//! seed = 1
//! replicates = 1
//!
//! [training]                  # the real runner's; simulations have no use for it
//! weights = "xavier"          # how they are drawn at first; or kaiming, orthogonal
//! allow_gpu = true
//! out = "logs"                # where results go
//!
//! [fleet]                     # what holds for all workers, the keys of [[workers]]
//! device = "desktop"          # no default
//!
//! [[workers]]
//! name = "pc1"                # no default; of many: pc1-1, pc1-2, …
//! count = 1
//! speed = "500 batches/s"     # no default
//! jitter = "none"             # or { dist = "lognormal", sigma = … }, or gamma with a shape
//! drift = 0                   # sigma of each cycle's step of a random walk of the log of time
//! benchmark_error = "none"    # or { bias = …, sigma = …, cold = …, cold_mean = … }
//! memory = "unlimited"
//! down = "1 Gbit/s"           # its own; bandwidth says both
//! up = "1 Gbit/s"
//! latency = "0 s"             # one way
//! shipping = "unlimited"      # or the most batches a second that it takes in
//! least_fee = 0               # it refuses to work for less
//! joins = "0 s"
//!
//! [faults]                    # means of exponential times, for each worker by itself
//! dropout_every = "never"
//! return_after = "never"
//! stall_every = "never"
//! stall_for = "1 s"
//! slowdown_every = "never"
//! slowdown_for = "never"      # never ends
//! slowdown_factor = 1
//! trace = [                   # what happens at stated times as well
//!     { at = "20 s", worker = "pc1", what = "slowdown", factor = 4, for = "5 s" },
//!     { at = "30 s", worker = "pc1", what = "stall", for = "2 s" },
//!     { at = "40 s", worker = "pc1", what = "dropout" },
//!     { at = "50 s", worker = "pc1", what = "return" },
//! ]
//! # "#;
//! # let read = |text: &str| {
//! #     scenarios::Scenario::parse("doc.toml", text, &scenarios::Overrides::NONE)
//! #         .unwrap_or_else(|errors| panic!("{errors}"))
//! # };
//! # let trace = text.find("trace = [").expect("it is there");
//! # let all = read(&text[..trace].replace("device", "#"));
//! # let least = read(
//! #     "[job]\nbatches = 1875\nmax_time = '60 s'\n\
//! #      [[workers]]\nname = 'pc1'\nspeed = '500 batches/s'",
//! # );
//! # assert_eq!(all, least, "the defaults are those");
//! # read(text);
//! ```

mod device;
mod drawn;
mod errors;
mod faults;
mod fleet;
mod job;
mod margins;
mod overrides;
mod provenance;
mod read;
mod streams;
mod tree;
mod unit;
mod worker;
mod write;

#[cfg(test)]
mod tests;

use std::fmt;

use scheduler::machine::{Config, Waits};
use scheduler::{BenchmarkRule, CycleModel, MAX_WORKERS, Span, TimeModel};

pub use device::{DEVICES, Device};
pub use drawn::Drawn;
pub use errors::{BenchmarkError, Errors, Jitter};
pub use faults::{Trouble, Troubles, What};
pub use fleet::WorkerSpec;
pub use job::{Fees, Job, Model, Run, SharedLink, Training, Weights};
pub use overrides::{OverrideError, Overrides, Vary};
pub use provenance::{Given, Provenance};
pub use streams::{Purpose, WorkerStreams};
pub(crate) use tree::shown;
pub use unit::{BatchRate, BitRate, Bytes, Ratio};
pub use worker::Group;

use read::{Faults, Item};
use tree::{Node, Origin};

/// A job, the workers that may do it, and what goes wrong: valid throughout.
///
/// It prints as TOML with every value, the defaults too, that reads back as the same scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    job: Job,
    benchmark: BenchmarkRule,
    waits: Waits,
    model: Model,
    link: SharedLink,
    fees: Fees,
    run: Run,
    training: Training,
    faults: Troubles,
    groups: Vec<Group>,
}

/// All that is wrong with a scenario, a line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ScenarioErrors(Vec<String>);

impl ScenarioErrors {
    /// The lines: `FILE:LINE: what is wrong, expected …`, or `--set KEY=VALUE: …`.
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for ScenarioErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl Scenario {
    /// Reads the text of a scenario file, with overrides put in before. `file` is only for
    /// messages.
    ///
    /// # Errors
    /// All mistakes that were found.
    pub fn parse(file: &str, text: &str, overrides: &Overrides) -> Result<Self, ScenarioErrors> {
        Self::read(file, text, overrides).map(|(scenario, _)| scenario)
    }

    /// Does the same, and tells where its values came from.
    ///
    /// # Errors
    /// All mistakes that were found.
    pub fn read(
        file: &str,
        text: &str,
        overrides: &Overrides,
    ) -> Result<(Self, Provenance), ScenarioErrors> {
        let told = |faults: Vec<(Origin, String)>| {
            let line = |(at, message): (Origin, String)| match at {
                Origin::Line(line) => format!("{file}:{line}: {message}"),
                Origin::Set(set) => format!("{set}: {message}"),
            };
            ScenarioErrors(faults.into_iter().map(line).collect())
        };
        let mut document = Node::document(text).map_err(told)?;
        let unused = overrides.apply(&mut document).map_err(told)?;
        let faults = Faults::default();
        let scenario = read_document(&document, &faults);
        let mut found = faults.into_inner();
        match scenario {
            Some(scenario) if found.is_empty() => {
                let given = provenance::given(file, &document, overrides);
                Ok((scenario, Provenance { given, unused }))
            }
            _ => {
                found.sort_by_key(|(at, _)| match at {
                    Origin::Set(_) => 0,
                    Origin::Line(line) => *line,
                });
                Err(told(found))
            }
        }
    }

    /// What is to be trained, and how.
    pub const fn job(&self) -> &Job {
        &self.job
    }

    /// How workers are benchmarked.
    pub const fn benchmark(&self) -> &BenchmarkRule {
        &self.benchmark
    }

    /// How long is waited, for what.
    pub const fn waits(&self) -> &Waits {
        &self.waits
    }

    /// The sizes and times of the model.
    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// The orchestrator's connection.
    pub const fn link(&self) -> &SharedLink {
        &self.link
    }

    /// What a cycle takes besides computing, over the links that the scenario states. `own` is
    /// what the orchestrator itself needs at the end of a cycle.
    pub fn cycle_model(&self, own: Span) -> CycleModel {
        CycleModel {
            evaluation: own,
            down: self.link.down.time_for(self.model.parameters),
            up: self.link.up.time_for(self.model.parameters),
        }
    }

    /// Who is paid what.
    pub const fn fees(&self) -> &Fees {
        &self.fees
    }

    /// The seed and the number of replicates.
    pub const fn run(&self) -> Run {
        self.run
    }

    /// What only the real runner has a use for.
    pub const fn training(&self) -> &Training {
        &self.training
    }

    /// What goes wrong.
    pub const fn faults(&self) -> &Troubles {
        &self.faults
    }

    /// The workers as they are described; at least one. [`Scenario::fleet`] draws them.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The scheduler's configuration. It passes [`Config::check`].
    ///
    /// Working out the margins of an uncertain fleet takes tens of milliseconds: make it once and
    /// clone it for replicates.
    pub fn config(&self) -> Config {
        let (job, model) = (&self.job, &self.model);
        let evaluation = if model.evaluation_waits {
            model.evaluation
        } else {
            Span::ZERO
        };
        let time_model = TimeModel {
            capacity: job.capacity,
            passes: job.tau,
            own: model.aggregation + evaluation,
            shared: self.link.down.time_for(model.parameters)
                + self.link.up.time_for(model.parameters),
            shared_ship: self.link.down.time_for(model.batch),
            ships_each_cycle: job.ships_each_cycle,
        };
        let expect = job.expect.map_or_else(|| self.here_at_once(), u64::from);
        Config {
            s_min: job.s_min,
            beta: job.beta,
            time_model,
            margins: margins::margins(self),
            replan: job.replan,
            partial: job.partial,
            billing: job.billing,
            benchmark: self.benchmark,
            expect: u32::try_from(expect.max(1)).unwrap_or(u32::MAX),
            max_workers: MAX_WORKERS as u32, // a million
            waits: self.waits,
            ..Config::new(job.batches, job.cycles, job.limit)
        }
    }

    fn here_at_once(&self) -> u64 {
        let here = self
            .groups
            .iter()
            .filter(|group| group.joins == Drawn::Fixed(Span::ZERO));
        here.map(|group| group.count).sum()
    }
}

/// Reads all sections, whatever is wrong with any of them.
fn read_document(document: &Node, faults: &Faults) -> Option<Scenario> {
    let item = Item {
        node: document,
        path: String::new(),
        faults,
    };
    let mut root = item.section()?;
    let job = job::job(&mut root);
    let batch_size = job.as_ref().map(|job| job.batch_size);
    let (model, link) = (job::model(&mut root, batch_size), job::link(&mut root));
    let (benchmark, waits) = (job::benchmark(&mut root), job::waits(&mut root));
    let (fees, run) = (job::fees(&mut root, any_fee(document)), job::run(&mut root));
    let training = job::training(&mut root);
    // Bad fees are told once, not for every worker.
    let declared = matches!(fees, None | Some(Fees::Declared { .. }));
    let workers = worker::read(&mut root, declared);
    let faults = faults::read(&mut root, &workers.names);
    root.finish();
    Some(Scenario {
        job: job?,
        benchmark: benchmark?,
        waits: waits?,
        model: model?,
        link: link?,
        fees: fees?,
        run: run?,
        training: training?,
        faults: faults?,
        groups: workers.groups,
    })
}

/// Whether any worker declares a fee.
fn any_fee(document: &Node) -> bool {
    let workers = document.get("workers").map_or(&[][..], Node::items);
    let fleet = document.get("fleet").into_iter();
    workers
        .iter()
        .chain(fleet)
        .any(|node| node.get("fee").is_some())
}
