//! The tables of run folders against the records that they were made of, and their bytes.

mod account;
mod cells;
mod folder;
mod report;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use polars_core::prelude::{AnyValue, DataFrame};
use polars_io::SerReader;
use polars_io::parquet::read::ParquetReader;
use results::runs::{Job, RunChunk, RunEnd, RunFolder, RunKey, RunRows, RunsPlan, Truth};
use scheduler::machine::{Config, Ending, Limit, Record, Totals};
use scheduler::{CycleModel, Instant, LinkService, Span};

const ALLOCATORS: [&str; 2] = ["exact", "heuristic"];

fn plan(replicates: u64) -> RunsPlan {
    RunsPlan {
        mode: "simulated".to_owned(),
        scenario: "made-up".to_owned(),
        seed: 3,
        replicates,
        allocators: ALLOCATORS.map(str::to_owned).to_vec(),
    }
}

fn job() -> Job {
    let [evaluation, down, up] = [5, 7, 11].map(Span::from_millis);
    Job {
        config: Config::new(30, 4, Limit::Cycle(Span::from_secs(1))),
        cycle_model: CycleModel {
            evaluation,
            down,
            up,
            service: LinkService::LastFirst,
        },
        parameter_bytes: 99,
    }
}

fn begin(dir: &Path, replicates: u64) -> RunFolder {
    RunFolder::create(dir, plan(replicates), &job(), "# nothing\n", false).expect("room")
}

/// One run: what its scheduler said.
type Said = Vec<(Instant, Record)>;

fn chunks(key: RunKey, said: &Said, end: RunEnd, names: &[Arc<str>]) -> Vec<RunChunk> {
    let (mut rows, mut chunks) = (RunRows::new(key), Vec::new());
    for (at, record) in said {
        rows.record(*at, record);
        chunks.extend(rows.take_full());
    }
    chunks.push(rows.finish(end, names));
    chunks
}

fn end(totals: Totals, truth: Option<Truth>) -> RunEnd {
    RunEnd {
        ending: Ending::Completed,
        totals,
        ended: Instant::from_nanos(77),
        limit: Span::from_nanos(50),
        truth,
    }
}

fn table(dir: &Path, name: &str) -> DataFrame {
    let file = File::open(dir.join(name)).expect("the table is there");
    ParquetReader::new(file).finish().expect("it is parquet")
}

/// The rows of a table as text, in the order of these columns.
fn cells(table: &DataFrame, columns: &[&str]) -> Vec<Vec<String>> {
    let column = |name: &&str| {
        let column = table.column(name).expect("the column is there");
        let text = |row: usize| match column.get(row).expect("the row is there") {
            AnyValue::Null => "-".to_owned(),
            AnyValue::String(text) => text.to_owned(),
            AnyValue::StringOwned(text) => text.to_string(),
            AnyValue::Decimal(value, ..) => value.to_string(),
            value => value.to_string(),
        };
        (0..table.height()).map(text).collect::<Vec<_>>()
    };
    let columns: Vec<_> = columns.iter().map(column).collect();
    let row = |row: usize| columns.iter().map(|column| column[row].clone()).collect();
    (0..table.height()).map(row).collect()
}
