//! Data that lies at the workers.

use std::fs;

use crate::common::{Run, small};

/// The same plan on the same data gives the same model, whether samples travel or lie at the workers.
#[test]
fn data_at_the_workers_differs_in_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let two =
        "--local 2 --throttles 0.05,0.05 --beta 2 --s-min 10 --cycles 2 --cycle-time 10s --seed 3";
    let mut args: Vec<&str> = two.split(' ').collect();
    Run::start(&small(40, &path("first")), &args)
        .end()
        .completed();
    let plan = path("first").join("plan.json").display().to_string();
    args.extend(["--plan", &plan]);
    let run = |name: &str, more: &[&str]| {
        let args = [args.as_slice(), more].concat();
        let summary = Run::start(&small(40, &path(name)), &args)
            .end()
            .completed()
            .clone();
        assert_eq!(summary["reproducible"], true, "{summary}");
        fs::read(path(name).join("model.safetensors")).expect("a model")
    };
    let sent = run("sent", &[]);
    assert_eq!(sent, run("there", &["--data-at", "workers"]));
    // With half of the bytes on the wire it is another model.
    assert_ne!(
        sent,
        run("half", &["--data-at", "workers", "--wire", "f16"])
    );
    let job = fs::read_to_string(path("half").join("job.json")).expect("a job");
    let job: serde_json::Value = serde_json::from_str(&job).expect("JSON");
    assert_eq!(job["parameter_bytes"], 7_850 * 2, "{job}");
}
