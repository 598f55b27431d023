//! In what two folders differ besides their figures: what was asked, and how it was run.

use std::fs;
use std::path::Path;

use console::Stop;
use results::compare::ValidationFolder;
use results::runs::RecordedFolder;
use results::text::{Style, Table};
use scenarios::{Overrides, Scenario};
use serde_json::{Map, Value};

use super::names::Named;

/// Rows of a table of differences; lines for scripts have all.
const ROWS: usize = 16;
/// Characters of a value in it.
const WIDE: usize = 32;

/// Something that differs between two folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) what: String,
    pub(super) base: String,
    pub(super) ours: String,
    /// Whether it is of what was asked, rather than of how it was run.
    pub(super) is_question: bool,
}

/// What a real run's command line adds to its scenario, and the scenario as it was asked.
const COMMAND: &str = "command.json";

/// Keys of a scenario that something else says for a folder.
const ELSEWHERE: [&str; 4] = [
    "run.seed",
    "run.replicates",
    "job.allocator",
    "training.out",
];

/// Of two folders of runs.
pub(super) fn of_runs(
    base: &Named<RecordedFolder>,
    ours: &Named<RecordedFolder>,
) -> Result<Vec<Difference>, Stop> {
    let (a, b) = (base.folder.plan(), ours.folder.plan());
    let mut differs = Differences::default();
    differs.question("scenario", &a.scenario, &b.scenario);
    differs.question("seed", &a.seed.to_string(), &b.seed.to_string());
    let (before, after) = (values(base)?, values(ours)?);
    let get = |of: &[(String, String)], key: &str| {
        let found = of.iter().find(|(known, _)| known == key);
        found.map_or_else(|| "-".to_owned(), |(_, value)| value.clone())
    };
    let only_ours = after
        .iter()
        .filter(|(key, _)| !before.iter().any(|(known, _)| known == key));
    for (key, _) in before.iter().chain(only_ours) {
        if !ELSEWHERE.contains(&key.as_str()) {
            differs.question(key, &get(&before, key), &get(&after, key));
        }
    }
    differs.manner("mode", &a.mode, &b.mode);
    differs.manner(
        "allocators",
        &a.allocators.join(","),
        &b.allocators.join(","),
    );
    let replicates = |of: &RecordedFolder| of.plan().replicates.to_string();
    differs.manner(
        "replicates",
        &replicates(&base.folder),
        &replicates(&ours.folder),
    );
    differs.made(base.folder.details(), ours.folder.details());
    Ok(differs.0)
}

fn values(of: &Named<RecordedFolder>) -> Result<Vec<(String, String)>, Stop> {
    let (text, file) = match asked(of.folder.dir()) {
        Some(text) => (text, COMMAND),
        None => (
            of.folder.scenario().map_err(crate::folder::stop)?,
            "scenario.toml",
        ),
    };
    let file = format!("{}/{file}", of.name);
    let scenario = Scenario::parse(&file, &text, &Overrides::NONE);
    let scenario = scenario.map_err(|errors| {
        let first = errors.lines().first().cloned().unwrap_or_default();
        let message = format!("{first}; read the folder with the version that wrote it");
        Stop::bad(message)
    })?;
    Ok(scenario.values())
}

/// What a real run was asked: its scenario.toml has what was measured too.
fn asked(folder: &Path) -> Option<String> {
    let text = fs::read(folder.join(COMMAND)).ok()?;
    let command: Value = serde_json::from_slice(&text).ok()?;
    Some(command.get("scenario")?.as_str()?.to_owned())
}

/// Of two validations.
pub(super) fn of_validations(base: &ValidationFolder, ours: &ValidationFolder) -> Vec<Difference> {
    let (a, b) = (base.plan(), ours.plan());
    let mut differs = Differences::default();
    differs.question("tests from", &a.source, &b.source);
    differs.question("seed", &a.seed.to_string(), &b.seed.to_string());
    let named = |of: &ValidationFolder, with_number: bool| {
        let families = of.plan().families.iter();
        let named = |family: &results::FamilyPlan| match with_number {
            true => format!("{} {}", family.n_tests, family.name),
            false => family.name.clone(),
        };
        families.map(named).collect::<Vec<_>>().join(", ")
    };
    differs.question("families", &named(base, false), &named(ours, false));
    differs.manner("tests", &named(base, true), &named(ours, true));
    differs.manner("shard", &a.shard.to_string(), &b.shard.to_string());
    differs.manner(
        "allocators",
        &a.allocators.join(","),
        &b.allocators.join(","),
    );
    let simulated = |simulate: bool| {
        if simulate {
            "simulated"
        } else {
            "not simulated"
        }
    };
    differs.manner("plans", simulated(a.simulate), simulated(b.simulate));
    differs.made(base.details(), ours.details());
    differs.0
}

#[derive(Default)]
struct Differences(Vec<Difference>);

impl Differences {
    fn question(&mut self, what: &str, base: &str, ours: &str) {
        self.add(what, base, ours, true);
    }

    fn manner(&mut self, what: &str, base: &str, ours: &str) {
        self.add(what, base, ours, false);
    }

    /// What both say of the program and the machine.
    fn made(&mut self, base: &Map<String, Value>, ours: &Map<String, Value>) {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let mut both = |what: &str, base: Option<&Value>, ours: Option<&Value>| {
            if let Some((base, ours)) = base.zip(ours) {
                self.manner(what, &text(base), &text(ours));
            }
        };
        both("version", base.get("version"), ours.get("version"));
        let machine = |of: &Map<String, Value>| {
            let machine = of.get("machine").and_then(Value::as_object);
            machine.cloned().unwrap_or_default()
        };
        let (a, b) = (machine(base), machine(ours));
        for key in a.keys() {
            both(&format!("machine {key}"), a.get(key), b.get(key));
        }
        both("threads", base.get("threads"), ours.get("threads"));
    }

    fn add(&mut self, what: &str, base: &str, ours: &str, is_question: bool) {
        if base != ours {
            self.0.push(Difference {
                what: what.to_owned(),
                base: base.to_owned(),
                ours: ours.to_owned(),
                is_question,
            });
        }
    }
}

/// For a terminal: the first rows, and of long values the beginning.
pub(super) fn table(differs: &[Difference], style: Style) -> String {
    let mut table = Table::new(["what differs", "against", "this"], [""; 0]);
    for one in differs.iter().take(ROWS) {
        table.row([one.what.clone(), short(&one.base), short(&one.ours)]);
    }
    let mut text = table.render(style);
    if differs.len() > ROWS {
        let more = differs.len() - ROWS;
        text += &format!("and {more} more, which --json has\n");
    }
    text
}

fn short(value: &str) -> String {
    if value.chars().count() <= WIDE {
        return value.to_owned();
    }
    value.chars().take(WIDE - 1).chain(['…']).collect()
}
