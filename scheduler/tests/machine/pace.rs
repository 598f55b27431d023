//! How fast it steps.
fn _todo() {}
