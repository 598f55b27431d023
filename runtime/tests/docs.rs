//! What stands under a command of `runtime` in the book is what it prints.

#![cfg(unix)]

#[path = "../../docs/check.rs"]
mod check;

#[test]
fn what_stands_under_a_command_is_what_it_prints() {
    check::console_blocks_are_true("runtime", env!("CARGO_BIN_EXE_runtime"));
}
