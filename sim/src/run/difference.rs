//! A figure of two arms and their difference, as cells of a table and in lines for scripts.

use results::Estimate;
use results::paired::Scale;
use results::runs::{Compared, Figure};
use results::text::{dash, number, signed_interval};
use serde_json::{Value, json};

/// Puts a figure of two arms into its line.
pub(crate) fn put(line: &mut Value, compared: &Compared) {
    let difference = compared.difference;
    put_estimates(
        line,
        [
            compared.ours,
            compared.base,
            difference.map(|difference| difference.estimate),
        ],
    );
    line["effect"] = json!(difference.and_then(|difference| difference.effect));
}

/// Puts a value, the one it is compared with, and their difference into a line.
pub(crate) fn put_estimates(line: &mut Value, estimates: [Option<Estimate>; 3]) {
    for (key, estimate) in ["value", "base", "difference"].iter().zip(estimates) {
        line[*key] = json!(estimate.map(|e| e.value));
        line[format!("{key}_low")] = json!(estimate.and_then(|e| e.low));
        line[format!("{key}_high")] = json!(estimate.and_then(|e| e.high));
    }
}

/// A figure of two arms in a table: of the base, of ours, their difference, and its effect. Shares
/// are in percent.
pub(crate) fn cells(figure: &Figure, compared: &Compared) -> [String; 4] {
    let difference = compared.difference;
    let estimates = [compared.base, compared.ours, difference.map(|d| d.estimate)];
    let [base, ours, estimate] = match figure.scale {
        Scale::Share => estimates.map(|estimate| estimate.map(|share| share.times(100.0))),
        Scale::Number => estimates,
    };
    let places = if figure.key == "fee_per_accepted_batch" {
        4
    } else {
        2
    };
    let value = |of: Option<Estimate>| number(of.map(|e| e.value), places);
    let effect = difference.and_then(|difference| difference.effect);
    [
        value(base),
        value(ours),
        signed_interval(estimate, places),
        effect.map_or_else(dash, |effect| format!("{effect:+.2}")),
    ]
}
