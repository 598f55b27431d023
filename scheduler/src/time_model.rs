//! The time model: how long a worker's cycle takes, and how many batches fit a limit.
//!
//! `t(d) = fixed + d · ship + passes · d / speed`, with `fixed` growing with the number of
//! workers employed, because they use the orchestrator's link together: how, is in `service.rs`.
//! Everything is exact: a speed is the ratio that was measured, a capacity one integer division, so
//! that no rounding of a float can flip it by one.

use crate::limits::MAX_BATCHES;
use crate::margin::Margin;
use crate::service::{Line, LinkService, Slot, Turn, Ways};
use crate::time::Span;
use serde::{Deserialize, Serialize};

/// The longest measurement that is taken: 2⁵⁰ ns, about 13 days.
const MAX_NANOS: u64 = 1 << 50;

/// The most local passes over the data in one cycle.
pub const MAX_PASSES: u32 = 1_000;

/// How fast a worker trains: a number of batches, once each, in a number of nanoseconds.
///
/// It stays the ratio that was measured: 3 batches in 1 s are 3 batches in 1 s, not 333,333,333 ns
/// per batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed {
    batches: u64,
    nanos: u64,
}

impl Speed {
    /// What was measured, or `None` when that is no speed: no batches, no time, or more of either
    /// than any worker can honestly report.
    pub const fn measured(batches: u64, took: Span) -> Option<Self> {
        let nanos = took.nanos();
        if batches == 0 || batches > MAX_BATCHES || nanos == 0 || nanos > MAX_NANOS {
            return None;
        }
        Some(Self { batches, nanos })
    }

    /// What was measured when `batches` were trained `passes` times each. More than a speed holds
    /// keep their ratio, to a part in a billion.
    pub(crate) fn of_passes(batches: u64, passes: u64, took: Span) -> Option<Self> {
        let all = u128::from(batches) * u128::from(passes);
        let kept = all.min(MAX_BATCHES.into());
        let nanos = (u128::from(took.nanos()) * kept).checked_div(all)?;
        // Neither is larger than what it was made from.
        Self::measured(kept as u64, Span::from_nanos(nanos as u64))
    }

    /// The batches that were measured.
    pub const fn batches(self) -> u64 {
        self.batches
    }

    /// How long they took.
    pub const fn took(self) -> Span {
        Span::from_nanos(self.nanos)
    }

    /// Batches per second as a float: for printing and statistics, never for a decision.
    pub fn per_second_f64(self) -> f64 {
        self.batches as f64 / (self.nanos as f64 / 1e9)
    }

    /// Whether a batch takes longer at this speed than at the other.
    pub const fn is_slower_than(self, other: Self) -> bool {
        self.nanos as u128 * other.batches as u128 > other.nanos as u128 * self.batches as u128
    }

    /// How many times as long a batch takes as at the other speed, in parts per million.
    pub(crate) fn slowness_ppm(self, other: Self) -> u32 {
        let slower = u128::from(self.nanos) * u128::from(other.batches); // < 2^80
        let faster = u128::from(other.nanos) * u128::from(self.batches);
        u32::try_from(slower * 1_000_000 / faster).unwrap_or(u32::MAX)
    }

    /// The slower of the two.
    #[must_use]
    pub const fn slower(self, other: Self) -> Self {
        if self.is_slower_than(other) {
            self
        } else {
            other
        }
    }

    /// The faster of the two.
    #[must_use]
    pub const fn faster(self, other: Self) -> Self {
        if self.is_slower_than(other) {
            other
        } else {
            self
        }
    }

    /// The speed at which a batch takes `numerator / denominator` times as long; at most 2⁵⁰ ns
    /// for one batch.
    #[must_use]
    pub const fn stretched(self, numerator: u32, denominator: u32) -> Self {
        let mut batches = self.batches;
        let mut nanos = self.nanos as u128 * numerator as u128 / denominator as u128; // < 2^82
        if nanos > MAX_NANOS as u128 {
            // As a measurement of fewer batches it is short enough.
            let fewer = batches as u128 * MAX_NANOS as u128 / nanos;
            let fewer = if fewer == 0 { 1 } else { fewer };
            nanos = nanos * fewer / batches as u128;
            batches = fewer as u64; // no more than before
        }
        Self {
            batches,
            nanos: if nanos > MAX_NANOS as u128 {
                MAX_NANOS
            } else if nanos == 0 {
                1
            } else {
                nanos as u64 // at most 2^50
            },
        }
    }

    /// How long this number of batches takes, rounded up.
    pub fn time_for(self, batches: u64) -> Span {
        let nanos = u128::from(batches) * u128::from(self.nanos);
        saturated(nanos.div_ceil(u128::from(self.batches)))
    }

    /// How many whole batches are done in a span.
    pub fn batches_in(self, span: Span) -> u64 {
        let batches = u128::from(span.nanos()) * u128::from(self.batches);
        u64::try_from(batches / u128::from(self.nanos)).unwrap_or(u64::MAX)
    }
}

/// The parts of a worker's cycle that its own connection sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The parameters down and up, over the worker's own link.
    pub transfer: Span,
    /// Latency, down and up together.
    pub latency: Span,
    /// One batch of data, over the worker's own link.
    pub ship: Span,
}

/// Which parts of a cycle a capacity takes into account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CapacityModel {
    /// All of the time model, and the margin for the risk.
    Full,
    /// Compute alone, as the thesis program did: its runs broke their limits. For comparison.
    ComputeOnly,
}

/// The time model with what is the same for all workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeModel {
    /// What capacities take into account.
    pub capacity: CapacityModel,
    /// Local passes over the data in one cycle, 1 to [`MAX_PASSES`].
    pub passes: u32,
    /// The orchestrator's own part of a cycle: aggregation, and evaluation if it waits for it.
    pub own: Span,
    /// The parameters of one worker, down and up, over the orchestrator's link.
    pub shared: Span,
    /// The part of that which is the way up; half of it if this is zero.
    #[serde(default)]
    pub shared_up: Span,
    /// How that link serves them.
    #[serde(default)]
    pub service: LinkService,
    /// One batch of data over the orchestrator's link.
    pub shared_ship: Span,
    /// Whether data travels in every cycle (DAB) or once, before training (the thesis).
    pub ships_each_cycle: bool,
}

impl TimeModel {
    /// Compute and nothing else: one pass, no transfers.
    pub const COMPUTE: Self = Self {
        capacity: CapacityModel::Full,
        passes: 1,
        own: Span::ZERO,
        shared: Span::ZERO,
        shared_up: Span::ZERO,
        service: LinkService::Shared,
        shared_ship: Span::ZERO,
        ships_each_cycle: false,
    };

    /// What its turn means for a worker with this connection.
    pub fn slot(&self, link: &Link, turn: Turn) -> Slot {
        let slot = self.line(link).slot(turn);
        let half = link.latency / 2;
        Slot {
            down: slot.down + half,
            stop: slot.stop + half,
            due: slot.due,
        }
    }

    /// Whether a worker with this connection is served all at once with others of its kind, and not in turn.
    pub fn is_slow(&self, link: &Link) -> bool {
        self.line(link).is_slow()
    }

    /// Whether a worker with this connection has the link for itself when its parameters are sent.
    pub fn takes_turns(&self, link: &Link) -> bool {
        match self.service {
            LinkService::Ordered | LinkService::Shared => self.line(link).takes_turns(),
            LinkService::LastFirst => true,
        }
    }

    /// The part of a cycle that does not depend on the batches.
    pub fn fixed(&self, link: &Link, employed: u64) -> Span {
        self.own + link.latency + self.line(link).transfers(employed)
    }

    /// How long one worker's parameters take to it over the orchestrator's link.
    pub fn down(&self) -> Span {
        self.ways().down
    }

    /// How long a cycle of `batches` takes a worker when `employed` workers share the link, rounded up.
    pub fn time(&self, speed: Speed, link: &Link, employed: u64, batches: u64) -> Span {
        let ship = self.ship(link).nanos();
        let per = u128::from(speed.batches);
        let compute = u128::from(self.passes) * u128::from(speed.nanos);
        // At most 2^64 · (2^10 · 2^50 + 2^64 · 2^30): checked, as only absurd values go beyond.
        let whole = u128::from(ship)
            .checked_mul(per)
            .and_then(|ship| ship.checked_add(compute)?.checked_mul(batches.into()));
        let moving = whole.map_or(Span::from_nanos(u64::MAX), |whole| {
            saturated(whole.div_ceil(per))
        });
        self.fixed(link, employed) + moving
    }

    /// How long a worker computes for this number of batches, over all passes, rounded up.
    pub fn computing(&self, speed: Speed, batches: u64) -> Span {
        let nanos = u128::from(self.passes) * u128::from(speed.nanos) * u128::from(batches); // < 2^124
        saturated(nanos.div_ceil(u128::from(speed.batches)))
    }

    /// The most batches that fit the limit: `⌊(limit − fixed) / (passes · margin / speed + ship)⌋`.
    pub fn fitting(
        &self,
        speed: Speed,
        margin: Margin,
        link: &Link,
        employed: u64,
        limit: Span,
    ) -> u64 {
        self.pace(speed, margin, link).fitting(employed, limit)
    }

    /// The least limit that `batches` fit: the inverse of [`TimeModel::fitting`]. `None` if no
    /// limit is long enough.
    pub fn least_limit(
        &self,
        speed: Speed,
        margin: Margin,
        link: &Link,
        employed: u64,
        batches: u64,
    ) -> Option<Span> {
        self.pace(speed, margin, link)
            .least_limit(employed, batches)
    }

    /// What a worker's capacities depend on.
    pub(crate) fn pace(&self, speed: Speed, margin: Margin, link: &Link) -> Pace {
        let (own, line, ship, margin) = match self.capacity {
            CapacityModel::Full => {
                let own = self.own + link.latency;
                (own, self.line(link), self.ship(link), margin)
            }
            CapacityModel::ComputeOnly => {
                let nothing = Self::COMPUTE.line(&Link::default());
                (Span::ZERO, nothing, Span::ZERO, Margin::NONE)
            }
        };
        let scale = u128::from(Margin::NONE.ppb()) * u128::from(speed.batches); // < 2^60
        let compute = u128::from(self.passes) * u128::from(speed.nanos); // < 2^60
        let each = compute * u128::from(margin.ppb()) + u128::from(ship.nanos()) * scale; // < 2^125
        Pace {
            own,
            line,
            each,
            scale,
            rate: scale as f64 / each as f64,
        }
    }

    /// How a worker with this connection uses the orchestrator's link.
    fn line(&self, link: &Link) -> Line {
        let service = match self.ships_each_cycle {
            true => LinkService::Shared, // data would hold up the others
            false => self.service,
        };
        Line::new(service, self.ways(), link.transfer)
    }

    fn ways(&self) -> Ways {
        let up = match self.shared_up {
            Span::ZERO => self.shared / 2,
            up => up.min(self.shared),
        };
        Ways {
            down: self.shared - up,
            up,
        }
    }

    /// Whether capacities depend on how many workers are employed.
    pub fn depends_on_employed(&self) -> bool {
        self.capacity == CapacityModel::Full && self.shared > Span::ZERO
    }

    /// What a cycle spends on sending each batch: nothing if the worker holds its data.
    pub(crate) fn ship(&self, link: &Link) -> Span {
        if self.ships_each_cycle {
            link.ship
        } else {
            Span::ZERO
        }
    }
}

/// What a worker's capacities depend on, worked out once for many limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    own: Span,
    line: Line,
    /// What a batch takes, in `scale` parts of a nanosecond.
    each: u128,
    scale: u128,
    /// About how many batches a nanosecond more is good for.
    rate: f64,
}

impl Pace {
    /// What a capacity leaves out of the limit.
    pub(crate) fn fixed(&self, employed: u64) -> Span {
        self.own + self.line.transfers(employed)
    }

    /// About how many batches a nanosecond more is good for.
    pub(crate) const fn rate(&self) -> f64 {
        self.rate
    }

    /// As [`TimeModel::fitting`].
    pub(crate) fn fitting(&self, employed: u64, limit: Span) -> u64 {
        let moving = (limit - self.fixed(employed)).nanos();
        let time = u128::from(moving) * self.scale; // < 2^124
        if self.each >= 1 << 90 {
            let fit = u64::try_from(time / self.each);
            return fit.map_or(MAX_BATCHES, |fit| fit.min(MAX_BATCHES));
        }
        // In floats it is several times as fast as the division: four roundings, each of at most 2^-53 of it.
        let estimate = (moving as f64 * self.rate).min(MAX_BATCHES as f64);
        let whole = estimate as i32;
        let (above, error) = (estimate - f64::from(whole), estimate * f64::EPSILON * 4.0);
        let mut fit = u64::from(whole.unsigned_abs());
        if error < above && above < 1.0 - error {
            return fit;
        }
        while u128::from(fit) * self.each > time {
            fit -= 1;
        }
        while fit < MAX_BATCHES && u128::from(fit + 1) * self.each <= time {
            fit += 1;
        }
        fit
    }

    /// As [`TimeModel::least_limit`].
    pub(crate) fn least_limit(&self, employed: u64, batches: u64) -> Option<Span> {
        if batches == 0 {
            return Some(Span::ZERO);
        }
        if batches > MAX_BATCHES {
            return None;
        }
        // What does not fit 128 bits is beyond 64 once it is divided.
        let moving = self.each.checked_mul(batches.into())?.div_ceil(self.scale);
        let nanos = u64::try_from(moving)
            .ok()?
            .checked_add(self.fixed(employed).nanos())?;
        Some(Span::from_nanos(nanos))
    }
}

fn saturated(nanos: u128) -> Span {
    Span::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn speed(batches: u64, nanos: u64) -> Speed {
        Speed::measured(batches, Span::from_nanos(nanos)).expect("valid")
    }

    /// T = 15 s, a model as long as 6.16 batches, a link of 9.25 and a processor of 25.1
    /// batches per second. DAB rounds 72.78 to 73, which takes 15.04 s.
    #[test]
    fn dabs_worked_example() {
        let link = Link {
            transfer: Span::from_nanos(2 * 6_160_000_000 * 100 / 925),
            latency: Span::ZERO,
            ship: Span::from_nanos(100_000_000_000 / 925),
        };
        for (passes, expected, one_more_takes) in [(1, 92, 15.09), (2, 72, 15.04)] {
            let time_model = TimeModel {
                passes,
                ships_each_cycle: true,
                ..TimeModel::COMPUTE
            };
            let cpu = speed(251, 10_000_000_000);
            let fitting = time_model.fitting(cpu, Margin::NONE, &link, 1, Span::from_secs(15));
            assert_eq!(fitting, expected);
            let more = time_model.time(cpu, &link, 1, fitting + 1).seconds_f64();
            assert!((more - one_more_takes).abs() < 0.006, "{more}");
        }
    }

    #[test]
    fn known_capacities() {
        let check = |time_model: TimeModel, speed, margin, seconds, expected| {
            let link = Link {
                transfer: Span::from_millis(300),
                latency: Span::from_millis(100),
                ship: Span::from_millis(1),
            };
            let limit = Span::from_millis(seconds);
            assert_eq!(time_model.fitting(speed, margin, &link, 4, limit), expected);
        };
        let third = speed(3, 1_000_000_000);
        let shared = |millis| TimeModel {
            own: Span::from_millis(100),
            shared: Span::from_millis(millis),
            ..TimeModel::COMPUTE
        };
        let thesis = TimeModel {
            capacity: CapacityModel::ComputeOnly,
            ..shared(1_000)
        };
        let twice = Margin::from_ppb(2_000_000_000);
        check(thesis, third, twice, 1_000, 3); // floats say 2.9999…
        check(shared(0), third, Margin::NONE, 1_500, 3); // fixed 0.5 s
        check(shared(0), third, Margin::NONE, 1_499, 2);
        check(shared(75), third, Margin::NONE, 1_500, 3); // 4 · 75 ms = the own link's 300
        check(shared(76), third, Margin::NONE, 1_500, 2);
        check(shared(0), third, twice, 1_500, 1);
        check(shared(0), third, Margin::NONE, 499, 0);
        check(shared(0), speed(1, 1), Margin::NONE, u64::MAX, MAX_BATCHES);
    }

    /// A speed that a scenario states is a measurement of 1,000,000 s, close to the longest that
    /// is taken: one four times slower must not become one that is 1.126 times slower.
    #[test]
    fn a_long_measurement_stretches_like_a_short_one() {
        let long = speed(928_000_000, 1_000_000 * 1_000_000_000);
        assert_eq!(long.stretched(4, 1).time_for(232), Span::from_secs(1));
        let longest = speed(1, MAX_NANOS);
        assert_eq!(longest.stretched(4, 1), longest);
        assert_eq!(speed(3, MAX_NANOS).stretched(100, 1), longest);
    }

    /// A large share that is trained many times over says how fast its worker is, too.
    #[test]
    fn more_batches_than_a_speed_holds_keep_their_ratio() {
        let of = |batches, passes, secs| Speed::of_passes(batches, passes, Span::from_secs(secs));
        assert_eq!(of(4, 3, 2), Some(speed(12, 2_000_000_000)));
        assert_eq!(
            of(MAX_BATCHES, 1, 1),
            Some(speed(MAX_BATCHES, 1_000_000_000))
        );
        let large = of(400_000_000, 1_000, 4_000).expect("400 batches in 4 s, a billion times");
        assert_eq!(large.time_for(100_000_000), Span::from_secs(1));
        assert_eq!(of(0, 3, 2), None);
        assert_eq!(of(3, 3, 0), None);
        assert_eq!(
            Speed::of_passes(u64::MAX, u64::MAX, Span::from_nanos(u64::MAX)),
            None
        );
    }

    fn service() -> impl Strategy<Value = LinkService> {
        prop::sample::select(LinkService::ALL)
    }

    proptest! {
        #[test]
        fn stretching_is_what_it_says(
            batches in 1..=MAX_BATCHES, nanos in 1..=MAX_NANOS, by in 1..10_000_000_u32,
        ) {
            let speed = speed(batches, nanos);
            let stretched = speed.stretched(by, 1_000);
            let wanted = nanos as f64 / batches as f64 * f64::from(by) / 1e3;
            let found = stretched.took().nanos() as f64 / stretched.batches() as f64;
            // A nanosecond of the measurement is lost, and no batch takes longer than the most.
            let wanted = wanted.min(MAX_NANOS as f64);
            let off = 2.0 / stretched.batches() as f64 + wanted * 1e-9;
            prop_assert!((found - wanted).abs() <= off, "{found}, expected {wanted}");
        }

        #[test]
        fn a_capacity_is_the_most_that_fits(
            batches in 1..=MAX_BATCHES, nanos in 1..=MAX_NANOS, passes in 1..=MAX_PASSES,
            transfer: u32, ship in 0..10_000_000_u64, shared in 0..1_000_000_u64, up in 0..1_000_000_u64,
            employed in 1..1000_u64, limit in 0..10_u64.pow(14), service in service(), ships_each_cycle: bool,
        ) {
            let time_model = TimeModel {
                passes, shared: Span::from_nanos(shared), shared_up: Span::from_nanos(up.min(shared)), service,
                ships_each_cycle, ..TimeModel::COMPUTE
            };
            let link = Link {
                transfer: Span::from_nanos(transfer.into()),
                ship: Span::from_nanos(ship),
                ..Link::default()
            };
            let (speed, limit) = (speed(batches, nanos), Span::from_nanos(limit));
            let fitting = time_model.fitting(speed, Margin::NONE, &link, employed, limit);
            let time = |batches| time_model.time(speed, &link, employed, batches);
            prop_assert!(fitting == 0 || time(fitting) <= limit);
            prop_assert!(fitting == MAX_BATCHES || time(fitting + 1) > limit);
        }

        #[test]
        fn a_least_limit_is_where_a_capacity_begins(
            batches in 1..=MAX_BATCHES, nanos in 1..=MAX_NANOS, ppb: u64, passes in 1..=MAX_PASSES,
            spans in [0..10_u64.pow(12), 0..10_u64.pow(12), 0..10_u64.pow(9), 0..10_u64.pow(9)],
            employed in 1..1000_u64, count in 1..=MAX_BATCHES, compute_only: bool,
            up in 0..10_u64.pow(9), service in service(), ships_each_cycle: bool,
        ) {
            let [transfer, latency, ship, shared] = spans.map(Span::from_nanos);
            let capacity = if compute_only { CapacityModel::ComputeOnly } else { CapacityModel::Full };
            let shared_up = shared.min(Span::from_nanos(up));
            let time_model = TimeModel { capacity, passes, shared, shared_up, service, ships_each_cycle, ..TimeModel::COMPUTE };
            let (link, speed) = (Link { transfer, latency, ship }, speed(batches, nanos));
            let margin = Margin::from_ppb(ppb);
            let fitting = |limit| time_model.fitting(speed, margin, &link, employed, limit);
            match time_model.least_limit(speed, margin, &link, employed, count) {
                Some(limit) => {
                    prop_assert!(fitting(limit) >= count);
                    prop_assert!(fitting(limit - Span::from_nanos(1)) < count);
                }
                None => prop_assert!(fitting(Span::from_nanos(u64::MAX)) < count),
            }
        }

        #[test]
        fn nothing_overflows(
            batches: u64, nanos: u64, ppb: u64, passes in 1..=MAX_PASSES, spans: [u64; 7],
            employed: u64, count: u64, service in service(), ships_each_cycle: bool,
        ) {
            let [transfer, latency, ship, own, shared, shared_up, limit] = spans.map(Span::from_nanos);
            let link = Link { transfer, latency, ship };
            let time_model = TimeModel { passes, own, shared, shared_up, service, ships_each_cycle, ..TimeModel::COMPUTE };
            let slot = time_model.slot(&link, Turn { place: count, of: employed });
            prop_assert!(slot.due <= slot.stop);
            let Some(speed) = Speed::measured(batches % MAX_BATCHES, Span::from_nanos(nanos >> 14))
            else { return Ok(()) };
            let fitting = time_model.fitting(speed, Margin::from_ppb(ppb), &link, employed, limit);
            prop_assert!(fitting <= MAX_BATCHES);
            let least = time_model.least_limit(speed, Margin::from_ppb(ppb), &link, employed, fitting);
            prop_assert!(least.is_some_and(|least| least <= limit));
            let time = time_model.time(speed, &link, employed, count);
            prop_assert!(time >= time_model.fixed(&link, employed));
            let count = count.min(MAX_BATCHES);
            let time = speed.time_for(count);
            // The longest time is no time: it only says that more are needed.
            prop_assert!(time.nanos() == u64::MAX || speed.batches_in(time) >= count);
        }
    }
}
