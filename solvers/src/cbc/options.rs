//! How CBC is set up.

use serde::{Deserialize, Serialize};

/// How CBC is set up. Both kinds solve the same model and stop at the same node limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CbcOptions {
    /// Without presolve, preprocessing, cuts, heuristics and scaling: the model is so tight that
    /// they cost more than they save. Tolerances are those that exact answers need.
    #[default]
    Tuned,
    /// CBC as it comes, to compare with.
    Default,
}
