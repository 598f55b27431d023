//! When a plan is asked for, what becomes of the answer, and pauses.

use std::sync::Arc;

use super::action::Action;
use super::config::Replan;
use super::members::Member;
use super::question::{Adopted, PlannedShare, Solving};
use super::record::{PlanRow, Record, ShareRow, Trigger};
use super::state::{Phase, Scheduler};
use crate::estimate::Estimate;
use crate::ids::{CycleId, PlanId, WorkerId};
use crate::infeasible::Infeasible;
use crate::margin::Margin;
use crate::money::Cost;
use crate::outcome::Outcome;
use crate::reason::Ending;
use crate::request::{Candidate, Objective, PlanRequest, PlanResponse};
use crate::terms::Terms;
use crate::time::Span;

/// The most plans that are taken between two cycles: then the cycle runs with the last.
const MAX_PLANS_BETWEEN_CYCLES: u32 = 8;

/// Whether another plan is needed.
#[derive(Clone, Copy, Debug)]
enum Need {
    None,
    /// A cheaper one may have become possible.
    Better(Trigger),
    /// The present one does not hold.
    Must(Trigger),
}

impl Scheduler {
    /// Between two cycles, or before the first: decides what comes next.
    pub(super) fn proceed(&mut self, out: &mut Vec<Action>) {
        let remaining = self.cycles_left();
        if remaining == 0 {
            return self.finish(Ending::Completed, out);
        }
        if self.is_out_of_time() {
            return self.finish(Ending::OutOfTime { remaining }, out);
        }
        let (ready, needed) = (self.members.ready, self.needed());
        if ready < needed {
            if self.plan.is_none() && self.questions == 0 {
                return self.finish(Ending::TooFewWorkers { ready, needed }, out);
            }
            return self.pause(Ending::BelowBeta { ready, needed }, out);
        }
        let mut need = self.need();
        if let Some(proposal) = self.proposal.take()
            && self.is_wanted(&proposal, need)
        {
            self.adopt(proposal, out);
            need = self.need();
        }
        match need {
            Need::Must(trigger)
                if self.plan.is_none() || self.between.plans_taken < MAX_PLANS_BETWEEN_CYCLES =>
            {
                self.ask(trigger, true, out);
                self.phase = Phase::Planning;
            }
            Need::Better(trigger) => {
                // During the last cycle there is nothing left to plan for.
                if self.solving.is_none() && remaining > 1 {
                    self.ask(trigger, false, out);
                }
                self.prepare(out);
            }
            Need::None | Need::Must(_) => self.prepare(out),
        }
    }

    pub(super) fn solved(&mut self, plan: PlanId, response: &PlanResponse, out: &mut Vec<Action>) {
        // An answer to a question that was replaced, given up or never asked is no answer.
        let Some(solving) = self.solving.take_if(|solving| solving.id == plan) else {
            return;
        };
        self.last_solve = self.now.since(solving.since);
        match (self.examine(&solving, response), solving.required) {
            (Ok(adopted), false) => self.proposal = Some(adopted),
            (Ok(adopted), true)
                if solving.trigger == Trigger::Slower
                    && !self.holds(&adopted)
                    && self.planned_here() == self.planned() =>
            {
                // Shipping for it would take the time that it is to save: the old plan runs on.
                self.prepare(out);
            }
            (Ok(adopted), true) => {
                self.adopt(adopted, out);
                self.proceed(out);
            }
            (Err(why), _) => self.not_planned(&solving, why, out),
        }
    }

    pub(super) fn solver_late(&mut self, out: &mut Vec<Action>) {
        if let Some(solving) = self.solving.take() {
            self.not_planned(&solving, Ending::SolverLate, out);
        }
    }

    /// Waits for a worker to return, or ends the run if none may.
    pub(super) fn pause(&mut self, why: Ending, out: &mut Vec<Action>) {
        self.probe_idle(out);
        let missing = self.members.ready < u64::from(self.config.expect);
        if !missing && self.members.away + self.members.benchmarking == 0 && !self.is_probing() {
            return self.finish(why, out);
        }
        let until = match self.between.pause_until {
            Some(until) => until,
            None => {
                let until = self.within_job(self.now + self.config.waits.pause);
                self.between.pause_until = Some(until);
                out.push(Action::Record(Record::Paused { why, until }));
                until
            }
        };
        // A plan may have been tried for longer than the pause was to last.
        let until = until.max(self.now);
        self.phase = Phase::Paused { until, why };
    }

    fn need(&self) -> Need {
        let Some(plan) = &self.plan else {
            return Need::Must(Trigger::First);
        };
        let adaptive = match self.config.replan {
            Replan::Adaptive => true,
            Replan::Static => false,
        };
        if !adaptive && self.totals.first_cycle_at.is_some() {
            return Need::None;
        }
        if plan.shares.iter().any(|s| !self.members.is_ready(s.worker)) {
            return Need::Must(Trigger::Lost);
        }
        if !adaptive {
            return Need::None;
        }
        if !self.holds(plan) {
            return Need::Must(Trigger::Slower);
        }
        if self.arrived {
            return Need::Better(Trigger::Arrived);
        }
        let limit = self.cycle_limit(self.setup_time());
        let employed = plan.row.capacities_for;
        let faster = |(_, member, estimate): (WorkerId, &Member, &Estimate)| {
            let margin = estimate.margin(&self.config.margins);
            let capacity = self.capacity(member, estimate, margin, employed, limit);
            capacity
                > member
                    .asked_capacity
                    .saturating_add(member.asked_capacity / 8)
        };
        if self.members.ready().any(faster) {
            return Need::Better(Trigger::Faster);
        }
        Need::None
    }

    /// The least time until every worker holds its share of a plan.
    fn shipping_time(&self, plan: &Adopted) -> Span {
        if self.config.time_model.ships_each_cycle {
            return Span::ZERO;
        }
        let (mut all, mut longest) = (0, Span::ZERO);
        for share in &plan.shares {
            if let Some(member) = self.members.get(share.worker) {
                let lacking = share.batches.saturating_sub(member.held);
                all += lacking;
                longest = longest.max(member.profile.link.ship * lacking);
            }
        }
        longest.max(self.config.time_model.shared_ship * all)
    }

    /// Whether every worker of the plan can train its share in the time that is left once it holds
    /// its data.
    fn holds(&self, plan: &Adopted) -> bool {
        let limit = self.cycle_limit(self.shipping_time(plan));
        let employed = plan.row.capacities_for;
        plan.shares.iter().all(|share| {
            let member = self.members.get(share.worker);
            let known = member.and_then(|member| Some((member, member.estimate()?)));
            known.is_some_and(|(member, estimate)| {
                let keep = estimate.keep(&self.config.margins);
                self.capacity(member, estimate, keep, employed, limit) >= share.batches
            })
        })
    }

    fn is_wanted(&self, proposal: &Adopted, need: Need) -> bool {
        let wanted = match need {
            Need::Must(_) => true,
            Need::None | Need::Better(_) => self.is_better(proposal),
        };
        wanted && self.holds(proposal)
    }

    /// Whether a proposal is better than the present plan, by the objective.
    fn is_better(&self, proposal: &Adopted) -> bool {
        let Some(plan) = &self.plan else {
            return true;
        };
        let (cost, present) = (proposal.row.cost, plan.row.cost);
        let (takes, takes_now) = (self.takes(proposal), self.takes(plan));
        // What the cycles to come save must be more than what it takes to move batches.
        let saved = (takes_now - takes) * u64::from(self.cycles_left());
        let is_quicker = saved > self.shipping_time(proposal);
        match self.config.objective {
            Objective::Cheapest => cost < present,
            Objective::CheapestThenQuickest => cost < present || cost == present && is_quicker,
            Objective::Quickest => is_quicker || takes <= takes_now && cost < present,
        }
    }

    /// How long the last of a plan takes for its share, as capacities have it.
    fn takes(&self, plan: &Adopted) -> Span {
        let employed = plan.row.capacities_for;
        let takes = |share: &PlannedShare| {
            let member = self.members.get(share.worker)?;
            let estimate = member.estimate()?;
            self.config.time_model.least_limit(
                estimate.speed(),
                estimate.margin(&self.config.margins),
                &member.profile.link,
                employed,
                share.batches,
            )
        };
        plan.shares
            .iter()
            .filter_map(takes)
            .max()
            .unwrap_or_default()
    }

    fn ask(&mut self, trigger: Trigger, required: bool, out: &mut Vec<Action>) {
        self.questions = self.questions.wrapping_add(1);
        let id = PlanId::new(self.questions);
        let limit = self.cycle_limit(self.setup_time());
        let employed = match &self.plan {
            Some(plan) => plan.row.capacities_for,
            None => self.needed(),
        };
        let mut candidates = Vec::with_capacity(self.members.ready as usize);
        let mut capacities = Vec::with_capacity(self.members.ready as usize);
        let mut terms = Vec::new(); // of all, or of none
        for (worker, member, estimate) in self.members.ready() {
            let margin = estimate.margin(&self.config.margins);
            capacities.push(self.capacity(member, estimate, margin, employed, limit));
            let mut fee = member.profile.fee;
            if let Some(tariff) = &member.profile.tariff {
                terms.resize(candidates.len(), Terms::PLAIN);
                let passes = self.config.time_model.passes;
                let (raised, its) = tariff.at(fee, estimate.speed(), passes, self.usual_limit());
                fee = raised;
                terms.push(its);
            }
            candidates.push(Candidate {
                worker,
                fee,
                speed: estimate.speed(),
                margin,
                link: member.profile.link,
                most: member.profile.most,
            });
        }
        for (candidate, capacity) in candidates.iter().zip(capacities) {
            if let Some(member) = self.members.get_mut(candidate.worker) {
                member.asked_capacity = capacity;
            }
        }
        let demand = (self.config.batches, self.config.s_min, self.config.beta);
        terms.resize(candidates.len(), Terms::PLAIN);
        let request = PlanRequest::new(demand, limit, self.config.time_model, candidates)
            .expect("the configuration was checked, and bounds the number of workers")
            .with_objective(self.config.objective)
            .with_terms(terms)
            .with_budget(self.money_per_cycle());
        let request = Arc::new(request);
        self.arrived = false;
        self.solving = Some(Solving {
            id,
            trigger,
            request: Arc::clone(&request),
            since: self.now,
            until: self.within_job(self.now + self.config.waits.solve),
            required,
        });
        out.push(Action::Solve { plan: id, request });
    }

    /// What each cycle to come may cost, so that the money lasts for all. A running one costs no more.
    fn money_per_cycle(&self) -> Option<Cost> {
        let cycles = u128::from(self.cycles_left().max(1));
        let left = self.money_left()?;
        Some(Cost::from_micros(left.micros() / cycles))
    }

    /// Time of the job that will be gone before a plan that is asked for now is in force: that
    /// of the last question, and the shipping of what no worker holds.
    fn setup_time(&self) -> Span {
        if self.config.time_model.ships_each_cycle {
            return self.last_solve;
        }
        let shares = self.plan.iter().flat_map(|plan| &plan.shares);
        let members = shares.filter_map(|share| self.members.get(share.worker));
        let held: u64 = members.map(|member| member.held).sum();
        let lacking = self.config.batches.saturating_sub(held) + self.excess();
        self.last_solve + self.config.time_model.shared_ship * lacking
    }

    /// Batches of the present plan that their workers cannot train in time: at least these must move.
    fn excess(&self) -> u64 {
        let Some(plan) = &self.plan else {
            return 0;
        };
        let limit = self.cycle_limit(Span::ZERO);
        let excess = |share: &PlannedShare| {
            let member = self.members.get(share.worker)?;
            let estimate = member.estimate()?;
            let keep = estimate.keep(&self.config.margins);
            let capacity = self.capacity(member, estimate, keep, plan.row.capacities_for, limit);
            Some(share.batches.saturating_sub(capacity))
        };
        plan.shares.iter().filter_map(excess).sum()
    }

    fn capacity(
        &self,
        member: &Member,
        estimate: &Estimate,
        margin: Margin,
        employed: u64,
        limit: Span,
    ) -> u64 {
        let Member { profile, .. } = member;
        let time_model = &self.config.time_model;
        time_model
            .fitting(estimate.speed(), margin, &profile.link, employed, limit)
            .min(profile.most)
    }

    /// Trusts nothing: the plan is verified against the question that was asked.
    fn examine(&self, solving: &Solving, response: &PlanResponse) -> Result<Adopted, Ending> {
        let planned = match &response.outcome {
            Outcome::Planned(planned) => planned,
            Outcome::Infeasible(why) => return Err(Ending::Infeasible(*why)),
            Outcome::Failed(failure) => return Err(Ending::SolverFailed(failure.reason)),
        };
        let request = &solving.request;
        request
            .verify(response.employed, planned)
            .map_err(Ending::PlanRejected)?;
        if let Some(budget) = request
            .budget()
            .filter(|&budget| planned.plan.cost > budget)
        {
            let least = planned.plan.cost;
            let why = Infeasible::InsufficientBudget { least, budget };
            return Err(Ending::Infeasible(why));
        }
        let problem = request.problem(response.employed);
        let terms_of = |place: usize| problem.terms().map(|terms| &terms[place]);
        let given = request.candidates().iter().zip(&planned.plan.batches);
        let rows: Vec<_> = given
            .enumerate()
            .map(|(place, (candidate, &batches))| ShareRow {
                plan: solving.id,
                worker: candidate.worker,
                fee: candidate.fee,
                speed: candidate.speed,
                s_max: problem.workers()[place].s_max,
                batches,
                charge: terms_of(place).map_or(Cost::ZERO, |terms| terms.charge),
                tiers: terms_of(place).map_or(Vec::new(), |terms| terms.tiers.clone()),
                least: terms_of(place).map_or(0, |terms| terms.least),
                cost: problem.cost_of(place, batches),
                transfer: candidate.link.transfer,
                latency: candidate.link.latency,
                ship: candidate.link.ship,
            })
            .collect();
        let employed = rows.iter().enumerate().filter(|(_, row)| row.batches > 0);
        let shares: Vec<_> = employed
            .map(|(place, row)| PlannedShare {
                worker: row.worker,
                batches: row.batches,
                fee: row.fee,
                terms: terms_of(place)
                    .filter(|terms| !terms.is_plain())
                    .map(|terms| Arc::new(terms.clone())),
            })
            .collect();
        Ok(Adopted {
            row: PlanRow {
                plan: solving.id,
                trigger: solving.trigger,
                cycle: CycleId::new(0), // known when it is taken
                solve: self.last_solve,
                limit: request.limit(),
                candidates: request.candidates().len() as u64,
                workers_employed: shares.len() as u64,
                capacities_for: response.employed,
                cost: planned.plan.cost,
                status: planned.status,
                lower_bound: planned.lower_bound,
                certificate: planned.certificate,
                moved: 0,
            },
            shares,
            rows,
        })
    }

    fn not_planned(&mut self, solving: &Solving, why: Ending, out: &mut Vec<Action>) {
        out.push(Action::Record(Record::NotPlanned {
            plan: solving.id,
            trigger: solving.trigger,
            why,
            solve: self.now.since(solving.since),
        }));
        if !solving.required {
            return;
        }
        let remaining = self.cycles_left();
        match (why, solving.trigger) {
            (Ending::PlanRejected(_), _) => self.finish(why, out), // a bug of ours
            _ if self.is_out_of_time() => self.finish(Ending::OutOfTime { remaining }, out),
            _ if self.arrived => self.proceed(out), // ask again, with those that came meanwhile
            (Ending::Infeasible(infeasible), _)
                if infeasible.is_of_capacities() && self.measure_again(out) => {}
            (_, Trigger::Slower) if self.planned_here() == self.planned() => {
                // A slowdown is an estimate, and every worker is here: the old plan runs on, and
                // what is late is lost. If the estimate was right, so be it.
                self.prepare(out);
            }
            _ => self.pause(why, out),
        }
    }

    /// Puts a plan in force. Every worker keeps the first of the batches that it holds; the rest
    /// moves to other workers.
    fn adopt(&mut self, mut plan: Adopted, out: &mut Vec<Action>) {
        let old = self.plan.take();
        for share in old.iter().flat_map(|plan| &plan.shares) {
            if let Some(member) = self.members.get_mut(share.worker) {
                member.share = 0;
            }
        }
        let mut lacking = 0;
        for share in &plan.shares {
            if let Some(member) = self.members.get_mut(share.worker)
                && member.is_ready()
            {
                member.share = share.batches;
                member.held = member.held.min(share.batches);
                lacking += share.batches - member.held;
            }
        }
        for share in old.iter().flat_map(|plan| &plan.shares) {
            if let Some(member) = self.members.get_mut(share.worker) {
                member.held = member.held.min(member.share);
            }
        }
        plan.row.cycle = self.cycle.id;
        plan.row.moved = if old.is_some() { lacking } else { 0 };
        self.totals.moved += plan.row.moved;
        self.totals.plans = self.totals.plans.saturating_add(1);
        self.between.plans_taken += 1;
        out.push(Action::Record(Record::Planned(plan.row)));
        let rows = std::mem::take(&mut plan.rows);
        out.extend(
            rows.into_iter()
                .map(|row| Action::Record(Record::Share(row))),
        );
        self.plan = Some(plan);
    }

    fn is_probing(&self) -> bool {
        self.members.ready().any(|(_, member, _)| member.probing)
    }

    pub(super) fn planned(&self) -> u64 {
        self.plan
            .as_ref()
            .map_or(0, |plan| plan.shares.len() as u64)
    }

    /// Planned workers that are here.
    pub(super) fn planned_here(&self) -> u64 {
        let shares = self.plan.iter().flat_map(|plan| &plan.shares);
        shares.filter(|s| self.members.is_ready(s.worker)).count() as u64
    }
}
