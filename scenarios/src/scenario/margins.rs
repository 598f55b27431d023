//! The margins that a job's confidence asks for, from the errors that the scenario states.
//!
//! Confidence is the chance that every cycle of the job keeps its limit. What a job risks is shared
//! out in equal parts: over the workers that may be employed, and, of each, over what may go wrong.
//! A benchmark's error stays with its worker: it is risked once. Jitter is drawn anew in every cycle.
//!
//! - A plan that stays as it is meets one benchmark's error and the worst jitter of all cycles.
//! - A plan that follows what is learnt meets the benchmark's error in the first cycle alone, with
//!   half of what may be risked; the other half is for the jitter of all cycles after it, which the
//!   plan meets too where nothing had to be learnt. A plan is kept only as long as what is left of
//!   its margin is what one more cycle asks for, by the estimate that it is judged by: so no cycle
//!   risks more than its part, however much of the margin is gone.
//!
//! `job.risk` states one worker's chance instead: to overrun at its capacity, before its benchmark
//! error and jitter are drawn.
//!
//! Errors that are a mixture have no closed quantile, so they are drawn: many times, from streams of
//! their own that depend on nothing but the scenario's errors. Two machines make the same plan.
//! Beyond the rarest that is drawn often enough, the logarithm goes on as a normal one does.

use scheduler::machine::Replan;
use scheduler::{Margin, Margins};

use crate::draw::Draws;
use crate::math::{exp, exp_all, ln, normal_quantile};
use crate::scenario::errors::{Errors, Jitter};
use crate::scenario::job::Job;
use crate::scenario::streams::Purpose;
use crate::scenario::worker::Group;

/// The number of samples whose exponentials are computed together.
const TOGETHER: usize = 1_000;

/// The number of samples: the risk at a quantile of 1 % is then known to a fortieth of itself.
const SAMPLES: u64 = 160_000;

/// The risks by which those below the second are worked out.
const KNOWN: [f64; 2] = [0.01, 0.001];

/// What a margin is made for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// The chance of one worker to overrun before anything is learnt of it.
    first: f64,
    /// Cycles that this is to hold for.
    cycles: u32,
    /// Its chance in each cycle after something was learnt.
    later: f64,
    /// Whether the plan follows what is learnt, and is to hold for the whole job.
    follows: bool,
}

impl Asked {
    /// Of a job with this number of workers.
    fn new(job: &Job, workers: u64) -> Self {
        if let Some(risk) = job.risk {
            let risk = risk.as_f64();
            return Self {
                first: risk,
                cycles: 1,
                later: risk,
                follows: false,
            };
        }
        // No more can be employed than there are lots.
        let employed = workers.min(job.batches / job.s_min.max(1)).max(1);
        let each = -expm1(ln(job.confidence().as_f64()) / employed as f64);
        let follows = match job.replan {
            Replan::Adaptive => job.cycles > 1,
            Replan::Static => false,
        };
        if follows {
            Self {
                first: each / 2.0,
                cycles: 1,
                later: each / 2.0 / f64::from(job.cycles - 1),
                follows,
            }
        } else {
            Self {
                first: each,
                cycles: job.cycles,
                later: each / f64::from(job.cycles),
                follows,
            }
        }
    }
}

/// The exponential less 1, of a number that is not positive.
fn expm1(x: f64) -> f64 {
    if x > -1e-3 {
        x + x * x / 2.0 + x * x * x / 6.0
    } else {
        exp(x) - 1.0
    }
}

/// The margins of a job with this number of workers.
pub(crate) fn margins(groups: &[Group], job: &Job, workers: u64) -> Margins {
    let errors: Vec<(u64, Errors)> = match &job.assumed_errors {
        Some(assumed) => vec![(1, assumed.into())],
        None => groups.iter().map(|of| (of.count, of.errors())).collect(),
    };
    of_errors(&errors, job, workers)
}

fn of_errors(groups: &[(u64, Errors)], job: &Job, workers: u64) -> Margins {
    if groups.iter().all(|(_, errors)| *errors == Errors::NONE) {
        return Margins::NONE;
    }
    let asked = Asked::new(job, workers);
    let workers: u64 = groups.iter().map(|(count, _)| count).sum();
    let mut factors = Factors::default();
    let draws = &mut Draws::of_key([0, Purpose::Benchmark as u64, 0, 0], 0);
    let (mut at, mut upto) = (0, groups.first().map_or(0, |group| group.0));
    for sample in 0..SAMPLES {
        // Spread evenly over the workers.
        let worker = (u128::from(sample) * u128::from(workers) / u128::from(SAMPLES)) as u64;
        while worker >= upto && at + 1 < groups.len() {
            at += 1;
            upto += groups[at].0;
        }
        factors.draw(&groups[at].1, asked.cycles, draws);
    }
    let Factors {
        benchmarked,
        learnt,
        kept,
        jitter,
        ..
    } = factors.finish();
    let mut benchmarked = quantile(benchmarked, asked.first);
    if asked.follows {
        // A benchmark that was right leaves its plan in force: it meets the later cycles too.
        benchmarked = benchmarked.max(quantile(jitter, asked.later));
    }
    let learnt = quantile(learnt, asked.later);
    let keep = if asked.follows {
        quantile(kept, asked.later).min(learnt)
    } else {
        // Half of what was added may be gone before the plan is made again.
        Margin::from_ppb(learnt.ppb().midpoint(Margin::NONE.ppb()))
    };
    Margins {
        benchmarked,
        learnt,
        keep,
    }
}

/// By how much longer a batch takes than was benchmarked and than was learnt, drawn many times.
#[derive(Default)]
struct Factors {
    benchmarked: Vec<f64>,
    learnt: Vec<f64>,
    /// The same by the estimate that a plan is kept by: the slower of the last cycle and the middle of
    /// the last three.
    kept: Vec<f64>,
    /// The same by the true speed.
    jitter: Vec<f64>,
    /// Exponents of samples that are not finished: of the error, of the jitter, of that of the three
    /// cycles before, and of the drift.
    pending: [Vec<f64>; 6],
    /// Jitter that is not an exponential: its column, its place there, and the factor.
    others: Vec<(usize, usize, f64)>,
}

impl Factors {
    /// The first column of jitter is the worst of this number of cycles.
    fn draw(&mut self, errors: &Errors, cycles: u32, draws: &mut Draws) {
        self.pending[0].push(errors.benchmark.exponent(draws));
        for (column, cycles) in [(1, cycles), (2, 1), (3, 1), (4, 1)] {
            let exponent = match (errors.jitter, cycles) {
                (Jitter::None, _) => 0.0,
                (Jitter::Lognormal(sigma), 1) => sigma.as_f64() * draws.normal(),
                (Jitter::Lognormal(sigma), _) => sigma.as_f64() * worst(cycles, draws),
                (Jitter::Gamma(shape), _) => {
                    let place = self.pending[column].len();
                    let factor = match cycles {
                        1 => errors.jitter.draw(draws),
                        _ => gamma_at(shape.as_f64(), worst(cycles, draws)),
                    };
                    self.others.push((column, place, factor));
                    0.0
                }
            };
            self.pending[column].push(exponent);
        }
        let drift = match cycles {
            1 => errors.drift_exponent(draws),
            // The furthest that a random walk gets is its end, taken as positive.
            _ => errors.drift_exponent(draws).abs() * f64::from(cycles).sqrt(),
        };
        self.pending[5].push(drift);
        if self.pending[5].len() == TOGETHER {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.pending.iter_mut().for_each(|column| exp_all(column));
        for (column, place, factor) in self.others.drain(..) {
            self.pending[column][place] = factor;
        }
        let [errors, jitters, last, second, third, steps] = &self.pending;
        let pairs = || jitters.iter().zip(steps);
        let benchmarked = errors.iter().zip(pairs());
        self.benchmarked
            .extend(benchmarked.map(|(error, (jitter, step))| error * jitter * step));
        self.jitter
            .extend(pairs().map(|(jitter, step)| jitter * step));
        let learnt = last.iter().zip(pairs());
        self.learnt
            .extend(learnt.map(|(last, (jitter, step))| jitter / last * step));
        let before = last.iter().zip(second.iter().zip(third));
        let kept = before.zip(pairs());
        self.kept
            .extend(kept.map(|((&last, (&second, &third)), (jitter, step))| {
                let middle = second.min(third).max(second.max(third).min(last));
                jitter / last.max(middle) * step
            }));
        self.pending.iter_mut().for_each(Vec::clear);
    }

    fn finish(mut self) -> Self {
        self.flush();
        self
    }
}

/// The greatest of this number of normal draws.
fn worst(cycles: u32, draws: &mut Draws) -> f64 {
    let above = -expm1(-draws.exponential() / f64::from(cycles)); // the chance of a greater one
    -normal_quantile(above.clamp(1e-15, 1.0 - 1e-15))
}

/// The gamma distribution with mean 1 where a normal one has reached `z`, by Wilson and Hilferty.
fn gamma_at(shape: f64, z: f64) -> f64 {
    let ninth = 1.0 / (9.0 * shape);
    let root = (1.0 - ninth + z * ninth.sqrt()).max(0.0);
    root * root * root
}

/// The factor that is exceeded with this risk.
fn quantile(mut factors: Vec<f64>, risk: f64) -> Margin {
    let mut at = |risk: f64| {
        let above = (SAMPLES as f64 * risk) as usize;
        let at = (factors.len() - 1).saturating_sub(above);
        let (_, factor, _) = factors.select_nth_unstable_by(at, f64::total_cmp);
        *factor
    };
    let [usual, rare] = KNOWN;
    let factor = if risk >= rare {
        at(risk)
    } else {
        let [from, to] = [usual, rare].map(|risk| ln(at(risk)));
        let [usual, rare, wanted] = [usual, rare, risk].map(|risk| -normal_quantile(risk));
        exp(to + (to - from) * (wanted - rare) / (rare - usual))
    };
    Margin::from_ppb((factor * 1e9).round() as u64)
}
