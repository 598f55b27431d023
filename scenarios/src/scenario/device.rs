//! Device profiles by name.
//!
//! Speeds are batches of 32 of the 784-200-200-10 network. The speed of `desktop` is, rounded, the
//! median of the nine machines in the recorded runs (485), and its bandwidth and jitter are
//! theirs. **All other figures are ours**: round numbers of the right order, not measured.

/// What a kind of device brings, in the words of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name in scenarios.
    pub name: &'static str,
    /// How fast it trains.
    pub speed: &'static str,
    /// The memory that it has for batches.
    pub memory: &'static str,
    /// Its connection, both ways.
    pub bandwidth: &'static str,
    /// One way.
    pub latency: &'static str,
    /// The spread of its cycles: sigma of a lognormal factor.
    pub jitter: &'static str,
}

/// All profiles.
pub const DEVICES: [Device; 6] = [
    device(
        "server",
        "1500 batches/s",
        "64 GB",
        "1 Gbit/s",
        "200 us",
        "0.005",
    ),
    device(
        "workstation",
        "1100 batches/s",
        "16 GB",
        "1 Gbit/s",
        "200 us",
        "0.01",
    ),
    device(
        "desktop",
        "500 batches/s",
        "4 GB",
        "100 Mbit/s",
        "500 us",
        "0.009",
    ),
    device(
        "laptop",
        "350 batches/s",
        "4 GB",
        "50 Mbit/s",
        "3 ms",
        "0.05",
    ),
    device(
        "single-board-computer",
        "40 batches/s",
        "1 GB",
        "50 Mbit/s",
        "1 ms",
        "0.03",
    ),
    device("phone", "60 batches/s", "1 GB", "20 Mbit/s", "20 ms", "0.1"),
];

const fn device(
    name: &'static str,
    speed: &'static str,
    memory: &'static str,
    bandwidth: &'static str,
    latency: &'static str,
    jitter: &'static str,
) -> Device {
    Device {
        name,
        speed,
        memory,
        bandwidth,
        latency,
        jitter,
    }
}
