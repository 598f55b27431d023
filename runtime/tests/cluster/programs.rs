//! Models of the user's own: a program that trains, on both sides, and what it can do wrong.
//!
//! Python with NumPy is needed, for some tests PyTorch, scikit-learn or JAX. A test that finds none says
//! so, and fails where `ALLOT_REQUIRE_PYTHON` is set, as it is in continuous integration.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::common::{End, Run, program};

pub(crate) fn python() -> String {
    std::env::var("ALLOT_PYTHON").unwrap_or_else(|_| "/usr/bin/python3".to_owned())
}

pub(crate) fn folder_of(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("a workspace").join("python").join(name)
}

/// Whether Python has these modules. If not, a line says so.
pub(crate) fn has(modules: &str) -> bool {
    let mut asked = Command::new(python());
    let found = asked.args(["-c", &format!("import {modules}")]).output();
    let found = found.is_ok_and(|output| output.status.success());
    let why = format!("NOT CHECKED: {} has no {modules}", python());
    assert!(
        found || std::env::var_os("ALLOT_REQUIRE_PYTHON").is_none(),
        "{why}"
    );
    if !found {
        console::note!("{why}");
    }
    found
}

/// The program with the package where Python finds it.
fn with_package() -> Command {
    let mut command = program();
    command.env("PYTHONPATH", folder_of(""));
    command
}

/// A trainer that does something after a number of batches, in the first process that comes so far.
fn faulty(folder: &Path, batches: u32, fault: &str) -> String {
    let text = format!(
        r#"
import os, sys, time
os.write(1, b"printed before anything else\n")
sys.path[:0] = [{examples:?}, {package:?}]
import numpy as np
import allot.trainer
from numpy_softmax import Softmax

class Faulty(Softmax):
    steps = 0
    def train(self, batch):
        super().train(batch)
        # A benchmark is no share.
        self.steps += sys._getframe(2).f_code.co_name == "_train"
        if self.steps == {batches}:
            try:
                os.close(os.open({lock:?}, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return
            {fault}

allot.trainer.serve(Faulty())
"#,
        examples = folder_of("examples"),
        package = folder_of(""),
        lock = folder.join("taken"),
    );
    let path = folder.join("faulty.py");
    fs::write(&path, text).expect("written");
    format!("{} {}", python(), path.display())
}

/// The arguments of a job of 60 batches of 32 for workers at about 60 batches a second.
fn args(trainer: &str, workers: usize, folder: &Path) -> Vec<String> {
    let throttles = vec!["0.1"; workers].join(",");
    let local = workers.to_string();
    let out = folder.join("run").display().to_string();
    let given = [
        "cluster",
        "--json",
        "--trainer",
        trainer,
        "--local",
        &local,
        "--throttles",
        &throttles,
        "--benchmark-batches",
        "20",
        "--data",
        "synthetic:train=1920,test=300",
        "--beta",
        "2",
        "--s-min",
        "10",
        "--cycles",
        "3",
        "--cycle-time",
        "12 s",
        "--seed",
        "5",
        "--out",
        &out,
    ];
    given.map(str::to_owned).to_vec()
}

fn notes(end: &End, text: &str) -> bool {
    let has = |event: &Value| {
        event["line"]
            .as_str()
            .is_some_and(|line| line.contains(text))
    };
    end.stderr.contains(text) || end.all("note").any(has)
}

#[test]
fn a_program_trains_a_job_and_what_it_prints_does_no_harm() {
    if !has("numpy") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let prints = r#"print("in between"); os.system("echo from a library")"#;
    let trainer = faulty(folder.path(), 1, prints);
    let end = Run::start(&args(&trainer, 2, folder.path()), &[]).end();
    let summary = end.completed();
    let accuracy = summary["accuracy"].as_f64().expect("it was judged");
    assert!(accuracy > 0.3, "{summary}");
    for printed in [
        "printed before anything else",
        "in between",
        "from a library",
    ] {
        assert!(end.stderr.contains(printed), "{printed}: {}", end.stderr);
    }
    let model = fs::read(folder.path().join("run/model.safetensors")).expect("a model");
    let file = safetensors::SafeTensors::deserialize(&model).expect("a whole one");
    let tensor = file.tensor("parameters").expect("as it was told");
    assert_eq!(tensor.shape(), [785 * 10]);
}

#[test]
fn another_program_is_refused_with_both_digests_and_the_job_goes_on() {
    if !has("numpy") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let trainer = faulty(folder.path(), 1, "pass");
    let mut given = args(&trainer, 2, folder.path());
    given.extend(["--listen", "127.0.0.1:0"].map(str::to_owned));
    let mut run = Run::start(&given, &[]);
    let token = run.until("listening", |_| true)["token"].clone();
    let token = token.as_str().expect("a token").to_owned();
    let other = folder.path().join("other.py");
    let text = fs::read_to_string(folder.path().join("faulty.py")).expect("there");
    fs::write(&other, text + "# changed\n").expect("written");
    let worker = |more: &[&str]| -> Output {
        let mut worker = program();
        worker.args(["worker", "--once", "--join", &token, "--name", "pc7"]);
        let state = folder.path().join("state");
        let worker = worker.args(more).arg("--state").arg(state);
        worker.stdin(Stdio::null()).output().expect("it ends")
    };
    let refused = worker(&["--trainer", &format!("{} {}", python(), other.display())]);
    assert_ne!(refused.status.code(), Some(0));
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    let line = error
        .lines()
        .find(|line| line.contains("its trainer has the digest"));
    let line = line.unwrap_or_else(|| panic!("{error}"));
    let digests = line.split(|c: char| !c.is_ascii_hexdigit());
    let digests: Vec<&str> = digests.filter(|word| word.len() == 16).collect();
    assert!(matches!(digests[..], [own, job] if own != job), "{line}");
    assert!(
        line.contains("copy the files of") && line.contains("faulty.py"),
        "{line}"
    );
    let without = worker(&[]);
    let error = String::from_utf8_lossy(&without.stderr).into_owned();
    assert!(
        error.contains("start the worker with --trainer '"),
        "{error}"
    );
    run.end().completed();
}

/// One of three workers breaks in the first cycle; the others finish the job.
fn breaks(fault: &str, expected: &str) -> End {
    let folder = tempfile::tempdir().expect("a folder");
    let trainer = faulty(folder.path(), 5, fault);
    let end = Run::start(&args(&trainer, 3, folder.path()), &[]).end();
    end.completed();
    assert!(notes(&end, expected), "{:#?}\n{}", end.seen, end.stderr);
    end
}

#[test]
fn a_traceback_is_told_in_its_last_line_and_whole_in_the_log() {
    if !has("numpy") {
        return;
    }
    let expected = "is gone: ValueError: no such row (faulty.py:";
    let end = breaks("raise ValueError('no such row')", expected);
    let traceback = "Traceback (most recent call last)";
    assert!(end.stderr.contains(traceback), "{}", end.stderr);
}

#[test]
fn a_wrong_number_of_parameters_is_told_in_a_line() {
    if !has("numpy") {
        return;
    }
    let fault = "self.flat = np.zeros(9, np.float32); self.parameters = lambda: self.flat; self.train = lambda batch: None";
    breaks(
        fault,
        "is gone: parameters() gave 9 numbers, expected 7850 as at first",
    );
}

#[test]
fn a_program_that_ends_by_itself_is_told_with_what_it_said_last() {
    if !has("numpy") {
        return;
    }
    let fault = "os.write(2, b'out of luck\\n'); os._exit(7)";
    breaks(fault, "ended by itself with code 7: out of luck");
}

/// It is excluded, its program is started anew, and it comes back.
#[test]
fn a_program_that_hangs_is_excluded_and_started_anew() {
    if !has("numpy") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let trainer = faulty(folder.path(), 5, "time.sleep(1e6)");
    let mut run = Run::start(&args(&trainer, 2, folder.path()), &[]);
    let gone = run.until("departed", |_| true);
    assert_eq!(gone["why"], "missed_beats", "{gone}");
    let name = gone["worker"].as_str().expect("a name").to_owned();
    run.until_worker("joined", &name);
    let end = run.end();
    end.completed();
    assert!(
        notes(&end, &format!("{name} is excluded")),
        "{:#?}",
        end.seen
    );
}

#[test]
fn a_program_that_is_not_there_or_cannot_begin_is_told_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let broken = folder.path().join("broken.py");
    fs::write(&broken, "import no_such_module_at_all\n").expect("written");
    let python = format!("{} {}", python(), broken.display());
    let check = |trainer: &str, expected: &str| {
        let given = args(trainer, 2, folder.path());
        let output = program().args(given).output().expect("it ends");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{error}");
        let line = error.lines().last().unwrap_or_default();
        assert!(
            line.starts_with("error: ") && line.contains(expected),
            "{error}"
        );
    };
    check(
        "no-such-program x.py",
        "there is no program 'no-such-program'",
    );
    check("sh -c 'exec no-such-program'", "there is no program 'sh'");
    check(
        &python,
        "before it was ready: ModuleNotFoundError: No module named",
    );
    check("echo hello", "ended with code 0 before it was ready");
    check(
        "yes",
        "does not answer as a trainer does (it printed 1048576 bytes",
    );
}

pub(crate) fn checked(model: Option<&str>, command: &[&str]) -> (Option<i32>, String) {
    let mut check = with_package();
    check.args(["trainer", "check"]);
    check.args(model.map(|model| format!("--model={model}")));
    let output = check.arg("--").args(command).output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// The trainers of this project keep to the protocol that others are held against.
#[test]
fn built_in_trainers_pass_the_check() {
    let own = env!("CARGO_BIN_EXE_runtime");
    let (code, said) = checked(Some("linear"), &[own, "trainer"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("7850 parameters in 2 tensors"), "{said}");
    if cfg!(feature = "torch") {
        let (code, said) = checked(Some("mlp"), &[env!("CARGO_BIN_EXE_runtime-trainer")]);
        assert_eq!(code, Some(0), "{said}");
    }
}

fn example(name: &str) {
    let path = folder_of("examples").join(name).display().to_string();
    let (code, said) = checked(None, &[&python(), &path]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.ends_with("it keeps to the protocol\n"), "{said}");
    assert!(
        said.contains("the same parameters to the last bit"),
        "{said}"
    );
}

#[test]
fn examples_in_numpy_and_scikit_learn_pass_the_check() {
    if has("numpy") {
        example("numpy_softmax.py");
    }
    if has("sklearn") {
        example("sklearn_sgd.py");
    }
}

#[test]
fn the_example_in_jax_passes_the_check() {
    if has("jax") {
        example("jax_mlp.py");
    }
}

#[test]
fn examples_in_pytorch_pass_the_check() {
    if has("torch") {
        for name in ["mlp.py", "cnn.py", "lora.py"] {
            example(name);
        }
    }
}

#[test]
fn a_trainer_that_breaks_the_protocol_fails_the_check() {
    if !has("numpy") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let breaks = |change: &str, expected: &str| {
        let text = format!(
            "from numpy_softmax import Softmax\nimport numpy as np, os, time, allot.trainer\n\
             class Broken(Softmax):\n    {change}\nallot.trainer.serve(Broken())\n"
        );
        let path = folder.path().join("broken.py");
        fs::write(&path, text).expect("written");
        let both = std::env::join_paths([folder_of(""), folder_of("examples")]).expect("paths");
        let mut check = program();
        check.env("PYTHONPATH", both);
        check.args(["trainer", "check", "--within", "20", "--"]);
        let output = check
            .args([&python(), &path.display().to_string()])
            .output();
        let output = output.expect("it ends");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(4), "{error}");
        let last = error.lines().last().unwrap_or_default();
        assert!(last.contains(expected), "{expected}: {error}");
    };
    breaks(
        "def train(self, batch): pass",
        "its parameters did not move",
    );
    breaks(
        "def parameters(self): return np.zeros(7)",
        "an array of float64",
    );
    breaks("device = 'tpu'", "its device is \"tpu\"");
    breaks(
        "def tensors(self): return [('a', (3,))]",
        "tensors() has 3 numbers",
    );
    breaks(
        "def evaluate(self, batches): return {}",
        "expected finite numbers",
    );
    let random = "def setup(self, job):\n        super().setup(job)\n        \
                  self.flat += np.float32(int.from_bytes(os.urandom(2), 'big') + 1)";
    breaks(random, "they differ: draw all of them from the job's seed");
}

/// The tests of the Python package, under the interpreter that trains.
#[test]
fn the_package_passes_its_own_tests() {
    if !has("torch") {
        return;
    }
    let mut tests = Command::new(python());
    tests.args(["-W", "ignore", "-m", "unittest", "discover", "-s", "tests"]);
    let output = tests
        .current_dir(folder_of(""))
        .env("PYTHONPATH", folder_of(""));
    let output = output.output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("Ran "), "{said}");
}

/// One worker, one cycle, SGD: the very numbers of a loop in plain PyTorch; and the accuracy that is
/// judged is PyTorch's own.
#[test]
fn a_cycle_of_one_worker_is_a_plain_loop_in_pytorch_to_the_last_bit() {
    if !has("torch") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (data, run) = (folder.path().join("data"), folder.path().join("run"));
    plain_loop(&[Path::new("make"), &data]);
    let trainer = format!(
        "{} {}",
        python(),
        folder_of("tests").join("norm_net.py").display()
    );
    one_cycle(&["--trainer", &trainer], &data, &run);
    let said = plain_loop(&[Path::new("compare"), &data, &run]);
    assert!(said.contains("the greatest difference is 0.0"), "{said}");
}

/// The loop in plain PyTorch that others are compared with.
pub(crate) fn plain_loop(given: &[&Path]) -> String {
    let mut plain = Command::new(python());
    let script = folder_of("tests").join("plain_loop.py");
    let output = plain
        .arg(script)
        .args(given)
        .env("PYTHONPATH", folder_of(""))
        .output();
    let output = output.expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

/// A job of one cycle for one worker.
pub(crate) fn one_cycle(trainer: &[&str], data: &Path, run: &Path) {
    let output = with_package()
        .args(["cluster", "--json", "--local", "1", "--seed", "11"])
        .args(["--cycles", "1", "--cycle-time", "120 s"])
        .args(["--benchmark-batches", "5"])
        .args(trainer)
        .arg("--data")
        .arg(data)
        .arg("--out")
        .arg(run)
        .output()
        .expect("it ends");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{error}");
}

/// Letters and the one that comes next, on made text, through a whole job.
#[test]
fn a_transformer_trains_on_made_text() {
    if !has("torch") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("text");
    let mut make = Command::new(python());
    let script = folder_of("examples").join("made_text.py");
    let made = make.arg(script).arg(&data).arg("1920").status();
    assert!(made.expect("it runs").success());
    let path = folder_of("examples").join("transformer.py");
    let (code, said) = {
        let mut check = with_package();
        check
            .args(["trainer", "check", "--data"])
            .arg(&data)
            .args(["--", &python()]);
        let output = check.arg(&path).output().expect("it ends");
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    };
    assert_eq!(code, Some(0), "{said}");
}

/// One of two spoils the model within what can be averaged: the other is not blamed for the numbers that
/// come of it.
#[test]
fn who_is_sent_a_spoilt_model_is_not_barred() {
    if !has("numpy") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let spoils = "self.parameters = lambda: np.full_like(self.flat, 3e38)";
    let trainer = faulty(folder.path(), 5, spoils);
    let mut args = args(&trainer, 2, folder.path());
    let cycles = args
        .iter()
        .position(|arg| arg == "--cycles")
        .expect("there");
    args[cycles + 1] = "6".to_owned();
    let end = Run::start(&args, &[]).end();
    let told = end.told("does not count: the model that it was sent is spoilt");
    assert!(told, "{}\n{:#?}", end.stderr, end.seen);
    let barred = end
        .all("departed")
        .filter(|gone| gone["why"] == "quarantined");
    assert_eq!(barred.count(), 0, "{:#?}", end.seen);
}
