//! What the commands of this workspace share at the command line.
//!
//! - [`Exit`] and [`Stop`]: the exit codes, and why a command ends early.
//! - [`print()`] and [`note!`]: output that survives a closed pipe and a full disk. The macros of
//!   the standard library panic there, so the workspace's lints ban them.
//! - [`never_wait`] and [`finish`]: the same through queues and threads, for a program that must go on
//!   when nobody reads its output. [`Messages`] lets libraries write to the queue of standard error.
//! - [`stop_on_ctrl_c`]: the first Ctrl-C ends a command in order, the second at once.
//! - [`bar`], [`spinner`] and [`bars`]: progress on standard error, shown on terminals only.
//! - [`is_bold`] and [`width`]: how a page for standard output may look.
//! - [`version()`], [`completions`] and [`man`]: what a shell and `man` know of a program.
//! - [`command_line`]: how the program was called, for the record of a folder.
//!
//! **What it deliberately does not know:** what any command does.

mod exit;
mod interrupt;
mod lines;
mod manual;
mod print;
mod progress;
mod terminal;

pub use exit::{EXIT_CODES, Exit, Stop};
pub use interrupt::stop_on_ctrl_c;
pub use lines::{finish, never_wait};
pub use manual::{CompletionsArgs, ManArgs, completions, man, version};
pub use print::{Messages, print, print_line, write_note};
pub use progress::{Progress, bar, bars, hidden, spinner};
pub use terminal::{command_line, is_bold, width};
