//! Replayed runs as text: one row per run, then how far predictions are off in all.

use results::runs::Forecast;
use results::text::{Style, Table, dash, number, signed};
use scenarios::calibration::{Calibration, FitErrors, error_percent};
use scheduler::{Cost, Plan, Span};

use super::folder::Whole;
use super::replayed::{Replay, over_cycles};

/// Everything there is to read.
pub(super) fn render(
    replays: &[Replay<'_>],
    calibration: &Calibration,
    source: &str,
    with_workers: bool,
    style: Style,
) -> String {
    let model = calibration.cycle_model();
    let mut text = format!(
        "calibration: {source}\na cycle takes {} besides; the parameters of a worker ({} bytes) {} \
         down and {} up\n",
        model.evaluation, calibration.parameter_bytes, model.down, model.up
    );
    if replays.iter().any(|replay| replay.other.is_some()) {
        text += &other_rows(replays, style);
    } else {
        text += &rows(replays, style);
    }
    if with_workers {
        text += &format!("\n{}", worker_rows(replays, style));
    }
    text + &totals(replays, style)
}

/// Each run of a folder over all its plans, as the run itself adds them up.
pub(super) fn wholes(replays: &[Replay<'_>], wholes: &[Whole]) -> String {
    let mut text = String::new();
    let mut rest = replays;
    for whole in wholes {
        let (own, others) = rest.split_at(whole.plans);
        rest = others;
        if own.is_empty() || whole.plans == 1 && wholes.len() > 1 {
            continue; // its row says it
        }
        let mut forecast = Forecast {
            left_out: whole.left_out,
            ..Forecast::default()
        };
        for replay in own {
            let measured = replay.run.measured.training.unwrap_or_default();
            forecast.cycles_took.add(replay.predicted, measured);
            forecast.cycles += replay.run.job.cycles;
        }
        let plans = match whole.plans {
            1 => "one plan".to_owned(),
            plans => format!("{plans} plans"),
        };
        text += &format!("run {}, {plans}: predicted {forecast}\n", whole.name);
    }
    text
}

/// The recorded allocation: measured and predicted.
fn rows(replays: &[Replay<'_>], style: Style) -> String {
    let with_left_out = replays.iter().any(|replay| replay.left_out.is_some());
    let numbers = [
        "cycles",
        "employed",
        "fee/cycle",
        "limit s",
        "measured s",
        "predicted s",
        "error %",
    ];
    let left_out = with_left_out.then_some("left out %");
    let mut table = Table::new(["run"], numbers.into_iter().chain(left_out)).and_text("");
    for replay in replays {
        let (run, plan) = (replay.run, replay.recorded_plan());
        let mut row = vec![
            id(replay).to_owned(),
            run.job.cycles.to_string(),
            plan.workers_employed().to_string(),
            plan.cost.to_string(),
            seconds(run.job.limit),
            seconds(run.measured.training),
            seconds(Some(replay.predicted)),
            percent(replay.error_percent()),
        ];
        let left_out = replay.left_out.zip(run.measured.training);
        let left_out = left_out.map(|(left_out, measured)| error_percent(left_out, measured));
        row.extend(with_left_out.then(|| percent(left_out)));
        row.push(mark(replay).to_owned());
        table.row(row);
    }
    table.render(style)
}

/// The recorded allocation beside another: fees, and predicted times of both.
fn other_rows(replays: &[Replay<'_>], style: Style) -> String {
    let mut others = replays.iter().filter_map(|replay| replay.other.as_ref());
    let name = others.next().map_or("", |other| other.allocator);
    let numbers = [
        "cycles",
        "employed",
        "fee/cycle",
        "measured s",
        "predicted s",
    ];
    let others =
        ["employed", "fee/cycle", "predicted s"].map(|heading| format!("{name} {heading}"));
    let changes = ["fee %", "time %"].map(str::to_owned);
    let numbers = numbers.map(str::to_owned).into_iter();
    let mut table = Table::new(["run"], numbers.chain(others).chain(changes)).and_text("");
    let (mut before, mut after) = (Sum::default(), Sum::default());
    for replay in replays {
        let Some(other) = &replay.other else { continue };
        let (run, recorded) = (replay.run, replay.recorded_plan());
        let mut row = vec![
            id(replay).to_owned(),
            run.job.cycles.to_string(),
            recorded.workers_employed().to_string(),
            recorded.cost.to_string(),
            seconds(run.measured.training),
            seconds(Some(replay.predicted)),
        ];
        match other.plan().zip(other.predicted) {
            Some((plan, predicted)) => {
                before.add(&recorded, replay.predicted, run.job.cycles);
                after.add(plan, predicted, run.job.cycles);
                row.extend([
                    plan.workers_employed().to_string(),
                    plan.cost.to_string(),
                    seconds(Some(predicted)),
                    change(recorded.cost.units_f64(), plan.cost.units_f64()),
                    change(replay.predicted.seconds_f64(), predicted.seconds_f64()),
                    mark(replay).to_owned(),
                ]);
            }
            None => {
                let reason = other.outcome.reason().unwrap_or_default();
                row.extend([""; 5].map(str::to_owned));
                row.push(format!("{}: {reason}", other.outcome.status()));
            }
        }
        table.row(row);
    }
    format!(
        "{}\n{} runs with a plan, all cycles: fee {} as recorded, {} by {name} ({} %); predicted time \
         {} s and {} s ({} %)\n",
        table.render(style),
        after.runs,
        before.fee,
        after.fee,
        change(before.fee.units_f64(), after.fee.units_f64()),
        seconds(Some(before.time)),
        seconds(Some(after.time)),
        change(before.time.seconds_f64(), after.time.seconds_f64()),
    )
}

/// Fees and times of all cycles of several runs.
#[derive(Default)]
struct Sum {
    runs: usize,
    fee: Cost,
    time: Span,
}

impl Sum {
    fn add(&mut self, plan: &Plan, predicted: Span, cycles: u64) {
        self.runs += 1;
        self.fee += over_cycles(plan.cost, cycles);
        self.time = self.time + predicted;
    }
}

/// A run's identity, which is JSON, as text.
fn id<'a>(replay: &Replay<'a>) -> &'a str {
    replay.run.id.trim_matches('"')
}

/// Each employed worker's computing time in a cycle of the allocation that was asked for.
fn worker_rows(replays: &[Replay<'_>], style: Style) -> String {
    let numbers = [
        "batches",
        "benchmark/s",
        "predicted s",
        "recorded s",
        "error %",
    ];
    let mut table = Table::new(["run", "worker"], numbers);
    for replay in replays {
        let batches = match &replay.other {
            None => Some(replay.run.job.batches.as_slice()),
            Some(other) => other.plan().map(|plan| plan.batches.as_slice()),
        };
        let workers = batches.unwrap_or_default().iter().enumerate();
        for (worker, &batches) in workers.filter(|&(_, &batches)| batches > 0) {
            let (predicted, recorded) = replay.compute(worker, batches);
            let error = recorded.map(|recorded| error_percent(predicted, recorded));
            table.row([
                id(replay),
                &replay.run.names[worker],
                &batches.to_string(),
                &number(Some(replay.run.job.speeds[worker].per_second_f64()), 1),
                &number(Some(predicted.seconds_f64()), 3),
                &number(recorded.map(Span::seconds_f64), 3),
                &percent(error),
            ]);
        }
    }
    table.render(style)
}

/// How far predictions of the recorded allocations are off, and which runs are outliers.
fn totals(replays: &[Replay<'_>], style: Style) -> String {
    let passing = |replay: &&Replay<'_>| !replay.run.job.is_outlier();
    let run = |replay: &Replay<'_>| Some((replay.predicted, replay.run.measured.training?));
    let left_out = |replay: &Replay<'_>| Some((replay.left_out?, replay.run.measured.training?));
    let worker = |replay: &Replay<'_>| -> Vec<(Span, Span)> {
        let batches = replay.run.job.batches.iter().enumerate();
        let employed = batches.filter(|&(_, &batches)| batches > 0);
        let pair = |(worker, &batches): (usize, &u64)| {
            let (predicted, recorded) = replay.compute(worker, batches);
            Some((predicted, recorded?))
        };
        employed.filter_map(pair).collect()
    };
    let all = || replays.iter();
    let rows = [
        (
            "predicted, runs that pass",
            FitErrors::of(all().filter(passing).filter_map(run)),
        ),
        ("predicted, all runs", FitErrors::of(all().filter_map(run))),
        (
            "left out, runs that pass",
            FitErrors::of(all().filter(passing).filter_map(left_out)),
        ),
        (
            "left out, all runs",
            FitErrors::of(all().filter_map(left_out)),
        ),
        (
            "a worker's cycle, runs that pass",
            FitErrors::of(all().filter(passing).flat_map(worker)),
        ),
        (
            "a worker's cycle, all runs",
            FitErrors::of(all().flat_map(worker)),
        ),
    ];
    let numbers = ["count", "mean abs %", "median %", "p90 %", "total %"];
    let mut table = Table::new(["errors, as recorded"], numbers);
    for (label, errors) in rows {
        let Some(errors) = errors else { continue };
        table.row([
            label,
            &errors.count.to_string(),
            &number(Some(errors.mean_percent), 2),
            &number(Some(errors.median_percent), 2),
            &number(Some(errors.p90_percent), 2),
            &signed(errors.total_percent, 2),
        ]);
    }
    let outliers = all().filter(|replay| replay.run.job.is_outlier());
    let named: Vec<String> = outliers
        .map(|replay| {
            format!(
                "run {} ({:.3})",
                id(replay),
                replay.run.job.benchmark_ratio()
            )
        })
        .collect();
    let named = if named.is_empty() {
        "none".to_owned()
    } else {
        named.join(", ")
    };
    format!(
        "\n{}outliers, whose slowest employed worker has a benchmark below 1/3 of the median: {named}\n",
        table.render(style)
    )
}

fn mark(replay: &Replay<'_>) -> &'static str {
    if replay.run.job.is_outlier() {
        "outlier"
    } else {
        ""
    }
}

fn seconds(span: Option<Span>) -> String {
    number(span.map(Span::seconds_f64), 1)
}

fn percent(value: Option<f64>) -> String {
    value.map_or_else(dash, |value| signed(value, 1))
}

fn change(before: f64, after: f64) -> String {
    percent((before > 0.0).then(|| 100.0 * (after / before - 1.0)))
}
