//! The script `allot`: it runs where it was called, and never waits in silence.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A checkout of the script alone, with stand-ins for the programs that it calls.
struct Checkout {
    folder: tempfile::TempDir,
}

impl Checkout {
    /// `cargo` is the text of a shell script.
    fn new(cargo: &str) -> Self {
        let checkout = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        for folder in ["checkout/target/release", "bin", "caller"] {
            fs::create_dir_all(checkout.path(folder)).expect("a folder");
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("the workspace");
        copy(&root.join("allot"), &checkout.path("checkout/allot"));
        fs::write(
            checkout.path("checkout/Cargo.toml"),
            "rust-version = \"1.0\"\n",
        )
        .expect("a manifest");
        symlink(checkout.path("checkout/allot"), checkout.path("bin/allot")).expect("a link");
        checkout.program("bin/cargo", cargo);
        checkout.program("bin/rustc", "echo rustc 1.95.0");
        checkout.program("bin/pkg-config", "exit 0");
        checkout.program("bin/cc", "exit 0");
        let sim = r#"echo "$PWD"; cat mine.toml - ; printf '%s\n' "$@""#;
        checkout.program("checkout/target/release/sim", sim);
        fs::write(checkout.path("caller/mine.toml"), "the caller's file\n").expect("a file");
        checkout
    }

    fn path(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().canonicalize().expect("the folder");
        folder.join(name)
    }

    fn program(&self, name: &str, script: &str) {
        let text = self.path("text");
        fs::write(&text, format!("#!/bin/sh\n{script}\n")).expect("a file");
        fs::set_permissions(&text, fs::Permissions::from_mode(0o755)).expect("a file");
        copy(&text, &self.path(name));
    }

    /// Calls `program` in the caller's folder, with a file of that folder as standard input.
    fn call(&self, program: &str) -> Output {
        let path = std::env::var("PATH").expect("a PATH");
        let input = fs::File::open(self.path("caller/mine.toml")).expect("a file");
        Command::new(program)
            .args(["sim", "run", "mine.toml", "--out", "two words"])
            .current_dir(self.path("caller"))
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env_remove("CARGO_TARGET_DIR")
            .stdin(input)
            .output()
            .expect("the script runs")
    }
}

/// Copies a program by a process of its own. A child that another test starts meanwhile would inherit a
/// file that this process writes, and until it runs its own program the file could not be run.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").args([from, to]).status();
    assert!(copied.expect("cp runs").success(), "{}", to.display());
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn it_runs_in_the_folder_of_the_caller() {
    let checkout = Checkout::new(r#"pwd >>"$(dirname "$0")/../where"; cat >/dev/null"#);
    let expected = format!(
        "{}\nthe caller's file\nthe caller's file\nrun\nmine.toml\n--out\ntwo words\n",
        checkout.path("caller").display()
    );
    // By a link in the PATH, by a relative path, and by its own.
    let direct = checkout.path("checkout/allot").display().to_string();
    for program in ["allot", "../checkout/allot", &direct] {
        let program = match program {
            "allot" => checkout.path("bin/allot").display().to_string(),
            other => other.to_owned(),
        };
        let output = checkout.call(&program);
        assert_eq!(text(&output.stdout), expected, "{program}: {output:?}");
        assert_eq!(text(&output.stderr), "", "nothing had to be built");
    }
    let built_in = fs::read_to_string(checkout.path("where")).expect("cargo was called");
    let root = checkout.path("checkout").display().to_string();
    assert!(built_in.lines().all(|line| line == root), "{built_in}");
}

#[test]
fn it_says_that_it_waits_for_another_cargo() {
    let cargo = r#"case "$*" in
        *--quiet*) exec sleep 30 ;;
        *) echo "    Blocking waiting for file lock on build directory" >&2 ;;
        esac"#;
    let checkout = Checkout::new(cargo);
    let output = checkout.call(&checkout.path("bin/allot").display().to_string());
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output.stderr).contains("Blocking waiting for file lock"));
}

#[test]
fn a_build_that_fails_runs_nothing() {
    let checkout = Checkout::new("echo 'error: expected one of' >&2; exit 101");
    let output = checkout.call(&checkout.path("bin/allot").display().to_string());
    assert_eq!(output.status.code(), Some(101));
    assert_eq!(text(&output.stdout), "");
    assert_eq!(text(&output.stderr), "error: expected one of\n");
}
