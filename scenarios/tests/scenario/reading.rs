//! Reading, mistakes, overrides, and writing.

use proptest::prelude::*;
use scenarios::scenario::SignedRatio;
use scenarios::{Overrides, Scenario, catalogue};

use crate::{GOOD, good, parse, with};

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
fn each_mistake_has_one_line() {
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
            "lab.toml:1: zoo is unknown, expected one of job, benchmark, waits, model, link, fees, \
           run, training, fleet, workers, faults",
        ],
    );
    check(
        "\"30 s\"",
        "\"30 sec\"",
        &[
            "lab.toml:3: job.max_time is \"30 sec\", expected a time such as \"30 s\" \
           (in ns, us, ms, s, min, m, h, d)",
        ],
    );
    assert_eq!(parse(&GOOD.replacen("\"30 s\"", "30", 1)), parse(GOOD));
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
            "lab.toml:5: job.allocator is 3, expected a text of at most 64 letters, such as \"exact\"",
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
        batches,
        "batches = 100\nconfidence = 0.9\nrisk = 0.1",
        &["lab.toml:4: job.risk and job.confidence are both given, expected one of them"],
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
        &[
            "lab.toml:10: fees.fees has no meaning with fees.type = \"constant\", expected \
             \"specific\" with it",
        ],
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

/// A mistake in `[fleet]` is one, however many workers there are and whatever it leaves open.
#[test]
fn mistakes_of_the_fleet_are_reported_once() {
    let text = GOOD.replace(
        "[[workers]]",
        "[fleet]\nspeed = \"fast\"\ndevice = \"labtop\"\nbeta = 1\n[[workers]]\n\
         name = \"pc2\"\n[[workers]]",
    );
    let errors = parse(&text).expect_err("three mistakes");
    assert_eq!(errors.len(), 3, "{errors:#?}");
    for (error, start) in errors.iter().zip([
        "lab.toml:6: fleet.speed is \"fast\", expected a speed",
        "lab.toml:7: fleet.device is \"labtop\", expected one of",
        "lab.toml:8: fleet.beta is unknown, expected one of",
    ]) {
        assert!(error.starts_with(start), "{error}");
    }
}

#[test]
fn a_byte_order_mark_is_skipped() {
    assert_eq!(parse(&format!("\u{feff}{GOOD}")), parse(GOOD));
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
    let by_number = with(GOOD, &["job.max_time=90"]).expect("seconds");
    assert_eq!(Ok(by_number), with(GOOD, &["job.max_time=1 min 30 s"]));
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
fn a_missing_value_comes_from_the_device_the_fleet_and_the_defaults_in_turn() {
    let text = GOOD.replace(
        "[[workers]]",
        "[fleet]\ndevice = \"laptop\"\nlatency = \"9 ms\"\n[[workers]]\nname = \"pc2\"\n\
         device = \"desktop\"\n[[workers]]\nname = \"pc3\"\n[[workers]]",
    );
    let scenario = good(&text);
    let of_all = |key: &str| {
        let values = scenario.values().into_iter();
        let values = values.filter(|(path, _)| path.ends_with(&format!(".{key}")));
        let values = values.filter(|(path, _)| path.starts_with("workers"));
        values.map(|(_, value)| value).collect::<Vec<_>>()
    };
    assert_eq!(
        of_all("speed"),
        ["500 batches/s", "350 batches/s", "50 batches/s"]
    );
    assert_eq!(of_all("latency"), ["500 us", "9 ms", "9 ms"]);
    assert_eq!(of_all("least_fee"), ["0", "0", "0"]);
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
    assert_eq!(
        scenario.groups()[0].benchmark_error.bias,
        SignedRatio::from_micros(-50_000)
    );
    let most = scenario.fleet(1, 0)[0].profile.most;
    assert_eq!(most, (2 << 30) / (32 * 785 * 4));
}

#[test]
fn nesting_that_is_too_deep_is_refused() {
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
