//! Folders of validations compared: against what can be counted by hand, row by row.

#[expect(dead_code, reason = "other tests use the rest of it")]
mod support;

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use results::compare::{
    Alone, Doubt, Folder, PairedTests, TestFigure, ValidationFolder, common_tests,
    independent_tests, paired_tests, partners,
};
use results::{Chunk, Moments, RunPlan, Shard, Validation};
use results::{OutcomeRecord, Outcomes};
use scheduler::{Cost, Infeasible, Outcome, Plan, PlanStatus, Problem};
use support::{ALLOCATORS, answered, plan, planned, run, simulated_as, took};

fn open(dir: &Path) -> ValidationFolder {
    match Folder::open(dir).expect("it is a folder") {
        Folder::Validation(folder) => *folder,
        Folder::Runs(_) => panic!("it is of a validation"),
    }
}

fn compared(base: &Path, ours: &Path) -> PairedTests {
    let (base, ours) = (open(base), open(ours));
    assert!(ours.has_tests_of(&base));
    let partners = partners(&base.plan().allocators, &ours.plan().allocators);
    let mut read = 0;
    let found = paired_tests(&base, &ours, &partners, &mut |tests| read += tests);
    let common = common_tests(&base, &ours);
    let tests: u64 = common.iter().map(|c| c.tests.end - c.tests.start).sum();
    assert_eq!(read, tests, "progress is of all tests");
    found.expect("they read")
}

/// A folder of one family whose tests are answered like this.
fn folder(dir: &Path, plan: &RunPlan, answers: impl Fn(usize, u64) -> (Problem, Vec<Outcome>)) {
    let mut validation = Validation::with_tables(plan.clone(), dir, false).expect("room");
    for family in 0..plan.families.len() {
        let tests = plan.tests(family);
        let allocators = plan.allocators.len();
        let mut chunk = Chunk::new(family, tests.start, allocators, validation.detail());
        for test in tests {
            let (problem, answers) = answers(family, test);
            let answer = |(at, outcome)| {
                let simulated = Outcome::planned(outcome).filter(|_| plan.simulate);
                let simulated = simulated.map(|_| simulated_as(family + 3, test, at));
                (outcome, took(family, test, at), simulated)
            };
            chunk.push_simulated(
                &problem,
                answers
                    .iter()
                    .enumerate()
                    .map(|(at, outcome)| answer((at, outcome))),
            );
        }
        validation.push(&chunk).expect("room");
    }
    validation.finish(|_| serde_json::Map::new()).expect("room");
}

fn figure<'a>(figures: &'a [TestFigure], key: &str) -> &'a TestFigure {
    let found = figures.iter().find(|figure| figure.key == key);
    found.unwrap_or_else(|| panic!("{key} is there"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Nothing differs from itself, nor from a part of itself, however it was written.
    #[test]
    fn a_folder_differs_in_nothing_from_itself(
        sizes in prop::array::uniform3(0_u64..3_000),
        big in prop::bool::ANY,
        shard in 1_u64..4,
        simulate in prop::bool::ANY,
        chunk in 1_u64..700,
    ) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let first = if big { 8_192 + sizes[0] } else { sizes[0] };
        let families = [("thesis", first), ("ties", sizes[1]), ("mixed", sizes[2])];
        let whole = RunPlan { simulate, ..plan(&families, Shard::WHOLE) };
        let part = RunPlan { shard: Shard::new(shard, 3).expect("in range"), ..whole.clone() };
        let (all, some) = (dir.path().join("all"), dir.path().join("some"));
        run(&whole, &all, chunk);
        run(&part, &some, chunk + 13);
        for (base, ours) in [(&all, &all), (&all, &some), (&some, &all)] {
            let found = compared(base, ours);
            prop_assert_eq!(found.contradictions.count(Doubt::Problem), 0);
            prop_assert_eq!(found.contradictions.count(Doubt::Reason), 0);
            let common = common_tests(&open(base), &open(ours));
            let count = |name: &str| -> u64 {
                let of = common.iter().filter(|c| name == "all" || c.family == name);
                of.map(|c| c.tests.end - c.tests.start).sum()
            };
            for row in &found.rows {
                prop_assert_eq!(row.tests, count(&row.family));
                prop_assert_eq!([row.cheaper, row.more_expensive, row.gained, row.lost], [0; 4]);
                for figure in &row.figures {
                    let difference = figure.difference.expect("cases").value;
                    prop_assert_eq!(difference, 0.0, "{} of {}", figure.key, &row.family);
                    prop_assert_eq!(figure.ours, figure.base);
                }
            }
        }
        let common = common_tests(&open(&all), &open(&some));
        let counts: u64 = common.iter().map(|c| c.tests.end - c.tests.start).sum();
        prop_assert_eq!(counts, part.total_tests());
    }
}

/// Heuristic and exact of our folder are improved or spoilt on some tests.
fn other_answers(family: usize, test: u64) -> (Problem, Vec<Outcome>) {
    let (problem, answers) = answered(family, test);
    let [heuristic, exact, cbc] = answers;
    // What exact has is a plan, for the heuristic too; and cbc's may be the more expensive one.
    let heuristic = match test % 5 {
        0 => exact.clone(),
        1 => cbc.clone(),
        _ => heuristic,
    };
    (problem, vec![cbc, exact, heuristic])
}

/// Every count and mean of a comparison, from the rows of both tables.
#[test]
fn paired_figures_are_what_the_rows_say() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let families = [("thesis", 9_000), ("ties", 400)];
    let (base, ours) = (dir.path().join("base"), dir.path().join("ours"));
    let simulated = RunPlan {
        simulate: true,
        ..plan(&families, Shard::WHOLE)
    };
    run(&simulated, &base, 500);
    let reversed: Vec<String> = ["cbc", "exact", "heuristic"].map(str::to_owned).to_vec();
    let turned = RunPlan {
        allocators: reversed,
        families: plan(
            &[("ties", 500), ("mixed", 3), ("thesis", 8_500)],
            Shard::WHOLE,
        )
        .families,
        ..simulated
    };
    // The family's place in the plan is what its problems are made of.
    folder(&ours, &turned, |family, test| {
        other_answers([1, 2, 0][family], test)
    });
    let found = compared(&base, &ours);
    type Key = (String, u64, String);
    let rows = |dir: &Path| -> BTreeMap<Key, OutcomeRecord> {
        let outcomes = Outcomes::open(&dir.join("outcomes.parquet")).expect("it is there");
        let keyed = outcomes.map(|record| {
            let record = record.expect("it reads");
            let key = (
                record.family.to_string(),
                record.test,
                record.allocator.to_string(),
            );
            (key, record)
        });
        keyed.collect()
    };
    let (before, after) = (rows(&base), rows(&ours));
    assert_eq!(
        found.rows.len(),
        9,
        "three allocators of two families, and of both"
    );
    for row in &found.rows {
        let name = ALLOCATORS[row.allocators[0]];
        assert_eq!(turned.allocators[row.allocators[1]], name);
        let (mut counts, mut tests, mut more, mut makespan) =
            ([0_u64; 5], 0, Moments::default(), Moments::default());
        let mut missed = [0_i64; 2];
        for ((family, test, allocator), ours) in &after {
            let key = (family.clone(), *test, allocator.clone());
            let Some(base) = before.get(&key).filter(|_| allocator == name) else {
                continue;
            };
            if *family != row.family && row.family != "all" {
                continue;
            }
            tests += 1;
            let (a, b) = match (base.row.cost, ours.row.cost) {
                (Some(a), Some(b)) => (a, b),
                (None, Some(_)) => {
                    counts[3] += 1;
                    continue;
                }
                (Some(_), None) => {
                    counts[4] += 1;
                    continue;
                }
                (None, None) => continue,
            };
            counts[0] += u64::from(b == a);
            counts[1] += u64::from(b > a);
            counts[2] += u64::from(b < a);
            let of_test = |of: &BTreeMap<Key, OutcomeRecord>| -> Vec<OutcomeRecord> {
                let get = |name: &str| of[&(family.clone(), *test, name.to_owned())].clone();
                ALLOCATORS.map(get).to_vec()
            };
            let both = [of_test(&before), of_test(&after)].concat();
            let cheapest = both.iter().filter_map(|record| record.row.cost).min();
            let is_proven = both
                .iter()
                .any(|record| record.row.status.name() == "optimal" && record.row.cost == cheapest);
            let optimum = cheapest.expect("there is a plan").micros() as f64;
            if is_proven && optimum > 0.0 {
                more.add(100.0 * (b.micros() as f64 - a.micros() as f64) / optimum);
            } else if is_proven && a == b {
                more.add(0.0);
            }
            let simulated = base
                .row
                .simulated
                .zip(ours.row.simulated)
                .expect("both are");
            let ms = |nanos: u64| nanos as f64 / 1e6;
            makespan.add(ms(simulated.1.makespan_ns) - ms(simulated.0.makespan_ns));
            missed[0] += i64::from(simulated.0.missed);
            missed[1] += i64::from(simulated.1.missed);
        }
        assert_eq!(row.tests, tests);
        let counted = [
            row.equal,
            row.more_expensive,
            row.cheaper,
            row.gained,
            row.lost,
        ];
        assert_eq!(counted, counts, "{name} of {}", row.family);
        let close = |found: Option<results::Estimate>, expected: Option<results::Estimate>| {
            let (found, expected) = (found.expect("cases"), expected.expect("cases"));
            assert!(
                (found.value - expected.value).abs() < 1e-9,
                "{found:?} {expected:?}"
            );
            let ends = [(found.low, expected.low), (found.high, expected.high)];
            for (found, expected) in ends {
                let difference = found.expect("an end") - expected.expect("an end");
                assert!(difference.abs() < 1e-9);
            }
        };
        close(
            figure(&row.figures, "excess_percent").difference,
            more.mean(),
        );
        close(
            figure(&row.figures, "makespan_ms").difference,
            makespan.mean(),
        );
        let share = figure(&row.figures, "missed_percent");
        let points = 100.0 * (missed[1] - missed[0]) as f64 / makespan.count() as f64;
        let found = share.difference.expect("cases").value;
        assert!((found - points).abs() < 1e-9, "{found} {points}");
        assert_eq!(share.cases, [makespan.count(); 2]);
    }
    assert!(
        found
            .rows
            .iter()
            .any(|row| row.cheaper > 9 && row.gained > 9)
    );
}

/// A problem of two workers of which the second is more expensive, and its best and worst plans.
fn small(n: u64) -> (Problem, Plan, Plan) {
    let worker = |fee| scheduler::Worker {
        s_max: 9,
        fee: scheduler::Fee::from_micros(fee).expect("small"),
    };
    let workers = vec![worker(1_000_000), worker(3_000_000)];
    let problem = Problem::new(n, 0, 0, workers).expect("within bounds");
    let best = Plan::costed(&problem, vec![n, 0]);
    let worst = Plan::costed(&problem, vec![0, n]);
    (problem, best, worst)
}

fn short(why: u64) -> Outcome {
    Outcome::Infeasible(Infeasible::InsufficientCapacity {
        capacity: why,
        n: 4,
    })
}

/// Each kind of contradiction on a test of its own, and nothing that is none.
#[test]
fn contradictions_are_found_and_named() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let one = RunPlan {
        allocators: vec!["exact".to_owned()],
        ..plan(&[("ties", 8)], Shard::WHOLE)
    };
    let (base, ours) = (dir.path().join("base"), dir.path().join("ours"));
    let answer = |is_base: bool, test: u64| {
        let (problem, best, worst) = small(4);
        let optimal = |plan: &Plan| planned(plan.clone(), PlanStatus::Optimal);
        let beta = Outcome::Infeasible(Infeasible::InsufficientWorkers {
            eligible: 1,
            needed: 2,
        });
        let bound_above = Outcome::Planned(scheduler::Planned {
            plan: worst.clone(),
            status: PlanStatus::Bounded,
            lower_bound: Some(Cost::from_micros(5_000_000)),
            certificate: None,
        });
        let outcome = match (test, is_base) {
            (0, true) => optimal(&worst), // 12 for what costs 4
            (1, true) => bound_above,     // not below 5
            (2, true) => short(1),
            (3, true) => short(1),
            (3, false) => beta,
            (4, true) => planned(worst, PlanStatus::Feasible),
            (5, _) => short(2),
            (6, false) => return (small(5).0, vec![optimal(&small(5).1)]),
            _ => optimal(&best),
        };
        (problem, vec![outcome])
    };
    folder(&base, &one, |_, test| answer(true, test));
    folder(&ours, &one, |_, test| answer(false, test));
    for (first, second, is_base) in [(&base, &ours, true), (&ours, &base, false)] {
        let found = compared(first, second);
        let count = |doubt| found.contradictions.count(doubt);
        assert_eq!(Doubt::ALL.map(count), [1; 5]);
        assert_eq!(found.contradictions.total(), 5);
        let told: Vec<_> = found.contradictions.first().iter().collect();
        let tests: Vec<_> = told.iter().map(|one| (one.test, one.doubt)).collect();
        assert_eq!(
            tests,
            [
                (0, Doubt::Cost),
                (1, Doubt::Bound),
                (2, Doubt::Feasibility),
                (3, Doubt::Reason),
                (6, Doubt::Problem)
            ]
        );
        assert_eq!(told[0].claim, Some((is_base, 0)));
        assert_eq!(told[0].claimed, "12 is optimal");
        assert_eq!(told[0].found, "a plan that costs 4");
        assert_eq!(told[1].claimed, "no plan is below 5");
        assert_eq!(told[2].claimed, "no plan");
        // The test whose problem differs is in no figure.
        assert_eq!(found.rows[0].tests, 7);
    }
    let found = compared(&base, &ours);
    let row = &found.rows[0];
    let counts = [
        row.cheaper,
        row.equal,
        row.more_expensive,
        row.gained,
        row.lost,
    ];
    assert_eq!(counts, [3, 1, 0, 1, 0]);
    // 12 for 4 is 200 % too much: on three of the four tests with two plans and an optimum.
    let excess = figure(&row.figures, "excess_percent");
    assert_eq!(excess.base.expect("cases").value, 150.0);
    assert_eq!(excess.difference.expect("cases").value, -150.0);
    let planned = figure(&row.figures, "planned_percent");
    assert_eq!(planned.cases, [7; 2]);
    assert!((planned.difference.expect("cases").value - 100.0 / 7.0).abs() < 1e-9);
}

#[test]
fn folders_without_a_test_in_common_are_compared_unpaired() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (base, ours) = (dir.path().join("base"), dir.path().join("ours"));
    let one = RunPlan {
        allocators: vec!["exact".to_owned()],
        ..plan(&[("ties", 10)], Shard::WHOLE)
    };
    let another = RunPlan {
        seed: 6,
        families: plan(&[("ties", 20)], Shard::WHOLE).families,
        ..one.clone()
    };
    let answer = |without: u64| {
        move |_: usize, test: u64| {
            let (problem, best, _) = small(4);
            let outcome = if test < without {
                short(1)
            } else {
                planned(best, PlanStatus::Optimal)
            };
            (problem, vec![outcome])
        }
    };
    folder(&base, &one, answer(7));
    folder(&ours, &another, answer(2));
    let (a, b) = (open(&base), open(&ours));
    assert!(!b.has_tests_of(&a));
    let read = |of: &ValidationFolder| Alone::read(of, 0, &mut |_| {}).expect("it reads");
    let figures = independent_tests(&read(&a)[0], &read(&b)[0]);
    let planned = figure(&figures, "planned_percent");
    assert_eq!(planned.cases, [20, 10]);
    assert_eq!(planned.base.expect("cases").value, 30.0);
    assert_eq!(planned.ours.expect("cases").value, 90.0);
    let difference = planned.difference.expect("cases");
    assert!((difference.value - 60.0).abs() < 1e-9);
    // Wilson: 0.3 [0.1078, 0.6032], 0.9 [0.6990, 0.9721]; put together by squares.
    let close = |found: f64, expected: f64| assert!((found - expected).abs() < 0.02, "{found}");
    close(
        difference.low.expect("an end"),
        60.0 - 100.0 * (0.2010_f64.hypot(0.3032)),
    );
    close(
        difference.high.expect("an end"),
        60.0 + 100.0 * (0.0721_f64.hypot(0.1922)),
    );
    let excess = figure(&figures, "excess_percent")
        .difference
        .expect("cases");
    assert_eq!((excess.value, excess.low), (0.0, Some(0.0)));
}

#[test]
fn allocators_are_compared_by_name_or_with_the_first() {
    let names = |names: &[&str]| -> Vec<String> { names.iter().map(|&n| n.to_owned()).collect() };
    let of = |base: &[&str], ours: &[&str]| partners(&names(base), &names(ours));
    assert_eq!(of(&["a", "b"], &["b", "c", "a"]), [[1, 0], [0, 2]]);
    assert_eq!(of(&["a", "b"], &["c", "d"]), [[0, 0], [0, 1]]);
    assert_eq!(of(&["a"], &["a", "b"]), [[0, 0]]);
}
