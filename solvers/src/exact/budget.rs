//! How much work the allocator may do.

/// How much work the allocator may do before it settles for `bounded`. All limits are counts, so
/// that answers do not depend on the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Nodes of the branch and bound.
    pub nodes: u64,
    /// States of the dynamic programme, over all of its stages.
    pub states: u64,
    /// States of the dynamic programme that there is room for at one time. A state takes 48 bytes.
    pub held_states: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            nodes: 100_000,
            states: 50_000_000,
            held_states: (512 << 20) / 48, // 512 MiB
        }
    }
}
