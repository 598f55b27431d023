//! The workers of a run: names, the scheduler's numbers, keys, and fees.
//!
//! Numbers decide the order in which results are averaged, and linear fees. Names that are known
//! beforehand (of a plan, a scenario, or local workers) therefore have their numbers before any worker
//! joins; others get the next one as they come. In a run, a name belongs to the first key that joins
//! with it, or to the one that the scenario binds it to; and a key has one name for good, that with which
//! it was put on the allow-list. What bars a worker bars its key, over resumes too.
//!
//! **What it does not know:** connections, and which workers are present.

use std::collections::{BTreeMap, BTreeSet};

use scenarios::Scenario;
use scenarios::scenario::WorkerStreams;
use scheduler::machine::WorkerId;
use scheduler::{Fee, MAX_BATCHES, Tariff};

use crate::net::PeerId;

/// The workers that a run knows of.
#[derive(Debug)]
pub(crate) struct Roster {
    entries: Vec<Entry>,
    bound: BTreeMap<String, PeerId>,
    /// Keys whose results were refused too often.
    barred: BTreeSet<PeerId>,
    /// Only those known beforehand may join.
    closed: bool,
}

#[derive(Debug)]
struct Entry {
    name: String,
    key: Option<PeerId>,
}

/// Why a worker may not join.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JoinError {
    /// The plan does not name it.
    #[error("the plan does not know {0:?}")]
    NotPlanned(String),
    /// Two machines have the same name.
    #[error("another worker is called {0:?}: give each its own --name")]
    NameTaken(String),
    /// The scenario binds the name to another key.
    #[error("the scenario gives {name:?} to the machine with the key {key}: this one is another")]
    Bound {
        /// The name.
        name: String,
        /// The key that has it.
        key: PeerId,
    },
    /// Too many of its results were refused, in this run or before it was resumed.
    #[error("too many of its results were refused: it is not admitted to this run again")]
    Barred,
}

impl Roster {
    /// Knows these names beforehand; if `closed`, no other may join. Some are bound to keys.
    pub(crate) fn new(
        names: impl IntoIterator<Item = String>,
        bound: BTreeMap<String, PeerId>,
        closed: bool,
    ) -> Self {
        let entry = |name| Entry { name, key: None };
        Self {
            entries: names.into_iter().map(entry).collect(),
            bound,
            barred: BTreeSet::new(),
            closed,
        }
    }

    /// These keys may not join.
    pub(crate) fn bar(&mut self, keys: impl IntoIterator<Item = PeerId>) {
        self.barred.extend(keys);
    }

    /// The keys that may not join, and those of the workers that this names too.
    pub(crate) fn barred(&self, is_barred: impl Fn(WorkerId) -> bool) -> BTreeSet<PeerId> {
        let numbered = (0..).map(WorkerId::new).zip(&self.entries);
        let more = numbered.filter(|(worker, _)| is_barred(*worker));
        let more = more.filter_map(|(_, entry)| entry.key);
        more.chain(self.barred.iter().copied()).collect()
    }

    /// The number of the worker with this name and key.
    pub(crate) fn enter(&mut self, name: &str, key: PeerId) -> Result<WorkerId, JoinError> {
        if self.barred.contains(&key) {
            return Err(JoinError::Barred);
        }
        if let Some(owner) = self.bound.get(name)
            && *owner != key
        {
            return Err(JoinError::Bound {
                name: name.to_owned(),
                key: *owner,
            });
        }
        let known = self.entries.iter().position(|entry| entry.name == name);
        let at = match known {
            Some(at) => at,
            None if self.closed => return Err(JoinError::NotPlanned(name.to_owned())),
            None => {
                self.entries.push(Entry {
                    name: name.to_owned(),
                    key: None,
                });
                self.entries.len() - 1
            }
        };
        let owner = self.entries[at].key.get_or_insert(key);
        if *owner != key {
            return Err(JoinError::NameTaken(name.to_owned()));
        }
        let number = u32::try_from(at).expect("there are fewer than 2^32 workers");
        Ok(WorkerId::new(number))
    }

    /// The name of a number.
    pub(crate) fn name(&self, worker: WorkerId) -> &str {
        let entry = self.entries.get(worker.get() as usize);
        entry.map_or("", |entry| entry.name.as_str())
    }

    /// The number of a name.
    pub(crate) fn worker(&self, name: &str) -> Option<WorkerId> {
        let at = self.entries.iter().position(|entry| entry.name == name)?;
        u32::try_from(at).ok().map(WorkerId::new)
    }

    /// All names, by number.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }
}

/// What a worker is paid, and the most that it takes: by the scenario's entry of its name, else a fee
/// by the rule alone.
pub(crate) fn pay(scenario: &Scenario, seed: u64, worker: WorkerId, name: &str) -> Pay {
    let fleet = scenario.fleet(seed, 0);
    let described = fleet.into_iter().find(|spec| spec.name == name);
    described.map_or_else(
        || Pay {
            fee: scenario.fees().of(
                worker.get() as usize,
                None,
                WorkerStreams::named(seed, 0, name),
            ),
            tariff: None,
            takes: MAX_BATCHES,
        },
        |spec| Pay {
            fee: spec.profile.fee,
            tariff: spec.profile.tariff,
            takes: spec.takes,
        },
    )
}

/// What the scenario says of a worker.
#[derive(Debug)]
pub(crate) struct Pay {
    /// Per batch.
    pub(crate) fee: Fee,
    /// What else it is paid.
    pub(crate) tariff: Option<Box<Tariff>>,
    /// The most batches of a cycle.
    pub(crate) takes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use scenarios::Overrides;

    fn key(byte: u8) -> PeerId {
        PeerId::from_bytes([byte; 32])
    }

    #[test]
    fn known_names_have_numbers_before_workers_join() {
        let none = BTreeMap::new();
        let mut roster = Roster::new(["a".to_owned(), "b".to_owned()], none.clone(), false);
        assert_eq!(roster.enter("c", key(3)), Ok(WorkerId::new(2)));
        assert_eq!(roster.enter("b", key(2)), Ok(WorkerId::new(1)));
        assert_eq!(
            roster.enter("b", key(2)),
            Ok(WorkerId::new(1)),
            "it returns"
        );
        let taken = roster.enter("b", key(9)).unwrap_err().to_string();
        assert!(taken.contains("another worker is called \"b\""), "{taken}");
        assert_eq!(roster.name(WorkerId::new(0)), "a");
        assert_eq!(roster.worker("c"), Some(WorkerId::new(2)));
        let mut closed = Roster::new(["a".to_owned()], none, true);
        let unknown = closed.enter("z", key(1)).unwrap_err().to_string();
        assert_eq!(unknown, "the plan does not know \"z\"");
    }

    #[test]
    fn names_can_be_bound_to_keys_and_keys_be_barred() {
        let names = ["a".to_owned(), "b".to_owned()];
        let bound = BTreeMap::from([("a".to_owned(), key(1))]);
        let mut roster = Roster::new(names.clone(), bound.clone(), false);
        let other = roster.enter("a", key(2)).unwrap_err().to_string();
        assert!(other.contains("another"), "{other}");
        assert_eq!(roster.enter("a", key(1)), Ok(WorkerId::new(0)));
        assert_eq!(roster.enter("b", key(2)), Ok(WorkerId::new(1)));
        // The second worker is barred, whatever it calls itself after a resume.
        let barred = roster.barred(|worker| worker == WorkerId::new(1));
        assert_eq!(barred, BTreeSet::from([key(2)]));
        let mut resumed = Roster::new(names, bound, false);
        resumed.bar(barred.clone());
        assert_eq!(resumed.enter("c", key(2)), Err(JoinError::Barred));
        assert_eq!(resumed.enter("b", key(3)), Ok(WorkerId::new(1)));
        assert_eq!(resumed.barred(|_| false), barred, "and it stays so");
    }

    #[test]
    fn fees_follow_the_scenario() {
        let text = "[job]\nbatches = 10\nmax_time = '9 s'\n[[workers]]\nname = 'pc1'\n\
                    speed = '5 batches/s'\nfee = 7\n";
        let read = |text: &str| Scenario::parse("x.toml", text, &Overrides::NONE).expect("valid");
        let units = |scenario: &Scenario, place, name| {
            let pay = pay(scenario, 1, WorkerId::new(place), name);
            pay.fee.to_string()
        };
        let declared = read(text);
        assert_eq!(units(&declared, 3, "pc1"), "7");
        assert_eq!(units(&declared, 3, "other"), "1");
        let linear = read(&text.replace("fee = 7", "[fees]\ntype = 'linear'"));
        assert_eq!(units(&linear, 4, "other"), "5");
    }
}
