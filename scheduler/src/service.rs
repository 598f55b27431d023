//! What the orchestrator's link takes of a cycle, by how it serves the workers' transfers.
//!
//! One worker's parameters take `a` down and `b` up over the orchestrator's link alone, `s = a + b`,
//! and `t` over the worker's own line, the link included: `t ≥ s`. `w` workers are employed, results
//! are due at `T`, and `l` is the latency there and back. How much of `T` is left to a worker depends
//! on how the link is [served](LinkService). `own` is what the orchestrator itself needs.
//!
//! **Shared**: all transfers at once, so that each gets its part of the rate or what its own line
//! carries, whichever is less. Parameters are there and results are back after `max(t, w·s)` in all.
//!
//! **Ordered**: parameters go out one after the other, as [`CycleModel`](crate::CycleModel) orders
//! them, and the `k`-th has a slot of its own for its result: it ends `(w − k)·b` before `T`. Then
//!
//! ```text
//! fixed = own + l + w·max(a, b) + min(a, b)
//! ```
//!
//! *Proof.* First let no line be slower than the link, `t = s`. Worker `k` has its parameters after
//! `k·a`, and computes until its slot begins, `(w − k + 1)·b` before `T`. Together that is
//! `w·b + a + (k − 1)(a − b)`, which is largest for `k = 1` or for `k = w`: `w·max(a, b) + min(a, b)`.
//! Every result is back by `T`, in whatever way results that wait together share the link, as long
//! as it is never idle meanwhile: let it be busy from `r` without a break until after `T`. What it
//! carries then became ready at `r` or later, and is of slots that begin no earlier: of at most
//! `(T − r)/b` workers. That is work for `T − r`. ∎ So a worker that is early may send early, and one
//! that is lost leaves a gap and holds up nobody: slots are times. (It is the schedule of Beaumont,
//! Marchal, Rehn and Robert, *FIFO scheduling of divisible loads with return messages under the
//! one-port model*, 2006.)
//!
//! *Lines that are slower than the link.* Those that are slower by up to a quarter, `t ≤ 5/4·s`,
//! cannot be told from the link by measuring. They take their turns as well, and each of the terms above
//! is longer by `t/s`: if all lines were like this one, it would be the link. Slower ones (with `t`
//! divided in the ratio of `a` and `b` into `t_a` and `t_b`) would leave the link idle in their turns.
//! They come last, all at once, and send their results at any time:
//!
//! ```text
//! fixed = own + l + 5/4·(w − 1)·a + t_a + max(t_b, 5/4·w·b)
//! ```
//!
//! *Proof*, for turns that take no longer than the link does; if they take up to a quarter longer,
//! so does all that follows. With `v ≥ 1` slow ones, the others are sent to after `(w − v)·a`. From then on each gets at
//! least a `v`-th of the link or what its line carries: `(w − v)·a + max(t_a, v·a) ≤ (w − 1)·a + t_a`, as
//! `t_a > a`. On the way back, at most `w` share the link, so that `max(t_b, w·b)` is enough. The
//! others still have what they need: they keep the slots of the first `w − v`, so that of any last
//! `m·b` before `T` they take at most `(m − v)·b`, and `v·b` is left for the slow ones' results, which
//! is all of their work. ∎ So a slow line gains nothing from an order, and costs the others nothing.

use crate::named::named;
use crate::time::Span;

named! {
    /// How the orchestrator's link serves the transfers of a cycle.
    #[derive(Default)]
    pub enum LinkService {
        /// One after the other, who computes longest first, and each result in a slot of its own.
        Ordered = "ordered",
        /// All at once, each with an equal part of the rate.
        #[default]
        Shared = "shared",
        /// One after the other, the last of the list first, and results as they come, as the thesis
        /// program did. Capacities are those of a shared link.
        LastFirst = "last-first",
    }
}

/// A worker's turn at the orchestrator's link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its place in the order of service, from 1.
    pub place: u64,
    /// How many are served.
    pub of: u64,
}

/// What a turn means for a worker's time, latency included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// From the beginning of a cycle until the parameters are there, at most.
    pub down: Span,
    /// How long before results are over it stops computing,
    pub stop: Span,
    /// and its result is due.
    pub due: Span,
}

/// What one worker's parameters take over the orchestrator's link alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ways {
    pub(crate) down: Span,
    pub(crate) up: Span,
}

impl Ways {
    fn both(self) -> Span {
        self.down + self.up
    }

    /// The way down of a time for both ways; half of it if the link takes no time.
    fn part_down(self, both: Span) -> Span {
        let [all, down, shared] =
            [both, self.down, self.both()].map(|span| u128::from(span.nanos()));
        if shared == 0 {
            return both / 2;
        }
        rounded((all * down).div_ceil(shared))
    }
}

/// A line whose transfers take longer than this many times the link's own is slow.
const SLOW: (u64, u64) = (5, 4);

/// How long turns take at most.
fn at_most(turns: Span) -> Span {
    turns * SLOW.0 / SLOW.1
}

/// How a worker's connection uses the orchestrator's link.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Line {
    /// All transfers share it. What both ways take over the worker's own line, and over the link.
    Shares { own: Span, shared: Ways },
    /// One after the other, each longer by as much as its own line is slower, if it is.
    TakesTurns { own: Span, shared: Ways },
    /// All slow ones at once, after the others. What its parameters take each way over it alone.
    IsSlow { own: Ways, shared: Ways },
}

impl Line {
    /// The line of a worker whose parameters take `own` both ways over it.
    pub(crate) fn new(service: LinkService, shared: Ways, own: Span) -> Self {
        let in_turn = match service {
            LinkService::Ordered => shared.both() > Span::ZERO,
            LinkService::Shared | LinkService::LastFirst => false,
        };
        let [longer, most] = [(own, SLOW.1), (shared.both(), SLOW.0)]
            .map(|(span, times)| u128::from(span.nanos()) * u128::from(times));
        if !in_turn {
            Self::Shares { own, shared }
        } else if longer <= most {
            Self::TakesTurns { own, shared }
        } else {
            let down = shared.part_down(own);
            let up = own - down;
            let own = Ways { down, up };
            Self::IsSlow { own, shared }
        }
    }

    /// Whether it is served all at once with others of its kind, and not in turn.
    pub(crate) const fn is_slow(&self) -> bool {
        matches!(self, Self::IsSlow { .. })
    }

    /// Whether it is served alone, in its turn.
    pub(crate) const fn takes_turns(&self) -> bool {
        matches!(self, Self::TakesTurns { .. })
    }

    /// What the parameters take of a cycle, both ways, where that many workers are employed.
    pub(crate) fn transfers(&self, employed: u64) -> Span {
        match *self {
            Self::Shares { own, shared } => own.max(shared.both() * employed),
            Self::TakesTurns { own, shared } => {
                let Ways { down, up } = shared;
                stretched(down.max(up) * employed + down.min(up), own, shared)
            }
            Self::IsSlow { own, shared } => {
                at_most(shared.down * employed.saturating_sub(1))
                    + own.down
                    + own.up.max(at_most(shared.up * employed))
            }
        }
    }

    /// What a turn means for it, but for the latency.
    pub(crate) fn slot(&self, turn: Turn) -> Slot {
        let Turn { place, of } = turn;
        let behind = of.saturating_sub(place);
        match *self {
            Self::Shares { shared, .. } => {
                let all = self.transfers(of);
                let down = shared.part_down(all);
                Slot {
                    down,
                    stop: all - down,
                    due: Span::ZERO,
                }
            }
            Self::TakesTurns { own, shared } => {
                let turns = |turns| stretched(turns, own, shared);
                Slot {
                    down: turns(shared.down * place),
                    stop: turns(shared.up * (behind + 1)),
                    due: turns(shared.up * behind),
                }
            }
            Self::IsSlow { own, shared } => Slot {
                down: at_most(shared.down * of.saturating_sub(1)) + own.down,
                stop: own.up.max(at_most(shared.up * of)),
                due: Span::ZERO,
            },
        }
    }
}

/// Turns of a worker, by how much longer than over the orchestrator's link alone they take: at most by a
/// quarter.
fn stretched(turns: Span, own: Span, shared: Ways) -> Span {
    let link = shared.both();
    if own <= link {
        return turns;
    }
    let nanos = u128::from(turns.nanos()) * u128::from(own.nanos());
    rounded(nanos.div_ceil(link.nanos().into()))
}

fn rounded(nanos: u128) -> Span {
    Span::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
