//! A UDP relay on loopback: it loses datagrams, delays them, lets them overtake one another, and sends some
//! of them twice.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use scenarios::Draws;

/// Between two looks at the sockets.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// In the first byte of a packet that asks a client to show its address.
const RETRY: u8 = 0xf0;

/// Clients with a socket.
const MOST_CLIENTS: usize = 450;

/// What it does, in millionths and microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Harm {
    pub(crate) lost: u64,
    pub(crate) twice: u64,
    /// Each datagram is delayed by a time from here
    pub(crate) least_delay: u64,
    /// to there.
    pub(crate) most_delay: u64,
    /// Only this number of datagrams of each client passes.
    pub(crate) only: Option<u64>,
    /// Nothing comes back but requests to show that one receives at an address, each for one datagram more.
    pub(crate) deaf: bool,
}

/// A relay, until it is dropped.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    harmed: Arc<AtomicU64>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Begins to pass datagrams on to an address, and its answers back.
    pub(crate) fn start(to: SocketAddr, harm: Harm, draws: Draws) -> io::Result<Self> {
        let front = socket(Ipv4Addr::LOCALHOST)?;
        let address = front.local_addr()?;
        let (harmed, ends): (Arc<AtomicU64>, Arc<AtomicBool>) = Default::default();
        let mut way = Way {
            front,
            to,
            harm,
            draws,
            clients: BTreeMap::new(),
            waiting: BinaryHeap::new(),
            count: 0,
            harmed: Arc::clone(&harmed),
        };
        let over = Arc::clone(&ends);
        let thread = thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                way.look();
                thread::sleep(LOOK_EVERY);
            }
        });
        Ok(Self {
            address,
            harmed,
            ends,
            thread: Some(thread),
        })
    }

    /// Datagrams that were lost, doubled, or overtaken.
    pub(crate) fn harmed(&self) -> u64 {
        self.harmed.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn socket(at: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((at, 0))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A datagram on its way: when it is due, its number, the client, whether it goes to it, and its bytes.
type Waiting = Reverse<(Instant, u64, SocketAddr, bool, Vec<u8>)>;

struct Way {
    front: UdpSocket,
    to: SocketAddr,
    harm: Harm,
    draws: Draws,
    /// Each with a socket of its own towards the other side, and the datagrams that came of it.
    clients: BTreeMap<SocketAddr, (UdpSocket, u64)>,
    waiting: BinaryHeap<Waiting>,
    count: u64,
    harmed: Arc<AtomicU64>,
}

impl Way {
    fn look(&mut self) {
        let mut buffer = [0; 1 << 16];
        let mut arrived = Vec::new();
        while let Ok((length, client)) = self.front.recv_from(&mut buffer) {
            if !self.clients.contains_key(&client) {
                let Ok(socket) = socket(Ipv4Addr::UNSPECIFIED) else {
                    continue;
                };
                if self.clients.len() >= MOST_CLIENTS {
                    self.clients.pop_first(); // whichever it is
                }
                self.clients.insert(client, (socket, 0));
            }
            arrived.push((client, false, buffer[..length].to_vec()));
        }
        for (client, (socket, _)) in &self.clients {
            while let Ok(length) = socket.recv(&mut buffer) {
                arrived.push((*client, true, buffer[..length].to_vec()));
            }
        }
        for (client, back, bytes) in arrived {
            self.take(client, back, bytes);
        }
        let now = Instant::now();
        while let Some(Reverse((due, ..))) = self.waiting.peek()
            && *due <= now
        {
            let Some(Reverse((_, _, client, back, bytes))) = self.waiting.pop() else {
                return;
            };
            // What the system has no room for is lost.
            let _ = match (back, self.clients.get(&client)) {
                (true, _) => self.front.send_to(&bytes, client),
                (false, Some((socket, _))) => socket.send_to(&bytes, self.to),
                (false, None) => Ok(0),
            };
        }
    }

    fn take(&mut self, client: SocketAddr, back: bool, bytes: Vec<u8>) {
        if let Some(only) = self.harm.only {
            let Some((_, count)) = self.clients.get_mut(&client) else {
                return;
            };
            *count += u64::from(!back);
            if *count > only {
                return;
            }
        }
        if back && self.harm.deaf {
            let asks = bytes.first().is_some_and(|first| first & RETRY == RETRY);
            let Some((_, count)) = self.clients.get_mut(&client) else {
                return;
            };
            if !asks {
                return;
            }
            *count = count.saturating_sub(1);
        }
        let mut chance = |of: u64| self.draws.between(0, 999_999) < of;
        if chance(self.harm.lost) {
            self.harmed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let copies = if chance(self.harm.twice) { 2 } else { 1 };
        for copy in 0..copies {
            let delay = self
                .draws
                .between(self.harm.least_delay, self.harm.most_delay);
            let due = Instant::now() + Duration::from_micros(delay);
            let overtakes = self.waiting.iter().any(|Reverse((other, _, to, way, _))| {
                *other > due && (*to, *way) == (client, back)
            });
            if overtakes || copy > 0 {
                self.harmed.fetch_add(1, Ordering::Relaxed);
            }
            self.count += 1;
            let waiting = (due, self.count, client, back, bytes.clone());
            self.waiting.push(Reverse(waiting));
        }
    }
}
