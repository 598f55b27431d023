//! Flags, the scenario, the environment and `.env` together, through the command line.

mod common;

use std::fs;
use std::path::Path;

use common::{Run, program, run};

const LAB: &str = "[job]\nbatches = 100\nmax_time = \"60 s\"\n\
                   [[workers]]\nname = \"pc\"\nspeed = \"50 batches/s\"\ncount = 4\n";

fn in_folder(folder: &Path, variables: &[(&str, &str)], args: &[&str]) -> Run {
    let mut program = program();
    let program = program.current_dir(folder).args(args);
    run(program
        .envs(variables.iter().copied())
        .output()
        .expect("the program starts"))
}

fn folder(dotenv: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("lab.toml"), LAB).expect("written");
    fs::write(folder.path().join(".env"), dotenv).expect("written");
    folder
}

/// A summary's line about a key: its value and where it came from.
fn given(text: &str, key: &str) -> Option<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("  "));
    let mut lines = lines.filter_map(|line| line.strip_prefix(key));
    let line = lines.next()?;
    Some(line.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn the_summary_says_where_values_came_from() {
    let folder = folder("BETA=3\nS_MIN=4\nNUM_GLOBAL_CYCLES=6\nMAX_TIME=1\n");
    let args = ["run", "lab.toml", "--beta", "2", "--set", "job.risk=0.1"];
    let variables = [("S_MIN", "5"), ("BETA", "1")];
    let run = in_folder(folder.path(), &variables, &args);
    run.assert_done();
    for (key, expected) in [
        ("job.beta", Some("2 --beta 2")),
        ("job.s_min", Some("5 environment S_MIN=5")),
        ("job.cycles", Some("6 .env:3 NUM_GLOBAL_CYCLES=6")),
        ("job.max_time", Some("60 s lab.toml:3")),
        ("job.risk", Some("0.1 --set job.risk=0.1")),
        ("job.batch_size", None),
    ] {
        assert_eq!(
            given(&run.stdout, key).as_deref(),
            expected,
            "{}",
            run.stdout
        );
    }
    assert!(
        run.stdout.starts_with("6 cycles of 100 batches"),
        "{}",
        run.stdout
    );
    // JSON lines stay JSON lines, and a sweep says it too, but for what it varies.
    let json = in_folder(
        folder.path(),
        &variables,
        &[&args[..], &["--json"]].concat(),
    );
    assert!(json.stdout.starts_with('{') && json.stdout.lines().count() == 1);
    assert_eq!(
        given(&json.stderr, "job.beta").as_deref(),
        Some("2 --beta 2")
    );
    let sweep = ["sweep", "lab.toml", "--vary", "job.cycles=1,2"];
    let sweep = in_folder(folder.path(), &variables, &sweep);
    sweep.assert_done();
    assert_eq!(
        given(&sweep.stderr, "job.beta").as_deref(),
        Some("1 environment BETA=1")
    );
    assert_eq!(given(&sweep.stderr, "job.cycles"), None);
}

/// However a value is said, the same runs come of it.
#[test]
fn a_value_means_the_same_wherever_it_is_said() {
    let plain = folder("");
    let set = [
        "--set",
        "job.beta=3",
        "--set",
        "fees.type=specific",
        "--set",
        "fees.fees=[5,7]",
        "--set",
        "fees.default_fee=1",
    ];
    let json = ["run", "lab.toml", "--json"];
    let expected = in_folder(plain.path(), &[], &[&json[..], &set].concat());
    expected.assert_done();
    let flags = ["--beta", "3", "--fee-type", "specific", "--fees", "5,7"];
    let flags = [&json[..], &flags, &["--default-fee", "1"]].concat();
    let by_flags = in_folder(plain.path(), &[], &flags);
    assert_eq!(by_flags.stdout, expected.stdout);
    let variables = [
        ("BETA", "3"),
        ("FEE_TYPE", "specific"),
        ("FEES", "5,7"),
        ("DEFAULT_FEE", "1"),
    ];
    let by_variables = in_folder(plain.path(), &variables, &json);
    assert_eq!(by_variables.stdout, expected.stdout);
    let dotenv = folder("BETA=3\nFEE_TYPE=specific\nFEES=5,7\nDEFAULT_FEE=1\n");
    let by_dotenv = in_folder(dotenv.path(), &[], &json);
    assert_eq!(by_dotenv.stdout, expected.stdout);
    assert_ne!(in_folder(plain.path(), &[], &json).stdout, expected.stdout);
}

#[test]
fn mistakes_name_their_place() {
    let folder = folder("LOGS=x\nBETA=many\n");
    let wrong = |variables: &[(&str, &str)], flags: &[&str], expected: &str| {
        let args = [&["run", "lab.toml"], flags].concat();
        let run = in_folder(folder.path(), variables, &args);
        run.assert_fails(3, expected);
        assert_eq!(run.stdout, "");
    };
    wrong(
        &[],
        &[],
        ".env:2 BETA=many: job.beta is \"many\", expected a whole number",
    );
    wrong(
        &[("BETA", "-1")],
        &[],
        "environment BETA=-1: job.beta is -1, expected",
    );
    wrong(
        &[],
        &["--max-time", "soon", "--beta", "1"],
        "--max-time soon: job.max_time is \"soon\", expected a time",
    );
    fs::write(folder.path().join(".env"), "BETA 3\n").expect("written");
    wrong(&[], &[], ".env:1: BETA has no value, expected BETA=VALUE");
    fs::write(folder.path().join(".env"), [b'B', 0xff]).expect("written");
    wrong(&[], &[], ".env: it cannot be read");
    fs::write(folder.path().join(".env"), vec![b'\n'; (1 << 20) + 1]).expect("written");
    wrong(&[], &[], ".env: it is too long");
    // A folder of that name is another program's.
    fs::remove_file(folder.path().join(".env")).expect("removed");
    fs::create_dir(folder.path().join(".env")).expect("made");
    in_folder(folder.path(), &[], &["run", "lab.toml"]).assert_done();
    // What has no use is said, and does no harm.
    let unused = in_folder(folder.path(), &[("FEES", "1,x")], &["run", "lab.toml"]);
    unused.assert_done();
    let expected = "environment FEES=1,x is not used, since fees.type is not specific";
    assert!(unused.stderr.contains(expected), "{}", unused.stderr);
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_told() {
    use std::os::unix::ffi::OsStrExt;
    let mut program = program();
    let bytes = std::ffi::OsStr::from_bytes(&[0xff]);
    let output = program.args(["run", "dab"]).env("BETA", bytes).output();
    run(output.expect("it starts")).assert_fails(3, "environment BETA: it is not UTF-8");
}

/// Where data travels in every cycle, batches of twice the samples take twice the link.
#[test]
fn larger_batches_take_longer_on_the_link() {
    let folder = folder("");
    let wall = |args: &[&str]| {
        let always = [
            "run",
            "lab.toml",
            "--json",
            "--set",
            "job.ship=each-cycle",
            "--set",
            "link.bandwidth=2 MB/s",
        ];
        let run = in_folder(folder.path(), &[], &[&always[..], args].concat());
        run.assert_done();
        let line: serde_json::Value = serde_json::from_str(&run.stdout).expect("a line");
        line["wall_s"].as_f64().expect("a number")
    };
    let (usual, twice) = (wall(&[]), wall(&["--batch-size", "64"]));
    assert!(twice > usual, "{twice} {usual}");
    assert_eq!(
        twice.to_bits(),
        wall(&["--set", "model.batch=200960 B"]).to_bits()
    );
    let stated = ["--batch-size", "64", "--set", "model.batch=100480 B"];
    assert_eq!(wall(&stated).to_bits(), usual.to_bits());
}

/// A bare number is in seconds, and one language of durations is read wherever a time is given.
#[test]
fn times_are_read_the_same_everywhere() {
    let folder = folder("");
    let max_time = |variables: &[(&str, &str)], flags: &[&str]| {
        let args = [&["sweep", "lab.toml", "--vary", "job.beta=1"], flags].concat();
        let run = in_folder(folder.path(), variables, &args);
        run.assert_done();
        given(&run.stderr, "job.max_time").expect("it is given")
    };
    let time = |text: &str| -> String { text.split(" --").next().unwrap_or_default().to_owned() };
    for text in ["90", "90 s", "1.5 min", "1 min 30 s", "1m30s", "0.025 h"] {
        assert_eq!(time(&max_time(&[], &["--max-time", text])), text);
        let set = format!("job.max_time={text}");
        assert_eq!(time(&max_time(&[], &["--set", &set])), text);
    }
    let args = ["run", "lab.toml", "--json"];
    let open = LAB.replace("max_time = \"60 s\"\n", "");
    fs::write(folder.path().join("open.toml"), open).expect("written");
    let by_file = in_folder(
        folder.path(),
        &[],
        &[&args[..], &["--max-time", "60"]].concat(),
    );
    let by_variable = [("MAX_TIME", "1m")];
    let by_variable = in_folder(folder.path(), &by_variable, &["run", "open.toml", "--json"]);
    assert_eq!(by_variable.stdout, by_file.stdout);
}

/// A flag is never ignored in silence.
#[test]
fn one_key_is_given_once_on_a_command_line() {
    let folder = folder("");
    for (flags, expected) in [
        (
            &["--vary", "job.max_time=60s,70s", "--max-time", "10s"][..],
            "--vary job.max_time: expected a key that nothing else on the command line gives",
        ),
        (
            &[
                "--vary",
                "job.beta=1",
                "--set",
                "job.s_min=2",
                "--s-min",
                "3",
            ],
            "--s-min 3 and --set job.s_min are both given, expected one of them",
        ),
    ] {
        let args = [&["sweep", "lab.toml"], flags].concat();
        let run = in_folder(folder.path(), &[], &args);
        assert_ne!(run.code, 0, "{}", run.stderr);
        assert!(run.stderr.contains(expected), "{}", run.stderr);
    }
}

/// The reference has every key, and a template is a scenario.
#[test]
fn keys_and_a_template_are_printed() {
    let folder = folder("");
    let keys = in_folder(folder.path(), &[], &["scenarios", "--keys"]);
    keys.assert_done();
    assert!(keys.stdout.contains("--max-time, variable MAX_TIME"));
    let template = in_folder(folder.path(), &[], &["scenarios", "--template"]);
    template.assert_done();
    fs::write(folder.path().join("mine.toml"), template.stdout).expect("written");
    in_folder(folder.path(), &[], &["run", "mine.toml"]).assert_done();
}
