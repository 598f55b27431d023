//! Device profiles by name.

/// The profiles, in the words of a scenario.
///
/// Speeds are batches of 32 of the 784-200-200-10 network. The speed of `desktop` is, rounded, the
/// median of the nine machines in the recorded runs (485), and its bandwidth and jitter are
/// theirs. **All other figures are round numbers of the right order, not measured.**
pub(crate) const DEVICES: &str = r#"
[server]
speed = "1500 batches/s"
memory = "64 GB"
bandwidth = "1 Gbit/s"
latency = "200 us"
jitter = { dist = "lognormal", sigma = 0.005 }

[workstation]
speed = "1100 batches/s"
memory = "16 GB"
bandwidth = "1 Gbit/s"
latency = "200 us"
jitter = { dist = "lognormal", sigma = 0.01 }

[desktop]
speed = "500 batches/s"
memory = "4 GB"
bandwidth = "100 Mbit/s"
latency = "500 us"
jitter = { dist = "lognormal", sigma = 0.009 }

[laptop]
speed = "350 batches/s"
memory = "4 GB"
bandwidth = "50 Mbit/s"
latency = "3 ms"
jitter = { dist = "lognormal", sigma = 0.05 }

[single-board-computer]
speed = "40 batches/s"
memory = "1 GB"
bandwidth = "50 Mbit/s"
latency = "1 ms"
jitter = { dist = "lognormal", sigma = 0.03 }

[phone]
speed = "60 batches/s"
memory = "1 GB"
bandwidth = "20 Mbit/s"
latency = "20 ms"
jitter = { dist = "lognormal", sigma = 0.1 }
"#;
