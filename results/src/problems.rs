//! The problems of consecutive tests: the columns of `tests.parquet`.

use polars_core::prelude::*;
use scheduler::Problem;

use crate::error::ResultsError;
use crate::read::Table;
use crate::schema::{Described, Field};
use crate::value::Kind;

/// The problems of consecutive tests, by column.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProblemColumns {
    pub(crate) n: Vec<u64>,
    pub(crate) beta: Vec<u64>,
    pub(crate) s_min: Vec<u64>,
    pub(crate) k: Vec<u64>,
    pub(crate) eligible: Vec<u64>,
    pub(crate) capacity: Vec<u64>,
    /// Of all workers of all problems, one problem after the other.
    pub(crate) s_max: Vec<u32>,
    pub(crate) fee_micro: Vec<u64>,
}

impl ProblemColumns {
    pub(crate) fn push(&mut self, problem: &Problem) {
        let workers = problem.workers();
        let (mut eligible, mut capacity) = (0, 0);
        for worker in workers.iter().filter(|w| problem.is_eligible(w)) {
            eligible += 1;
            capacity += worker.s_max;
        }
        self.n.push(problem.n());
        self.beta.push(problem.beta());
        self.s_min.push(problem.s_min());
        self.k.push(workers.len() as u64);
        self.eligible.push(eligible);
        self.capacity.push(capacity);
        let s_max = |s_max: u64| u32::try_from(s_max).expect("s_max is at most 10^9");
        self.s_max.extend(workers.iter().map(|w| s_max(w.s_max)));
        let fees = workers.iter().map(|w| w.fee.micros());
        self.fee_micro.extend(fees);
    }

    /// Appends test `index` of `other`, whose workers begin at `worker`.
    pub(crate) fn push_from(&mut self, other: &Self, index: usize, worker: usize) {
        let end = worker + other.workers_of(index);
        self.n.push(other.n[index]);
        self.beta.push(other.beta[index]);
        self.s_min.push(other.s_min[index]);
        self.k.push(other.k[index]);
        self.eligible.push(other.eligible[index]);
        self.capacity.push(other.capacity[index]);
        self.s_max.extend_from_slice(&other.s_max[worker..end]);
        self.fee_micro
            .extend_from_slice(&other.fee_micro[worker..end]);
    }

    pub(crate) fn workers_of(&self, index: usize) -> usize {
        usize::try_from(self.k[index]).expect("k is at most 10^6")
    }

    /// The columns of `tests.parquet` after its keys, in order.
    pub(crate) fn describe() -> Vec<Described> {
        let list = |name, bits, sentence| Described::new(name, Kind::Numbers(bits), sentence);
        let mut columns: Vec<Described> = NUMBERS
            .iter()
            .map(|(name, sentence, _)| Described::new(name, Kind::Number, sentence))
            .collect();
        columns.push(list(
            S_MAX,
            32,
            "The most batches that each worker can take.",
        ));
        columns.push(list(FEE, 64, "What each worker is paid per batch; where costs are given by points, what a batch costs at \
             `s_max`, rounded down."));
        columns
    }

    /// Turns the problems into columns, and begins anew.
    pub(crate) fn take(&mut self) -> Vec<Column> {
        let all = std::mem::take(self);
        let mut columns: Vec<Column> = NUMBERS
            .iter()
            .map(|(name, _, of)| UInt64Chunked::from_slice((*name).into(), of(&all)).into_column())
            .collect();
        let count = all.n.len();
        let mut s_max = ListPrimitiveChunkedBuilder::<UInt32Type>::new(
            S_MAX.into(),
            count,
            all.s_max.len(),
            DataType::UInt32,
        );
        let mut fees = ListPrimitiveChunkedBuilder::<UInt64Type>::new(
            FEE.into(),
            count,
            all.fee_micro.len(),
            DataType::UInt64,
        );
        let mut start = 0;
        for index in 0..count {
            let end = start + all.workers_of(index);
            s_max.append_slice(&all.s_max[start..end]);
            fees.append_slice(&all.fee_micro[start..end]);
            start = end;
        }
        columns.push(s_max.finish().into_column());
        columns.push(fees.finish().into_column());
        columns
    }

    /// The problems of a row group.
    pub(crate) fn read(table: &Table<'_>) -> Result<Self, ResultsError> {
        let numbers = |name| u64::read(table, name);
        let columns = Self {
            n: numbers("n")?,
            beta: numbers("beta")?,
            s_min: numbers("s_min")?,
            k: numbers("k")?,
            eligible: numbers("eligible")?,
            capacity: numbers("capacity")?,
            s_max: table.lists(S_MAX, |lists| Ok(lists.u32()?.iter().collect()))?,
            fee_micro: table.lists(FEE, |lists| Ok(lists.u64()?.iter().collect()))?,
        };
        let workers: u64 = columns.k.iter().sum();
        let listed = [columns.s_max.len() as u64, columns.fee_micro.len() as u64];
        if listed != [workers; 2] {
            return Err(table.damaged("expected as many s_max and fee_micro as k says"));
        }
        Ok(columns)
    }
}

const S_MAX: &str = "s_max";
const FEE: &str = "fee_micro";

/// A column of numbers: its name, what it is, and where it lies.
type Numbers = (&'static str, &'static str, fn(&ProblemColumns) -> &[u64]);

const NUMBERS: [Numbers; 6] = [
    ("n", "The batches to allocate.", |all| &all.n),
    ("beta", "The least number of workers to employ.", |all| {
        &all.beta
    }),
    (
        "s_min",
        "The least number of batches of an employed worker.",
        |all| &all.s_min,
    ),
    ("k", "The number of workers.", |all| &all.k),
    (
        "eligible",
        "Workers that can take `max(1, s_min)` batches.",
        |all| &all.eligible,
    ),
    (
        "capacity",
        "The batches that eligible workers can take together.",
        |all| &all.capacity,
    ),
];
