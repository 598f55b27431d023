//! Level shares: workers of the same fee are all done as early as can be.
//!
//! The quickest plan leaves open how workers share the batches who have more time than they need. The fee is the
//! same however those of one fee share them, so each such group is given the shares with which its last
//! member is done first. Nobody outside a group is touched.

use std::cmp::Reverse;

use crate::capacities::Capacities;
use crate::plan::Plan;
use crate::quickest::Fitted;
use crate::request::PlanRequest;
use crate::time::Span;

const STEP: Span = Span::from_nanos(1);

impl PlanRequest {
    /// A plan of the same fee in which workers with equal fees are done as early as can be.
    ///
    /// Where a link is shared, no more workers are employed, since everybody would have less time; nor
    /// where their number is limited. Where workers have terms, equal fees do not make equal costs, and
    /// the plan is left as it is.
    #[must_use]
    pub fn levelled(&self, plan: Fitted) -> Fitted {
        if self.terms().is_some() {
            return plan;
        }
        let mut places: Vec<usize> = (0..self.candidates().len()).collect();
        places.sort_by_key(|&place| self.candidates()[place].fee);
        let mut batches = plan.planned.plan.batches.clone();
        let group = Group {
            capacities: Capacities::new(self),
            employed: plan.employed,
            limit: plan.limit,
            lot: self.demand().1.max(1),
            may_grow: self.is_count_free(),
        };
        let same_fee =
            |a: &usize, b: &usize| self.candidates()[*a].fee == self.candidates()[*b].fee;
        for places in places.chunk_by(same_fee) {
            group.level(places, &mut batches);
        }
        let mut planned = plan.planned;
        planned.plan = Plan {
            batches,
            ..planned.plan
        };
        self.fitted(planned)
    }
}

/// What groups have in common.
struct Group<'a> {
    capacities: Capacities<'a>,
    employed: u64,
    limit: Span,
    lot: u64,
    may_grow: bool,
}

impl Group<'_> {
    fn level(&self, places: &[usize], batches: &mut [u64]) {
        let total: u64 = places.iter().map(|&place| batches[place]).sum();
        let least = places.iter().filter(|&&place| batches[place] > 0).count();
        if least == 0 || places.len() == 1 {
            return;
        }
        let most = if self.may_grow {
            usize::try_from(total / self.lot).unwrap_or(usize::MAX)
        } else {
            least
        };
        let mut able = Vec::new();
        let mut chosen_at = |limit| {
            able.clear();
            able.extend(places.iter().filter_map(|&place| {
                let s_max = self.at(place, limit).min(total);
                (s_max >= self.lot).then_some((Reverse(s_max), place))
            }));
            let count = able.len().min(most);
            if count < able.len() {
                able.select_nth_unstable(count);
            }
            let held: u64 = able[..count].iter().map(|(s_max, _)| s_max.0).sum();
            (count >= least && held >= total).then(|| able[..count].to_vec())
        };
        let at = least_limit(self.limit, |limit| chosen_at(limit).is_some());
        let Some(mut chosen) = chosen_at(at) else {
            return; // the plan does not fit its own limit
        };
        // Whose lot takes that long is settled; the others may be done earlier.
        chosen.sort_unstable_by_key(|&(_, place)| place);
        let share = |place, limit| self.at(place, limit).clamp(self.lot, total);
        let held = |limit| {
            chosen
                .iter()
                .map(|&(_, place)| share(place, limit))
                .sum::<u64>()
        };
        let at = match held(at - STEP) < total {
            true => at,
            false => least_limit(at, |limit| held(limit) >= total),
        };
        let mut missing = total - held(at - STEP);
        for &place in places {
            batches[place] = 0;
        }
        for &(_, place) in &chosen {
            let sooner = share(place, at - STEP);
            let last = (share(place, at) - sooner).min(missing);
            batches[place] = sooner + last;
            missing -= last;
        }
    }

    fn at(&self, place: usize, limit: Span) -> u64 {
        self.capacities.at(place, self.employed, limit)
    }
}

/// The least limit that is enough, if `enough` is.
fn least_limit(mut enough: Span, mut is_enough: impl FnMut(Span) -> bool) -> Span {
    let mut less = Span::ZERO;
    while enough > less + STEP {
        let middle = less + (enough - less) / 2;
        if is_enough(middle) {
            enough = middle;
        } else {
            less = middle;
        }
    }
    enough
}
