//! Data travels to the workers before they train on it.

use super::action::Action;
use super::record::{Ignored, Record};
use super::state::{Phase, Scheduler, ignore};
use crate::ids::{PlanId, SessionId, WorkerId};
use crate::reason::{Departure, Ending};

impl Scheduler {
    /// Ships what planned workers lack, then begins the cycle.
    pub(super) fn prepare(&mut self, out: &mut Vec<Action>) {
        let (ready, needed) = (self.planned_here(), self.needed());
        if ready < needed {
            return self.pause(Ending::BelowBeta { ready, needed }, out);
        }
        if self.config.time_model.ships_each_cycle {
            return self.begin_cycle(out);
        }
        let (mut waiting, mut batches) = (0, 0);
        let shares = self.plan.iter().flat_map(|plan| {
            let id = plan.row.plan;
            plan.shares.iter().map(move |share| (id, share))
        });
        for (plan, share) in shares {
            let Some(member) = self.members.get_mut(share.worker) else {
                continue;
            };
            // Under `static`, one that returned gets its old share again.
            if !member.is_ready() || member.held >= share.batches {
                continue;
            }
            member.share = share.batches;
            let new = share.batches - member.held;
            waiting += 1;
            batches += new;
            out.push(Action::Ship {
                worker: share.worker,
                session: member.session,
                plan,
                batches: share.batches,
                new,
            });
        }
        if waiting == 0 {
            return self.begin_cycle(out);
        }
        self.phase = Phase::Shipping {
            until: self.within_job(self.now + self.config.waits.ship),
            since: self.now,
            waiting,
            batches,
        };
        let shares = self.plan.iter().flat_map(|plan| &plan.shares);
        let planned: Vec<_> = shares.map(|share| share.worker).collect();
        for worker in planned {
            self.check(worker, out);
        }
    }

    pub(super) fn shipped(
        &mut self,
        worker: WorkerId,
        session: SessionId,
        plan: PlanId,
        batches: u64,
        out: &mut Vec<Action>,
    ) {
        if self.is_ended() {
            return;
        }
        let present = self.plan.as_ref().map(|plan| plan.row.plan);
        let member = match self.members.in_session(worker, session) {
            Ok(member) => member,
            Err(why) => return ignore(worker, session, why, out),
        };
        let Phase::Shipping { waiting, .. } = &mut self.phase else {
            return ignore(worker, session, Ignored::OutOfTime, out);
        };
        if present != Some(plan) {
            return ignore(worker, session, Ignored::OutOfTime, out);
        }
        if member.held >= member.share {
            return ignore(worker, session, Ignored::NotAsked, out);
        }
        member.held = member.held.max(batches.min(member.share));
        if member.held == member.share {
            *waiting -= 1;
        }
    }

    pub(super) fn data_shipped(&mut self, out: &mut Vec<Action>) {
        if let (Phase::Shipping { since, batches, .. }, Some(plan)) = (self.phase, &self.plan) {
            out.push(Action::Record(Record::Shipped {
                plan: plan.row.plan,
                since,
                batches,
            }));
        }
        self.look_at_checks();
        // Workers may have been lost or have slowed down meanwhile: looks at everything again.
        self.proceed(out);
    }

    /// Workers that still lack data are excluded; the others go on.
    pub(super) fn shipping_late(&mut self, out: &mut Vec<Action>) {
        let shares = self.plan.iter().flat_map(|plan| &plan.shares);
        let lacks = |worker: &WorkerId| {
            let member = self.members.get(*worker);
            member.is_some_and(|member| member.held < member.share)
        };
        let late: Vec<_> = shares.map(|share| share.worker).filter(lacks).collect();
        for worker in late {
            self.exclude(worker, Departure::ShipLate, out);
        }
    }
}
