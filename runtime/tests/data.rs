//! Files of data sets: which are read, and which are refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write;
use std::path::Path;

use proptest::prelude::*;
use runtime::data::{DataError, DataSource, Splits};

const FILES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

fn images(count: u32, rows: u32, columns: u32, first: u8) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 3];
    for dimension in [count, rows, columns] {
        bytes.extend(dimension.to_be_bytes());
    }
    bytes.extend((0..count * rows * columns).map(|at| first.wrapping_add(at as u8)));
    bytes
}

fn labels(labels: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 1];
    bytes.extend((labels.len() as u32).to_be_bytes());
    bytes.extend(labels);
    bytes
}

/// Five training samples of 2 × 3, two test samples, three classes.
fn good() -> [Vec<u8>; 4] {
    [
        images(5, 2, 3, 10),
        labels(&[0, 1, 2, 1, 0]),
        images(2, 2, 3, 200),
        labels(&[2, 0]),
    ]
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn load(folder: &Path) -> Result<Splits, DataError> {
    DataSource::Folder(folder.to_owned()).load()
}

fn load_files(files: &[Vec<u8>; 4]) -> Result<Splits, DataError> {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in FILES.iter().zip(files) {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    load(folder.path())
}

/// The error message without the folder.
fn refusal(files: &[Vec<u8>; 4]) -> String {
    let text = load_files(files).unwrap_err().to_string();
    assert!(!text.contains('\n'), "{text}");
    text.split_once("-ubyte").map_or(text.clone(), |_| {
        let folder_end = FILES
            .iter()
            .filter_map(|file| text.find(file))
            .min()
            .unwrap();
        text[folder_end..].to_owned()
    })
}

#[test]
fn a_folder_is_read_gzipped_or_not_under_all_names() {
    let plain = load_files(&good()).unwrap();
    assert_eq!((plain.train.samples(), plain.test.samples()), (5, 2));
    assert_eq!(
        (
            plain.train.features(),
            plain.train.classes(),
            plain.test.classes()
        ),
        (6, 3, 3)
    );
    assert_eq!(plain.train.batches(2), 2, "the fifth sample fills no batch");
    assert_eq!(plain.train.batches(0), 0);
    let expected: Vec<u8> = (22..34).chain([2, 1]).collect();
    let batch = plain.train.batch(1, 2).unwrap();
    assert_eq!(batch.clone().into_wire(), expected);
    assert_eq!((batch.x(), batch.y()), (&expected[..12], &expected[12..]));

    let folder = tempfile::tempdir().unwrap();
    let names = [
        "train-images-idx3-ubyte.gz",
        "train-labels.idx1-ubyte",
        "t10k-images.idx3-ubyte.gz",
        // Gzipped, whatever its name says.
        "t10k-labels-idx1-ubyte",
    ];
    for (index, (name, bytes)) in names.iter().zip(good()).enumerate() {
        let bytes = if index == 1 { bytes } else { gzipped(&bytes) };
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let found = load(folder.path()).unwrap();
    assert_eq!(found.digest().unwrap(), plain.digest().unwrap());
}

#[test]
fn mismatches_are_refused_with_the_file_and_what_was_expected() {
    let change = |index: usize, bytes: Vec<u8>| {
        let mut files = good();
        files[index] = bytes;
        refusal(&files)
    };
    assert_eq!(
        change(0, images(5, 2, 3, 0)[..40].to_vec()),
        "train-images-idx3-ubyte: it has 40 bytes, expected 46"
    );
    assert_eq!(
        change(0, gzipped(&images(5, 2, 3, 0)[..40])),
        "train-images-idx3-ubyte: it has 40 bytes once unpacked, expected 46"
    );
    let cut = gzipped(&images(5, 2, 3, 0));
    let text = change(0, cut[..cut.len() - 12].to_vec());
    assert!(
        text.ends_with(" bytes once unpacked, expected 46"),
        "{text}"
    );
    assert_eq!(
        change(3, [labels(&[2, 0]), vec![0]].concat()),
        "t10k-labels-idx1-ubyte: it has 11 bytes, expected 10"
    );
    assert_eq!(
        change(3, gzipped(&[labels(&[2, 0]), vec![0; 999]].concat())),
        "t10k-labels-idx1-ubyte: it has 11 bytes or more once unpacked, expected 10"
    );
    assert_eq!(
        change(1, labels(&[0; 5])[..7].to_vec()),
        "train-labels-idx1-ubyte: it has 7 bytes, expected 8"
    );
    assert_eq!(
        change(1, vec![]),
        "train-labels-idx1-ubyte: it has 0 bytes, expected 8"
    );
    assert_eq!(
        change(0, labels(&[0; 5])),
        "train-images-idx3-ubyte: it begins with 0x00000801, expected 0x00000803 (images, three dimensions of bytes)"
    );
    assert_eq!(
        change(1, labels(&[0; 4])),
        "train-labels-idx1-ubyte: 4 samples, expected 5 as in train-images-idx3-ubyte"
    );
    assert_eq!(
        change(3, labels(&[2, 3])),
        "t10k-labels-idx1-ubyte: sample 1 has label 3, expected one below 3"
    );
    assert_eq!(
        change(2, images(2, 3, 3, 0)),
        "t10k-images-idx3-ubyte: 9 values per sample, expected 6 as in train-images-idx3-ubyte"
    );
    for [count, rows, columns] in [
        [0, 2, 3],
        [5, 0, 3],
        [u32::MAX; 3],
        [1 << 16, 1 << 8, 1 << 8],
    ] {
        let mut header = vec![0, 0, 8, 3];
        [count, rows, columns]
            .iter()
            .for_each(|d: &u32| header.extend(d.to_be_bytes()));
        let text = change(0, header);
        assert!(
            text.contains("expected at least one of each and at most 2147483648 bytes"),
            "{text}"
        );
    }
}

#[test]
fn a_missing_file_is_reported_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let text = load(folder.path()).unwrap_err().to_string();
    assert!(
        text.starts_with("there is no train-images-idx3-ubyte in "),
        "{text}"
    );
    assert!(
        text.ends_with("the four IDX files, gzipped or not, or the name of a data set"),
        "{text}"
    );
}

proptest! {
    /// Any damage: no panic, bounded memory, and a data set only from files with correct headers.
    #[test]
    fn damaged_files_are_read_or_refused(
        file in 0_usize..4,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        length in prop::option::of(any::<prop::sample::Index>()),
        zipped: bool,
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut files = good();
        let bytes = &mut files[file];
        for (at, value) in edits {
            // Most faults are in headers.
            let at = at.index(bytes.len().min(20));
            bytes[at] = value;
        }
        if let Some(length) = length {
            bytes.truncate(length.index(bytes.len() + 1));
        }
        let plain = bytes.clone();
        if zipped {
            *bytes = gzipped(bytes);
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len() + 1));
            }
        }
        let whole = !zipped || cut.is_none() || *bytes == gzipped(&plain);
        let claimed = dimensions(&plain).filter(|_| whole);
        match load_files(&files) {
            Ok(splits) => {
                prop_assert!(claimed.is_some(), "the header is wrong");
                prop_assert_eq!((splits.train.samples(), splits.test.samples()), (5, 2));
                prop_assert_eq!(splits.train.features(), splits.test.features());
            }
            Err(error) => {
                let text = error.to_string();
                prop_assert!(text.contains("-ubyte") && !text.contains('\n'), "{}", text);
                // Undamaged files are not refused.
                prop_assert!(files != good());
            }
        }
    }

    #[test]
    fn noise_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), file in 0_usize..4, gzip: bool) {
        let mut files = good();
        files[file] = if gzip { [vec![0x1f, 0x8b, 8, 0], bytes].concat() } else { bytes };
        prop_assume!(files != good());
        prop_assert!(load_files(&files).is_err());
    }
}

/// The dimensions of an IDX header, if the file has exactly the length that follows from them.
fn dimensions(bytes: &[u8]) -> Option<Vec<u32>> {
    let count = match bytes.get(..4)? {
        [0, 0, 8, count @ (1 | 3)] => usize::from(*count),
        _ => return None,
    };
    let header = bytes.get(4..4 + 4 * count)?;
    let numbers: Vec<u32> = header
        .chunks(4)
        .map(|word| u32::from_be_bytes(word.try_into().unwrap()))
        .collect();
    let product: u128 = numbers.iter().map(|&d| u128::from(d)).product();
    (product == (bytes.len() - 4 - 4 * count) as u128).then_some(numbers)
}

/// The real files, where they have been fetched.
#[test]
fn real_data_sets_are_read_if_present() {
    for name in ["mnist", "fashion-mnist"] {
        match name.parse::<DataSource>().unwrap().load() {
            Ok(splits) => {
                assert_eq!(
                    (splits.train.samples(), splits.test.samples()),
                    (60_000, 10_000)
                );
                assert_eq!((splits.train.features(), splits.train.classes()), (784, 10));
                assert_eq!(splits.train.batches(32), 1_875);
            }
            Err(error @ DataError::Missing { .. }) => {
                let text = error.to_string();
                assert!(
                    text.contains(&format!("run './allot data {name}'")),
                    "{text}"
                );
                eprintln!("NOT CHECKED: {text}");
            }
            Err(error) => panic!("{error}"),
        }
    }
}
