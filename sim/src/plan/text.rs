//! The page of `sim plan`.

use results::runs::RunEnd;
use results::text::{Style, Table, counted, first_of, plus_minus};
use scheduler::machine::Limit;
use scheduler::{Certificate, Cost, Infeasible, Objective, Outcome, PlanStatus, Planned, Span};
use solvers::frontier::Point;

use super::answer::{Answer, Idle, Worker};
use super::chart;
use super::promises::is_certain;
use super::words::{seconds, setting_of, why, words_of};
use crate::run::Setting;
use crate::run::figures::{fee, mean_of_whole, missed, percent, wall};

/// Most employed workers that are drawn.
const MOST_BARS: usize = 24;
/// Most idle workers that are named for one reason.
const MOST_NAMES: usize = 4;

/// All that is known before anything is simulated.
pub(super) fn page(name: &str, setting: &Setting, answer: &Answer, style: Style) -> String {
    let job = setting.scenario().job();
    let limit = match job.limit() {
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
    let title = style.paragraph(&title, 0);
    let mut text = title
        .lines()
        .map(|line| style.heading(line) + "\n")
        .collect::<String>();
    text.push('\n');
    match &answer.response.outcome {
        Outcome::Planned(planned) => text += &plan(answer, planned, style),
        Outcome::Infeasible(why @ Infeasible::InsufficientBudget { .. }) => {
            text += &style.item("no plan", &why.to_string());
        }
        Outcome::Infeasible(why) => {
            text += &style.item("no plan", &format!("{why}{}", nearest(answer)));
        }
        Outcome::Failed(failure) => {
            let name = answer.allocator.name();
            text += &style.item("no plan", &format!("{name} failed: {}", failure.message));
        }
    }
    for idle in idle(answer) {
        text += &style.item("idle", &idle);
    }
    for change in &answer.changes {
        text += &style.item("would do", &words_of(answer, *change));
    }
    text + &prices(answer, style)
}

/// The heading of a column, and what stands in it for a worker.
type Shown<'a> = (&'a str, &'a dyn Fn(&Worker) -> String);

/// How often simulated runs miss the limit.
pub(super) fn simulated(setting: &Setting, runs: &[RunEnd], style: Style) -> String {
    if runs.is_empty() {
        return String::new();
    }
    let by_construction = if is_certain(setting) {
        "; the scenario states no errors of workers, so that no margin is added and nothing is late \
         by chance"
    } else {
        ""
    };
    let text = format!(
        "{} % of {} simulated runs break the limit, lose batches or end early; their fee is {}, \
         their time {} s (95 % confidence){by_construction}",
        percent(missed(runs)),
        runs.len(),
        plus_minus(mean_of_whole(runs, fee), 2),
        plus_minus(mean_of_whole(runs, wall), 2),
    );
    style.item("missed", &text)
}

fn plan(answer: &Answer, planned: &Planned, style: Style) -> String {
    let limit = answer.request.limit();
    let mut employed: Vec<&Worker> = answer.workers.iter().filter(|w| w.batches > 0).collect();
    if employed.len() > MOST_BARS {
        // Those that take longest.
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
    let charges: Cost = employed.iter().map(|worker| worker.charge).sum();
    let of_it = match charges {
        Cost::ZERO => String::new(),
        charges => format!("; {charges} of a cycle's is for employing workers"),
    };
    let fee = format!(
        "{} per cycle, {} for all{of_it}",
        planned.plan.cost,
        times(planned.plan.cost, cycles)
    );
    text += &style.item("fee", &fee);
    if let Some(budget) = answer.stated.budget {
        let spent = times(planned.plan.cost, cycles);
        let left = budget.checked_sub(spent).unwrap_or_default();
        text += &style.item(
            "budget",
            &format!("{budget} for all, of which {left} is left"),
        );
    }
    text += &style.item("proof", &proof(answer, planned));
    text += &chosen(answer, style);
    if let Some(cycle) = answer.cycle {
        let line = format!(
            "{} per cycle, {} for all, predicted without errors, jitter and faults; a cycle has {}",
            seconds(cycle),
            seconds(cycle * cycles),
            seconds(limit),
        );
        text += &style.item("time", &line);
    }
    text
}

fn bars(workers: &[&Worker], limit: Span, style: Style) -> String {
    let name = |worker: &Worker| worker.name.chars().take(18).collect::<String>();
    let widest = |of: &dyn Fn(&Worker) -> String, heading: &str| {
        let cells = workers.iter().map(|worker| of(worker).chars().count());
        cells.max().unwrap_or(0).max(heading.len())
    };
    let batches = |worker: &Worker| worker.batches.to_string();
    let s_max = |worker: &Worker| worker.s_max.unwrap_or(0).to_string();
    let fee = |worker: &Worker| worker.fee.to_string();
    let charge = |worker: &Worker| worker.charge.to_string();
    let cost = |worker: &Worker| worker.cost.to_string();
    let mut others = widest(&name, "worker")
        + widest(&batches, "batches")
        + widest(&s_max, "of")
        + widest(&fee, "fee");
    // What is paid beside the fee, if anything is.
    let is_more = |worker: &&Worker| worker.cost != worker.fee.times(worker.batches);
    let more: &[Shown<'_>] = match workers.iter().any(is_more) {
        true => &[("charge", &charge), ("cost", &cost)],
        false => &[],
    };
    others += more
        .iter()
        .map(|(heading, of)| widest(of, heading) + 2)
        .sum::<usize>();
    // Between the columns are two blanks; the time stands at the end.
    let width = style.line().saturating_sub(others + 10 + 10).max(10);
    let times = workers.iter().filter_map(|worker| worker.predicted);
    let longest = times.max().unwrap_or_default().max(limit).seconds_f64();
    // The mark of the limit is within the picture even if no worker passes it.
    let full = longest * width as f64 / (width as f64 - 1.0);
    let picture = format!("time of a cycle, │ is {}", seconds(limit));
    let heading = format!("{picture:<width$}  {:>8}", "");
    let mut headings = vec!["batches", "of", "fee"];
    headings.extend(more.iter().map(|(heading, _)| *heading));
    let mut table = Table::new(["worker"], headings).and_text(heading.trim_end());
    for worker in workers {
        let predicted = worker.predicted.unwrap_or_default();
        let bar = chart::bar(predicted.seconds_f64(), limit.seconds_f64(), full, width);
        let mut row = vec![name(worker), batches(worker), s_max(worker), fee(worker)];
        row.extend(more.iter().map(|(_, of)| of(worker)));
        row.push(format!("{bar}  {:>8}", seconds(predicted)));
        table.row(row);
    }
    table.render(style)
}

/// The second objective, and what is proved of it.
fn chosen(answer: &Answer, style: Style) -> String {
    let least = |point: Option<Point>| seconds(point.map_or(Span::ZERO, |point| point.limit));
    let text = match answer.objective {
        Objective::Cheapest => return String::new(),
        Objective::CheapestThenQuickest => format!(
            "cheapest, then quickest: no plan as cheap fits a cycle of less than {}",
            least(answer.prices.same_from)
        ),
        Objective::Quickest if answer.stated.budget.is_some() => format!(
            "quickest within the budget, then cheapest: no plan that it pays for fits a cycle of less than {}",
            least(answer.prices.affordable_from)
        ),
        Objective::Quickest => format!(
            "quickest, then cheapest: no plan fits a cycle of less than {}",
            least(answer.prices.least_limit)
        ),
    };
    style.item("chosen", &text)
}

/// For which number of workers the reason holds, where it depends on it.
fn nearest(answer: &Answer) -> String {
    if !answer.request.time_model().depends_on_employed() {
        return String::new();
    }
    let employed = counted(answer.response.employed, "worker");
    format!(
        ", with the capacities of {employed} at the orchestrator's link; no other number holds more"
    )
}

/// Why nothing is cheaper, or what is.
fn proof(answer: &Answer, planned: &Planned) -> String {
    let name = answer.allocator.name();
    let employed = planned.plan.workers_employed();
    let why = match planned.certificate {
        Some(Certificate::ClosedForm) if employed == 1 => {
            "by a formula: the cheapest that can take a lot takes all".to_owned()
        }
        Some(Certificate::ClosedForm) if answer.objective != Objective::Cheapest => {
            "by a formula: no plan puts more on the cheap ones".to_owned()
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
        PlanStatus::Optimal if answer.objective == Objective::Quickest => {
            format!("no plan that is as quick is cheaper: {why}")
        }
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
        if planned.status == PlanStatus::Optimal {
            text += ", and no other number of workers is cheaper";
        }
    }
    text
}

/// Idle workers by reason.
fn idle(answer: &Answer) -> Vec<String> {
    let mut groups: Vec<(Idle, Vec<&str>)> = Vec::new();
    for worker in &answer.workers {
        // That there is no plan stands elsewhere.
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
    let line = |(idle, names): (Idle, Vec<&str>)| {
        let why = why(answer, idle, names.len() == 1);
        format!("{}: {why}", first_of(&names, MOST_NAMES))
    };
    groups.into_iter().map(line).collect()
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
            "{} per cycle, at a fee of {} ({})",
            seconds(least.limit),
            least.cost,
            setting_of(answer, least.limit)
        );
        text += &style.item("least time", &share);
    } else {
        text += &style.item("least time", "no limit is long enough");
    }
    if let Some(least) = prices.least_fee {
        let from = format!(
            "{} per cycle, {} for all, from {} per cycle on ({})",
            least.cost,
            times(least.cost, cycles),
            seconds(least.limit),
            setting_of(answer, least.limit)
        );
        text += &style.item("least fee", &from);
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
        Some(less) => format!("saves {less} per cycle, {} in all", times(less, cycles)),
    };
    let next = match prices.cheaper_from {
        None => "no limit makes it cheaper".to_owned(),
        Some(point) => format!(
            "the next step is {} away and saves {} per cycle",
            seconds(stated.of(point.limit) - stated.now()),
            best.checked_sub(point.cost).unwrap_or_default()
        ),
    };
    text += &style.item("1 s more", &format!("{second} more {longer}; {next}"));
    let more = prices
        .shorter
        .map(|cost| cost.checked_sub(best).unwrap_or_default());
    let shorter = match more {
        None => "leaves no plan".to_owned(),
        Some(Cost::ZERO) => "costs nothing".to_owned(),
        Some(more) => format!("costs {more} per cycle, {} in all", times(more, cycles)),
    };
    let same_from = prices
        .same_from
        .map(|point| stated.now() - stated.of(point.limit));
    let spare = format!(
        "{} could go at the same fee",
        seconds(same_from.unwrap_or_default())
    );
    text + &style.item("1 s less", &format!("{second} less {shorter}; {spare}"))
}

fn times(cost: Cost, count: u64) -> Cost {
    Cost::from_micros(cost.micros().saturating_mul(count.into()))
}
