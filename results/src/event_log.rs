//! The log of a scheduler's events: one JSON line per `(now, event)`, after a header with the job's
//! configuration.
//!
//! Nothing else enters a [`Scheduler`](scheduler::machine::Scheduler), so the log replays the run:
//! a new one, made with [`EventReader::config`], gives the same orders for the same events.
//!
//! ```text
//! {"format":"allot-events","version":4,"config":{"batches":1875,…},"sum":"9c0d3a2f61b7e854"}
//! {"now":0,"event":"wake","sum":"02f9c6…"}
//! {"now":0,"event":{"joined":{"worker":0,"profile":{"fee":1000000,…}}},"sum":"…"}
//! ```
//!
//! The last field of each line is a checksum of that line and of all lines before it, so that a log in
//! which anything was changed, left out or moved is refused at that line. It is FNV-1a of 64 bits: a guard
//! against damage, not against forgery.
//!
//! The fields are those of [`Config`] and [`Event`]. Times are in nanoseconds, money is in
//! micro-units, margins are in parts per billion.
//!
//! A line is complete once its line end is written. A process that dies while writing leaves a last
//! line without one: the reader drops it and says so ([`EventReader::torn`]). Nothing else is
//! repaired.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use scheduler::Instant;
use scheduler::machine::{Config, Event};
use serde::{Deserialize, Serialize};

use crate::error::{Action, ResultsError};
use crate::patience::Patience;
use crate::whole::WholeFile;

const FORMAT: &str = "allot-events";
const VERSION: u32 = 4;

/// What a line ends with: 16 hexadecimal digits between these.
const SUM: (&[u8], &[u8]) = (b",\"sum\":\"", b"\"}");
const DIGITS: usize = 16;

/// The checksum of all lines so far, continued with more bytes.
fn continued(sum: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(sum, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The checksum of no line.
const EMPTY: u64 = 0xcbf2_9ce4_8422_2325;

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    version: u32,
    config: Config,
}

/// Every other line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<E> {
    now: Instant,
    event: E,
}

/// Writes the log of a job to anything.
#[derive(Debug)]
pub struct EventWriter<W: Write> {
    out: W,
    line: Vec<u8>,
    sum: u64,
}

impl<W: Write> EventWriter<W> {
    /// Begins the log of a job.
    ///
    /// # Errors
    /// When the header cannot be written.
    pub fn new(out: W, config: &Config) -> io::Result<Self> {
        let mut writer = Self {
            out,
            line: Vec::new(),
            sum: EMPTY,
        };
        writer.write(&Header {
            format: FORMAT.to_owned(),
            version: VERSION,
            config: config.clone(),
        })?;
        Ok(writer)
    }

    /// Adds the next event, as one write.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(&mut self, now: Instant, event: &Event) -> io::Result<()> {
        self.write(&Line { now, event })
    }

    /// What it writes to, to flush or to sync it.
    pub const fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, line)?;
        self.line.pop(); // the brace that ends it
        self.sum = continued(self.sum, &self.line);
        self.line.extend_from_slice(SUM.0);
        write!(self.line, "{:0DIGITS$x}", self.sum)?;
        self.line.extend_from_slice(SUM.1);
        self.line.push(b'\n');
        self.out.write_all(&self.line)
    }
}

/// The log of a run: it gets its name when it is complete. What was flushed before can be read from
/// its partial file, to resume a run that was interrupted.
#[derive(Debug)]
pub struct EventFile {
    writer: EventWriter<BufWriter<WholeFile>>,
    path: PathBuf,
}

impl EventFile {
    /// Begins the log of a job as `PATH.partial`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(path: &Path, config: &Config) -> Result<Self, ResultsError> {
        Self::of(WholeFile::create(path), path, config)
    }

    /// The same for a log that is kept as far as it was written, whatever happens; with patience.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn kept(path: &Path, config: &Config, patience: &Patience) -> Result<Self, ResultsError> {
        let file = WholeFile::patient(path, patience).map(WholeFile::keeping);
        Self::of(file, path, config)
    }

    fn of(file: io::Result<WholeFile>, path: &Path, config: &Config) -> Result<Self, ResultsError> {
        let file = file.map_err(|cause| ResultsError::io(Action::Create, path, cause))?;
        let buffered = BufWriter::with_capacity(1 << 18, file);
        let writer = EventWriter::new(buffered, config);
        Ok(Self {
            writer: writer.map_err(|cause| ResultsError::io(Action::Write, path, cause))?,
            path: path.to_owned(),
        })
    }

    /// Adds the next event.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(&mut self, now: Instant, event: &Event) -> Result<(), ResultsError> {
        let written = self.writer.append(now, event);
        written.map_err(|cause| ResultsError::io(Action::Write, &self.path, cause))
    }

    /// Hands everything so far to the system, so that it outlives this process.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn flush(&mut self) -> Result<(), ResultsError> {
        let flushed = self.writer.out.flush();
        flushed.map_err(|cause| ResultsError::io(Action::Write, &self.path, cause))
    }

    /// Gives the file its name, once everything is safely on disk.
    ///
    /// # Errors
    /// When it cannot be written or renamed.
    pub fn publish(self) -> Result<(), ResultsError> {
        let file = self.writer.out.into_inner();
        let published = file
            .map_err(io::IntoInnerError::into_error)
            .and_then(WholeFile::finish);
        published.map_err(|cause| ResultsError::io(Action::Write, &self.path, cause))
    }
}

/// Reads a log, a line at a time.
#[derive(Debug)]
pub struct EventReader<R> {
    lines: R,
    path: PathBuf,
    config: Config,
    /// Lines read so far.
    line: u64,
    last: Instant,
    torn: bool,
    buffer: Vec<u8>,
    sum: u64,
}

/// The longest line.
const MOST_BYTES: u64 = 1 << 26;

impl EventReader<BufReader<File>> {
    /// Opens a log and reads its header.
    ///
    /// # Errors
    /// When it cannot be read, or is no log of this version.
    pub fn open(path: &Path) -> Result<Self, ResultsError> {
        let file = File::open(path);
        let file = file.map_err(|cause| ResultsError::io(Action::Read, path, cause))?;
        Self::new(BufReader::with_capacity(1 << 18, file), path)
    }
}

impl<R: BufRead> EventReader<R> {
    /// Reads the header; `path` is for messages.
    ///
    /// # Errors
    /// When it cannot be read, or is no log of this version.
    pub fn new(lines: R, path: &Path) -> Result<Self, ResultsError> {
        let mut reader = Self {
            lines,
            path: path.to_owned(),
            config: Config::new(
                1,
                1,
                scheduler::machine::Limit::Cycle(scheduler::Span::ZERO),
            ),
            line: 0,
            last: Instant::START,
            torn: false,
            buffer: Vec::new(),
            sum: EMPTY,
        };
        if !reader.read_line()? {
            return Err(reader.wrong("expected a header such as {\"format\":\"allot-events\",…"));
        }
        let header: Result<serde_json::Value, _> = serde_json::from_slice(&reader.buffer);
        let stated = |key| header.as_ref().ok().and_then(|header| header.get(key));
        if stated("format").and_then(serde_json::Value::as_str) != Some(FORMAT) {
            return Err(reader.wrong("expected a header such as {\"format\":\"allot-events\",…"));
        }
        let version = stated("version").map(ToString::to_string);
        if version != Some(VERSION.to_string()) {
            let version = version.unwrap_or_else(|| "none".to_owned());
            return Err(reader.wrong(&format!("its version is {version}, expected {VERSION}")));
        }
        reader.check_sum()?;
        let header: Header = match serde_json::from_slice(&reader.buffer) {
            Ok(header) => header,
            Err(error) => return Err(reader.wrong(&error.to_string())),
        };
        if let Err(error) = header.config.check() {
            return Err(reader.wrong(&format!("config: {error}")));
        }
        reader.config = header.config;
        Ok(reader)
    }

    /// The job.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Whether the last line had no end and was dropped; known once all lines were read.
    pub const fn torn(&self) -> bool {
        self.torn
    }

    /// Reads the next line into the buffer; false at the end.
    fn read_line(&mut self) -> Result<bool, ResultsError> {
        self.buffer.clear();
        let mut bounded = self.lines.by_ref().take(MOST_BYTES + 1);
        let read = bounded.read_until(b'\n', &mut self.buffer);
        let read = read.map_err(|cause| ResultsError::io(Action::Read, &self.path, cause))?;
        if read as u64 > MOST_BYTES {
            self.line += 1;
            return Err(self.wrong(&format!("it is longer than {} MiB", MOST_BYTES >> 20)));
        }
        if self.buffer.is_empty() {
            return Ok(false);
        }
        if self.buffer.last() != Some(&b'\n') {
            self.torn = true;
            return Ok(false);
        }
        self.line += 1;
        Ok(true)
    }

    fn read_event(&mut self) -> Result<Option<(Instant, Event)>, ResultsError> {
        if !self.read_line()? {
            return Ok(None);
        }
        self.check_sum()?;
        let Line { now, event } = match serde_json::from_slice(&self.buffer) {
            Ok(line) => line,
            Err(error) => return Err(self.wrong(&error.to_string())),
        };
        if now < self.last {
            let message = format!("time runs backwards, from {} ns", self.last.nanos());
            return Err(self.wrong(&message));
        }
        self.last = now;
        Ok(Some((now, event)))
    }

    /// Compares the checksum of the line in the buffer, and takes it off.
    fn check_sum(&mut self) -> Result<(), ResultsError> {
        const END: usize = SUM.0.len() + DIGITS + SUM.1.len();
        let line = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        let stated = line.len().checked_sub(END).and_then(|at| {
            let (said, end) = line.split_at(at);
            let digits = end.strip_prefix(SUM.0)?.strip_suffix(SUM.1)?;
            let digits = std::str::from_utf8(digits).ok()?;
            // A digit in the other case is a flipped bit, too.
            let is_written = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
            digits.bytes().all(is_written).then_some(())?;
            Some((said.len(), u64::from_str_radix(digits, 16).ok()?))
        });
        let Some((length, stated)) = stated else {
            return Err(self.wrong("expected a checksum at its end: the file is damaged"));
        };
        let sum = continued(self.sum, &self.buffer[..length]);
        if sum != stated {
            return Err(self.wrong("its checksum differs: the file is damaged here, or before"));
        }
        self.sum = sum;
        self.buffer.truncate(length);
        self.buffer.push(b'}');
        Ok(())
    }

    fn wrong(&self, message: &str) -> ResultsError {
        ResultsError::damaged(&self.path, format!("line {}: {message}", self.line.max(1)))
    }
}

impl<R: BufRead> Iterator for EventReader<R> {
    type Item = Result<(Instant, Event), ResultsError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read_event().transpose()
    }
}
