//! Why an orchestrator does not admit a worker.

use quinn::VarInt;

/// Why a worker is not admitted. It is sent as the code with which the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum JoinRefusal {
    /// Not on the allow-list, and without a token.
    #[error(
        "this worker's key is not on the orchestrator's list: start it with `--join TOKEN`, \
         which `runtime token` prints there"
    )]
    Unknown,
    /// The key was on the list and has been revoked.
    #[error(
        "this worker's key was revoked: to come back it needs a new key (move the old one \
         away) and a new token"
    )]
    Revoked,
    /// No such token, or a proof that does not match it.
    #[error(
        "the token is not one that this orchestrator gave out: ask for a new one, which `runtime \
         token` prints there"
    )]
    BadProof,
    /// The token has expired.
    #[error("the token has expired: ask for a new one, which `runtime token` prints there")]
    Expired,
    /// The token has admitted all the workers that it was made for.
    #[error("the token is used up: ask for a new one, which `runtime token` prints there")]
    UsedUp,
    /// The first message did not arrive in time.
    #[error("the first message did not come in time")]
    TimedOut,
    /// The first message is not what it should be.
    #[error("the first message is malformed or too long")]
    Malformed,
    /// Too many wrong proofs came from this address.
    #[error("too many failed tries from this address: wait a minute")]
    RateLimited,
    /// Another worker on the list has the name.
    #[error(
        "another worker on the orchestrator's list has this name: give this one a --name of its own, or \
         revoke the other there"
    )]
    NameTaken,
    /// The orchestrator cannot decide.
    #[error("the orchestrator cannot read or write its allow-list: see its log")]
    Internal,
}

impl JoinRefusal {
    const ALL: [Self; 10] = [
        Self::Unknown,
        Self::Revoked,
        Self::BadProof,
        Self::Expired,
        Self::UsedUp,
        Self::TimedOut,
        Self::Malformed,
        Self::RateLimited,
        Self::Internal,
        Self::NameTaken,
    ];
    const FIRST_CODE: u32 = 0x10;

    /// Whether the same worker with the same token may be admitted later.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::TimedOut | Self::RateLimited | Self::Internal)
    }

    /// Whether it uses up the address's allowance of failed proofs: guessing and idling do.
    pub(super) fn counts_as_failed_proof(self) -> bool {
        matches!(self, Self::BadProof | Self::TimedOut | Self::Malformed)
    }

    pub(super) fn code(self) -> VarInt {
        let index = (0_u32..).zip(Self::ALL).find(|(_, known)| *known == self);
        let (index, _) = index.expect("every refusal is listed");
        VarInt::from_u32(Self::FIRST_CODE + index)
    }

    pub(super) fn from_code(code: VarInt) -> Option<Self> {
        let mut all = (u64::from(Self::FIRST_CODE)..).zip(Self::ALL);
        all.find_map(|(known, refusal)| (known == code.into_inner()).then_some(refusal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_a_code() {
        for refusal in JoinRefusal::ALL {
            assert_eq!(JoinRefusal::from_code(refusal.code()), Some(refusal));
        }
        assert_eq!(JoinRefusal::from_code(VarInt::from_u32(0)), None);
        assert_eq!(JoinRefusal::from_code(VarInt::MAX), None);
    }
}
