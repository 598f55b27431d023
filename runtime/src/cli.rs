//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use scheduler::Fee;

use crate::average::Rule;
use crate::data::{DataAt, DataSource};
use crate::model::ModelKind;
use crate::net::cli::{JoinArgs, StateArgs, TokenArgs, WorkersArgs};
use crate::setting_args::{HEADING, SettingArgs};
use crate::train::DeviceChoice;
use crate::trainer::TrainerCommand;
use crate::trainer::check::CheckArgs;
use crate::trainer::pace::Fraction;

const CLUSTER_EXAMPLES: &str = "\
Examples:
  runtime cluster --local 4 --data synthetic     four worker processes of this machine
  runtime cluster lab.toml --data mnist --out first-run
  runtime cluster --local 2 --trainer 'python my_model.py'    a model of your own
  runtime cluster --local 2 --model net.pt                    one that allot.export wrote
  runtime cluster --local 4 --plan plan.json     run a plan that sim solve made
  runtime cluster --resume first-run             resume a run that was broken off

A value comes from the first of: flag, scenario file, environment variable, .env, default.
The variables are BETA, S_MIN, MAX_TIME, FEE_TYPE, FEES, DEFAULT_FEE, NUM_BENCHMARK,
NUM_GLOBAL_CYCLES, BATCH_SIZE, WEIGHT_TYPE, ALLOW_GPU_DEVICE and LOGS.";

const SWEEP_EXAMPLES: &str = "\
Examples:
  runtime sweep --local 4 --vary job.s_min=5,50 --vary fees.type=constant,random --out sweep

Every combination gets a folder of its own, and dump.json has all of their results. One that fails
does not stop the others.";

const WORKER_EXAMPLES: &str = "\
Examples:
  runtime worker --join allot1-…          the token that the orchestrator printed
  runtime worker                          after that, its key is enough
  runtime worker --join token.txt --name pc7 --least-fee 2.5";

const CHECK_EXAMPLES: &str = "\
Examples:
  runtime trainer check -- python my_model.py
  runtime trainer check --data mnist --batch-size 64 -- python my_model.py

The protocol is in docs/trainers.md. Code 4 says that it was broken.";

/// Trains on many unequal machines, at the least fee and within a time limit.
#[derive(Debug, Parser)]
#[command(name = "runtime", version = console::version(), after_help = console::EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a job: wait for workers, plan, ship data, train, average
    #[command(after_help = CLUSTER_EXAMPLES, allow_negative_numbers = true)]
    Cluster(Box<ClusterArgs>),
    /// Work for an orchestrator, and wait for the next one
    #[command(after_help = WORKER_EXAMPLES)]
    Worker(WorkerArgs),
    /// Run a job for every combination of values of some keys, with the same workers
    #[command(after_help = SWEEP_EXAMPLES, allow_negative_numbers = true)]
    Sweep(Box<SweepArgs>),
    /// Make a token that lets workers join
    Token(TokenArgs),
    /// Show which workers may join, or bar one
    Workers(WorkersArgs),
    /// Print completions for a shell
    Completions(console::CompletionsArgs),
    /// Write manual pages, one for each command
    Man(console::ManArgs),
    /// Solve for a parent process with CBC, which is not thread-safe
    #[command(hide = true)]
    CbcServer,
    /// Hold a trainer of your own against the protocol
    Trainer(TrainerArgs),
}

/// What is done with a trainer; without a word it trains for a parent process.
#[derive(Debug, Args)]
pub(crate) struct TrainerArgs {
    #[command(subcommand)]
    pub(crate) task: Option<TrainerTask>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TrainerTask {
    /// Start a trainer, have it do all that a job asks for, and say what broke
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
}

/// What is trained, as it is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ModelChoice {
    /// One of the library's.
    Kind(ModelKind),
    /// A module in TorchScript.
    Script(PathBuf),
}

impl FromStr for ModelChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = PathBuf::from(text);
        match ModelKind::from_str(text, false) {
            Ok(kind) => Ok(Self::Kind(kind)),
            Err(_) if path.extension().is_some_and(|end| end == "pt") || path.is_file() => {
                Ok(Self::Script(path))
            }
            Err(_) => Err(
                "expected mlp, linear, or a file that allot.export wrote, such as net.pt"
                    .to_owned(),
            ),
        }
    }
}

/// What is to be run, and where.
#[derive(Clone, Debug, Args)]
pub(crate) struct ClusterArgs {
    /// A scenario file, or the name of one that comes with Allot; fees and names of workers count,
    /// their speeds are measured
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenario: Option<String>,
    /// Start this number of workers on this machine, each slower than the one before
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) local: Option<u32>,
    /// The fractions of full speed at which they run, such as 1,0.5,0.5,0.25; 1:0.1@3 means full
    /// speed at first and a tenth of it from cycle 3 on
    #[arg(long, value_name = "F,F,…", value_delimiter = ',', requires = "local")]
    pub(crate) throttles: Vec<Fraction>,
    /// mnist, fashion-mnist, synthetic, or a folder with train and test as .safetensors, .npz
    /// or .csv, as folders of images, or with IDX files
    #[arg(long, default_value = "synthetic", value_name = "DATA")]
    pub(crate) data: DataSource,
    /// Where the samples for training are: here, from where each worker is sent its share, or at the
    /// workers, which name the same files with --data
    #[arg(long, value_enum, default_value_t = DataAt::Orchestrator, value_name = "PLACE")]
    pub(crate) data_at: DataAt,
    /// The model to train: mlp (two hidden layers of 200, by libtorch), linear (one layer, in plain
    /// Rust), or a file that allot.export wrote, such as net.pt, which workers of other machines need too
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<ModelChoice>,
    /// Train with a program of your own, such as 'python my_model.py'; workers of other machines need
    /// the same program and option
    #[arg(long, value_name = "COMMAND", conflicts_with = "model")]
    pub(crate) trainer: Option<TrainerCommand>,
    /// How results are averaged: mean, median or trimmed:SHARE
    #[arg(long, default_value = "mean", value_name = "RULE")]
    pub(crate) aggregate: Rule,
    /// Where models are judged and local workers train: auto, cpu or cuda:N
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub(crate) device: DeviceChoice,
    /// Run exactly this plan, one line of sim solve; its workers are matched by name
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: Option<PathBuf>,
    /// Gather workers, measure them, make the first plan, and end: the folder is a scenario that sim
    /// plan and sim run take
    #[arg(long, conflicts_with_all = ["plan", "resume"])]
    pub(crate) plan_only: bool,
    /// Resume the run in this folder, with the settings that it had
    #[arg(long, value_name = "DIR", conflicts_with_all = ["plan", "scenario"])]
    pub(crate) resume: Option<PathBuf>,
    /// Where the last model goes if the folder of the run cannot take it: it is full, read-only or gone
    #[arg(long, value_name = "DIR")]
    pub(crate) spare: Option<PathBuf>,
    /// Seeds weights and random fees
    #[arg(long, value_name = "SEED")]
    pub(crate) seed: Option<u64>,
    /// Wait for this number of workers before the first plan
    #[arg(long, value_name = "N")]
    pub(crate) expect: Option<u32>,
    /// The UDP address to listen on
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Do not announce it in the local network
    #[arg(long)]
    pub(crate) no_discovery: bool,
    /// Send packets one by one, for network drivers that cannot take several at once
    #[arg(long)]
    pub(crate) no_gso: bool,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    /// How many workers the printed token admits
    #[arg(long, default_value_t = 16, value_name = "N")]
    pub(crate) uses: u32,
    /// Print events as JSON lines on standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
    /// Any key of a scenario, such as waits.gather="10 s"; again for more
    #[arg(long, value_name = "KEY=VALUE", help_heading = HEADING)]
    pub(crate) set: Vec<String>,
}

impl ClusterArgs {
    /// A file with a module stands for the command that trains it.
    ///
    /// # Errors
    /// When there is no such file, or nothing that trains it.
    pub(crate) fn settle(&mut self) -> Result<(), String> {
        if let Some(ModelChoice::Script(file)) = &self.model {
            self.trainer = Some(TrainerCommand::script(file)?);
            self.model = None;
        }
        Ok(())
    }
}

/// What is to be run, with what varied.
#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    /// A key of a scenario and its values, such as job.s_min=5,10; may be repeated
    #[arg(long, value_name = "KEY=V,V,…", required = true)]
    pub(crate) vary: Vec<String>,
    #[command(flatten)]
    pub(crate) of: ClusterArgs,
}

/// How a worker works, and for which orchestrator.
#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    #[command(flatten)]
    pub(crate) join: JoinArgs,
    /// auto, cpu or cuda:N
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub(crate) device: DeviceChoice,
    /// The number of threads to train with
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) threads: usize,
    /// Run at a fraction of full speed, such as 0.5; 1:0.1@3 means a tenth of it from cycle 3 on
    #[arg(long, default_value_t = Fraction::WHOLE, value_name = "F")]
    pub(crate) throttle: Fraction,
    /// The program that trains jobs that ask for one, such as 'python my_model.py': the same as the
    /// orchestrator's
    #[arg(long, value_name = "COMMAND")]
    pub(crate) trainer: Option<TrainerCommand>,
    /// The file of jobs that train what allot.export wrote, such as net.pt: the same as the orchestrator's
    #[arg(long, value_name = "FILE", conflicts_with = "trainer")]
    pub(crate) model: Option<PathBuf>,
    /// The data of jobs whose data is at the workers: the same files as the orchestrator's
    #[arg(long, value_name = "DATA")]
    pub(crate) data: Option<DataSource>,
    /// The least fee per batch to work for
    #[arg(long, default_value = "0", value_name = "FEE", value_parser = fee)]
    pub(crate) least_fee: Fee,
    /// The most bytes of data to hold
    #[arg(long, value_name = "BYTES")]
    pub(crate) memory: Option<u64>,
    /// Exit when the orchestrator has no more work
    #[arg(long)]
    pub(crate) once: bool,
    /// The token is the first line of standard input, and the worker ends when that ends
    #[arg(long, hide = true)]
    pub(crate) with_parent: bool,
}

fn fee(text: &str) -> Result<Fee, String> {
    text.parse()
        .map_err(|error: scheduler::DecimalError| error.to_string())
}
