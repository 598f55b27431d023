//! Folders of results beside each other: what they hold, and by how much they differ.
//!
//! A [`Folder`] is that of a validation or of runs. Runs are compared by the
//! [`Figure`](crate::runs::Figure)s of their ends ([`RunFigures`](crate::runs::RunFigures)); validations by
//! [`paired_tests`], test by test, or by [`independent_tests`] where they share none.
//!
//! **What it does not know:** scenarios, and how anything is shown.

mod alone;
mod contradiction;
mod figure;
mod folder;
mod pairs;
mod side;

pub use alone::{Alone, independent_tests};
pub use contradiction::{Contradiction, Contradictions, Doubt};
pub use figure::{TEST_FIGURES, TestFigure, partners};
pub use folder::{CommonTests, Folder, ValidationFolder, common_tests};
pub use pairs::{PairedRow, PairedTests, paired_tests};
