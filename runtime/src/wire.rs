//! What an error of the wire means for a conversation.
//!
//! **What it does not know:** who is to blame in the end; that is the scheduler's business.

use crate::net::NetError;

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The other side gave a transfer up, as it may.
    GivenUp,
    /// The connection is gone or of no use.
    Connection,
    /// The other side broke a rule.
    Rules,
}

/// What an error means.
pub(crate) const fn fault(error: &NetError) -> Fault {
    match error {
        NetError::Reset(_) => Fault::GivenUp,
        NetError::File(_)
        | NetError::Bind { .. }
        | NetError::Setup { .. }
        | NetError::Closed(_)
        | NetError::Broken => Fault::Connection,
        NetError::Malformed { .. } | NetError::TimedOut { .. } => Fault::Rules,
    }
}
