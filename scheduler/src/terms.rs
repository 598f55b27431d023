//! What a worker is paid beyond a fee per batch, and the least that it takes.
//!
//! A [`Tariff`] is what was agreed. Prices per hour become a fee and a charge when a plan is asked for,
//! since a fee depends on the speed that was measured: that is [`Terms`], by which plans are made and
//! bills are written. Everything is in integers: a price per hour is rounded once, up to a micro-unit.

use crate::money::{Cost, Fee};
use crate::time::Span;
use crate::time_model::Speed;
use serde::{Deserialize, Serialize};

/// From a number of batches on, another fee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// The batches of a cycle that come before.
    pub after: u64,
    /// What each batch beyond them costs.
    pub fee: Fee,
}

/// A price of time, in millionths of a micro-unit per hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64")]
pub struct Rate(u64);

impl Rate {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// Ten million units per hour.
    pub const MAX: Self = Self(10_000_000_000_000_000_000);

    /// A rate of this number of millionths of a micro-unit per hour, or `None` above [`Rate::MAX`].
    pub const fn from_millionths(millionths: u64) -> Option<Self> {
        if millionths <= Self::MAX.0 {
            Some(Self(millionths))
        } else {
            None
        }
    }

    /// The sum of two, at most [`Rate::MAX`].
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        let sum = self.0.saturating_add(other.0);
        Self(if sum < Self::MAX.0 { sum } else { Self::MAX.0 })
    }

    /// What a time costs, rounded up.
    pub fn over(self, time: Span) -> Cost {
        self.part(time.nanos().into(), 1)
    }

    /// What a batch costs that is computed a number of times, rounded up.
    fn of_batch(self, speed: Speed, passes: u32) -> Cost {
        let nanos = u128::from(speed.took().nanos()) * u128::from(passes);
        self.part(nanos, speed.batches())
    }

    /// What a part of some nanoseconds costs, rounded up. Cannot overflow: a rate is below 2^64, a
    /// time too, and a hundred years of passes are below 2^64.
    fn part(self, nanos: u128, parts: u64) -> Cost {
        const SCALE: u128 = 3_600_000_000_000 * 1_000_000;
        Cost::from_micros((u128::from(self.0) * nanos).div_ceil(SCALE * u128::from(parts)))
    }
}

impl TryFrom<u64> for Rate {
    type Error = String;

    fn try_from(millionths: u64) -> Result<Self, String> {
        Self::from_millionths(millionths).ok_or_else(|| {
            let most = Self::MAX.0;
            format!(
                "a rate of {millionths} millionths of a micro-unit per hour, expected at most {most}"
            )
        })
    }
}

/// What was agreed with a worker beyond its fee per batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tariff {
    /// Owed for each cycle that employs it, however little it does.
    pub hire: Fee,
    /// The price of computing.
    pub computing: Rate,
    /// The price of each cycle's time in which it is employed, whether it computes or waits.
    pub employed: Rate,
    /// Other fees for the batches of a cycle beyond the first ones.
    pub tiers: Vec<Tier>,
    /// The least number of batches if it is employed.
    pub least: u64,
}

impl Tariff {
    /// The fee per batch and the terms at a measured speed, where a cycle has this time.
    pub fn at(&self, fee: Fee, speed: Speed, passes: u32, cycle: Span) -> (Fee, Terms) {
        let computing = self.computing.of_batch(speed, passes).micros();
        let raised = |fee: Fee| {
            let micros = u64::try_from(computing + u128::from(fee.micros()));
            micros.ok().and_then(Fee::from_micros).unwrap_or(Fee::MAX)
        };
        let tiers = self.tiers.iter().map(|tier| Tier {
            fee: raised(tier.fee),
            ..*tier
        });
        let terms = Terms {
            charge: self.hire.times(1) + self.employed.over(cycle),
            tiers: tiers.collect(),
            least: self.least,
        };
        (raised(fee), terms)
    }
}

/// What a worker costs in a cycle beyond a fee per batch, and the least that it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Owed if it is employed, however little it does.
    pub charge: Cost,
    /// Other fees beyond the first batches, in the order of their batches.
    pub tiers: Vec<Tier>,
    /// The least number of batches if it is employed.
    pub least: u64,
}

impl Terms {
    /// A fee per batch and nothing else.
    pub const PLAIN: Self = Self {
        charge: Cost::ZERO,
        tiers: Vec::new(),
        least: 0,
    };

    /// Whether there is nothing but a fee per batch.
    pub fn is_plain(&self) -> bool {
        self == &Self::PLAIN
    }

    /// What this number of batches costs without the charge; `fee` is that of the first.
    pub fn of_batches(&self, fee: Fee, batches: u64) -> Cost {
        let (mut cost, mut from, mut fee) = (Cost::ZERO, 0, fee);
        for tier in &self.tiers {
            if tier.after >= batches {
                break;
            }
            cost += fee.times(tier.after.saturating_sub(from));
            (from, fee) = (tier.after.max(from), tier.fee);
        }
        cost + fee.times(batches - from)
    }

    /// What a worker with this number of batches costs: nothing if it has none.
    pub fn cost(&self, fee: Fee, batches: u64) -> Cost {
        if batches == 0 {
            return Cost::ZERO;
        }
        self.charge + self.of_batches(fee, batches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fee(micros: u64) -> Fee {
        Fee::from_micros(micros).expect("small")
    }

    #[test]
    fn prices_of_time_are_exact_and_rounded_up_once() {
        // 0.35 an hour, and 65 W at 0.30 a kWh: 0.0195 an hour.
        let rent = Rate::from_millionths(350_000 * 1_000_000).expect("small");
        let power = Rate::from_millionths(65_000 * 300_000).expect("small");
        assert_eq!(rent.over(Span::from_secs(3_600)).to_string(), "0.35");
        assert_eq!(power.over(Span::from_secs(3_600)).to_string(), "0.0195");
        assert_eq!(rent.over(Span::from_secs(6)).to_string(), "0.000584"); // 583.33
        assert_eq!(rent.over(Span::ZERO), Cost::ZERO);
        let speed = Speed::measured(2, Span::from_secs(1)).expect("valid");
        let tariff = Tariff {
            hire: fee(2_000_000),
            computing: rent.and(power),
            employed: rent,
            tiers: vec![Tier {
                after: 100,
                fee: fee(5),
            }],
            least: 3,
        };
        // Half a second of 0.3695 an hour is 51.32 micro-units; three passes are 153.96.
        let (first, terms) = tariff.at(fee(7), speed, 1, Span::from_secs(36));
        assert_eq!(first, fee(59));
        assert_eq!(terms.charge.to_string(), "2.0035");
        assert_eq!(
            terms.tiers,
            [Tier {
                after: 100,
                fee: fee(57)
            }]
        );
        assert_eq!(terms.least, 3);
        assert_eq!(tariff.at(fee(0), speed, 3, Span::ZERO).0, fee(154));
        assert_eq!(terms.cost(first, 0), Cost::ZERO);
        assert_eq!(terms.cost(first, 101).micros(), 2_003_500 + 59 * 100 + 57);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let slowest = Speed::measured(1, Span::from_nanos(1 << 50)).expect("valid");
        let tariff = Tariff {
            hire: Fee::MAX,
            computing: Rate::MAX.and(Rate::MAX),
            employed: Rate::MAX,
            ..Tariff::default()
        };
        let longest = Span::from_nanos(u64::MAX);
        let (fee, terms) = tariff.at(Fee::MAX, slowest, crate::MAX_PASSES, longest);
        assert_eq!(fee, Fee::MAX);
        assert!(terms.cost(fee, u64::MAX) > terms.charge);
    }

    proptest! {
        /// Batch by batch.
        #[test]
        fn tiers_are_what_each_batch_costs(
            first in 0..9_u64, charge in 0..9_u64, batches in 0..30_u64,
            tiers in prop::collection::btree_map(1..25_u64, 0..9_u64, 0..4),
        ) {
            let terms = Terms {
                charge: Cost::from_micros(charge.into()),
                tiers: tiers.iter().map(|(&after, &micros)| Tier { after, fee: fee(micros) }).collect(),
                least: 0,
            };
            let of_one = |batch: u64| {
                let last = tiers.range(..batch).next_back();
                last.map_or(first, |(_, micros)| *micros)
            };
            let each: u64 = (1..=batches).map(of_one).sum();
            let expected = if batches == 0 { 0 } else { each + charge };
            prop_assert_eq!(terms.cost(fee(first), batches).micros(), u128::from(expected));
        }
    }
}
