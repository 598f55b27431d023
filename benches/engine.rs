//! The event engine compared with a bare loop over the standard heap, as ratios of medians of
//! interleaved runs. `benches/peers/run` compares it with other engines.
//!
//! `cargo bench -p benches --bench engine`

#![expect(clippy::print_stdout, reason = "it prints what it finds")]

mod models;
mod ours;

use std::hint::black_box;
use std::time::{Duration, Instant};

use models::{Bare, barriers, completions};
use ours::Ours;

const EVENTS: u64 = 1_000_000;
const RUNS: usize = 15;

fn main() {
    // `cargo test` runs bench targets too, without `--bench`: then nothing is measured.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!(
        "{:<44}{:>14}{:>14}{:>10}  {:>6}",
        "events per second, in millions", "bare heap", "ours", "ratio", "bar"
    );
    for workers in [10, 10_000] {
        compare("completions", workers, completions, completions);
        compare("barriers", workers, barriers, barriers);
    }
    growth();
}

fn compare(
    model: &str,
    workers: u32,
    bare: fn(&mut Bare, u32, u64) -> u64,
    ours: fn(&mut Ours, u32, u64) -> u64,
) {
    let [mut bares, mut mine] = [const { Vec::new() }; 2];
    for _ in 0..RUNS {
        let (took, end) = time(|| bare(&mut Bare::default(), workers, EVENTS));
        bares.push(took);
        let (took, same) = time(|| ours(&mut Ours::with_room(0), workers, EVENTS));
        mine.push(took);
        assert_eq!(end, same, "the models must end at the same time");
    }
    let (bare, mine) = (median(&mut bares), median(&mut mine));
    let rate = |took: Duration| EVENTS as f64 / took.as_secs_f64() / 1e6;
    println!(
        "{:<44}{:>14.2}{:>14.2}{:>10.3}  {:>6}",
        format!("{model}, {workers} workers"),
        rate(bare),
        rate(mine),
        bare.as_secs_f64() / mine.as_secs_f64(),
        "0.8"
    );
}

/// The cost of an event by the number of pending events: the heap's levels, and cache misses.
fn growth() {
    println!(
        "\n{:<44}{:>14}{:>14}{:>20}",
        "completions: ns per event", "bare heap", "ours", "ours by log2"
    );
    for exponent in [4_u32, 8, 12, 16, 20] {
        let workers = 1 << exponent;
        let [mut bares, mut mine] = [const { Vec::new() }; 2];
        for _ in 0..5 {
            let mut bare = Bare::default();
            let mut ours = Ours::with_room(workers);
            bares.push(time(|| completions(&mut bare, workers, 4 * EVENTS)).0);
            mine.push(time(|| completions(&mut ours, workers, 4 * EVENTS)).0);
        }
        let nanos = |times: &mut [Duration]| median(times).as_secs_f64() * 1e9;
        let [bare, mine] = [nanos(&mut bares), nanos(&mut mine)].map(|n| n / (4 * EVENTS) as f64);
        println!(
            "{:<44}{bare:>14.1}{mine:>14.1}{:>20.2}",
            format!("{workers} pending"),
            mine / f64::from(exponent)
        );
    }
}

fn time<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = black_box(work());
    (start.elapsed(), result)
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
