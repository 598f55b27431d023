//! A figure of two ways and their difference, as cells of a table and in lines for scripts.

use results::Estimate;
use results::paired::Scale;
use results::runs::{Compared, Figure};
use serde_json::{Value, json};

use super::figures::dash;

/// Puts a figure of two ways into its line.
pub(crate) fn put(line: &mut Value, compared: &Compared) {
    let mut put = |keys: [&str; 3], estimate: Option<Estimate>| {
        line[keys[0]] = json!(estimate.map(|e| e.value));
        line[keys[1]] = json!(estimate.and_then(|e| e.low));
        line[keys[2]] = json!(estimate.and_then(|e| e.high));
    };
    put(["value", "value_low", "value_high"], compared.ours);
    put(["base", "base_low", "base_high"], compared.base);
    let difference = compared.difference;
    put(
        ["difference", "difference_low", "difference_high"],
        difference.map(|d| d.estimate),
    );
    line["effect"] = json!(difference.and_then(|d| d.effect));
}

/// A figure of two ways in a table: of the base, of ours, their difference, and its effect.
pub(crate) fn cells(figure: &Figure, compared: &Compared) -> [String; 4] {
    let value = |of: Option<Estimate>| of.map_or_else(dash, |e| shown(figure, e.value));
    let difference = compared.difference;
    let effect = difference.and_then(|d| d.effect);
    [
        value(compared.base),
        value(compared.ours),
        difference.map_or_else(dash, |d| signed(figure, d.estimate)),
        effect.map_or_else(dash, |effect| format!("{effect:+.2}")),
    ]
}

/// In the unit of the table: shares in percent.
fn shown(figure: &Figure, value: f64) -> String {
    match figure.scale {
        Scale::Share => format!("{:.2}", 100.0 * value),
        Scale::Number if figure.key == "fee_per_accepted_batch" => format!("{value:.4}"),
        Scale::Number => format!("{value:.2}"),
    }
}

fn signed(figure: &Figure, estimate: Estimate) -> String {
    let signed = |value: f64| plus(shown(figure, value));
    match (estimate.low, estimate.high) {
        (Some(low), Some(high)) => {
            let value = signed(estimate.value);
            format!("{value} [{}, {}]", signed(low), signed(high))
        }
        _ => signed(estimate.value),
    }
}

/// A difference, rounded to so many places.
pub(crate) fn signed_number(value: f64, places: usize) -> String {
    plus(format!("{value:.places$}"))
}

fn plus(text: String) -> String {
    if text.starts_with('-') {
        text
    } else {
        format!("+{text}")
    }
}
