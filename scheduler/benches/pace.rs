//! Steps a second of the state machine, on whole runs. It shares its driver with the tests.

#![expect(clippy::print_stdout, reason = "it prints what it finds")]

#[path = "../tests/machine/audit.rs"]
mod audit;
#[path = "../tests/machine/pace.rs"]
mod pace;
#[path = "../tests/machine/toy.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod toy;

#[expect(clippy::disallowed_macros, reason = "it prints what it finds")]
fn main() {
    // `cargo test` runs bench targets too, without `--bench`: then there is nothing to measure.
    if std::env::args().any(|argument| argument == "--bench") {
        for line in pace::rates(&[10, 100, 1_000, 10_000], 1_000_000) {
            println!("{line}");
        }
    }
}
