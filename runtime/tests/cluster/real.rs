//! Real data, on libtorch.

use crate::common::Run;

/// Five cycles over all of mnist, with fees that leave some workers little: the thesis program's averaging
/// went wrong exactly then, and stayed at 0.10.
#[test]
fn five_cycles_of_real_digits_are_learnt() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run").display().to_string();
    let args = [
        "cluster",
        "--json",
        "--data",
        "mnist",
        "--local",
        "4",
        "--beta",
        "3",
        "--cycles",
        "5",
        "--max-time",
        "150 s",
        "--fee-type",
        "random",
        "--seed",
        "3",
        "--out",
        &out,
    ]
    .map(str::to_owned);
    let end = Run::start(&args, &[]).end();
    assert!(
        !end.stderr.contains("./allot data mnist"),
        "this test needs the digits: {}",
        end.stderr
    );
    let summary = end.completed();
    end.holds_its_limits(1_875);
    assert!(summary["accuracy"].as_f64() > Some(0.93), "{summary}");
    assert!(
        summary["true_class_probability"].as_f64() > Some(0.9),
        "{summary}"
    );
    assert!(
        summary["wall_s"].as_f64() <= summary["limit_s"].as_f64(),
        "{summary}"
    );
}
