//! Data sets with types and shapes: safetensors, NumPy's archives, and tables.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use proptest::prelude::*;
use runtime::data::{DataSource, Splits, ValueType};

fn load(folder: &Path) -> Result<Splits, String> {
    let source: DataSource = folder.to_str().expect("a path").parse().expect("a folder");
    source.load().map_err(|error| error.to_string())
}

/// Five samples of 2 x 3 floats, with a class each.
fn x() -> Vec<u8> {
    (0..30)
        .flat_map(|i| (i as f32 / 4.0).to_le_bytes())
        .collect()
}

fn y() -> Vec<u8> {
    [2_i64, 0, 1, 1, 0]
        .iter()
        .flat_map(|y| y.to_le_bytes())
        .collect()
}

fn npy(kind: &str, shape: &str, values: &[u8]) -> Vec<u8> {
    let mut text = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    text.extend(vec![' '; 118_usize.saturating_sub(text.len() + 1)]);
    text.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.extend(values);
    bytes
}

/// A zip archive, as `np.savez` or `np.savez_compressed` would write it.
fn zip(files: &[(&str, Vec<u8>)], is_packed: bool) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        let packed = if is_packed {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(bytes).expect("memory");
            encoder.finish().expect("memory")
        } else {
            bytes.clone()
        };
        let first = out.len() as u32;
        let method = if is_packed { 8_u16 } else { 0 };
        let mut common = vec![20, 0, 0, 0];
        common.extend(method.to_le_bytes());
        common.extend([0; 8]); // time, date and checksum, which nobody looks at
        common.extend((packed.len() as u32).to_le_bytes());
        common.extend((bytes.len() as u32).to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0; 2]);
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(packed);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(common);
        directory.extend([0; 10]);
        directory.extend(first.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (at, size) = (out.len() as u32, directory.len() as u32);
    out.extend(directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([(files.len() as u16).to_le_bytes(); 2].concat());
    out.extend(size.to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend([0; 2]);
    out
}

fn npz(is_packed: bool) -> Vec<u8> {
    let files = [
        ("x.npy", npy("<f4", "(5, 2, 3)", &x())),
        ("y.npy", npy("<i8", "(5,)", &y())),
    ];
    zip(&files, is_packed)
}

fn tensors(header: &str, values: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(values);
    bytes
}

fn safetensors() -> Vec<u8> {
    let header = r#"{"x":{"dtype":"F32","shape":[5,2,3],"data_offsets":[0,120]},"y":{"dtype":"I64","shape":[5],"data_offsets":[120,160]}}"#;
    tensors(header, &[x(), y()].concat())
}

/// A folder with the same bytes for training and for testing.
fn folder(ending: &str, bytes: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["train", "test"] {
        fs::write(folder.path().join(format!("{name}.{ending}")), bytes).expect("written");
    }
    folder
}

#[test]
fn every_format_gives_the_same_samples() {
    let mut digests = Vec::new();
    for (ending, bytes) in [
        ("safetensors", safetensors()),
        ("npz", npz(false)),
        ("npz", npz(true)),
    ] {
        let folder = folder(ending, &bytes);
        let splits = load(folder.path()).expect(ending);
        let shape = splits.train.batch_shape(2);
        assert_eq!(
            (shape.x.kind, shape.x.dimensions()),
            (ValueType::F32, &[2, 3][..])
        );
        assert_eq!((shape.y.kind, shape.classes()), (ValueType::I64, 3));
        assert_eq!((splits.train.samples(), splits.train.batches(2)), (5, 2));
        let batch = splits.train.batch(1, 2).expect("it is there");
        assert_eq!((batch.x(), batch.y()), (&x()[48..96], &y()[16..32]));
        assert_eq!(batch.labels().collect::<Vec<_>>(), [1, 1]);
        digests.push(splits.digest().expect("it is read"));
        // The file for training can be named itself.
        let file = folder.path().join(format!("train.{ending}"));
        assert_eq!(
            load(&file).expect(ending).digest().expect("read"),
            digests[0]
        );
    }
    assert_eq!(digests, [digests[0]; 3]);
    // Another value, another digest.
    let mut other = safetensors();
    *other.last_mut().expect("bytes") = 1;
    assert!(load(folder("safetensors", &other).path()).is_ok());
    let mut other = safetensors();
    let at = other.len() - 60;
    other[at] ^= 1;
    let other = load(folder("safetensors", &other).path()).expect("it is whole");
    assert_ne!(other.digest().expect("it is read"), digests[0]);
}

#[test]
fn a_table_has_its_target_in_the_last_column() {
    let text = "width,\"height\",kind\n1,2.5,0\n3,4,2\n\n5,-6e-1,1\n";
    let splits = load(folder("csv", text.as_bytes()).path()).expect("a table");
    let shape = splits.train.batch_shape(3);
    assert_eq!(
        (shape.x.kind, shape.x.dimensions(), shape.classes()),
        (ValueType::F32, &[2][..], 3)
    );
    let batch = splits.train.batch(0, 3).expect("it is there");
    let mut floats = Vec::new();
    batch.floats(&mut floats);
    assert_eq!(floats, [1.0, 2.5, 3.0, 4.0, 5.0, -0.6]);
    assert_eq!(batch.labels().collect::<Vec<_>>(), [0, 2, 1]);
    // A target that is no class is a number.
    let splits = load(folder("csv", b"a,y\n1,0.5\n2,-3\n").path()).expect("a table");
    let shape = splits.train.batch_shape(1);
    assert_eq!((shape.y.kind, shape.classes()), (ValueType::F32, 0));
    for (text, expected) in [
        (
            "a,y\n1,2\n1,x\n",
            "train.csv: line 3: column y is 'x', expected a number",
        ),
        (
            "a,y\n1\n",
            "train.csv: line 2: 1 values, expected 2 as in the first line",
        ),
        (
            "a,y\n1,nan\n",
            "train.csv: line 2: column y is 'nan', expected a number",
        ),
        (
            "a\n1\n",
            "train.csv: line 1: one column, expected features and a target",
        ),
        (
            "a,y\n",
            "expected a line with names and one for each sample",
        ),
    ] {
        let error = load(folder("csv", text.as_bytes()).path()).expect_err(expected);
        assert!(error.ends_with(expected), "{error}");
    }
}

/// Where a column is called `y`, that is the target, wherever it stands.
#[test]
fn a_table_may_name_its_target() {
    let splits = load(folder("csv", b"a,y,b\n1,2,3\n4,0,6\n").path()).expect("a table");
    let batch = splits.train.batch(0, 2).expect("it is there");
    let mut floats = Vec::new();
    batch.floats(&mut floats);
    assert_eq!(floats, [1.0, 3.0, 4.0, 6.0]);
    assert_eq!(batch.labels().collect::<Vec<_>>(), [2, 0]);
}

/// Classes are folders by name; every image gets the size and the colours of the first one.
#[test]
fn images_lie_in_a_folder_for_each_class() {
    use image::{GrayImage, Luma, Rgb, RgbImage};
    let dir = tempfile::tempdir().expect("a folder");
    let path = |name: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("room");
        path
    };
    let colour = |rgb: [u8; 3]| RgbImage::from_pixel(3, 2, Rgb(rgb));
    colour([10, 20, 30])
        .save(path("train/cat/b.png"))
        .expect("room");
    colour([1, 2, 3])
        .save(path("train/cat/a.PNG"))
        .expect("room");
    colour([40, 50, 60])
        .save(path("train/dog/a.png"))
        .expect("room");
    // Of another size, and grey.
    GrayImage::from_pixel(30, 20, Luma([77]))
        .save(path("train/emu/x.png"))
        .expect("room");
    colour([200, 200, 200])
        .save(path("test/dog/a.jpg"))
        .expect("room");
    fs::write(path("train/cat/notes.txt"), "no image").expect("room");
    let splits = load(dir.path()).expect("images");
    let shape = splits.train.batch_shape(4);
    assert_eq!(
        (shape.x.kind, shape.x.dimensions(), shape.classes()),
        (ValueType::U8, &[3, 2, 3][..], 3)
    );
    let batch = splits.train.batch(0, 4).expect("it is there");
    assert_eq!(batch.labels().collect::<Vec<_>>(), [0, 0, 1, 2]);
    let wire = batch.into_wire();
    let plane = |of: usize, plane: usize| wire[of * 18 + plane * 6..][..6].to_vec();
    assert_eq!(plane(0, 0), [1; 6]);
    assert_eq!(plane(1, 2), [30; 6]);
    assert_eq!(plane(2, 1), [50; 6]);
    assert_eq!(plane(3, 1), [77; 6]);
    let test = splits.test.batch(0, 1).expect("it is there");
    assert_eq!(test.labels().collect::<Vec<_>>(), [1]);

    for (name, content, expected) in [
        (
            "test/cow/a.png",
            &b"x"[..],
            "test/cow: no folder of this name is in train",
        ),
        (
            "train/emu/broken.png",
            b"\x89PNG\r\n\x1a\nxx",
            "expected a PNG or JPEG image",
        ),
    ] {
        let file = path(name);
        fs::write(&file, content).expect("room");
        let error = load(dir.path()).expect_err(expected);
        assert!(error.contains(expected) && !error.contains('\n'), "{error}");
        fs::remove_file(&file).expect("it is there");
        let _ = fs::remove_dir(file.parent().expect("a folder")); // if it is empty
    }
}

#[test]
fn what_is_wrong_is_said_with_the_file_and_what_was_expected() {
    let check = |ending: &str, bytes: &[u8], expected: &str| {
        let error = load(folder(ending, bytes).path()).expect_err(expected);
        let file = format!("train.{ending}: ");
        assert!(error.contains(&file) && error.contains(expected), "{error}");
        assert!(!error.contains('\n'), "{error}");
    };
    let whole = safetensors();
    check(
        "safetensors",
        &whole[..whole.len() - 1],
        "it has 159 bytes of values, expected 160",
    );
    check("safetensors", &whole[..5], "it is too short");
    check(
        "safetensors",
        &u64::MAX.to_le_bytes(),
        "expected at most 16777216",
    );
    let of = |header: &str, bytes| tensors(header, &vec![0; bytes]);
    let header = r#"{"x":{"dtype":"F64","shape":[5],"data_offsets":[0,40]}}"#;
    check(
        "safetensors",
        &of(header, 40),
        "x: its values are of the type F64, expected u8,",
    );
    let header = r#"{"z":{"dtype":"U8","shape":[5],"data_offsets":[0,5]}}"#;
    check(
        "safetensors",
        &of(header, 5),
        "it holds z, expected x and y",
    );
    let header = r#"{"x":{"dtype":"U8","shape":[5],"data_offsets":[0,5]},"y":{"dtype":"U8","shape":[4],"data_offsets":[5,9]}}"#;
    check("safetensors", &of(header, 9), "x has 5 samples and y 4");
    let header = r#"{"x":{"dtype":"U8","shape":[1,1,1,1,1,1],"data_offsets":[0,1]}}"#;
    check("safetensors", &of(header, 1), "at most 5 dimensions");
    check("npz", b"no archive", "expected what np.savez writes");
    let of =
        |kind: &str, shape: &str, values: &[u8]| zip(&[("x.npy", npy(kind, shape, values))], false);
    check(
        "npz",
        &of("<f8", "(5,)", &[0; 40]),
        "x.npy: its values are of the type <f8",
    );
    check("npz", &of("<f4", "(5,)", &[0; 19]), "bytes, expected");
    check("npz", &of("<f4", "(5, 0)", &[]), "none of them 0");
    check("npz", &of("<f4", "()", &[0; 4]), "expected samples first");
    // Both files are to be of one kind.
    let folder = folder("npz", &npz(false));
    let files = [
        ("x.npy", npy("|u1", "(5, 2, 3)", &[0; 30])),
        ("y.npy", npy("<i8", "(5,)", &y())),
    ];
    fs::write(folder.path().join("test.npz"), zip(&files, false)).expect("written");
    let error = load(folder.path()).expect_err("they differ");
    assert!(
        error.contains("test.npz: each x is U8 of the shape [2, 3], expected F32"),
        "{error}"
    );
    fs::remove_file(folder.path().join("test.npz")).expect("removed");
    let error = load(folder.path()).expect_err("there is none");
    assert!(error.contains("test.npz: cannot read"), "{error}");
}

proptest! {
    /// Any damage: no panic, and samples or one line that names the file.
    #[test]
    fn damaged_files_are_read_or_refused(
        kind in 0_usize..3,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        length in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let (ending, mut bytes) = match kind {
            0 => ("safetensors", safetensors()),
            1 => ("npz", npz(false)),
            _ => ("npz", npz(true)),
        };
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(length) = length {
            bytes.truncate(length.index(bytes.len() + 1));
        }
        match load(folder(ending, &bytes).path()) {
            Ok(splits) => {
                prop_assert!(splits.train.whole().is_ok());
                prop_assert!(splits.digest().is_ok());
            }
            Err(error) => {
                prop_assert!(error.contains("train.") && !error.contains('\n'), "{}", error);
            }
        }
    }
}

/// What NumPy itself writes, in all types.
#[test]
fn archives_of_numpy_are_read() {
    let python = std::env::var("ALLOT_PYTHON").unwrap_or_else(|_| "/usr/bin/python3".to_owned());
    let folder = tempfile::tempdir().expect("a folder");
    let script = "import numpy as np, sys
for name, save in (('train', np.savez), ('test', np.savez_compressed)):
    for kind in 'u1 b1 i4 i8 f2 f4'.split():
        x = np.arange(24).reshape(4, 2, 3).astype(kind)
        save(f'{sys.argv[1]}/{kind}-{name}.npz', x=x, y=np.arange(4))
";
    let ran = Command::new(&python)
        .args(["-c", script])
        .arg(folder.path())
        .output();
    if !ran.is_ok_and(|ran| ran.status.success()) {
        assert!(
            std::env::var_os("ALLOT_REQUIRE_PYTHON").is_none(),
            "{python} has no NumPy"
        );
        eprintln!("NOT CHECKED: {python} has no NumPy");
        return;
    }
    for kind in ["u1", "b1", "i4", "i8", "f2", "f4"] {
        let of = folder.path().join(kind);
        fs::create_dir(&of).expect("a folder");
        for name in ["train", "test"] {
            let from = folder.path().join(format!("{kind}-{name}.npz"));
            fs::rename(from, of.join(format!("{name}.npz"))).expect("moved");
        }
        let splits = load(&of).expect(kind);
        let (train, test) = (splits.train.whole().unwrap(), splits.test.whole().unwrap());
        assert_eq!(train, test, "{kind}: packed or not");
        let mut floats = Vec::new();
        train.floats(&mut floats);
        let scale = if kind == "u1" { 255.0 } else { 1.0 };
        let is = |i: u8| {
            if kind == "b1" {
                f32::from(u8::from(i > 0))
            } else {
                f32::from(i) / scale
            }
        };
        assert_eq!(floats, (0..24).map(is).collect::<Vec<_>>(), "{kind}");
        assert_eq!(train.labels().collect::<Vec<_>>(), [0, 1, 2, 3]);
    }
}
