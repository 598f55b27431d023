//! The book under `docs/` and the pages beside it: links lead somewhere, and what stands under a
//! command of `sim` is what it prints.

#![cfg(unix)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

#[path = "../../docs/check.rs"]
mod check;

#[test]
fn what_stands_under_a_command_is_what_it_prints() {
    check::console_blocks_are_true("sim", env!("CARGO_BIN_EXE_sim"));
}

/// The targets of links that are neither on the web nor within code.
fn links(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    let links = prose.flat_map(|text| text.split("](").skip(1));
    let targets = links.filter_map(|rest| Some(rest.split_once(')')?.0));
    targets.filter(|target| !target.contains("://")).collect()
}

/// The anchors that a page's headings get.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let plain = headings.map(|line| line.trim_start_matches('#').trim().to_lowercase());
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    plain
        .map(|line| {
            line.chars()
                .filter(kept)
                .collect::<String>()
                .replace(' ', "-")
        })
        .collect()
}

#[test]
fn no_link_is_dead() {
    let mut dead = Vec::new();
    for page in check::pages() {
        let text = fs::read_to_string(&page).expect("a page");
        for link in links(&text) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                file => page.parent().unwrap_or(Path::new("/")).join(file),
            };
            let there = match fs::read_to_string(&target) {
                Ok(text) => anchor.is_empty() || anchors(&text).contains(anchor),
                Err(_) => target.exists() && anchor.is_empty(),
            };
            if !there {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

#[test]
fn the_summary_lists_every_page_once() {
    let pages = check::pages();
    let summary = pages
        .iter()
        .find(|page| page.ends_with("docs/SUMMARY.md"))
        .expect("a summary");
    let docs = summary.parent().expect("docs");
    let text = fs::read_to_string(summary).expect("a summary");
    let mut listed: Vec<_> = links(&text).iter().map(|link| docs.join(link)).collect();
    listed.sort();
    let book = pages
        .iter()
        .filter(|page| page.starts_with(docs) && *page != summary);
    assert_eq!(listed, book.cloned().collect::<Vec<_>>());
}

#[test]
fn the_page_of_exit_codes_has_all_of_them() {
    let pages = check::pages();
    let page = pages
        .iter()
        .find(|page| page.ends_with("exit-codes.md"))
        .expect("a page");
    let text = fs::read_to_string(page).expect("a page");
    let number = |word: Option<&str>| word?.parse::<u8>().ok();
    let in_page = text
        .lines()
        .filter_map(|line| number(line.split_whitespace().nth(1)));
    let in_help = console::EXIT_CODES
        .lines()
        .filter_map(|line| number(line.split_whitespace().next()));
    assert_eq!(in_page.collect::<Vec<_>>(), in_help.collect::<Vec<_>>());
}

#[test]
fn shells_and_man_know_every_command() {
    let sim = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_sim")).args(args).output();
        let output = output.expect("the program starts");
        assert!(output.status.success(), "{args:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let help = sim(&["--help"]);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands.map_while(|line| line.strip_prefix("  ")?.split(' ').next());
    let commands: Vec<_> = commands.filter(|command| *command != "help").collect();
    assert!(commands.contains(&"validate"), "{commands:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = sim(&["completions", shell]);
        for word in commands.iter().chain(&["--n-tests"]) {
            let word = word.trim_start_matches("--");
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("man1");
    sim(&["man", "--out", out.to_str().expect("text")]);
    for command in &commands {
        let page = fs::read_to_string(out.join(format!("sim-{command}.1"))).expect(command);
        assert!(page.contains(&format!(".TH sim-{command}")), "{page}");
    }
    let written = fs::read_dir(&out).expect("the folder").count();
    assert_eq!(written, commands.len() + 1, "hidden commands have no page");
}

/// The first column of ARCHITECTURE's table: a place, then others beside it.
#[test]
fn the_map_names_places_that_exist() {
    let pages = check::pages();
    let page = pages
        .iter()
        .find(|page| page.ends_with("ARCHITECTURE.md"))
        .expect("a map");
    let text = fs::read_to_string(page).expect("a page");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let mut places = 0;
    for cell in rows.filter_map(|row| row.split('|').nth(1)) {
        let mut folder = page.with_file_name("");
        for (at, name) in cell.split('`').skip(1).step_by(2).enumerate() {
            let place = folder.join(name);
            assert!(place.exists(), "{cell}: {} is not there", place.display());
            if at == 0 {
                folder = place.with_file_name("");
            }
            places += 1;
        }
    }
    assert!(places > 20, "only {places} places were found");
}

/// docs/plan.svg is drawn by hand from the plan of README's scenario.
#[test]
fn the_picture_shows_the_plan_of_the_readme() {
    let pages = check::pages();
    let readme = pages
        .iter()
        .find(|page| page.ends_with("README.md"))
        .expect("a README");
    let text = fs::read_to_string(readme).expect("a page");
    let scenario = text.split("```toml").nth(1).expect("a scenario");
    let scenario = scenario.split("```").next().expect("its end");
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("lab.toml"), scenario).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_sim"))
        .args(["plan", "lab.toml", "--replicates", "0", "--json"])
        .current_dir(folder.path())
        .env_clear()
        .output()
        .expect("sim runs");
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a line");
    let picture = readme.with_file_name("docs").join("plan.svg");
    let picture = fs::read_to_string(picture).expect("a picture");
    let workers = plan["workers"].as_array().expect("workers");
    let batches = workers.iter().map(|worker| worker["batches"].to_string());
    for number in batches.chain([plan["cost"].to_string()]) {
        // Thousands have a comma: `7,029.2`.
        let whole = number.find('.').unwrap_or(number.len());
        let shown = match whole.checked_sub(3) {
            Some(at @ 1..) => format!("{},{}", &number[..at], &number[at..]),
            _ => number,
        };
        assert!(picture.contains(&shown), "plan.svg does not show {shown}");
    }
}

#[test]
fn the_front_pages_stay_short() {
    for (page, most) in [("README.md", 150), ("ARCHITECTURE.md", 250)] {
        let pages = check::pages();
        let path = pages
            .iter()
            .find(|path| path.ends_with(page))
            .expect("it is there");
        let lines = fs::read_to_string(path).expect("a page").lines().count();
        assert!(
            lines <= most,
            "{page} has {lines} lines, expected at most {most}"
        );
    }
}
