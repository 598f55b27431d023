//! Places at the door: how many connections of one address may be on their way in.
//!
//! There is a number of places for all. Without a share for each address, one machine that begins
//! handshakes and never ends them would hold all of them, and nobody else could join.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::rate_limit::network;

/// Places of one address.
const PLACES: usize = 16;
/// Between two lines that say that somebody wants more.
const SAID_AGAIN: Duration = Duration::from_secs(60);

/// Who is on the way in, by address.
#[derive(Debug, Default)]
pub(super) struct Door(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    inside: BTreeMap<IpAddr, usize>,
    said: Option<Instant>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    state: Arc<Mutex<State>>,
    address: IpAddr,
}

impl Door {
    /// A place for one more of an address, unless it has its share. This machine is trusted.
    pub(super) fn enter(&self, address: IpAddr, now: Instant) -> Option<Place> {
        let address = network(address);
        let mut state = lock(&self.0);
        let places = state.inside.entry(address).or_default();
        if *places >= PLACES && !address.is_loopback() {
            if state
                .said
                .is_none_or(|said| now.duration_since(said) >= SAID_AGAIN)
            {
                state.said = Some(now);
                tracing::warn!(
                    "{address} has {PLACES} connections on their way in: more of it are refused"
                );
            }
            return None;
        }
        *places += 1;
        Some(Place {
            state: Arc::clone(&self.0),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if let Some(places) = state.inside.get_mut(&self.address) {
            *places -= 1;
            if *places == 0 {
                state.inside.remove(&self.address);
            }
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_places_to_others_and_what_is_left_is_free_again() {
        let (door, now) = (Door::default(), Instant::now());
        let [stranger, other] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(IpAddr::from);
        let mut places: Vec<Place> = (0..1_000)
            .filter_map(|_| door.enter(stranger, now))
            .collect();
        assert_eq!(places.len(), PLACES);
        assert!(door.enter(other, now).is_some());
        places.pop();
        let again = door.enter(stranger, now);
        assert!(again.is_some() && door.enter(stranger, now).is_none());
        drop((places, again));
        assert!(lock(&door.0).inside.is_empty());
        // All of an IPv6 network are one, and local workers may all come at once.
        let v6 = |last: u16| IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, last]);
        let six: Vec<Place> = (1..100)
            .filter_map(|last| door.enter(v6(last), now))
            .collect();
        assert_eq!(six.len(), PLACES);
        let local: Vec<Place> = (0..64)
            .filter_map(|_| door.enter([127, 0, 0, 1].into(), now))
            .collect();
        assert_eq!(local.len(), 64);
    }
}
