//! The margins that a stated risk asks for, from the errors that the scenario states.
//!
//! Risk is the chance that a worker assigned exactly its capacity overruns, before its benchmark
//! error and jitter are drawn. Errors that are a mixture have no closed quantile, so they are
//! drawn: many times, from streams of their own that depend on nothing but the scenario's errors.
//! Two machines make the same plan.

use scheduler::{Margin, Margins};

use crate::draw::Draws;
use crate::math::exp_all;
use crate::scenario::errors::{Errors, Jitter};
use crate::scenario::streams::Purpose;
use crate::scenario::unit::Ratio;
use crate::scenario::worker::Group;

/// The number of samples whose exponentials are computed together.
const TOGETHER: usize = 1_000;

/// The number of samples: the risk at a quantile of 1 % is then known to a fortieth of itself.
const SAMPLES: u64 = 160_000;

pub(crate) fn margins(groups: &[Group], risk: Ratio) -> Margins {
    let errors: Vec<Errors> = groups.iter().map(Group::errors).collect();
    if errors.iter().all(|errors| *errors == Errors::NONE) {
        return Margins::NONE;
    }
    let mut factors = Factors::default();
    let draws = &mut Draws::of_key([0, Purpose::Benchmark as u64, 0, 0], 0);
    let workers: u64 = groups.iter().map(|group| group.count).sum();
    let (mut at, mut upto) = (0, groups.first().map_or(0, |group| group.count));
    for sample in 0..SAMPLES {
        // Spread evenly over the workers.
        let worker = (u128::from(sample) * u128::from(workers) / u128::from(SAMPLES)) as u64;
        while worker >= upto && at + 1 < groups.len() {
            at += 1;
            upto += groups[at].count;
        }
        factors.draw(&errors[at], draws);
    }
    let Factors {
        benchmarked,
        learnt,
        ..
    } = factors.finish();
    let risk = risk.micros();
    let benchmarked = quantile(benchmarked, risk);
    let learnt = quantile(learnt, risk);
    Margins {
        benchmarked,
        learnt,
        // Half of what was added may be gone before the plan is made again.
        keep: Margin::from_ppb(learnt.ppb().midpoint(Margin::NONE.ppb())),
    }
}

/// By how much longer a batch takes than was benchmarked and than was learnt, drawn many times.
#[derive(Default)]
struct Factors {
    benchmarked: Vec<f64>,
    learnt: Vec<f64>,
    /// Exponents of samples that are not finished: of the error, of the jitter, of that of the
    /// cycle before, and of the drift.
    pending: [Vec<f64>; 4],
    /// Jitter that is not an exponential: its column, its place there, and the factor.
    others: Vec<(usize, usize, f64)>,
}

impl Factors {
    fn draw(&mut self, errors: &Errors, draws: &mut Draws) {
        self.pending[0].push(errors.benchmark.exponent(draws));
        for column in [1, 2] {
            let exponent = match errors.jitter {
                Jitter::None => 0.0,
                Jitter::Lognormal(sigma) => sigma.as_f64() * draws.normal(),
                Jitter::Gamma(_) => {
                    let place = self.pending[column].len();
                    self.others.push((column, place, errors.jitter.draw(draws)));
                    0.0
                }
            };
            self.pending[column].push(exponent);
        }
        self.pending[3].push(errors.drift_exponent(draws));
        if self.pending[3].len() == TOGETHER {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.pending.iter_mut().for_each(|column| exp_all(column));
        for (column, place, factor) in self.others.drain(..) {
            self.pending[column][place] = factor;
        }
        let [errors, jitters, before, steps] = &self.pending;
        let pairs = || jitters.iter().zip(steps);
        let benchmarked = errors.iter().zip(pairs());
        self.benchmarked
            .extend(benchmarked.map(|(error, (jitter, step))| error * jitter * step));
        let learnt = before.iter().zip(pairs());
        self.learnt
            .extend(learnt.map(|(before, (jitter, step))| jitter / before * step));
        self.pending.iter_mut().for_each(Vec::clear);
    }

    fn finish(mut self) -> Self {
        self.flush();
        self
    }
}

/// The factor that is exceeded with this risk.
fn quantile(mut factors: Vec<f64>, risk_ppm: u64) -> Margin {
    let above = (SAMPLES * risk_ppm / 1_000_000) as usize;
    let at = (factors.len() - 1).saturating_sub(above);
    let (_, factor, _) = factors.select_nth_unstable_by(at, f64::total_cmp);
    Margin::from_ppb((*factor * 1e9).round() as u64)
}
