//! The overhead bar: the median cycle of the program against the same training loops with the same
//! batches and throttles, run at once in processes of their own without network or evaluation.
//!
//! Runs and bare loops take turns, since the machine's own speed drifts. Beside wall time it tells
//! processor time, which other programs of the machine disturb less, and whose it was.
//! `cargo bench -p runtime --bench overhead -- [ROUNDS]`; ends with 1 if the bar is missed.

#![expect(clippy::print_stdout, reason = "it prints what it finds")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use runtime::data::{Batch, DataSource};
use runtime::model::{ModelKind, ModelSpec, TrainingOptions, Weights};
use runtime::train::DeviceChoice;

#[path = "../tests/cluster/common.rs"]
#[expect(dead_code, reason = "jobs here have no faults")]
mod common;
use common::{Run, children};

#[path = "../src/bin/runtime-trainer/torch.rs"]
mod program;
use program::trainer;

/// As large as mnist.
const DATA: &str = "synthetic:train=60000,test=10000";
const BATCHES: u64 = 1_875;
const CYCLES: usize = 10;
const ROUNDS: usize = 5;
const LOOP: &str = "--bare-loop";
const BAR: f64 = 1.05;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(place) = arguments.iter().position(|argument| argument == LOOP) {
        let throttle = arguments[place + 1].parse();
        bare_loop(throttle.expect("a fraction"));
        return ExitCode::SUCCESS;
    }
    let given = arguments
        .iter()
        .skip(1)
        .find_map(|given| given.parse().ok());
    let rounds = given.unwrap_or(ROUNDS);
    let four = is_met(rounds, "4 workers", &["1", "0.8", "0.6", "0.4"], false);
    let two = is_met(rounds, "2 workers, one to a core", &["1", "0.8"], true);
    if four && two {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What cycles took.
#[derive(Default)]
struct Took {
    /// Seconds of each.
    wall: Vec<f64>,
    /// Milliseconds of processor time a cycle, round by round, of those who train.
    trainers: Vec<f64>,
    /// And of the others: who judges, the workers' network sides, the orchestrator.
    others: [Vec<f64>; 3],
    judged: usize,
}

fn is_met(rounds: usize, what: &str, throttles: &[&str], pinned: bool) -> bool {
    let (mut ours, mut bare) = (Took::default(), Took::default());
    for round in 1..=rounds {
        let (before, bare_before) = (ours.wall.len(), bare.wall.len());
        let shares = cluster(throttles, pinned, &mut ours);
        loops(throttles, &shares, pinned, &mut bare);
        let (wall, bare) = (
            median(&ours.wall[before..]),
            median(&bare.wall[bare_before..]),
        );
        println!("{what}, round {round}: ratio {:.3}", wall / bare);
    }
    let (wall, bare_wall) = (median(&ours.wall), median(&bare.wall));
    println!(
        "{what}: median cycle {:.1} ms, bare loops {:.1} ms, ratio {:.3} (bar {BAR}); {} of {} models judged",
        wall * 1e3,
        bare_wall * 1e3,
        wall / bare_wall,
        ours.judged,
        ours.wall.len(),
    );
    let (trainers, bare_trainers) = (median(&ours.trainers), median(&bare.trainers));
    let [judge, workers, orchestrator] = ours.others.each_ref().map(|times| median(times));
    println!(
        "{what}: processor time of a cycle: training {trainers:.1} ms, bare loops {bare_trainers:.1} ms; \
         judging {judge:.1}, workers' connections {workers:.1}, orchestrator {orchestrator:.1}; ratio {:.3}, without judging {:.3}",
        (trainers + judge + workers + orchestrator) / bare_trainers,
        (trainers + workers + orchestrator) / bare_trainers,
    );
    wall / bare_wall <= BAR
}

/// The program, which adds what its cycles took; the shares of each cycle.
fn cluster(throttles: &[&str], pinned: bool, took: &mut Took) -> Vec<Vec<u64>> {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run").display().to_string();
    let count = throttles.len().to_string();
    let least = (BATCHES / 6).to_string();
    let cycles = CYCLES.to_string();
    let args = [
        "cluster",
        "--model",
        "mlp",
        "--json",
        "--data",
        DATA,
        "--device",
        "cpu",
        "--out",
        &out,
        "--local",
        &count,
        "--throttles",
        &throttles.join(","),
        "--beta",
        &count,
        "--s-min",
        &least,
        "--replan",
        "static",
        "--max-time",
        "10 min",
        "--cycles",
        &cycles,
    ]
    .map(str::to_owned);
    let mut run = Run::start(&args, &[]);
    for at in 0..throttles.len() {
        let started = run.until("started", |_| true);
        if pinned {
            pin(started["pid"].as_u64().expect("an id"), at);
        }
    }
    let is = |number: usize| move |cycle: &serde_json::Value| cycle["cycle"] == number;
    run.until("cycle", is(1));
    let before = used(&run);
    run.until("cycle", is(CYCLES));
    let after = used(&run);
    let per_cycle = |at: usize| (after[at] - before[at]) / (CYCLES - 1) as f64;
    took.trainers.push(per_cycle(0));
    for (at, others) in (1..).zip(&mut took.others) {
        others.push(per_cycle(at));
    }
    let end = run.end();
    end.completed();
    let is_of_a_cycle = |judged: &&serde_json::Value| judged["cycle"] != 0;
    took.judged += end.all("judged").filter(is_of_a_cycle).count();
    for cycle in end.all("cycle") {
        assert_eq!(cycle["accepted"], BATCHES, "{cycle}");
        took.wall.push(cycle["took_s"].as_f64().expect("seconds"));
    }
    let mut shares: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for lot in end.all("lot") {
        let count = |key: &str| lot[key].as_u64().expect("a count");
        let name = lot["worker"].as_str().expect("a name");
        let worker: usize = name.trim_start_matches("local-").parse().expect("a number");
        let cycle = shares.entry(count("cycle")).or_default();
        cycle.resize(throttles.len(), 0);
        cycle[worker - 1] = count("assigned");
    }
    shares.into_values().collect()
}

/// The same without the program, in lockstep.
fn loops(throttles: &[&str], shares: &[Vec<u64>], pinned: bool, took: &mut Took) {
    let program = std::env::current_exe().expect("a program");
    let start = |(at, throttle): (usize, &&str)| {
        let child = Command::new(&program)
            .args([LOOP, throttle])
            .env("OMP_NUM_THREADS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child: Child = child.expect("a process");
        if pinned {
            pin(child.id().into(), at);
        }
        let input = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        (child, input, output)
    };
    let mut all: Vec<(Child, ChildStdin, BufReader<ChildStdout>)> =
        throttles.iter().enumerate().map(start).collect();
    let mut line = String::new();
    let mut answer = |output: &mut BufReader<ChildStdout>| {
        line.clear();
        let read = output.read_line(&mut line).expect("an answer");
        assert!(read > 0, "a loop ended early");
    };
    all.iter_mut().for_each(|(_, _, output)| answer(output)); // it is ready
    let used = |all: &[(Child, ChildStdin, BufReader<ChildStdout>)]| -> f64 {
        all.iter()
            .map(|(child, ..)| cpu_ms(child.id().into()))
            .sum()
    };
    let mut before = used(&all);
    for (at, cycle) in shares.iter().enumerate() {
        if at == 1 {
            before = used(&all); // as above, from the end of the first cycle
        }
        let since = Instant::now();
        for ((_, input, _), share) in all.iter_mut().zip(cycle) {
            writeln!(input, "{share}").expect("it listens");
        }
        all.iter_mut().for_each(|(_, _, output)| answer(output));
        took.wall.push(since.elapsed().as_secs_f64());
    }
    let cycles = (shares.len() - 1) as f64;
    took.trainers.push((used(&all) - before) / cycles);
    for (mut child, input, _) in all {
        drop(input);
        assert!(child.wait().expect("it ends").success());
    }
}

/// Trains as many batches as each line says, and answers.
fn bare_loop(throttle: f64) {
    let source: DataSource = DATA.parse().expect("a data set");
    let set = source.load().expect("it is made").train;
    let spec = ModelSpec {
        kind: ModelKind::Mlp,
        weights: Weights::Xavier,
        options: TrainingOptions::NONE,
        shape: set.batch_shape(32),
    };
    let batches: Vec<Batch> = (0..BATCHES)
        .map(|index| set.batch(index, 32).expect("it is in memory"))
        .collect();
    let mut trainer = trainer(&spec, DeviceChoice::Cpu, 1).expect("a trainer");
    let mut parameters = spec.initial(1);
    println!("ready");
    let mut owed = 0.0;
    for line in std::io::stdin().lines() {
        let share: usize = line.expect("a line").parse().expect("a count");
        trainer.begin(&parameters).expect("it begins");
        for batch in &batches[..share] {
            let since = Instant::now();
            trainer.step(batch).expect("it trains");
            owed += since.elapsed().as_secs_f64() * (1.0 / throttle - 1.0);
            // Naps are saved up, as workers do.
            if owed >= 0.002 {
                let since = Instant::now();
                thread::sleep(Duration::from_secs_f64(owed));
                owed -= since.elapsed().as_secs_f64();
            }
        }
        trainer.finish(&mut parameters).expect("it ends");
        println!("done");
    }
}

/// All threads of a process, and those that they will start, to one core.
fn pin(pid: u64, core: usize) {
    let status = Command::new("taskset")
        .args(["-a", "-c", "-p", &core.to_string(), &pid.to_string()])
        .stdout(Stdio::null())
        .status();
    assert!(status.expect("taskset runs").success());
}

/// Milliseconds of processor time so far: of those who train, who judges, the workers' network
/// sides, and the orchestrator.
fn used(run: &Run) -> [f64; 4] {
    let workers: Vec<u64> = run.pids.iter().map(|(_, pid)| *pid).collect();
    let sum = |pids: &[u64]| pids.iter().map(|pid| cpu_ms(*pid)).sum();
    let ids = |pid: u64| children(pid).into_iter().map(|(child, ..)| child);
    let trainers: Vec<u64> = workers.iter().flat_map(|worker| ids(*worker)).collect();
    let judges: Vec<u64> = ids(run.own_pid())
        .filter(|child| !workers.contains(child))
        .collect();
    [
        sum(&trainers),
        sum(&judges),
        sum(&workers),
        cpu_ms(run.own_pid()),
    ]
}

/// Milliseconds that all threads of a process ran.
fn cpu_ms(pid: u64) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it is there");
    let thread = |task: std::io::Result<std::fs::DirEntry>| {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    };
    tasks.filter_map(thread).sum::<f64>() / 1e6
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
