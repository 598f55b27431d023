//! The rules of the house that a compiler does not check.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const FLOORS: [(&str, u32); 8] = [
    ("scheduler", 0),
    ("solvers", 1),
    ("scenarios", 1),
    ("results", 1),
    ("console", 1),
    ("sim", 2),
    ("runtime", 2),
    ("benches", 3),
];

fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest
        .parent()
        .expect("the crate lies in the workspace")
        .to_owned()
}

/// The names that a crate's manifest depends on, those for its own tests included.
fn dependencies(name: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(name).join("Cargo.toml")).expect("a manifest");
    let manifest: toml::Table = text.parse().expect("the manifest is TOML");
    let sections = ["dependencies", "dev-dependencies", "build-dependencies"];
    let tables = sections
        .iter()
        .filter_map(|section| manifest.get(*section)?.as_table());
    tables.flat_map(|table| table.keys().cloned()).collect()
}

#[test]
fn arrows_only_point_down() {
    let floors: BTreeMap<&str, u32> = FLOORS.into();
    for (name, floor) in FLOORS {
        for dependency in dependencies(name) {
            if let Some(&below) = floors.get(dependency.as_str()) {
                assert!(below < floor, "{name} must not depend on {dependency}");
            }
        }
    }
}

#[test]
fn every_member_has_its_floor() {
    let text = fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    let manifest: toml::Table = text.parse().expect("the manifest is TOML");
    let members = manifest["workspace"]["members"].as_array().expect("a list");
    let mut members: Vec<&str> = members
        .iter()
        .filter_map(|member| member.as_str())
        .collect();
    let mut known = FLOORS.map(|(name, _)| name);
    members.sort_unstable();
    known.sort_unstable();
    assert_eq!(members, known);
}

#[test]
fn the_core_is_pure_and_polars_has_one_home() {
    let allowed = ["serde", "thiserror", "proptest"];
    for dependency in dependencies("scheduler") {
        assert!(
            allowed.contains(&dependency.as_str()),
            "scheduler must not depend on {dependency}"
        );
    }
    for (name, _) in FLOORS {
        for library in ["polars", "plotters"] {
            let has_it = dependencies(name).iter().any(|d| d.starts_with(library));
            assert_eq!(
                has_it,
                name == "results",
                "{library} lives in results alone"
            );
        }
    }
}

#[test]
fn every_crate_takes_the_workspace_lints_and_says_what_it_does_not_know() {
    for (name, floor) in FLOORS {
        let text = fs::read_to_string(root().join(name).join("Cargo.toml")).expect("a manifest");
        assert!(
            text.contains("[lints]\nworkspace = true"),
            "{name} must take the lints"
        );
        if floor < 3 {
            let library = root().join(name).join("src/lib.rs");
            let library = fs::read_to_string(library).expect("a library");
            let words = "**What it deliberately does not know:**";
            assert!(
                library.contains(words),
                "{name} must say what it does not know"
            );
        }
    }
}

/// The macros of the standard library panic where a pipe is closed or a disk is full.
#[test]
fn programs_print_by_what_cannot_panic() {
    for path in rust_files("src") {
        let source = fs::read_to_string(&path).expect("source");
        for word in ["println!(", "print!("] {
            assert!(
                !source.contains(word),
                "{} has {word}: print with `console`",
                path.display()
            );
        }
    }
}

/// `validate` reads clocks, so that a clippy.toml cannot ban them in all of the crate.
#[test]
fn the_engine_and_the_world_read_no_clock_and_no_global_luck() {
    let banned = [
        "Instant::now",
        "SystemTime",
        "std::time",
        "HashMap",
        "HashSet",
        "thread_rng",
        "from_os_rng",
        "getrandom",
        "std::thread",
        "std::env",
        "std::fs",
    ];
    let mut files = 0;
    for folder in ["sim/src/engine", "sim/src/world"] {
        for entry in fs::read_dir(root().join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            let source = fs::read_to_string(&path).expect("source");
            for word in banned {
                assert!(
                    !source.contains(word),
                    "{} has {word}: time and luck are arguments there",
                    path.display()
                );
            }
            files += 1;
        }
    }
    assert!(files > 10, "the engine and the world lie in sim/src");
}

#[test]
fn files_can_be_held_in_the_head() {
    for path in rust_files("") {
        let lines = fs::read_to_string(&path).expect("source").lines().count();
        assert!(
            lines <= 700,
            "{} has {lines} lines, expected 700",
            path.display()
        );
    }
}

/// The Rust files in this folder of every crate.
fn rust_files(within: &str) -> Vec<PathBuf> {
    let crates = FLOORS.iter();
    let mut folders: Vec<PathBuf> = crates
        .map(|(name, _)| root().join(name).join(within))
        .filter(|folder| folder.is_dir())
        .collect();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}
