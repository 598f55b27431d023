//! What an order of service gains on the wire: eight workers behind a link of 20 Mbit/s, each way, in network
//! namespaces of its own, with a model of 64 × 64 × 10 weights (164 kB, 66 ms each way).
//!
//! The bars: the median cycle of an ordered link takes at most 0.65 times that of a shared one, and the run's
//! prediction from benchmarks and connections comes within 5 %. `cargo bench -p runtime --bench link`, as root
//! (`ip`, `tc`); about half a minute, ends with 1 if a bar is missed.

#![expect(clippy::print_stdout, reason = "it prints what it finds")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use serde_json::Value;

const WORKERS: u32 = 8;
const SIDE: u32 = 64;
const BATCHES: u32 = 16;
const BATCH_SIZE: u32 = 8;
const RATE: &str = "20";
/// Both addresses are of namespaces that nobody else sees.
const ADDRESS: &str = "10.77.0.1:9317";
const RATIO: f64 = 0.65;
const ERROR: f64 = 0.05;

fn main() -> ExitCode {
    let folder = tempfile::tempdir().expect("a folder");
    images(&folder.path().join("data"));
    let mut medians = Vec::new();
    let mut is_met = true;
    for service in ["shared", "ordered"] {
        let Some(found) = Namespaces::make().map(|names| names.run(folder.path(), service)) else {
            println!("it needs network namespaces: run it as root, with ip and tc");
            return ExitCode::FAILURE;
        };
        let (median, wall, predicted) = found;
        let error = predicted / wall - 1.0;
        println!(
            "{service}: median cycle {:.0} ms, all {:.0} ms, predicted {:.0} ms ({:+.1} %, bar {:.0} %)",
            median * 1e3,
            wall * 1e3,
            predicted * 1e3,
            error * 1e2,
            ERROR * 1e2
        );
        is_met &= error.abs() <= ERROR;
        medians.push(median);
    }
    let ratio = medians[1] / medians[0];
    println!("ordered / shared: {ratio:.3} (bar {RATIO})");
    if is_met && ratio <= RATIO {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A namespace of the orchestrator and one of the workers, with a shaped link between them.
struct Namespaces([String; 2]);

impl Namespaces {
    fn make() -> Option<Self> {
        let id = std::process::id();
        let names = Self(["o", "w"].map(|kind| format!("allot-{kind}{id}")));
        let [of, to] = &names.0;
        let mut lines = vec![
            format!("ip netns add {of}"),
            format!("ip netns add {to}"),
            format!("ip link add link0 netns {of} type veth peer name link0 netns {to}"),
        ];
        for (name, last) in [(of, 1), (to, 2)] {
            lines.extend([
                format!("ip -n {name} addr add 10.77.0.{last}/24 dev link0"),
                format!("ip -n {name} link set link0 up"),
                format!("ip -n {name} link set lo up"),
                format!(
                    "ip netns exec {name} tc qdisc add dev link0 root tbf rate {RATE}mbit burst 32kb limit 4mb"
                ),
            ]);
        }
        let all_done = lines.iter().all(|line| {
            let mut words = line.split(' ');
            let mut command = Command::new(words.next().unwrap_or_default());
            let status = command.args(words).stderr(Stdio::null()).status();
            status.is_ok_and(|status| status.success())
        });
        all_done.then_some(names)
    }

    /// The median cycle, all cycles and what was predicted for all, in seconds.
    fn run(&self, folder: &Path, service: &str) -> (f64, f64, f64) {
        let [of, to] = &self.0;
        let path = |name: &str| {
            folder
                .join(format!("{service}-{name}"))
                .display()
                .to_string()
        };
        let data = folder.join("data").display().to_string();
        let sets = [
            format!("job.batches={BATCHES}"),
            format!("job.beta={WORKERS}"),
            format!("job.s_min={}", BATCHES / WORKERS),
            "job.cycles=6".to_owned(),
            "job.cycle_time=\"8 s\"".to_owned(),
            format!("link.down=\"{RATE} Mbit/s\""),
            format!("link.up=\"{RATE} Mbit/s\""),
            format!("link.service=\"{service}\""),
        ];
        let mut orchestrator = program(of);
        orchestrator
            .args(["cluster", "--model", "linear", "--json", "--no-discovery"])
            .args(["--listen", ADDRESS, "--expect", &WORKERS.to_string()])
            .args([
                "--benchmark-batches",
                "40",
                "--batch-size",
                &BATCH_SIZE.to_string(),
            ])
            .args([
                "--data",
                &data,
                "--out",
                &path("out"),
                "--state",
                &path("state"),
            ]);
        for set in &sets {
            orchestrator.args(["--set", set]);
        }
        let mut run = Ended(
            orchestrator
                .stdout(Stdio::piped())
                .spawn()
                .expect("it starts"),
        );
        let events = BufReader::new(run.0.stdout.take().expect("it is piped")).lines();
        let (mut workers, mut cycles) = (Vec::new(), Vec::new());
        let mut summary = Value::Null;
        for line in events {
            let line = line.expect("it is text");
            let event: Value = serde_json::from_str(&line).expect("an event");
            if let Some(token) = event["token"].as_str() {
                for worker in 0..WORKERS {
                    let name = format!("w{worker}");
                    let mut command = program(to);
                    command
                        .args(["worker", "--join", token, "--orchestrator", ADDRESS])
                        .args(["--name", &name, "--state", &path(&name)]);
                    workers.push(Ended(command.spawn().expect("it starts")));
                }
            }
            match event["event"].as_str() {
                Some("cycle") => cycles.push(event["took_s"].as_f64().expect("seconds")),
                Some("ended") => summary = event,
                _ => {}
            }
        }
        assert_eq!(summary["ending"], "completed", "{summary}");
        cycles.sort_by(f64::total_cmp);
        let seconds = |key: &str| summary[key].as_f64().expect("seconds");
        (
            cycles[cycles.len() / 2],
            seconds("wall_s"),
            seconds("predicted_s"),
        )
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in &self.0 {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

/// A process that ends with this.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program(namespace: &str) -> Command {
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", namespace, env!("CARGO_BIN_EXE_runtime")])
        .env_remove("ALLOT_JOIN")
        .env_remove("ALLOT_STATE")
        .env("RUST_LOG", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Images of stripes, in IDX files: a model as large as is wanted.
fn images(folder: &Path) {
    fs::create_dir(folder).expect("a folder");
    for (name, count) in [("train", BATCHES * BATCH_SIZE), ("t10k", 20)] {
        let numbers = |numbers: &[u32]| -> Vec<u8> {
            numbers
                .iter()
                .flat_map(|number| number.to_be_bytes())
                .collect()
        };
        let mut images = numbers(&[2051, count, SIDE, SIDE]);
        images.extend((0..count * SIDE * SIDE).map(|at| (at / SIDE % 251) as u8));
        let mut labels = numbers(&[2049, count]);
        labels.extend((0..count).map(|at| (at % 10) as u8));
        let write = |kind: &str, bytes| {
            fs::write(folder.join(format!("{name}-{kind}-ubyte")), bytes).expect("room");
        };
        write("images-idx3", images);
        write("labels-idx1", labels);
    }
}
