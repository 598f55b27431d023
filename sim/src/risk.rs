//! `sim risk`: how often workers overrun that were given exactly as much as fits, beside the risk
//! that was asked for.
//!
//! Without a scenario, of workers that are alike and wait for nobody; with one, of its workers and
//! its links. Faults are left out: the margin for a risk is one for benchmarks and speeds.

use std::sync::atomic::{AtomicBool, Ordering};

use console::{Exit, Stop, stop_on_ctrl_c};
use scenarios::Overrides;
use scheduler::CapacityModel;
use serde_json::json;

use crate::cli::RiskArgs;
use crate::environment;
use crate::run::{Conversion, Source, in_parallel};
use crate::world::{OverrunStudy, Overruns, Share, World, overruns, with_filler};

/// Runs that a thread does at a time.
const BATCH: u64 = 32;

/// The worlds of one risk, under the time model that was asked for and under the seed's.
struct Study {
    risk: f64,
    workers: u64,
    cycles: u32,
    worlds: Worlds,
}

enum Worlds {
    /// All runs have the same.
    Same(Box<[World; 2]>),
    /// Every run draws its own.
    Drawn(Box<[Conversion; 2]>),
}

/// What came of a study, by time model.
type Found = [Overruns; 2];

/// The sub-command.
pub(crate) fn command(args: &RiskArgs) -> Result<Exit, Stop> {
    let studies = studies(args)?;
    let seed = args.seed;
    let threads = args.threads();
    let runs_of = |study: &Study| args.worker_runs.div_ceil(study.workers);
    console::note!(
        "seed {seed}; {} risks, {} workers in each of {} runs; {threads} threads",
        studies.len(),
        studies[0].workers,
        runs_of(&studies[0]),
    );
    let stop = stop_on_ctrl_c("runs")?;
    let progress = console::bar(studies.iter().map(runs_of).sum(), "runs");
    let mut found = Vec::with_capacity(studies.len());
    for study in &studies {
        let runs = runs_of(study);
        let sum = study.run(seed, runs, threads, &stop, &progress);
        if stop.load(Ordering::Relaxed) {
            break; // its runs are not all there
        }
        if sum[0].worker_runs.of == 0 {
            progress.finish_and_clear();
            let message = "no worker can do a batch within a cycle, expected a longer limit";
            return Err(Stop::bad(message));
        }
        found.push((study, sum));
    }
    progress.finish_and_clear();
    let text = if args.json {
        found
            .iter()
            .map(|(study, found)| line(seed, study, found))
            .collect()
    } else {
        table(&found)
    };
    console::print(&text)?;
    if found.len() < studies.len() {
        let (finished, total) = (found.len(), studies.len());
        console::note!("interrupted: {finished} of {total} risks are finished");
        return Ok(Exit::Interrupted);
    }
    Ok(Exit::Done)
}

fn studies(args: &RiskArgs) -> Result<Vec<Study>, Stop> {
    let scenario = match &args.scenario {
        Some(name) => {
            let overrides = environment::overrides(&args.set, &args.settings)?;
            Some((Source::open(name)?, overrides))
        }
        None => None,
    };
    let study = |risk: &String| match &scenario {
        Some((source, overrides)) => of_scenario(source, overrides, risk),
        None => of_labs(risk),
    };
    args.risk.iter().map(study).collect()
}

fn of_labs(risk: &str) -> Result<Study, Stop> {
    let ppm = risk.parse().map(|risk: f64| (risk * 1e6).round());
    let ppm = ppm.ok().filter(|ppm| (100.0..=999_900.0).contains(ppm));
    let ppm = ppm.ok_or_else(|| {
        let message = format!("--risk {risk}: expected a number from 0.0001 to 0.9999");
        Stop::usage(message)
    })?;
    let full = OverrunStudy::of_risk(ppm as u32);
    let seeds = OverrunStudy {
        capacity: CapacityModel::ComputeOnly,
        ..full
    };
    Ok(Study {
        risk: ppm / 1e6,
        workers: full.workers.into(),
        cycles: full.cycles,
        worlds: Worlds::Same(Box::new([full.world(), seeds.world()])),
    })
}

fn of_scenario(source: &Source, overrides: &Overrides, risk: &str) -> Result<Study, Stop> {
    let of = |overrides: &Overrides| {
        source
            .conversion(overrides)
            .map_err(|lines| Stop::all_bad(lines))
    };
    let overrides = overrides.clone().and("--risk", "job.risk", risk);
    let capacity = |capacity: &str| of(&overrides.clone().and("--set", "job.capacity", capacity));
    let (full, seeds) = (capacity("full")?, capacity("compute-only")?);
    if full.scenario().job().ships_each_cycle {
        let message = "job.ship = \"each-cycle\": the risk is of computing, expected \"once\"";
        return Err(Stop::bad(message));
    }
    let (job, groups) = (full.scenario().job(), full.scenario().groups());
    Ok(Study {
        risk: job.risk.as_f64(),
        workers: groups.iter().map(|group| group.count).sum(),
        cycles: job.cycles,
        worlds: Worlds::Drawn(Box::new([full, seeds])),
    })
}

impl Study {
    /// Sums of whole numbers, whatever thread did what.
    fn run(
        &self,
        seed: u64,
        runs: u64,
        threads: usize,
        stop: &AtomicBool,
        progress: &Progress,
    ) -> Found {
        let pieces = usize::try_from(runs.div_ceil(BATCH)).unwrap_or(usize::MAX);
        let sums = in_parallel(
            stop,
            pieces,
            threads,
            || (),
            |(), piece| {
                let first = piece as u64 * BATCH;
                let mut sum = Found::default();
                for replicate in first..(first + BATCH).min(runs) {
                    for (capacity, sum) in sum.iter_mut().enumerate() {
                        *sum = sum.and(match &self.worlds {
                            Worlds::Same(worlds) => overruns(&worlds[capacity], seed, replicate),
                            Worlds::Drawn(of) => {
                                let world = with_filler(of[capacity].world(seed, replicate));
                                overruns(&world, seed, replicate)
                            }
                        });
                    }
                    progress.inc(1);
                }
                sum
            },
        );
        let and = |a: Found, b: Found| [a[0].and(b[0]), a[1].and(b[1])];
        sums.into_iter().fold(Found::default(), and)
    }

    /// What a cycle's chance would be if workers were independent of one another.
    fn any(&self) -> f64 {
        1.0 - (1.0 - self.risk).powi(i32::try_from(self.workers).unwrap_or(i32::MAX))
    }
}

fn table(found: &[(&Study, Found)]) -> String {
    let Some((first, _)) = found.first() else {
        return String::new();
    };
    let mut text = format!(
        "{} workers at exactly s_max, {} cycles a run\n",
        first.workers, first.cycles
    );
    let heading = format!(
        "{:>8}{:>28}{:>10}{:>12}{:>16}{:>12}{:>20}",
        "risk %", "overran %", "of", "cycles %", "1-(1-risk)^w %", "jobs %", "by the seed's law %"
    );
    text += &if console::is_bold() {
        format!("\x1b[1m{heading}\x1b[0m\n")
    } else {
        heading + "\n"
    };
    let percent = |share: Share| format!("{:.2}", 100.0 * share.value());
    for (study, [full, seeds]) in found {
        let (low, high) = full.worker_runs.interval();
        let overran = format!(
            "{:.3} [{:.3}, {:.3}]",
            100.0 * full.worker_runs.value(),
            100.0 * low,
            100.0 * high
        );
        text += &format!(
            "{:>8}{overran:>28}{:>10}{:>12}{:>16.2}{:>12}{:>20}\n",
            100.0 * study.risk,
            full.worker_runs.of,
            percent(full.cycles),
            100.0 * study.any(),
            percent(full.jobs),
            percent(seeds.worker_runs),
        );
    }
    text + "overran: workers in the first cycle, whose benchmarks are independent, with the 95 % \
            interval;\ncycles and jobs: those in which any worker overran; the seed's law counts \
            computing alone\n"
}

fn line(seed: u64, study: &Study, [full, seeds]: &Found) -> String {
    let (low, high) = full.worker_runs.interval();
    let line = json!({
        "seed": seed,
        "risk": study.risk,
        "workers": study.workers,
        "cycles": study.cycles,
        "worker_runs": full.worker_runs.of,
        "overruns": full.worker_runs.count,
        "overran": full.worker_runs.value(),
        "overran_low": low,
        "overran_high": high,
        "cycles_missed": full.cycles.value(),
        "any_of_independent": study.any(),
        "jobs_missed": full.jobs.value(),
        "seeds_law_overran": seeds.worker_runs.value(),
        "seeds_law_cycles_missed": seeds.cycles.value(),
        "seeds_law_jobs_missed": seeds.jobs.value(),
    });
    format!("{line}\n")
}
