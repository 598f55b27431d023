//! A program under way whose output goes to files, and what must hold at its end.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{children, is_alive, program};
use crate::members::memory;

/// No job of these takes longer, however many of its workers are stopped.
const ENDS_WITHIN: Duration = Duration::from_secs(150);
/// What a job leaves behind ends within this.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// A job under way, ended when this is dropped.
pub(crate) struct Job {
    child: Child,
    events: PathBuf,
    errors: PathBuf,
    /// Its folder of temporary files.
    scratch: PathBuf,
    /// All processes of it that were seen.
    seen: Vec<u64>,
    began: Instant,
    /// Events that were looked at, and the least time from one to the look at it, from the beginning of this
    /// job to that of its own clock.
    looked: (usize, f64),
    /// In KiB.
    most_memory: u64,
}

/// How it ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) events: Vec<Value>,
    pub(crate) errors: String,
    /// The most that it ever held, in KiB.
    pub(crate) most_memory: u64,
    began: Instant,
    lag: f64,
}

impl Job {
    pub(crate) fn start(args: &[String], folder: &Path, number: u32) -> Self {
        Self::of(program(), args, folder, number)
    }

    /// The same by a command that ends with the program.
    pub(crate) fn of(mut command: Command, args: &[String], folder: &Path, number: u32) -> Self {
        let path = |name: &str| folder.join(format!("{name}-{number}"));
        let (events, errors, scratch) = (path("events"), path("errors"), folder.join("tmp"));
        fs::create_dir_all(&scratch).expect("a folder");
        let file = |path: &Path| File::create(path).expect("a file");
        let began = Instant::now();
        let child = command
            .args(args)
            .env("TMPDIR", &scratch)
            .stdin(Stdio::null())
            .stdout(file(&events))
            .stderr(file(&errors))
            .spawn()
            .expect("the program starts");
        Self {
            child,
            events,
            errors,
            scratch,
            seen: Vec::new(),
            began,
            looked: (0, f64::INFINITY),
            most_memory: 0,
        }
    }

    pub(crate) fn pid(&self) -> u64 {
        self.child.id().into()
    }

    /// What it has said so far, in whole lines.
    pub(crate) fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.events).unwrap_or_default();
        let lines = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// The same, and notes when events were seen.
    pub(crate) fn look(&mut self) -> Vec<Value> {
        let (events, now) = (self.events(), self.began.elapsed().as_secs_f64());
        for event in &events[self.looked.0.min(events.len())..] {
            if let Some(at) = event["at_s"].as_f64() {
                self.looked.1 = self.looked.1.min(now - at);
            }
        }
        self.looked.0 = events.len();
        self.most_memory = self.most_memory.max(memory(self.pid()).1);
        events
    }

    /// Looks at its events until there is this one.
    pub(crate) fn until(
        &mut self,
        within: Duration,
        is_it: impl Fn(&Value) -> bool,
    ) -> Result<Value, String> {
        let until = Instant::now() + within;
        loop {
            if let Some(event) = self.look().into_iter().find(&is_it) {
                return Ok(event);
            }
            if self.has_ended() || Instant::now() > until {
                let errors = fs::read_to_string(&self.errors).unwrap_or_default();
                return Err(format!(
                    "it waits in vain: {}; {}",
                    self.last_words(),
                    errors.trim()
                ));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The token that it prints.
    pub(crate) fn token(&mut self) -> Result<String, String> {
        let listening = self.until(ENDS_WITHIN, |event| event["event"] == "listening")?;
        let token = listening["token"].as_str().map(str::to_owned);
        token.ok_or_else(|| format!("no token: {listening}"))
    }

    /// Looks at its events for a time, or until it ends.
    pub(crate) fn follow(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until && !self.has_ended() {
            self.look();
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The processes of its workers that are there, and those of their trainers.
    pub(crate) fn processes(&mut self) -> (Vec<u64>, Vec<u64>) {
        let events = self.events();
        let started = events.iter().filter(|event| event["event"] == "started");
        let workers: Vec<u64> = started.filter_map(|event| event["pid"].as_u64()).collect();
        let of = |worker: &u64| children(*worker).into_iter().map(|(child, _, _)| child);
        let trainers: Vec<u64> = workers.iter().flat_map(of).collect();
        self.seen.extend(workers.iter().chain(&trainers));
        let workers = workers.into_iter().filter(|worker| is_alive(*worker));
        (workers.collect(), trainers)
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it can be asked").is_some()
    }

    /// Waits for its end, and for that of all its processes.
    pub(crate) fn end(self) -> Result<Ended, String> {
        self.end_within(ENDS_WITHIN)
    }

    /// The same with a time of its own.
    pub(crate) fn end_within(mut self, time: Duration) -> Result<Ended, String> {
        self.processes();
        let until = Instant::now() + time;
        while !self.has_ended() {
            self.look();
            if Instant::now() > until {
                let (_, trainers) = self.processes();
                let _ = self.child.kill();
                let _ = self.child.wait();
                for pid in trainers {
                    crate::common::signal("KILL", pid);
                }
                return Err(format!("it hangs: {}", self.last_words()));
            }
            thread::sleep(Duration::from_millis(20));
        }
        let status = self.child.wait().expect("it ended");
        let until = Instant::now() + GONE_WITHIN;
        while let Some(left) = self.seen.iter().find(|pid| is_alive(**pid)) {
            if Instant::now() > until {
                return Err(format!("process {left} is left behind"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        let errors = fs::read_to_string(&self.errors).unwrap_or_default();
        if let Some(line) = errors.lines().find(|line| line.contains("panicked")) {
            return Err(format!("it panics: {line}"));
        }
        // One that was killed leaves its keys to be removed by the next one.
        let left = fs::read_dir(&self.scratch).expect("a folder");
        let left: Vec<_> = left.flatten().map(|entry| entry.path()).collect();
        if status.code().is_some() && !left.is_empty() {
            let pid = self.pid();
            return Err(format!("keys are left behind by {pid}: {left:?}"));
        }
        let events = self.look();
        Ok(Ended {
            code: status.code(),
            events,
            errors,
            most_memory: self.most_memory,
            began: self.began,
            lag: self.looked.1,
        })
    }

    pub(crate) fn last_words(&self) -> String {
        let events = self.events();
        let last = events.iter().rev().take(3);
        last.map(Value::to_string).collect::<Vec<_>>().join(" ")
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // Its workers end with it; those that were stopped do not by themselves.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in self.seen.iter().filter(|pid| is_alive(**pid)) {
            let _ = Command::new("kill")
                .args(["-s", "KILL", &pid.to_string()])
                .stderr(Stdio::null())
                .status();
        }
    }
}

impl Ended {
    /// Of a program that was not followed.
    pub(crate) fn of(code: Option<i32>) -> Self {
        Self {
            code,
            events: Vec::new(),
            errors: String::new(),
            most_memory: 0,
            began: Instant::now(),
            lag: 0.0,
        }
    }

    /// Of a program whose output somebody else took, words and events together.
    pub(crate) fn said(code: Option<i32>, text: &str) -> Self {
        let mut ended = Self::of(code);
        for line in text.lines() {
            match serde_json::from_str(line) {
                Ok(event) => ended.events.push(event),
                Err(_) => ended.errors += &format!("{line}\n"),
            }
        }
        ended
    }

    /// A moment by the clock of its events.
    pub(crate) fn seconds(&self, moment: Instant) -> f64 {
        moment.saturating_duration_since(self.began).as_secs_f64() - self.lag
    }

    /// Batches that were sent to workers.
    pub(crate) fn shipped(&self) -> u64 {
        let shipped = self.all("shipped");
        shipped.filter_map(|event| event["batches"].as_u64()).sum()
    }

    pub(crate) fn all<'a>(&'a self, what: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events
            .iter()
            .filter(move |event| event["event"] == what)
    }

    /// It completed, or ended early for a reason that the loss of workers can have; and it kept its limits.
    pub(crate) fn check(&self, batches: u64) -> Result<(), String> {
        let Some(summary) = self.all("ended").last() else {
            let code = self.code;
            return Err(format!("no summary, code {code:?}: {}", self.errors.trim()));
        };
        let ending = summary["ending"].as_str().unwrap_or_default();
        let early = ["below_beta", "too_few_workers", "capacity", "out_of_time"];
        match (self.code, ending) {
            (Some(0), "completed") => {}
            (Some(5), ending) if early.contains(&ending) => {}
            (code, _) => return Err(format!("code {code:?}: {summary}")),
        }
        let number = |value: &Value, key: &str| value[key].as_f64().unwrap_or(f64::NAN);
        let stall = number(summary, "longest_stall_s");
        for cycle in self.all("cycle") {
            let beyond = number(cycle, "took_s") - number(cycle, "limit_s");
            if beyond.is_nan() || beyond > 0.05 + stall {
                return Err(format!(
                    "beyond its limit, with a stall of {stall} s: {cycle}"
                ));
            }
            let count = |key: &str| cycle[key].as_u64().unwrap_or(0);
            if count("accepted") + count("lost") != batches {
                return Err(format!("not every batch is accounted: {cycle}"));
            }
        }
        Ok(())
    }
}
