//! Batches a second: our trainer against the same network as an ordinary tch program, in turns
//! within one run, on one thread. `cargo bench -p runtime --bench train [mnist|synthetic|DIR]`.

#![expect(clippy::print_stdout, reason = "it prints what it finds")]

use std::time::Instant;

use runtime::data::{Batch, DataSource};
use runtime::model::{Loss, ModelKind, ModelSpec, TrainingOptions, Weights};
use runtime::train::DeviceChoice;

#[path = "../tests/plain/mod.rs"]
mod plain;
use plain::Plain;

#[path = "../src/bin/runtime-trainer/torch.rs"]
mod program;
use program::trainer;

/// Both optimisers slow down as moments decay, which takes a few hundred batches to show.
const BATCHES: u64 = 1_000;
const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let source: DataSource = name.as_deref().unwrap_or("synthetic").parse()?;
    let set = source.load()?.train;
    let spec = |kind| ModelSpec {
        kind,
        weights: Weights::Xavier,
        options: TrainingOptions::NONE,
        shape: set.batch_shape(32),
    };
    let batches: Vec<Batch> = (0..BATCHES)
        .map(|index| set.batch(index % set.batches(32), 32))
        .collect::<Result<_, _>>()?;
    let start = spec(ModelKind::Mlp).initial(1);
    let mut mlp = trainer(&spec(ModelKind::Mlp), DeviceChoice::Cpu, 1)?;
    let mut linear = trainer(&spec(ModelKind::Linear), DeviceChoice::Cpu, 1)?;
    let linear_start = spec(ModelKind::Linear).initial(1);

    println!("{source}: batches of 32 a second, {BATCHES} from a fresh start in each round");
    let (mut ratios, mut end) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let features = set.features() as i64;
        let mut plain = Plain::new(&start, features, set.classes() as i64, Loss::CrossEntropy);
        let plain_rate = rate(&batches, |batch| {
            plain.step(batch);
            Ok(())
        })?;
        mlp.begin(&start)?;
        let ours = rate(&batches, |batch| Ok(mlp.step(batch)?))?;
        // Only the same training is worth comparing. Where a rounding flips a ReLU the two part, as
        // two plain ones do whose starts differ by as little: by 1 to 3 % of the way on mnist.
        mlp.finish(&mut end)?;
        let length = |a: &[f32], b: &[f32]| {
            let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
            squares.sum::<f64>().sqrt()
        };
        let apart = length(&end, &plain.parameters()) / length(&end, &start);
        assert!(apart < 0.1, "the two end {apart} of the way apart");
        linear.begin(&linear_start)?;
        let linear = rate(&batches, |batch| Ok(linear.step(batch)?))?;
        println!(
            "round {round}: mlp {ours:.0}, with tch's nn::Adam {plain_rate:.0}, ratio {:.2}; linear {linear:.0}; apart {apart:.1e}",
            ours / plain_rate
        );
        ratios.push(ours / plain_rate);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio {:.2}", ratios[ROUNDS / 2]);
    Ok(())
}

fn rate(
    batches: &[Batch],
    mut step: impl FnMut(&Batch) -> Result<(), Box<dyn std::error::Error>>,
) -> Result<f64, Box<dyn std::error::Error>> {
    let start = Instant::now();
    for batch in batches {
        step(batch)?;
    }
    Ok(batches.len() as f64 / start.elapsed().as_secs_f64())
}
