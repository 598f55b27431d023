//! Recorded runs: a JSON array of training runs that were measured on real machines.
//!
//! What was known before a run and what was measured in it are kept apart: a [`RecordedJob`] can be
//! predicted, and cannot see what happened; [`Measured`] is for comparing and fitting only. Where
//! the file has more (losses, the time to ship data), it is not read at all.
//!
//! A run folder is read as one recorded run for each plan of each run (`sim replay`): its
//! candidates with the speeds and capacities that the plan was made with, and the cycles in which
//! none of its workers was absent or lost.
//!
//! **What it deliberately does not know:** how well a prediction fits, and which cycle model to
//! predict with (see [`crate::calibration`]).

use std::cmp::Ordering;
use std::collections::BTreeMap;

use scheduler::{
    CycleModel, Employed, Fee, Link, MAX_BATCHES, MAX_N, Prediction, Problem, Span, Speed,
    TimeModel, Worker, parse_micros,
};
use serde_json::value::RawValue;

use crate::instance::shown;

/// The batches that a recorded speed is restated as: the recorders measured the time of 1,000.
const MEASURED_BATCHES: u64 = 1_000;

/// The slowest and the fastest speed that are taken, in batches per second.
const SPEEDS: (f64, f64) = (0.001, 1_000_000.0);

/// The longest time that is taken, in seconds: 31 years.
const MAX_SECONDS: f64 = 1e9;

/// A run that was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedRun {
    /// The identity as JSON text, such as `33` or `"a"`; the 0-based index where none is given.
    pub id: String,
    /// The workers' names, in the order of the job.
    pub names: Vec<String>,
    /// What was known before it.
    pub job: RecordedJob,
    /// What was measured in it.
    pub measured: Measured,
}

/// What was known before a recorded run: all that a prediction may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedJob {
    /// The allocation problem: batches, lots, capacities, fees.
    pub problem: Problem,
    /// Each worker's speed by its benchmark.
    pub speeds: Vec<Speed>,
    /// Each worker's own connection; nothing of it where the calibration says all.
    pub links: Vec<Link>,
    /// What a batch is: how often it is trained, and whether its data travels.
    pub time_model: TimeModel,
    /// The batches that each worker was given; 0 if it was not employed.
    pub batches: Vec<u64>,
    /// How often all batches were trained.
    pub cycles: u64,
    /// The time for all cycles that capacities were made for, if the file states it.
    pub limit: Option<Span>,
}

/// What was measured in a run, as far as the file states it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// The wall time of all cycles together.
    pub training: Option<Span>,
    /// The computing time of each worker in each cycle; empty if it was not employed.
    pub computes: Vec<Vec<Span>>,
}

impl RecordedJob {
    /// How long each employed worker computes in a cycle of these batches, in the list's order.
    pub fn computes(&self, batches: &[u64]) -> Vec<Span> {
        self.prediction(batches, &CycleModel::default()).computes
    }

    /// How long all cycles take when each worker is given these batches.
    pub fn predict(&self, batches: &[u64], cycle_model: &CycleModel) -> Span {
        self.prediction(batches, cycle_model).cycle * self.cycles
    }

    /// How long a worker computes for these batches.
    pub fn computing(&self, worker: usize, batches: u64) -> Span {
        self.time_model.computing(self.speeds[worker], batches)
    }

    fn prediction(&self, batches: &[u64], cycle_model: &CycleModel) -> Prediction {
        let workers = self.speeds.iter().zip(&self.links).zip(batches);
        let employed = workers.filter(|&(_, &batches)| batches > 0);
        let employed = employed.map(|((&speed, &link), &batches)| Employed {
            speed,
            link,
            batches,
        });
        cycle_model.predict(&self.time_model, &employed.collect::<Vec<_>>())
    }

    /// The benchmark of the slowest employed worker over the median of all workers present.
    pub fn benchmark_ratio(&self) -> f64 {
        let mut speeds = self.speeds.clone();
        speeds.sort_unstable_by(by_speed);
        let middle = speeds.len() / 2;
        let upper = speeds[middle].per_second_f64();
        let median = if speeds.len().is_multiple_of(2) {
            f64::midpoint(speeds[middle - 1].per_second_f64(), upper)
        } else {
            upper
        };
        let workers = self.speeds.iter().zip(&self.batches);
        let employed = workers.filter(|&(_, &batches)| batches > 0);
        let slowest = employed.map(|(speed, _)| speed.per_second_f64());
        slowest.fold(f64::INFINITY, f64::min) / median
    }

    /// The outlier rule, which reads benchmarks only: whether the slowest *employed* worker's
    /// benchmark is below a third of the median of all workers present.
    ///
    /// A cycle waits for its slowest worker, so one benchmark that read far too slow falsifies
    /// the prediction of a whole run; that of a worker which sits idle does not matter.
    pub fn is_outlier(&self) -> bool {
        self.benchmark_ratio() < 1.0 / 3.0
    }
}

fn by_speed(a: &Speed, b: &Speed) -> Ordering {
    b.is_slower_than(*a).cmp(&a.is_slower_than(*b))
}

/// Why a text does not hold recorded runs, or one of them is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordedError {
    /// Not an array of JSON objects.
    #[error("{0}, expected a JSON array of recorded runs")]
    NoArray(String),
    /// One run cannot be used; the others may.
    #[error("run {id}{}: {message}", worker.as_ref().map(|name| format!(", worker {name}")).unwrap_or_default())]
    Run {
        /// The run's identity, or its place in the array.
        id: String,
        /// The worker concerned, if it is one.
        worker: Option<String>,
        /// What was found, and what was expected.
        message: String,
    },
}

/// Reads an array of recorded runs. Keys that are not known are ignored.
///
/// # Errors
/// When the text is no array, or an empty one. A run that cannot be used is an error of its own.
pub fn read_runs(text: &[u8]) -> Result<Vec<Result<RecordedRun, RecordedError>>, RecordedError> {
    let bad = |error: serde_json::Error| {
        let place = format!("line {} column {}", error.line(), error.column());
        RecordedError::NoArray(if error.is_data() {
            format!("found something else at {place}")
        } else {
            format!("not valid JSON at {place}")
        })
    };
    let runs: Vec<&RawValue> = serde_json::from_slice(text).map_err(bad)?;
    if runs.is_empty() {
        return Err(RecordedError::NoArray("an empty array".to_owned()));
    }
    let read = |(index, run): (usize, &&RawValue)| read_run(index, run);
    Ok(runs.iter().enumerate().map(read).collect())
}

fn read_run(index: usize, text: &RawValue) -> Result<RecordedRun, RecordedError> {
    let mut id = index.to_string();
    let fault = |id: &str, worker: Option<&str>, message: String| RecordedError::Run {
        id: id.to_owned(),
        worker: worker.map(str::to_owned),
        message,
    };
    let run = Object::read(text).map_err(|message| fault(&id, None, message))?;
    if let Some(stated) = run.optional("run") {
        let is_id =
            stated.starts_with(['"', '-']) || stated.starts_with(|c: char| c.is_ascii_digit());
        if !is_id {
            let message = format!("run is {}, expected a number or a string", shown(stated));
            return Err(fault(&format!("at index {index}"), None, message));
        }
        stated.clone_into(&mut id);
    }
    let mut names = Vec::new();
    let mut fields = WorkerFields::default();
    for (index, text) in run
        .array("workers")
        .map_err(|m| fault(&id, None, m))?
        .iter()
        .enumerate()
    {
        let name = fields
            .add(text, index)
            .map_err(|(name, message)| fault(&id, Some(&name), message))?;
        names.push(name);
    }
    finish(&id, names, fields, &run).map_err(|message| fault(&id, None, message))
}

/// Puts a run together once its workers are read.
fn finish(
    id: &str,
    names: Vec<String>,
    fields: WorkerFields,
    run: &Object<'_>,
) -> Result<RecordedRun, String> {
    if names.is_empty() {
        return Err("workers is empty, expected at least one".to_owned());
    }
    if fields.batches.iter().all(|&batches| batches == 0) {
        return Err("no worker has batches, expected at least one that is employed".to_owned());
    }
    let problem = Problem::new(
        run.whole("n_batches", 1, MAX_N)?,
        run.whole("s_min", 0, MAX_BATCHES)?,
        run.whole("beta", 0, MAX_BATCHES)?,
        fields.workers,
    )
    .map_err(|error| error.to_string())?;
    let optional = |key: &str| run.optional(key).map(|text| seconds(key, text)).transpose();
    Ok(RecordedRun {
        id: id.to_owned(),
        names,
        job: RecordedJob {
            problem,
            links: vec![Link::default(); fields.speeds.len()],
            time_model: TimeModel::COMPUTE,
            speeds: fields.speeds,
            batches: fields.batches,
            cycles: run.whole("global_cycles", 1, MAX_BATCHES)?,
            limit: optional("max_time_s")?,
        },
        measured: Measured {
            training: optional("training_s")?,
            computes: fields.computes,
        },
    })
}

/// The workers of a run as columns.
#[derive(Default)]
struct WorkerFields {
    workers: Vec<Worker>,
    speeds: Vec<Speed>,
    batches: Vec<u64>,
    computes: Vec<Vec<Span>>,
}

impl WorkerFields {
    /// Reads one more and returns its name. An error comes with the name too.
    fn add(&mut self, text: &RawValue, index: usize) -> Result<String, (String, String)> {
        let by_index = || index.to_string();
        let object = Object::read(text).map_err(|message| (by_index(), message))?;
        let name = match object.optional("host").map(serde_json::from_str::<String>) {
            None => by_index(),
            Some(Ok(name)) => shown(&name),
            Some(Err(_)) => return Err((by_index(), "host is no string".to_owned())),
        };
        match self.add_fields(&object) {
            Ok(()) => Ok(name),
            Err(message) => Err((name, message)),
        }
    }

    fn add_fields(&mut self, worker: &Object<'_>) -> Result<(), String> {
        let fee = worker.required("fee")?;
        let fee: Fee = fee
            .parse()
            .map_err(|error| format!("fee is {}, {error}", shown(fee)))?;
        let s_max = worker.whole("s_max", 0, MAX_BATCHES)?;
        self.workers.push(Worker { s_max, fee });
        self.speeds
            .push(speed(worker.required("benchmark_batches_per_s")?)?);
        self.batches.push(worker.whole("batches", 0, MAX_BATCHES)?);
        let computes = match worker.optional("cycle_seconds") {
            None => Vec::new(),
            Some(_) => worker.array("cycle_seconds")?,
        };
        let computes = computes
            .iter()
            .map(|text| seconds("a cycle of cycle_seconds", text.get()));
        self.computes.push(computes.collect::<Result<_, _>>()?);
        Ok(())
    }
}

/// A JSON object whose values are still text, so that decimals stay decimals and a message can
/// name the key.
struct Object<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Object<'a> {
    fn read(text: &'a RawValue) -> Result<Self, String> {
        serde_json::from_str(text.get())
            .map(Self)
            .map_err(|_| format!("found {}, expected an object", shown(text.get())))
    }

    /// The value, unless it is missing or null.
    fn optional(&self, key: &str) -> Option<&'a str> {
        let value = self.0.get(key).map(|value| value.get());
        value.filter(|&value| value != "null")
    }

    fn required(&self, key: &str) -> Result<&'a str, String> {
        let value = self.0.get(key).map(|value| value.get());
        value.ok_or_else(|| format!("{key} is missing"))
    }

    fn array(&self, key: &str) -> Result<Vec<&'a RawValue>, String> {
        let text = self.required(key)?;
        serde_json::from_str(text)
            .map_err(|_| format!("{key} is {}, expected an array", shown(text)))
    }

    fn whole(&self, key: &str, least: u64, most: u64) -> Result<u64, String> {
        let text = self.required(key)?;
        let micros = parse_micros(text)
            .ok()
            .filter(|micros| micros % 1_000_000 == 0);
        let value = micros.and_then(|micros| u64::try_from(micros / 1_000_000).ok());
        value
            .filter(|value| (least..=most).contains(value))
            .ok_or_else(|| {
                format!(
                    "{key} is {}, expected a whole number from {least} to {most}",
                    shown(text)
                )
            })
    }
}

fn speed(text: &str) -> Result<Speed, String> {
    let (least, most) = SPEEDS;
    let per_second = text
        .parse()
        .ok()
        .filter(|speed| (least..=most).contains(speed));
    let nanos = per_second.map(|speed: f64| MEASURED_BATCHES as f64 * 1e9 / speed);
    nanos
        .and_then(|nanos| Speed::measured(MEASURED_BATCHES, Span::from_nanos(nanos.round() as u64)))
        .ok_or_else(|| {
            format!(
                "benchmark_batches_per_s is {}, expected a number from {least} to {most}",
                shown(text)
            )
        })
}

fn seconds(key: &str, text: &str) -> Result<Span, String> {
    let seconds = text
        .parse()
        .ok()
        .filter(|&seconds| seconds > 0.0 && seconds <= MAX_SECONDS);
    seconds
        .map(|seconds: f64| Span::from_nanos((seconds * 1e9).round().max(1.0) as u64))
        .ok_or_else(|| {
            format!(
                "{key} is {}, expected seconds above 0, at most {MAX_SECONDS}",
                shown(text)
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"run":7,"global_cycles":10,"max_time_s":12.5,"n_batches":30,"beta":1,
        "s_min":5,"training_s":25.5,"unknown":[{}],"workers":[
        {"host":"a","benchmark_batches_per_s":10.0,"s_max":20,"fee":1.5,"batches":20,"cycle_seconds":[2.0,2.25]},
        {"host":"b","benchmark_batches_per_s":40,"s_max":50,"fee":9,"batches":0,"cycle_seconds":[]},
        {"host":"c","benchmark_batches_per_s":2.5,"s_max":10,"fee":0.000001,"batches":10}]}"#;

    fn good() -> RecordedRun {
        let mut runs = read_runs(format!("[{GOOD}]").as_bytes()).expect("an array");
        runs.remove(0).expect("a run")
    }

    fn refused(run: &str) -> String {
        let mut runs = read_runs(format!("[{run}]").as_bytes()).expect("an array");
        runs.remove(0).expect_err("a bad run").to_string()
    }

    #[test]
    fn what_was_known_and_what_was_measured_are_apart() {
        let run = good();
        assert_eq!((run.id.as_str(), run.job.cycles), ("7", 10));
        assert_eq!(run.names, ["a", "b", "c"]);
        assert_eq!(run.job.batches, [20, 0, 10]);
        assert_eq!(run.job.limit, Some(Span::from_millis(12_500)));
        assert_eq!(run.job.problem.workers()[2].fee.micros(), 1);
        assert_eq!(run.measured.training, Some(Span::from_millis(25_500)));
        assert_eq!(run.measured.computes[0].len(), 2);
        let bare = GOOD.replace("\"training_s\":25.5,", "\"training_s\":null,");
        let runs = read_runs(format!("[{bare}]").as_bytes()).expect("an array");
        let bare = runs[0].as_ref().expect("a run");
        assert_eq!((bare.measured.training, &bare.job), (None, &run.job));
    }

    #[test]
    fn a_prediction_by_hand() {
        use scheduler::LinkService;

        let job = good().job;
        let [evaluation, down, up] = [500, 100, 200].map(Span::from_millis);
        let cycle_model = CycleModel {
            evaluation,
            down,
            up,
            service: LinkService::LastFirst,
        };
        // The employed ones: 2 s from 0.2 s on, and 4 s from 0.1 s on.
        let two_and_four = [Span::from_secs(2), Span::from_secs(4)];
        assert_eq!(job.computes(&job.batches), two_and_four);
        let all = job.predict(&job.batches, &cycle_model);
        assert_eq!(all, Span::from_millis(10 * (100 + 4_000 + 200 + 500)));
        assert_eq!(
            job.predict(&[0, 30, 0], &cycle_model),
            Span::from_millis(10 * 1_550)
        );
    }

    #[test]
    fn the_outlier_rule_reads_employed_benchmarks() {
        let mut job = good().job;
        assert!((job.benchmark_ratio() - 0.25).abs() < 1e-9); // 2.5 of 10, 40 and 2.5
        assert!(job.is_outlier());
        job.batches = vec![20, 10, 0]; // the slow one idles
        assert!(!job.is_outlier());
        job.speeds.truncate(2); // the median of 10 and 40 is 25
        assert!((job.benchmark_ratio() - 0.4).abs() < 1e-9);
    }

    #[test]
    fn nonsense_is_named() {
        let check = |from: &str, to: &str, expected: &str| {
            let message = refused(&GOOD.replacen(from, to, 1));
            assert!(message.contains(expected), "{message}");
            assert!(!message.contains('\n'), "{message}");
        };
        check("\"beta\":1,", "", "run 7: beta is missing");
        check(
            "\"global_cycles\":10",
            "\"global_cycles\":0",
            "run 7: global_cycles is 0, expected a whole number from 1",
        );
        check(
            "\"s_min\":5",
            "\"s_min\":\"5\"",
            "run 7: s_min is \"5\", expected a whole number",
        );
        check("30", "0", "n_batches is 0, expected a whole number from 1");
        check("30", "1e99", "n_batches is 1e99, expected a whole number");
        check(
            "12.5",
            "-1",
            "run 7: max_time_s is -1, expected seconds above 0",
        );
        check("25.5", "1e999", "training_s is 1e999, expected seconds");
        check(
            "10.0",
            "-3",
            "run 7, worker a: benchmark_batches_per_s is -3, expected a number from 0.001",
        );
        check(
            "10.0",
            "null",
            "worker a: benchmark_batches_per_s is null, expected a number",
        );
        check(
            "2.25",
            "-1",
            "worker a: a cycle of cycle_seconds is -1, expected seconds",
        );
        check(
            "[2.0,2.25]",
            "3",
            "worker a: cycle_seconds is 3, expected an array",
        );
        check("\"s_max\":20,", "", "worker a: s_max is missing");
        check(
            "1.5",
            "-1.5",
            "worker a: fee is -1.5, expected a number that is not negative",
        );
        check(
            "\"batches\":20",
            "\"batches\":-20",
            "worker a: batches is -20, expected a whole number",
        );
        check(
            "\"host\":\"a\"",
            "\"host\":1",
            "worker 0: host is no string",
        );
        check(
            "\"run\":7",
            "\"run\":{}",
            "run at index 0: run is {}, expected a number or a string",
        );
        let nobody = GOOD
            .replace("\"batches\":20", "\"batches\":0")
            .replace("\"batches\":10", "\"batches\":0");
        assert!(refused(&nobody).contains("no worker has batches"));
        assert!(refused("3").contains("run 0: found 3, expected an object"));
        let empty = r#"{"workers":[]}"#;
        assert!(refused(empty).contains("workers is empty"));
        assert!(refused("{}").contains("workers is missing"));
        assert!(refused(r#"{"workers":[3]}"#).contains("worker 0: found 3, expected an object"));
    }

    #[test]
    fn a_bad_run_does_not_hide_the_others() {
        let runs = read_runs(format!("[{GOOD},{{}},{GOOD}]").as_bytes()).expect("an array");
        assert_eq!(
            runs.iter().map(Result::is_ok).collect::<Vec<_>>(),
            [true, false, true]
        );
    }

    #[test]
    fn what_is_no_array_is_said() {
        for text in ["", "{}", "[", "[1,]", "7", "[]", "\u{0}", "[NaN]"] {
            let error = read_runs(text.as_bytes()).expect_err("no runs").to_string();
            assert!(
                error.ends_with("expected a JSON array of recorded runs"),
                "{error}"
            );
        }
        assert!(read_runs(&[0xff]).is_err());
    }
}
