//! `sim sweep`: a scenario under every combination of the values of some of its keys.
//!
//! Every combination has the same draws as `sim run` of it alone would have, so that differences
//! between combinations of one seed are not differences of the draws. A combination that is wrong is a
//! row like the others, with its error: a long sweep is not lost to one bad value.

mod row;
mod write;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use console::{Exit, Stop, stop_on_ctrl_c};
use results::{SweepFolder, WholeFile};
use scenarios::Overrides;
use scenarios::scenario::Vary;
use serde_json::{Map, Value};

use crate::cli::{ReplicateArgs, SweepArgs};
use crate::environment;
use crate::folder;
use crate::machine::{MemoryWatch, Started};
use crate::parallel;
use crate::run::{Setting, Source, given, simulate};
use crate::terminal::style;
use row::{Row, columns};

/// More than anyone means to ask for; each takes memory before the first is simulated.
const MOST_COMBINATIONS: usize = 100_000;

/// The sub-command.
pub(crate) fn command(args: &SweepArgs) -> Result<Exit, Stop> {
    let overrides = environment::overrides(&args.of.set, &args.of.settings)?;
    let varied = varied(&args.vary)?;
    Vary::check(&varied, &overrides).map_err(Stop::usage)?;
    let source = Source::open(&args.of.scenario)?;
    let started = Started::now();
    let kept = match &args.out {
        Some(path) => Some((path, Kept::create(path, args.overwrite)?)),
        None => None,
    };
    let threads = args.of.threads();
    let combinations = Vary::product(&varied, &overrides);
    console::note!(
        "{} combinations of {}; {threads} threads",
        combinations.len(),
        args.of.scenario
    );

    let keys: Vec<&str> = varied.iter().map(Vary::key).collect();
    let stop = stop_on_ctrl_c("runs")?;
    let memory = MemoryWatch::start();
    let rows = rows(&source, &combinations, &args.of, &keys, threads, &stop);
    let finished: Vec<&Row> = rows.iter().filter(|row| !row.is_interrupted()).collect();
    let text = if args.json {
        write::lines(&keys, &finished)
    } else {
        write::table(&keys, &finished, style())
    };
    // The file first, so that a standard output that is full does not take it away. It has a row
    // for every combination: one that was not simulated says so.
    let details = || {
        let mut details = started.record(threads, &memory);
        details.insert("scenario".to_owned(), args.of.scenario.clone().into());
        details.insert("set".to_owned(), args.of.set.clone().into());
        details
    };
    let is_complete = finished.len() == rows.len() && !rows.iter().any(Row::is_bad);
    let written = kept.map_or(Ok(()), |(path, kept)| {
        let csv = write::csv(&keys, &rows);
        kept.finish(&csv, &keys, is_complete, details)
            .map_err(|error| {
                let message = format!("cannot write {}: {error}", path.display());
                Stop::failed(message)
            })
    });
    let printed = console::print(&text);
    written?;
    printed?;
    if finished.len() < rows.len() {
        let kept = if args.out.is_some() { " and kept" } else { "" };
        console::note!(
            "interrupted: {} of {} rows are finished{kept}",
            finished.len(),
            rows.len()
        );
        return Ok(Exit::Interrupted);
    }
    match rows.iter().filter(|row| row.is_bad()).count() {
        0 => Ok(Exit::Done),
        bad => Err(Stop::bad(format!(
            "{bad} of {} rows could not be simulated, see why in them",
            rows.len()
        ))),
    }
}

/// The keys and their values; every key once, and named unlike what is found out.
fn varied(texts: &[String]) -> Result<Vec<Vary>, Stop> {
    let usage = |message: String| Stop::usage(message);
    let mut all: Vec<Vary> = Vec::with_capacity(texts.len());
    let (mut combinations, columns) = (1_usize, columns());
    for text in texts {
        let vary = Vary::parse(text).map_err(|error| usage(error.to_string()))?;
        let key = vary.key();
        if all.iter().any(|other| other.key() == key) {
            return Err(usage(format!(
                "--vary {key} is given twice, expected each key once with all of its values"
            )));
        }
        if columns.iter().any(|column| column == key) {
            return Err(usage(format!(
                "--vary {key} is no key of a scenario, expected one such as job.risk"
            )));
        }
        combinations = combinations.saturating_mul(vary.values().len());
        all.push(vary);
    }
    if combinations > MOST_COMBINATIONS {
        return Err(usage(format!(
            "--vary asks for more combinations than can be run, expected at most {MOST_COMBINATIONS}"
        )));
    }
    Ok(all)
}

/// Where rows are kept: made before hours are spent on what would go there.
enum Kept {
    File(WholeFile),
    Folder(SweepFolder),
}

impl Kept {
    fn create(path: &Path, overwrite: bool) -> Result<Self, Stop> {
        let is_csv = path.extension().is_some_and(|end| end == "csv");
        if path.is_file() && !is_csv {
            let message = format!(
                "--out {} is a file, expected a folder, or a name that ends in .csv",
                path.display()
            );
            return Err(Stop::usage(message));
        }
        if is_csv || (path.exists() && !path.is_dir()) {
            return create(path, overwrite).map(Self::File);
        }
        let folder = SweepFolder::create(path, overwrite);
        folder.map(Self::Folder).map_err(folder::stop)
    }

    fn finish(
        self,
        csv: &str,
        keys: &[&str],
        is_complete: bool,
        details: impl FnOnce() -> Map<String, Value>,
    ) -> Result<(), String> {
        match self {
            Self::File(file) => file.publish(csv).map_err(|error| error.to_string()),
            Self::Folder(folder) => folder
                .finish(csv, keys, is_complete, details())
                .map_err(|error| error.to_string()),
        }
    }
}

/// The file.
fn create(path: &Path, overwrite: bool) -> Result<WholeFile, Stop> {
    let usage = |message: String| Stop::usage(message);
    match path.symlink_metadata() {
        // Renaming would replace a device or a link, which is never meant.
        Ok(found) if !found.is_file() => {
            return Err(usage(format!(
                "--out {}: that is no plain file, expected the name of one",
                path.display()
            )));
        }
        Ok(_) if !overwrite => {
            return Err(usage(format!(
                "--out {} is there already, expected another name or --overwrite",
                path.display()
            )));
        }
        _ => {}
    }
    WholeFile::create(path)
        .map_err(|error| usage(format!("cannot write {}: {error}", path.display())))
}

/// The rows of every combination in order, those of its allocators in order.
fn rows(
    source: &Source,
    combinations: &[Overrides],
    args: &ReplicateArgs,
    keys: &[&str],
    threads: usize,
    stop: &AtomicBool,
) -> Vec<Row> {
    let progress = console::bar(combinations.len() as u64, "combinations read");
    let read = |(): &mut (), overrides: &Overrides| {
        progress.inc(1);
        Setting::new(source, overrides, args)
    };
    let settings = parallel::map(combinations.iter(), threads, stop, || (), read);
    progress.finish_and_clear();
    let good: Vec<&Setting> = settings.iter().flatten().collect();
    if let Some(first) = good.first() {
        for unused in &first.provenance.unused {
            console::note!("{unused}");
        }
        let given = given(first, |key| !keys.contains(&key));
        if !given.is_empty() {
            console::note!("{}", given.trim_end());
        }
    }
    let mut simulated = simulate(&good, threads, stop, Row::figures).into_iter();
    let mut rows = Vec::new();
    // Those that were not even read for a Ctrl-C come after all that were.
    let settings = settings.iter().map(Some).chain(std::iter::repeat(None));
    for (combination, setting) in combinations.iter().zip(settings) {
        // What is varied goes before all that is set, and so comes last.
        let pairs = combination.pairs().collect::<Vec<_>>();
        let values: Vec<String> = pairs[pairs.len() - keys.len()..]
            .iter()
            .map(|(_, value)| (*value).to_owned())
            .collect();
        match setting {
            None => rows.push(Row::interrupted(&values, None)),
            Some(Ok(setting)) => {
                let figures = simulated.next().expect("every setting has its place");
                let allocators = setting.allocators.iter().map(|name| Some(*name));
                match figures {
                    None => rows.extend(allocators.map(|name| Row::interrupted(&values, name))),
                    Some(figures) => rows.extend(
                        allocators
                            .zip(figures)
                            .map(|(name, figures)| Row::new(&values, name, Ok(figures))),
                    ),
                }
            }
            // As many rows as it would have had, where that is known.
            Some(Err(lines)) if args.allocators.is_empty() => {
                rows.push(Row::new(&values, None, Err(lines.join("; "))));
            }
            Some(Err(lines)) => rows.extend(
                args.allocators
                    .iter()
                    .map(|name| Row::new(&values, Some(*name), Err(lines.join("; ")))),
            ),
        }
    }
    rows
}
