//! Cancelling happenings without looking for them in the queue.

/// The present generation of something whose happenings may be cancelled.
///
/// What is scheduled carries the [`Stamp`] of its generation. To cancel everything that was
/// scheduled so far, the next generation is begun; when a happening of an earlier one comes up,
/// its stamp shows that it no longer counts. That costs one comparison, and nothing in the queue
/// has to be found or moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generation(u32);

/// Of which generation a happening is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(u32);

impl Generation {
    /// The stamp of what is scheduled now.
    pub const fn stamp(self) -> Stamp {
        Stamp(self.0)
    }

    /// Cancels what was scheduled, and gives the stamp of what is scheduled from now on.
    ///
    /// It wraps around after 2³² generations: no happening waits that long.
    pub const fn renew(&mut self) -> Stamp {
        self.0 = self.0.wrapping_add(1);
        Stamp(self.0)
    }

    /// Whether a happening still counts.
    pub fn is_current(self, stamp: Stamp) -> bool {
        self.stamp() == stamp
    }
}
