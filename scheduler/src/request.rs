//! The problems behind one plan: capacities depend on how many workers share the orchestrator's
//! link, so that there is one problem for each number employed.
//!
//! A plan may employ any number of workers; if it employs at most `w`, each of them has at least
//! the capacity for `w`. So the answer is the cheapest over all pairs of a `w` and a plan of at
//! most `w` workers within the capacities for `w`, on ties the smaller `w`:
//! [`PlanRequest::cheapest`]. Nothing that helps can make it more expensive: not a worker more, not
//! a longer limit, not a faster or cheaper worker, since every pair that there was is still there.

use std::sync::Arc;

use crate::ids::WorkerId;
use crate::margin::Margin;
use crate::money::{Cost, Fee};
use crate::named::named;
use crate::outcome::{Outcome, Planned};
use crate::plan::Violation;
use crate::problem::{Problem, ProblemError, Worker};
use crate::terms::Terms;
use crate::time::Span;
use crate::time_model::{Link, Speed, TimeModel};
use serde::{Deserialize, Serialize};

/// A worker that a plan may employ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Who it is.
    pub worker: WorkerId,
    /// What one batch costs on it.
    pub fee: Fee,
    /// Its estimated speed.
    pub speed: Speed,
    /// What is added against error and jitter.
    pub margin: Margin,
    /// Its connection.
    pub link: Link,
    /// The most batches that it can hold.
    pub most: u64,
}

/// One problem for every number of employed workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanRequest {
    n: u64,
    s_min: u64,
    beta: u64,
    limit: Span,
    time_model: TimeModel,
    objective: Objective,
    budget: Option<Cost>,
    most_employed: u64,
    candidates: Vec<Candidate>,
    /// Of each candidate, if any has more than a fee per batch.
    terms: Option<Arc<[Terms]>>,
}

named! {
    /// What a plan is chosen by.
    #[derive(Default)]
    pub enum Objective {
        /// The least fee. Of several such plans, any.
        #[default]
        Cheapest = "cheapest",
        /// The least fee, and of such plans the one whose cycle takes the least time.
        CheapestThenQuickest = "cheapest-then-quickest",
        /// The least time of a cycle, and of such plans the cheapest.
        Quickest = "quickest",
    }
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanResponse {
    /// The number of employed workers that the capacities were taken for.
    pub employed: u64,
    /// The allocator's answer to the problem for that number.
    pub outcome: Outcome,
    /// How many problems were solved to find it.
    pub solves: u64,
}

impl PlanRequest {
    /// Hands out `n` batches within `limit`, at least `s_min` each, to at least `beta` workers.
    ///
    /// # Errors
    /// When a number lies out of a problem's bounds.
    pub fn new(
        (n, s_min, beta): (u64, u64, u64),
        limit: Span,
        time_model: TimeModel,
        candidates: Vec<Candidate>,
    ) -> Result<Self, ProblemError> {
        Problem::new(n, s_min, beta, Vec::new())?;
        if candidates.len() > crate::MAX_WORKERS {
            let count = candidates.len();
            return Err(ProblemError::TooManyWorkers { count });
        }
        Ok(Self {
            n,
            s_min,
            beta,
            limit,
            time_model,
            objective: Objective::Cheapest,
            budget: None,
            most_employed: u64::MAX,
            candidates,
            terms: None,
        })
    }

    /// The same question where the candidates are paid by these terms too.
    ///
    /// # Panics
    /// When there are not as many terms as candidates.
    #[must_use]
    pub fn with_terms(mut self, terms: Vec<Terms>) -> Self {
        let candidates = self.candidates.len();
        assert_eq!(terms.len(), candidates, "each candidate has its terms");
        self.terms = (!terms.iter().all(Terms::is_plain)).then(|| terms.into());
        self
    }

    /// What the candidates are paid beside a fee per batch; `None` if none is paid anything.
    pub fn terms(&self) -> Option<&[Terms]> {
        self.terms.as_deref()
    }

    /// The same question with another objective.
    #[must_use]
    pub const fn with_objective(mut self, objective: Objective) -> Self {
        self.objective = objective;
        self
    }

    /// The same question with a limit on what a cycle may cost.
    #[must_use]
    pub const fn with_budget(mut self, budget: Option<Cost>) -> Self {
        self.budget = budget;
        self
    }

    /// The most that a cycle may cost. [`PlanRequest::cheapest`] does not look at it.
    pub const fn budget(&self) -> Option<Cost> {
        self.budget
    }

    /// The same question with a limit on how many workers may be employed.
    #[must_use]
    pub const fn with_most_employed(mut self, most: u64) -> Self {
        self.most_employed = most;
        self
    }

    /// The numbers of employed workers that a plan may have: at least as many as must be, at most all.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let least = self.beta.max(1);
        let all = self.most_employed.min(self.candidates.len() as u64);
        (least, all.max(least))
    }

    /// Whether any number of workers may be employed, and how many are does not matter to any of them.
    pub(crate) fn is_count_free(&self) -> bool {
        self.most_employed == u64::MAX && !self.time_model.depends_on_employed()
    }

    /// What the plan is chosen by. [`PlanRequest::cheapest`] looks at the fee alone.
    pub const fn objective(&self) -> Objective {
        self.objective
    }

    /// The workers, in the order that plans follow.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// The time that a cycle has.
    pub const fn limit(&self) -> Span {
        self.limit
    }

    /// The time model.
    pub const fn time_model(&self) -> &TimeModel {
        &self.time_model
    }

    /// `(n, s_min, beta)`.
    pub const fn demand(&self) -> (u64, u64, u64) {
        (self.n, self.s_min, self.beta)
    }

    /// The same question with another demand.
    ///
    /// # Errors
    /// When a number lies out of a problem's bounds.
    pub fn with_demand(&self, demand: (u64, u64, u64)) -> Result<Self, ProblemError> {
        Self::new(demand, Span::ZERO, self.time_model, Vec::new())?;
        let (n, s_min, beta) = demand;
        Ok(Self {
            n,
            s_min,
            beta,
            ..self.clone()
        })
    }

    /// The same question within another limit.
    #[must_use]
    pub fn within(&self, limit: Span) -> Self {
        Self {
            limit,
            ..self.clone()
        }
    }

    /// The same question with more workers, who have a fee per batch.
    ///
    /// # Errors
    /// When they are too many.
    pub fn and(&self, more: &[Candidate]) -> Result<Self, ProblemError> {
        let candidates = [&self.candidates, more].concat();
        let mut asked = Self::new(self.demand(), self.limit, self.time_model, candidates)?;
        if let Some(terms) = self.terms() {
            let mut terms = terms.to_vec();
            terms.resize(asked.candidates.len(), Terms::PLAIN);
            asked = asked.with_terms(terms);
        }
        Ok(asked
            .with_objective(self.objective)
            .with_budget(self.budget)
            .with_most_employed(self.most_employed))
    }

    /// The problem with the capacities for this number of employed workers, and with that number as
    /// the most that a plan may employ.
    pub fn problem(&self, employed: u64) -> Problem {
        self.problem_within(employed, self.limit)
    }

    /// The same within another limit.
    pub fn problem_within(&self, employed: u64, limit: Span) -> Problem {
        let worker = |candidate: &Candidate| Worker {
            s_max: self.capacity(candidate, employed, limit),
            fee: candidate.fee,
        };
        let workers = self.candidates.iter().map(worker).collect();
        self.paid(
            Problem::new(self.n, self.s_min, self.beta, workers)
                .expect("the request's bounds were checked, and capacities are at most MAX_BATCHES")
                .with_most_employed(employed),
        )
    }

    /// The problem with the candidates' terms.
    pub(crate) fn paid(&self, problem: Problem) -> Problem {
        match &self.terms {
            None => problem,
            Some(terms) => problem.with_terms(Arc::clone(terms)),
        }
    }

    /// The least limit at which the worker at a place can take this number of batches, with its
    /// capacity for this number of employed workers; `None` if it never can.
    pub fn least_limit(&self, place: usize, employed: u64, batches: u64) -> Option<Span> {
        let Candidate {
            speed,
            margin,
            link,
            most,
            ..
        } = self.candidates.get(place)?;
        if batches > *most {
            return None;
        }
        self.time_model
            .least_limit(*speed, *margin, link, employed, batches)
    }

    /// Verifies the plan of a response in integers, and that it employs no more than stated.
    ///
    /// # Errors
    /// The first constraint that does not hold.
    pub fn verify(&self, employed: u64, planned: &Planned) -> Result<(), Violation> {
        planned.plan.verify(&self.problem(employed))
    }

    fn capacity(&self, candidate: &Candidate, employed: u64, limit: Span) -> u64 {
        let Candidate {
            speed,
            margin,
            link,
            most,
            ..
        } = candidate;
        self.time_model
            .fitting(*speed, *margin, link, employed, limit)
            .min(*most)
    }
}
