//! How many failed proofs came from where.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(60);
/// Addresses kept in mind. Each has made a whole handshake, so none of them is forged.
const KEPT: usize = 4096;

/// The failed proofs of the last minute.
#[derive(Debug, Default)]
pub(super) struct Failures {
    by_address: BTreeMap<IpAddr, Vec<Instant>>,
}

impl Failures {
    pub(super) fn note(&mut self, address: IpAddr, now: Instant) {
        self.forget(now);
        if self.by_address.len() >= KEPT {
            // Whoever can fill this owns thousands of addresses and is not held up by one.
            self.by_address.pop_first();
        }
        self.by_address
            .entry(network(address))
            .or_default()
            .push(now);
    }

    pub(super) fn is_full(&mut self, address: IpAddr, allowed: u32, now: Instant) -> bool {
        self.forget(now);
        let failed = self.by_address.get(&network(address)).map_or(0, Vec::len);
        failed >= allowed as usize
    }

    fn forget(&mut self, now: Instant) {
        self.by_address.retain(|_, times| {
            times.retain(|&time| now.duration_since(time) < WINDOW);
            !times.is_empty()
        });
    }
}

/// Whoever has one IPv6 address has a network of 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_for_one_address_and_one_minute() {
        let mut failures = Failures::default();
        let begin = Instant::now();
        let (one, other) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        for second in 0..5 {
            assert!(!failures.is_full(one, 5, begin));
            failures.note(one, begin + Duration::from_secs(second));
        }
        let after = |seconds| begin + Duration::from_secs(seconds);
        assert!(failures.is_full(one, 5, after(59)));
        assert!(!failures.is_full(other, 5, after(59)));
        assert!(!failures.is_full(one, 5, after(60)));
        assert!(!failures.is_full(one, 5, after(200)));
        assert!(failures.by_address.is_empty());
    }

    #[test]
    fn addresses_of_one_network_share_a_budget_and_memory_is_bounded() {
        let mut failures = Failures::default();
        let now = Instant::now();
        failures.note("fd00::1".parse().unwrap(), now);
        assert!(failures.is_full("fd00::2".parse().unwrap(), 1, now));
        assert!(!failures.is_full("fd00:0:0:1::2".parse().unwrap(), 1, now));
        failures.note("::ffff:10.0.0.1".parse().unwrap(), now);
        assert!(failures.is_full("10.0.0.1".parse().unwrap(), 1, now));
        for number in 0..2 * KEPT as u32 {
            failures.note(IpAddr::V4(number.into()), now);
        }
        assert!(failures.by_address.len() <= KEPT);
    }
}
