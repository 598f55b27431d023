//! `sim risk`: how often workers that get exactly as much as fits overrun, compared with the risk
//! that was asked for.
//!
//! Without a scenario the workers are alike and wait for no other; with one, they are its workers
//! with its links. Faults are left out: the margin for a risk is one for benchmarks and speeds.

use std::sync::atomic::{AtomicBool, Ordering};

use console::{Exit, Stop, stop_on_ctrl_c};
use results::text::{Style, Table, interval, number};
use results::{Estimate, share};
use scenarios::Overrides;
use scenarios::scenario::Ship;
use scheduler::CapacityModel;
use serde_json::json;

use crate::cli::RiskArgs;
use crate::environment;
use crate::parallel;
use crate::run::{Conversion, Source};
use crate::terminal::style;
use crate::world::{OverrunStudy, Overruns, Share, World, overruns, with_filler};

/// Runs of one job of a thread.
const BATCH: u64 = 32;

/// The worlds of one risk, with capacities of the whole cycle and of computing alone.
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

/// What came of a study, by capacity model.
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
        table(&found, style())
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
    let compute_only = OverrunStudy {
        capacity: CapacityModel::ComputeOnly,
        ..full
    };
    Ok(Study {
        risk: ppm / 1e6,
        workers: full.workers.into(),
        cycles: full.cycles,
        worlds: Worlds::Same(Box::new([full.world(), compute_only.world()])),
    })
}

fn of_scenario(source: &Source, overrides: &Overrides, risk: &str) -> Result<Study, Stop> {
    let of = |overrides: &Overrides| source.conversion(overrides).map_err(Stop::all_bad);
    let overrides = overrides.clone().and("--risk", "job.risk", risk);
    let capacity = |capacity: &str| of(&overrides.clone().and("--set", "job.capacity", capacity));
    let (full, compute_only) = (capacity("full")?, capacity("compute-only")?);
    if full.scenario().job().ship == Ship::EachCycle {
        let message = "job.ship = \"each-cycle\": the risk is of computing, expected \"once\"";
        return Err(Stop::bad(message));
    }
    let (job, groups) = (full.scenario().job(), full.scenario().groups());
    Ok(Study {
        risk: job.risk.expect("it is given above").as_f64(),
        workers: groups.iter().map(|group| group.count).sum(),
        cycles: job.cycles,
        worlds: Worlds::Drawn(Box::new([full, compute_only])),
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
        progress: &console::Progress,
    ) -> Found {
        let batches = (0..runs.div_ceil(BATCH)).map(|batch| batch * BATCH);
        let of_batch = |(): &mut (), first: u64| {
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
        };
        let sums = parallel::map(batches, threads, stop, || (), of_batch);
        let and = |a: Found, b: Found| [a[0].and(b[0]), a[1].and(b[1])];
        sums.into_iter().fold(Found::default(), and)
    }

    /// What a cycle's chance would be if workers were independent of one another.
    fn any(&self) -> f64 {
        1.0 - (1.0 - self.risk).powi(i32::try_from(self.workers).unwrap_or(i32::MAX))
    }
}

fn table(found: &[(&Study, Found)], style: Style) -> String {
    let Some((first, _)) = found.first() else {
        return String::new();
    };
    let numbers = [
        "risk %",
        "overran %",
        "of",
        "cycles %",
        "1-(1-risk)^w %",
        "jobs %",
        "by computing alone %",
    ];
    let mut table = Table::new::<&str, _>([], numbers);
    let percent = |share: Share| number(Some(100.0 * share.value()), 2);
    for (study, [full, compute_only]) in found {
        table.row([
            (100.0 * study.risk).to_string(),
            interval(overran(full).map(|share| share.times(100.0)), 3),
            full.worker_runs.of.to_string(),
            percent(full.cycles),
            number(Some(100.0 * study.any()), 2),
            percent(full.jobs),
            percent(compute_only.worker_runs),
        ]);
    }
    let legend = "overran: workers in the first cycle, whose benchmarks are independent, with the 95 % \
                  interval; cycles and jobs: those in which any worker overran; by computing alone: \
                  with the capacity model of the thesis, which leaves transfers out";
    format!(
        "{} workers at exactly s_max, {} cycles per run\n{}{}",
        first.workers,
        first.cycles,
        table.render(style),
        style.paragraph(legend, 0)
    )
}

/// The share of workers that overran in the first cycle.
fn overran(found: &Overruns) -> Option<Estimate> {
    share(found.worker_runs.count, found.worker_runs.of)
}

fn line(seed: u64, study: &Study, [full, compute_only]: &Found) -> String {
    let overran = overran(full);
    let line = json!({
        "seed": seed,
        "risk": study.risk,
        "workers": study.workers,
        "cycles": study.cycles,
        "worker_runs": full.worker_runs.of,
        "overruns": full.worker_runs.count,
        "overran": full.worker_runs.value(),
        "overran_low": overran.and_then(|e| e.low),
        "overran_high": overran.and_then(|e| e.high),
        "cycles_missed": full.cycles.value(),
        "any_of_independent": study.any(),
        "jobs_missed": full.jobs.value(),
        "compute_only_overran": compute_only.worker_runs.value(),
        "compute_only_cycles_missed": compute_only.cycles.value(),
        "compute_only_jobs_missed": compute_only.jobs.value(),
    });
    format!("{line}\n")
}
