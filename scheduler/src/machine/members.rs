//! Who is here, and what is known of each.

use crate::benchmark::Rounds;
use crate::estimate::Estimate;
use crate::ids::{SessionId, WorkerId};
use crate::machine::event::Profile;
use crate::machine::record::Ignored;
use crate::time::Instant;

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) profile: Profile,
    pub(crate) session: SessionId,
    pub(crate) standing: Standing,
    /// Batches that it holds of its share.
    pub(crate) held: u64,
    pub(crate) share: u64,
    /// Where its order of the running cycle stands.
    pub(crate) assignment: Option<usize>,
    /// What it could take when the allocator was last asked.
    pub(crate) asked_capacity: u64,
    /// Batches of the round that it was last asked to measure.
    pub(crate) round: u64,
    /// It measures, or measured, a second time, since with the first result there was no plan.
    pub(crate) again: bool,
    /// An idle worker that seems slow is measuring again.
    pub(crate) probing: bool,
    /// Since when it measures again while data travels.
    pub(crate) checked_since: Option<Instant>,
    /// Results refused, over all its sessions.
    pub(crate) refusals: u8,
    /// Late results in a row.
    pub(crate) lates: u8,
}

/// A benchmark under way.
#[derive(Debug, Default)]
pub(crate) struct Benchmark {
    pub(crate) rounds: Rounds,
    /// When the first round came in.
    pub(crate) since: Option<Instant>,
}

#[derive(Debug)]
pub(crate) enum Standing {
    /// Gone; may return.
    Away,
    /// Gone; may not.
    Quarantined,
    /// Being measured.
    Benchmarking(Benchmark),
    /// Can be planned with.
    Ready(Estimate),
}

impl Member {
    pub(crate) const fn estimate(&self) -> Option<&Estimate> {
        match &self.standing {
            Standing::Ready(estimate) => Some(estimate),
            Standing::Away | Standing::Quarantined | Standing::Benchmarking(_) => None,
        }
    }

    pub(crate) const fn is_ready(&self) -> bool {
        self.estimate().is_some()
    }

    fn may_measure_again(&self) -> bool {
        !self.again && self.estimate().is_some_and(Estimate::is_benchmark)
    }

    const fn is_here(&self) -> bool {
        match self.standing {
            Standing::Ready(_) | Standing::Benchmarking(_) => true,
            Standing::Away | Standing::Quarantined => false,
        }
    }
}

/// All workers that were ever admitted, and how many stand where.
#[derive(Debug, Default)]
pub(crate) struct Members {
    slots: Vec<Option<Member>>,
    pub(crate) ready: u64,
    pub(crate) benchmarking: u64,
    pub(crate) away: u64,
    last_session: u32,
}

impl Members {
    /// One more than the largest number ever admitted.
    pub(crate) fn len(&self) -> u32 {
        self.slots.len() as u32 // at most MAX_WORKERS
    }

    pub(crate) fn get(&self, worker: WorkerId) -> Option<&Member> {
        self.slots.get(worker.index())?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, worker: WorkerId) -> Option<&mut Member> {
        self.slots.get_mut(worker.index())?.as_mut()
    }

    /// The member, if it is here and in this session.
    pub(crate) fn in_session(
        &mut self,
        worker: WorkerId,
        session: SessionId,
    ) -> Result<&mut Member, Ignored> {
        match self.get_mut(worker) {
            Some(member) if member.session != session => Err(Ignored::StaleSession),
            Some(member) if member.is_here() => Ok(member),
            Some(_) | None => Err(Ignored::NotAMember),
        }
    }

    pub(crate) fn is_here(&self, worker: WorkerId) -> bool {
        self.get(worker).is_some_and(Member::is_here)
    }

    pub(crate) fn is_ready(&self, worker: WorkerId) -> bool {
        self.get(worker).is_some_and(Member::is_ready)
    }

    /// Those that can be planned with, by number.
    pub(crate) fn ready(&self) -> impl Iterator<Item = (WorkerId, &Member, &Estimate)> {
        (0..).zip(&self.slots).filter_map(|(id, slot)| {
            let member = slot.as_ref()?;
            Some((WorkerId::new(id), member, member.estimate()?))
        })
    }

    /// Begins a session of a worker that is not here. Returns the session, and whether the worker was
    /// here before.
    pub(crate) fn admit(&mut self, worker: WorkerId, profile: Profile) -> (SessionId, bool) {
        if worker.index() >= self.slots.len() {
            self.slots.resize_with(worker.index() + 1, || None);
        }
        self.last_session = self.last_session.wrapping_add(1);
        let session = SessionId::new(self.last_session);
        self.benchmarking += 1;
        let slot = &mut self.slots[worker.index()];
        let returned = slot.is_some();
        if returned {
            self.away -= 1;
        }
        *slot = Some(Member {
            profile,
            session,
            standing: Standing::Benchmarking(Benchmark::default()),
            held: 0,
            share: 0,
            assignment: None,
            asked_capacity: 0,
            round: 0,
            again: false,
            probing: false,
            checked_since: None,
            refusals: slot.as_ref().map_or(0, |member| member.refusals),
            lates: 0,
        });
        (session, returned)
    }

    /// A member's benchmark is done.
    pub(crate) fn settle(&mut self, worker: WorkerId, estimate: Estimate) {
        let slot = self.slots.get_mut(worker.index());
        let Some(member) = slot.and_then(Option::as_mut) else {
            return;
        };
        if let Standing::Benchmarking(_) = member.standing {
            self.benchmarking -= 1;
            self.ready += 1;
        }
        member.standing = Standing::Ready(estimate);
    }

    /// Whether there is one that has measured itself once, and was not seen in a cycle.
    pub(crate) fn may_measure_again(&self) -> bool {
        self.ready()
            .any(|(_, member, _)| member.may_measure_again())
    }

    /// A member that is ready measures itself a second time; its session.
    pub(crate) fn measure_again(&mut self, worker: WorkerId) -> Option<SessionId> {
        let slot = self.slots.get_mut(worker.index())?.as_mut();
        let member = slot.filter(|member| member.may_measure_again())?;
        member.again = true;
        member.standing = Standing::Benchmarking(Benchmark::default());
        (self.ready, self.benchmarking) = (self.ready - 1, self.benchmarking + 1);
        Some(member.session)
    }

    /// Bars a worker that is away from returning.
    pub(crate) fn quarantine(&mut self, worker: WorkerId) {
        let slot = self.slots.get_mut(worker.index());
        if let Some(member) = slot.and_then(Option::as_mut)
            && let Standing::Away = member.standing
        {
            self.away -= 1;
            member.standing = Standing::Quarantined;
        }
    }

    /// Ends the session of a worker that is here.
    pub(crate) fn depart(&mut self, worker: WorkerId, for_good: bool) {
        let slot = self.slots.get_mut(worker.index());
        let Some(member) = slot.and_then(Option::as_mut) else {
            return;
        };
        match member.standing {
            Standing::Benchmarking(_) => self.benchmarking -= 1,
            Standing::Ready(_) => self.ready -= 1,
            Standing::Away | Standing::Quarantined => return,
        }
        (member.held, member.share, member.probing) = (0, 0, false);
        member.checked_since = None;
        member.standing = if for_good {
            Standing::Quarantined
        } else {
            self.away += 1;
            Standing::Away
        };
    }
}
