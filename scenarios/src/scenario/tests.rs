use std::collections::BTreeSet;

use proptest::prelude::*;
use scheduler::{CapacityModel, Margin};
use statrs::distribution::{ContinuousCDF, FisherSnedecor, Gamma};

use super::*;
use crate::catalogue::{catalogue, named};

const GOOD: &str = "\
[job]
batches = 100
max_time = \"30 s\"

[[workers]]
name = \"pc1\"
speed = \"50 batches/s\"
";

fn parse(text: &str) -> Result<Scenario, Vec<String>> {
    with(text, &[])
}

fn with(text: &str, set: &[&str]) -> Result<Scenario, Vec<String>> {
    let overrides = Overrides::parse(set).expect("well formed");
    Scenario::parse("lab.toml", text, &overrides).map_err(|errors| errors.lines().to_vec())
}

fn good(text: &str) -> Scenario {
    parse(text).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

fn of(name: &str, set: &[&str]) -> Scenario {
    let entry = named(name).expect("it is in the catalogue");
    with(entry.text, set).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

#[test]
fn a_batch_is_as_large_as_its_samples_unless_it_is_stated() {
    let bytes = |set: &[&str]| with(GOOD, set).expect("valid").model().batch.get();
    assert_eq!(bytes(&[]), 100_480);
    assert_eq!(bytes(&["job.batch_size=64"]), 200_960);
    assert_eq!(bytes(&["job.batch_size=1"]), 3_140);
    assert_eq!(bytes(&["job.batch_size=64", "model.batch=7 B"]), 7);
    assert_eq!(bytes(&["model.parameters=7 B", "job.batch_size=2"]), 6_280);
}

#[test]
fn mistakes_are_told_on_one_line_each() {
    let check = |from: &str, to: &str, expected: &[&str]| {
        assert!(GOOD.contains(from), "{from}");
        let errors = parse(&GOOD.replacen(from, to, 1)).expect_err(to);
        assert_eq!(errors, expected, "{to}");
        assert!(errors.iter().all(|line| !line.contains('\n')));
    };
    let batches = "batches = 100";
    check(
        batches,
        "batches = 100\ncycels = 3",
        &["lab.toml:3: job.cycels is unknown, did you mean cycles?"],
    );
    check(
        batches,
        "batches = 100\nbatches = 3",
        &["lab.toml:3: not valid TOML: duplicate key"],
    );
    check(
        "[job]",
        "[jobs]",
        &[
            "lab.toml:1: job is missing, expected a table [job]",
            "lab.toml:1: jobs is unknown, did you mean job?",
        ],
    );
    check(
        "[job]",
        "[zoo]\n[job]",
        &[
            "lab.toml:1: zoo is unknown, expected one of job, model, link, benchmark, waits, fees, \
           run, training, fleet, workers, faults",
        ],
    );
    check(
        "\"30 s\"",
        "\"30 sec\"",
        &[
            "lab.toml:3: job.max_time is \"30 sec\", expected a time such as \"30 s\" \
           (in ns, us, ms, s, min, h, d)",
        ],
    );
    check(
        "\"30 s\"",
        "30",
        &["lab.toml:3: job.max_time is 30, expected a time with its unit such as \"30 s\""],
    );
    check(
        "\"30 s\"",
        "\"-30 s\"",
        &["lab.toml:3: job.max_time is \"-30 s\", expected a time that is not negative"],
    );
    check(
        "\"30 s\"",
        "\"0 s\"",
        &["lab.toml:3: job.max_time is \"0 s\", expected a time from 1 us to 315360000 s"],
    );
    check(
        "\"30 s\"",
        "\"30 s\"\ncycle_time = \"1 s\"",
        &["lab.toml:4: job.max_time and job.cycle_time are both given, expected one of them"],
    );
    check(
        "max_time = \"30 s\"\n",
        "",
        &["lab.toml:1: job.max_time is missing, expected it or job.cycle_time, such as \"30 s\""],
    );
    check(
        "\"30 s\"",
        "\"30 s\"\nbeta = -1\nallocator = 3\nreplan = \"adaptiv\"",
        &[
            "lab.toml:4: job.beta is -1, expected a whole number from 0 to 1000000000",
            "lab.toml:5: job.allocator is 3, expected an allocator's name such as \"exact\"",
            "lab.toml:6: job.replan is \"adaptiv\", expected one of \"adaptive\", \"static\"; \
             did you mean \"adaptive\"?",
        ],
    );
    check(
        batches,
        "batches = 1e2",
        &["lab.toml:2: job.batches is 1e2, expected a whole number from 1 to 2000000000"],
    );
    check(
        batches,
        "batches = 100\nrisk = 1.5",
        &["lab.toml:3: job.risk is 1.5, expected a number from 0.0001 to 0.9999"],
    );
    check(
        &GOOD[GOOD.find("[[").expect("there")..],
        "",
        &["lab.toml:1: there are no workers, expected [[workers]], or [fleet] with a count"],
    );
    let speed = "speed = \"50 batches/s\"\n";
    check(
        speed,
        "",
        &[
            "lab.toml:5: workers.0.speed is missing, expected a speed such as \"500 batches/s\", or \
           a device of server, workstation, desktop, laptop, single-board-computer, phone",
        ],
    );
    let after = |to: &str, expected: &[&str]| check(speed, &format!("{speed}{to}"), expected);
    after(
        "[[workers]]\nname = \"pc1\"\ndevice = \"desktop\"",
        &["lab.toml:8: workers.1.name: two workers are called \"pc1\", expected unique names"],
    );
    after(
        "device = \"labtop\"",
        &[
            "lab.toml:8: workers.0.device is \"labtop\", expected one of \"server\", \
           \"workstation\", \"desktop\", \"laptop\", \"single-board-computer\", \"phone\"; did you \
           mean \"laptop\"?",
        ],
    );
    after(
        "fee = 0.1234567",
        &["lab.toml:8: workers.0.fee is 0.1234567, expected at most six decimal places"],
    );
    after(
        "fee = 2\n[fees]\ntype = \"linear\"",
        &[
            "lab.toml:8: workers.0.fee has no meaning here, expected fees.type = \"declared\" with it",
        ],
    );
    after(
        "fee = 1000001",
        &["lab.toml:8: workers.0.fee is 1000001, expected a fee from 0 to 1000000"],
    );
    after(
        "jitter = { dist = \"lognormal\", sigma = -0.1 }",
        &["lab.toml:8: workers.0.jitter.sigma is -0.1, expected a number that is not negative"],
    );
    after(
        "latency = { dist = \"uniform\", low = \"3 ms\", high = \"1 ms\" }",
        &[
            "lab.toml:8: workers.0.latency.high is \"1 ms\", expected at least \
           workers.0.latency.low, which is \"3 ms\"",
        ],
    );
    after(
        "latency = { dist = \"gamma\", mean = \"3 ms\", shape = 0 }",
        &["lab.toml:8: workers.0.latency.shape is 0, expected a number from 0.1 to 1000000"],
    );
    after(
        "bandwidth = \"1 Gbit/s\"\nup = \"1 Mbit/s\"",
        &["lab.toml:8: workers.0.bandwidth is given beside down or up, expected one of them"],
    );
    after(
        "memory = \"1 Mbit/s\"",
        &[
            "lab.toml:8: workers.0.memory is \"1 Mbit/s\", expected a size such as \"800 kB\" (in B, \
           kB, MB, GB, TB, KiB, MiB, GiB, TiB)",
        ],
    );
    after(
        "[fees]\ntype = \"constant\"\nfees = [1]",
        &["lab.toml:10: fees.fees is unknown, did you mean fee?"],
    );
    after(
        "[faults]\ntrace = [{ at = \"1 s\", worker = \"pc2\", what = \"dropout\" }]",
        &[
            "lab.toml:9: faults.trace.0.worker is \"pc2\", expected a worker's name; did you mean \
           \"pc1\"?",
        ],
    );
    after(
        "[benchmark]\nrounds = 4\nmax_rounds = 3",
        &["lab.toml:10: benchmark.max_rounds is 3, expected at least benchmark.rounds, which is 4"],
    );
    check(
        "name = \"pc1\"",
        "name = \"pc 1\"",
        &[
            "lab.toml:6: workers.0.name is \"pc 1\", expected a name of at most 64 letters, digits, \
           - and _",
        ],
    );
    check(
        "[[workers]]",
        "workers",
        &["lab.toml:5: not valid TOML: key with no value, expected `=`"],
    );
}

#[test]
fn overrides_are_read_like_the_file_and_named_when_wrong() {
    let set = [
        "job.max_time=1 min",
        "workers.pc1.speed=7.5 batches/s",
        "run.seed=7",
    ];
    let scenario = with(GOOD, &set).expect("valid");
    assert_eq!(scenario.run().seed, 7);
    let text = scenario.to_string();
    assert!(text.contains("max_time = \"60 s\"") && text.contains("speed = \"7.5 batches/s\""));
    let check = |set: &str, expected: &str| {
        let errors = with(GOOD, &[set]).expect_err(set);
        assert_eq!(errors, [format!("--set {set}: {expected}")]);
    };
    check(
        "job.cycels=3",
        "job.cycels is unknown, did you mean cycles?",
    );
    check(
        "job.max_time=30",
        "job.max_time is 30, expected a time with its unit such as \"30 s\"",
    );
    check(
        "workers.pc9.fee=3",
        "nothing is called \"pc9\" there, expected a name or a place from 0 to 0",
    );
    check(
        "job.beta.x=1",
        "job.beta is a table, expected a whole number from 0 to 1000000000",
    );
    check(
        "job.batches.x=1",
        "\"x\" would lie in 100, expected a table",
    );
    check(
        "job.cycle_time=1 s",
        "job.max_time and job.cycle_time are both given, expected one of them",
    );
}

#[test]
fn what_is_not_said_comes_from_the_device_the_fleet_and_the_defaults_in_turn() {
    let text = GOOD.replace(
        "[[workers]]",
        "[fleet]\ndevice = \"laptop\"\nlatency = \"9 ms\"\n[[workers]]\nname = \"pc2\"\n\
         device = \"desktop\"\n[[workers]]\nname = \"pc3\"\n[[workers]]",
    );
    let scenario = good(&text);
    let [pc2, pc3, pc1] = scenario.groups() else {
        panic!("expected three groups: {scenario}");
    };
    let speeds = [pc2, pc3, pc1].map(|group| group.speed.written());
    assert_eq!(
        speeds,
        ["\"500 batches/s\"", "\"350 batches/s\"", "\"50 batches/s\""]
    );
    let latencies = [pc2, pc3, pc1].map(|group| group.latency.written());
    assert_eq!(latencies, ["\"500 us\"", "\"9 ms\"", "\"9 ms\""]);
    assert_eq!(pc1.least_fee, scheduler::Fee::ZERO);
}

#[test]
fn fees_are_those_of_the_seed() {
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
        assert!(found.keep <= found.learnt);
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
    (config.beta.max(1)..=fleet.len() as u64).any(|employed| {
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

#[test]
fn every_form_reads_back() {
    let text = GOOD.replace(
        "100",
        "100\nexpect = 1\nship = \"each-cycle\"\nallocator = 'a\"\\\\'",
    ) + "jitter = { dist = \"gamma\", shape = 40 }\n\
           memory = \"2 GiB\"\n\
           shipping = \"22 batches/s\"\n\
           benchmark_error = { bias = -0.5e-1 }\n\
           down = { dist = \"uniform\", low = \"1 MB/s\", high = \"2 MB/s\" }\n\
           up = { dist = \"exponential\", mean = \"1 MB/s\" }\n\
           fee = { dist = \"lognormal\", median = 2.5, sigma = 0.25 }\n\
           least_fee = 0.25\n\
           [faults]\n\
           dropout_every = \"never\"\n\
           [[faults.trace]]\n\
           at = \"3 s\"\nworker = \"pc1\"\nwhat = \"return\"\n\
           [[faults.trace]]\n\
           at = \"1 s\"\nworker = \"pc1\"\nwhat = \"dropout\"\n\
           [[faults.trace]]\n\
           at = \"4 s\"\nworker = \"pc1\"\nwhat = \"stall\"\nfor = \"2 s\"\n\
           [[faults.trace]]\n\
           at = \"5 s\"\nworker = \"pc1\"\nwhat = \"slowdown\"\nfactor = 2.5\nfor = \"2 s\"\n";
    let scenario = good(&text);
    assert_eq!(good(&scenario.to_string()), scenario);
    let at: Vec<u64> = scenario
        .faults()
        .trace
        .iter()
        .map(|t| t.at.nanos())
        .collect();
    assert!(at.is_sorted(), "{at:?}");
    assert_eq!(scenario.groups()[0].errors.benchmark.bias_micros, -50_000);
    let most = scenario.fleet(1, 0)[0].profile.most;
    assert_eq!(most, (2 << 30) / (32 * 785 * 4));
}

#[test]
fn what_is_too_deep_is_refused() {
    for deep in [
        format!("{}x = 1", "a.".repeat(500_000)),
        format!("x = {}{}", "[".repeat(20_000), "]".repeat(20_000)),
        format!("x = {}1{}", "{a=".repeat(20_000), "}".repeat(20_000)),
        format!("[{}x]", "a.".repeat(60)),
    ] {
        assert!(parse(&deep).is_err());
    }
    assert!(Overrides::parse([format!("{}x=1", "a.".repeat(100_000))]).is_err());
    assert!(with(GOOD, &[&format!("job.x={}", "[".repeat(20_000))]).is_err());
}

/// Text that looks like a scenario here and there.
fn soup() -> impl Strategy<Value = String> {
    let words = [
        "[job]",
        "[[workers]]",
        "[fleet]",
        "[faults]",
        "[fees]",
        "[model]",
        "[link]",
        "[run]",
        "batches",
        "max_time",
        "speed",
        "name",
        "count",
        "jitter",
        "trace",
        "fee",
        "type",
        "risk",
        " = ",
        " = ",
        " = ",
        "\"30 s\"",
        "\"1 batches/s\"",
        "\"pc1\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        "-1",
        "1e400",
        "0.5",
        "9999999999999999999999999",
        "nan",
        "true",
        "1979-05-27",
        "0x1f",
        "\"",
        "'''",
        ".",
        "#",
        "\n",
        "\n",
        "\n",
        "\u{e9}",
        "dist",
        "\"lognormal\"",
        "sigma",
    ];
    let word = prop::sample::select(words.to_vec());
    prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

/// A good scenario with one of its pieces replaced.
fn nearly() -> impl Strategy<Value = String> {
    let texts: Vec<&str> = catalogue()
        .iter()
        .map(|entry| entry.text)
        .filter(|t| t.len() < 1_500)
        .collect();
    let piece = "[ -~\n]{0,8}";
    (
        prop::sample::select(texts),
        any::<prop::sample::Index>(),
        0..12_usize,
        piece,
    )
        .prop_map(|(text, at, gone, piece)| {
            let at = at.index(text.len());
            let end = (at + gone).min(text.len());
            format!("{}{piece}{}", &text[..at], &text[end..])
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_text_panics(text in prop_oneof![soup(), nearly(), ".{0,60}"], set in "[a-z.]{1,9}=.{0,9}") {
        if let Ok(scenario) = parse(&text) {
            prop_assert_eq!(scenario.config().check(), Ok(()));
            prop_assert_eq!(&good(&scenario.to_string()), &scenario);
        }
        if let Ok(overrides) = Overrides::parse([set]) {
            // Whatever it says, it says something.
            if let Err(errors) = Scenario::parse("f", &text, &overrides) {
                prop_assert!(!errors.lines().is_empty());
                prop_assert!(errors.lines().iter().all(|line| !line.contains('\n')));
            }
        }
    }
}
