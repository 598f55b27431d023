//! The scenario of a real run: its job, with its workers as they were measured.
//!
//! A simulated run of it asks for the first plan with the numbers that the real run asked with: a benchmark
//! reads what it read, and margins are those of the job. Then workers are as fast as they were.
//!
//! **What it does not know:** tables and folders.

use scheduler::{Fee, Link, Span, Speed};

use crate::math::ln;
use crate::scenario::definition::Scenario;
use crate::scenario::drawn::Drawn;
use crate::scenario::errors::{BenchmarkError, Jitter};
use crate::scenario::faults::{FaultEvent, FaultKind, Faults};
use crate::scenario::job::{FeeType, Fees};
use crate::scenario::pay::Amount;
use crate::scenario::unit::{BatchRate, BitRate, Bytes, Power, Quantity, Ratio, SignedRatio};
use crate::scenario::worker::Group;

/// A worker of a real run.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredWorker {
    /// Its name.
    pub name: String,
    /// What it was paid per batch.
    pub fee: Fee,
    /// What its first benchmark read.
    pub benchmark: Speed,
    /// How fast it was in cycles, if it was employed.
    pub speed: Option<Speed>,
    /// By how much its time per batch varied from cycle to cycle, as the standard deviation of the
    /// logarithm.
    pub jitter: f64,
    /// Its connection, if it was ever a candidate of a plan.
    pub link: Option<Link>,
    /// When it joined first, from the beginning of the run.
    pub joined: Span,
    /// When it left and returned.
    pub absences: Vec<(Span, Option<Span>)>,
}

impl Scenario {
    /// The scenario of a run of it with these workers, of which it waited for `expected`.
    #[must_use]
    pub fn measured(&self, expected: u32, workers: &[MeasuredWorker]) -> Self {
        let mut other = self.clone();
        other.job.expect = Some(expected.max(1));
        other.fees = Fees {
            kind: FeeType::Declared,
            fee: None,
            fees: None,
            default_fee: self.fees().default_fee,
            energy: self.fees().energy,
        };
        let groups = workers.iter().map(|worker| self.group(worker));
        other.groups = groups.collect();
        let names = other.groups.iter().map(|group| &group.name);
        let trace = names.zip(workers).flat_map(|(name, worker)| {
            worker.absences.iter().flat_map(move |(left, returned)| {
                let event = |at, what| FaultEvent {
                    at,
                    worker: name.clone(),
                    what,
                    factor: None,
                    lasts: None,
                };
                let back = returned.map(|at| event(at, FaultKind::Return));
                std::iter::once(event(*left, FaultKind::Dropout)).chain(back)
            })
        });
        other.faults = Faults {
            trace: trace.collect(),
            ..Faults::none()
        };
        other
    }

    fn group(&self, worker: &MeasuredWorker) -> Group {
        let stated = self
            .groups()
            .iter()
            .find(|group| group.names().any(|name| name == worker.name));
        let benchmark = rate(worker.benchmark);
        let speed = worker.speed.map_or(benchmark, rate);
        let bias = ln(benchmark.per_second_f64() / speed.per_second_f64());
        let model = self.model();
        let rate_of = |bytes: Bytes, time: Span| {
            let bits = u128::from(bytes.get()) * 8_000_000_000;
            let (least, most) = <BitRate as Quantity>::RANGE;
            let rate = bits.checked_div(time.nanos().into());
            let rate = rate
                .and_then(|rate| u64::try_from(rate).ok())
                .unwrap_or(most);
            BitRate::from_base(rate.clamp(least, most))
        };
        let link = worker.link.unwrap_or_default();
        let half = rate_of(model.parameters, link.transfer / 2);
        let slower = link.ship > half.time_for(model.batch);
        Group {
            name: plain(&worker.name),
            key: stated.and_then(|group| group.key.clone()),
            count: 1,
            speed: Drawn::Fixed(speed),
            jitter: match (worker.jitter * 1e6).round() {
                sigma if sigma >= 1.0 => {
                    Jitter::Lognormal(Ratio::from_micros(sigma.min(2e6) as u64))
                }
                _ => Jitter::None,
            },
            drift: Ratio::ZERO,
            benchmark_error: BenchmarkError {
                bias: SignedRatio::from_micros((bias.clamp(-2.0, 2.0) * 1e6).round() as i64),
                ..BenchmarkError::NONE
            },
            memory: stated.and_then(|group| group.memory),
            down: Drawn::Fixed(half),
            up: Drawn::Fixed(half),
            latency: Drawn::Fixed(link.latency / 2),
            shipping: slower.then(|| {
                let nanos = link.ship.nanos().max(1);
                BatchRate::from_base(1_000_000_000_000_000 / nanos)
            }),
            fee: Some(Drawn::Fixed(worker.fee)),
            least_fee: stated.map_or(Fee::ZERO, |group| group.least_fee),
            // What it was paid beside a fee per batch, and its limits, are as they were stated.
            hire: stated.map_or(Fee::ZERO, |group| group.hire),
            per_hour: stated.map_or(Fee::ZERO, |group| group.per_hour),
            per_hour_employed: stated.map_or(Fee::ZERO, |group| group.per_hour_employed),
            power: stated.map_or(Power::from_base(0), |group| group.power),
            idle_power: stated.map_or(Power::from_base(0), |group| group.idle_power),
            tiers: stated.map_or(Vec::new(), |group| group.tiers.clone()),
            least: stated.map_or(Amount::Batches(0), |group| group.least),
            most: stated.and_then(|group| group.most),
            joins: Drawn::Fixed(worker.joined),
        }
    }
}

/// A speed as a scenario has it: to a millionth of a batch per second.
fn rate(speed: Speed) -> BatchRate {
    let micros = u128::from(speed.batches()) * 1_000_000_000_000_000;
    let nanos = u128::from(speed.took().nanos());
    let (least, most) = <BatchRate as Quantity>::RANGE;
    let micros = (micros + nanos / 2) / nanos;
    BatchRate::from_base(u64::try_from(micros).unwrap_or(most).clamp(least, most))
}

/// A name as scenarios have them.
fn plain(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let plain = name.chars().map(|c| if is_plain(c) { c } else { '-' });
    plain.take(64).collect()
}
