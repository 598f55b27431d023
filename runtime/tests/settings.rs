//! Settings outside of the command line: environment variables, and `.env`.

use std::fs;
use std::path::Path;
use std::process::Command;

/// The message of a job that is refused before it begins.
fn refused(folder: &Path, variables: &[(&str, &str)]) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_runtime"));
    for variable in scenarios::scenario::keys().filter_map(|key| key.variable_name()) {
        program.env_remove(variable);
    }
    let output = program
        .args(["cluster", "--local", "1", "--data", "synthetic"])
        .envs(variables.iter().copied())
        .current_dir(folder)
        .output()
        .expect("the program starts");
    let message = String::from_utf8(output.stderr).expect("messages are UTF-8");
    assert_eq!(output.status.code(), Some(3), "{message}");
    assert_eq!(message.matches("error: ").count(), 1, "{message}");
    message
}

#[test]
fn variables_are_read_and_mistakes_name_their_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let dotenv = |text: &str| fs::write(folder.path().join(".env"), text).expect("written");
    let wrong = refused(folder.path(), &[("S_MIN", "few")]);
    assert!(wrong.contains("environment S_MIN=few: "), "{wrong}");
    dotenv("# of the lab\nBETA=some\n");
    let wrong = refused(folder.path(), &[]);
    assert!(wrong.contains(".env:2 BETA=some: "), "{wrong}");
    // The environment takes precedence over the file.
    let wrong = refused(folder.path(), &[("BETA", "any")]);
    assert!(wrong.contains("environment BETA=any: "), "{wrong}");
    dotenv(&"#".repeat((1 << 20) + 1));
    let wrong = refused(folder.path(), &[]);
    assert!(wrong.contains(".env: it is too long"), "{wrong}");
}
