//! IDX files, plain or gzipped: a magic number, the dimensions, then bytes.
//!
//! A header is not trusted. It is compared with the file's length before anything is allocated. The
//! length of a compressed file is not known, so it is decompressed in pieces, up to one byte more
//! than the header states.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::dataset::{Dataset, Splits};
use super::error::DataError;
use crate::files::FileError;

/// Larger files are refused: they would not fit the memory of a small machine.
const MAX_BYTES: u64 = 1 << 31;
const IMAGES: u32 = 0x0803;
const LABELS: u32 = 0x0801;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Reads the four files in `folder`. If the number of classes is not given, it is the greatest
/// training label plus one.
pub(super) fn read_folder(
    folder: &Path,
    classes: Option<u32>,
    hint: &str,
) -> Result<Splits, DataError> {
    let find = |file| find(folder, file, hint);
    let train_images = find("train-images-idx3-ubyte")?;
    let train_labels = find("train-labels-idx1-ubyte")?;
    let test_images = find("t10k-images-idx3-ubyte")?;
    let test_labels = find("t10k-labels-idx1-ubyte")?;

    let train = read_pair(&train_images, &train_labels, classes)?;
    let test = read_pair(
        &test_images,
        &test_labels,
        u32::try_from(train.classes()).ok(),
    )?;
    if train.features() != test.features() {
        return Err(mismatch(
            (&test_images, test.features() as u32),
            (&train_images, train.features() as u32),
            "values per sample",
        ));
    }
    Ok(Splits { train, test })
}

/// Whether the first of the four files is in `folder`.
pub(super) fn is_there(folder: &Path) -> bool {
    find(folder, "train-images-idx3-ubyte", "").is_ok()
}

/// Finds the file under any of its usual names.
fn find(folder: &Path, file: &'static str, hint: &str) -> Result<PathBuf, DataError> {
    let dotted = file.replace("-idx", ".idx");
    let names = [
        file.to_owned(),
        format!("{file}.gz"),
        dotted.clone(),
        format!("{dotted}.gz"),
    ];
    let mut paths = names.iter().map(|name| folder.join(name));
    paths
        .find(|path| path.is_file())
        .ok_or_else(|| DataError::Missing {
            file,
            folder: folder.to_owned(),
            hint: hint.to_owned(),
        })
}

fn read_pair(images: &Path, labels: &Path, classes: Option<u32>) -> Result<Dataset, DataError> {
    let (samples, features, pixels) = read(images, IMAGES)?;
    let (label_count, _, label_bytes) = read(labels, LABELS)?;
    if label_count != samples {
        return Err(mismatch(
            (labels, label_count),
            (images, samples),
            "samples",
        ));
    }
    let greatest = label_bytes.iter().copied().max().unwrap_or(0);
    let classes = classes.unwrap_or(u32::from(greatest) + 1);
    if let Some(index) = label_bytes.iter().position(|&l| u32::from(l) >= classes) {
        let label = label_bytes[index];
        let why = format!("sample {index} has label {label}, expected one below {classes}");
        return Err(FileError::content(labels, why).into());
    }
    Ok(Dataset::new(features, classes, pixels, label_bytes))
}

fn mismatch(found: (&Path, u32), expected: (&Path, u32), what: &str) -> DataError {
    let ((path, found), (other, expected)) = (found, expected);
    let other = other.file_name().unwrap_or_default().display();
    let why = format!("{found} {what}, expected {expected} as in {other}");
    FileError::content(path, why).into()
}

/// The number of samples, the number of values of each, and all values.
fn read(path: &Path, magic: u32) -> Result<(u32, u32, Vec<u8>), FileError> {
    let read = || {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut reader = BufReader::new(file);
        if reader.fill_buf()?.starts_with(&GZIP) {
            parse(magic, &mut MultiGzDecoder::new(reader), None)
        } else {
            parse(magic, &mut reader, Some(length))
        }
    };
    read().map_err(|fault| match fault {
        Fault::Unreadable(source) => FileError::io("read", path)(source),
        Fault::Invalid(why) => FileError::content(path, why),
    })
}

/// What is wrong with a file.
enum Fault {
    Unreadable(io::Error),
    Invalid(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// `length` is the file's, if it is known before reading.
fn parse(
    magic: u32,
    reader: &mut impl Read,
    length: Option<u64>,
) -> Result<(u32, u32, Vec<u8>), Fault> {
    let size = |expected: u64, found: u64| {
        let unit = match length {
            Some(_) => "bytes",
            // Decompressing stops at the first byte too many.
            None if found > expected => "bytes or more once unpacked",
            None => "bytes once unpacked",
        };
        Fault::Invalid(format!("it has {found} {unit}, expected {expected}"))
    };
    let dimensions = (magic & 0xff) as usize;
    let header_length = 4 + 4 * dimensions as u64;
    let mut header = Vec::new();
    reader
        .by_ref()
        .take(header_length)
        .read_to_end(&mut header)?;
    let numbers: Vec<u32> = header
        .chunks_exact(4)
        .map(|word| word.iter().fold(0, |number, &b| number << 8 | u32::from(b)))
        .collect();
    match numbers.first() {
        Some(&found) if found != magic => {
            let what = match magic {
                IMAGES => "images, three dimensions of bytes",
                _ => "labels, one dimension of bytes",
            };
            return Err(Fault::Invalid(format!(
                "it begins with {found:#010x}, expected {magic:#010x} ({what})"
            )));
        }
        _ if (header.len() as u64) < header_length => {
            return Err(size(header_length, header.len() as u64));
        }
        _ => {}
    }

    // Three 32-bit dimensions can overflow 64 bits, but not 128.
    let samples = numbers[1];
    let features: u64 = numbers[2..].iter().map(|&d| u64::from(d)).product();
    let bytes = u128::from(samples) * u128::from(features);
    let width = u32::try_from(features).unwrap_or(0);
    if bytes == 0 || bytes > u128::from(MAX_BYTES) || width == 0 {
        return Err(Fault::Invalid(format!(
            "{samples} samples of {features} values each, expected at least one of each and at \
             most {MAX_BYTES} bytes in all"
        )));
    }
    let expected = header_length + bytes as u64;
    if let Some(found) = length
        && found != expected
    {
        return Err(size(expected, found));
    }
    let mut values = Vec::new();
    if length.is_some() {
        values.reserve_exact(bytes as usize);
    }
    let end = reader.take(bytes as u64 + 1).read_to_end(&mut values);
    let is_short = (values.len() as u128) < bytes;
    match end {
        // A truncated compressed file is reported by the bytes that could be decompressed.
        Err(error) if !is_short || error.kind() != io::ErrorKind::UnexpectedEof => {
            return Err(error.into());
        }
        _ if values.len() as u128 != bytes => {
            return Err(size(expected, header_length + values.len() as u64));
        }
        _ => {}
    }
    Ok((samples, width, values))
}
