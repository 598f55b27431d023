//! Progress on standard error. Nothing is shown where that is no terminal.

use std::fmt::{self, Write};
use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{
    MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, TermLike,
};
use terminal_size::{Height, Width};

use crate::print::Messages;

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

/// Several bars on standard error, drawn by the thread of its queue: updating a bar never blocks on
/// the terminal.
pub fn bars() -> MultiProgress {
    let screen = Screen::default();
    MultiProgress::with_draw_target(ProgressDrawTarget::term_like_with_hz(Box::new(screen), 10))
}

/// A terminal at the end of the queue of standard error. A drawing is one piece of text.
#[derive(Debug, Default)]
struct Screen {
    drawing: Mutex<String>,
}

impl Screen {
    fn draw(&self, text: fmt::Arguments<'_>) -> io::Result<()> {
        let mut drawing = self.drawing.lock().unwrap_or_else(PoisonError::into_inner);
        drawing.write_fmt(text).map_err(io::Error::other)
    }

    fn go(&self, places: usize, direction: char) -> io::Result<()> {
        match places {
            0 => Ok(()), // for a terminal, 0 is 1
            _ => self.draw(format_args!("\x1b[{places}{direction}")),
        }
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        size().map_or(80, |(width, _)| width.0)
    }

    fn height(&self) -> u16 {
        size().map_or(24, |(_, height)| height.0)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.go(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.go(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.go(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.go(n, 'D')
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        self.draw(format_args!("{line}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.draw(format_args!("{text}"))
    }

    fn clear_line(&self) -> io::Result<()> {
        self.draw(format_args!("\r\x1b[2K"))
    }

    fn flush(&self) -> io::Result<()> {
        let mut drawing = self.drawing.lock().unwrap_or_else(PoisonError::into_inner);
        if !drawing.is_empty() {
            Messages.write_all(drawing.as_bytes())?;
            drawing.clear();
        }
        Ok(())
    }
}

fn size() -> Option<(Width, Height)> {
    terminal_size::terminal_size_of(io::stderr())
}
