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

/// How many places numbers have in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Places {
    /// Always as many.
    All,
    /// None where a number has six digits before them: a line has only so much room.
    AsFit,
}

/// A figure of two ways in a table: of the base, of ours, their difference, and its effect.
pub(crate) fn cells(figure: &Figure, compared: &Compared, places: Places) -> [String; 4] {
    let difference = compared.difference;
    let estimates = [compared.base, compared.ours, difference.map(|d| d.estimate)];
    let numbers = estimates.iter().flatten();
    let numbers = numbers
        .flat_map(|e| [Some(e.value), e.low, e.high])
        .flatten();
    let is_long = numbers.map(f64::abs).fold(0.0, f64::max) >= 1e5;
    let shown = |value: f64| match places {
        Places::AsFit if is_long => format!("{value:.0}"),
        Places::AsFit | Places::All => shown(figure, value),
    };
    let value = |of: Option<Estimate>| of.map_or_else(dash, |e| shown(e.value));
    let effect = difference.and_then(|d| d.effect);
    [
        value(compared.base),
        value(compared.ours),
        difference.map_or_else(dash, |d| signed(d.estimate, &shown)),
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

/// A difference with its interval.
fn signed(estimate: Estimate, shown: &dyn Fn(f64) -> String) -> String {
    let signed = |value: f64| plus(shown(value));
    match (estimate.low, estimate.high) {
        (Some(low), Some(high)) => {
            let value = signed(estimate.value);
            format!("{value} [{}, {}]", signed(low), signed(high))
        }
        _ => signed(estimate.value),
    }
}

/// A difference with its interval, each rounded to so many places.
pub(crate) fn signed_estimate(estimate: Estimate, places: usize) -> String {
    signed(estimate, &|value| format!("{value:.places$}"))
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
