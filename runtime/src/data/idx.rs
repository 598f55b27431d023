//! IDX files, plain or gzipped: four bytes that say what it is, the dimensions, then bytes.
//!
//! A header is a claim. What it promises is compared with the file's length before anything is
//! allocated; a compressed file has no such length, so it is unpacked piece by piece, up to one
//! byte more than was promised.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::{DataError, Dataset, MAX_CLASSES, Splits};

/// More than this in one file is refused: it would not fit the memory of a small machine.
pub(super) const MAX_BYTES: u64 = 1 << 31;

const IMAGES: u32 = 0x0803;
const LABELS: u32 = 0x0801;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Reads the four files in `folder`. There are `classes` of them if that is known, else one more
/// than the greatest label that is trained on.
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
    let test = read_pair(&test_images, &test_labels, Some(train.classes))?;
    if train.features != test.features {
        return Err(DataError::Mismatch {
            path: test_images,
            other: train_images,
            what: "values a sample",
            expected: u64::from(train.features),
            found: u64::from(test.features),
        });
    }
    Ok(Splits { train, test })
}

/// Whether the first of the four files is in `folder`.
pub(super) fn is_there(folder: &Path) -> bool {
    find(folder, "train-images-idx3-ubyte", "").is_ok()
}

/// The file by any of the names under which it is passed around.
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
        return Err(DataError::Mismatch {
            path: labels.to_owned(),
            other: images.to_owned(),
            what: "samples",
            expected: u64::from(samples),
            found: u64::from(label_count),
        });
    }
    let greatest = label_bytes.iter().copied().max().unwrap_or(0);
    let classes = classes.unwrap_or(u32::from(greatest) + 1);
    debug_assert!(classes <= MAX_CLASSES);
    if let Some(index) = label_bytes.iter().position(|&l| u32::from(l) >= classes) {
        return Err(DataError::Label {
            path: labels.to_owned(),
            index,
            label: label_bytes[index],
            classes,
        });
    }
    Ok(Dataset::new(features, classes, pixels, label_bytes))
}

/// The number of samples, the values of each, and all values.
fn read(path: &Path, magic: u32) -> Result<(u32, u32, Vec<u8>), DataError> {
    let unreadable = |source| DataError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut reader = BufReader::new(file);
    let packed = io::BufRead::fill_buf(&mut reader)
        .map_err(unreadable)?
        .starts_with(&GZIP);
    if packed {
        parse(path, magic, &mut MultiGzDecoder::new(reader), None)
    } else {
        parse(path, magic, &mut reader, Some(length))
    }
}

/// `length` is that of the file, where it is known before reading.
fn parse(
    path: &Path,
    magic: u32,
    reader: &mut impl Read,
    length: Option<u64>,
) -> Result<(u32, u32, Vec<u8>), DataError> {
    let unreadable = |source| DataError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let size = |expected, found| DataError::Size {
        path: path.to_owned(),
        unpacked: length.is_none(),
        expected,
        found,
    };
    let what = match magic {
        IMAGES => "images, three dimensions of bytes",
        _ => "labels, one dimension of bytes",
    };
    let dimensions = (magic & 0xff) as usize;

    let mut header = Vec::new();
    let header_length = 4 + 4 * dimensions as u64;
    let mut limited = reader.by_ref().take(header_length);
    limited.read_to_end(&mut header).map_err(unreadable)?;
    let numbers: Vec<u32> = header
        .chunks_exact(4)
        .map(|word| word.iter().fold(0, |number, &b| number << 8 | u32::from(b)))
        .collect();
    match numbers.first() {
        Some(&found) if found != magic => {
            return Err(DataError::Magic {
                path: path.to_owned(),
                what,
                expected: magic,
                found,
            });
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
        return Err(DataError::Extent {
            path: path.to_owned(),
            samples,
            features,
        });
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
    let mut limited = reader.take(bytes as u64 + 1);
    let end = limited.read_to_end(&mut values);
    let short = (values.len() as u128) < bytes;
    match end {
        // Of a compressed file that was cut off, what could be unpacked is counted.
        Err(error) if !short || error.kind() != io::ErrorKind::UnexpectedEof => {
            return Err(unreadable(error));
        }
        _ if values.len() as u128 != bytes => {
            return Err(size(expected, header_length + values.len() as u64));
        }
        _ => {}
    }
    Ok((samples, width, values))
}
