//! Files that are written under a provisional name and only get their own when they are whole.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use polars_core::prelude::{Column, CompatLevel, DataFrame, PolarsError, Schema, SchemaExt};
use polars_io::SerWriter;
use polars_io::csv::write::{BatchedWriter as CsvBatches, CsvWriter};
use polars_io::parquet::write::{
    BatchedWriter as ParquetBatches, KeyValueMetadata, ParquetCompression, ParquetWriter,
    StatisticsOptions,
};
use polars_parquet::write::schema_to_metadata_key;

use crate::error::{Action, ResultsError};
use crate::patience::{Patience, PatientFile};
use crate::schema::Described;
use crate::whole::WholeFile;

/// A file that polars writes, on its way.
pub(crate) struct Output {
    whole: WholeFile,
    path: PathBuf,
    /// The first thing that went wrong while writing. Polars keeps only its words.
    failure: Arc<Mutex<Option<io::Error>>>,
}

impl Output {
    pub(crate) fn create(dir: &Path, name: &str) -> Result<Self, ResultsError> {
        Self::patient(dir, name, &Patience::NONE)
    }

    pub(crate) fn patient(
        dir: &Path,
        name: &str,
        patience: &Patience,
    ) -> Result<Self, ResultsError> {
        let path = dir.join(name);
        let whole = WholeFile::patient(&path, patience)
            .map_err(|cause| ResultsError::io(Action::Create, &WholeFile::partial(&path), cause))?;
        Ok(Self {
            whole,
            path,
            failure: Arc::default(),
        })
    }

    /// Writes the whole content of a small file.
    pub(crate) fn write_all(&mut self, content: &[u8]) -> Result<(), ResultsError> {
        let written = self.whole.write_all(content);
        written.map_err(|cause| ResultsError::io(Action::Write, &self.path, cause))
    }

    /// Gives the file its name, once everything is safely on disk, and says where it is.
    pub(crate) fn publish(self) -> Result<PathBuf, ResultsError> {
        let synced = self.whole.sync();
        synced.map_err(|cause| ResultsError::io(Action::Write, &self.path, cause))?;
        let named = self.whole.finish();
        named.map_err(|cause| ResultsError::io(Action::Rename, &self.path, cause))?;
        Ok(self.path)
    }

    fn sink(&self) -> Result<Sink, ResultsError> {
        let file = self.whole.share();
        Ok(Sink {
            file: file.map_err(|cause| ResultsError::io(Action::Write, &self.path, cause))?,
            failure: Arc::clone(&self.failure),
        })
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

/// The file, remembering what went wrong.
struct Sink {
    file: PatientFile,
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
        let written = self.file.write(bytes);
        self.remember(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.file.flush();
        self.remember(flushed)
    }
}

/// A parquet file written one row group at a time.
pub(crate) struct ParquetTable {
    writer: ParquetBatches<BufWriter<Sink>>,
    output: Output,
}

impl ParquetTable {
    /// Opens a table with these columns, whose sentences go into the file's metadata.
    pub(crate) fn create(
        dir: &Path,
        name: &str,
        described: &[Described],
        like: Vec<Column>,
    ) -> Result<Self, ResultsError> {
        Self::patient(dir, name, described, like, &Patience::NONE)
    }

    pub(crate) fn patient(
        dir: &Path,
        name: &str,
        described: &[Described],
        like: Vec<Column>,
        patience: &Patience,
    ) -> Result<Self, ResultsError> {
        let output = Output::patient(dir, name, patience)?;
        let sentence = |column: &Described| (column.name.clone(), column.sentence.to_string());
        let like = frame(like);
        let mut metadata = vec![plain_types(like.schema())];
        metadata.extend(described.iter().map(sentence));
        let buffered = BufWriter::with_capacity(1 << 18, output.sink()?);
        let writer = ParquetWriter::new(buffered)
            .with_compression(COMPRESSION)
            .with_statistics(StatisticsOptions::default())
            .with_key_value_metadata(Some(KeyValueMetadata::from_static(metadata)))
            .set_parallel(false)
            .batched(like.schema())
            .map_err(|error| output.error(&error))?;
        Ok(Self { writer, output })
    }

    /// Writes the columns as one row group.
    pub(crate) fn append(&mut self, group: Vec<Column>) -> Result<(), ResultsError> {
        let written = self.writer.write_batch(&frame(group));
        written.map_err(|error| self.output.error(&error))
    }

    /// Writes the footer.
    pub(crate) fn close(self) -> Result<Output, ResultsError> {
        let closed = self.writer.finish();
        closed.map_err(|error| self.output.error(&error))?;
        Ok(self.output)
    }
}

/// What tells readers that go by Arrow's types that texts are plain ones: polars says that they are
/// views of its own, which many versions of others cannot filter or do not know.
fn plain_types(schema: &Schema) -> (String, String) {
    let plain = schema.to_arrow(CompatLevel::oldest());
    let said = schema_to_metadata_key(&plain);
    (said.key, said.value.unwrap_or_default())
}

/// A CSV file written some rows at a time.
pub(crate) struct CsvTable {
    writer: CsvBatches<Sink>,
    output: Output,
}

impl CsvTable {
    /// Opens a table with the columns of `like`.
    pub(crate) fn create(dir: &Path, name: &str, like: Vec<Column>) -> Result<Self, ResultsError> {
        Self::patient(dir, name, like, &Patience::NONE)
    }

    fn patient(
        dir: &Path,
        name: &str,
        like: Vec<Column>,
        patience: &Patience,
    ) -> Result<Self, ResultsError> {
        let output = Output::patient(dir, name, patience)?;
        let writer = CsvWriter::new(output.sink()?)
            .n_threads(1)
            .batched(frame(like).schema());
        let writer = writer.map_err(|error| output.error(&error))?;
        Ok(Self { writer, output })
    }

    /// Writes the whole table of a few rows.
    pub(crate) fn write(dir: &Path, name: &str, rows: Vec<Column>) -> Result<Output, ResultsError> {
        Self::write_patiently(dir, name, rows, &Patience::NONE)
    }

    pub(crate) fn write_patiently(
        dir: &Path,
        name: &str,
        rows: Vec<Column>,
        patience: &Patience,
    ) -> Result<Output, ResultsError> {
        let mut table = Self::patient(dir, name, rows.clone(), patience)?;
        table.append(rows)?;
        table.close()
    }

    /// Writes rows.
    pub(crate) fn append(&mut self, rows: Vec<Column>) -> Result<(), ResultsError> {
        let written = self.writer.write_batch(&frame(rows));
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

fn frame(columns: Vec<Column>) -> DataFrame {
    DataFrame::new_infer_height(columns).expect("columns have distinct names and equal lengths")
}
