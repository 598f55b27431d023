//! What is agreed with workers beside a fee per batch, and how much of the work they take.

use scheduler::{Fee, MAX_BATCHES, Rate, Tariff, Tier};

use crate::scenario::pay::Amount;
use crate::scenario::read::Mistakes;
use crate::scenario::tree::Node;
use crate::scenario::unit::Quantity;
use crate::scenario::worker::Group;

impl Group {
    /// What is agreed beside the fee per batch, where a cycle has this number of batches and a kilowatt-hour has
    /// this price.
    pub(crate) fn tariff(&self, batches: u64, energy: Fee) -> Tariff {
        // A price in micro-units is below 10^12, and 10^10 for a kilowatt-hour; power is below 10^9 mW.
        let hour = |price: Fee| rate(price.micros().saturating_mul(1_000_000));
        let draws = |milliwatts: u64| rate(milliwatts.saturating_mul(energy.micros()));
        let (power, idle) = (self.power.milliwatts(), self.idle_power.milliwatts());
        let tiers = self.tiers.iter().map(|tier| Tier {
            after: tier.after,
            fee: tier.fee,
        });
        Tariff {
            hire: self.hire,
            computing: hour(self.per_hour).and(draws(power.saturating_sub(idle))),
            employed: hour(self.per_hour_employed).and(draws(idle)),
            tiers: tiers.collect(),
            least: self.least.at_least(batches),
        }
    }

    /// The most that it takes of a cycle's batches, by its description.
    pub(crate) fn takes(&self, batches: u64) -> u64 {
        self.most.map_or(MAX_BATCHES, |most| most.at_most(batches))
    }

    /// The first of its keys that says more than a fee per batch and a most can say.
    pub fn beyond_fees(&self) -> Option<&'static str> {
        let given = [
            ("hire", self.hire > Fee::ZERO),
            ("per_hour_employed", self.per_hour_employed > Fee::ZERO),
            ("idle_power", self.idle_power.milliwatts() > 0),
            ("tiers", !self.tiers.is_empty()),
            ("least", self.least != Amount::Batches(0)),
        ];
        given.iter().find(|(_, given)| *given).map(|(key, _)| *key)
    }

    /// Notes what does not go together.
    pub(crate) fn check_pay(
        &self,
        node: &Node,
        path: &str,
        (batches, has_energy): (u64, bool),
        mistakes: &Mistakes,
    ) {
        let mistake = |key: &str, message: String| {
            let at = node.get(key).map_or(&node.at, |value| &value.at);
            mistakes.add(at, format!("{path}.{key} {message}"));
        };
        let (power, idle) = (self.power, self.idle_power);
        if idle.milliwatts() > power.milliwatts() {
            let message = format!(
                "is {}, expected at most {path}.power, which is {}",
                idle.written(),
                power.written()
            );
            mistake("idle_power", message);
        } else if power.milliwatts() > 0 && !has_energy {
            let message =
                "costs nothing here, expected fees.energy, the price of a kilowatt-hour, with it";
            mistake("power", message.to_owned());
        }
        if self
            .tiers
            .windows(2)
            .any(|pair| pair[0].after >= pair[1].after)
        {
            mistake(
                "tiers",
                "are not in order, expected a larger after in each".to_owned(),
            );
        }
        let (least, most) = (self.least.at_least(batches), self.takes(batches));
        if most == 0 {
            mistake("most", "comes to no batch, expected at least 1".to_owned());
        } else if least > most {
            let message = format!(
                "comes to {least} batches, expected at most {path}.most, which comes to {most}"
            );
            mistake("least", message);
        }
    }
}

fn rate(millionths: u64) -> Rate {
    Rate::from_millionths(millionths).unwrap_or(Rate::MAX)
}
