//! The cycle model fitted on recorded runs, and the fit that is kept in the project.
//!
//! A calibration says what a cycle takes besides computing: three spans for a whole lab, none of
//! its own for a run or a host. The one that is kept was fitted on 39 runs of eight desktop PCs
//! at 100 Mbit/s. The prediction itself is [`CycleModel::cycle`], in integers; floats are used
//! here only to search for the spans and to state errors.
//!
//! The fit minimises the mean over runs of `√(e² + 0.03²) − 0.03` with `e = ln(predicted /
//! measured)`: about `|e|` for errors far above 3 %, so that a run with a bad benchmark does not
//! bend the others, and smooth below. The search is deterministic: from each of four
//! starts to the best of all 26 neighbours, at half the distance when none is better.
//!
//! **What it deliberately does not know:** why a benchmark is wrong. Most of the error that is
//! left is one factor for each worker and run, which nothing known beforehand predicts. Nor does it
//! know other models and links: transfers are those of `parameter_bytes` on the lab's network.

use scheduler::{CycleModel, LinkService, Span};
use serde::Deserialize;
use serde_json::Value;

use crate::recorded::RecordedRun;

/// The error below which a run counts less, as a logarithm.
const SOFT: f64 = 0.03;

/// Where searches begin, and their first step, in seconds: evaluation, down, up. A search may end
/// in a valley where the way down is taken for the way up, so there are starts on either side.
const STARTS: [[f64; 3]; 4] = [
    [0.4, 0.1, 0.1],
    [0.4, 0.02, 0.3],
    [0.4, 0.3, 0.02],
    [1.0, 0.01, 0.01],
];
const STEP: [f64; 3] = [0.1, 0.02, 0.02];

/// The search ends when steps are this small a part of the first.
const FINEST: f64 = 1e-5;

/// Steps after which a search is given up: far more than runs of less than an hour per cycle need.
const MAX_STEPS: usize = 20_000;

/// The fewest runs that three spans can be fitted on.
const MIN_RUNS: usize = 3;

/// A cycle model, and what it was fitted on.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Calibration {
    /// Merging and evaluation, in nanoseconds.
    pub evaluation_ns: u64,
    /// The parameters to one worker, in nanoseconds.
    pub down_ns: u64,
    /// The parameters from one worker, in nanoseconds.
    pub up_ns: u64,
    /// The size of the parameters that took these times.
    pub parameter_bytes: u64,
    /// The runs it was fitted on, by id.
    pub fitted_on: Vec<Value>,
    /// The runs that were left out because their benchmarks fail the outlier rule.
    pub left_out: Vec<Value>,
    /// The mean absolute error on the runs it was fitted on, in percent.
    pub mean_error_percent: f64,
    /// The command that made it.
    pub command: String,
    /// How the link was served: as the thesis program did, for its runs.
    #[serde(skip, default = "thesis")]
    pub service: LinkService,
}

const fn thesis() -> LinkService {
    LinkService::LastFirst
}

impl Calibration {
    /// The calibration kept in the project: desktop PCs at 100 Mbit/s.
    ///
    /// # Panics
    /// Never: a test reads it.
    pub fn lab_100mbit() -> Self {
        Self::read(include_bytes!("../calibration/lab-100mbit.json"))
            .expect("the calibration kept in the project is valid")
    }

    /// Reads a calibration file.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(text: &[u8]) -> Result<Self, CalibrationError> {
        serde_json::from_slice(text).map_err(|error| CalibrationError::Invalid(error.to_string()))
    }

    /// The file's text: a line a field, so that a refit shows in a diff.
    pub fn to_json(&self) -> String {
        let line = |(name, value): (&str, Value)| format!("  \"{name}\": {value}");
        let lines = [
            ("evaluation_ns", self.evaluation_ns.into()),
            ("down_ns", self.down_ns.into()),
            ("up_ns", self.up_ns.into()),
            ("parameter_bytes", self.parameter_bytes.into()),
            ("fitted_on", self.fitted_on.clone().into()),
            ("left_out", self.left_out.clone().into()),
            ("mean_error_percent", self.mean_error_percent.into()),
            ("command", self.command.clone().into()),
        ];
        format!("{{\n{}\n}}\n", lines.map(line).join(",\n"))
    }

    /// The cycle model.
    pub const fn cycle_model(&self) -> CycleModel {
        CycleModel {
            evaluation: Span::from_nanos(self.evaluation_ns),
            down: Span::from_nanos(self.down_ns),
            up: Span::from_nanos(self.up_ns),
            service: self.service,
        }
    }

    /// Fits the cycle model on those of the runs that were measured and pass the outlier rule.
    ///
    /// # Errors
    /// When there are too few, or no cycle model explains them.
    pub fn fit<'a>(
        runs: impl IntoIterator<Item = &'a RecordedRun>,
        parameter_bytes: u64,
        command: String,
    ) -> Result<Self, CalibrationError> {
        let (outliers, passing): (Vec<_>, Vec<_>) = runs
            .into_iter()
            .filter(|run| run.measured.training.is_some())
            .partition(|run| run.job.is_outlier());
        let samples: Vec<Sample> = passing.iter().copied().filter_map(Sample::of).collect();
        let cycle_model = fit(&samples)?;
        let pairs = passing.iter().filter_map(|run| {
            let predicted = run.job.predict(&run.job.batches, &cycle_model);
            Some((predicted, run.measured.training?))
        });
        let ids = |runs: &[&RecordedRun]| {
            let id = |run: &&RecordedRun| {
                serde_json::from_str(&run.id).unwrap_or_else(|_| Value::String(run.id.clone()))
            };
            runs.iter().map(id).collect()
        };
        Ok(Self {
            evaluation_ns: cycle_model.evaluation.nanos(),
            down_ns: cycle_model.down.nanos(),
            up_ns: cycle_model.up.nanos(),
            parameter_bytes,
            mean_error_percent: FitErrors::of(pairs).map_or(0.0, |errors| errors.mean_percent),
            fitted_on: ids(&passing),
            left_out: ids(&outliers),
            command,
            service: thesis(),
        })
    }
}

/// The time of each run as predicted by the cycle model fitted on all the *other* runs that pass
/// the outlier rule; `None` for a run that was not measured.
///
/// # Errors
/// When too few others are left, or no cycle model explains them.
pub fn leave_one_out(runs: &[RecordedRun]) -> Result<Vec<Option<Span>>, CalibrationError> {
    let one = |left_out: &RecordedRun| {
        if left_out.measured.training.is_none() {
            return Ok(None);
        }
        let others = runs.iter().filter(|&run| !std::ptr::eq(run, left_out));
        let passing = others.filter(|run| !run.job.is_outlier());
        let cycle_model = fit(&passing.filter_map(Sample::of).collect::<Vec<_>>())?;
        Ok(Some(
            left_out.job.predict(&left_out.job.batches, &cycle_model),
        ))
    };
    runs.iter().map(one).collect()
}

/// Why there is no calibration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalibrationError {
    /// A file that is not one.
    #[error("{0}, expected a calibration as `sim replay --fit` writes it")]
    Invalid(String),
    /// Not enough runs.
    #[error(
        "{0} runs have training_s and pass the outlier rule, expected at least {MIN_RUNS} to fit on"
    )]
    TooFew(usize),
    /// The search does not end.
    #[error("the fit did not settle, expected runs with less than an hour a cycle")]
    Unsettled,
}

/// How far predictions are off, in percent of what was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FitErrors {
    /// How many runs.
    pub count: usize,
    /// The mean of the absolute errors.
    pub mean_percent: f64,
    /// The median of the absolute errors.
    pub median_percent: f64,
    /// Their 90th percentile, interpolated between ranks as numpy does it by default.
    pub p90_percent: f64,
    /// The error of the sum of all predictions, with its sign.
    pub total_percent: f64,
}

impl FitErrors {
    /// The errors of pairs of predicted and measured times; `None` when there are none.
    pub fn of(pairs: impl IntoIterator<Item = (Span, Span)>) -> Option<Self> {
        let (mut errors, mut predicted_s, mut measured_s) = (Vec::new(), 0.0, 0.0);
        for (predicted, measured) in pairs {
            errors.push(error_percent(predicted, measured).abs());
            predicted_s += predicted.seconds_f64();
            measured_s += measured.seconds_f64();
        }
        errors.sort_unstable_by(f64::total_cmp);
        (!errors.is_empty()).then(|| Self {
            count: errors.len(),
            mean_percent: errors.iter().sum::<f64>() / errors.len() as f64,
            median_percent: quantile(&errors, 0.5),
            p90_percent: quantile(&errors, 0.9),
            total_percent: 100.0 * (predicted_s / measured_s - 1.0),
        })
    }
}

/// By how many percent a prediction lies above what was measured.
pub fn error_percent(predicted: Span, measured: Span) -> f64 {
    100.0 * (predicted.seconds_f64() / measured.seconds_f64() - 1.0)
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = place as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}

/// What the fit knows of a run.
struct Sample {
    computes: Vec<Span>,
    cycle_s: f64,
}

impl Sample {
    /// `None` when the run was not measured.
    fn of(run: &RecordedRun) -> Option<Self> {
        Some(Self {
            computes: run.job.computes(&run.job.batches),
            cycle_s: run.measured.training?.seconds_f64() / run.job.cycles as f64,
        })
    }
}

/// The best of all searches, the first of equals.
fn fit(samples: &[Sample]) -> Result<CycleModel, CalibrationError> {
    if samples.len() < MIN_RUNS {
        return Err(CalibrationError::TooFew(samples.len()));
    }
    let mut best = (f64::INFINITY, [0.0; 3]);
    for start in STARTS {
        let found = search(start, samples)?;
        if found.0 < best.0 {
            best = found;
        }
    }
    Ok(cycle_model(best.1))
}

/// The lowest point that is found from a start, with its loss.
fn search(start: [f64; 3], samples: &[Sample]) -> Result<(f64, [f64; 3]), CalibrationError> {
    let directions = directions();
    let (mut at, mut least, mut scale) = (start, loss(start, samples), 1.0);
    for _ in 0..MAX_STEPS {
        let mut best = None;
        for direction in &directions {
            let next: [f64; 3] =
                std::array::from_fn(|axis| at[axis] + scale * direction[axis] * STEP[axis]);
            let loss = loss(next, samples);
            if loss < best.map_or(least, |(loss, _)| loss) - 1e-12 {
                best = Some((loss, next));
            }
        }
        match best {
            Some(better) => (least, at) = better,
            None => scale /= 2.0,
        }
        if scale <= FINEST {
            return Ok((least, at));
        }
    }
    Err(CalibrationError::Unsettled)
}

/// All the ways to move along some of the axes.
fn directions() -> Vec<[f64; 3]> {
    let signs = [-1.0, 0.0, 1.0];
    let all = signs.map(|a| signs.map(|b| signs.map(|c| [a, b, c])));
    let all = all.into_iter().flatten().flatten();
    all.filter(|direction| *direction != [0.0; 3]).collect()
}

fn loss(seconds: [f64; 3], samples: &[Sample]) -> f64 {
    if seconds.iter().any(|&seconds| seconds < 0.0) {
        return f64::INFINITY;
    }
    let cycle_model = cycle_model(seconds);
    let one = |sample: &Sample| {
        let error = (cycle_model.cycle(&sample.computes).seconds_f64() / sample.cycle_s).ln();
        error.hypot(SOFT) - SOFT
    };
    samples.iter().map(one).sum::<f64>() / samples.len() as f64
}

fn cycle_model(seconds: [f64; 3]) -> CycleModel {
    let [evaluation, down, up] = seconds.map(|s| Span::from_nanos((s * 1e9).round() as u64));
    CycleModel {
        evaluation,
        down,
        up,
        service: LinkService::LastFirst,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::{Measured, RecordedJob};
    use scheduler::{Fee, Link, Problem, Speed, TimeModel, Worker};

    /// Runs of one to eight workers of many speeds whose measured times follow the time model exactly.
    fn synthetic(time_model: &CycleModel, count: u64) -> Vec<RecordedRun> {
        let speed = |worker, run| {
            let nanos = 900_000_000 + 350_000_000 * (worker * (run + 1) % 7);
            Speed::measured(1_000, Span::from_nanos(nanos)).expect("valid")
        };
        let run = |run: u64| {
            let workers = 1 + run % 8;
            let worker = Worker {
                s_max: 1_000,
                fee: Fee::ZERO,
            };
            let batches: Vec<u64> = (0..workers).map(|w| 100 + 83 * ((w + run) % 9)).collect();
            let n = batches.iter().sum();
            let mut recorded = RecordedRun {
                id: run.to_string(),
                names: vec![String::new(); batches.len()],
                job: RecordedJob {
                    problem: Problem::new(n, 0, 0, vec![worker; batches.len()]).expect("small"),
                    speeds: (0..workers).map(|worker| speed(worker, run)).collect(),
                    links: vec![Link::default(); batches.len()],
                    time_model: TimeModel::COMPUTE,
                    batches,
                    cycles: 50 + run,
                    limit: None,
                },
                measured: Measured::default(),
            };
            recorded.measured.training =
                Some(recorded.job.predict(&recorded.job.batches, time_model));
            recorded
        };
        (0..count).map(run).collect()
    }

    fn time_model() -> CycleModel {
        cycle_model([0.7, 0.05, 0.3])
    }

    fn assert_near(fitted: &CycleModel, expected: &CycleModel, within_s: f64) {
        for (fitted, expected) in [
            (fitted.evaluation, expected.evaluation),
            (fitted.down, expected.down),
            (fitted.up, expected.up),
        ] {
            let off = fitted.seconds_f64() - expected.seconds_f64();
            assert!(off.abs() < within_s, "{fitted} instead of {expected}");
        }
    }

    #[test]
    fn the_fit_recovers_what_runs_were_made_with() {
        for seconds in [
            [0.7, 0.05, 0.3],
            [0.1, 0.2, 0.05],
            [0.46, 0.1, 0.18],
            [2.0, 0.01, 0.6],
        ] {
            let time_model = cycle_model(seconds);
            let fitted = Calibration::fit(&synthetic(&time_model, 16), 5, String::new());
            let fitted = fitted.expect("enough runs");
            assert_near(&fitted.cycle_model(), &time_model, 1e-3);
            assert!(fitted.mean_error_percent < 0.05, "{fitted:?}");
        }
    }

    #[test]
    fn runs_that_are_entirely_wrong_hardly_move_the_fit() {
        let mut runs = synthetic(&time_model(), 24);
        for run in [3, 17] {
            let measured = &mut runs[run].measured;
            measured.training = measured.training.map(|time| time * 3);
        }
        let bent = Calibration::fit(&runs, 5, String::new()).expect("enough runs");
        assert_near(&bent.cycle_model(), &time_model(), 0.02);
    }

    #[test]
    fn a_run_that_is_left_out_does_not_tell() {
        let mut runs = synthetic(&time_model(), 12);
        let honest = leave_one_out(&runs).expect("enough runs");
        runs[5].measured.training = Some(Span::from_secs(100_000));
        runs[6].measured.training = None;
        let predicted = leave_one_out(&runs).expect("enough runs");
        let [Some(before), Some(after)] = [honest[5], predicted[5]] else {
            panic!("expected predictions: {predicted:?}");
        };
        assert!(error_percent(after, before).abs() < 0.1, "{before} {after}");
        assert_eq!(predicted[6], None);
    }

    #[test]
    fn outliers_and_unmeasured_runs_are_not_fitted_on() {
        let mut runs = synthetic(&time_model(), 8);
        runs[7].job.speeds[0] = runs[7].job.speeds[0].stretched(20, 1);
        runs[6].measured.training = None;
        let fitted = Calibration::fit(&runs, 5, String::new()).expect("enough runs");
        assert_eq!(fitted.fitted_on, [0, 1, 2, 3, 4, 5]);
        assert_eq!(fitted.left_out, [7]);
        let text = fitted.to_json();
        assert_eq!(Calibration::read(text.as_bytes()), Ok(fitted));
        let few = Calibration::fit(&runs[..2], 5, String::new());
        assert_eq!(few, Err(CalibrationError::TooFew(2)));
        assert_eq!(leave_one_out(&runs[..3]), Err(CalibrationError::TooFew(2)));
    }

    #[test]
    fn runs_that_nothing_explains_are_given_up() {
        let mut runs = synthetic(&time_model(), 8);
        for run in &mut runs {
            run.measured.training = Some(Span::from_secs(1_000_000_000));
        }
        let given_up = Calibration::fit(&runs, 5, String::new());
        assert_eq!(given_up, Err(CalibrationError::Unsettled));
    }

    #[test]
    fn errors_by_hand() {
        let seconds = Span::from_secs;
        let measured = [100, 100, 200].map(seconds);
        let predicted = [110, 95, 200].map(seconds);
        let errors = FitErrors::of(predicted.into_iter().zip(measured)).expect("three");
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        near(errors.mean_percent, 5.0);
        near(errors.median_percent, 5.0);
        near(errors.p90_percent, 9.0); // between 5 and 10, at 1.8 of 0, 1, 2
        near(errors.total_percent, 1.25);
        assert_eq!(FitErrors::of([]), None);
    }

    #[test]
    fn the_calibration_that_is_kept_reads() {
        let kept = Calibration::lab_100mbit();
        assert_eq!(kept.parameter_bytes, 796_840);
        assert_eq!((kept.fitted_on.len(), kept.left_out.len()), (39, 1));
        assert!(kept.cycle_model().evaluation > Span::from_millis(100));
        assert!(Calibration::read(b"{\"down_ns\":-1}").is_err());
        assert!(Calibration::read(b"[]").is_err());
    }
}
