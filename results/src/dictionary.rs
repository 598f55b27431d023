//! The data dictionary: every table that a folder of results may hold, and what each of its columns
//! is.
//!
//! The sentences are those of the declarations by which tables are written (see `schema.rs`), and
//! stand in the metadata of Parquet files too. `docs/reference/tables.md` is [`markdown`].
//!
//! **What it does not know:** the tables behind a report's figures, which say what they are in
//! their headings.

use std::fmt::Write;
use std::fs::File;
use std::path::Path;

use polars_io::SerReader;
use polars_io::parquet::read::ParquetReader;
use scheduler::machine::{AssignmentRow, CycleRow, ShareRow};

use crate::error::{Action, ResultsError};
use crate::files::{
    CYCLES, DISCREPANCIES, HISTORY, LOTS, MODELS, OUTCOMES, PAIRED, PLANS, RUNS, SHARES,
    STATISTICS, SUMMARY_CSV, SWEEP_FILE, TESTS, TIMINGS, TIMINGS_SUMMARY, WORKERS,
};
use crate::problems::ProblemColumns;
use crate::row::Took;
use crate::run_file::Kind as FolderKind;
use crate::runs::{
    HistoryRow, ModelRow, PairedRow, QuestionRow, RunRow, RunTable, SummaryLine, WorkerRow,
};
use crate::schema::{Described, Row};
use crate::statistics_table::StatisticsColumns;
use crate::tally::{DiscrepancyRow, TimingRow};
use crate::test_keys::Group;
use crate::validation::{describe_outcomes, describe_summary};
use crate::value::Kind;

/// A table.
struct Entry {
    file: &'static str,
    about: &'static str,
    columns: Vec<Described>,
}

fn entry(file: &'static str, about: &'static str, columns: Vec<Described>) -> Entry {
    Entry {
        file,
        about,
        columns,
    }
}

fn validation() -> Vec<Entry> {
    let answers = |columns| [Group::describe(true), columns].concat();
    let problems = [Group::describe(false), ProblemColumns::describe()].concat();
    vec![
        entry(TESTS, "One row per test: the problem.", problems),
        entry(
            OUTCOMES,
            "One row per test and allocator: the answer.",
            answers(describe_outcomes(true)),
        ),
        entry(
            STATISTICS,
            "One row per test and allocator: the 39 statistics of the thesis, for `x` the batches of \
             a worker. A cell is empty where there is nothing to divide by, or no plan.",
            answers(StatisticsColumns::describe()),
        ),
        entry(
            TIMINGS,
            "One row per test and allocator: how long the answer took.",
            answers(Took::describe()),
        ),
        entry(
            DISCREPANCIES,
            "One row per answer that is not the proven optimum, or not the right feasibility.",
            DiscrepancyRow::describe(),
        ),
        entry(
            SUMMARY_CSV,
            "One row per family and allocator: the comparison. `summary.json` holds the same. The \
             columns from `simulated` on are there if plans are simulated.",
            describe_summary(),
        ),
        entry(
            TIMINGS_SUMMARY,
            "One row per family and allocator: how long answers took.",
            TimingRow::describe(),
        ),
    ]
}

fn runs() -> Vec<Entry> {
    vec![
        entry(
            RUNS,
            "One row per run: how it ended.",
            RunRow::describe_all(),
        ),
        entry(
            WORKERS,
            "One row per run and worker.",
            WorkerRow::describe_all(),
        ),
        entry(
            PLANS,
            "One row per plan that was taken, or question without one.",
            QuestionRow::describe_all(),
        ),
        entry(
            SHARES,
            "One row per plan and candidate: what was known of it, and what it gets.",
            ShareRow::describe_all(),
        ),
        entry(CYCLES, "One row per cycle.", CycleRow::describe_all()),
        entry(
            LOTS,
            "One row per cycle and worker with a share.",
            AssignmentRow::describe_all(),
        ),
        entry(
            HISTORY,
            "One row per joining, benchmark, departure, shipping, pause and ignored message.",
            HistoryRow::describe_all(),
        ),
        entry(
            MODELS,
            "One row per cycle of a real run whose model was judged.",
            ModelRow::describe_all(),
        ),
        entry(
            SUMMARY_CSV,
            "One row per allocator, over its runs. `summary.json` holds the same.",
            SummaryLine::describe(),
        ),
        entry(
            PAIRED,
            "One row per figure and arm but the first, if `sim run` compared several: what `--against` \
             prints.",
            PairedRow::describe(),
        ),
    ]
}

/// Columns of a CSV file that is not written by row types.
fn listed(columns: &[(&str, Kind, &'static str)]) -> Vec<Described> {
    let describe = |(name, kind, sentence): &(&str, Kind, &'static str)| Described {
        is_optional: *kind == Kind::Float,
        ..Described::new(name, *kind, sentence)
    };
    columns.iter().map(describe).collect()
}

fn thesis() -> Vec<Entry> {
    use Kind::{Float, Number, Text};
    vec![
        entry(
            "stats.csv",
            "One row: settings, durations, the model before and after training, costs.",
            listed(&[
                ("BATCH_SIZE", Number, "Samples of a batch."),
                ("NUM_GLOBAL_CYCLES", Number, "Cycles."),
                ("NUM_BENCHMARK", Number, "Batches of a benchmark."),
                ("BETA", Number, "The least number of workers to employ."),
                (
                    "S_MIN",
                    Number,
                    "The least number of batches of an employed worker.",
                ),
                (
                    "MAX_TIME",
                    Float,
                    "The time limit of all cycles together, in seconds.",
                ),
                (
                    "max_time_per_cycle",
                    Float,
                    "The time limit of a cycle, in seconds.",
                ),
                ("FEE_TYPE", Text, "How fees are set."),
                (
                    "WEIGHT_TYPE",
                    Text,
                    "How results are weighted in the average.",
                ),
                ("total_batches", Number, "Batches of a cycle."),
                (
                    "send_data_duration",
                    Float,
                    "Time spent shipping data, in seconds.",
                ),
                (
                    "total_batches_assigned",
                    Number,
                    "Batches that the last plan assigns.",
                ),
                ("model_pre_train_loss", Float, "Loss before training."),
                (
                    "model_pre_train_acc",
                    Float,
                    "Mean probability of the true class before training.",
                ),
                ("model_post_train_loss", Float, "Loss after the last cycle."),
                (
                    "model_post_train_acc",
                    Float,
                    "Mean probability of the true class after the last cycle.",
                ),
                (
                    "training_duration",
                    Float,
                    "Wall time of all cycles, in seconds.",
                ),
                (
                    "total_cost_per_cycle",
                    Float,
                    "What a cycle of the last plan costs.",
                ),
                ("total_cost", Float, "What the run cost."),
            ]),
        ),
        entry(
            "workers.csv",
            "One row per measured worker.",
            listed(&[
                ("ip", Text, "The address that it called from."),
                ("benchmark_batches_per_sec", Float, "Its benchmark."),
                (
                    "s_max",
                    Number,
                    "The most batches that the last plan could give it.",
                ),
                ("cost_per_batch", Float, "What it is paid per batch."),
                (
                    "cost_per_cycle",
                    Float,
                    "What its share of the last plan costs.",
                ),
                ("total_cost", Float, "What it is paid in all."),
                ("batches_assigned", Number, "Its share of the last plan."),
                ("samples_assigned", Number, "The same in samples."),
                ("name", Text, "Its name."),
                ("device", Text, "What it computes on."),
                ("cores", Number, "Its processor's cores."),
            ]),
        ),
        entry(
            "timing.csv",
            "One row per cycle, with a column for each worker's name: the seconds that it computed, \
             `N/A` if it gave no result.",
            Vec::new(),
        ),
        entry(
            "model.csv",
            "One row per cycle, from 0, before training.",
            listed(&[
                ("loss", Float, "Loss on the test samples."),
                ("accuracy", Float, "Mean probability of the true class."),
                ("cycle", Number, "The cycle."),
                (
                    "argmax_accuracy",
                    Float,
                    "Share of samples whose most likely class is the true one.",
                ),
            ]),
        ),
    ]
}

fn sweep() -> Vec<Entry> {
    use Kind::{Float, Number, Text};
    let columns = listed(&[
        ("allocator", Text, "The allocator."),
        ("seed", Number, "The seed of all draws."),
        ("replicates", Number, "Runs."),
        (
            "fee",
            Float,
            "Mean fee of the runs that reached their last cycle.",
        ),
        (
            "fee_low",
            Float,
            "Lower end of its 95 % confidence interval.",
        ),
        ("fee_high", Float, "Upper end of it."),
        ("wall_s", Float, "Mean wall time of the same runs."),
        (
            "wall_s_low",
            Float,
            "Lower end of its 95 % confidence interval.",
        ),
        ("wall_s_high", Float, "Upper end of it."),
        ("limit_s", Float, "The time that all cycles together had."),
        (
            "missed_percent",
            Float,
            "Runs that missed, in percent of all.",
        ),
        (
            "missed_percent_low",
            Float,
            "Lower end of its 95 % confidence interval.",
        ),
        ("missed_percent_high", Float, "Upper end of it."),
        (
            "cycles_complete",
            Float,
            "Mean number of complete cycles of a run.",
        ),
        (
            "cycles_truncated",
            Float,
            "Mean number of truncated cycles.",
        ),
        ("cycles_failed", Float, "Mean number of failed cycles."),
        (
            "lost_percent",
            Float,
            "Batches that do not count, in percent of those ordered.",
        ),
        ("plans", Float, "Mean number of plans of a run."),
        (
            "ended_early",
            Number,
            "Runs that ended before their last cycle.",
        ),
        ("error", Text, "Why the combination was not simulated."),
    ]);
    vec![entry(
        SWEEP_FILE,
        "One row per combination of the varied keys and allocator. The varied keys come first, with \
         a column each.",
        columns,
    )]
}

/// What a kind of folder is called, what it is, and its tables.
type Chapter = (&'static str, &'static str, fn() -> Vec<Entry>);

const CHAPTERS: [Chapter; 4] = [
    (
        "Validations",
        "Folders of `sim validate` and `sim merge`.",
        validation,
    ),
    (
        "Runs",
        "Folders of `sim run` and of real runs. The tables of both are the same; what only a \
         simulation can know is empty in a real run. Times count from the beginning of the run.",
        runs,
    ),
    (
        "Real runs, the thesis' tables",
        "What `runtime cluster` writes beside them, under the headings of the thesis program.",
        thesis,
    ),
    ("Sweeps", "Folders of `sim sweep`.", sweep),
];

/// The data dictionary as a page.
pub fn markdown() -> String {
    let mut text = "# Tables\n\n\
        Every table in a folder of results, and every column. This page is generated from the \
        declarations in the code; a test compares. The same sentences stand in the key-value \
        metadata of the Parquet files.\n\n\
        Money is in millionths of a unit where a name ends in `_micro`, time in nanoseconds where it \
        ends in `_ns`. A column that may be empty is marked with `?`. A speed is a ratio: \
        `speed_batches` batches in `speed_ns`.\n"
        .to_owned();
    for (title, about, tables) in CHAPTERS {
        // Writing to a text does not fail.
        let _ = write!(text, "\n## {title}\n\n{about}\n");
        for table in tables() {
            let _ = write!(text, "\n### `{}`\n\n{}\n", table.file, table.about);
            if table.columns.is_empty() {
                continue;
            }
            text += "\n| column | type | unit | meaning |\n|---|---|---|---|\n";
            for column in &table.columns {
                let optional = if column.is_optional { "?" } else { "" };
                let _ = writeln!(
                    text,
                    "| `{}` | {}{optional} | {} | {} |",
                    column.name,
                    column.kind.name(),
                    column.unit(),
                    column.sentence,
                );
            }
        }
    }
    text
}

/// How the tables of a folder differ from this dictionary: a line for each table whose columns are
/// not those declared, and for each Parquet file without their sentences. For tests.
///
/// # Errors
/// When the folder or one of its tables cannot be read.
#[doc(hidden)]
pub fn differences(dir: &Path) -> Result<Vec<String>, ResultsError> {
    let tables = match FolderKind::of(dir)? {
        FolderKind::Validation => validation(),
        FolderKind::Runs => [runs(), thesis()].into_iter().flatten().collect(),
        FolderKind::Sweep => sweep(),
        FolderKind::RealSweep => Vec::new(),
    };
    let mut found = Vec::new();
    for Entry { file, columns, .. } in &tables {
        let path = dir.join(file);
        if !path.exists() || columns.is_empty() {
            continue;
        }
        let is_parquet = file.ends_with(".parquet");
        let (names, sentences) = if is_parquet {
            parquet(&path)?
        } else {
            let text = std::fs::read_to_string(&path);
            let text = text.map_err(|cause| ResultsError::io(Action::Read, &path, cause))?;
            let heading = text.lines().next().unwrap_or_default().split(',');
            (heading.map(str::to_owned).collect(), Vec::new())
        };
        let declared: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        // Those of simulated cycles are not always there, those of a sweep's keys are not known.
        let is_same = match *file {
            OUTCOMES | SUMMARY_CSV => declared.starts_with(&as_texts(&names)),
            SWEEP_FILE => as_texts(&names).ends_with(&declared),
            _ => as_texts(&names) == declared,
        };
        if !is_same {
            found.push(format!("{file} has {names:?}, declared {declared:?}"));
        }
        let has_sentence = |column: &&Described| {
            let expected = (column.name.clone(), column.sentence.to_string());
            !names.contains(&column.name) || sentences.contains(&expected)
        };
        if is_parquet && let Some(column) = columns.iter().find(|c| !has_sentence(c)) {
            found.push(format!("{file} does not say what {} is", column.name));
        }
    }
    Ok(found)
}

fn as_texts(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// By the names of columns.
type Sentences = Vec<(String, String)>;

/// The columns of a Parquet file, and what its metadata says of them.
fn parquet(path: &Path) -> Result<(Vec<String>, Sentences), ResultsError> {
    let damaged = |error| ResultsError::damaged(path, error);
    let file = File::open(path).map_err(|cause| ResultsError::io(Action::Read, path, cause))?;
    let mut reader = ParquetReader::new(file);
    let schema = reader.schema().map_err(damaged)?;
    let names = schema.iter_names().map(ToString::to_string).collect();
    let metadata = reader.get_metadata().map_err(damaged)?;
    let pairs = metadata.key_value_metadata().iter().flatten();
    let sentences = pairs.filter_map(|pair| Some((pair.key.clone(), pair.value.clone()?)));
    Ok((names, sentences.collect()))
}
