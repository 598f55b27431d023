//! Fees, fleets and margins.

use std::collections::BTreeSet;

use scenarios::scenario::{Purpose, WorkerSpec};
use scenarios::{Scenario, catalogue};
use scheduler::machine::Config;
use scheduler::{CapacityModel, Margin, Span};
use statrs::distribution::{Continuous, ContinuousCDF, FisherSnedecor, Gamma, Normal};

use crate::{GOOD, good, of, with};

#[test]
fn fees_are_those_of_the_thesis() {
    let fees = |fees: &str| -> Vec<String> {
        let text = GOOD.replace("name = \"pc1\"", "name = \"pc\"\ncount = 40") + fees;
        let fleet = good(&text).fleet(1, 0);
        fleet
            .iter()
            .map(|worker| worker.profile.fee.to_string())
            .collect()
    };
    assert_eq!(fees("")[..2], ["1", "1"]);
    assert_eq!(
        fees("[fees]\ntype = \"constant\"\nfee = 2.5")[..2],
        ["2.5", "2.5"]
    );
    assert_eq!(fees("[fees]\ntype = \"linear\"")[38..], ["39", "40"]);
    let specific = "[fees]\ntype = \"specific\"\nfees = [14, 5.8]\ndefault_fee = 3";
    assert_eq!(fees(specific)[..4], ["14", "5.8", "3", "3"]);
    let random = fees("[fees]\ntype = \"random\"");
    let whole = random.iter().map(|fee| fee.parse::<u64>().expect("whole"));
    assert!(whole.clone().all(|fee| (1..=20).contains(&fee)));
    assert!(whole.collect::<BTreeSet<_>>().len() > 10);
    assert_eq!(fees("fee = 0.000001")[..2], ["0.000001", "0.000001"]);
}

#[test]
fn a_workers_draws_are_its_own() {
    let fleet = |text: &str| good(text).fleet(3, 5);
    let drawn = "speed = { dist = \"gamma\", mean = \"50 batches/s\", shape = 4 }";
    let one = GOOD.replace("speed = \"50 batches/s\"", drawn);
    let base = fleet(&one);
    // A worker more, before it; and a draw more, for another purpose.
    let more = one.replace(
        "[[workers]]",
        "[[workers]]\nname = \"pc0\"\ndevice = \"desktop\"\n[[workers]]",
    );
    assert_eq!(fleet(&more)[1], base[0]);
    let latency = one.clone() + "latency = { dist = \"exponential\", mean = \"1 ms\" }\n";
    let other = &fleet(&latency)[0];
    assert_ne!(other.profile, base[0].profile);
    assert_eq!(other.rate, base[0].rate);
    // Another replicate, seed or name has other draws.
    let scenario = good(&one);
    let others = [
        scenario.fleet(3, 6),
        scenario.fleet(4, 5),
        fleet(&one.replace("pc1", "pc2")),
    ];
    assert!(others.iter().all(|fleet| fleet[0].rate != base[0].rate));
    // Streams by purpose and number.
    let streams = base[0].streams;
    let first = |purpose, number| streams.draws(purpose, number).unit();
    let all = [
        first(Purpose::Speed, 0),
        first(Purpose::Jitter, 0),
        first(Purpose::Jitter, 1),
        first(Purpose::Stall, 0),
    ];
    for (i, draw) in all.iter().enumerate() {
        assert!(!all[..i].contains(draw));
    }
}

/// A change of these numbers breaks every recorded seed.
#[test]
fn fleets_never_change() {
    let fleet = of("mixed-lab", &[]).fleet(1, 0);
    let pi = &fleet[17];
    let laptop = &fleet[6];
    assert_eq!(pi.name, "pi-8");
    let drawn = format!(
        "{} {} {:.12} {:.12}",
        laptop.rate.micros_per_s(),
        laptop.profile.fee,
        laptop
            .errors
            .jitter
            .draw(&mut laptop.streams.draws(Purpose::Jitter, 3)),
        laptop
            .errors
            .benchmark
            .draw(&mut laptop.streams.draws(Purpose::Benchmark, 0))
    );
    assert_eq!(drawn, "308943016 3.794408 1.051832611644 1.001966845211");
}

#[test]
fn dabs_worked_example() {
    for (set, expected) in [("job.tau=1", 92), ("job.tau=2", 72)] {
        let scenario = of("dab", &[set]);
        let (config, worker) = (scenario.config(), &scenario.fleet(1, 0)[0]);
        let scheduler::machine::Limit::Cycle(limit) = config.limit else {
            panic!("expected a limit for each cycle");
        };
        let link = &worker.profile.link;
        let fits =
            config
                .time_model
                .fitting(worker.speed(), config.margins.benchmarked, link, 1, limit);
        assert_eq!(fits, expected);
    }
}

#[test]
fn the_labs_have_the_link_that_was_fitted() {
    for (name, workers) in [("lab-8", 8), ("lab-7", 7)] {
        let scenario = of(name, &[]);
        let config = scenario.config();
        let shared = config.time_model.shared.seconds_f64();
        assert!((shared - 0.290).abs() < 0.001, "{shared}");
        assert_eq!(config.time_model.own, Span::from_millis(458));
        assert!((config.time_model.shared_ship.seconds_f64() * 71.0 - 1.0).abs() < 0.01);
        assert_eq!(config.time_model.capacity, CapacityModel::ComputeOnly);
        assert_eq!(config.expect, workers);
        let fleet = scenario.fleet(1, 0);
        let ships = |worker: &WorkerSpec| worker.profile.link.ship.seconds_f64() * 22.0;
        assert!(
            fleet
                .iter()
                .all(|worker| (ships(worker) - 1.0).abs() < 0.01)
        );
    }
}

#[test]
fn margins_are_the_quantiles_of_what_is_drawn() {
    let margins = |error: &str, risk: &str| {
        let text = GOOD.to_owned() + error;
        let scenario = with(&text, &[&format!("job.risk={risk}")]).expect("valid");
        scenario.config().margins
    };
    assert_eq!(margins("", "0.05"), scheduler::Margins::NONE);
    let error = "benchmark_error = { sigma = 0.2 }\n\
                 jitter = { dist = \"lognormal\", sigma = 0.1 }\n";
    for (risk, ppm) in [("0.5", 500_000), ("0.05", 50_000), ("0.01", 10_000)] {
        let found = margins(error, risk);
        // Both errors are lognormal: sigma is the root of the sum of their squares.
        for (margin, sigma_ppm) in [(found.benchmarked, 223_607), (found.learnt, 141_421)] {
            let exact = Margin::lognormal(ppm, sigma_ppm).ppb() as f64;
            let ratio = margin.ppb() as f64 / exact;
            assert!((ratio - 1.0).abs() < 0.01, "risk {risk}: {ratio}");
        }
        assert!(found.keep <= found.learnt.max(Margin::NONE));
    }
    // Cold benchmarks read too slow: they add nothing.
    let cold = "benchmark_error = { cold = 0.5, cold_mean = 1 }\n";
    assert_eq!(margins(cold, "0.05").benchmarked, Margin::NONE);
}

/// A benchmark is a cycle without jitter; of two cycles the ratio is Fisher's distribution.
#[test]
fn margins_of_gamma_jitter_are_its_quantiles() {
    for (shape, risk) in [(4.0, 0.05), (100.0, 0.05), (2_500.0, 0.01)] {
        let error = format!("jitter = {{ dist = \"gamma\", shape = {shape} }}\n");
        let text = GOOD.to_owned() + &error;
        let found = with(&text, &[&format!("job.risk={risk}")]).expect("valid");
        let found = found.config().margins;
        let gamma = Gamma::new(shape, shape).expect("valid");
        let fisher = FisherSnedecor::new(2.0 * shape, 2.0 * shape).expect("valid");
        let exact = [
            gamma.inverse_cdf(1.0 - risk),
            fisher.inverse_cdf(1.0 - risk),
        ];
        for (margin, exact) in [found.benchmarked, found.learnt].into_iter().zip(exact) {
            let ratio = margin.ppb() as f64 / 1e9 / exact;
            assert!((ratio - 1.0).abs() < 0.02, "shape {shape}: {ratio}");
        }
    }
}

/// Workers whose errors are lognormal, under a confidence.
fn promised(confidence: f64, workers: u64, cycles: u32, replan: &str) -> scheduler::Margins {
    let text = format!(
        "[job]\nbatches = 100000\ncycles = {cycles}\nmax_time = \"30 s\"\nreplan = \"{replan}\"\n\
         confidence = {confidence}\n[[workers]]\nname = \"pc\"\ncount = {workers}\n\
         speed = \"1 batches/s\"\nbenchmark_error = {{ sigma = 0.1 }}\n\
         jitter = {{ dist = \"lognormal\", sigma = 0.05 }}\n"
    );
    good(&text).config().margins
}

/// The chance that the margin of a plan that stays holds for every worker in every cycle, worked out
/// by summing over the benchmark's error, is the confidence.
#[test]
fn a_plan_that_stays_keeps_its_promise_for_the_whole_job() {
    let normal = Normal::standard();
    for (confidence, workers, cycles) in [
        (0.5, 1, 2),
        (0.95, 1, 200),
        (0.9, 3, 20),
        (0.95, 12, 80),
        (0.99, 40, 10),
    ] {
        let margin = promised(confidence, workers, cycles, "static").benchmarked;
        let log = (margin.ppb() as f64 / 1e9).ln();
        let step = 0.001;
        let one: f64 = (-8_000..8_000)
            .map(|at| {
                let error = f64::from(at) * step;
                let in_a_cycle = normal.cdf((log - 0.1 * error) / 0.05);
                normal.pdf(error) * step * in_a_cycle.powi(cycles as i32)
            })
            .sum();
        let missed = 1.0 - one.powi(workers as i32);
        let ratio = missed / (1.0 - confidence);
        let case = format!("{confidence}, {workers} workers, {cycles} cycles: {ratio}");
        assert!((ratio - 1.0).abs() < 0.2, "{case}");
    }
}

/// What is learnt in the first cycle ends the benchmark's error: half of the risk is for that cycle,
/// half for the jitter of all others.
#[test]
fn a_plan_that_follows_risks_the_benchmark_once_and_jitter_in_every_cycle() {
    let normal = Normal::standard();
    for (confidence, workers, cycles) in [(0.5, 1, 2), (0.95, 12, 20), (0.99, 8, 200)] {
        let margins = promised(confidence, workers, cycles, "adaptive");
        let each = 1.0 - f64::powf(confidence, 1.0 / workers as f64);
        let later = each / 2.0 / f64::from(cycles - 1);
        for (margin, risk, sigma) in [
            // The worst jitter of a right benchmark's plan asks for less.
            (margins.benchmarked, each / 2.0, 0.1_f64.hypot(0.05)),
            (margins.learnt, later, 0.05 * 2.0_f64.sqrt()),
        ] {
            let exact = (normal.inverse_cdf(1.0 - risk) * sigma).exp();
            let ratio = margin.ppb() as f64 / 1e9 / exact;
            assert!((ratio - 1.0).abs() < 0.01, "{confidence}: {ratio}");
        }
    }
    // The estimate is the slower of the last cycle and the middle of three: below m it is with a chance
    // of 2F² − F³, for F that of one.
    for (confidence, workers, cycles) in [(0.5, 1, 2), (0.95, 12, 20), (0.99, 8, 200)] {
        let margins = promised(confidence, workers, cycles, "adaptive");
        let each = 1.0 - f64::powf(confidence, 1.0 / workers as f64);
        let log = (margins.keep.ppb() as f64 / 1e9).ln() / 0.05;
        let step = 0.001;
        let risk: f64 = (-8_000..8_000)
            .map(|at| {
                let estimate = f64::from(at) * step;
                let below = normal.cdf(estimate);
                let density = (4.0 - 3.0 * below) * below * normal.pdf(estimate);
                density * step * normal.sf(log + estimate)
            })
            .sum();
        let ratio = risk / (each / 2.0 / f64::from(cycles - 1));
        assert!((ratio - 1.0).abs() < 0.3, "{confidence}: {ratio}");
        assert!(margins.keep < margins.learnt);
    }
    let one = promised(0.95, 3, 1, "adaptive");
    assert_eq!(one.benchmarked, promised(0.95, 3, 1, "static").benchmarked);
}

/// No more workers are employed than there are lots: those beyond risk nothing.
#[test]
fn workers_that_cannot_be_employed_ask_for_no_margin() {
    let margins = |workers| promised(0.95, workers, 10, "adaptive").benchmarked;
    assert!(margins(10_000) > margins(100));
    assert_eq!(margins(10_000), margins(20_000));
}

/// Whether the true speeds, with the scenario's margins, leave room for a plan.
fn is_feasible(scenario: &Scenario, config: &Config, replicate: u64) -> bool {
    let limit = match config.limit {
        scheduler::machine::Limit::Cycle(limit) => limit,
        scheduler::machine::Limit::Job { max_time, .. } => max_time / u64::from(config.cycles),
    };
    let fleet = scenario.fleet(scenario.run().seed, replicate);
    let fleet: Vec<_> = fleet
        .iter()
        .filter(|worker| worker.joins == Span::ZERO)
        .collect();
    // Of a large fleet a few counts do: one that fits is enough.
    let step = (fleet.len() / 64).max(1);
    let mut counts = (config.beta.max(1)..=fleet.len() as u64).step_by(step);
    counts.any(|employed| {
        let capacity = |worker: &&WorkerSpec| {
            let (margin, link) = (config.margins.benchmarked, &worker.profile.link);
            let time_model = &config.time_model;
            time_model
                .fitting(worker.speed(), margin, link, employed, limit)
                .min(worker.profile.most)
        };
        let mut capacities: Vec<u64> = fleet.iter().map(capacity).collect();
        capacities.sort_unstable_by(|a, b| b.cmp(a));
        let largest = &capacities[..employed as usize];
        let lots = config.s_min.max(1) * employed;
        largest
            .iter()
            .all(|capacity| *capacity >= config.s_min.max(1))
            && largest.iter().sum::<u64>() >= config.batches
            && lots <= config.batches
    })
}

#[test]
fn all_of_the_catalogue_but_one_has_a_plan() {
    for entry in catalogue() {
        let scenario = of(entry.name, &[]);
        let config = scenario.config();
        let is_feasible = |replicate: &u64| is_feasible(&scenario, &config, *replicate);
        let feasible = (0..5).filter(is_feasible).count();
        let expected = if entry.name == "infeasible" { 0 } else { 5 };
        assert_eq!(feasible, expected, "{}", entry.name);
    }
}

/// What the simulator will draw overruns the margin as often as the risk says.
#[test]
fn margins_hold_for_the_fleet_that_is_drawn() {
    let cold = "fleet.benchmark_error={ bias = 0.017, sigma = 0.06, cold = 0.1, cold_mean = 0.45 }";
    for (set, risk) in [
        ("job.risk=0.5", 0.5),
        ("job.risk=0.05", 0.05),
        ("job.risk=0.01", 0.01),
    ] {
        let scenario = of("ten-thousand", &[set, cold]);
        let margin = scenario.config().margins.benchmarked.ppb() as f64 / 1e9;
        let overruns = |worker: &WorkerSpec| {
            let (errors, draws) = (&worker.errors, |p| worker.streams.draws(p, 0));
            let jitter = errors.jitter.draw(&mut draws(Purpose::Jitter).counted());
            let drift = errors.drift(&mut draws(Purpose::Drift).counted());
            errors.benchmark.draw(&mut draws(Purpose::Benchmark)) * jitter * drift > margin
        };
        let fleets = (0..3).map(|replicate| scenario.fleet(1, replicate));
        let count: usize = fleets
            .map(|fleet| fleet.iter().filter(|w| overruns(w)).count())
            .sum();
        let ratio = count as f64 / 30_000.0 / risk;
        assert!((ratio - 1.0).abs() < 0.2, "{set}: {ratio} of the risk");
    }
}

#[test]
fn ten_thousand_workers_are_drawn() {
    let scenario = of("ten-thousand", &[]);
    let fleet = scenario.fleet(1, 0);
    assert_eq!(fleet.len(), 10_000);
    let speeds = fleet
        .iter()
        .filter(|worker| worker.name.starts_with("desktop"));
    let mean = speeds
        .map(|worker| worker.rate.per_second_f64())
        .sum::<f64>()
        / 4_000.0;
    assert!((mean - 500.0).abs() < 15.0, "{mean}");
}
