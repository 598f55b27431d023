//! The allocators by name.
//!
//! A new one is one more row in [`REGISTRY`].

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use crate::cbc::{Outside, Solver};
use crate::papers::{Paper, Rule};
use crate::{Allocator, Exact, Heuristic, Lp};
#[cfg(feature = "cbc")]
use crate::{Cbc, CbcProcess};

/// What an allocator may ask of the program it runs in.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// The command that runs [`crate::cbc::serve_stdio`]. With it, every `cbc` made solves in a
    /// process of its own, so that several can work at once; without, in this process, where
    /// libcbc's lock lets only one work at a time.
    pub cbc_server: Option<(PathBuf, Vec<OsString>)>,
}

/// An allocator that can be asked for by name.
#[derive(Debug)]
pub struct Entry {
    /// The name on the command line and in tables.
    pub name: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
    create: fn(&Host) -> Box<dyn Allocator>,
}

/// Every allocator there is, in the order of comparisons.
pub static REGISTRY: &[Entry] = &[
    Entry {
        name: "heuristic",
        about: "the algorithm of the thesis: fast, not optimal",
        create: |_| Box::new(Heuristic::default()),
    },
    Entry {
        name: "exact",
        about: "Allot's own: proves the optimum",
        create: |_| Box::new(Exact::default()),
    },
    #[cfg(feature = "cbc")]
    Entry {
        name: "cbc",
        about: "the mixed-integer program, solved by CBC",
        create: |host| match &host.cbc_server {
            Some((program, args)) => Box::new(CbcProcess::new(program, args)),
            None => Box::new(Cbc::new()),
        },
    },
    Entry {
        name: "lp",
        about: "the continuous relaxation, rounded and repaired",
        create: |_| Box::new(Lp::new()),
    },
    Entry {
        name: "highs",
        about: "the same program by HiGHS, where the Python package highspy is installed",
        create: |_| Box::new(Outside::new(Solver::Highs, python())),
    },
    Entry {
        name: "gurobi",
        about: "the same program by Gurobi, where the Python package gurobipy is installed",
        create: |_| Box::new(Outside::new(Solver::Gurobi, python())),
    },
    Entry {
        name: "equal",
        about: "equal shares within the limits",
        create: |_| Box::new(Paper(Rule::Equal)),
    },
    Entry {
        name: "proportional",
        about: "shares in proportion to the upper limits",
        create: |_| Box::new(Paper(Rule::Proportional)),
    },
    Entry {
        name: "marin",
        about: "Pilla's algorithm for increasing marginal costs",
        create: |_| Box::new(Paper(Rule::MarIn)),
    },
    Entry {
        name: "marco",
        about: "Pilla's algorithm for constant marginal costs",
        create: |_| Box::new(Paper(Rule::MarCo)),
    },
    Entry {
        name: "mardec",
        about: "Pilla's algorithm for decreasing marginal costs",
        create: |_| Box::new(Paper(Rule::MarDec)),
    },
    Entry {
        name: "olar",
        about: "Pilla's algorithm for the least makespan",
        create: |_| Box::new(Paper(Rule::Olar)),
    },
];

/// The interpreter that the user names for solvers in Python.
fn python() -> Option<PathBuf> {
    std::env::var_os("ALLOT_PYTHON").map(PathBuf::from)
}

/// One of the [`REGISTRY`].
#[derive(Clone, Copy, Debug)]
pub struct AllocatorName(&'static Entry);

impl AllocatorName {
    /// All of them, in order.
    pub fn all() -> Vec<Self> {
        REGISTRY.iter().map(Self).collect()
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// A new allocator of this name.
    pub fn create(self, host: &Host) -> Box<dyn Allocator> {
        (self.0.create)(host)
    }
}

impl PartialEq for AllocatorName {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for AllocatorName {}

impl FromStr for AllocatorName {
    type Err = UnknownAllocator;

    fn from_str(name: &str) -> Result<Self, UnknownAllocator> {
        let entry = REGISTRY.iter().find(|entry| entry.name == name);
        entry
            .map(Self)
            .ok_or_else(|| UnknownAllocator(name.to_owned()))
    }
}

/// No allocator has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no allocator is called {0:?}, expected one of {names}", names = names())]
pub struct UnknownAllocator(pub String);

fn names() -> String {
    let names: Vec<_> = REGISTRY.iter().map(|entry| entry.name).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_makes_the_allocator_of_that_name() {
        for name in AllocatorName::all() {
            assert_eq!(name.name().parse(), Ok(name));
            assert_eq!(name.create(&Host::default()).name(), name.name());
        }
        assert_eq!(
            "glpk".parse::<AllocatorName>().unwrap_err().to_string(),
            "no allocator is called \"glpk\", expected one of heuristic, exact, cbc, lp, highs, gurobi, equal, \
             proportional, marin, marco, mardec, olar"
        );
    }
}
