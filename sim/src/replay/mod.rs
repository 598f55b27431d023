//! `sim replay`: recorded runs against their prediction, under the same or another allocator.
//!
//! A prediction sees a run's [`RecordedJob`](scenarios::recorded::RecordedJob) and a calibration, and nothing
//! that was measured in the run: with the calibration kept in the project it is the same whether
//! the file holds measurements or not. Of a folder that a run wrote, each plan is predicted with
//! what was known when it was made, and with the cycle model of the job's own link and model.

mod folder;
mod line;
mod replayed;
mod table;

use std::fs;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use console::{Exit, Stop};
use results::WholeFile;
use results::report::{Predicted, PredictedWorker};
use scenarios::calibration::{Calibration, CalibrationError, leave_one_out};
use scenarios::recorded::{RecordedRun, read_runs};
use solvers::Host;

use crate::cli::ReplayArgs;
use crate::solve::{is_our_bug, shown};
use crate::terminal::style;
use replayed::{Other, Replay};

pub(crate) fn run(args: &ReplayArgs) -> Result<Exit, Stop> {
    let (runs, own, wholes, mut exit) = if args.path.is_dir() {
        let folder = folder::read(&args.path)?;
        for note in folder.interrupted.iter().chain(&folder.notes) {
            console::note!("note: {note}");
        }
        let own = Some(folder.calibration);
        (folder.runs, own, folder.wholes, Exit::Done)
    } else {
        let (runs, exit) = read(args)?;
        (runs, None, Vec::new(), exit)
    };
    if runs.is_empty() {
        return Ok(exit);
    }
    let (calibration, source) = calibration(args, &runs, own)?;
    let left_out = if args.loo {
        leave_one_out(&runs).map_err(|error| unfit(args, &error))?
    } else {
        vec![None; runs.len()]
    };
    let cycle_model = calibration.cycle_model();
    let mut allocator = args.allocator.map(|name| name.create(&Host::default()));
    if let Some(allocator) = &mut allocator {
        allocator.ready().map_err(Stop::usage)?;
    }
    let mut replays = Vec::with_capacity(runs.len());
    for (run, left_out) in runs.iter().zip(left_out) {
        let other = allocator
            .as_deref_mut()
            .map(|allocator| Other::allocate(run, allocator, &cycle_model));
        if let Some(other) = &other
            && is_our_bug(other.allocator, &other.outcome)
        {
            let outcome = &other.outcome;
            console::note!("error: a check of ours failed: run {}: {outcome:?}", run.id);
            exit = Exit::CheckFailed;
        }
        replays.push(Replay {
            predicted: run.job.predict(&run.job.batches, &cycle_model),
            run,
            left_out,
            other,
        });
    }
    let mut out = BufWriter::new(io::stdout().lock());
    let written = if args.json {
        replays
            .iter()
            .try_for_each(|replay| writeln!(out, "{}", line::of(replay)))
    } else {
        let mut text = table::render(&replays, &calibration, &source, args.workers, style());
        if allocator.is_none() {
            text += &table::wholes(&replays, &wholes);
        }
        out.write_all(text.as_bytes())
    };
    written.and_then(|()| out.flush()).map_err(Stop::output)?;
    Ok(exit)
}

/// What is predicted of a folder's runs, each plan by itself, as `sim replay` of it says; and what
/// of it is not, a line each.
pub(crate) fn predicted(path: &Path) -> Result<(Vec<Predicted>, Vec<String>), Stop> {
    let folder = folder::read(path)?;
    let cycle_model = folder.calibration.cycle_model();
    let predicted = |run: &RecordedRun| {
        let replay = Replay {
            predicted: run.job.predict(&run.job.batches, &cycle_model),
            run,
            left_out: None,
            other: None,
        };
        let employed = run.job.batches.iter().enumerate().filter(|(_, x)| **x > 0);
        let worker = |(worker, batches): (usize, &u64)| {
            let (predicted, measured) = replay.compute(worker, *batches);
            PredictedWorker {
                name: run.names[worker].clone(),
                predicted,
                measured,
            }
        };
        Predicted {
            run: run.id.trim_matches('"').to_owned(),
            predicted: replay.predicted,
            measured: run.measured.training,
            workers: employed.map(worker).collect(),
        }
    };
    let runs = folder.runs.iter().map(predicted).collect();
    Ok((runs, folder.notes))
}

/// Reads all runs; says which ones are bad, and goes on with the others unless they are to be
/// fitted on.
fn read(args: &ReplayArgs) -> Result<(Vec<RecordedRun>, Exit), Stop> {
    let path = shown(&args.path);
    let bad = |message: String| Stop::bad(message);
    let text = text(&args.path).map_err(|error| {
        bad(format!(
            "cannot read {path}: {error}; name a JSON file of recorded runs, or - for standard input"
        ))
    })?;
    let results = read_runs(&text).map_err(|error| bad(format!("{path}: {error}")))?;
    let (mut runs, mut exit) = (Vec::with_capacity(results.len()), Exit::Done);
    for result in results {
        match result {
            Ok(run) => runs.push(run),
            Err(error) if args.loo || args.fit.is_some() => {
                return Err(bad(format!("{path}: {error}; fix the run to fit on it")));
            }
            Err(error) => {
                console::note!("error: {path}: {error}");
                exit = Exit::BadInput;
            }
        }
    }
    Ok((runs, exit))
}

fn text(path: &Path) -> io::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut text = Vec::new();
        io::stdin().read_to_end(&mut text)?;
        return Ok(text);
    }
    fs::read(path)
}

/// The calibration to predict with, and where it comes from. A folder has its `own`.
fn calibration(
    args: &ReplayArgs,
    runs: &[RecordedRun],
    own: Option<Calibration>,
) -> Result<(Calibration, String), Stop> {
    if let Some(out) = &args.fit {
        if let (Ok(from), Ok(to)) = (args.path.canonicalize(), out.canonicalize())
            && from == to
        {
            let message = format!(
                "--fit {} would write over the recorded runs, name another file",
                out.display()
            );
            return Err(Stop::usage(message));
        }
        let mut command = format!("sim replay {} --fit {}", args.path.display(), out.display());
        if let Some(bytes) = args.parameter_bytes {
            command += &format!(" --parameter-bytes {bytes}");
        }
        let kept = Calibration::lab_100mbit().parameter_bytes;
        let bytes = args.parameter_bytes.unwrap_or(kept);
        let fitted = Calibration::fit(runs, bytes, command).map_err(|error| unfit(args, &error))?;
        let written = WholeFile::create(out).and_then(|file| file.publish(&fitted.to_json()));
        written.map_err(|error| {
            let message = format!("cannot write {}: {error}", out.display());
            Stop::failed(message)
        })?;
        return Ok((
            fitted,
            format!("fitted on these runs, kept in {}", out.display()),
        ));
    }
    if let Some(path) = &args.calibration {
        let bad = |error: String| {
            let message = format!("{}: {error}", path.display());
            Stop::bad(message)
        };
        let text = fs::read(path).map_err(|error| bad(error.to_string()))?;
        let read = Calibration::read(&text).map_err(|error| bad(error.to_string()))?;
        return Ok((read, path.display().to_string()));
    }
    if let Some(own) = own {
        let source = "the job's own link and model, as the scheduler had them".to_owned();
        return Ok((own, source));
    }
    let source = "lab-100mbit, kept in the project".to_owned();
    Ok((Calibration::lab_100mbit(), source))
}

fn unfit(args: &ReplayArgs, error: &CalibrationError) -> Stop {
    Stop::bad(format!("{}: {error}", shown(&args.path)))
}
