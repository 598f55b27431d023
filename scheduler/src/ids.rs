//! Numbers of workers, sessions, cycles and plans, each a type of its own.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(u32);

        impl $name {
            /// The one with this number.
            pub const fn new(number: u32) -> Self {
                Self(number)
            }

            /// Its number.
            pub const fn get(self) -> u32 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A worker, for the whole run. Drivers number them from 0 without gaps and give a returning
    /// worker its old number.
    WorkerId
}
id! {
    /// One session of a worker: every admission begins a new one, unique in the run. Orders carry it
    /// and reports bring it back, so that reports on orders from before a loss are not mistaken for
    /// reports on later ones.
    SessionId
}
id! {
    /// A cycle, counted from 1.
    CycleId
}
id! {
    /// A question to the allocator, and the plan that answers it, counted from 1.
    PlanId
}

impl WorkerId {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}
