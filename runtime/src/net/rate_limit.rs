//! Limits how many failed proofs one address may send.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(60);
/// Addresses remembered. Each has completed a handshake, so none of them is forged.
const MAX_ADDRESSES: usize = 4096;

/// The failed proofs of the last minute, by address.
#[derive(Debug, Default)]
pub(super) struct RateLimiter {
    by_address: BTreeMap<IpAddr, Vec<Instant>>,
}

impl RateLimiter {
    pub(super) fn record_failure(&mut self, address: IpAddr, now: Instant) {
        self.expire(now);
        if self.by_address.len() >= MAX_ADDRESSES {
            // An attacker with thousands of addresses is not stopped by the limit of one.
            self.by_address.pop_first();
        }
        self.by_address
            .entry(network(address))
            .or_default()
            .push(now);
    }

    pub(super) fn is_limited(&mut self, address: IpAddr, allowed: u32, now: Instant) -> bool {
        self.expire(now);
        let failed = self.by_address.get(&network(address)).map_or(0, Vec::len);
        failed >= allowed as usize
    }

    fn expire(&mut self, now: Instant) {
        self.by_address.retain(|_, times| {
            times.retain(|&time| now.duration_since(time) < WINDOW);
            !times.is_empty()
        });
    }
}

/// The owner of one IPv6 address usually has its whole /64 network.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_per_address_and_minute() {
        let mut failures = RateLimiter::default();
        let begin = Instant::now();
        let (one, other) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        for second in 0..5 {
            assert!(!failures.is_limited(one, 5, begin));
            failures.record_failure(one, begin + Duration::from_secs(second));
        }
        let after = |seconds| begin + Duration::from_secs(seconds);
        assert!(failures.is_limited(one, 5, after(59)));
        assert!(!failures.is_limited(other, 5, after(59)));
        assert!(!failures.is_limited(one, 5, after(60)));
        assert!(!failures.is_limited(one, 5, after(200)));
        assert!(failures.by_address.is_empty());
    }

    #[test]
    fn addresses_of_one_network_share_a_limit_and_memory_is_bounded() {
        let mut failures = RateLimiter::default();
        let now = Instant::now();
        failures.record_failure("fd00::1".parse().unwrap(), now);
        assert!(failures.is_limited("fd00::2".parse().unwrap(), 1, now));
        assert!(!failures.is_limited("fd00:0:0:1::2".parse().unwrap(), 1, now));
        failures.record_failure("::ffff:10.0.0.1".parse().unwrap(), now);
        assert!(failures.is_limited("10.0.0.1".parse().unwrap(), 1, now));
        for number in 0..2 * MAX_ADDRESSES as u32 {
            failures.record_failure(IpAddr::V4(number.into()), now);
        }
        assert!(failures.by_address.len() <= MAX_ADDRESSES);
    }
}
