//! `sim plan --frontier`: what each limit, each `beta` or each `s_min` costs, exactly.

use console::{Exit, Stop};
use results::plan_line::decimal;
use results::text::{Style, Table, counted};
use scheduler::{PlanRequest, Span};
use serde::Serialize;
use serde_json::value::RawValue;
use solvers::Exact;
use solvers::frontier::{self, Curve, DEFAULT_BUDGET, Effort, Point, Step};

use super::answer::Stated;
use super::chart::{self, Steps};
use super::line::At;
use super::question;
use super::words::{exact_seconds, seconds};
use crate::cli::{Over, PlanArgs};
use crate::run::Setting;
use crate::terminal::style;

/// Rows that are printed from either end, and around the present value.
const ROWS: usize = 6;

/// The sub-command with a frontier.
pub(super) fn command(args: &PlanArgs, setting: &Setting, over: Over) -> Result<Exit, Stop> {
    let request = question::of(setting);
    let stated = Stated::of_setting(setting, &request);
    let progress = console::spinner("looking at problems");
    let mut tell = |problems| progress.set_message(format!("{problems} problems looked at"));
    let effort = Effort {
        budget: DEFAULT_BUDGET,
        progress: &mut tell,
    };
    let exact = &mut Exact::default();
    let style = style();
    let name = &args.scenario;
    let (text, is_whole, is_proved) = match over {
        Over::Time => {
            let all = (Span::ZERO, Span::from_nanos(u64::MAX));
            let curve = frontier::over_time(&request, exact, all, effort);
            let text = if args.json {
                time_lines(&curve, &stated)
            } else {
                time_page(name, &request, &curve, &stated, style)
            };
            (text, curve.is_whole, curve.is_proved)
        }
        Over::Beta | Over::SMin => {
            let curve = if over == Over::Beta {
                frontier::over_beta(&request, exact, effort)
            } else {
                frontier::over_s_min(&request, exact, effort)
            };
            let (_, s_min, beta) = request.demand();
            let (key, now) = if over == Over::Beta {
                ("beta", beta)
            } else {
                ("s_min", s_min)
            };
            let text = if args.json {
                step_lines(&curve)
            } else {
                step_page(name, &curve, (key, now), style)
            };
            (text, curve.is_whole, curve.is_proved)
        }
    };
    progress.finish_and_clear();
    console::print(&text)?;
    if text.is_empty() {
        let what = match over {
            Over::Time => "limit",
            Over::Beta => "beta",
            Over::SMin => "s_min",
        };
        console::note!("{name}: no {what} has a plan");
    }
    if !is_whole {
        let message = format!(
            "the curve is not whole: its budget of {DEFAULT_BUDGET} capacities ran out; fewer workers \
             or batches make it shorter"
        );
        return Err(Stop::failed(message));
    }
    if !is_proved {
        console::note!(
            "some costs are not proved to be the least: the budget of a problem ran out"
        );
    }
    Ok(Exit::Done)
}

fn time_lines(curve: &Curve<Point>, stated: &Stated) -> String {
    let lines = curve.points.iter().map(|point| At::new(point, stated));
    lines.map(|line| json(&line)).collect()
}

#[derive(Serialize)]
struct StepLine {
    from: u64,
    upto: u64,
    cost: Box<RawValue>,
    workers_employed: u64,
}

fn step_lines(curve: &Curve<Step>) -> String {
    let lines = curve.points.iter().map(|step| StepLine {
        from: step.from,
        upto: step.upto,
        cost: decimal(step.cost),
        workers_employed: step.workers_employed,
    });
    lines.map(|line| json(&line)).collect()
}

fn json(line: &impl Serialize) -> String {
    serde_json::to_string(line).expect("numbers are JSON") + "\n"
}

fn time_page(
    name: &str,
    request: &PlanRequest,
    curve: &Curve<Point>,
    stated: &Stated,
    style: Style,
) -> String {
    let points = &curve.points;
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return format!("{name}: no limit is long enough for a plan\n");
    };
    let now = request.limit();
    let count = points.len();
    let title = format!(
        "{name}: the least fee of a cycle over its limit, {}",
        counted(count as u64, "step")
    );
    let mut text = style.heading(&title) + "\n\n";
    // Nearly all of a long tail is of no interest: up to twice the present limit, or to where
    // nine tenths of what can be saved is.
    let saved = |point: &Point| (first.cost.units_f64() - point.cost.units_f64()).max(0.0);
    let most = points
        .iter()
        .find(|point| saved(point) >= 0.9 * saved(last));
    let right = most.map_or(last.limit, |point| point.limit).max(now);
    let right = (right + right / 4).max(first.limit + Span::from_nanos(8));
    let left = first.limit.min(now);
    let left = left - (right - left) / 16;
    let places: Vec<(f64, f64)> = points
        .iter()
        .map(|point| (point.limit.seconds_f64(), point.cost.units_f64()))
        .collect();
    if count > 1 {
        text += &chart::steps(
            &Steps {
                points: &places,
                range: (left.seconds_f64(), right.seconds_f64()),
                mark: Some((now.seconds_f64(), &format!("now {}", seconds(now)))),
                ends: (&seconds(left), &seconds(right)),
                names: ("fee of a cycle", "limit of a cycle"),
            },
            style.line(),
        );
        text.push('\n');
    }
    let mut table = Table::new(
        [""],
        [
            "limit of a cycle s",
            stated.key(),
            "fee",
            "saves",
            "workers",
        ],
    );
    let at = points
        .partition_point(|point| point.limit <= now)
        .saturating_sub(1);
    for row in rows(count, at) {
        let Row::Of(index) = row else {
            table.row(["…"]);
            continue;
        };
        let point = &points[index];
        let before = index.checked_sub(1).map(|before| points[before].cost);
        let saves = before.and_then(|before| before.checked_sub(point.cost));
        table.row([
            mark(index == at && point.limit <= now),
            &exact_seconds(point.limit),
            &format!("{} s", exact_seconds(stated.of(point.limit))),
            &point.cost.to_string(),
            &saves.map_or_else(String::new, |saves| saves.to_string()),
            &point.workers_employed.to_string(),
        ]);
    }
    text += &table.render(style);
    text += &left_out(count, at);
    if now < first.limit {
        text += &format!("now it is {}, which has no plan\n", seconds(now));
    } else {
        text += "> is now; ";
    }
    text + "a step is the least limit with its fee: a nanosecond less costs more\n"
}

fn step_page(name: &str, curve: &Curve<Step>, (key, now): (&str, u64), style: Style) -> String {
    let points = &curve.points;
    let (Some(_), Some(last)) = (points.first(), points.last()) else {
        return format!("{name}: no {key} has a plan\n");
    };
    let count = points.len();
    let title = format!(
        "{name}: the least fee of a cycle over {key}, {}",
        counted(count as u64, "step")
    );
    let mut text = style.heading(&title) + "\n\n";
    let mut places: Vec<(f64, f64)> = Vec::new();
    for step in points {
        if places.last().is_some_and(|_| step.from > 0) && gap_before(points, step) {
            places.push((step.from as f64 - 1.0, 0.0));
        }
        places.push((step.from as f64, step.cost.units_f64()));
    }
    let right = last.upto.max(now) + 1;
    places.push(((last.upto + 1) as f64, 0.0));
    if count > 1 {
        text += &chart::steps(
            &Steps {
                points: &places,
                range: (0.0, right as f64),
                mark: Some((now as f64, &format!("now {now}"))),
                ends: ("0", &right.to_string()),
                names: ("fee of a cycle", key),
            },
            style.line(),
        );
        text.push('\n');
    }
    let mut table = Table::new([""], [key, "fee", "more", "workers"]);
    let at = points
        .partition_point(|step| step.from <= now)
        .saturating_sub(1);
    for row in rows(count, at) {
        let Row::Of(index) = row else {
            table.row(["…"]);
            continue;
        };
        let step = &points[index];
        let range = if step.from == step.upto {
            step.from.to_string()
        } else {
            format!("{} to {}", step.from, step.upto)
        };
        let before = index.checked_sub(1).map(|before| points[before].cost);
        let more = before.and_then(|before| step.cost.checked_sub(before));
        table.row([
            mark((step.from..=step.upto).contains(&now)),
            &range,
            &step.cost.to_string(),
            &more.map_or_else(String::new, |more| more.to_string()),
            &step.workers_employed.to_string(),
        ]);
    }
    text += &table.render(style);
    text += &left_out(count, at);
    if !has_plan(points, now) {
        text += &format!("{key} is {now} now, which has no plan\n");
    }
    text
}

/// Whether a value has a plan.
fn has_plan(points: &[Step], value: u64) -> bool {
    points
        .iter()
        .any(|step| (step.from..=step.upto).contains(&value))
}

/// Whether values without a plan lie before a step.
fn gap_before(points: &[Step], step: &Step) -> bool {
    let before = points
        .iter()
        .take_while(|other| other.from < step.from)
        .last();
    before.is_some_and(|before| before.upto + 1 < step.from)
}

const fn mark(is_now: bool) -> &'static str {
    if is_now { ">" } else { "" }
}

/// A row of a table, or a gap where rows are left out.
enum Row {
    Of(usize),
    Gap,
}

/// The rows at both ends and around one.
fn rows(count: usize, at: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for row in 0..count {
        if is_wanted(row, count, at) {
            rows.push(Row::Of(row));
        } else if matches!(rows.last(), Some(Row::Of(_))) {
            rows.push(Row::Gap);
        }
    }
    rows
}

fn is_wanted(row: usize, count: usize, at: usize) -> bool {
    count <= 6 * ROWS || row < ROWS || row + ROWS >= count || row.abs_diff(at) <= ROWS
}

/// How many rows are left out.
fn left_out(count: usize, at: usize) -> String {
    match (0..count).filter(|row| !is_wanted(*row, count, at)).count() {
        0 => String::new(),
        left_out => format!("… {left_out} steps are left out, see --json\n"),
    }
}
