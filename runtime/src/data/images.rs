//! Folders of images: `train/CLASS/*.png` and `test/CLASS/*.jpg`, or `.jpeg`.
//!
//! A class is the place of its folder among those of `train`, by name. All images get the size of the first one,
//! and its colours: grey, or red, green and blue, each a plane of bytes. They are held in memory.

use std::fs;
use std::path::{Path, PathBuf};

use image::imageops::{self, FilterType};
use image::{ColorType, DynamicImage, ImageReader, Limits};

use super::dataset::{Dataset, Splits};
use super::error::DataError;
use super::tensor::{FieldShape, Tensor, ValueType};
use crate::files::FileError;

/// Endings of the formats that are known.
const ENDINGS: [&str; 3] = ["png", "jpg", "jpeg"];
/// A wider or higher image is none.
const MOST_PIXELS: u32 = 1 << 14;

/// What all images are made to be.
#[derive(Clone, Copy)]
struct Form {
    width: u32,
    height: u32,
    has_colour: bool,
}

/// Whether a folder is one of these.
pub(super) fn is_there(folder: &Path) -> bool {
    ["train", "test"]
        .iter()
        .all(|part| folder.join(part).is_dir())
}

/// Reads the images of both parts.
pub(super) fn read(folder: &Path) -> Result<Splits, DataError> {
    let [train, test] = ["train", "test"].map(|part| folder.join(part));
    let classes = entries(&train, Path::is_dir)?;
    let first = classes.iter().map(|class| entries(class, is_image));
    let first = first
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .flatten()
        .next();
    let Some(first) = first else {
        let why = "expected a folder for each class, with .png or .jpg images".to_owned();
        return Err(FileError::content(&train, why).into());
    };
    let first = open(&first)?;
    let form = Form {
        width: first.width(),
        height: first.height(),
        has_colour: !matches!(
            first.color(),
            ColorType::L8 | ColorType::L16 | ColorType::La8 | ColorType::La16
        ),
    };
    let names: Vec<PathBuf> = classes
        .iter()
        .filter_map(|class| class.file_name().map(PathBuf::from))
        .collect();
    let train = part(&train, &names, form)?;
    let test = part(&test, &names, form)?;
    Ok(Splits { train, test })
}

/// The images of one part.
fn part(folder: &Path, classes: &[PathBuf], form: Form) -> Result<Dataset, FileError> {
    for found in entries(folder, Path::is_dir)? {
        if !classes.iter().any(|class| found.ends_with(class)) {
            let why =
                "no folder of this name is in train, expected the same classes in both".to_owned();
            return Err(FileError::content(&found, why));
        }
    }
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for (number, class) in (0_i64..).zip(classes) {
        let place = folder.join(class);
        if !place.is_dir() {
            continue; // none of this class
        }
        for path in entries(&place, is_image)? {
            form.pixels(open(&path)?, &mut x);
            y.extend(number.to_le_bytes());
        }
    }
    if y.is_empty() {
        let why = "it has no images, expected .png or .jpg in a folder for each class".to_owned();
        return Err(FileError::content(folder, why));
    }
    let planes = if form.has_colour { 3 } else { 1 };
    let shape = |kind, dimensions: &[u32], below: usize| {
        FieldShape::new(kind, dimensions, u32::try_from(below).unwrap_or(0))
            .ok_or_else(|| FileError::content(folder, "an image of no size".to_owned()))
    };
    let x = Tensor::in_memory(
        shape(ValueType::U8, &[planes, form.height, form.width], 256)?,
        x,
    );
    let y = Tensor::in_memory(shape(ValueType::I64, &[], classes.len())?, y);
    Ok(Dataset::of(x, y))
}

impl Form {
    /// Adds an image, plane by plane.
    fn pixels(self, image: DynamicImage, to: &mut Vec<u8>) {
        let has_size = (image.width(), image.height()) == (self.width, self.height);
        let (width, height, filter) = (self.width, self.height, FilterType::Triangle);
        if self.has_colour {
            let mut pixels = image.into_rgb8();
            if !has_size {
                pixels = imageops::resize(&pixels, width, height, filter);
            }
            for plane in 0..3 {
                to.extend(pixels.as_raw().iter().skip(plane).step_by(3));
            }
        } else {
            let mut pixels = image.into_luma8();
            if !has_size {
                pixels = imageops::resize(&pixels, width, height, filter);
            }
            to.extend(pixels.as_raw());
        }
    }
}

/// Reads an image; its header is a claim that is bounded before anything is allocated for it.
fn open(path: &Path) -> Result<DynamicImage, FileError> {
    let io = || FileError::io("read", path);
    let mut reader = ImageReader::open(path)
        .map_err(io())?
        .with_guessed_format()
        .map_err(io())?;
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MOST_PIXELS), Some(MOST_PIXELS));
    reader.limits(limits);
    let decoded = reader.decode();
    decoded
        .map_err(|error| FileError::content(path, format!("{error}, expected a PNG or JPEG image")))
}

fn is_image(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    let ending = ending.map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// What lies in a folder and is wanted, by name.
fn entries(folder: &Path, is_wanted: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>, FileError> {
    let io = || FileError::io("read", folder);
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).map_err(io())? {
        let path = entry.map_err(io())?.path();
        if is_wanted(&path) {
            all.push(path);
        }
    }
    all.sort_unstable();
    Ok(all)
}
