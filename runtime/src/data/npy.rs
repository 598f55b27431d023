//! Arrays of NumPy: `.npy`, and `.npz`, a zip archive of them.
//!
//! Headers are claims until they are compared with the length of the file. Arrays that `np.savez` stored are
//! read where they lie; those of `np.savez_compressed` are unpacked into memory, up to what their headers
//! say.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use flate2::read::DeflateDecoder;

use super::tensor::{FieldShape, MOST_DIMENSIONS, Tensor, ValueType};
use crate::files::FileError;

const MAGIC: &[u8] = b"\x93NUMPY";
/// A longer header is none.
const MOST_HEADER: usize = 1 << 16;
/// A longer directory is none.
const MOST_DIRECTORY: u64 = 1 << 20;
/// What is unpacked into memory at most.
const MOST_UNPACKED: u64 = 1 << 32;

/// What a header says: a shape with the samples first, and the length of the header.
struct Header {
    shape: FieldShape,
    samples: usize,
    length: u64,
}

impl Header {
    fn bytes(&self) -> u64 {
        (self.samples as u64).saturating_mul(self.shape.sample_len() as u64)
    }
}

/// An array by the name of its file without the ending, in an archive.
pub(super) fn arrays(path: &Path) -> Result<Vec<(String, Tensor)>, FileError> {
    let bad = |why: String| FileError::content(path, why);
    let file = File::open(path).map_err(FileError::io("read", path))?;
    let length = file.metadata().map_err(FileError::io("read", path))?.len();
    let file = Arc::new(file);
    let mut arrays = Vec::new();
    for entry in entries(&file, length).map_err(bad)? {
        let Some(name) = entry.name.strip_suffix(".npy") else {
            continue;
        };
        let within = |why: String| bad(format!("{}: {why}", entry.name));
        let tensor = entry.tensor(path, &file).map_err(within)?;
        arrays.push((name.to_owned(), tensor));
    }
    Ok(arrays)
}

/// A file in an archive.
struct Entry {
    name: String,
    is_stored: bool,
    packed: u64,
    unpacked: u64,
    /// Where its bytes begin.
    first: u64,
}

impl Entry {
    fn tensor(&self, path: &Path, file: &Arc<File>) -> Result<Tensor, String> {
        let expect = |header: &Header| {
            let (found, expected) = (self.unpacked, header.length + header.bytes());
            if found == expected {
                return Ok(());
            }
            Err(format!(
                "it has {found} bytes, expected {expected} by its header"
            ))
        };
        if self.is_stored {
            let mut start = vec![0; MOST_HEADER.min(self.unpacked as usize)];
            file.read_exact_at(&mut start, self.first)
                .map_err(|error| error.to_string())?;
            let header = header(&start)?;
            expect(&header)?;
            let shape = (header.shape, header.samples);
            return Ok(Tensor::in_file(
                path,
                file,
                shape,
                self.first + header.length,
            ));
        }
        if self.unpacked > MOST_UNPACKED {
            return Err(format!(
                "{} bytes once unpacked, expected at most {MOST_UNPACKED}: store it with np.savez",
                self.unpacked
            ));
        }
        let packed = Part {
            file,
            at: self.first,
            end: self.first + self.packed,
        };
        let mut bytes = Vec::new();
        let mut unpacked = DeflateDecoder::new(packed).take(self.unpacked + 1);
        let read = unpacked.read_to_end(&mut bytes);
        read.map_err(|error| format!("it cannot be unpacked: {error}"))?;
        if bytes.len() as u64 != self.unpacked {
            let found = bytes.len();
            return Err(format!(
                "it has {found} bytes once unpacked, expected {}",
                self.unpacked
            ));
        }
        let header = header(&bytes)?;
        expect(&header)?;
        bytes.drain(..header.length as usize);
        Ok(Tensor::in_memory(header.shape, bytes))
    }
}

/// A part of a file, as a reader.
struct Part<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let count = into.len().min(left);
        let read = self.file.read_at(&mut into[..count], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let part = bytes.get(at..at.checked_add(length)?)?;
    Some(
        part.iter()
            .rev()
            .fold(0, |all, byte| all << 8 | u64::from(*byte)),
    )
}

/// The files of a zip archive: its directory stands at its end.
fn entries(file: &File, length: u64) -> Result<Vec<Entry>, String> {
    let cut = || "it is no whole zip archive, expected what np.savez writes".to_owned();
    let read = |at: u64, count: u64| {
        let fits = at.checked_add(count).is_some_and(|end| end <= length);
        let mut bytes = vec![0; if fits { count as usize } else { 0 }];
        let read = file.read_exact_at(&mut bytes, at);
        (fits && read.is_ok()).then_some(bytes).ok_or_else(cut)
    };
    let tail = read(length.saturating_sub(1 << 16), length.min(1 << 16))?;
    let at = tail.windows(4).rposition(|window| window == b"PK\x05\x06");
    let at = at.ok_or_else(cut)?;
    let number_at = |at, length| number(&tail, at, length).ok_or_else(cut);
    let mut size = number_at(at + 12, 4)?;
    let mut first = number_at(at + 16, 4)?;
    // A large one has its numbers in another record, which a third one before this points to.
    if let Some(locator) = at.checked_sub(20)
        && tail[locator..].starts_with(b"PK\x06\x07")
    {
        let record = read(number_at(locator + 8, 8)?, 56)?;
        size = number(&record, 40, 8).ok_or_else(cut)?;
        first = number(&record, 48, 8).ok_or_else(cut)?;
    }
    if size > MOST_DIRECTORY {
        return Err(format!(
            "its directory has {size} bytes, expected at most {MOST_DIRECTORY}"
        ));
    }
    let directory = read(first, size)?;
    let (mut entries, mut at) = (Vec::new(), 0);
    while directory[at..].starts_with(b"PK\x01\x02") {
        let field = |offset, length| number(&directory, at + offset, length).ok_or_else(cut);
        let [name_len, extra_len, comment_len] = [
            field(28, 2)? as usize,
            field(30, 2)? as usize,
            field(32, 2)? as usize,
        ];
        let name = directory.get(at + 46..at + 46 + name_len).ok_or_else(cut)?;
        let extra = at + 46 + name_len;
        let extra = directory.get(extra..extra + extra_len).ok_or_else(cut)?;
        let mut numbers = [field(24, 4)?, field(20, 4)?, field(42, 4)?];
        wide(extra, &mut numbers).ok_or_else(cut)?;
        let [unpacked, packed, header] = numbers;
        let method = field(10, 2)?;
        let name = String::from_utf8_lossy(name).into_owned();
        if !matches!(method, 0 | 8) || method == 0 && packed != unpacked {
            return Err(format!("{name} is packed in a way that NumPy does not use"));
        }
        let local = read(header, 30)?;
        let [name, more] = [26, 28].map(|at| number(&local, at, 2).unwrap_or(0));
        let begins = header + 30 + name + more;
        if begins.checked_add(packed).is_none_or(|end| end > length) {
            return Err(cut());
        }
        entries.push(Entry {
            name: String::from_utf8_lossy(&directory[at + 46..at + 46 + name_len]).into_owned(),
            is_stored: method == 0,
            packed,
            unpacked,
            first: begins,
        });
        at += 46 + name_len + extra_len + comment_len;
        if at > directory.len() {
            return Err(cut());
        }
    }
    Ok(entries)
}

/// Numbers that do not fit 32 bits stand behind the others.
fn wide(mut extra: &[u8], numbers: &mut [u64; 3]) -> Option<()> {
    while extra.len() >= 4 {
        let (id, length) = (number(extra, 0, 2)?, number(extra, 2, 2)? as usize);
        let mut body = extra.get(4..4 + length)?;
        if id == 1 {
            for number_of in numbers.iter_mut().filter(|n| **n == u64::from(u32::MAX)) {
                *number_of = number(body, 0, 8)?;
                body = &body[8..];
            }
        }
        extra = &extra[4 + length..];
    }
    Some(())
}

/// Reads a header: a magic number, its length, and a dictionary of Python.
fn header(bytes: &[u8]) -> Result<Header, String> {
    let none = || "it does not begin as an array of NumPy does".to_owned();
    if !bytes.starts_with(MAGIC) {
        return Err(none());
    }
    let (from, size) = match bytes.get(6) {
        Some(1) => (10_usize, 2),
        Some(2 | 3) => (12, 4),
        _ => return Err(none()),
    };
    let length = number(bytes, 8, size).ok_or_else(none)? as usize;
    let text = bytes
        .get(from..from.saturating_add(length))
        .ok_or_else(none)?;
    let text = std::str::from_utf8(text).map_err(|_| none())?;
    let value = |key: &str| {
        let (_, rest) = text.split_once(&format!("'{key}':"))?;
        Some(rest.trim_start())
    };
    let kind = value("descr").and_then(|rest| rest.strip_prefix('\''));
    let kind = kind
        .and_then(|rest| rest.split_once('\''))
        .ok_or_else(none)?
        .0;
    let shape = value("shape").and_then(|rest| rest.strip_prefix('('));
    let shape = shape
        .and_then(|rest| rest.split_once(')'))
        .ok_or_else(none)?
        .0;
    if value("fortran_order").is_none_or(|rest| !rest.starts_with("False")) {
        return Err("its values are in Fortran's order, expected C's: np.ascontiguousarray".into());
    }
    let kind = match kind {
        "|u1" => ValueType::U8,
        "|b1" => ValueType::Bool,
        "<i4" => ValueType::I32,
        "<i8" => ValueType::I64,
        "<f2" => ValueType::F16,
        "<f4" => ValueType::F32,
        other => return Err(unknown_type(other)),
    };
    let numbers = shape
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let numbers: Result<Vec<u64>, _> = numbers.map(str::parse).collect();
    let (shape, samples) = shaped(kind, &numbers.map_err(|_| none())?)?;
    Ok(Header {
        shape,
        samples,
        length: (from + length) as u64,
    })
}

pub(super) fn unknown_type(found: &str) -> String {
    format!(
        "its values are of the type {found}, expected u8, i32, i64, f16, f32 or bool: convert it, as \
         with x.astype(\"float32\")"
    )
}

/// The shape of a sample, and the number of samples, of a tensor with the samples first.
pub(super) fn shaped(kind: ValueType, all: &[u64]) -> Result<(FieldShape, usize), String> {
    let of = || {
        let most = MOST_DIMENSIONS + 1;
        format!(
            "its shape is {all:?}, expected samples first and at most {most} dimensions, none of them 0"
        )
    };
    let (samples, rest) = all.split_first().ok_or_else(of)?;
    let rest: Result<Vec<u32>, _> = rest.iter().map(|d| u32::try_from(*d)).collect();
    let shape = FieldShape::new(kind, &rest.map_err(|_| of())?, 0).ok_or_else(of)?;
    let samples = usize::try_from(*samples).map_err(|_| of())?;
    let bytes = samples.checked_mul(shape.sample_len());
    match bytes {
        Some(1..) => Ok((shape, samples)),
        Some(0) | None => Err(of()),
    }
}
