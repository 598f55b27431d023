//! Folders of runs, simulated or real.
//!
//! Replicates of one seed share their random draws, so they are pairs, whatever else is asked: as the arms
//! of `sim run --against` are. Runs of different seeds are independent. A real run is one run: what
//! it says nothing of others like it, unless simulated runs show how such runs vary.

use console::{Exit, Stop};
use results::compare::partners;
use results::paired::Scale;
use results::runs::{Compared, FIGURES, Figure, MORE_FIGURES, RecordedFolder, RunFigures};
use results::text::{Table, dash, number, signed};
use serde_json::{Value, json};

use super::differs;
use super::names::Named;
use super::page::{Beside, Page};
use crate::run::difference::{cells, put};

/// How the runs of two folders are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    /// Replicate by replicate: the number of pairs.
    Paired(u64),
    /// All of one with all of the other.
    Independent,
    /// The simulated runs with the real one.
    Predicted,
    /// One run with one.
    Single,
}

/// What a real run says of itself, beside the figures that all runs have.
const OF_REAL_RUNS: [(&str, &str); 5] = [
    ("predicted_s", "cycles as predicted, s"),
    ("error_percent", "error of the prediction, %"),
    ("accuracy", "accuracy"),
    ("true_class_probability", "true-class probability"),
    ("loss", "loss"),
];

pub(super) fn compare(folders: &[Named<RecordedFolder>], page: &mut Page) -> Result<Exit, Stop> {
    let [base, others @ ..] = folders else {
        return Ok(Exit::Done);
    };
    for folder in folders {
        if folder.folder.finished() == 0 {
            let message = format!(
                "{} was interrupted before its first replicate, expected one at least",
                folder.name
            );
            return Err(Stop::bad(message));
        }
    }
    let bar = console::bar(folders.len() as u64, "folders");
    let read = |of: &Named<RecordedFolder>| {
        let figures = of
            .folder
            .figures(of.folder.finished())
            .map_err(crate::folder::stop);
        bar.inc(1);
        figures
    };
    let base_figures = read(base)?;
    for ours in others {
        let figures = read(ours)?;
        let one = Pair {
            base,
            ours,
            method: method(base, ours),
        };
        one.compare(&base_figures, &figures, page)?;
    }
    bar.finish_and_clear();
    Ok(Exit::Done)
}

/// Two folders.
struct Pair<'a> {
    base: &'a Named<RecordedFolder>,
    ours: &'a Named<RecordedFolder>,
    method: Method,
}

fn is_real(of: &Named<RecordedFolder>) -> bool {
    of.folder.plan().mode == "real"
}

fn method(base: &Named<RecordedFolder>, ours: &Named<RecordedFolder>) -> Method {
    match (is_real(base), is_real(ours)) {
        (true, true) => Method::Single,
        (false, true) | (true, false) => Method::Predicted,
        (false, false) if base.folder.plan().seed == ours.folder.plan().seed => {
            Method::Paired(base.folder.finished().min(ours.folder.finished()))
        }
        (false, false) => Method::Independent,
    }
}

impl Method {
    const fn name(self) -> &'static str {
        match self {
            Self::Paired(_) => "paired",
            Self::Independent => "independent",
            Self::Predicted => "predicted",
            Self::Single => "single",
        }
    }
}

impl Pair<'_> {
    /// Everything about the two.
    fn compare(
        &self,
        base_figures: &[Vec<RunFigures>],
        figures: &[Vec<RunFigures>],
        page: &mut Page,
    ) -> Result<(), Stop> {
        let (base, ours) = (self.base, self.ours);
        let differs = differs::of_runs(base, ours)?;
        page.beside(&Beside {
            this: ours.name.clone(),
            against: base.name.clone(),
            method: self.method.name(),
            why: self.why(&differs),
            differs,
        });
        let names = [
            &base.folder.plan().allocators,
            &ours.folder.plan().allocators,
        ];
        let partners = partners(names[0], names[1]);
        for [x, y] in &partners {
            let allocators = [names[0][*x].as_str(), names[1][*y].as_str()];
            self.compare_allocators(allocators, &base_figures[*x], &figures[*y], page);
        }
        page.note(&format!("\n{}", self.legend()));
        Ok(())
    }

    fn why(&self, differs: &[differs::Difference]) -> String {
        let drawn = |what: &str| {
            ["workers.", "faults.", "link.", "fees."]
                .iter()
                .any(|section| what.starts_with(section))
        };
        let differs_in_what_is_drawn = differs.iter().any(|one| drawn(&one.what));
        match self.method {
            Method::Paired(pairs) => {
                let draws = if differs_in_what_is_drawn {
                    "of the same draws, though for workers or links that are described differently"
                } else {
                    "of the same draws"
                };
                let finished = [self.base, self.ours].map(|of| of.folder.finished());
                let common = if finished[0] == finished[1] {
                    String::new()
                } else {
                    format!(", the {pairs} that both folders have")
                };
                format!("replicates of one seed are pairs {draws}{common}")
            }
            Method::Independent => "unpaired, since the seeds differ: no run shares its draws with \
                                    another, and only a large difference can be distinguished from chance"
                .to_owned(),
            Method::Predicted => {
                let simulated = if is_real(self.base) {
                    self.ours
                } else {
                    self.base
                };
                let real = if is_real(self.base) {
                    self.base
                } else {
                    self.ours
                };
                let count = simulated.folder.finished();
                let (simulated, real) = (&simulated.name, &real.name);
                if count < 2 {
                    return format!(
                        "{simulated} predicts {real} by one simulated run, which says nothing of \
                         how such runs vary: nothing here is certain"
                    );
                }
                format!("the {count} simulated runs of {simulated} predict the real one of {real}")
            }
            Method::Single => "one real run of each: nothing says how much of a difference is \
                               chance, since the cycles of a run share its draws"
                .to_owned(),
        }
    }

    fn compare_allocators(
        &self,
        allocators: [&str; 2],
        base: &[RunFigures],
        ours: &[RunFigures],
        page: &mut Page,
    ) {
        let title = if allocators[0] == allocators[1] {
            allocators[0].to_owned()
        } else {
            format!("{} against {}", allocators[1], allocators[0])
        };
        let with_below = self.method == Method::Predicted;
        let numbers = ["against", "this", "difference", "effect"].into_iter();
        let last = match self.method {
            Method::Paired(_) => Some("pairs"),
            Method::Independent => Some("runs"),
            Method::Predicted => Some("below %"),
            Method::Single => None,
        };
        let mut table = Table::new([format!("{title}: figure")], numbers.chain(last));
        let begin = |figure: &str| {
            json!({
                "figure": figure, "this": self.ours.name, "against": self.base.name,
                "allocator": allocators[1], "against_allocator": allocators[0],
                "method": self.method.name(),
            })
        };
        for figure in FIGURES.iter().chain(&MORE_FIGURES) {
            let compared = self.figure(figure, ours, base);
            if compared.ours.is_none() && compared.base.is_none() {
                continue; // not known, such as what would have been feasible in a real run
            }
            let below = with_below
                .then(|| below(figure, [base, ours], is_real(self.base)))
                .flatten();
            let mut line = begin(figure.key);
            line["runs"] = json!(compared.runs[0]);
            line["against_runs"] = json!(compared.runs[1]);
            if with_below {
                line["simulated_below_percent"] = json!(below);
            }
            put(&mut line, &compared);
            page.lines.push(line);
            let mut row = vec![figure.name.to_owned()];
            row.extend(cells(figure, &compared));
            row.extend(match self.method {
                Method::Paired(_) => Some(compared.runs[0].to_string()),
                Method::Independent => Some(format!("{}, {}", compared.runs[1], compared.runs[0])),
                Method::Predicted => Some(number(below, 1)),
                Method::Single => None,
            });
            table.row(row);
        }
        for (key, name) in OF_REAL_RUNS {
            let get = |of: &RecordedFolder| of.details().get(key).and_then(Value::as_f64);
            let both = get(&self.base.folder).zip(get(&self.ours.folder));
            let Some((against, this)) = both else {
                continue;
            };
            let mut line = begin(key);
            line["value"] = json!(this);
            line["base"] = json!(against);
            line["difference"] = json!(this - against);
            page.lines.push(line);
            table.row([
                name,
                &number(Some(against), 4),
                &number(Some(this), 4),
                &signed(this - against, 4),
                &dash(),
            ]);
        }
        page.table(&table);
    }

    fn figure(&self, figure: &Figure, ours: &[RunFigures], base: &[RunFigures]) -> Compared {
        match self.method {
            Method::Paired(_) => figure.paired(ours, base),
            Method::Independent => figure.independent(ours, base),
            // A single yes or no has no place in the spread of a share.
            Method::Predicted if figure.key != "missed" => figure.one_with_many(ours, base),
            Method::Predicted | Method::Single => figure.independent(ours, base),
        }
    }

    fn legend(&self) -> &'static str {
        match self.method {
            Method::Paired(_) => {
                "[ ] is the 95 % confidence interval of the difference; fee and wall are of the \
                 pairs in which both runs reached the end; effect is the difference in standard \
                 deviations of a pair's difference"
            }
            Method::Independent => {
                "[ ] is the 95 % confidence interval of the difference (Welch's, Newcombe's for \
                 shares of runs); fee and wall are of the runs that reached the end; effect is the \
                 difference in standard deviations of a run; runs are against, this"
            }
            Method::Predicted => {
                "[ ] holds the difference with 95 % if the real run is one like the simulated \
                 ones: where it leaves 0 out, the simulation is off; effect is the difference in \
                 standard deviations of a simulated run; below: the share of simulated runs below \
                 the real one, ties counted half"
            }
            Method::Single => {
                "a difference of two runs, and no more: to know what chance does, run each way several \
                 times, or compare each with simulated runs of its scenario"
            }
        }
    }
}

/// The percentage of simulated runs below the real one; ties count half.
fn below(figure: &Figure, [base, ours]: [&[RunFigures]; 2], base_is_real: bool) -> Option<f64> {
    let (simulated, real) = if base_is_real {
        (ours, base)
    } else {
        (base, ours)
    };
    let ratio = |part: &results::paired::Part| (part.of > 0.0).then(|| part.value / part.of);
    let real = figure.parts(real).first().and_then(ratio)?;
    let simulated: Vec<f64> = figure.parts(simulated).iter().filter_map(ratio).collect();
    if simulated.len() < 2 || figure.scale == Scale::Share && figure.key == "missed" {
        return None;
    }
    let points: f64 = simulated
        .iter()
        .map(|value| match value.total_cmp(&real) {
            std::cmp::Ordering::Less => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Greater => 0.0,
        })
        .sum();
    Some(100.0 * points / simulated.len() as f64)
}
