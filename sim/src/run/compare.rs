//! Arms against the first of them, figure by figure and pair by pair.

use results::runs::{FIGURES, Said};
use serde_json::json;

use super::arm::Arm;
use super::difference::{Places, cells, put};
use super::tables;

/// What the runs of an arm say of themselves.
fn said(arm: &Arm<'_>) -> Vec<Said> {
    let cycles = arm.setting.scenario().job().cycles;
    let said = |run| Said::of(&tables::end(run), cycles);
    arm.runs.iter().map(said).collect()
}

/// A table for each arm but the first.
pub(super) fn tables(arms: &[Arm<'_>], heading: impl Fn(String) -> String) -> String {
    let Some((base, others)) = arms.split_first() else {
        return String::new();
    };
    let (mut text, base_said) = (String::new(), said(base));
    for arm in others {
        let said = said(arm);
        text += &format!("\n{} against {}, paired\n", arm.name, base.name);
        text += &heading(format!(
            "{:<32}{:>12}{:>12}{:>38}{:>8}{:>7}",
            "figure", "against", "this", "difference", "effect", "pairs"
        ));
        for figure in &FIGURES {
            let compared = figure.paired(&said, &base_said);
            let [base, ours, difference, effect] = cells(figure, &compared, Places::All);
            text += &format!(
                "{:<32}{base:>12}{ours:>12}{difference:>38}{effect:>8}{:>7}\n",
                figure.name, compared.runs[0],
            );
        }
    }
    if !others.is_empty() {
        text += "\nruns of one replicate are a pair: the same workers, links, errors and faults; fee \
                 and wall\nare of the pairs in which both runs reached the end, the rest is of all: \
                 a cycle that a run did\nnot reach is not complete, and neither feasible nor not; \
                 effect is the difference in standard\ndeviations of a pair's difference\n";
    }
    text
}

/// A line for each figure of each arm but the first.
pub(super) fn lines(arms: &[Arm<'_>]) -> String {
    let Some((base, others)) = arms.split_first() else {
        return String::new();
    };
    let (mut text, base_said) = (String::new(), said(base));
    for arm in others {
        let said = said(arm);
        for figure in &FIGURES {
            let compared = figure.paired(&said, &base_said);
            let mut line = json!({
                "figure": figure.key,
                "arm": arm.name,
                "against": base.name,
                "pairs": compared.runs[0],
            });
            put(&mut line, &compared);
            text += &format!("{line}\n");
        }
    }
    text
}
