//! All keys of a scenario.

use scheduler::machine::Waits;

use crate::scenario::errors::BenchmarkError;
use crate::scenario::faults::{FaultEvent, Faults};
use crate::scenario::job::{Benchmark, Fees, Job, Model, Run, SharedLink};
use crate::scenario::key::{Key, Table, joined};
use crate::scenario::pay::FeeTier;
use crate::scenario::training::Training;
use crate::scenario::worker::{Group, SHORTHANDS};

/// A table of a scenario: its name, what it is about, and its keys.
pub(crate) type Schema = (&'static str, String, Vec<&'static Key>);

/// All tables, in the order in which they are written.
pub(crate) fn tables() -> Vec<Schema> {
    vec![
        table::<Job>(),
        table::<Benchmark>(),
        table::<Waits>(),
        table::<Model>(),
        table::<SharedLink>(),
        table::<Fees>(),
        table::<Run>(),
        table::<Training>(),
        table::<Group>(),
        table::<FeeTier>(),
        table::<BenchmarkError>(),
        table::<Faults>(),
        table::<FaultEvent>(),
    ]
}

/// All keys. Those of `workers` hold for `[fleet]` as well.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    tables().into_iter().flat_map(|(.., keys)| keys)
}

fn table<T: Table>() -> Schema {
    let shorthands = SHORTHANDS.iter().filter(|key| key.table_name() == T::NAME);
    let keys = T::KEYS.iter().chain(shorthands).collect();
    (T::NAME, joined(T::ABOUT), keys)
}
