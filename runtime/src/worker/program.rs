//! What a worker checks of a program of the user's own, and of its own data: that they are the job's,
//! and that what they say fits.
//!
//! **What it does not know:** how the program is run, and connections.

use std::sync::Arc;

use crate::data::{Batch, DataSource, Dataset};
use crate::model::{ModelKind, TensorShape};
use crate::protocol::{Brief, PLACE_BYTES, Program};
use crate::train::DeviceChoice;
use crate::trainer::TrainerCommand;

/// Whether a job can be done with a worker's own program.
///
/// # Errors
/// One line that says why not, and what to do.
pub(super) fn fits(own: Option<&TrainerCommand>, brief: &Brief) -> Result<(), String> {
    match (brief.model.kind, &brief.program, own) {
        (ModelKind::Linear | ModelKind::Mlp, _, _) => Ok(()),
        (ModelKind::Program, None, _) => Err("the job names no program that trains it".to_owned()),
        (ModelKind::Program, Some(program), None) => {
            let command = program.command.parse::<TrainerCommand>();
            let option = command.map_or_else(|_| "--trainer".to_owned(), |c| c.option());
            Err(format!(
                "the job is trained by '{}': copy its files to this machine and start the worker with \
                 {option}",
                program.command
            ))
        }
        (ModelKind::Program, Some(program), Some(own)) => match own.differs(program)? {
            None => Ok(()),
            Some(why) => Err(why),
        },
    }
}

/// Data that lies at a worker.
#[derive(Clone, Debug)]
pub(crate) struct HeldData {
    train: Arc<Dataset>,
    digest: [u8; 32],
}

impl HeldData {
    /// Looks at files once, when the worker begins.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn of(source: &DataSource) -> Result<Self, String> {
        let splits = source.load().map_err(|error| error.to_string())?;
        let digest = splits.digest().map_err(|error| error.to_string())?;
        Ok(Self {
            train: Arc::new(splits.train),
            digest,
        })
    }

    /// Batches by their places in a message.
    ///
    /// # Errors
    /// What is wrong with a place, or with a file.
    pub(super) async fn look_up(
        &self,
        places: &[u8],
        batch_size: u32,
    ) -> Result<Vec<Batch>, String> {
        let train = Arc::clone(&self.train);
        let (places, _) = places.as_chunks::<PLACE_BYTES>();
        let places: Vec<_> = places.iter().copied().map(u64::from_le_bytes).collect();
        let read = tokio::task::spawn_blocking(move || {
            let batch = |place: u64| match place < train.batches(batch_size) {
                true => train
                    .batch(place, batch_size)
                    .map_err(|error| error.to_string()),
                false => Err(format!("there is no batch {place} in its data")),
            };
            places.into_iter().map(batch).collect()
        });
        read.await.map_err(|error| error.to_string())?
    }
}

/// Whether a worker has the data of a job, if it is to have it.
///
/// # Errors
/// One line that says what is missing, and what to do.
pub(super) fn has_data(own: Option<&HeldData>, brief: &Brief) -> Result<(), String> {
    match (&brief.data, own) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(
            "the job's data is at the workers: copy the orchestrator's files to this machine and \
             name them with --data"
                .to_owned(),
        ),
        (Some(wanted), Some(own)) if *wanted == own.digest => Ok(()),
        (Some(wanted), Some(own)) => Err(format!(
            "its data has the digest {}, the job's has {}: copy the orchestrator's files to this machine",
            Program::short(&own.digest),
            Program::short(wanted)
        )),
    }
}

/// Whether a trainer that is ready trains the job's model.
///
/// # Errors
/// One line that says why not.
pub(super) fn is_ready(
    device: &str,
    tensors: Vec<TensorShape>,
    expected: u64,
) -> Result<(), String> {
    if device.parse::<DeviceChoice>().is_err() {
        return Err(format!(
            "its trainer names the device {device:?}, expected cpu or cuda:NUMBER"
        ));
    }
    let found = crate::model::Layout::of(tensors).parameter_count() as u64;
    if found != expected {
        return Err(format!(
            "its trainer has {found} parameters, the job has {expected}: the program or a library of \
             it differs from the orchestrator's"
        ));
    }
    Ok(())
}

/// Whether what a trainer gave are parameters of the job's model.
///
/// # Errors
/// One line that says why not.
pub(super) fn gave(parameters: &[u8], expected: u64) -> Result<(), String> {
    let (found, bytes) = (parameters.len(), expected.saturating_mul(4));
    if found as u64 != bytes {
        return Err(format!(
            "its trainer gave {found} bytes of parameters, expected {bytes} for {expected} parameters"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::BatchShape;
    use crate::model::{ModelSpec, TrainingOptions, Weights, Wire};

    fn brief(kind: ModelKind, program: Option<Program>) -> Brief {
        let shape = BatchShape::of_bytes(4, 6, 3, 256);
        Brief {
            run: 1,
            job: 1,
            model: ModelSpec {
                kind,
                weights: Weights::Xavier,
                options: TrainingOptions::NONE,
                shape,
            },
            parameters: 5,
            wire: Wire::F32,
            data: None,
            program,
            fee_micro: 1,
            seed: 1,
            allow_gpu: false,
        }
    }

    #[test]
    fn a_worker_does_a_job_of_its_own_program_alone() {
        let own: TrainerCommand = "sh".parse().expect("a command");
        let program = own.read().expect("there is a shell");
        let of = |program| brief(ModelKind::Program, program);
        assert_eq!(fits(None, &brief(ModelKind::Linear, None)), Ok(()));
        assert_eq!(fits(Some(&own), &brief(ModelKind::Mlp, None)), Ok(()));
        assert_eq!(fits(Some(&own), &of(Some(program.clone()))), Ok(()));
        assert!(fits(Some(&own), &of(None)).is_err());
        let why = fits(None, &of(Some(program.clone()))).expect_err("it has none");
        assert!(why.contains("--trainer 'sh'"), "{why}");
        let other = Program {
            digest: [7; 32],
            ..program.clone()
        };
        let why = fits(Some(&own), &of(Some(other))).expect_err("it has another one");
        for digest in [&program.digest, &[7; 32]] {
            assert!(why.contains(&Program::short(digest)), "{why}");
        }
    }

    #[test]
    fn a_worker_has_the_data_of_a_job_or_says_what_is_missing() {
        let held = |seed| {
            let source = format!("synthetic:train=40,test=10,seed={seed}");
            HeldData::of(&source.parse().expect("a source")).expect("it is made")
        };
        let own = held(1);
        let mut job = brief(ModelKind::Linear, None);
        assert_eq!(has_data(None, &job), Ok(()));
        job.data = Some(own.digest);
        assert_eq!(has_data(Some(&own), &job), Ok(()));
        let why = has_data(None, &job).expect_err("it has none");
        assert!(why.ends_with("with --data"), "{why}");
        let why = has_data(Some(&held(2)), &job).expect_err("it has others");
        assert!(why.contains(&Program::short(&own.digest)), "{why}");
    }

    #[test]
    fn what_does_not_fit_the_job_is_said() {
        let tensors = |dimensions: &[usize]| {
            vec![TensorShape {
                name: "w".to_owned(),
                dimensions: dimensions.to_vec(),
            }]
        };
        assert_eq!(is_ready("cpu", tensors(&[5]), 5), Ok(()));
        let why = is_ready("cpu", tensors(&[2, 3]), 5).expect_err("six");
        assert!(
            why.starts_with("its trainer has 6 parameters, the job has 5"),
            "{why}"
        );
        assert!(is_ready("mps", tensors(&[5]), 5).is_err());
        assert_eq!(gave(&[0; 20], 5), Ok(()));
        assert!(gave(&[0; 24], 5).is_err() && gave(&[], 5).is_err());
    }
}
