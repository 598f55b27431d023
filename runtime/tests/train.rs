//! Trainers compared with an ordinary tch program, and tests that they learn.

#![expect(clippy::print_stdout, reason = "it prints what it finds")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(feature = "torch")]
mod plain;
#[cfg(feature = "torch")]
#[path = "../src/bin/runtime-trainer/torch.rs"]
mod program;

use runtime::average::{Average, Contribution, Rule};
use runtime::data::{DataSource, Dataset, Splits};
use runtime::model::{Loss, ModelKind, ModelSpec, TrainingOptions, Weights, Wire, to_wire};
#[cfg(not(feature = "torch"))]
use runtime::train::trainer;
use runtime::train::{DeviceChoice, Evaluation, Trainer, longest_step};
use scheduler::machine::{SessionId, WorkerId};

#[cfg(feature = "torch")]
use program::trainer;

fn load(name: &str) -> Splits {
    let source: DataSource = name.parse().unwrap();
    source.load().unwrap()
}

fn spec(kind: ModelKind, loss: Loss, set: &Dataset) -> ModelSpec {
    ModelSpec {
        kind,
        weights: Weights::Xavier,
        options: TrainingOptions {
            loss: Some(loss),
            ..TrainingOptions::NONE
        },
        shape: set.batch_shape(32),
    }
}

fn update(
    trainer: &mut dyn Trainer,
    set: &Dataset,
    start: &[f32],
    batches: impl Iterator<Item = u64>,
) -> Vec<f32> {
    let mut end = Vec::new();
    trainer.begin(start).unwrap();
    for index in batches {
        trainer.step(&set.batch(index, 32).unwrap()).unwrap();
    }
    trainer.finish(&mut end).unwrap();
    end
}

/// Trains in cycles as a cluster does, with very unequal numbers of batches, and without a network.
fn simulate(
    spec: &ModelSpec,
    splits: &Splits,
    lots: &[u64],
    cycles: usize,
) -> Vec<(Evaluation, Vec<f32>)> {
    let mut trainer = trainer(spec, DeviceChoice::Cpu, 1).unwrap();
    let step = longest_step(&spec.options);
    let average = Average::new(&spec.layout(), Rule::Mean, Wire::F32, step);
    let mut global = spec.initial(1);
    let cycle = |_| {
        let mut results = Vec::new();
        let mut first = 0;
        for (worker, &lot) in (0..).zip(lots) {
            let end = update(&mut *trainer, &splits.train, &global, first..first + lot);
            first += lot;
            results.push(Contribution {
                worker: WorkerId::new(worker),
                session: SessionId::new(worker),
                weight: lot,
                update: average.check(&to_wire(&end), &global, lot).unwrap(),
            });
        }
        let merged = average.merge(results);
        assert_eq!(merged.refused, [], "nobody lied");
        global = merged.parameters.unwrap();
        (
            trainer.evaluate(&global, &splits.test).unwrap(),
            global.clone(),
        )
    };
    (0..cycles).map(cycle).collect()
}

#[test]
fn a_linear_model_learns_in_cycles() {
    let splits = load("synthetic:train=12800,test=1000");
    let cycles = simulate(
        &spec(ModelKind::Linear, Loss::CrossEntropy, &splits.train),
        &splits,
        &[20, 200, 80, 100],
        12,
    );
    let (last, _) = cycles.last().unwrap();
    println!("{last:?}");
    assert!(last.accuracy > 0.7);
}

#[test]
fn impossible_requests_are_refused_in_one_line() {
    let splits = load("synthetic:train=32,test=32");
    let text = |kind, device| {
        let spec = spec(kind, Loss::CrossEntropy, &splits.train);
        trainer(&spec, device, 1).err().unwrap().to_string()
    };
    assert_eq!(
        text(ModelKind::Linear, DeviceChoice::Cuda(1)),
        "there is no cuda:1: the model 'linear' trains on the CPU alone; use --device cpu"
    );
    let mlp = text(ModelKind::Mlp, DeviceChoice::Cuda(99));
    let expected = if cfg!(feature = "torch") {
        "there is no cuda:99: "
    } else {
        "this program was built without libtorch"
    };
    assert!(mlp.starts_with(expected) && !mlp.contains('\n'), "{mlp}");
}

#[cfg(feature = "torch")]
mod torch {
    use super::*;

    use crate::plain::Plain;
    use runtime::model::Optimizer;
    use tch::{Kind, Tensor};

    const LOSSES: [Loss; 4] = [
        Loss::CrossEntropy,
        Loss::ThesisSoftmax,
        Loss::Mse,
        Loss::BinaryCrossEntropy,
    ];

    #[test]
    fn its_gradients_are_those_of_libtorch() {
        let splits = load("synthetic:train=320,test=32");
        for loss in LOSSES {
            let mut spec = spec(ModelKind::Mlp, loss, &splits.train);
            // A step of plain descent at a rate of one is the gradient itself.
            spec.options.optimizer = Some(Optimizer::Sgd);
            spec.options.learning_rate = Some(1_000_000);
            let start = spec.initial(7);
            let mut ours = trainer(&spec, DeviceChoice::Cpu, 1).unwrap();
            for index in 0..3 {
                let end = update(&mut *ours, &splits.train, &start, index..index + 1);
                let plain = Plain::new(&start, 784, 10, loss);
                let loss_of = plain.loss(&splits.train.batch(index, 32).unwrap());
                let theirs = Tensor::run_backward(&[loss_of], &plain.variables, false, false);
                let moved: Vec<f32> = start.iter().zip(&end).map(|(a, b)| a - b).collect();
                let layout = spec.layout();
                for ((tensor, part), gradient) in layout.parts(&moved).zip(theirs) {
                    let gradient = Vec::<f32>::try_from(gradient.flatten(0, -1)).unwrap();
                    let greatest = gradient.iter().fold(0.0_f32, |most, g| most.max(g.abs()));
                    let pairs = part.iter().zip(&gradient).map(|(a, b)| (a - b).abs());
                    let apart = pairs.fold(0.0, f32::max);
                    assert!(greatest > 0.0, "{loss:?}: {} has no gradient", tensor.name);
                    // Besides rounding errors, those of the parameters themselves.
                    assert!(
                        apart <= 1e-5 * greatest + 1e-8,
                        "{loss:?}: {} is {apart:e} off, the greatest is {greatest:e}",
                        tensor.name
                    );
                }
            }
        }
    }

    /// From the same parameters on the same batches, libtorch's own Adam gives the same result up
    /// to rounding errors.
    #[test]
    fn it_trains_as_an_ordinary_tch_program_does() {
        let splits = load("synthetic:train=6400,test=32");
        for loss in LOSSES {
            let spec = spec(ModelKind::Mlp, loss, &splits.train);
            let start = spec.initial(7);
            let mut ours = trainer(&spec, DeviceChoice::Cpu, 1).unwrap();
            // Rounding errors relative to the distance that the parameters have moved.
            for batches in [1, 10, 200] {
                let end = update(&mut *ours, &splits.train, &start, 0..batches);
                let mut plain = Plain::new(&start, 784, 10, loss);
                (0..batches).for_each(|index| plain.step(&splits.train.batch(index, 32).unwrap()));
                let theirs = plain.parameters();
                let length = |a: &[f32], b: &[f32]| {
                    a.iter()
                        .zip(b)
                        .map(|(a, b)| f64::from(a - b).powi(2))
                        .sum::<f64>()
                        .sqrt()
                };
                let (apart, moved) = (length(&end, &theirs), length(&start, &theirs));
                println!(
                    "{loss:?}, {batches} batches: apart {apart:.2e}, moved {moved:.2e}, ratio {:.1e}",
                    apart / moved
                );
                assert!(apart <= 1e-4 * moved);
            }
        }
    }

    #[test]
    fn it_evaluates_as_an_ordinary_tch_program_does() {
        let splits = load("synthetic:train=2400,test=3200");
        let spec = spec(ModelKind::Mlp, Loss::CrossEntropy, &splits.train);
        let mut ours = trainer(&spec, DeviceChoice::Cpu, 1).unwrap();
        let end = update(&mut *ours, &splits.train, &spec.initial(1), 0..75);
        let judged = ours.evaluate(&end, &splits.test).unwrap();
        let plain = Plain::new(&end, 784, 10, Loss::CrossEntropy);
        let (mut loss, mut accuracy, mut probability) = (0.0, 0.0, 0.0);
        for index in 0..100 {
            let batch = splits.test.batch(index, 32).unwrap();
            let outputs = plain.outputs(&batch).detach();
            let labels = Tensor::from_slice(batch.y()).to_kind(Kind::Int64);
            loss += outputs.cross_entropy_for_logits(&labels).double_value(&[]) / 100.0;
            accuracy += outputs.accuracy_for_logits(&labels).double_value(&[]) / 100.0;
            let chosen = outputs
                .softmax(-1, Kind::Float)
                .gather(1, &labels.view([32, 1]), false);
            probability += chosen.mean(Kind::Double).double_value(&[]) / 100.0;
        }
        println!("{judged:?}");
        assert!((judged.loss - loss).abs() < 1e-4, "loss {loss}");
        assert!(
            (judged.accuracy - accuracy).abs() < 1e-6,
            "accuracy {accuracy}"
        );
        assert!(
            (judged.true_class_probability - probability).abs() < 1e-5,
            "probability {probability}"
        );
    }

    /// With one thread, the same parameters and batches give the same bits, whatever the trainer did
    /// before and in between.
    #[test]
    fn the_same_training_gives_the_same_bits() {
        let splits = load("synthetic:train=3200,test=1000");
        let spec = spec(ModelKind::Mlp, Loss::CrossEntropy, &splits.train);
        let start = spec.initial(1);
        let bits = |p: &[f32]| p.iter().map(|p| p.to_bits()).collect::<Vec<_>>();
        let mut one = trainer(&spec, DeviceChoice::Cpu, 1).unwrap();
        let first = update(&mut *one, &splits.train, &start, 0..100);
        let other = update(&mut *one, &splits.train, &start, 50..100);
        let mut two = trainer(&spec, DeviceChoice::Auto, 1).unwrap();
        two.begin(&start).unwrap();
        let mut second = Vec::new();
        for index in 0..100 {
            if index == 30 {
                let judged = two.evaluate(&other, &splits.test).unwrap();
                assert_eq!(judged, one.evaluate(&other, &splits.test).unwrap());
            }
            two.step(&splits.train.batch(index, 32).unwrap()).unwrap();
        }
        two.finish(&mut second).unwrap();
        assert_eq!(bits(&first), bits(&second));
        assert_ne!(bits(&first), bits(&other));
        let cycles = || simulate(&spec, &splits, &[10, 60, 30], 2);
        assert_eq!(bits(&cycles()[1].1), bits(&cycles()[1].1));
    }

    #[test]
    fn it_learns_in_cycles_with_either_loss() {
        let splits = load("synthetic:train=12800,test=1000");
        for (loss, bar) in [(Loss::CrossEntropy, 0.9), (Loss::ThesisSoftmax, 0.8)] {
            let cycles = simulate(
                &spec(ModelKind::Mlp, loss, &splits.train),
                &splits,
                &[20, 200, 80, 100],
                6,
            );
            let (last, _) = cycles.last().unwrap();
            println!("{loss:?}: {last:?}");
            assert!(last.accuracy > bar, "{loss:?}: {last:?}");
        }
    }

    /// The whole experiment except the network: `cargo test -p runtime --release --test train
    /// mnist -- --ignored --nocapture`, a few minutes; mnist must have been fetched.
    #[test]
    #[ignore = "takes minutes, and needs mnist"]
    fn mnist_is_learnt_in_eighty_cycles() {
        mnist(Loss::CrossEntropy, 0.97);
    }

    #[test]
    #[ignore = "takes minutes, and needs mnist"]
    fn mnist_is_learnt_with_the_loss_of_the_thesis() {
        mnist(Loss::ThesisSoftmax, 0.965);
    }

    fn mnist(loss: Loss, bar: f64) {
        let splits = load("mnist");
        // Very unequal, equal and unequal numbers of batches, as different fees lead to.
        for lots in [
            [1845, 10, 10, 10],
            [469, 469, 469, 468],
            [700, 400, 600, 175],
        ] {
            assert_eq!(lots.iter().sum::<u64>(), splits.train.batches(32));
            let spec = spec(ModelKind::Mlp, loss, &splits.train);
            let cycles = simulate(&spec, &splits, &lots, 80);
            for number in [1, 10, 20, 40, 80] {
                println!(
                    "{loss:?}, lots {lots:?}, cycle {number}: {:?}",
                    cycles[number - 1].0
                );
            }
            assert!(cycles[79].0.accuracy >= bar);
        }
    }
}
