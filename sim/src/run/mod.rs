//! `sim run`: whole training runs of a scenario, in simulated time.
//!
//! Every allocator gets the same replicates: the same workers, links, benchmark errors and faults
//! (common random numbers), so that differences between allocators are paired.

mod convert;
mod report;

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use indicatif::{ProgressBar, ProgressStyle};
use scenarios::{Overrides, Scenario};
use solvers::{AllocatorName, Host};

use crate::cli::{RunArgs, ScenariosArgs};
use crate::exit::{Exit, Stop};
use crate::world::{self, RunTotals};
use convert::Conversion;

/// What was simulated.
struct Simulated {
    scenario: Scenario,
    seed: u64,
    allocators: Vec<AllocatorName>,
    /// By allocator, then by replicate.
    runs: Vec<Vec<RunTotals>>,
}

/// The sub-command.
pub(crate) fn command(args: &RunArgs) -> Result<Exit, Stop> {
    let scenario = read(args)?;
    let seed = args.seed.unwrap_or(scenario.run().seed);
    let replicates = args.replicates.unwrap_or(scenario.run().replicates) as usize;
    let allocators = allocators(args, &scenario)?;
    let threads = match args.threads {
        Some(threads) => threads.get(),
        None => thread::available_parallelism().map_or(1, usize::from),
    };
    let conversion = Conversion::new(&scenario)
        .map_err(|message| Stop::new(Exit::BadInput, format!("{}: {message}", args.scenario)))?;
    eprintln!(
        "seed {seed}; {replicates} replicates of {}; {threads} threads",
        args.scenario
    );

    let runs = simulate(&conversion, &allocators, seed, replicates, threads);
    let simulated = Simulated {
        scenario,
        seed,
        allocators,
        runs,
    };
    let text = if args.json {
        report::lines(&simulated)
    } else {
        let bold = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        report::table(&simulated, bold)
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Stop::output)?;
    Ok(Exit::Done)
}

/// `sim scenarios`: the catalogue.
pub(crate) fn scenarios(args: &ScenariosArgs) -> Result<Exit, Stop> {
    let text = match &args.name {
        None => scenarios::catalogue()
            .iter()
            .map(|entry| format!("{:<14}{}\n", entry.name, entry.summary()))
            .collect(),
        Some(name) => match scenarios::named(name) {
            Some(entry) => entry.text.to_owned(),
            None => return Err(Stop::new(Exit::Usage, unknown(name))),
        },
    };
    io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(Stop::output)?;
    Ok(Exit::Done)
}

/// The scenario of the command line: a file's, or else one of the catalogue.
fn read(args: &RunArgs) -> Result<Scenario, Stop> {
    let overrides = Overrides::parse(&args.set).map_err(|error| Stop::new(Exit::Usage, error))?;
    let (file, text) = match fs::read_to_string(&args.scenario) {
        Ok(text) => (args.scenario.clone(), text),
        Err(error) => match scenarios::named(&args.scenario) {
            Some(entry) => (format!("{}.toml", entry.name), entry.text.to_owned()),
            None if error.kind() == io::ErrorKind::NotFound => {
                return Err(Stop::new(Exit::BadInput, unknown(&args.scenario)));
            }
            None => {
                let message = format!("cannot read {}: {error}", args.scenario);
                return Err(Stop::new(Exit::BadInput, message));
            }
        },
    };
    Scenario::parse(&file, &text, &overrides).map_err(|errors| {
        // All of them, each on a line of its own.
        Stop::new(Exit::BadInput, errors.lines().join("\nerror: "))
    })
}

fn unknown(name: &str) -> String {
    let names: Vec<&str> = scenarios::catalogue()
        .iter()
        .map(|entry| entry.name)
        .collect();
    format!(
        "there is no file {name} and no scenario of that name, expected a TOML file or one of {}",
        names.join(", ")
    )
}

fn allocators(args: &RunArgs, scenario: &Scenario) -> Result<Vec<AllocatorName>, Stop> {
    if !args.allocators.is_empty() {
        return Ok(args.allocators.clone());
    }
    let name = scenario.job().allocator.parse();
    let name = name.map_err(|error| {
        Stop::new(
            Exit::BadInput,
            format!("{}: job.allocator: {error}", args.scenario),
        )
    })?;
    Ok(vec![name])
}

/// Runs every replicate under every allocator. The result does not depend on the threads: each
/// run draws from streams of its own and is put in its own place.
fn simulate(
    conversion: &Conversion<'_>,
    allocators: &[AllocatorName],
    seed: u64,
    replicates: usize,
    threads: usize,
) -> Vec<Vec<RunTotals>> {
    let progress = ProgressBar::new((replicates * allocators.len()) as u64);
    let style = "{bar:32} {human_pos}/{human_len} runs  {eta} left";
    progress.set_style(ProgressStyle::with_template(style).expect("the template is valid"));
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Vec<Option<RunTotals>>>> =
        Mutex::new(vec![vec![None; replicates]; allocators.len()]);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut solvers: Vec<_> = allocators
                    .iter()
                    .map(|name| name.create(&Host::default()))
                    .collect();
                loop {
                    let replicate = next.fetch_add(1, Ordering::Relaxed);
                    if replicate >= replicates {
                        break;
                    }
                    let world = conversion.world(seed, replicate as u64);
                    for (allocator, solver) in solvers.iter_mut().enumerate() {
                        let totals =
                            world::run_quietly(&world, seed, replicate as u64, &mut |family| {
                                family.cheapest(|problem| solver.measure(problem).outcome)
                            });
                        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                        done[allocator][replicate] = Some(totals);
                        progress.inc(1);
                    }
                }
            });
        }
    });
    progress.finish_and_clear();
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.into_iter()
        .map(|runs| runs.into_iter().flatten().collect())
        .collect()
}
