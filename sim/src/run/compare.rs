//! Arms compared with the first of them, figure by figure and pair by pair.

use results::runs::{FIGURES, RunFigures};
use results::text::{Style, Table};
use serde_json::json;

use super::arm::Arm;
use super::difference::{cells, put};

/// The figures of each run of an arm.
fn figures(arm: &Arm<'_>) -> Vec<RunFigures> {
    let cycles = arm.setting.scenario().job().cycles;
    let runs = arm.runs.iter();
    runs.map(|run| RunFigures::of(run, cycles)).collect()
}

/// A table for each arm but the first.
pub(super) fn tables(arms: &[Arm<'_>], style: Style) -> String {
    let Some((base, others)) = arms.split_first().filter(|(_, others)| !others.is_empty()) else {
        return String::new();
    };
    let base_figures = figures(base);
    let numbers = ["against", "this", "difference", "effect", "pairs"];
    let mut table = Table::new(["figure"], numbers);
    for arm in others {
        let figures = figures(arm);
        table.section(format!("{} against {}, paired", arm.name, base.name));
        for figure in &FIGURES {
            let compared = figure.paired(&figures, &base_figures);
            let [base, ours, difference, effect] = cells(figure, &compared);
            let pairs = compared.runs[0].to_string();
            table.row([figure.name, &base, &ours, &difference, &effect, &pairs]);
        }
    }
    let legend = "runs of one replicate are a pair: the same workers, links, errors and faults; fee \
                  and wall are of the pairs in which both runs reached the end, the rest is of all: \
                  a cycle that a run did not reach is not complete, and neither feasible nor not; \
                  effect is the difference in standard deviations of a pair's difference";
    format!("\n{}\n{}", table.render(style), style.paragraph(legend, 0))
}

/// A line for each figure of each arm but the first.
pub(super) fn lines(arms: &[Arm<'_>]) -> String {
    let Some((base, others)) = arms.split_first() else {
        return String::new();
    };
    let (mut text, base_figures) = (String::new(), figures(base));
    for arm in others {
        let figures = figures(arm);
        for figure in &FIGURES {
            let compared = figure.paired(&figures, &base_figures);
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
