//! `sim compare`: folders of results compared with each other.
//!
//! The first folder is what the others are compared with. For each other folder the page says whether
//! it answers the same question, what differs, by how much each figure differs, and with what
//! certainty.
//!
//! With `--json` it prints lines, which a key distinguishes:
//!
//! | key | a line for each |
//! |---|---|
//! | `folder` | folder: its path, what it holds, how much of it is there |
//! | `same_question` | other folder: `method` (paired, independent, predicted, single), `differs` |
//! | `tests_of` | family and allocator of paired validations: how many tests are cheaper, more expensive … |
//! | `figure` | figure: `value`, `base`, `difference`, each with its `_low` and `_high` |
//! | `contradictions` | pair of validations of the same tests: how many, of each kind |
//!
//! **What it does not know:** how tables are read and what intervals there are (`results`).

mod differs;
mod names;
mod page;
mod runs;
mod validations;

use crate::cli::CompareArgs;
use crate::folder;
use crate::terminal::style;
use console::{Exit, Stop};
use names::Named;
use page::Page;
use results::compare::Folder;

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
    let mut page = Page::new(style());
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
            validations::compare(validations, &mut page)?
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
