//! The margins that a stated risk asks for, from the errors that the scenario states.
//!
//! Risk is the chance that a worker assigned exactly its capacity overruns, before its benchmark
//! error and jitter are drawn. Errors that are a mixture have no closed quantile, so they are
//! drawn: many times, from streams of their own that depend on nothing but the scenario's errors.
//! Two machines make the same plan.

use scheduler::{Margin, Margins};

use crate::draw::Draws;
use crate::scenario::Scenario;
use crate::scenario::fleet::Purpose;
use crate::scenario::unit::Ratio;
use crate::scenario::worker::{BenchmarkError, Group, Jitter};

/// So many draws: the risk at a quantile of 1 % is then known to a fortieth of itself.
const SAMPLES: u64 = 160_000;

pub(crate) fn margins(scenario: &Scenario) -> Margins {
    let groups: Vec<&Group> = scenario.groups().iter().collect();
    let errors = |group: &&Group| (group.benchmark, group.jitter, group.drift);
    let none = (BenchmarkError::NONE, Jitter::None, Ratio::ZERO);
    if groups.iter().all(|group| errors(group) == none) {
        return Margins::NONE;
    }
    let (mut benchmarked, mut learnt) = (Vec::new(), Vec::new());
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
        let group = groups[at];
        let error = group.benchmark.draw(draws);
        let (jitter, before) = (group.jitter.draw(draws), group.jitter.draw(draws));
        let step = draws.lognormal(group.drift.as_f64());
        benchmarked.push(error * jitter * step);
        learnt.push(jitter / before * step);
    }
    let risk = scenario.job().risk.micros();
    let benchmarked = quantile(benchmarked, risk);
    let learnt = quantile(learnt, risk);
    Margins {
        benchmarked,
        learnt,
        // Half of what was added may be gone before the plan is made again.
        keep: Margin::from_ppb(learnt.ppb().midpoint(Margin::NONE.ppb())),
    }
}

/// Exceeded by so many parts per million.
fn quantile(mut factors: Vec<f64>, risk_ppm: u64) -> Margin {
    let above = (SAMPLES * risk_ppm / 1_000_000) as usize;
    let at = (factors.len() - 1).saturating_sub(above);
    let (_, factor, _) = factors.select_nth_unstable_by(at, f64::total_cmp);
    Margin::from_ppb((*factor * 1e9).round() as u64)
}
