//! What is to be run: the scenario with all that the command line, the environment and `.env` say,
//! and what the data and the model add to it.
//!
//! **What it does not know:** how it is run.

use std::fs;
use std::path::Path;

use console::{Exit, Stop};
use scenarios::scenario::Provenance;
use scenarios::settings::resolve;
use scenarios::{Outside, Overrides, Scenario};
use scheduler::machine::{Config, Limit, Replan};
use scheduler::{Margins, Span};

use crate::cli::ClusterArgs;
use crate::data::{BatchShape, DataAt};
use crate::model::{ModelKind, ModelSpec, TrainingOptions};
use crate::net::{NetError, loopback};
use crate::protocol::PLACE_BYTES;
use crate::train::DeviceChoice;
use crate::trainer::Described;

/// What is assumed of workers' errors when a scenario says nothing of them: benchmarks of short
/// rounds, and jitter of a shared machine.
const ASSUMED_ERRORS: &str = "{ benchmark = 0.08, jitter = 0.05 }";

/// The words by which limits of no origin are named.
const USUAL: &str = "the usual";

/// Bytes by which loopback is measured: fewer would tell of round trips, more would take long.
const LEAST_PROBE: usize = 64 * 1024;
const MOST_PROBE: usize = 4 * 1024 * 1024;

/// The workers of a run without a scenario.
fn usual(local: Option<u32>) -> String {
    let (name, count) = match local {
        Some(count) => ("local", count),
        None => ("worker", 1),
    };
    format!(
        "[job]\n[[workers]]\nname = \"{name}\"\ncount = {count}\n\
         speed = \"1 batches/s\" # it is measured\n"
    )
}

/// The text of a scenario, before anything is set in it.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// As messages have it.
    pub(crate) file: String,
    pub(crate) text: String,
}

impl Source {
    /// A file's, else one of the catalogue, else the usual one.
    pub(crate) fn open(args: &ClusterArgs) -> Result<Self, Stop> {
        let Some(name) = &args.scenario else {
            return Ok(Self {
                file: "no scenario".to_owned(),
                text: usual(args.local),
            });
        };
        match (fs::read_to_string(name), scenarios::named(name)) {
            (Ok(text), _) => Ok(Self {
                file: name.clone(),
                text,
            }),
            (Err(_), Some(entry)) => Ok(Self {
                file: format!("{}.toml", entry.name),
                text: entry.text.to_owned(),
            }),
            (Err(error), None) => Err(Stop::new(
                Exit::BadInput,
                format!("cannot read {name}: {error}; expected a scenario file or the name of one"),
            )),
        }
    }
}

/// All that is given outside of the scenario.
pub(crate) fn said(args: &ClusterArgs) -> Result<Overrides, Stop> {
    let mut set = Overrides::parse(&args.set).map_err(|error| Stop::new(Exit::Usage, error))?;
    if let Some(seed) = args.seed {
        set = set.and("--seed", "run.seed", &seed.to_string());
    }
    if let Some(expect) = args.expect {
        set = set.and("--expect", "job.expect", &expect.to_string());
    }
    let outside = Outside::read(Path::new(""), |name| std::env::var_os(name)).map_err(Stop::bad)?;
    resolve(&set, &args.settings.0, &outside)
        .map_err(|lines| Stop::new(Exit::BadInput, lines.join("\nerror: ")))
}

/// What is to be run.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) scenario: Scenario,
    pub(crate) provenance: Provenance,
    pub(crate) config: Config,
    pub(crate) model: Described,
}

/// What the data says of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Material {
    pub(crate) shape: BatchShape,
    pub(crate) samples: usize,
}

impl Setting {
    /// Reads a scenario with what is said, and with what follows from the data and the model.
    pub(crate) async fn new(
        source: &Source,
        said: &Overrides,
        args: &ClusterArgs,
        kind: ModelKind,
        material: Material,
        has_plan: bool,
    ) -> Result<Self, Stop> {
        let lines = |errors: &scenarios::ScenarioErrors| errors.lines().join("\nerror: ");
        let bad = |errors| Stop::new(Exit::BadInput, lines(&errors));
        // Read once for the size of a batch, on which the sizes of everything else depend.
        let with = |batches: u64| {
            said.clone()
                .fallback(
                    format!("--data {}", args.data),
                    "job.batches",
                    &batches.to_string(),
                )
                .fallback(USUAL.to_owned(), "job.max_time", "\"30 s\"")
        };
        let (first, _) = Scenario::read(&source.file, &source.text, &with(1)).map_err(bad)?;
        let batch_size = u32::try_from(first.job().batch_size).unwrap_or(u32::MAX);
        let there = (material.samples as u64) / u64::from(batch_size);
        if there == 0 {
            return Err(Stop::bad(format!(
                "job.batch_size is {batch_size}, and {} has {} samples: expected a smaller one",
                args.data, material.samples
            )));
        }
        let shape = BatchShape {
            batch_size,
            ..material.shape
        };
        if kind != ModelKind::Program && shape.classes() == 0 {
            return Err(Stop::bad(format!(
                "{} has targets of {:?} {:?}, expected one class from 0 for each sample: the built-in \
                 models learn nothing else, name a program of your own with --trainer",
                args.data,
                shape.y.kind,
                shape.y.dimensions()
            )));
        }
        let spec = ModelSpec {
            kind,
            weights: first.training().weights,
            options: TrainingOptions::of(first.training()),
            shape,
        };
        let options = spec.options;
        if kind != ModelKind::Program && options.momentum.is_some() && options.optimizer.is_none() {
            return Err(Stop::bad(
                "training.momentum has no meaning with adam, expected training.optimizer = \"sgd\" \
                 with it",
            ));
        }
        let (seed, device) = (first.run().seed, args.device);
        let device = if first.training().allow_gpu {
            device
        } else {
            DeviceChoice::Cpu
        };
        let given = args.trainer.as_ref();
        let model = Described::of(spec, given, seed, device).map_err(Stop::bad)?;
        let sent = match args.data_at {
            DataAt::Orchestrator => shape.wire_len(),
            DataAt::Workers => PLACE_BYTES,
        };
        let mut sized = with(there)
            .and(
                "--model",
                "model.parameters",
                &format!("\"{} B\"", model.layout.wire_len()),
            )
            .and("--data", "model.batch", &format!("\"{sent} B\""));
        if is_alone(args) {
            // On a machine too busy to measure it, the usual link stands in.
            match loopback_rate(model.layout.wire_len()).await {
                Ok(rate) => {
                    for way in ["link.down", "link.up"] {
                        let rate = format!("\"{rate} bit/s\"");
                        sized = sized.fallback(USUAL.to_owned(), way, &rate);
                    }
                }
                Err(error) => tracing::warn!("loopback is not measured: {error}"),
            }
        }
        if !first.states_errors() {
            sized = sized.fallback(USUAL.to_owned(), "job.assumed_errors", ASSUMED_ERRORS);
        }
        let (scenario, provenance) =
            Scenario::read(&source.file, &source.text, &sized).map_err(bad)?;
        let job = scenario.job();
        if job.batches > there {
            return Err(Stop::bad(format!(
                "job.batches is {}, and {} has {there} batches of {batch_size}",
                job.batches, args.data
            )));
        }
        let mut config = scenario.config();
        // Others than those of the scenario may join.
        let groups = scenario.groups().iter().map(|group| group.count).sum();
        let local = args.local.unwrap_or(0).into();
        let workers = u64::from(config.expect).max(groups).max(local);
        if workers > groups {
            config.margins = scenario.margins(workers);
        }
        if has_plan {
            let mut given = provenance.given.iter();
            let is_said = given.any(|given| given.key == "job.replan");
            if is_said && args.plan.is_some() && config.replan == Replan::Adaptive {
                return Err(Stop::bad(
                    "job.replan is adaptive, expected static with --plan: the plan is run as it is",
                ));
            }
            config.replan = Replan::Static;
            // It is run if it can hold: nothing is planned that could leave time to spare.
            config.margins = Margins::NONE;
        }
        Ok(Self {
            provenance: shown(provenance),
            scenario,
            config,
            model,
        })
    }
}

/// Whether all workers are processes of this machine.
pub(crate) const fn is_alone(args: &ClusterArgs) -> bool {
    args.local.is_some() && args.listen.is_none()
}

/// What travels between processes of this machine in a second, in bits, in transfers like those of a model
/// of this size.
async fn loopback_rate(model: usize) -> Result<u64, NetError> {
    let bytes = model.clamp(LEAST_PROBE, MOST_PROBE);
    let took = loopback(bytes).await?;
    let rate = bytes as u128 * 8_000_000_000 / took.as_nanos().max(1);
    Ok(u64::try_from(rate).unwrap_or(u64::MAX).max(1))
}

/// What of a limit is left after some time.
pub(crate) fn less(limit: Limit, elapsed: Span) -> Limit {
    match limit {
        Limit::Job {
            max_time,
            counts_setup,
        } => Limit::Job {
            max_time: max_time - elapsed,
            counts_setup,
        },
        Limit::Cycle(_) => limit,
    }
}

/// Without the values that are not given.
fn shown(mut provenance: Provenance) -> Provenance {
    let sizes = ["model.parameters", "model.batch"];
    provenance
        .given
        .retain(|given| given.from != USUAL && !sizes.contains(&given.key.as_str()));
    provenance
}
