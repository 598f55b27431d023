//! The page for a person.

use results::share;
use scheduler::machine::Limit;
use scheduler::{Certificate, Cost, Outcome, PlanStatus, Planned, Span};

use super::answer::{Answer, Idle, Worker};
use super::{chart, setting_of};
use crate::run::figures::{fee, interval, mean, shown, wall};
use crate::run::{Run, Setting};
use crate::terminal::Style;

/// So many employed workers are drawn at most.
const MOST_BARS: usize = 24;
/// So many idle workers are named for one reason at most.
const MOST_NAMES: usize = 4;

/// All that is known before anything is simulated.
pub(super) fn page(name: &str, setting: &Setting, answer: &Answer, style: Style) -> String {
    let job = setting.scenario().job();
    let limit = match job.limit {
        Limit::Job { max_time, .. } => format!("{} in all", seconds(max_time)),
        Limit::Cycle(span) => format!("{} each", seconds(span)),
    };
    let title = format!(
        "{name}: {} of {} batches, {limit}; {}, lots of {} or more, {} or more \
         employed; as drawn first by seed {}",
        counted(job.cycles.into(), "cycle"),
        job.batches,
        counted(answer.workers.len() as u64, "worker"),
        job.s_min.max(1),
        job.beta.max(1),
        setting.seed,
    );
    let mut text = wrapped(&title, style.width, 0)
        .lines()
        .map(|line| style.heading(line) + "\n")
        .collect::<String>();
    text.push('\n');
    match &answer.response.outcome {
        Outcome::Planned(planned) => text += &plan(answer, planned, style),
        Outcome::Infeasible(why) => {
            text += &item("no plan", &why.to_string(), style);
        }
        Outcome::Failed(failure) => {
            let name = answer.allocator.name();
            text += &item(
                "no plan",
                &format!("{name} failed: {}", failure.message),
                style,
            );
        }
    }
    for idle in idle(answer) {
        text += &item("idle", &idle, style);
    }
    for change in &answer.changes {
        text += &item("would do", &words_of(answer, *change), style);
    }
    text + &prices(answer, style)
}

/// What the simulated runs say.
pub(super) fn missed(runs: &[Run], style: Style) -> String {
    if runs.is_empty() {
        return String::new();
    }
    let hits = runs.iter().filter(|run| run.totals.is_missed()).count() as u64;
    let text = format!(
        "{} % of {} simulated runs break the limit, lose batches or end early; their fee is {}, \
         their time {} s (95 % confidence)",
        interval(share(hits, runs.len() as u64)),
        runs.len(),
        shown(mean(runs, fee), 2),
        shown(mean(runs, wall), 2),
    );
    item("missed", &text, style)
}

fn plan(answer: &Answer, planned: &Planned, style: Style) -> String {
    let limit = answer.request.limit();
    let mut employed: Vec<&Worker> = answer.workers.iter().filter(|w| w.batches > 0).collect();
    if employed.len() > MOST_BARS {
        // Those that say most: who takes longest.
        employed.sort_by_key(|worker| std::cmp::Reverse(worker.predicted));
    }
    let drawn = &employed[..employed.len().min(MOST_BARS)];
    let mut text = bars(drawn, limit, style);
    if let Some(more) = employed.len().checked_sub(MOST_BARS + 1) {
        let batches: u64 = employed[MOST_BARS..]
            .iter()
            .map(|worker| worker.batches)
            .sum();
        text += &format!("… and {} more, with {batches} batches\n", more + 1);
    }
    text.push('\n');
    let cycles = u64::from(answer.stated.cycles);
    let fee = format!(
        "{} a cycle, {} for all",
        planned.plan.cost,
        times(planned.plan.cost, cycles)
    );
    text += &item("fee", &fee, style);
    text += &item("proof", &proof(answer, planned), style);
    if let Some(cycle) = answer.cycle {
        let line = format!(
            "{} a cycle, {} for all, predicted without errors, jitter and faults; a cycle has {}",
            seconds(cycle),
            seconds(cycle * cycles),
            seconds(limit),
        );
        text += &item("time", &line, style);
    }
    text
}

fn bars(workers: &[&Worker], limit: Span, style: Style) -> String {
    let names = workers.iter().map(|worker| worker.name.chars().count());
    let name = names.max().unwrap_or(0).clamp(6, 18);
    let fees = workers.iter().map(|worker| worker.fee.to_string().len());
    let fee = fees.max().unwrap_or(0).max(3);
    let counts = workers
        .iter()
        .map(|worker| worker.batches.to_string().len());
    let counts = counts.max().unwrap_or(0).max(7);
    let capacities = workers
        .iter()
        .map(|worker| worker.s_max.unwrap_or(0).to_string().len());
    let most = capacities.max().unwrap_or(0).max(5);
    // Between the columns are two blanks; the time stands at the end.
    let width = style
        .width
        .saturating_sub(name + fee + counts + most + 10 + 10)
        .max(10);
    let times = workers.iter().filter_map(|worker| worker.predicted);
    let longest = times.max().unwrap_or_default().max(limit).seconds_f64();
    // The mark of the limit is within the picture even if nobody passes it.
    let full = longest * width as f64 / (width as f64 - 1.0);
    let head = format!(
        "{:<name$}  {:>counts$}  {:>most$}  {:>fee$}  {:<width$}  {:>8}",
        "worker",
        "batches",
        "of",
        "fee",
        format!("time of a cycle, │ is {}", seconds(limit)),
        "",
    );
    let mut text = style.heading(head.trim_end()) + "\n";
    for worker in workers {
        let predicted = worker.predicted.unwrap_or_default();
        let bar = chart::bar(predicted.seconds_f64(), limit.seconds_f64(), full, width);
        let shown: String = worker.name.chars().take(name).collect();
        text += &format!(
            "{shown:<name$}  {:>counts$}  {:>most$}  {:>fee$}  {bar}  {:>8}\n",
            worker.batches,
            worker.s_max.unwrap_or(0),
            worker.fee.to_string(),
            seconds(predicted),
        );
    }
    text
}

/// Why nothing is cheaper, or what is.
fn proof(answer: &Answer, planned: &Planned) -> String {
    let name = answer.allocator.name();
    let employed = planned.plan.workers_employed();
    let why = match planned.certificate {
        Some(Certificate::ClosedForm) if employed == 1 => {
            "by a formula: the cheapest that can take a lot takes all".to_owned()
        }
        Some(Certificate::ClosedForm) => format!(
            "by a formula: the {employed} cheapest that can take a lot, the cheapest filled first; \
             no plan puts more on the cheap ones"
        ),
        Some(Certificate::Root) => {
            "a lower bound on every plan, by a price on capacity, is as high as its fee".to_owned()
        }
        Some(Certificate::Search) => "of the few workers that a lower bound left open, every set \
                                      that could be cheaper was tried"
            .to_owned(),
        Some(Certificate::DynamicProgramme) => "a dynamic programme over the workers that a \
                                                lower bound left open found none cheaper"
            .to_owned(),
        Some(Certificate::Solver) => "the mixed-integer solver says so".to_owned(),
        Some(Certificate::Relaxation) => {
            "it costs no more than the continuous relaxation".to_owned()
        }
        None => String::new(),
    };
    let mut text = match planned.status {
        PlanStatus::Optimal => format!("no plan is cheaper: {why}"),
        PlanStatus::Bounded | PlanStatus::Feasible => {
            let bound = planned.lower_bound;
            let bound = bound.map(|bound| format!(", but that no plan costs less than {bound}"));
            let best = match answer.best.outcome.planned() {
                Some(best) if best.plan.cost < planned.plan.cost => {
                    format!("exact has a plan for {}", best.plan.cost)
                }
                Some(best) if best.status == PlanStatus::Optimal => {
                    "exact proves that no plan is cheaper".to_owned()
                }
                Some(_) | None => "nor does exact have a cheaper one".to_owned(),
            };
            let bound = bound.unwrap_or_default();
            format!("{name} proves nothing of it{bound}; {best}")
        }
    };
    if answer.request.time_model().depends_on_employed() {
        let link = match answer.response.employed {
            1 => "; capacities are those of one worker at the orchestrator's link".to_owned(),
            many => format!("; capacities are those of {many} workers at the orchestrator's link"),
        };
        text += &link;
    }
    text
}

/// Idle workers by reason.
fn idle(answer: &Answer) -> Vec<String> {
    let mut groups: Vec<(Idle, Vec<&str>)> = Vec::new();
    for worker in &answer.workers {
        // Whose plan there is none is told once.
        let Some(idle) = worker.idle.filter(|idle| *idle != Idle::NoPlan) else {
            continue;
        };
        // Numbers that differ from worker to worker would make a line of each.
        let same = |known: &Idle| std::mem::discriminant(known) == std::mem::discriminant(&idle);
        match groups.iter_mut().find(|(known, _)| same(known)) {
            Some((_, names)) => names.push(&worker.name),
            None => groups.push((idle, vec![&worker.name])),
        }
    }
    let told = |(idle, names): (Idle, Vec<&str>)| {
        let first = names[..names.len().min(MOST_NAMES)].join(", ");
        let more = match names.len().saturating_sub(MOST_NAMES) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{first}{more}: {}", why(answer, idle, names.len() == 1))
    };
    groups.into_iter().map(told).collect()
}

/// Why a worker is idle; with its own numbers if it is the only one.
pub(super) fn why(answer: &Answer, idle: Idle, alone: bool) -> String {
    let lot = answer.request.demand().1.max(1);
    match idle {
        Idle::Late(at) if alone => format!("joins at {}, after the plan is made", seconds(at)),
        Idle::Late(_) => "join after the plan is made".to_owned(),
        Idle::FeeTooLow(least) if alone => format!("does not work for less than {least}"),
        Idle::FeeTooLow(_) => "do not work for what is paid".to_owned(),
        Idle::NotReady => "not benchmarked when the plan is made".to_owned(),
        Idle::NoTime(fixed) if alone => format!(
            "its parameters alone take {} of {}",
            seconds(fixed),
            seconds(answer.request.limit())
        ),
        Idle::NoTime(_) => "their parameters alone take all the time".to_owned(),
        Idle::BelowLot(s_max) if alone => format!("can take {s_max} in time, a lot is {lot}"),
        Idle::BelowLot(_) => format!("cannot take a lot of {lot} in time"),
        Idle::TooDear(dearest) => format!("dearer than all employed, who get at most {dearest}"),
        Idle::NotNeeded => "others who get as much hold the data".to_owned(),
        Idle::LotTooLarge if lot > 1 => {
            format!("cheaper than some employed, but a lot of {lot} here makes the rest dearer")
        }
        Idle::LotTooLarge => "cheaper than some employed, but left out by the allocator".to_owned(),
        Idle::NoPlan => "there is no plan".to_owned(),
    }
}

fn prices(answer: &Answer, style: Style) -> String {
    let (prices, stated) = (&answer.prices, &answer.stated);
    let cycles = u64::from(stated.cycles);
    let best = answer
        .best
        .outcome
        .planned()
        .map(|planned| planned.plan.cost);
    let mut text = String::new();
    if !answer.changes.is_empty() {
        // The least time is among the changes that would do.
    } else if let Some(least) = prices.least_limit {
        let share = format!(
            "{} a cycle, at a fee of {} ({})",
            seconds(least.limit),
            least.cost,
            setting_of(answer, least.limit)
        );
        text += &item("least time", &share, style);
    } else {
        text += &item("least time", "no limit is long enough", style);
    }
    if let Some(least) = prices.least_fee {
        let from = format!(
            "{} a cycle, {} for all, from {} a cycle on ({})",
            least.cost,
            times(least.cost, cycles),
            seconds(least.limit),
            setting_of(answer, least.limit)
        );
        text += &item("least fee", &from, style);
    }
    let Some(best) = best else {
        return text;
    };
    let second = match stated.key() {
        "job.max_time" => "a second of the job",
        _ => "a second of each cycle",
    };
    let longer = match prices.longer.and_then(|cost| best.checked_sub(cost)) {
        Some(Cost::ZERO) | None => "saves nothing".to_owned(),
        Some(less) => format!("saves {less} a cycle, {} in all", times(less, cycles)),
    };
    let next = match prices.cheaper_from {
        None => "no limit makes it cheaper".to_owned(),
        Some(point) => format!(
            "the next step is {} away and saves {} a cycle",
            seconds(stated.of(point.limit) - stated.now()),
            best.checked_sub(point.cost).unwrap_or_default()
        ),
    };
    text += &item(
        "1 s more",
        &format!("{second} more {longer}; {next}"),
        style,
    );
    let dearer = prices
        .shorter
        .map(|cost| cost.checked_sub(best).unwrap_or_default());
    let shorter = match dearer {
        None => "leaves no plan".to_owned(),
        Some(Cost::ZERO) => "costs nothing".to_owned(),
        Some(more) => format!("costs {more} a cycle, {} in all", times(more, cycles)),
    };
    let same_from = prices
        .same_from
        .map(|point| stated.now() - stated.of(point.limit));
    let spare = format!(
        "{} could go at the same fee",
        seconds(same_from.unwrap_or_default())
    );
    text + &item(
        "1 s less",
        &format!("{second} less {shorter}; {spare}"),
        style,
    )
}

/// A change in words, with what to type for it.
pub(super) fn words_of(answer: &Answer, change: solvers::changes::Change) -> String {
    use solvers::changes::Change;
    match change {
        Change::Limit { to } => format!("{change} ({})", setting_of(answer, to)),
        Change::Beta { to } => format!("{change} (--set job.beta={to})"),
        Change::SMin { to } => format!("{change} (--set job.s_min={to})"),
        Change::Workers { .. } => change.to_string(),
    }
}

/// A word, then what is said of it, below each other where it is long.
fn item(word: &str, text: &str, style: Style) -> String {
    const INDENT: usize = 12;
    let lines = wrapped(text, style.width.saturating_sub(INDENT), INDENT);
    let word = format!("{word:<INDENT$}");
    let heading = style.heading(word.trim_end());
    let pad = " ".repeat(INDENT - word.trim_end().chars().count());
    format!("{heading}{pad}{}\n", lines.trim_end())
}

/// Breaks at blanks; lines after the first begin with so many blanks.
fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let mut lines = String::new();
    let mut used = 0;
    // What is to be typed stays together.
    let text = text.replace("--set ", "--set\0");
    let words = text.split(' ').map(|word| word.replace('\0', " "));
    for word in words {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            lines.push('\n');
            lines += &" ".repeat(indent);
            used = 0;
        } else if used > 0 {
            lines.push(' ');
            used += 1;
        }
        lines += &word;
        used += length;
    }
    lines
}

/// A time for a person: three digits after the point, or more where it is small.
pub(super) fn seconds(span: Span) -> String {
    match span.nanos() {
        0..=99_999_999 => span.to_string(),
        100_000_000..=99_999_999_999 => format!("{:.3} s", span.seconds_f64()),
        _ => format!("{:.1} s", span.seconds_f64()),
    }
}

fn times(cost: Cost, count: u64) -> Cost {
    Cost::from_micros(cost.micros().saturating_mul(count.into()))
}

fn counted(count: u64, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}
