//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use results::Shard;
use scenarios::Family;
use scheduler::Objective;
use solvers::AllocatorName;

use crate::environment::SettingArgs;

/// Decides how many batches each of many unequal machines should train, at the least fee.
#[derive(Debug, Parser)]
#[command(name = "sim", version = console::version(), after_help = console::EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Solve instances, one plan per line
    #[command(after_help = SOLVE_EXAMPLES, allow_negative_numbers = true)]
    Solve(SolveArgs),
    /// Print seeded instances, one per line
    #[command(after_help = FAMILIES, allow_negative_numbers = true)]
    Generate(GenerateArgs),
    /// Compare the allocators over many seeded tests
    #[command(after_help = VALIDATE_EXAMPLES, allow_negative_numbers = true)]
    Validate(Box<ValidateArgs>),
    /// Solve the problems of two papers, and compare with the optima printed there
    #[command(after_help = PUBLISHED_EXAMPLES)]
    Published(PublishedArgs),
    /// Join the shards of a validation
    Merge(MergeArgs),
    /// Predict recorded runs, under the same or another allocator, and compare
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(ReplayArgs),
    /// Simulate whole training runs of a scenario
    #[command(after_help = RUN_EXAMPLES, allow_negative_numbers = true)]
    Run(RunArgs),
    /// Simulate a scenario under every combination of the values of some of its keys
    #[command(after_help = SWEEP_EXAMPLES, allow_negative_numbers = true)]
    Sweep(SweepArgs),
    /// Predict a run before it: its plan, time and fee, and what another limit would cost
    #[command(after_help = PLAN_EXAMPLES, allow_negative_numbers = true)]
    Plan(PlanArgs),
    /// Write one page about a folder of results, with its tables and figures
    #[command(after_help = REPORT_EXAMPLES)]
    Report(ReportArgs),
    /// Compare folders of results: what differs, by how much, and how certain that is
    #[command(after_help = COMPARE_EXAMPLES)]
    Compare(CompareArgs),
    /// Give simulated workers exactly what fits, and count how often they overrun
    #[command(after_help = RISK_EXAMPLES)]
    Risk(RiskArgs),
    /// List the scenarios that come with Allot, print one, or print all keys of scenarios
    Scenarios(ScenariosArgs),
    /// Print completions for a shell
    Completions(console::CompletionsArgs),
    /// Write manual pages, one for each command
    Man(console::ManArgs),
    /// Solve for a parent process with CBC, which is not thread-safe
    #[command(hide = true)]
    CbcServer,
}

#[derive(Debug, Args)]
pub(crate) struct SolveArgs {
    /// A file of instances, one JSON object per line or one in all; `-` is standard input
    #[arg(default_value = "-", value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// exact, heuristic, cbc, lp, highs, gurobi, equal, proportional, marin, marco, mardec or olar
    #[arg(long, default_value = "exact", value_name = "NAME")]
    pub(crate) allocator: AllocatorName,
    /// cheapest; cheapest-then-quickest: of the cheapest plans, the one with the least largest
    /// batches / s_max; or quickest: the other way round. Not for costs by points
    #[arg(long, default_value = "cheapest", value_name = "NAME", value_parser = objective)]
    pub(crate) objective: Objective,
    /// One JSON line for each instance, or a table to read
    #[arg(long, value_enum, default_value_t = Format::Json)]
    pub(crate) format: Format,
    /// Number of instances to skip
    #[arg(long, default_value_t = 0, value_name = "I")]
    pub(crate) first: u64,
    /// Number of instances to solve at most
    #[arg(long, value_name = "N")]
    pub(crate) n_tests: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Json,
    Table,
}

#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// The family of instances
    #[arg(long, default_value = "thesis", value_name = "NAME")]
    pub(crate) family: Family,
    /// Number of instances
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) n_tests: u64,
    /// The seed of all of them
    #[arg(long, default_value_t = 1, value_name = "S")]
    pub(crate) seed: u64,
    /// The index of the first, from 0
    #[arg(long, default_value_t = 0, value_name = "I")]
    pub(crate) first: u64,
}

#[derive(Debug, Args)]
pub(crate) struct PublishedArgs {
    /// A file with the published optima, to compare with
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// One of the experiments only
    #[arg(long, value_name = "NAME")]
    pub(crate) experiment: Option<String>,
    /// The allocators, separated by commas
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NAMES",
        default_value = "exact"
    )]
    pub(crate) allocators: Vec<AllocatorName>,
    /// Print every problem, too
    #[arg(long)]
    pub(crate) each: bool,
    /// One JSON line for each problem and allocator instead of tables
    #[arg(long, conflicts_with = "each")]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ValidateArgs {
    /// Tests of each family; with --instances, the most tests of the file
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) n_tests: Option<u64>,
    /// The seed of all tests
    #[arg(long, default_value_t = 1, value_name = "S")]
    pub(crate) seed: u64,
    /// A family, or `all` except `large`
    #[arg(
        long,
        default_value = "thesis",
        value_name = "NAME",
        conflicts_with = "instances"
    )]
    pub(crate) family: Families,
    /// Take the tests from a file of instances instead
    #[arg(long, value_name = "FILE")]
    pub(crate) instances: Option<PathBuf>,
    /// The allocators to compare, separated by commas
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NAMES",
        default_value = "heuristic,exact,cbc,lp"
    )]
    pub(crate) allocators: Vec<AllocatorName>,
    /// Tests that run at the same time [default: number of processors]
    #[arg(long, value_name = "T")]
    pub(crate) threads: Option<std::num::NonZeroUsize>,
    /// Run only part I of N; `sim merge` puts them together
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    pub(crate) shard: Shard,
    /// Write the tables into this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Write over results that are in the folder already
    #[arg(long, requires = "out")]
    pub(crate) overwrite: bool,
    /// Simulate a cycle of 1 s for every plan, at true speeds that vary around s_max
    #[arg(long)]
    pub(crate) simulate: bool,
    /// Which plans to print as JSON lines before the table
    #[arg(long, value_enum, default_value_t = Log::Summary)]
    pub(crate) log: Log,
}

impl ValidateArgs {
    /// The number of processors, if the command line does not say.
    pub(crate) fn threads(&self) -> usize {
        threads(self.threads)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Log {
    /// None
    Summary,
    /// Answers without a plan: infeasible and failed
    Infeasible,
    /// All
    All,
}

/// The families of a validation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Families(pub(crate) Vec<Family>);

impl std::str::FromStr for Families {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if name == "all" {
            return Ok(Self(Family::ALL.to_vec()));
        }
        if name == "curves" {
            return Ok(Self(Family::CURVES.to_vec()));
        }
        let family: Family = name
            .parse()
            .map_err(|error: scenarios::UnknownFamily| format!("{error}, or all, or curves"))?;
        Ok(Self(vec![family]))
    }
}

#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// The folders of all shards, in any order
    #[arg(required = true, value_name = "DIR")]
    pub(crate) shards: Vec<PathBuf>,
    /// Write the tables into this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Write over results that are in the folder already
    #[arg(long)]
    pub(crate) overwrite: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Folders that `sim validate`, `sim run` or a real run wrote; the first is what the others are
    /// compared with
    #[arg(required = true, num_args = 2.., value_name = "DIR")]
    pub(crate) folders: Vec<PathBuf>,
    /// JSON lines instead of tables
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// A folder that a run wrote, or a JSON file of recorded runs (an array); `-` is standard input
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// Allocate each problem again and predict that run instead
    #[arg(long, value_name = "NAME")]
    pub(crate) allocator: Option<AllocatorName>,
    /// One JSON line for each run instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Add each worker's cycle to the table; JSON lines always have it
    #[arg(long)]
    pub(crate) workers: bool,
    /// Predict with this calibration, in place of the built-in one or of the folder's own link and
    /// model
    #[arg(long, value_name = "FILE", conflicts_with = "fit")]
    pub(crate) calibration: Option<PathBuf>,
    /// Fit a calibration on the runs that pass the outlier rule, write it, and predict with it
    #[arg(long, value_name = "OUT")]
    pub(crate) fit: Option<PathBuf>,
    /// Bytes of the parameters in the runs to fit on [default: those of the built-in calibration]
    #[arg(long, value_name = "N", requires = "fit")]
    pub(crate) parameter_bytes: Option<u64>,
    /// Also predict each run by a fit on all the others
    #[arg(long, conflicts_with = "allocator")]
    pub(crate) loo: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) of: ReplicateArgs,
    /// Run it with these values too, and compare run by run; may be repeated
    #[arg(long, value_name = "KEY=VALUE,KEY=VALUE")]
    pub(crate) against: Vec<String>,
    /// One JSON line for each run instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the tables of all runs into this folder; of --against its comparisons alone
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Write over results that are in the folder already
    #[arg(long, requires = "out")]
    pub(crate) overwrite: bool,
    /// Write all events that the scheduler gets into the folder too; these files are large
    #[arg(long, requires = "out")]
    pub(crate) events: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SweepArgs {
    #[command(flatten)]
    pub(crate) of: ReplicateArgs,
    /// Give a key of the scenario each of these values; with several, every combination is run
    #[arg(long, value_name = "KEY=VALUE,VALUE", required = true)]
    pub(crate) vary: Vec<String>,
    /// One JSON line for each row instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the rows into this CSV file too; or, if the name does not end in .csv, into this
    /// folder, with a record of how they were made
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,
    /// Write over what is there already
    #[arg(long, requires = "out")]
    pub(crate) overwrite: bool,
}

/// Which scenario is simulated, and how many times.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReplicateArgs {
    /// A scenario file, or the name of one that comes with Allot
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenario: String,
    /// Replace a value of the scenario; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
    /// Number of runs, each with other random draws [default: the scenario's]
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) replicates: Option<u32>,
    /// The seed of all random draws [default: the scenario's]
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
    /// The allocators to compare, separated by commas [default: the scenario's]
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub(crate) allocators: Vec<AllocatorName>,
    /// Runs that are simulated at the same time [default: number of processors]
    #[arg(long, value_name = "T")]
    pub(crate) threads: Option<std::num::NonZeroUsize>,
}

impl ReplicateArgs {
    /// The number of processors, if the command line does not say.
    pub(crate) fn threads(&self) -> usize {
        threads(self.threads)
    }
}

fn objective(name: &str) -> Result<Objective, String> {
    Objective::from_name(name).ok_or_else(|| {
        let names = Objective::ALL.iter().map(|objective| objective.name());
        format!("expected one of {}", names.collect::<Vec<_>>().join(", "))
    })
}

fn threads(asked: Option<std::num::NonZeroUsize>) -> usize {
    asked
        .or_else(|| std::thread::available_parallelism().ok())
        .map_or(1, usize::from)
}

#[derive(Debug, Args)]
pub(crate) struct RiskArgs {
    /// The workers and links of a scenario [default: ten workers with the recorded labs' errors]
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenario: Option<String>,
    /// The risks to ask for, separated by commas
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "RISKS",
        default_value = "0.5,0.2,0.05,0.01"
    )]
    pub(crate) risk: Vec<String>,
    /// Number of simulated workers for each risk, over all runs
    #[arg(long, value_name = "N", default_value_t = 100_000,
          value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) worker_runs: u64,
    /// The seed of all random draws
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Replace a value of the scenario; may be repeated
    #[arg(long, value_name = "KEY=VALUE", requires = "scenario")]
    pub(crate) set: Vec<String>,
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
    /// One JSON line for each risk instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Runs that are simulated at the same time [default: number of processors]
    #[arg(long, value_name = "T")]
    pub(crate) threads: Option<std::num::NonZeroUsize>,
}

impl RiskArgs {
    /// The number of processors, if the command line does not say.
    pub(crate) fn threads(&self) -> usize {
        threads(self.threads)
    }
}

#[derive(Clone, Debug, Args)]
pub(crate) struct PlanArgs {
    /// A scenario file, or the name of one that comes with Allot
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenario: String,
    /// Replace a value of the scenario; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
    /// The allocator [default: the scenario's]
    #[arg(long, value_name = "NAME")]
    pub(crate) allocator: Option<AllocatorName>,
    /// Number of simulated runs that estimate the chance of missing the limit; 0 for none
    #[arg(
        long,
        value_name = "R",
        default_value_t = 100,
        conflicts_with = "frontier"
    )]
    pub(crate) replicates: u32,
    /// The seed of all random draws [default: the scenario's]
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
    /// Runs that are simulated at the same time [default: number of processors]
    #[arg(long, value_name = "T")]
    pub(crate) threads: Option<std::num::NonZeroUsize>,
    /// Print the exact trade-off curve over this instead: what each value costs
    #[arg(long, value_enum, value_name = "OVER")]
    pub(crate) frontier: Option<Over>,
    /// One JSON line instead of a page; of a frontier, a line for each point
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the JSON line into this file too
    #[arg(long, value_name = "FILE", conflicts_with = "frontier")]
    pub(crate) out: Option<PathBuf>,
    /// Write over the file if it is there already
    #[arg(long, requires = "out")]
    pub(crate) overwrite: bool,
}

/// What a frontier varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Over {
    /// The limit
    Time,
    /// The least number of employed workers
    Beta,
    /// The least batches of an employed worker
    #[value(name = "s_min")]
    SMin,
}

impl PlanArgs {
    /// The arguments of `sim run` for the same runs.
    pub(crate) fn run(&self) -> ReplicateArgs {
        ReplicateArgs {
            scenario: self.scenario.clone(),
            set: self.set.clone(),
            settings: self.settings.clone(),
            replicates: Some(self.replicates.max(1)),
            seed: self.seed,
            allocators: self.allocator.into_iter().collect(),
            threads: self.threads,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// A folder that validate, merge, run, sweep, or a real run wrote
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Write over a report.html that `sim report` did not write
    #[arg(long)]
    pub(crate) overwrite: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ScenariosArgs {
    /// The scenario to print
    #[arg(value_name = "NAME", conflicts_with_all = ["keys", "template"])]
    pub(crate) name: Option<String>,
    /// Print the reference of all keys instead
    #[arg(long, conflicts_with = "template")]
    pub(crate) keys: bool,
    /// How the reference is written
    #[arg(long, value_enum, default_value_t = KeysFormat::Text, requires = "keys")]
    pub(crate) format: KeysFormat,
    /// Print a commented scenario with every key instead, to begin your own with
    #[arg(long)]
    pub(crate) template: bool,
}

/// How the reference of keys is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeysFormat {
    Text,
    Markdown,
}

const RUN_EXAMPLES: &str = "\
Examples:
  sim scenarios
  sim run lab-8 --allocators heuristic,exact
  sim run churn --replicates 200 --against job.replan=static
  sim run mine.toml --against job.risk=0.01 --against job.risk=0.2,job.billing=computed --json
  sim run lab-8 --replicates 20 --out results/lab && sim replay results/lab

Allocators and --against are arms of one comparison, all with the same draws. Each is compared with
the first: the paired difference of every figure, its confidence interval and its effect size. With
--json these are lines with a \"figure\", after the lines of the runs.";

const PLAN_EXAMPLES: &str = "\
Examples:
  sim plan mixed-lab
  sim plan lab-8 --allocator exact --set fleet.benchmark_error=none --replicates 1000
  sim plan slow-uplink --frontier time
  sim plan mine.toml --frontier beta --json
  sim plan mine.toml --out plan.json

The plan is the first one of the first of the runs that `sim run` would simulate with the same seed:
speeds, links and the errors of benchmarks are drawn as there. Least limits, least fees and frontiers
are those of the exact allocator, whichever allocator is chosen.";

const RISK_EXAMPLES: &str = "\
Examples:
  sim risk
  sim risk lab-8 --risk 0.05 --worker-runs 20000
  sim risk mine.toml --risk 0.01,0.02 --json

A worker overruns if it cannot finish all of its batches within its limit. The risk is the chance
of that before its benchmark's error is drawn. Faults of the scenario are left out.

Where workers share the orchestrator's link, fewer overrun than asked: capacities count all of the
link's time for each of them, though it serves one after the other.";

const COMPARE_EXAMPLES: &str = "\
Examples:
  sim run churn --replicates 200 --out results/adaptive
  sim run churn --replicates 200 --set job.replan=static --out results/static
  sim compare results/adaptive results/static
  sim validate --n-tests 100000 --out results/new && sim compare results/old results/new
  sim run lab.toml --replicates 100 --out predicted && sim compare predicted measured --json

Replicates of one seed are pairs, as in `sim run --against`; so are the tests of one seed or file.
Folders of other seeds are compared unpaired; a real run is compared with the spread of simulated
ones.
Folders of validations and of runs cannot be mixed. Proofs that contradict each other exit with 4.";

const SWEEP_EXAMPLES: &str = "\
Examples:
  sim sweep lab-8 --vary job.risk=0.01,0.05,0.2 --replicates 200
  sim sweep churn --vary job.replan=static,adaptive --vary job.s_min=0,5 --out churn.csv
  sim sweep lab-8 --vary job.beta=0,4,8 --out results/beta && sim report results/beta
  sim sweep mine.toml --vary workers.pc3.fee=1,2 --allocators heuristic,exact --json

The last key varies fastest. All combinations have the same draws if their seed is the same. A
combination that is wrong or cannot be simulated is a row with its error; the exit code is then 3.";

const REPORT_EXAMPLES: &str = "\
Examples:
  sim validate --n-tests 10000 --out results/v && sim report results/v
  sim run lab-8 --replicates 20 --allocators exact,heuristic --out results/lab && sim report results/lab
  sim sweep lab-8 --vary job.beta=0,4,8 --out results/beta && sim report results/beta
  runtime cluster --local 4 --data synthetic --out first-run && sim report first-run

Writes DIR/report.html, which needs no other file, no script and no network, and each figure as SVG
with its data as CSV into DIR/report. The same folder gives the same bytes; an existing report is
replaced.";

const REPLAY_EXAMPLES: &str = "\
Examples:
  sim replay runs.json --loo
  sim replay runs.json --allocator exact
  sim replay runs.json --json
  sim replay runs.json --fit lab.json && sim replay others.json --calibration lab.json
  sim run lab-8 --out results/lab && sim replay results/lab --workers

Of a folder, each plan of each run is predicted, for the cycles in which no worker was missing.
A prediction reads benchmarks, batches and cycles; never what was measured in the run.";

const SOLVE_EXAMPLES: &str = "\
Examples:
  echo '{\"n\":14,\"beta\":0,\"s_min\":5,\"workers\":[{\"s_max\":5,\"fee\":1},{\"s_max\":9,\"fee\":2}]}' | sim solve
  sim generate --family forced-lot --n-tests 3 | sim solve --format table
  sim solve lab.json --allocator cbc";

const PUBLISHED_EXAMPLES: &str = "\
Examples:
  sim published
  sim published optima.json
  sim published --experiment random_costs --allocators exact,equal,proportional,marin --each
  sim published --json | jq 'select(.resources == 10)'

The papers are L. L. Pilla, Scheduling Algorithms for Federated Learning With Minimal Energy Consumption
(IEEE TPDS 2023, doi 10.1109/TPDS.2023.3240833: the least total cost) and Optimal Task Assignment to
Heterogeneous Federated Learning Devices (2020, arXiv 2010.00239: the least makespan). Costs are rounded to
micro-units: a published optimum of k resources is met when ours lies within k of them, a makespan within
one.

FILE is {\"experiments\":[{\"experiment\":NAME,\"optima\":[[TASKS,RESOURCES,OPTIMUM],...]},...]}.";

const FAMILIES: &str = "\
Families:
  thesis      the distribution of the thesis: 50 to 100 workers
  tight-lots  capacities barely above the lot: the number of workers binds
  forced-lot  the last of the cheapest workers would get less than a lot
  correlated  fees grow with capacity
  ties        three distinct fees
  partition   reductions from PARTITION: adversarial for any exact method
  zero-lot    lots of 0 and 1, often infeasible
  mixed       everything at random, often infeasible
  large       thesis with 10^3, 10^4, 10^5 and 10^6 workers in turn
  convex      costs by points: marginal costs rise, everybody takes part
  concave     costs by points: marginal costs fall, everybody takes part
  tiered      costs by points: straight pieces and jumps, workers may be idle
  arbitrary   costs by points: unrelated ones, everybody takes part

Instance I of a seed is the same whatever the number of tests.";

const VALIDATE_EXAMPLES: &str = "\
Examples:
  sim validate --n-tests 100000 --seed 1
  sim validate --family all --n-tests 1000 --out results/all
  sim validate --n-tests 100000 --shard 2/4 --out results/shard2
  sim validate --instances mine.jsonl --allocators exact,cbc
  sim validate --family curves --allocators exact,equal,proportional,marin,marco,mardec
  sim validate --n-tests 100000 --allocators heuristic,exact --simulate

With --simulate, the true speed of each worker is s_max batches per second times a lognormal factor
of sigma 0.1: the same for every allocator, and for every number of tests, threads and shards. The makespan
is the time until the last employed worker has finished all of its batches, not cut off at 1 s;
such a worker is late, and the cycle missed, when it takes more than 1 s.";
