//! Runs the program as a person or a script would.
#![allow(dead_code, reason = "every test binary uses another part of it")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn sim(args: &[&str]) -> Run {
    sim_with_input(args, b"")
}

/// The program, whatever variables are exported where the tests run.
pub(crate) fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_sim"));
    without_variables(&mut program);
    program
}

fn without_variables(program: &mut Command) {
    for variable in scenarios::scenario::keys().filter_map(|key| key.variable_name()) {
        program.env_remove(variable);
    }
}

pub(crate) fn sim_with_input(args: &[&str], input: &[u8]) -> Run {
    let mut child = program()
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("it was asked for");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // A program that refuses its arguments does not read its input.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("the writer does not panic");
    run(output)
}

pub(crate) fn run(output: Output) -> Run {
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("output is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("messages are UTF-8"),
    }
}

/// The program for a shell: its folder first on the path.
pub(crate) fn shell(script: &str) -> Run {
    let program = Path::new(env!("CARGO_BIN_EXE_sim"));
    let folder = program.parent().expect("a program lies in a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    without_variables(&mut shell);
    let output = shell
        .args(["-c", script])
        .env("PATH", format!("{}:{path}", folder.display()))
        .output()
        .expect("there is a shell");
    run(output)
}

impl Run {
    /// Whether these words stand in the output, however its lines are broken.
    pub(crate) fn says(&self, part: &str) -> bool {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        words(&self.stdout).contains(&words(part))
    }

    /// Bad input and wrong arguments are said in one line (clap adds its usage below it).
    pub(crate) fn assert_fails(&self, code: i32, expected: &str) {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        assert!(self.stderr.contains(expected), "{}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        assert_eq!(self.stderr.matches("error: ").count(), 1, "{}", self.stderr);
    }

    pub(crate) fn assert_done(&self) {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
    }
}
