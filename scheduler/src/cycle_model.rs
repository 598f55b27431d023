//! How long a whole cycle takes, with all the workers at the orchestrator's link.
//!
//! [`TimeModel`] says what one worker needs at most, for a capacity. This says when the
//! *last* result has been taken in, for the time of a run, by what each worker computes: a worker
//! that is done early sends early, and two that are done together wait for each other. The model that results
//! make is evaluated before the next cycle. It depends on [how the link is served](LinkService):
//!
//! * *ordered*: parameters go out one at a time, to the worker that computes longest first, so that results
//!   become ready one after the other; those that are ready at once have equal parts of the link;
//! * *shared*: transfers under way have equal parts of the link, both ways;
//! * *last first*: parameters go out one at a time, to the last of the list first, and results are
//!   taken in one at a time as they come. On the recorded runs of the thesis program this comes
//!   nearer than fair sharing does.
//!
//! It is in `scheduler` because both modes predict how long a run will take before it starts, and
//! must predict the same.
//!
//! What it does not know: drift, jitter and faults of workers (it trusts benchmarks),
//! and the shipping of data before the first cycle.

use std::cmp::Reverse;
use std::collections::VecDeque;

use crate::service::LinkService;
use crate::time::Span;
use crate::time_model::{Link, Speed, TimeModel};
use serde::{Deserialize, Serialize};

/// What a cycle takes besides the workers' computing, as fitted on runs or measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CycleModel {
    /// Between the last result and the next cycle: merging, and the evaluation of the model.
    pub evaluation: Span,
    /// The parameters to one worker.
    pub down: Span,
    /// The parameters from one worker.
    pub up: Span,
    /// How the link serves them.
    #[serde(default = "last_first")]
    pub service: LinkService,
}

/// A worker that a plan employs, as it was known when the plan was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Employed {
    /// Its speed: a benchmark, or what was learnt.
    pub speed: Speed,
    /// Its own connection.
    pub link: Link,
    /// Its batches in a cycle.
    pub batches: u64,
}

/// What is predicted of a cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prediction {
    /// The whole cycle.
    pub cycle: Span,
    /// How long each employed worker computes.
    pub computes: Vec<Span>,
    /// When the result of each is taken in and evaluated, from the beginning of the cycle.
    pub through: Vec<Span>,
}

/// The service of files that do not say it.
const fn last_first() -> LinkService {
    LinkService::LastFirst
}

/// Binary digits of a nanosecond that a shared link's time is kept in.
const FRACTION: u32 = 32;

impl CycleModel {
    /// The one prediction: what a cycle takes by what was known when its plan was made. Every figure
    /// that is called predicted comes from here.
    ///
    /// Where a worker's own connection is the slower one, what it takes longer counts as its own
    /// time.
    pub fn predict(&self, time_model: &TimeModel, employed: &[Employed]) -> Prediction {
        let compute = |worker: &Employed| time_model.computing(worker.speed, worker.batches);
        let computes: Vec<Span> = employed.iter().map(compute).collect();
        let sharing = match self.service {
            LinkService::Shared => employed.len() as u64,
            LinkService::Ordered | LinkService::LastFirst => 1,
        };
        let beside = |worker: &Employed| {
            let link = &worker.link;
            let slower = link.transfer - (self.down + self.up) * sharing; // zero where it is not
            slower + link.latency + time_model.ship(link) * worker.batches
        };
        let own: Vec<Span> = employed
            .iter()
            .zip(&computes)
            .map(|(worker, &compute)| compute + beside(worker))
            .collect();
        // The order of service is by computing alone, as the state machine has it.
        let order = |at: usize| {
            let is_slow = time_model.is_slow(&employed[at].link);
            (is_slow, Reverse(computes[at]))
        };
        let through = self.served(&own, order).into_iter();
        let through: Vec<Span> = through.map(|at| self.evaluation + at).collect();
        Prediction {
            cycle: through.iter().copied().max().unwrap_or(self.evaluation),
            computes,
            through,
        }
    }

    /// The time of one cycle in which the employed workers, in the order of the orchestrator's
    /// list, compute for these times.
    pub fn cycle(&self, computes: &[Span]) -> Span {
        let last = self.taken_in(computes).into_iter().max();
        self.evaluation + last.unwrap_or_default()
    }

    /// When the result of each of them is taken in, in their order, from the beginning of the cycle.
    pub fn taken_in(&self, computes: &[Span]) -> Vec<Span> {
        self.served(computes, |at| (false, Reverse(computes[at])))
    }

    /// The same where an order goes by whether a worker's line [is slow](TimeModel::is_slow), and then by
    /// how long it computes. Slow lines are sent to at once, after all others.
    fn served(
        &self,
        computes: &[Span],
        order_of: impl Fn(usize) -> (bool, Reverse<Span>),
    ) -> Vec<Span> {
        let mut order: Vec<usize> = (0..computes.len()).collect();
        let in_turn = order.iter().filter(|at| !order_of(**at).0).count() as u64;
        match self.service {
            LinkService::Ordered => order.sort_by_key(|&at| order_of(at)),
            LinkService::LastFirst => order.reverse(),
            LinkService::Shared => {}
        }
        // When each result is ready, and its worker's place in the order.
        let ready = (1..).zip(&order).map(|(place, &at)| {
            let sent = match self.service {
                LinkService::Ordered => place.min(in_turn + 1),
                LinkService::LastFirst => place,
                LinkService::Shared => computes.len() as u64,
            };
            (self.down * sent + computes[at], place as usize - 1)
        });
        let mut ready: Vec<(Span, usize)> = ready.collect();
        match self.service {
            LinkService::LastFirst => {
                ready.sort_unstable_by_key(|&(ready, place)| (ready, Reverse(place)))
            }
            LinkService::Ordered | LinkService::Shared => ready.sort_unstable(),
        }
        let by_place = match self.service {
            LinkService::LastFirst => self.as_they_come(&ready),
            LinkService::Ordered | LinkService::Shared => self.together(&ready),
        };
        let mut taken_in = vec![Span::ZERO; computes.len()];
        for (&at, through) in order.iter().zip(by_place) {
            taken_in[at] = through;
        }
        taken_in
    }

    /// One at a time, the earliest first.
    fn as_they_come(&self, ready: &[(Span, usize)]) -> Vec<Span> {
        let mut through = vec![Span::ZERO; ready.len()];
        let mut now = Span::ZERO;
        for &(ready, place) in ready {
            now = now.max(ready) + self.up;
            through[place] = now;
        }
        through
    }

    /// All that are ready, each with an equal part of the link. As all are of one size, they are
    /// through in the order in which they became ready.
    fn together(&self, ready: &[(Span, usize)]) -> Vec<Span> {
        let mut through = vec![Span::ZERO; ready.len()];
        let (mut now, mut coming) = (0_u128, ready.iter().peekable());
        let fine = |span: Span| u128::from(span.nanos()) << FRACTION;
        // What each of those under way has been given so far, and when they are through by that.
        let (mut given, each) = (0_u128, fine(self.up));
        let mut under_way: VecDeque<(u128, usize)> = VecDeque::new();
        loop {
            let sharing = under_way.len() as u128;
            let ends = under_way
                .front()
                .map(|(until, _)| now.saturating_add((until - given).saturating_mul(sharing)));
            let begins = coming.peek().map(|(ready, _)| fine(*ready).max(now));
            let at = match (begins, ends) {
                (Some(begins), Some(ends)) => begins.min(ends),
                (Some(at), None) | (None, Some(at)) => at,
                (None, None) => return through,
            };
            given += (at - now).checked_div(sharing).unwrap_or(0);
            now = at;
            while let Some((_, place)) = under_way.front().filter(|(until, _)| *until <= given) {
                let nanos = (now + (1 << (FRACTION - 1))) >> FRACTION;
                through[*place] = Span::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
                under_way.pop_front();
            }
            while let Some((_, place)) = coming.next_if(|(ready, _)| fine(*ready) <= now) {
                under_way.push_back((given + each, *place));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn millis(values: &[u64]) -> Vec<Span> {
        values.iter().copied().map(Span::from_millis).collect()
    }

    fn cycle_model(evaluation: u64, down: u64, up: u64) -> CycleModel {
        let [evaluation, down, up] = [evaluation, down, up].map(Span::from_millis);
        CycleModel {
            evaluation,
            down,
            up,
            service: LinkService::LastFirst,
        }
    }

    fn services(cycle_model: CycleModel) -> [CycleModel; 3] {
        let with = |service| CycleModel {
            service,
            ..cycle_model
        };
        [
            with(LinkService::Ordered),
            with(LinkService::Shared),
            with(LinkService::LastFirst),
        ]
    }

    #[test]
    fn known_cycles() {
        let check = |computes: &[u64], expected| {
            let cycle = cycle_model(500, 100, 200).cycle(&millis(computes));
            assert_eq!(cycle, Span::from_millis(expected), "{computes:?}");
        };
        check(&[], 500);
        check(&[1_000], 500 + 100 + 1_000 + 200);
        // Ready at 1,200 and 600: the second is taken in by 800, the first by 1,400.
        check(&[1_000, 500], 500 + 1_400);
        // Ready at 700 and 1,100: the one that is sent to last has less to do.
        check(&[500, 1_000], 500 + 1_300);
        // Ready at 1,200 and 1,100: the first waits until 1,300.
        check(&[1_000, 1_000], 500 + 1_500);
        // Ready at 300, 200 and 100: a queue from the start, 100 + 3 · 200.
        check(&[0, 0, 0], 500 + 700);
        // Ready at 410, 300, 300 and 700: taken in by 500, 700, 900 and 1,100.
        check(&[10, 0, 100, 600], 500 + 1_100);
        let taken_in = cycle_model(500, 100, 200).taken_in(&millis(&[10, 0, 100, 600]));
        assert_eq!(taken_in, millis(&[900, 500, 700, 1_100]));
    }

    #[test]
    fn known_cycles_of_each_service() {
        let check = |computes: &[u64], expected: [&[u64]; 2]| {
            let [ordered, shared, _] = services(cycle_model(500, 100, 200));
            for (cycle_model, expected) in [ordered, shared].iter().zip(expected) {
                let taken_in = cycle_model.taken_in(&millis(computes));
                assert_eq!(taken_in, millis(expected), "{cycle_model:?}");
            }
        };
        check(&[1_000], [&[1_300], &[1_300]]);
        // Ordered: ready at 1,100 and 1,200. Of the first 100 are left then, and it shares until 1,400.
        // Shared: both at 1,200.
        check(&[1_000, 1_000], [&[1_400, 1_500], &[1_600, 1_600]]);
        // The second computes longer and comes first: ready at 1,100, the first at 700. Shared:
        // ready at 700 and 1,200, the first is through by 900.
        check(&[500, 1_000], [&[900, 1_300], &[900, 1_400]]);
        // Ordered: ready at 400, 500, 600. Of the first 50 are left when three share, and it is through at
        // 750; of the second 100 when two do. Shared: at 600, 600 and 600.
        check(&[300, 300, 300], [&[750, 950, 1_000], &[1_200; 3]]);
        // Ordered: ready at 900, 850 and 300; the last is through by 500, of the second 150 are left when the
        // first becomes ready. Shared: ready at 1,100, 950 and 300. Of the second 150 are
        // done by 1,100, 50 are left, and it is through at 1,200; of the first 50 are done then.
        check(&[800, 650, 0], [&[1_250, 1_200, 500], &[1_350, 1_200, 500]]);
    }

    proptest! {
        #[test]
        fn nothing_is_faster_with_more(
            computes in prop::collection::vec(0..5_000_u64, 1..12), at: prop::sample::Index,
            more in 0..5_000_u64, own in 0..999_u64, down in 0..999_u64, up in 0..999_u64,
        ) {
            let at = at.index(computes.len());
            for (service, time_model) in services(cycle_model(own, down, up)).into_iter().enumerate() {
                let mut computes = computes.clone();
                let before = time_model.cycle(&millis(&computes));
                for slower in [cycle_model(own + 1, down, up), cycle_model(own, down + 1, up), cycle_model(own, down, up + 1)] {
                    prop_assert!(services(slower)[service].cycle(&millis(&computes)) > before);
                }
                computes[at] += more;
                let after = time_model.cycle(&millis(&computes));
                prop_assert!(after >= before && after <= before + Span::from_millis(more), "{time_model:?}");
                computes.insert(at, more);
                prop_assert!(time_model.cycle(&millis(&computes)) >= after);
            }
        }

        /// Sharing is never quicker.
        #[test]
        fn an_order_is_never_slower_than_sharing(
            computes in prop::collection::vec(0..2_000_u64, 1..9),
            down in 0..400_u64, up in 0..400_u64,
        ) {
            let [ordered, shared, last_first] = services(cycle_model(0, down, up));
            let shared = shared.cycle(&millis(&computes));
            prop_assert!(ordered.cycle(&millis(&computes)) <= shared);
            prop_assert!(last_first.cycle(&millis(&computes)) <= shared);
        }

        /// A plan within the time model's capacities ends within its limit.
        #[test]
        fn it_keeps_what_the_time_model_promises(
            idle in prop::collection::vec(0..3_000_u64, 1..12), full in 0..12_usize,
            own in 0..500_u64, down in 0..500_u64, up in 1..500_u64, window in 0..5_000_u64,
        ) {
            for cycle_model in services(cycle_model(own, down, up)) {
                let time_model = TimeModel {
                    own: Span::from_millis(own),
                    shared: Span::from_millis(down + up),
                    shared_up: Span::from_millis(up),
                    service: cycle_model.service,
                    ..TimeModel::COMPUTE
                };
                let fixed = time_model.fixed(&Link::default(), idle.len() as u64);
                let limit = fixed + Span::from_millis(window);
                let computes = |idle: &[u64]| -> Vec<u64> {
                    idle.iter().map(|idle| window.saturating_sub(*idle)).collect()
                };
                prop_assert!(cycle_model.cycle(&millis(&computes(&idle))) <= limit, "{cycle_model:?}");
                // Where both ways take as long, with everybody busy to the end, nothing is left.
                let mut idle = idle.clone();
                idle.iter_mut().take(full).for_each(|idle| *idle = 0);
                let busy = cycle_model.cycle(&millis(&computes(&idle)));
                prop_assert!(busy <= limit);
                if full >= idle.len() && (down == up || cycle_model.service == LinkService::Shared) {
                    let is_tight = cycle_model.service != LinkService::LastFirst;
                    prop_assert!(!is_tight || busy == limit, "{cycle_model:?} {busy:?} {limit:?}");
                }
            }
        }

        #[test]
        fn a_cycle_lies_between_no_waiting_and_waiting_for_all(
            computes in prop::collection::vec(0..5_000_u64, 1..12),
            own in 0..999_u64, down in 0..999_u64, up in 0..999_u64,
        ) {
            for cycle_model in services(cycle_model(own, down, up)) {
            let cycle = cycle_model.cycle(&millis(&computes));
            let (employed, slowest) = (computes.len() as u64, computes.iter().max().copied().unwrap_or(0));
            prop_assert!(cycle >= Span::from_millis(own + down + slowest + up));
            prop_assert!(cycle <= Span::from_millis(own + slowest + (down + up) * employed));
            }
        }

        #[test]
        fn without_a_way_down_the_list_has_no_order(
            mut computes in prop::collection::vec(0..5_000_u64, 1..12), own in 0..999_u64, up in 0..999_u64,
        ) {
            let time_model = cycle_model(own, 0, up);
            let cycle = time_model.cycle(&millis(&computes));
            computes.reverse();
            prop_assert_eq!(time_model.cycle(&millis(&computes)), cycle);
        }

        #[test]
        fn nothing_overflows(computes: Vec<u64>, spans: [u64; 3]) {
            let [evaluation, down, up] = spans.map(Span::from_nanos);
            let computes: Vec<Span> = computes.into_iter().map(Span::from_nanos).collect();
            for service in LinkService::ALL.iter().copied() {
                let time_model = CycleModel { evaluation, down, up, service };
                prop_assert!(time_model.cycle(&computes) >= evaluation);
            }
        }
    }
}
