//! What came of it, in a sentence or two at the head of a page.
//!
//! A verdict says what the tables hold and nothing else: a difference is one only where its
//! interval leaves zero out.

use serde_json::Value;

use super::csv::Csv;
use super::number::shown;

/// More arms than this are not put into one sentence.
const MOST_ARMS: usize = 4;

/// What allocators answered, from the summary of all tests.
pub(super) fn of_validation(summary: &Csv, rows: &[&Vec<String>]) -> Option<String> {
    let (mut right, mut others) = (Vec::new(), Vec::new());
    let mut tests = 0.0_f64;
    for row in rows {
        let of = |name: &str| summary.number(row, name).unwrap_or(0.0);
        let allocator = summary.cell(row, "allocator");
        tests = tests.max(of("tests"));
        let mut words = Vec::new();
        if of("suboptimal") > 0.0 {
            words.push(format!(
                "above the optimum in {} % of the plans compared, by {} % in the mean of these and {} % at worst",
                shown(of("suboptimal_percent")),
                shown(of("mean_excess_suboptimal_percent")),
                shown(of("worst_excess_percent"))
            ));
        }
        for (name, what) in [
            ("failed", "no plan found"),
            ("unproven", "no optimum known"),
        ] {
            if of(name) > 0.0 {
                words.push(format!("{what} in {} tests", shown(of(name))));
            }
        }
        if words.is_empty() {
            right.push(allocator);
        } else {
            others.push(format!("{allocator}: {}.", words.join(", ")));
        }
    }
    if tests == 0.0 {
        return None;
    }
    let tests = shown(tests);
    let right = (!right.is_empty()).then(|| {
        format!(
            "{}: the optimum in all {tests} tests, or the answer that there is no plan.",
            right.join(", ")
        )
    });
    let words: Vec<String> = right.into_iter().chain(others).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// How simulated runs ended, and how arms differ from the first where they are paired.
pub(super) fn of_runs(summary: &Csv, paired: Option<&Csv>) -> Option<String> {
    if summary.rows.len() > MOST_ARMS {
        return None;
    }
    let arm = |row: &Vec<String>| {
        let of = |name: &str| summary.number(row, name);
        let (runs, missed) = (of("runs")?, of("missed")?);
        let means: Vec<String> = [("fee", "", "for a fee of"), ("wall_s", " s", "in")]
            .iter()
            .filter_map(|(name, unit, words)| Some(format!("{words} {}{unit}", shown(of(name)?))))
            .collect();
        let means = match (of("completed"), means.is_empty()) {
            (Some(completed), false) if completed > 0.0 => {
                format!(", {} in the mean", means.join(" "))
            }
            _ => String::new(),
        };
        Some(format!(
            "{}: {} of {} runs kept every limit and trained every batch{means}.",
            summary.cell(row, "allocator"),
            shown(runs - missed),
            shown(runs)
        ))
    };
    let arms: Option<Vec<String>> = summary.rows.iter().map(arm).collect();
    let mut words = arms?;
    words.extend(
        paired
            .into_iter()
            .flat_map(|paired| differences(paired, "fee")),
    );
    (!words.is_empty()).then(|| words.join(" "))
}

/// By how much one figure of each arm differs from the first arm's.
fn differences(paired: &Csv, figure: &str) -> Vec<String> {
    let rows = paired.rows.iter();
    let rows = rows.filter(|row| paired.cell(row, "figure") == figure);
    let word = |row: &Vec<String>| {
        let of = |name: &str| paired.number(row, name);
        let (arm, against) = (paired.cell(row, "arm"), paired.cell(row, "against"));
        let (value, low, high) = (
            of("difference")?,
            of("difference_low")?,
            of("difference_high")?,
        );
        let (size, interval) = (
            shown(value.abs()),
            format!("[{}, {}]", shown(low), shown(high)),
        );
        Some(if low > 0.0 {
            format!("Pair by pair, {arm} costs {size} more than {against} {interval}.")
        } else if high < 0.0 {
            format!("Pair by pair, {arm} costs {size} less than {against} {interval}.")
        } else {
            format!("No difference of fees is shown between {arm} and {against}: {interval}.")
        })
    };
    rows.filter_map(word).collect()
}

/// How a real run went, from its `run.json`.
pub(super) fn of_real_run(record: &Value, summary: &Csv) -> Option<String> {
    let of = |key: &str| record.get(key).and_then(Value::as_f64);
    let row = summary.rows.first()?;
    let count = |name: &str| summary.number(row, name).unwrap_or(0.0);
    let complete = count("cycles_complete");
    let run = complete + count("cycles_truncated") + count("cycles_failed");
    let ending = match record.get("ending")?.as_str()? {
        "completed" => "Every cycle was run".to_owned(),
        _ => {
            let because = record.get("because").and_then(Value::as_str);
            format!("Ended early ({})", because.unwrap_or("see below"))
        }
    };
    let mut words = format!(
        "{ending}: {} of {} cycles complete",
        shown(complete),
        shown(run)
    );
    if let Some(wall) = of("wall_s") {
        words += &format!(" in {} s", shown(wall));
        if let Some(limit) = of("limit_s") {
            words += &format!(" of {} s", shown(limit));
        }
    }
    if let Some(fee) = record.get("fee").and_then(number) {
        words += &format!(", for a fee of {}", shown(fee));
    }
    words += ".";
    if let (Some(predicted), Some(measured)) = (of("predicted_s"), of("measured_s"))
        && measured > 0.0
    {
        let error = 100.0 * (predicted / measured - 1.0);
        words += &format!(
            " The prediction of {} s was off by {} %.",
            shown(predicted),
            shown((error * 100.0).round() / 100.0)
        );
    }
    if let Some(accuracy) = of("accuracy") {
        words += &format!(" Accuracy {}.", shown(accuracy));
    }
    Some(words)
}

/// A number, or a text that is one: money keeps its digits in a text.
fn number(value: &Value) -> Option<f64> {
    let read = value.as_f64().or_else(|| value.as_str()?.parse().ok());
    read.filter(|value| value.is_finite())
}

/// The least of each outcome of a sweep, among the rows that are named by `named`.
pub(super) fn of_sweep(csv: &Csv, named: impl Fn(&[String]) -> String) -> Option<String> {
    let least = |column: &str| {
        let rows = csv.rows.iter();
        let found = rows.filter_map(|row| Some((csv.number(row, column)?, row)));
        found.min_by(|a, b| a.0.total_cmp(&b.0))
    };
    let (fee, cheapest) = least("fee")?;
    let mut words = format!("The least fee is {}, at {}", shown(fee), named(cheapest));
    if let Some((wall, quickest)) = least("wall_s") {
        words += &format!(
            "; the shortest wall time {} s, at {}",
            shown(wall),
            named(quickest)
        );
    }
    let without = csv
        .rows
        .iter()
        .filter(|row| csv.number(row, "fee").is_none());
    match without.count() {
        0 => Some(words + "."),
        1 => Some(words + ". One row has no fee: none of its runs reached the end."),
        count => Some(
            words + &format!(". {count} rows have no fee: none of their runs reached the end."),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn csv(heading: &[&str], rows: &[&[&str]]) -> Csv {
        let own = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
        Csv {
            heading: own(heading),
            rows: rows.iter().map(|row| own(row)).collect(),
        }
    }

    #[test]
    fn a_validation_says_who_is_above_the_optimum() {
        let heading = [
            "allocator",
            "tests",
            "suboptimal",
            "suboptimal_percent",
            "mean_excess_suboptimal_percent",
            "worst_excess_percent",
            "failed",
            "unproven",
        ];
        let summary = csv(
            &heading,
            &[
                &["exact", "200", "0", "0", "", "0", "0", "0"],
                &["heuristic", "200", "50", "25", "3.5", "21", "0", "2"],
            ],
        );
        let rows: Vec<&Vec<String>> = summary.rows.iter().collect();
        assert_eq!(
            of_validation(&summary, &rows).as_deref(),
            Some(
                "exact: the optimum in all 200 tests, or the answer that there is no plan. heuristic: above the \
                 optimum in 25 % of the plans compared, by 3.5 % in the mean of these and 21 % at worst, no \
                 optimum known in 2 tests."
            )
        );
        assert_eq!(of_validation(&summary, &[]), None);
    }

    #[test]
    fn a_difference_is_one_only_where_its_interval_leaves_zero_out() {
        let summary = csv(
            &["allocator", "runs", "missed", "completed", "fee", "wall_s"],
            &[
                &["a", "20", "3", "20", "12.5", "60"],
                &["b", "20", "20", "0", "", ""],
            ],
        );
        let heading = [
            "figure",
            "arm",
            "against",
            "difference",
            "difference_low",
            "difference_high",
        ];
        let paired = |low: &str, high: &str| {
            csv(
                &heading,
                &[
                    &["fee", "b", "a", "-2", low, high],
                    &["wall_s", "b", "a", "7", "6", "8"],
                ],
            )
        };
        let said = |paired: &Csv| of_runs(&summary, Some(paired)).expect("two arms");
        let words = said(&paired("-3", "-1"));
        assert_eq!(
            words,
            "a: 17 of 20 runs kept every limit and trained every batch, for a fee of 12.5 in 60 s in the mean. \
             b: 0 of 20 runs kept every limit and trained every batch. Pair by pair, b costs 2 less than a [-3, -1]."
        );
        let words = said(&paired("-3", "1"));
        assert!(
            words.ends_with("No difference of fees is shown between b and a: [-3, 1]."),
            "{words}"
        );
    }

    #[test]
    fn a_real_run_says_how_it_went() {
        let summary = csv(
            &["cycles_complete", "cycles_truncated", "cycles_failed"],
            &[&["18", "1", "1"]],
        );
        let record = json!({
            "ending": "completed", "wall_s": 8.75, "limit_s": 12.0, "fee": "120.5",
            "predicted_s": 9.0, "measured_s": 10.0, "accuracy": 0.91,
        });
        assert_eq!(
            of_real_run(&record, &summary).as_deref(),
            Some(
                "Every cycle was run: 18 of 20 cycles complete in 8.75 s of 12 s, for a fee of 120.5. The prediction \
                 of 9 s was off by -10 %. Accuracy 0.91."
            )
        );
        let early = json!({"ending": "below_beta", "because": "2 workers are left, 3 needed"});
        let words = of_real_run(&early, &summary).expect("an end");
        assert!(
            words.starts_with("Ended early (2 workers are left, 3 needed): 18 of 20"),
            "{words}"
        );
    }

    proptest! {
        /// The least is the least, wherever values are missing.
        #[test]
        fn the_least_of_a_sweep_is_the_least(
            rows in prop::collection::vec((prop::option::of(0_u32..50), 1_u32..90), 1..12),
        ) {
            let rows: Vec<Vec<String>> = rows
                .iter()
                .enumerate()
                .map(|(at, (fee, wall))| {
                    let (fee, wall) = match fee {
                        Some(fee) => (fee.to_string(), wall.to_string()),
                        None => Default::default(),
                    };
                    vec![format!("r{at}"), fee, wall]
                })
                .collect();
            let csv = Csv { heading: ["key", "fee", "wall_s"].map(str::to_owned).into(), rows };
            let words = of_sweep(&csv, |row| row[0].clone());
            let with = |column: &str| {
                csv.rows.iter().filter_map(|row| csv.number(row, column)).reduce(f64::min)
            };
            let Some(words) = words else {
                prop_assert!(with("fee").is_none());
                return Ok(());
            };
            for row in &csv.rows {
                let at = format!("at {}", row[0]);
                let is_said = words.contains(&format!("{at};")) || words.contains(&format!("{at}."));
                if is_said {
                    let is_least = |column| csv.number(row, column) == with(column);
                    prop_assert!(is_least("fee") || is_least("wall_s"), "{words}");
                }
            }
            let fee = format!("The least fee is {},", shown(with("fee").expect("one")));
            prop_assert!(words.starts_with(&fee), "{words}");
        }
    }
}
