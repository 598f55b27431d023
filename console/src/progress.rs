//! Progress on standard error. Nothing is shown where that is no terminal.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

/// A bar, or a spinner. Several threads may move it on.
pub type Progress = ProgressBar;

/// Between two drawings without news.
const REDRAW: Duration = Duration::from_millis(500);

/// A bar of `total` things such as runs.
pub fn bar(total: u64, things: &str) -> Progress {
    let style = format!("{{bar:32}} {{human_pos}}/{{human_len}} {things}  {{rate}}  {{eta}} left");
    let rate = |state: &ProgressState, text: &mut dyn Write| {
        // A text that cannot be written is a bar that is not shown.
        let _ = write!(text, "{:.0}/s", state.per_sec());
    };
    let bar = ProgressBar::new(total).with_style(styled(&style).with_key("rate", rate));
    bar.enable_steady_tick(REDRAW);
    bar
}

/// A spinner with a word, for work whose end is not known.
pub fn spinner(word: &'static str) -> Progress {
    let spinner = ProgressBar::new_spinner().with_message(word);
    spinner.enable_steady_tick(REDRAW);
    spinner
}

/// One that is never shown.
pub fn hidden() -> Progress {
    ProgressBar::hidden()
}

fn styled(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is valid")
}
