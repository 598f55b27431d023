//! Arms compared with the first of them, figure by figure and pair by pair.

use results::runs::{Compared, FIGURES, Figure, PairedRow, RunFigures};
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

/// A figure of an arm beside that of the first, and the two as a row.
type Beside = (Figure, Compared, PairedRow);

/// Each figure of each arm but the first.
fn compared<'a, 'b>(arms: &'a [Arm<'b>]) -> Vec<(&'a Arm<'b>, Vec<Beside>)> {
    let Some((base, others)) = arms.split_first() else {
        return Vec::new();
    };
    let base_figures = figures(base);
    let of_arm = |arm: &'a Arm<'b>| {
        let figures = figures(arm);
        let one = |figure: Figure| {
            let compared = figure.paired(&figures, &base_figures);
            let row = PairedRow::new(&figure, [&arm.name, &base.name], &compared);
            (figure, compared, row)
        };
        (arm, FIGURES.into_iter().map(one).collect())
    };
    others.iter().map(of_arm).collect()
}

/// A table for each arm but the first.
pub(super) fn tables(arms: &[Arm<'_>], style: Style) -> String {
    let others = compared(arms);
    if others.is_empty() {
        return String::new();
    }
    let numbers = ["against", "this", "difference", "effect", "pairs"];
    let mut table = Table::new(["figure"], numbers);
    for (arm, figures) in &others {
        table.section(format!("{} against {}, paired", arm.name, arms[0].name));
        for (figure, compared, row) in figures {
            let [base, ours, difference, effect] = cells(figure, compared);
            let pairs = row.pairs.to_string();
            table.row([figure.name, &base, &ours, &difference, &effect, &pairs]);
        }
    }
    let legend = "runs of one replicate are a pair: the same workers, links, errors and faults; fee \
                  and wall are of the pairs in which both runs reached the end, the rest is of all: \
                  a cycle that a run did not reach is not complete, and neither feasible nor not; \
                  effect is the difference in standard deviations of a pair's difference";
    format!("\n{}\n{}", table.render(style), style.paragraph(legend, 0))
}

/// A row for each figure of each arm but the first.
pub(super) fn rows(arms: &[Arm<'_>]) -> Vec<PairedRow> {
    let figures = compared(arms).into_iter().flat_map(|(_, figures)| figures);
    figures.map(|(.., row)| row).collect()
}

/// The same as lines.
pub(super) fn lines(arms: &[Arm<'_>]) -> String {
    let mut text = String::new();
    for (_, figures) in compared(arms) {
        for (_, compared, row) in figures {
            let mut line = json!({
                "figure": row.figure,
                "arm": row.arm,
                "against": row.against,
                "pairs": row.pairs,
            });
            put(&mut line, &compared);
            text += &format!("{line}\n");
        }
    }
    text
}
