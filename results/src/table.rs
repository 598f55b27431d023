//! Files that are written under a provisional name and only get their own when they are whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use polars_core::prelude::{DataFrame, PolarsError};
use polars_io::SerWriter;
use polars_io::csv::write::{BatchedWriter as CsvBatches, CsvWriter};
use polars_io::parquet::write::{
    BatchedWriter as ParquetBatches, ParquetCompression, ParquetWriter, StatisticsOptions,
};

use crate::error::{Action, ResultsError};

/// A file on its way: `NAME.partial` until [`Output::publish`]; removed if that never comes.
pub(crate) struct Output {
    partial: PathBuf,
    path: PathBuf,
    file: Arc<File>,
    /// The first thing that went wrong while writing. Polars keeps only its words.
    failure: Arc<Mutex<Option<io::Error>>>,
    published: bool,
}

impl Output {
    pub(crate) fn create(dir: &Path, name: &str) -> Result<Self, ResultsError> {
        let partial = dir.join(format!("{name}.partial"));
        let file = File::create(&partial)
            .map_err(|cause| ResultsError::io(Action::Create, &partial, cause))?;
        Ok(Self {
            partial,
            path: dir.join(name),
            file: Arc::new(file),
            failure: Arc::default(),
            published: false,
        })
    }

    /// Writes the whole content of a small file.
    pub(crate) fn write_all(&mut self, content: &[u8]) -> Result<(), ResultsError> {
        let written = self.file.as_ref().write_all(content);
        written.map_err(|cause| ResultsError::io(Action::Write, &self.path, cause))
    }

    /// Gives the file its name, once everything is safely on disk.
    pub(crate) fn publish(mut self) -> Result<(), ResultsError> {
        self.sync()?;
        fs::rename(&self.partial, &self.path)
            .map_err(|cause| ResultsError::io(Action::Rename, &self.path, cause))?;
        self.published = true;
        Ok(())
    }

    /// Some file systems only notice here that the disk is full.
    fn sync(&self) -> Result<(), ResultsError> {
        let synced = self.file.sync_all();
        synced.map_err(|cause| ResultsError::io(Action::Write, &self.path, cause))
    }

    fn sink(&self) -> Sink {
        Sink {
            file: Arc::clone(&self.file),
            failure: Arc::clone(&self.failure),
        }
    }

    fn error(&self, error: &PolarsError) -> ResultsError {
        let kept = self
            .failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let cause = kept.unwrap_or_else(|| io::Error::other(error.to_string()));
        ResultsError::io(Action::Write, &self.path, cause)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.published {
            // Nothing can be done about a failure here, and the name says that it is partial.
            let _ = fs::remove_file(&self.partial);
        }
    }
}

/// The file, remembering what went wrong.
struct Sink {
    file: Arc<File>,
    failure: Arc<Mutex<Option<io::Error>>>,
}

impl Sink {
    fn remember<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                let copy = match error.raw_os_error() {
                    Some(code) => io::Error::from_raw_os_error(code),
                    None => io::Error::new(error.kind(), error.to_string()),
                };
                let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                failure.get_or_insert(copy);
            }
        })
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.as_ref().write(bytes);
        self.remember(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.file.as_ref().flush();
        self.remember(flushed)
    }
}

/// A parquet file written one row group at a time.
pub(crate) struct ParquetTable {
    writer: ParquetBatches<BufWriter<Sink>>,
    output: Output,
}

impl ParquetTable {
    /// Opens a table with the columns of `like`.
    pub(crate) fn create(dir: &Path, name: &str, like: &DataFrame) -> Result<Self, ResultsError> {
        let output = Output::create(dir, name)?;
        let buffered = BufWriter::with_capacity(1 << 18, output.sink());
        let writer = ParquetWriter::new(buffered)
            .with_compression(COMPRESSION)
            .with_statistics(StatisticsOptions::default())
            .set_parallel(false)
            .batched(like.schema())
            .map_err(|error| output.error(&error))?;
        Ok(Self { writer, output })
    }

    /// Writes the frame as one row group.
    pub(crate) fn append(&mut self, group: &DataFrame) -> Result<(), ResultsError> {
        let written = self.writer.write_batch(group);
        written.map_err(|error| self.output.error(&error))
    }

    /// Writes the footer.
    pub(crate) fn close(self) -> Result<Output, ResultsError> {
        let closed = self.writer.finish();
        closed.map_err(|error| self.output.error(&error))?;
        Ok(self.output)
    }
}

/// A CSV file written some rows at a time.
pub(crate) struct CsvTable {
    writer: CsvBatches<Sink>,
    output: Output,
}

impl CsvTable {
    /// Opens a table with the columns of `like`.
    pub(crate) fn create(dir: &Path, name: &str, like: &DataFrame) -> Result<Self, ResultsError> {
        let output = Output::create(dir, name)?;
        let writer = CsvWriter::new(output.sink())
            .n_threads(1)
            .batched(like.schema());
        let writer = writer.map_err(|error| output.error(&error))?;
        Ok(Self { writer, output })
    }

    /// Writes the rows of the frame.
    pub(crate) fn append(&mut self, rows: &DataFrame) -> Result<(), ResultsError> {
        let written = self.writer.write_batch(rows);
        written.map_err(|error| self.output.error(&error))
    }

    /// Writes the heading if there were no rows.
    pub(crate) fn close(mut self) -> Result<Output, ResultsError> {
        let closed = self.writer.finish();
        closed.map_err(|error| self.output.error(&error))?;
        Ok(self.output)
    }
}

const COMPRESSION: ParquetCompression = ParquetCompression::Snappy;
