//! Averaging compared with exact arithmetic, and results that are refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use runtime::average::{Average, Contribution, NORM_FACTOR, Refusal, Rule};
use runtime::data::BatchShape;
use runtime::model::{ModelKind, ModelSpec, TrainingOptions, Weights, Wire, to_wire};
use scheduler::machine::{SessionId, WorkerId};

/// A layout of eight parameters.
fn spec() -> ModelSpec {
    let shape = BatchShape::of_bytes(1, 3, 2, 256);
    ModelSpec {
        kind: ModelKind::Linear,
        weights: Weights::Xavier,
        options: TrainingOptions::NONE,
        shape,
    }
}

const N: usize = 8;

fn average(rule: &str) -> Average {
    Average::new(&spec().layout(), rule.parse().unwrap(), Wire::F32, None)
}

fn contribution(worker: u32, weight: u64, parameters: &[f32], global: &[f32]) -> Contribution {
    let update = average("mean")
        .check(&to_wire(parameters), global, 1)
        .unwrap();
    Contribution {
        worker: WorkerId::new(worker),
        session: SessionId::new(worker + 100),
        weight,
        update,
    }
}

fn bits(parameters: &[f32]) -> Vec<u32> {
    parameters.iter().map(|p| p.to_bits()).collect()
}

#[test]
fn parameters_of_another_shape_are_refused() {
    let (average, global) = (average("mean"), [0.5; N]);
    let good = to_wire(&[0.25; N]);
    assert!(average.check(&good, &global, 1).is_ok());
    let text = |bytes: &[u8]| average.check(bytes, &global, 1).unwrap_err().to_string();
    assert_eq!(
        text(&good[..31]),
        "its parameters have 31 bytes, expected 32"
    );
    assert_eq!(
        text(&good[..28]),
        "its parameters have 28 bytes, expected 32"
    );
    assert_eq!(text(&[]), "its parameters have 0 bytes, expected 32");
    // The parameters of a model with one more feature.
    assert_eq!(
        text(&to_wire(&[0.25; N + 2])),
        "its parameters have 40 bytes, expected 32"
    );
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for at in [0, N - 1] {
            let mut parameters = [0.25; N];
            parameters[at] = value;
            let text = text(&to_wire(&parameters));
            assert_eq!(
                text,
                format!("its parameter {at} is {value}, expected a finite number")
            );
        }
    }
    // The length is checked first.
    assert!(matches!(
        average.check(&to_wire(&[f32::NAN; 2]), &global, 1),
        Err(Refusal::Length { .. })
    ));
}

/// However few results there are: one that no training can have given is refused.
#[test]
fn an_update_beyond_the_reach_of_its_steps_is_refused() {
    let average = Average::new(&spec().layout(), Rule::Mean, Wire::F32, Some(0.01));
    let check = |at: usize, moved: f32, steps: u64| {
        let (global, mut parameters) = ([-1.0; N], [-1.0; N]);
        parameters[at] += moved;
        average.check(&to_wire(&parameters), &global, steps)
    };
    for at in [0, N - 1] {
        for sign in [1.0, -1.0] {
            assert!(check(at, sign * 0.0999, 10).is_ok());
            let error = check(at, sign * 0.1002, 10).unwrap_err().to_string();
            let expected =
                format!("its parameter {at} has moved by 1.002e-1, expected at most 1.0");
            assert!(error.starts_with(&expected), "{error}");
            assert!(check(at, sign * 0.1002, 11).is_ok());
            assert!(check(at, sign * f32::MAX, 1_000_000).is_err());
        }
    }
    // A claim of any number of steps is a number.
    assert!(check(0, 3e38, u64::MAX).is_err());
    assert!(check(0, 5.0, u64::MAX).is_ok());
}

/// Four workers whose updates have length 1, and one with length `far`; with these weights.
fn with_one_far(far: f32, weights: [u64; 5]) -> (Option<Vec<f32>>, Vec<u32>) {
    let global = [1.0; N];
    let moved = |worker: usize| {
        let mut parameters = global;
        parameters[worker] += if worker == 4 { far } else { 1.0 };
        contribution(worker as u32, weights[worker], &parameters, &global)
    };
    let merged = average("mean").merge((0..5).map(moved).collect());
    (
        merged.parameters,
        merged
            .refused
            .iter()
            .map(|(worker, session, _)| {
                assert_eq!(session.get(), worker.get() + 100, "its own session");
                worker.get()
            })
            .collect(),
    )
}

#[test]
fn an_update_far_beyond_the_others_is_refused() {
    let bound = NORM_FACTOR as f32;
    assert_eq!(with_one_far(bound, [1; 5]).1, [0; 0]);
    let (parameters, refused) = with_one_far(bound * 1.001, [1; 5]);
    assert_eq!(refused, [4]);
    // The average is that of the others.
    assert_eq!(
        parameters.unwrap(),
        [1.25, 1.25, 1.25, 1.25, 1.0, 1.0, 1.0, 1.0]
    );
    assert_eq!(with_one_far(f32::MAX, [1; 5]).1, [4]);
    // More batches than the median allow a longer update; fewer do not demand a shorter one.
    assert_eq!(with_one_far(bound * 2.9, [10, 10, 10, 10, 30]).1, [0; 0]);
    assert_eq!(with_one_far(bound * 3.1, [10, 10, 10, 10, 30]).1, [4]);
    assert_eq!(
        with_one_far(bound * 0.9, [1000, 1000, 1000, 1000, 1]).1,
        [0; 0]
    );
    // One that did not move does not make the others outliers.
    assert_eq!(with_one_far(0.0, [1; 5]).1, [0; 0]);
    // Two updates have no majority to compare with.
    let two = [
        contribution(0, 1, &[0.0; N], &[0.0; N]),
        contribution(1, 1, &[900.0; N], &[0.0; N]),
    ];
    assert_eq!(average("mean").merge(two.into()).refused, []);
}

#[test]
fn without_accepted_batches_the_model_does_not_change() {
    assert_eq!(average("mean").merge(vec![]).parameters, None);
    let unpaid = contribution(3, 0, &[5.0; N], &[0.0; N]);
    for rule in ["mean", "median", "trimmed:0.2"] {
        assert_eq!(average(rule).merge(vec![unpaid.clone()]).parameters, None);
        let paid = contribution(4, 7, &[2.0; N], &[0.0; N]);
        assert_eq!(
            average(rule).merge(vec![unpaid.clone(), paid]).parameters,
            Some(vec![2.0; N])
        );
    }
}

#[test]
#[should_panic(expected = "one result per worker and cycle")]
fn two_results_of_a_worker_are_a_bug() {
    let one = contribution(3, 1, &[5.0; N], &[0.0; N]);
    let _ = average("mean").merge(vec![one.clone(), one]);
}

/// The thesis program paired the results of the employed workers with the batches of the first
/// workers in the list. With unequal batches that gives another model.
#[test]
fn every_result_has_the_weight_of_its_own_worker() {
    let lots = [900_u64, 0, 60, 40];
    let global = [0.0; N];
    let ends: [[f32; N]; 4] = [[1.0; N], [9.0; N], [2.0; N], [4.0; N]];
    let results: Vec<Contribution> = [3, 0, 2]
        .map(|worker: usize| contribution(worker as u32, lots[worker], &ends[worker], &global))
        .into();
    let merged = average("mean").merge(results).parameters.unwrap();
    // (900 · 1 + 60 · 2 + 40 · 4) / 1000, and not 900, 0 and 60 for the three.
    assert_eq!(merged, [1.18; N]);
}

#[test]
fn rules_are_parsed_as_they_are_displayed() {
    for text in [
        "mean",
        "median",
        "trimmed:0",
        "trimmed:0.1",
        "trimmed:0.125",
        "trimmed:0.499",
    ] {
        assert_eq!(text.parse::<Rule>().unwrap().to_string(), text);
    }
    for text in [
        "",
        "Mean",
        "trimmed",
        "trimmed:",
        "trimmed:0.5",
        "trimmed:-0.1",
        "trimmed:NaN",
        "trimmed:0.0001",
    ] {
        let error = text.parse::<Rule>().unwrap_err().to_string();
        assert!(
            error.starts_with(&format!(
                "'{text}' is no rule: expected mean, median or trimmed:SHARE"
            )),
            "{error}"
        );
    }
}

/// Whole numbers, which floats represent exactly, so that integers are the oracle.
fn results() -> impl Strategy<Value = Vec<(u64, Vec<i16>)>> {
    let result = (1_u64..100_000, prop::collection::vec(-3000_i16..3000, N));
    prop::collection::vec(result, 1..9)
}

fn near(found: f32, sum: i128, count: i128) -> bool {
    let exact = sum as f64 / count as f64;
    (f64::from(found) - exact).abs() <= exact.abs() * f64::from(f32::EPSILON)
}

proptest! {
    #[test]
    fn each_rule_agrees_with_integers(results in results(), share in 0_usize..500) {
        // The global model is so far away that no update is an outlier.
        let global = [1e6; N];
        let contributions: Vec<Contribution> = (0..).zip(&results).map(|(worker, (weight, end))| {
            let end: Vec<f32> = end.iter().map(|&p| f32::from(p)).collect();
            contribution(worker, *weight, &end, &global)
        }).collect();
        let merge = |rule: &str| average(rule).merge(contributions.clone()).parameters.unwrap();
        let (mean, median) = (merge("mean"), merge("median"));
        let trimmed = merge(&format!("trimmed:{}", share as f64 / 1000.0));
        for at in 0..N {
            let total = results.iter().map(|(weight, _)| i128::from(*weight)).sum();
            let sum = results.iter().map(|(weight, end)| i128::from(*weight) * i128::from(end[at])).sum();
            prop_assert!(near(mean[at], sum, total), "mean {} of {:?}", mean[at], results);

            // Repeatedly remove the least and the greatest.
            let mut left: Vec<i128> = results.iter().map(|(_, end)| i128::from(end[at])).collect();
            let mut trim = |times: usize| {
                for _ in 0..times {
                    let least = left.iter().enumerate().min_by_key(|(_, p)| **p).unwrap().0;
                    left.swap_remove(least);
                    let greatest = left.iter().enumerate().max_by_key(|(_, p)| **p).unwrap().0;
                    left.swap_remove(greatest);
                }
                (left.iter().sum::<i128>(), left.len() as i128)
            };
            let cut = results.len() * share / 1000;
            let (sum, count) = trim(cut);
            prop_assert!(near(trimmed[at], sum, count), "trimmed {} of {:?}", trimmed[at], results);
            let (sum, count) = trim((results.len() - 1) / 2 - cut);
            prop_assert!(near(median[at], sum, count), "median {} of {:?}", median[at], results);
        }
    }

    /// Any order of arrival gives the same bits.
    #[test]
    fn the_order_of_arrival_does_not_matter(
        results in prop::collection::vec((1_u64..1000, prop::array::uniform8(-1e3_f32..1e3)), 1..9),
        seed: u64,
    ) {
        let global = [1e4; N];
        let mut contributions: Vec<Contribution> = (0..).zip(&results)
            .map(|(worker, (weight, end))| contribution(worker, *weight, end, &global))
            .collect();
        for rule in ["mean", "median", "trimmed:0.3"] {
            let in_order = average(rule).merge(contributions.clone()).parameters.unwrap();
            let count = contributions.len();
            contributions.rotate_left(seed as usize % count);
            contributions.swap(0, (seed >> 32) as usize % count);
            let shuffled = average(rule).merge(contributions.clone()).parameters.unwrap();
            prop_assert_eq!(bits(&in_order), bits(&shuffled));
        }
    }

    /// Any bytes: no panic, and only finite parameters of the right length are accepted.
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..70), cut: bool) {
        let bytes = if cut { bytes.get(..32).map_or(bytes.clone(), <[u8]>::to_vec) } else { bytes };
        let floats = bytes.chunks(4).map(|word| word.try_into().map_or(f32::NAN, f32::from_le_bytes));
        let fits = bytes.len() == 32 && floats.clone().all(f32::is_finite);
        prop_assert_eq!(average("mean").check(&bytes, &[0.0; N], 1).is_ok(), fits);
    }
}
