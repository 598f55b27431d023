//! Output that survives a closed pipe and a full disk.

use std::fmt;
use std::io::{self, Write};

use crate::exit::Stop;
use crate::lines;

/// Writes to standard output, at once; after [`never_wait`](crate::never_wait) by its queue, where
/// this waits for room. A reader may leave early: that is no error, and changes no exit code.
///
/// # Errors
/// When standard output cannot be written.
pub fn print(text: &str) -> Result<(), Stop> {
    if let Some(out) = lines::out() {
        out.insist(text.as_bytes());
        return Ok(());
    }
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Stop::output(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes a line to standard output whose loss is no failure: what cannot be written is lost.
pub fn print_line(line: fmt::Arguments<'_>) {
    let line = format!("{line}\n");
    match lines::out() {
        Some(out) => out.offer(line.as_bytes()),
        None => {
            let mut out = io::stdout().lock();
            let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
        }
    }
}

/// Writes a line to standard error, as `eprintln!` does, but never panics.
#[macro_export]
macro_rules! note {
    ($($text:tt)*) => {
        $crate::write_note(format_args!($($text)*))
    };
}

/// What [`note!`](crate::note!) stands for.
pub fn write_note(line: fmt::Arguments<'_>) {
    // In one piece, so that lines of several threads do not mix.
    Messages.lose(format!("{line}\n").as_bytes());
}

/// Standard error as something to write to. What cannot be written is lost: there is nobody to
/// tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct Messages;

impl Messages {
    fn lose(self, bytes: &[u8]) {
        match lines::err() {
            Some(err) => err.offer(bytes),
            None => {
                let _ = io::stderr().lock().write_all(bytes);
            }
        }
    }
}

impl Write for Messages {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lose(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
