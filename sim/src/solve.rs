//! `sim solve`: one plan for each instance.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Write};
use std::path::Path;

use console::{Exit, Stop};
use results::text::Table;
use scenarios::{Instance, InstanceError, Instances};
use scheduler::{Case, Cost, FailureReason, Objective, Outcome, Repair};
use serde::Serialize;
use serde_json::value::RawValue;
use solvers::{Allocator, Host};

use crate::cli::{Format, SolveArgs};
use crate::terminal::style;

pub(crate) fn run(args: &SolveArgs) -> Result<Exit, Stop> {
    let mut allocator = args.allocator.create(&Host::default());
    allocator.ready().map_err(Stop::usage)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut exit = Exit::Done;
    let wanted = args
        .n_tests
        .map_or(u64::MAX, |n| args.first.saturating_add(n));
    let mut index = 0;
    for instance in Instances::new(open(&args.input)?) {
        let is_wanted = (args.first..wanted).contains(&index);
        index += 1;
        match instance {
            Ok(instance) if is_wanted => {
                let outcome = answer(&instance.case, args.objective, allocator.as_mut());
                let text = match args.format {
                    Format::Json => plan_line(&instance, allocator.name(), &outcome)?,
                    Format::Table => table(&instance, allocator.name(), &outcome),
                };
                // One write and flush per plan: a caller that asks line by line gets its answers.
                writeln!(out, "{text}")
                    .and_then(|()| out.flush())
                    .map_err(Stop::output)?;
                if is_our_bug(allocator.name(), &outcome) {
                    console::note!("error: a check of ours failed: {text}");
                    exit = Exit::CheckFailed;
                }
            }
            Ok(_) => {}
            Err(error) => {
                say(&args.input, &error);
                if exit == Exit::Done {
                    exit = Exit::BadInput;
                }
            }
        }
        if index >= wanted {
            break;
        }
    }
    if index == 0 && exit == Exit::Done {
        let message = format!(
            "{} holds no instance, expected one JSON object per line",
            shown(&args.input)
        );
        return Err(Stop::bad(message));
    }
    Ok(exit)
}

fn answer(case: &Case, objective: Objective, allocator: &mut dyn Allocator) -> Outcome {
    match case {
        Case::Fees(problem) => solvers::answer_problem(problem, objective, allocator),
        // Costs by points say nothing of time.
        Case::Curves(_) => allocator.measure_case(case).outcome,
    }
}

/// Opens a file of instances, or standard input for `-`.
pub(crate) fn open(path: &Path) -> Result<Box<dyn BufRead + Send>, Stop> {
    if path == Path::new("-") {
        if io::stdin().is_terminal() {
            console::note!(
                "reading instances from the terminal, one JSON object per line; Ctrl-D ends"
            );
        }
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let unreadable = |error: io::Error| {
        let message = format!(
            "cannot read {}: {error}; name a file of instances, or - for standard input",
            shown(path)
        );
        Stop::bad(message)
    };
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err(unreadable(io::ErrorKind::IsADirectory.into()));
    }
    Ok(Box::new(BufReader::with_capacity(1 << 16, file)))
}

/// Names a bad line on standard error.
pub(crate) fn say(path: &Path, error: &InstanceError) {
    console::note!("error: {}, {error}", shown(path));
}

pub(crate) fn shown(path: &Path) -> String {
    if path == Path::new("-") {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}

/// Our own allocators must never fail to verify; the libraries' answers may.
pub(crate) fn is_our_bug(allocator: &str, outcome: &Outcome) -> bool {
    let unverified = matches!(outcome, Outcome::Failed(f) if f.reason == FailureReason::Unverified);
    unverified && matches!(allocator, "exact" | "heuristic")
}

/// The smallest changes that make the problem feasible, in words.
fn repairs(instance: &Instance, outcome: &Outcome) -> String {
    match (outcome, &instance.case) {
        (Outcome::Infeasible(_), Case::Fees(problem)) => {
            let repairs: Vec<String> = problem.repairs().iter().map(Repair::to_string).collect();
            repairs.join(", or ")
        }
        _ => String::new(),
    }
}

fn plan_line(instance: &Instance, allocator: &str, outcome: &Outcome) -> Result<String, Stop> {
    let repairs = repairs(instance, outcome);
    let context = results::plan_line::Context {
        id: &instance.id,
        allocator,
        names: instance.names.as_deref().unwrap_or(&[]),
        repairs: &repairs,
    };
    let charges = match (&instance.case, outcome) {
        (Case::Fees(problem), Outcome::Planned(planned)) if problem.terms().is_some() => {
            let charges = problem.charges(&planned.plan.batches);
            Some(results::plan_line::decimal(charges))
        }
        _ => None,
    };
    results::plan_line::write_with(context, outcome, &Paid { charges }).map_err(Stop::bug)
}

/// What a line says of the cost where workers are paid more than fees.
#[derive(Serialize)]
struct Paid {
    /// The part of it that is charges for employing workers.
    #[serde(skip_serializing_if = "Option::is_none")]
    charges: Option<Box<RawValue>>,
}

/// The plan as text: its cost, and who is employed.
fn table(instance: &Instance, allocator: &str, outcome: &Outcome) -> String {
    let mut text = match &instance.case {
        Case::Fees(problem) => format!(
            "instance {}: {} batches, lots of {} or more, {} of {} workers\n",
            instance.id,
            problem.n(),
            problem.lot(),
            match problem.most_employed() {
                u64::MAX => format!("{} or more", problem.beta()),
                most => format!("{} to {most}", problem.beta()),
            },
            problem.workers().len(),
        ),
        Case::Curves(problem) => format!(
            "instance {}: {} batches, {} to {} of {} workers, costs by points\n",
            instance.id,
            problem.n(),
            problem.least(),
            problem.most(),
            problem.workers().len(),
        ),
    };
    let planned = match outcome {
        Outcome::Planned(planned) => planned,
        Outcome::Infeasible(infeasible) => {
            text += &format!("  {allocator}: {infeasible}\n");
            if let Case::Fees(problem) = &instance.case {
                for repair in problem.repairs() {
                    text += &format!("  to make it feasible: {repair}\n");
                }
            }
            return text;
        }
        Outcome::Failed(failure) => {
            return text + &format!("  {allocator}: failed: {}\n", failure.message);
        }
    };
    text += &format!(
        "  {allocator}: {}, cost {}",
        planned.status.name(),
        planned.plan.cost
    );
    if let Some(bound) = planned.lower_bound {
        text += &format!(", no plan below {bound}");
    }
    if let Some(certificate) = planned.certificate {
        text += &format!(" ({})", certificate.name());
    }
    let names = instance.names.as_deref().unwrap_or(&[]);
    let name = |index: usize| names.get(index).and_then(Option::as_deref).unwrap_or("");
    let batches = &planned.plan.batches;
    let table = match &instance.case {
        Case::Fees(problem) => {
            let mut headings = vec!["s_max", "batches", "fee", "cost"];
            if problem.terms().is_some() {
                headings.insert(3, "charge");
            }
            let mut table = Table::new(["worker", "name"], headings);
            let shares = problem.workers().iter().zip(batches);
            for (index, (worker, &x)) in shares.enumerate().filter(|(_, (_, x))| **x > 0) {
                let mut row = vec![
                    index.to_string(),
                    name(index).to_owned(),
                    worker.s_max.to_string(),
                    x.to_string(),
                    worker.fee.to_string(),
                ];
                row.extend(problem.terms().map(|terms| terms[index].charge.to_string()));
                row.push(problem.cost_of(index, x).to_string());
                table.row(row);
            }
            table
        }
        Case::Curves(problem) => {
            let mut table = Table::new(["worker", "name"], ["least", "most", "batches", "cost"]);
            let shares = problem.workers().iter().zip(batches);
            let employed = shares.enumerate();
            for (index, (worker, &x)) in employed.filter(|(_, (it, x))| **x > 0 || !it.may_idle) {
                // A verified plan is within the limits, and a file's costs are not below zero.
                let cost = u128::try_from(worker.curve.at(x).unwrap_or(0)).unwrap_or(0);
                table.row([
                    &index.to_string(),
                    name(index),
                    &worker.curve.lower().to_string(),
                    &worker.curve.upper().to_string(),
                    &x.to_string(),
                    &Cost::from_micros(cost).to_string(),
                ]);
            }
            table
        }
    };
    format!("{text}\n{}", table.render(style()))
}
