//! The scenario of a real run.

use proptest::prelude::*;
use scenarios::scenario::MeasuredWorker;
use scheduler::{Fee, Link, Span, Speed};

use crate::good;

const ASKED: &str = "\
[job]
batches = 1000
cycles = 7
max_time = \"30 s\"
assumed_errors = { benchmark = 0.08, jitter = 0.05 }

[model]
parameters = \"800 kB\"
evaluation = \"20 ms\"
evaluation_waits = true

[fees]
type = \"linear\"

[[workers]]
name = \"pc\"
count = 3
speed = \"1 batches/s\"
memory = \"1 GB\"
";

fn speed(batches: u64, nanos: u64) -> Speed {
    Speed::measured(batches, Span::from_nanos(nanos)).expect("valid")
}

proptest! {
    // Each case draws the margins of two scenarios.
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Benchmarks read what they read, workers are as fast as they were,
    /// over the connections that were measured, and margins are those of the run.
    #[test]
    fn it_says_what_was_measured(
        (batches, nanos) in (1_u64..100_000, 1_000_000_u64..10_000_000_000),
        slower in 0.3_f64..3.0,
        (transfer, latency, ship) in (2_000_000_u64..1_000_000_000, 0_u64..100_000_000, 1_u64..1_000_000_000),
        fee in 0_u64..1_000_000_000,
    ) {
        let asked = good(ASKED);
        let benchmark = speed(batches, nanos);
        let link = Link {
            transfer: Span::from_nanos(transfer),
            latency: Span::from_nanos(latency),
            ship: Span::from_nanos(ship),
        };
        let worker = |name: &str, seen| MeasuredWorker {
            name: name.to_owned(),
            fee: Fee::from_micros(fee).expect("small"),
            benchmark,
            speed: seen,
            jitter: 0.01,
            link: Some(link),
            joined: Span::from_millis(250),
            absences: vec![(Span::from_secs(3), Some(Span::from_secs(5))), (Span::from_secs(9), None)],
        };
        let seen = speed(batches, (nanos as f64 * slower) as u64);
        let workers = [worker("pc-2", Some(seen)), worker("other.host", None), worker("pc-1", None)];
        let [averaging, slack] = [35, 12].map(Span::from_millis);
        let asked = asked.with_aggregation(averaging, slack);
        // As it is read back.
        let found = good(&asked.measured(3, &workers).to_string());

        let config = found.config();
        let evaluation = Span::from_millis(20);
        prop_assert_eq!(config.time_model.own, evaluation + averaging + slack);
        prop_assert_eq!(found.cycle_model().evaluation, evaluation + averaging, "slack is in no prediction");
        prop_assert_eq!(config.expect, 3);
        prop_assert_eq!(config.margins, asked.config().margins);
        let fleet = found.fleet(1, 0);
        let names: Vec<&str> = fleet.iter().map(|spec| spec.name.as_str()).collect();
        prop_assert_eq!(names, ["pc-2", "other-host", "pc-1"]);
        for (spec, of) in fleet.iter().zip(&workers) {
            let truth = of.speed.unwrap_or(of.benchmark).per_second_f64();
            prop_assert!((spec.speed().per_second_f64() / truth - 1.0).abs() < 1e-4);
            // No draw is left: a benchmark reads too fast by a stated factor.
            let factor = spec.errors.benchmark.draw(&mut spec.streams.draws(scenarios::scenario::Purpose::Benchmark, 0));
            let read = spec.speed().per_second_f64() * factor;
            prop_assert!((read / benchmark.per_second_f64() - 1.0).abs() < 1e-4);
            prop_assert_eq!(spec.profile.fee, of.fee);
            prop_assert_eq!(spec.joins, of.joined);
            let close = |a: Span, b: Span| a.nanos().abs_diff(b.nanos()) <= 2 + b.nanos() / 1_000;
            prop_assert!(close(spec.profile.link.transfer, link.transfer));
            prop_assert!(close(spec.profile.link.latency, link.latency));
            prop_assert!(spec.profile.link.ship >= link.ship - Span::from_nanos(link.ship.nanos() / 1_000 + 2));
        }
        prop_assert!(fleet[0].profile.most < fleet[1].profile.most, "memory is the scenario's");
        prop_assert_eq!(found.faults().trace.len(), 9);
    }
}
