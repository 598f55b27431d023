//! Folders of validations: test by test where the tests are the same, else each by itself.

use console::{Exit, Stop};
use results::compare::{
    Alone, Contradictions, Doubt, PairedRow, TEST_FIGURES, TestFigure, ValidationFolder,
    common_tests, independent_tests, paired_tests, partners,
};
use results::text::{Table, number, signed_interval};
use results::{ALL_FAMILIES, Estimate};
use serde_json::{Value, json};

use super::differs;
use super::names::Named;
use super::page::{Beside, Page};
use crate::run::difference::put_estimates;

pub(super) fn compare(folders: &[Named<ValidationFolder>], page: &mut Page) -> Result<Exit, Stop> {
    let [base, others @ ..] = folders else {
        return Ok(Exit::Done);
    };
    for folder in folders {
        if folder.folder.finished() == 0 {
            let message = format!(
                "{} was interrupted before its first test, expected one at least",
                folder.name
            );
            return Err(Stop::bad(message));
        }
    }
    let mut exit = Exit::Done;
    for ours in others {
        let pair = Pair { base, ours };
        if pair.compare(page)? == Exit::CheckFailed {
            exit = Exit::CheckFailed;
        }
    }
    Ok(exit)
}

/// Two folders.
struct Pair<'a> {
    base: &'a Named<ValidationFolder>,
    ours: &'a Named<ValidationFolder>,
}

impl Pair<'_> {
    fn compare(&self, page: &mut Page) -> Result<Exit, Stop> {
        let (base, ours) = (&self.base.folder, &self.ours.folder);
        let common = common_tests(base, ours);
        let tests: u64 = common.iter().map(|c| c.tests.end - c.tests.start).sum();
        let is_paired = ours.has_tests_of(base) && tests > 0;
        let why = self.why(is_paired, tests)?;
        page.beside(&Beside {
            this: self.ours.name.clone(),
            against: self.base.name.clone(),
            method: if is_paired { "paired" } else { "independent" },
            why,
            differs: differs::of_validations(base, ours),
        });
        let partners = partners(&base.plan().allocators, &ours.plan().allocators);
        if is_paired {
            return self.paired(&partners, tests, page);
        }
        self.independent(&partners, page)?;
        Ok(Exit::Done)
    }

    /// Why the tests are compared as they are.
    fn why(&self, is_paired: bool, tests: u64) -> Result<String, Stop> {
        let (base, ours) = (self.base.folder.plan(), self.ours.folder.plan());
        if is_paired {
            return Ok(format!(
                "compared on the {tests} tests that both folders have"
            ));
        }
        let is_known = |name: &str| base.families.iter().any(|family| family.name == name);
        if !ours.families.iter().any(|family| is_known(&family.name)) {
            let message = format!(
                "{} and {} have no family of tests in common: nothing can be compared",
                self.base.name, self.ours.name
            );
            return Err(Stop::bad(message));
        }
        let reason = if base.source != ours.source {
            "the tests come from other files"
        } else if base.seed != ours.seed {
            "the seeds differ"
        } else {
            "they have no test in common"
        };
        Ok(format!(
            "unpaired, since {reason}: only a large difference can be distinguished from chance"
        ))
    }

    /// What is called so in titles.
    fn title(&self, [x, y]: [usize; 2]) -> String {
        let (base, ours) = (self.base.folder.plan(), self.ours.folder.plan());
        let (before, after) = (&base.allocators[x], &ours.allocators[y]);
        if before == after {
            after.clone()
        } else {
            format!("{after} against {before}")
        }
    }

    fn begin(&self, key: &str, value: &str, family: &str, [x, y]: [usize; 2]) -> Value {
        let (base, ours) = (self.base.folder.plan(), self.ours.folder.plan());
        let mut line = json!({
            "this": self.ours.name, "against": self.base.name, "family": family,
            "allocator": ours.allocators[y], "against_allocator": base.allocators[x],
        });
        line[key] = value.into();
        line
    }

    fn paired(&self, partners: &[[usize; 2]], tests: u64, page: &mut Page) -> Result<Exit, Stop> {
        let bar = console::bar(tests, "tests");
        let (base, ours) = (&self.base.folder, &self.ours.folder);
        let found = paired_tests(base, ours, partners, &mut |read| bar.inc(read));
        bar.finish_and_clear();
        let found = found.map_err(crate::folder::stop)?;
        let numbers = [
            "tests",
            "cheaper",
            "equal",
            "more expensive",
            "gained",
            "lost",
        ];
        let mut table = Table::new(["family", "allocator"], numbers);
        for row in &found.rows {
            let counts = [
                row.tests,
                row.cheaper,
                row.equal,
                row.more_expensive,
                row.gained,
                row.lost,
            ];
            let mut cells = vec![row.family.clone(), self.title(row.allocators)];
            cells.extend(counts.map(|count| count.to_string()));
            table.row(cells);
            let mut line = self.begin("tests_of", &row.family, &row.family, row.allocators);
            for (key, count) in numbers.iter().zip(counts) {
                line[key.replace(' ', "_")] = count.into();
            }
            page.lines.push(line);
            for figure in &row.figures {
                page.lines
                    .push(self.line(figure, &row.family, row.allocators, "paired"));
            }
        }
        page.table(&table);
        page.note(
            "tests with plans of both, by what they cost; gained has a plan now that had none, \
             lost had one",
        );
        let last = found.rows.last().map(|row| row.family.clone());
        let totals = found
            .rows
            .iter()
            .filter(|row| Some(&row.family) == last.as_ref());
        for PairedRow {
            family,
            allocators,
            figures,
            ..
        } in totals
        {
            self.figures(figures, (family, *allocators), page);
        }
        page.note(
            "\n[ ] is the 95 % confidence interval of the difference, test by test; the optimum is \
             what either folder proved; times are of one run each, whatever else the machine did",
        );
        Ok(self.contradictions(&found.contradictions, page))
    }

    fn independent(&self, partners: &[[usize; 2]], page: &mut Page) -> Result<(), Stop> {
        let (base, ours) = (&self.base.folder, &self.ours.folder);
        let families = base.plan().families.iter().enumerate();
        let common: Vec<(usize, usize)> = families
            .filter_map(|(place, family)| {
                let mut others = ours.plan().families.iter();
                let other = others.position(|other| other.name == family.name)?;
                Some((place, other))
            })
            .collect();
        let count = |of: &ValidationFolder, place| {
            let tests = of.tests(place);
            tests.end - tests.start
        };
        let total = common
            .iter()
            .map(|(a, b)| count(base, *a) + count(ours, *b));
        let bar = console::bar(total.sum(), "tests");
        for (a, b) in common {
            let mut tick = |read| bar.inc(read);
            let before = Alone::read(base, a, &mut tick).map_err(crate::folder::stop)?;
            let after = Alone::read(ours, b, &mut tick).map_err(crate::folder::stop)?;
            let family = &base.plan().families[a].name;
            for places in partners {
                let figures = independent_tests(&before[places[0]], &after[places[1]]);
                for figure in &figures {
                    page.lines
                        .push(self.line(figure, family, *places, "independent"));
                }
                self.figures(&figures, (family, *places), page);
            }
        }
        bar.finish_and_clear();
        page.note(
            "\n[ ] is the 95 % confidence interval of the difference (Welch's, Newcombe's for \
             shares); the optimum of a test is what its folder proved; times are of one run each; \
             cases are against, this",
        );
        Ok(())
    }

    /// The figures of a pair of allocators as a table.
    fn figures(&self, figures: &[TestFigure], of: (&str, [usize; 2]), page: &mut Page) {
        let (family, places) = of;
        let of = if family == ALL_FAMILIES {
            "all families"
        } else {
            family
        };
        let title = format!("{}, {of}", self.title(places));
        let numbers = ["against", "this", "difference", "ratio", "cases"];
        let mut table = Table::new([title], numbers);
        for figure in figures {
            let places = if figure.key == "excess_percent" { 4 } else { 2 };
            let value = |of: Option<Estimate>| number(of.map(|of| of.value), places);
            let ratio = figure
                .base
                .zip(figure.ours)
                .filter(|(base, _)| figure.key == "p50_us" && base.value > 0.0);
            let [ours, base] = figure.cases;
            table.row([
                name(figure).to_owned(),
                value(figure.base),
                value(figure.ours),
                signed_interval(figure.difference, places),
                ratio.map_or_else(String::new, |(base, ours)| {
                    format!("{:.3}", ours.value / base.value)
                }),
                if ours == base {
                    ours.to_string()
                } else {
                    format!("{base}, {ours}")
                },
            ]);
        }
        page.table(&table);
    }

    fn line(&self, figure: &TestFigure, family: &str, places: [usize; 2], method: &str) -> Value {
        let mut line = self.begin("figure", figure.key, family, places);
        line["method"] = method.into();
        line["cases"] = figure.cases[0].into();
        line["against_cases"] = figure.cases[1].into();
        put_estimates(&mut line, [figure.ours, figure.base, figure.difference]);
        line
    }

    /// Says loudly what cannot be.
    fn contradictions(&self, found: &Contradictions, page: &mut Page) -> Exit {
        let counts = Doubt::ALL.map(|doubt| (words(doubt), found.count(doubt)));
        let counted = counts.map(|(what, count)| format!("{count} {what}"));
        page.note(&format!("contradictions: {}", counted.join(", ")));
        let mut line = json!({
            "contradictions": found.total(), "this": self.ours.name, "against": self.base.name,
        });
        for doubt in Doubt::ALL {
            line[doubt.name()] = found.count(doubt).into();
        }
        page.lines.push(line);
        for one in found.first() {
            let test = format!("{} test {}", one.family, one.test);
            let Some((is_base, place)) = one.claim else {
                page.note(&format!("  {test} is another problem in each folder"));
                continue;
            };
            let (claims, other) = if is_base {
                (self.base, self.ours)
            } else {
                (self.ours, self.base)
            };
            let plan = claims.folder.plan();
            let allocator = &plan.allocators[place];
            page.text += &format!(
                "  {test}: {} of {} says {}, {} has {}\n    {}\n",
                allocator,
                claims.name,
                one.claimed,
                other.name,
                one.found,
                plan.replay_line(&one.family, one.test, allocator),
            );
        }
        if found.total() == 0 {
            return Exit::Done;
        }
        let counts = counts.into_iter().filter(|(_, count)| *count > 0);
        let counts: Vec<String> = counts
            .map(|(what, count)| format!("{count} tests {what}"))
            .collect();
        console::note!(
            "error: a check of ours failed: {} and {} contradict each other on {}; please report it",
            self.base.name,
            self.ours.name,
            counts.join(", ")
        );
        Exit::CheckFailed
    }
}

const fn words(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::Cost => "of proven cost",
        Doubt::Bound => "of lower bounds",
        Doubt::Feasibility => "of feasibility",
        Doubt::Reason => "of reasons",
        Doubt::Problem => "of the problem itself",
    }
}

fn name(figure: &TestFigure) -> &'static str {
    let named = TEST_FIGURES.iter().find(|(key, _)| *key == figure.key);
    named.map_or(figure.key, |(_, name)| name)
}
