//! `sim compare`: folders of results beside each other.
//!
//! The first folder is what the others are compared with. Of each other one it is said whether it
//! is of the same question, what differs, by how much each figure does, and with what certainty.
//!
//! With `--json` it prints lines, which are told apart by a key:
//!
//! | key | a line for each |
//! |---|---|
//! | `folder` | folder: its path, what it holds, how much of it is there |
//! | `same_question` | other folder: `method` (paired, independent, predicted, single), `differs` |
//! | `tests_of` | family and allocator of paired validations: how many tests are cheaper, dearer … |
//! | `figure` | figure: `value`, `base`, `difference`, each with its `_low` and `_high` |
//! | `contradictions` | pair of validations of the same tests: how many, of each kind |
//!
//! **What it does not know:** how tables are read and what intervals there are (`results`).

mod differs;
mod grid;
mod names;
mod runs;
mod tests;

use console::{Exit, Stop};
use results::compare::{Folder, ValidationFolder};
use results::runs::RecordedFolder;
use serde_json::{Value, json};
use std::path::Path;

use crate::cli::CompareArgs;
use crate::folder;
use differs::Difference;

/// A folder and what it is called.
struct Named<F> {
    name: String,
    folder: F,
}

/// What is said of one folder beside the first.
struct Beside {
    this: String,
    against: String,
    /// How they are compared, in one word for scripts.
    method: &'static str,
    /// The same with its reason, as a sentence.
    why: String,
    differs: Vec<Difference>,
}

/// Text to read and lines for scripts, of which one is printed.
#[derive(Default)]
struct Page {
    text: String,
    lines: Vec<Value>,
}

/// The sub-command.
pub(crate) fn command(args: &CompareArgs) -> Result<Exit, Stop> {
    let names = names::short(&args.folders);
    let mut validations = Vec::new();
    let mut runs = Vec::new();
    for (path, name) in args.folders.iter().zip(names) {
        match Folder::open(path).map_err(folder::stop)? {
            Folder::Validation(folder) => {
                let folder = *folder;
                validations.push(Named { name, folder });
            }
            Folder::Runs(folder) => {
                let folder = *folder;
                runs.push(Named { name, folder });
            }
        }
    }
    let mut page = Page::default();
    let exit = match (validations.as_slice(), runs.as_slice()) {
        ([], runs) => {
            let paths = args.folders.iter().zip(runs);
            for (path, run) in paths {
                page.introduce_runs(path, run);
            }
            runs::compare(runs, &mut page)?
        }
        (validations, []) => {
            let paths = args.folders.iter().zip(validations);
            for (path, validation) in paths {
                page.introduce_validation(path, validation);
            }
            tests::compare(validations, &mut page)?
        }
        ([validation, ..], [run, ..]) => {
            let message = format!(
                "{} is of a validation and {} of runs, expected folders of one kind",
                validation.name, run.name
            );
            return Err(Stop::bad(message));
        }
    };
    if args.json {
        let lines = page.lines.iter().map(|line| format!("{line}\n"));
        console::print(&lines.collect::<String>())?;
    } else {
        console::print(&page.text)?;
    }
    Ok(exit)
}

impl Page {
    fn introduce_runs(&mut self, path: &Path, run: &Named<RecordedFolder>) {
        let (plan, finished) = (run.folder.plan(), run.folder.finished());
        self.lines.push(json!({
            "folder": run.name, "path": path.display().to_string(), "kind": "runs",
            "mode": plan.mode, "scenario": plan.scenario, "seed": plan.seed,
            "replicates": plan.replicates, "finished": finished, "allocators": plan.allocators,
        }));
        let interrupted = if finished < plan.replicates {
            format!("; interrupted, {finished} are there")
        } else {
            String::new()
        };
        // What a run without a scenario calls it.
        let scenario = match plan.scenario.as_str() {
            "none" => "no scenario",
            scenario => scenario,
        };
        self.introduce(
            run,
            &format!(
                "{} runs of {scenario}, seed {}; {} of {}{interrupted}",
                plan.mode,
                plan.seed,
                counted(plan.replicates, "replicate"),
                plan.allocators.join(", "),
            ),
        );
    }

    fn introduce_validation(&mut self, path: &Path, validation: &Named<ValidationFolder>) {
        let (plan, finished) = (validation.folder.plan(), validation.folder.finished());
        let families: Vec<&str> = plan.families.iter().map(|f| f.name.as_str()).collect();
        let total = plan.total_tests();
        self.lines.push(json!({
            "folder": validation.name, "path": path.display().to_string(), "kind": "validation",
            "source": plan.source, "seed": plan.seed, "families": families, "tests": total,
            "finished": finished, "allocators": plan.allocators, "shard": plan.shard.to_string(),
        }));
        let interrupted = if finished < total {
            format!("; interrupted, {finished} are there")
        } else {
            String::new()
        };
        let shard = if plan.shard.of() > 1 {
            format!(" (shard {})", plan.shard)
        } else {
            String::new()
        };
        self.introduce(
            validation,
            &format!(
                "validation of {}, seed {}; {}{shard} under {}{interrupted}",
                families.join(", "),
                plan.seed,
                counted(total, "test"),
                plan.allocators.join(", "),
            ),
        );
    }

    fn introduce<F>(&mut self, named: &Named<F>, what: &str) {
        self.text += &wrapped(&format!("{}: {what}", named.name), 2);
    }

    /// Says what two folders have in common, and what not.
    fn beside(&mut self, beside: &Beside) {
        let same = beside.differs.iter().all(|differs| !differs.is_question);
        let differs: Vec<Value> = beside
            .differs
            .iter()
            .map(|d| json!({"what": d.what, "against": d.base, "this": d.ours}))
            .collect();
        self.lines.push(json!({
            "this": beside.this, "against": beside.against, "same_question": same,
            "method": beside.method, "why": beside.why, "differs": differs,
        }));
        let title = format!("{} against {}", beside.this, beside.against);
        self.heading(&title);
        let what: Vec<&str> = beside
            .differs
            .iter()
            .filter(|d| d.is_question)
            .map(|d| d.what.as_str())
            .collect();
        let question = if same {
            "the same question".to_owned()
        } else {
            format!("not the same question: {}", few(&what))
        };
        self.text += &wrapped(&format!("{question}; {}", beside.why), 0);
        if !beside.differs.is_empty() {
            self.text.push('\n');
            let table = differs::table(&beside.differs);
            self.table(&table);
        }
    }

    fn heading(&mut self, title: &str) {
        self.text.push('\n');
        self.text += &bold(title);
        self.text.push('\n');
    }

    /// A table whose first line is its heading.
    fn table(&mut self, table: &str) {
        let (first, rest) = table.split_once('\n').unwrap_or((table, ""));
        self.text += &format!("{}\n{rest}", bold(first));
    }

    /// Some words below a table.
    fn note(&mut self, note: &str) {
        self.text += &wrapped(note, 0);
    }
}

fn bold(text: &str) -> String {
    if console::is_bold() {
        format!("\x1b[1m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// The first of them.
fn few(names: &[&str]) -> String {
    const FEW: usize = 6;
    if names.len() <= FEW {
        return names.join(", ");
    }
    let more = names.len() - FEW;
    format!("{} and {more} more", names[..FEW].join(", "))
}

/// In lines of at most 100 characters, those after the first so much further to the right.
fn wrapped(text: &str, indent: usize) -> String {
    const WIDTH: usize = 100;
    let (mut wrapped, mut at) = (String::new(), 0);
    for word in text.split(' ') {
        let length = word.chars().count();
        if at > 0 && at + 1 + length > WIDTH {
            wrapped.push('\n');
            wrapped.extend(std::iter::repeat_n(' ', indent));
            at = indent;
        } else if at > 0 {
            wrapped.push(' ');
            at += 1;
        }
        wrapped.push_str(word);
        at += length;
    }
    wrapped + "\n"
}
