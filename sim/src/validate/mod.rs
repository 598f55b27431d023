//! `sim validate`: all chosen allocators on every test, compared.
//!
//! Threads take batches of consecutive tests, solve them, and send them on as chunks of results;
//! one writer takes the chunks in order. What is held at a time is bounded, however many tests
//! there are.

mod compare;
mod job;
mod log;
mod source;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use console::{Exit, Stop, stop_on_ctrl_c};
use results::{FamilyPlan, Report, RunPlan, Validation};
use serde_json::{Map, Value, json};
use solvers::{AllocatorName, Host};

use crate::cli::{Families, Log, ValidateArgs};
use crate::folder;
use crate::machine::{MemoryWatch, Started};
use crate::terminal::style;
pub use job::Job;
use source::Source;
pub use source::Tests;

/// Tests of each family, if the command line does not say.
const DEFAULT_TESTS: u64 = 1_000;

impl Job {
    /// Runs the comparison without tables, quietly: for benchmarks and tests.
    ///
    /// # Panics
    /// When the tests come from a file that cannot be opened.
    pub fn run(&self) -> Report {
        let source = self.source().expect("the tests can be opened");
        let mut validation = Validation::new(self.plan.clone());
        let watch = compare::Watch {
            stop: &AtomicBool::new(false),
            progress: &console::hidden(),
            log: Log::Summary,
        };
        compare::run(self, source, &mut validation, &watch)
            .and_then(|_| validation.finish(|_| Map::new()))
            .expect("without tables nothing is written that could fail")
    }

    fn source(&self) -> Result<Source, Stop> {
        Source::new(self.tests.clone(), &self.plan, self.threads)
    }
}

/// The sub-command.
pub(crate) fn command(args: &ValidateArgs) -> Result<Exit, Stop> {
    let started = Started::now();
    let (job, bad_lines) = job(args)?;
    let plan = job.plan.clone();
    let source = job.source()?;
    let mut validation = match &args.out {
        Some(dir) => {
            Validation::with_tables(plan.clone(), dir, args.overwrite).map_err(folder::stop)?
        }
        None => Validation::new(plan.clone()),
    };
    let stop = stop_on_ctrl_c("tests")?;
    let memory = MemoryWatch::start();
    introduce(&job);

    let progress = console::bar(plan.total_tests(), "tests");
    let watch = compare::Watch {
        stop: &stop,
        progress: &progress,
        log: args.log,
    };
    let library_cpu = compare::run(&job, source, &mut validation, &watch).map_err(folder::stop)?;
    progress.finish_and_clear();

    let finished = validation.finished();
    let report = validation
        .finish(|_| details(&job, &started, library_cpu, &memory))
        .map_err(folder::stop)?;
    let (cpu, wall) = (started.cpu(), started.wall());

    let mut text = results::render(&report, style());
    text += &format!(
        "\n{finished} tests in {:.1} s on {} threads; {:.1} s of CPU",
        wall.as_secs_f64(),
        job.threads,
        cpu.as_secs_f64(),
    );
    if !library_cpu.is_zero() {
        let share = percent(library_cpu, cpu);
        text += &format!(", {share:.1} % of it inside solver libraries");
    }
    text.push('\n');
    if let Some(dir) = &args.out {
        text += &format!("tables: {}\n", dir.display());
    }
    console::print(&text)?;
    let is_kept = args.out.is_some();
    Ok(conclude(
        &report, finished, &plan, &stop, is_kept, bad_lines,
    ))
}

/// What the run was, in the order of urgency.
fn conclude(
    report: &Report,
    finished: u64,
    plan: &RunPlan,
    stop: &AtomicBool,
    is_kept: bool,
    bad_lines: bool,
) -> Exit {
    let alarms = report.summary.alarms();
    for alarm in &alarms {
        console::note!("error: a check of ours failed: {alarm}; please report it");
    }
    if !alarms.is_empty() {
        return Exit::CheckFailed;
    }
    if finished < plan.total_tests() && stop.load(Ordering::Relaxed) {
        let total = plan.total_tests();
        let kept = if is_kept { " and kept" } else { "" };
        console::note!("interrupted: {finished} of {total} tests are finished{kept}");
        return Exit::Interrupted;
    }
    if bad_lines {
        return Exit::BadInput;
    }
    Exit::Done
}

/// Makes sense of the command line. Also tells whether the file of instances has bad lines.
fn job(args: &ValidateArgs) -> Result<(Job, bool), Stop> {
    let mut allocators: Vec<AllocatorName> = Vec::new();
    for &name in &args.allocators {
        if allocators.contains(&name) {
            let message = format!("--allocators names {} twice, expected once", name.name());
            return Err(Stop::usage(message));
        }
        name.create(&Host::default()).ready().map_err(Stop::usage)?;
        allocators.push(name);
    }
    let Families(families) = args.family.clone();
    let n_tests = args.n_tests.unwrap_or(DEFAULT_TESTS);
    let mut job = Job::seeded(families, n_tests, args.seed, allocators, args.threads());
    job.plan.shard = args.shard;
    job.plan.simulate = args.simulate;
    let server = std::env::current_exe().map(|program| (program, vec!["cbc-server".into()]));
    job.host.cbc_server = server.ok();
    let mut bad_lines = false;
    if let Some(path) = &args.instances {
        let scan = source::scan(path)?;
        bad_lines = scan.bad_lines;
        let n_tests = args
            .n_tests
            .map_or(scan.instances, |n| n.min(scan.instances));
        job.plan.families = vec![FamilyPlan {
            name: source::FILE_FAMILY.to_owned(),
            n_tests,
        }];
        job.plan.source = scan.identity;
        job.plan.replay = source::REPLAY_FILE.to_owned();
        job.tests = Tests::File(path.clone());
    }
    Ok((job, bad_lines))
}

/// One line on standard error: enough to run the same again.
fn introduce(job: &Job) {
    let families: Vec<&str> = job.plan.families.iter().map(|f| f.name.as_str()).collect();
    let simulated = if job.plan.simulate {
        "; every plan simulated"
    } else {
        ""
    };
    console::note!(
        "seed {}; {} tests of {}; allocators {}; {} threads{simulated}",
        job.plan.seed,
        job.plan.total_tests(),
        families.join(", "),
        job.plan.allocators.join(", "),
        job.threads,
    );
}

fn details(
    job: &Job,
    started: &Started,
    library_cpu: Duration,
    memory: &MemoryWatch,
) -> Map<String, Value> {
    let mut details = started.record(job.threads, memory);
    let (cpu, seconds) = (started.cpu(), library_cpu.as_secs_f64());
    let mut add = |key: &str, value: Value| details.insert(key.to_owned(), value);
    add(
        "cpu_in_solver_libraries_s",
        json!((seconds * 1e3).round() / 1e3),
    );
    add(
        "cpu_in_solver_libraries_percent",
        json!((percent(library_cpu, cpu) * 100.0).round() / 100.0),
    );
    details
}

fn percent(part: Duration, whole: Duration) -> f64 {
    100.0 * part.as_secs_f64() / whole.as_secs_f64().max(1e-9)
}
