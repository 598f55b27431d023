// What the tests of `sim` and of `runtime` share to check the book: under a command stands what it
// prints. `UPDATE_DOCS=1` rewrites the pages instead.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// README.md and the others beside it, then all pages of the book.
pub(crate) fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace");
    let mut folders = vec![root.join("docs")];
    let mut pages: Vec<PathBuf> = ["README", "ARCHITECTURE", "CONTRIBUTING", "CHANGELOG"]
        .map(|name| root.join(name).with_extension("md"))
        .into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

/// Runs every `console` block whose commands are all of `program`, page by page in a folder of its
/// own, and compares what is printed on standard output. A `toml` block that begins with `# NAME`
/// is a file of that folder. A line `…` stands for any lines.
pub(crate) fn console_blocks_are_true(program: &str, executable: &str) {
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    let mut wrong = Vec::new();
    let mut blocks = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        let folder = tempfile::tempdir().expect("a folder");
        let allot = folder.path().join("allot");
        let script = format!("#!/bin/sh\nshift\nexec '{executable}' \"$@\"\n");
        fs::write(&allot, script).expect("a script");
        fs::set_permissions(&allot, fs::Permissions::from_mode(0o755)).expect("a script");

        let mut new = String::new();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            new += &format!("{line}\n");
            let fence = line.trim_start();
            if fence != "```console" && fence != "```toml" {
                continue;
            }
            let mut block = Vec::new();
            while let Some(line) = lines.next_if(|line| line.trim_start() != "```") {
                block.push(line);
            }
            let file = block.first().and_then(|first| first.strip_prefix("# "));
            if let (true, Some(file)) = (fence == "```toml", file) {
                if file.ends_with(".toml") && !file.contains(['/', ' ']) {
                    fs::write(folder.path().join(file), block.join("\n")).expect("a file");
                }
            } else if fence == "```console" && is_of(program, &block) {
                blocks += 1;
                let found = run(&block, folder.path(), &page, &mut wrong);
                block = Vec::new();
                new += &found;
            }
            block.iter().for_each(|line| new += &format!("{line}\n"));
        }
        if update && new != text {
            fs::write(&page, new).expect("the page is written");
        }
    }
    assert!(blocks > 0, "no page has a block of {program}");
    assert!(update || wrong.is_empty(), "{}", wrong.join("\n"));
}

fn is_of(program: &str, block: &[&str]) -> bool {
    let commands = block.iter().filter(|line| line.contains("./allot "));
    let mut commands = commands.map(|line| line.contains(&format!("./allot {program}")));
    commands
        .next()
        .is_some_and(|first| first && commands.all(|it| it))
}

/// The block as it should be; what differs is added to `wrong`.
fn run(block: &[&str], folder: &Path, page: &Path, wrong: &mut Vec<String>) -> String {
    let mut new = String::new();
    let mut lines = block.iter().peekable();
    while let Some(line) = lines.next() {
        let mut command = vec![line.strip_prefix("$ ").expect("a command starts with $")];
        new += &format!("{line}\n");
        while command.last().is_some_and(|line| line.ends_with('\\')) {
            let more = lines.next().expect("the command goes on");
            new += &format!("{more}\n");
            command.push(more);
        }
        let mut expected = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
            expected.push(line.trim_end());
        }
        let command = command.join("\n");
        let output = Command::new("sh")
            .args(["-c", &command])
            .current_dir(folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .output()
            .expect("a shell");
        let printed = String::from_utf8_lossy(&output.stdout);
        let printed: Vec<&str> = printed.lines().map(str::trim_end).collect();
        if !matches(&expected, &printed) {
            let errors = String::from_utf8_lossy(&output.stderr);
            wrong.push(format!(
                "{}: $ {command}\n{}\n{errors}",
                page.display(),
                printed.join("\n")
            ));
            expected = shortened(&expected, &printed);
        }
        expected.iter().for_each(|line| new += &format!("{line}\n"));
    }
    new
}

fn matches(expected: &[&str], printed: &[&str]) -> bool {
    match expected.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first.trim() == "…" => {
            (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]))
        }
        Some((first, rest)) => printed
            .split_first()
            .is_some_and(|(line, more)| line == first && matches(rest, more)),
    }
}

/// What is printed, with lines left out where `expected` leaves out some: each part of it is found
/// again by how its first line begins.
fn shortened<'a>(expected: &[&'a str], printed: &[&'a str]) -> Vec<&'a str> {
    let parts: Vec<&[&str]> = expected.split(|line| line.trim() == "…").collect();
    if parts.len() == 1 {
        return printed.to_vec();
    }
    let begin = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let mut new = Vec::new();
    let mut at = 0;
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            new.push("  …");
        }
        if place + 1 == parts.len() {
            at = at.max(printed.len().saturating_sub(part.len()));
        } else if let (true, Some(first)) = (place > 0, part.first()) {
            let found = printed[at..]
                .iter()
                .position(|line| begin(line) == begin(first));
            at += found.unwrap_or_default();
        }
        let end = (at + part.len()).min(printed.len());
        new.extend_from_slice(&printed[at..end]);
        at = end;
    }
    new
}
