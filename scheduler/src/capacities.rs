//! The capacities of a request's workers at any limit and for any number of employed workers: what
//! does not depend on these is worked out once.

use crate::infeasible::enough_largest;
use crate::problem::{Problem, Worker};
use crate::request::PlanRequest;
use crate::time::Span;
use crate::time_model::Pace;

pub(crate) struct Capacities<'a> {
    request: &'a PlanRequest,
    paces: Vec<Pace>,
}

impl<'a> Capacities<'a> {
    pub(crate) fn new(request: &'a PlanRequest) -> Self {
        let paces = request.candidates().iter().map(|candidate| {
            let time_model = request.time_model();
            time_model.pace(candidate.speed, candidate.margin, &candidate.link)
        });
        Self {
            request,
            paces: paces.collect(),
        }
    }

    /// The most that the worker at a place can take.
    pub(crate) fn at(&self, place: usize, employed: u64, limit: Span) -> u64 {
        let fits = self.paces[place].fitting(employed, limit);
        fits.min(self.request.candidates()[place].most)
    }

    /// The least limit at which the worker at a place can take this number of batches.
    pub(crate) fn least_limit(&self, place: usize, employed: u64, batches: u64) -> Option<Span> {
        let can = batches <= self.request.candidates()[place].most;
        can.then(|| self.paces[place].least_limit(employed, batches))?
    }

    /// About how many batches more a nanosecond more is good for.
    pub(crate) fn rate(&self, place: usize) -> f64 {
        self.paces[place].rate()
    }

    /// The problem with these capacities, and with that number as the most that may be employed.
    pub(crate) fn problem(&self, employed: u64, limit: Span) -> Problem {
        let candidates = self.request.candidates().iter().enumerate();
        let worker = |(place, candidate): (usize, &crate::Candidate)| Worker {
            s_max: self.at(place, employed, limit),
            fee: candidate.fee,
        };
        let (n, s_min, beta) = self.request.demand();
        self.request.paid(
            Problem::new(n, s_min, beta, candidates.map(worker).collect())
                .expect("the request's bounds were checked, and capacities are at most MAX_BATCHES")
                .with_most_employed(employed),
        )
    }

    /// The first limit after this one at which some worker can take more that can matter.
    pub(crate) fn next(&self, employed: u64, limit: Span) -> Span {
        let n = self.request.demand().0;
        let next = |place| {
            let now = self.at(place, employed, limit);
            let more = (now < n).then_some(now + 1)?;
            self.least_limit(place, employed, more)
        };
        let next = (0..self.paces.len()).filter_map(next).min();
        next.unwrap_or(Span::from_nanos(u64::MAX))
    }

    /// The least number of workers, from `least` on, of whom the largest hold the data: there is no plan for
    /// fewer, since each more leaves all of them less.
    pub(crate) fn fewest(&self, mut least: u64, limit: Span) -> u64 {
        let (n, s_min, _) = self.request.demand();
        loop {
            let all = 0..self.paces.len();
            let capacities = all.map(|place| self.at(place, least, limit));
            let mut able: Vec<u64> = capacities.filter(|&most| most >= s_min.max(1)).collect();
            let needed = enough_largest(&mut able, n);
            if needed <= least {
                return least;
            }
            least = needed;
        }
    }

    /// How many of the cheapest that can take a lot hold the data, with the capacities for this number
    /// of employed workers. `by_fee` has their places, the cheapest first.
    pub(crate) fn cheapest_that_hold(
        &self,
        by_fee: &[usize],
        employed: u64,
        limit: Span,
    ) -> Option<u64> {
        let (n, s_min, _) = self.request.demand();
        let (mut held, mut count) = (0, 0);
        for &place in by_fee {
            let s_max = self.at(place, employed, limit);
            if s_max >= s_min.max(1) {
                held += s_max;
                count += 1;
                if held >= n {
                    return Some(count);
                }
            }
        }
        None
    }
}
