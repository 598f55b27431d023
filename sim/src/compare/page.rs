//! The page of `sim compare`: text to read, and lines for scripts.

use std::path::Path;

use results::compare::ValidationFolder;
use results::runs::RecordedFolder;
use results::text::{Style, Table, counted, first_of};
use serde_json::{Value, json};

use super::differs::{self, Difference};
use super::names::Named;

/// How one folder is compared with the first.
pub(super) struct Beside {
    pub(super) this: String,
    pub(super) against: String,
    /// How they are compared, in one word for scripts.
    pub(super) method: &'static str,
    /// The same with its reason, as a sentence.
    pub(super) why: String,
    pub(super) differs: Vec<Difference>,
}

/// Text to read and lines for scripts, of which one is printed.
pub(super) struct Page {
    pub(super) style: Style,
    pub(super) text: String,
    pub(super) lines: Vec<Value>,
}

impl Page {
    pub(super) const fn new(style: Style) -> Self {
        Self {
            style,
            text: String::new(),
            lines: Vec::new(),
        }
    }

    /// Names a folder of runs.
    pub(super) fn introduce_runs(&mut self, path: &Path, run: &Named<RecordedFolder>) {
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

    /// Names the folder of a validation.
    pub(super) fn introduce_validation(
        &mut self,
        path: &Path,
        validation: &Named<ValidationFolder>,
    ) {
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
        self.text += &self.style.paragraph(&format!("{}: {what}", named.name), 2);
    }

    /// What two folders have in common, and what not.
    pub(super) fn beside(&mut self, beside: &Beside) {
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
        let what: Vec<&str> = beside
            .differs
            .iter()
            .filter(|d| d.is_question)
            .map(|d| d.what.as_str())
            .collect();
        let question = if same {
            "the same question".to_owned()
        } else {
            format!("not the same question: {}", first_of(&what, 6))
        };
        let title = format!("{} against {}", beside.this, beside.against);
        self.text += &format!("\n{}\n", self.style.heading(&title));
        self.note(&format!("{question}; {}", beside.why));
        if !beside.differs.is_empty() {
            self.text += &format!("\n{}", differs::table(&beside.differs, self.style));
        }
    }

    /// A table below an empty line.
    pub(super) fn table(&mut self, table: &Table) {
        self.text += &format!("\n{}", table.render(self.style));
    }

    /// Some words below a table.
    pub(super) fn note(&mut self, note: &str) {
        self.text += &self.style.paragraph(note, 0);
    }
}
