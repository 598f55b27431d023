//! Tables of numbers as text: a column for each feature, and one with what is to be learnt.
//!
//! That is the column `y`, or the last one if none has this name: classes if all of it are whole numbers from 0,
//! else numbers. The others are floats. Such a file is read into memory.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::tensor::{FieldShape, Tensor, ValueType};
use crate::files::FileError;

/// A longer line is none.
const MOST_LINE: u64 = 1 << 22;

/// The columns of a text with a line of names and a line for each sample, as `x` and `y`.
pub(super) fn read(path: &Path) -> Result<Vec<(String, Tensor)>, FileError> {
    let bad = |line: usize, why: String| FileError::content(path, format!("line {line}: {why}"));
    let file = File::open(path).map_err(FileError::io("read", path))?;
    let mut reader = BufReader::new(file);
    let (mut text, mut number, mut names) = (String::new(), 0, Vec::<String>::new());
    let (mut x, mut y, mut target) = (Vec::<u8>::new(), Vec::<f64>::new(), 0);
    loop {
        text.clear();
        let read = reader.by_ref().take(MOST_LINE).read_line(&mut text);
        number += 1;
        if read.map_err(FileError::io("read", path))? == 0 {
            break;
        }
        let line = text.trim_start_matches('\u{feff}').trim();
        if line.is_empty() {
            continue;
        }
        let cells = line.split(',').map(|cell| cell.trim().trim_matches('"'));
        if names.is_empty() {
            names = cells.map(str::to_owned).collect();
            target = target_of(&names).map_err(|why| bad(number, why))?;
            continue;
        }
        let found = line.split(',').count();
        if found != names.len() {
            let expected = names.len();
            return Err(bad(
                number,
                format!("{found} values, expected {expected} as in the first line"),
            ));
        }
        for (at, (name, cell)) in names.iter().zip(cells).enumerate() {
            let value = cell.parse::<f64>().ok().filter(|value| value.is_finite());
            let value = value.ok_or_else(|| {
                bad(
                    number,
                    format!("column {name} is '{cell}', expected a number"),
                )
            })?;
            if at == target {
                y.push(value);
            } else {
                x.extend((value as f32).to_le_bytes());
            }
        }
    }
    if y.is_empty() {
        return Err(bad(
            number,
            "it ends, expected a line with names and one for each sample".to_owned(),
        ));
    }
    tensors(path, names.len() - 1, x, &y)
}

/// The place of the column that is to be learnt.
fn target_of(names: &[String]) -> Result<usize, String> {
    if names.len() < 2 {
        return Err("one column, expected features and a target".to_owned());
    }
    let named = names.iter().position(|name| name == "y");
    Ok(named.unwrap_or(names.len() - 1))
}

/// Rows of `width` floats, and what is to be learnt of each.
fn tensors(
    path: &Path,
    width: usize,
    x: Vec<u8>,
    y: &[f64],
) -> Result<Vec<(String, Tensor)>, FileError> {
    let is_class = y.iter().all(|y| y.fract() == 0.0 && (0.0..1e9).contains(y));
    let (kind, y): (_, Vec<u8>) = if is_class {
        let classes = y.iter().flat_map(|y| (*y as i64).to_le_bytes());
        (ValueType::I64, classes.collect())
    } else {
        let numbers = y.iter().flat_map(|y| (*y as f32).to_le_bytes());
        (ValueType::F32, numbers.collect())
    };
    let width = u32::try_from(width).unwrap_or(u32::MAX);
    let shape = |kind, dimensions: &[u32]| {
        FieldShape::new(kind, dimensions, 0)
            .ok_or_else(|| FileError::content(path, "too many columns".to_owned()))
    };
    Ok(vec![
        (
            "x".to_owned(),
            Tensor::in_memory(shape(ValueType::F32, &[width])?, x),
        ),
        ("y".to_owned(), Tensor::in_memory(shape(kind, &[])?, y)),
    ])
}
