//! Joins the folders of all shards of a validation into one, as if it had run in one piece.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::chunk::{Chunk, Detail};
use crate::cursor::{Cursor, Decode};
use crate::error::{MergeError, ResultsError};
use crate::files::{OUTCOMES, STATISTICS, TESTS, TIMINGS, VALIDATION_VERSION};
use crate::problems::ProblemColumns;
use crate::row::{OutcomeRow, Took};
use crate::run_file::RunFile;
use crate::run_plan::{RunPlan, Shard};
use crate::schema::Row;
use crate::statistics::COUNT;
use crate::statistics_table::StatisticsColumns;
use crate::tally::Report;
use crate::validation::{RunRecord, Validation};

/// Merges the shards in `dirs`, given in any order, into `out`.
///
/// The tables are written by the same writer from the same rows as without shards, so that all
/// but the timings come out byte for byte the same. `details` is handed what the shards'
/// `run.json` hold and says what goes into the merged one.
///
/// # Errors
/// When the shards do not belong together, or not all of them are there and complete; when a
/// file cannot be read or written.
pub fn merge(
    dirs: &[PathBuf],
    out: &Path,
    overwrite: bool,
    details: impl FnOnce(&Report, &[Map<String, Value>]) -> Map<String, Value>,
) -> Result<Report, ResultsError> {
    let shards = in_order(dirs)?;
    refuse_input_as_output(&shards, out)?;
    let plan = RunPlan {
        shard: Shard::WHOLE,
        ..shards[0].record.plan.clone()
    };
    let mut validation = Validation::with_tables(plan.clone(), out, overwrite)?;
    let mut readers = Vec::new();
    for shard in &shards {
        readers.push(ShardReader::open(&shard.dir, &plan)?);
    }
    for family in 0..plan.families.len() {
        for (shard, reader) in shards.iter().zip(&mut readers) {
            let tests = shard.record.plan.tests(family);
            let mut next = tests.start;
            while next < tests.end {
                let chunk = reader.chunk((family, &plan), next, tests.end)?;
                next = chunk.next_test();
                validation.push(&chunk)?;
            }
        }
    }
    for reader in &mut readers {
        reader.expect_end()?;
    }
    let records: Vec<_> = shards.into_iter().map(|s| s.record.details).collect();
    validation.finish(|report| details(report, &records))
}

struct ShardFolder {
    dir: PathBuf,
    record: RunRecord,
}

/// Reads every `run.json`, and puts the folders in the order of their shards.
fn in_order(dirs: &[PathBuf]) -> Result<Vec<ShardFolder>, ResultsError> {
    let mut shards = Vec::new();
    for dir in dirs {
        shards.push(ShardFolder {
            record: read_record(dir)?,
            dir: dir.clone(),
        });
    }
    let Some(first) = shards.first() else {
        return Err(MergeError::Nothing.into());
    };
    for other in &shards[1..] {
        same_validation(first, other)?;
    }
    shards.sort_by_key(|shard| shard.record.plan.shard.index());
    for pair in shards.windows(2) {
        if pair[0].record.plan.shard == pair[1].record.plan.shard {
            return Err(MergeError::Doubled {
                shard: pair[0].record.plan.shard.to_string(),
                first: pair[0].dir.clone(),
                second: pair[1].dir.clone(),
            }
            .into());
        }
    }
    let of = shards[0].record.plan.shard.of();
    let found = shards.iter().map(|shard| shard.record.plan.shard.index());
    let out_of_step = (1..).zip(found).find(|(expected, index)| expected != index);
    let missing = of - shards.len() as u64;
    if missing > 0 {
        let index = out_of_step.map_or(shards.len() as u64 + 1, |(expected, _)| expected);
        return Err(MergeError::Missing {
            shard: format!("{index}/{of}"),
            more: missing - 1,
        }
        .into());
    }
    for ShardFolder { dir, record } in &shards {
        if !record.complete {
            return Err(MergeError::Incomplete {
                dir: dir.clone(),
                finished: record.finished_tests,
                planned: record.plan.total_tests(),
            }
            .into());
        }
    }
    Ok(shards)
}

fn read_record(dir: &Path) -> Result<RunRecord, ResultsError> {
    match RunFile::read(dir) {
        Err(ResultsError::Unfinished { dir }) => Err(MergeError::Unfinished { dir }.into()),
        file => file?.record(VALIDATION_VERSION),
    }
}

/// A part of a plan, in words.
type Feature<'a> = &'a dyn Fn(&RunPlan) -> String;

fn same_validation(first: &ShardFolder, second: &ShardFolder) -> Result<(), MergeError> {
    let families = |plan: &RunPlan| {
        let names: Vec<_> = plan.families.iter().map(|f| f.name.as_str()).collect();
        names.join(",")
    };
    let tests = |plan: &RunPlan| {
        let counts: Vec<_> = plan
            .families
            .iter()
            .map(|f| f.n_tests.to_string())
            .collect();
        counts.join(",")
    };
    let simulation = |plan: &RunPlan| {
        let text = if plan.simulate { "cycles" } else { "none" };
        text.to_owned()
    };
    let features: [(&'static str, Feature<'_>); 8] = [
        ("seed", &|plan| plan.seed.to_string()),
        ("source", &|plan| plan.source.clone()),
        ("families", &families),
        ("number of tests", &tests),
        ("allocators", &|plan| plan.allocators.join(",")),
        ("what is simulated", &simulation),
        ("number of shards", &|plan| plan.shard.of().to_string()),
        ("replay command", &|plan| plan.replay.clone()),
    ];
    for (what, feature) in features {
        let first_value = feature(&first.record.plan);
        let second_value = feature(&second.record.plan);
        if first_value != second_value {
            return Err(MergeError::Differs {
                what,
                first: first.dir.clone(),
                first_value,
                second: second.dir.clone(),
                second_value,
            });
        }
    }
    Ok(())
}

fn refuse_input_as_output(shards: &[ShardFolder], out: &Path) -> Result<(), MergeError> {
    // A folder that does not exist yet is none of the shards.
    let Ok(out) = out.canonicalize() else {
        return Ok(());
    };
    let same = |shard: &&ShardFolder| shard.dir.canonicalize().is_ok_and(|dir| dir == out);
    match shards.iter().find(same) {
        Some(shard) => Err(MergeError::OutputIsInput {
            dir: shard.dir.clone(),
        }),
        None => Ok(()),
    }
}

/// Reads the four tables of a shard in step.
struct ShardReader {
    tests: Cursor<ProblemColumns>,
    outcomes: Cursor<Vec<OutcomeRow>>,
    statistics: Cursor<Vec<[f64; COUNT]>>,
    timings: Cursor<Vec<Took>>,
    /// The first worker of the next test in the row group of `tests`.
    worker: usize,
}

impl ShardReader {
    fn open(dir: &Path, plan: &RunPlan) -> Result<Self, ResultsError> {
        let all = &plan.allocators;
        let outcomes: Decode<Vec<OutcomeRow>> = if plan.simulate {
            OutcomeRow::read_simulated
        } else {
            OutcomeRow::read
        };
        Ok(Self {
            tests: Cursor::open(dir, TESTS, &[], ProblemColumns::read)?,
            outcomes: Cursor::open(dir, OUTCOMES, all, outcomes)?,
            statistics: Cursor::open(dir, STATISTICS, all, StatisticsColumns::read)?,
            timings: Cursor::open(dir, TIMINGS, all, Took::read)?,
            worker: 0,
        })
    }

    /// The next tests of a family: from `next` on, before `end`, as many as are at hand.
    fn chunk(
        &mut self,
        (family, plan): (usize, &RunPlan),
        next: u64,
        end: u64,
    ) -> Result<Chunk, ResultsError> {
        let expected = (plan.families[family].name.as_str(), next);
        if self.tests.is_used_up() {
            self.worker = 0;
        }
        let at_hand = [
            self.tests.at_hand(expected)?,
            self.outcomes.at_hand(expected)?,
            self.statistics.at_hand(expected)?,
            self.timings.at_hand(expected)?,
        ];
        let planned = usize::try_from(end - next).unwrap_or(usize::MAX);
        let tests = at_hand.into_iter().fold(planned, usize::min);

        let allocators = plan.allocators.len();
        let mut chunk = Chunk::new(family, next, allocators, Detail::Tables);
        chunk.tests = tests;
        let from = self.tests.take(tests);
        for index in from.clone() {
            let problems = &self.tests.group;
            chunk.problems.push_from(problems, index, self.worker);
            self.worker += problems.workers_of(index);
        }
        let rows = |range: std::ops::Range<usize>| range.start * allocators..range.end * allocators;
        let from = rows(self.outcomes.take(tests));
        chunk.rows.extend_from_slice(&self.outcomes.group[from]);
        let from = rows(self.statistics.take(tests));
        let statistics = &self.statistics.group[from];
        chunk.statistics.extend_from_slice(statistics);
        let from = rows(self.timings.take(tests));
        chunk.took.extend_from_slice(&self.timings.group[from]);
        Ok(chunk)
    }

    fn expect_end(&mut self) -> Result<(), ResultsError> {
        self.tests.expect_end()?;
        self.outcomes.expect_end()?;
        self.statistics.expect_end()?;
        self.timings.expect_end()
    }
}
