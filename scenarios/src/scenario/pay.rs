//! What is written of tiers of fees, and of how much of the work a worker takes.

use scheduler::{Fee, MAX_BATCHES};

use crate::scenario::field::quoted;
use crate::scenario::key::{Field, Key, Table, keys};
use crate::scenario::read::Item;
use crate::scenario::tree::Value;
use crate::scenario::unit::{Ratio, decimal, scaled};

keys! {
    /// Another fee from some number of batches on.
    pub struct FeeTier in "tiers" {
        /// Batches of a cycle that come before.
        after: u64 => example("100").within(1, MAX_BATCHES);
        /// Fee of each batch beyond them.
        fee: Fee => example("0.8");
    }
}

impl Field for FeeTier {
    const METAVAR: &'static str = "TIER";

    fn read(item: &Item<'_>, _: &Key) -> Option<Self> {
        Self::read_item(item)
    }

    fn write(&self, _: &Key) -> Option<String> {
        Some(self.in_line())
    }

    fn form(_: &Key) -> String {
        "a number of batches and the fee after them, such as { after = 100, fee = 0.8 }".to_owned()
    }
}

/// A number of batches, or a share of all of a cycle's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// A number of batches.
    Batches(u64),
    /// A part of all.
    Share(Ratio),
}

/// A percent in millionths.
const PERCENT: u64 = 10_000;

impl Amount {
    /// As a number of batches of `all`; a share that is no whole number is rounded up.
    pub fn at_least(self, all: u64) -> u64 {
        self.of(all, |product| product.div_ceil(1_000_000))
    }

    /// The same rounded down.
    pub fn at_most(self, all: u64) -> u64 {
        self.of(all, |product| product / 1_000_000)
    }

    fn of(self, all: u64, rounded: impl Fn(u128) -> u128) -> u64 {
        match self {
            Self::Batches(batches) => batches,
            // At most all of them: a share is at most 1.
            Self::Share(share) => rounded(u128::from(all) * u128::from(share.micros())) as u64,
        }
    }
}

impl Field for Amount {
    const METAVAR: &'static str = "BATCHES";

    fn read(item: &Item<'_>, key: &Key) -> Option<Self> {
        match &item.node.value {
            Value::Whole(_) => item.whole(0, MAX_BATCHES).map(Self::Batches),
            Value::Text(text) => {
                let number = text.strip_suffix('%').map(str::trim);
                let share = number.map(|text| scaled::<Ratio>(text, PERCENT, || Self::form(key)));
                match share {
                    Some(Ok(share)) if share <= Ratio::ONE => Some(Self::Share(share)),
                    Some(Err(what)) => item.expected(&what),
                    Some(Ok(_)) | None => item.expected(&Self::form(key)),
                }
            }
            _ => item.expected(&Self::form(key)),
        }
    }

    fn write(&self, _: &Key) -> Option<String> {
        Some(match self {
            Self::Batches(batches) => batches.to_string(),
            Self::Share(share) => quoted(&format!("{} %", decimal(share.micros(), PERCENT))),
        })
    }

    fn form(_: &Key) -> String {
        format!(
            "a whole number from 0 to {MAX_BATCHES}, or a share of all batches from \"0 %\" to \"100 %\""
        )
    }

    fn literal(text: &str) -> String {
        if text.ends_with('%') {
            quoted(text)
        } else {
            text.to_owned()
        }
    }
}
