//! `sim published`: the problems of two papers, solved, and compared with the optima printed there.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use console::{Exit, Stop};
use results::text::Table;
use scenarios::published::{EXPERIMENTS, Experiment, Goal};
use scheduler::{Certificate, Cost, CurveProblem};
use serde::Deserialize;
use serde_json::json;
use solvers::{Allocator, Host, curves};

use crate::cli::PublishedArgs;
use crate::terminal::style;

/// One problem, answered by one allocator.
struct Answer {
    experiment: &'static Experiment,
    tasks: u64,
    resources: u64,
    allocator: &'static str,
    /// The total cost or the makespan, in micro-units.
    cost: Option<Cost>,
    status: &'static str,
    /// What a proof rests on.
    certificate: Option<Certificate>,
    published: Option<f64>,
    wall: Duration,
}

impl Answer {
    /// Whether it is the published optimum, as far as costs in micro-units can tell: each is rounded. A
    /// makespan is one of them.
    fn is_met(&self) -> Option<bool> {
        let published = self.published?;
        let most = match self.experiment.goal {
            Goal::TotalCost => self.resources as f64,
            Goal::Makespan => 1.0,
        };
        let away = |cost: Cost| (cost.micros() as f64 - published * 1e6).abs();
        Some(self.cost.is_some_and(|cost| away(cost) <= most))
    }
}

pub(crate) fn run(args: &PublishedArgs) -> Result<Exit, Stop> {
    let mut published = match &args.file {
        Some(path) => read(path)?,
        None => BTreeMap::new(),
    };
    let wanted = |experiment: &&Experiment| {
        args.experiment
            .as_ref()
            .is_none_or(|name| name == experiment.name)
    };
    let experiments: Vec<&'static Experiment> = EXPERIMENTS.iter().filter(wanted).collect();
    if experiments.is_empty() {
        let names = EXPERIMENTS.map(|experiment| experiment.name).join(", ");
        return Err(Stop::usage(format!(
            "no such experiment, expected one of {names}"
        )));
    }
    let host = Host::default();
    let mut allocators: Vec<Box<dyn Allocator>> = args
        .allocators
        .iter()
        .map(|name| name.create(&host))
        .collect();
    for allocator in &mut allocators {
        allocator.ready().map_err(Stop::usage)?;
    }
    let mut answers = Vec::new();
    for experiment in experiments {
        for (tasks, resources) in experiment.sizes() {
            let problem = experiment.problem(tasks, resources);
            let key = (experiment.name.to_owned(), tasks, resources);
            let published = published.remove(&key);
            for allocator in &mut allocators {
                answers.push(answer(
                    experiment,
                    (tasks, resources),
                    published,
                    &problem,
                    allocator.as_mut(),
                ));
            }
        }
    }
    if args.experiment.is_none()
        && let Some(((experiment, tasks, resources), _)) = published.first_key_value()
    {
        let message = format!(
            "the optima name {experiment} with {tasks} tasks and {resources} resources, which is not \
             among the experiments"
        );
        return Err(Stop::bad(message));
    }
    console::print(&if args.json {
        lines(&answers)
    } else {
        page(&answers, args.each)
    })?;
    let is_wrong = |answer: &&Answer| answer.allocator == "exact" && answer.is_met() == Some(false);
    let wrong: Vec<&Answer> = answers.iter().filter(is_wrong).collect();
    if let Some(first) = wrong.first() {
        console::note!(
            "error: {} published optima are not met, the first of {} with {} tasks and {} resources",
            wrong.len(),
            first.experiment.name,
            first.tasks,
            first.resources
        );
        return Ok(Exit::CheckFailed);
    }
    Ok(Exit::Done)
}

fn answer(
    experiment: &'static Experiment,
    (tasks, resources): (u64, u64),
    published: Option<f64>,
    problem: &CurveProblem,
    allocator: &mut dyn Allocator,
) -> Answer {
    let mut answer = Answer {
        experiment,
        tasks,
        resources,
        allocator: allocator.name(),
        cost: None,
        status: "optimal",
        certificate: None,
        published,
        wall: Duration::ZERO,
    };
    if experiment.goal == Goal::Makespan && allocator.name() == "exact" {
        let start = Instant::now();
        let least = curves::least_makespan(problem);
        answer.wall = start.elapsed();
        answer.certificate = Some(Certificate::ClosedForm);
        answer.cost = least.and_then(|time| Some(Cost::from_micros(u128::try_from(time).ok()?)));
        return answer;
    }
    let measured = allocator.measure_curves(problem);
    answer.wall = measured.wall;
    answer.status = measured.outcome.status();
    if let Some(planned) = measured.outcome.planned() {
        answer.certificate = planned.certificate;
        answer.cost = match experiment.goal {
            Goal::TotalCost => Some(planned.plan.cost),
            Goal::Makespan => largest(problem, &planned.plan.batches),
        };
    }
    answer
}

/// The largest cost of any resource.
fn largest(problem: &CurveProblem, batches: &[u64]) -> Option<Cost> {
    let shares = problem.workers().iter().zip(batches);
    let costs = shares.filter_map(|(worker, &x)| worker.curve.at(x));
    Some(Cost::from_micros(u128::try_from(costs.max()?).ok()?))
}

/// The optima in a file, by experiment, tasks and resources.
fn read(path: &Path) -> Result<BTreeMap<(String, u64, u64), f64>, Stop> {
    #[derive(Deserialize)]
    struct File {
        experiments: Vec<Series>,
    }
    #[derive(Deserialize)]
    struct Series {
        experiment: String,
        optima: Vec<(u64, u64, f64)>,
    }
    let bad = |error: &dyn std::fmt::Display| {
        Stop::bad(format!(
            "cannot read {}: {error}; expected {{\"experiments\":[{{\"experiment\":NAME,\"optima\":\
             [[TASKS,RESOURCES,OPTIMUM],…]}},…]}}",
            path.display()
        ))
    };
    let text = std::fs::read_to_string(path).map_err(|error| bad(&error))?;
    let file: File = serde_json::from_str(&text).map_err(|error| bad(&error))?;
    let mut optima = BTreeMap::new();
    for series in file.experiments {
        for (tasks, resources, optimum) in series.optima {
            optima.insert((series.experiment.clone(), tasks, resources), optimum);
        }
    }
    Ok(optima)
}

fn lines(answers: &[Answer]) -> String {
    let line = |answer: &Answer| {
        let line = json!({
            "experiment": answer.experiment.name,
            "tasks": answer.tasks,
            "resources": answer.resources,
            "allocator": answer.allocator,
            "status": answer.status,
            "cost": answer.cost.map(results::plan_line::decimal),
            "certificate": answer.certificate.map(Certificate::name),
            "published": answer.published,
            "met": answer.is_met(),
            "wall_us": answer.wall.as_nanos() as f64 / 1e3,
        });
        line.to_string() + "\n"
    };
    answers.iter().map(line).collect()
}

/// The summary, after the single problems if they are asked for.
fn page(answers: &[Answer], each: bool) -> String {
    let dash = results::text::dash;
    let mut text = String::new();
    if each {
        let mut table = Table::new(
            ["experiment", "allocator"],
            ["tasks", "resources", "cost", "published", "difference"],
        )
        .and_text("proof");
        for answer in answers {
            let difference = answer.published.zip(answer.cost);
            let difference = difference.map(|(published, cost)| cost.units_f64() - published);
            table.row([
                answer.experiment.name,
                answer.allocator,
                &answer.tasks.to_string(),
                &answer.resources.to_string(),
                &answer.cost.map_or_else(dash, |cost| cost.to_string()),
                &answer
                    .published
                    .map_or_else(dash, |optimum| format!("{optimum:.6}")),
                &difference.map_or_else(dash, |difference| format!("{difference:+.6}")),
                answer.certificate.map_or(answer.status, Certificate::name),
            ]);
        }
        text += &table.render(style());
        text += "\n";
    }
    let mut table = Table::new(
        ["experiment", "allocator"],
        [
            "resources",
            "problems",
            "optimal",
            "mean excess %",
            "worst %",
            "published",
            "met",
            "p50 us",
            "max us",
            "total ms",
        ],
    );
    let exact = |of: &Answer| {
        let same = |it: &&Answer| {
            it.status == "optimal"
                && (it.experiment.name, it.tasks, it.resources)
                    == (of.experiment.name, of.tasks, of.resources)
        };
        answers.iter().find(same).and_then(|it| it.cost)
    };
    let mut groups: Vec<(&str, &str, u64)> = Vec::new();
    for answer in answers {
        let group = (answer.experiment.name, answer.allocator, answer.resources);
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    groups.sort_by_key(|group| EXPERIMENTS.iter().position(|it| it.name == group.0));
    for (name, allocator, resources) in groups {
        let group = |it: &&Answer| {
            (it.experiment.name, it.allocator, it.resources) == (name, allocator, resources)
        };
        let group: Vec<&Answer> = answers.iter().filter(group).collect();
        let excess = group.iter().filter_map(|it| {
            let (cost, optimum) = (it.cost?, exact(it)?);
            Some(100.0 * (cost.units_f64() / optimum.units_f64() - 1.0))
        });
        let excess: Vec<f64> = excess.collect();
        let optimal = group
            .iter()
            .filter(|it| it.cost.is_some() && it.cost == exact(it))
            .count();
        let published = group.iter().filter(|it| it.published.is_some()).count();
        let met = group.iter().filter(|it| it.is_met() == Some(true)).count();
        let mut times: Vec<Duration> = group.iter().map(|it| it.wall).collect();
        times.sort_unstable();
        let micros = |time: Duration| format!("{:.0}", time.as_nanos() as f64 / 1e3);
        let percent = |value: Option<f64>| value.map_or_else(dash, |value| format!("{value:.4}"));
        let mean = excess.iter().sum::<f64>() / excess.len() as f64;
        let total: Duration = times.iter().sum();
        table.row([
            name,
            allocator,
            &resources.to_string(),
            &group.len().to_string(),
            &optimal.to_string(),
            &percent((!excess.is_empty()).then_some(mean)),
            &percent(excess.iter().copied().max_by(f64::total_cmp)),
            &published.to_string(),
            &met.to_string(),
            &micros(times[times.len() / 2]),
            &micros(times[times.len() - 1]),
            &format!("{:.1}", total.as_secs_f64() * 1e3),
        ]);
    }
    text + &table.render(style())
}
