//! The checks and the average of one model.

use std::path::PathBuf;

use scheduler::machine::{SessionId, WorkerId};

use super::combine::{Unreadable, combine, median};
use super::intake::{Bounds, Intake, Update};
use super::refusal::{NORM_FACTOR, Refusal};
use super::rule::Rule;
use crate::model::{Layout, Wire};

/// With fewer results there is no majority that could tell which one is far off.
pub const LEAST_FOR_NORM: usize = 3;

/// From this many bytes of parameters on, results are kept in files: of smaller ones a hundred
/// workers' results fit into memory, and a file would only cost time.
const IN_FILES_FROM: usize = 16 << 20;

/// One worker's result of a cycle.
#[derive(Clone, Debug)]
pub struct Contribution {
    /// Whose it is.
    pub worker: WorkerId,
    /// The session in which it was ordered: the worker may have left, or come back, since.
    pub session: SessionId,
    /// Batches that count, as the scheduler accepted them.
    pub weight: u64,
    /// The parameters.
    pub update: Update,
}

/// What came of a cycle.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// The new parameters; none if nothing counted, and the old ones stay.
    pub parameters: Option<Vec<f32>>,
    /// The results that were too far off, in the order of the workers.
    pub refused: Vec<(WorkerId, SessionId, Refusal)>,
}

/// Checks and averages the parameters of one model.
#[derive(Clone, Debug)]
pub struct Average {
    parameters: usize,
    wire: Wire,
    rule: Rule,
    step: Option<f64>,
    folder: PathBuf,
    in_files_from: usize,
}

impl Average {
    /// For parameters of this layout, that are sent in this way. No step of their optimiser moves a
    /// parameter by more than `step`, if that is known.
    #[must_use]
    pub fn new(layout: &Layout, rule: Rule, wire: Wire, step: Option<f64>) -> Self {
        Self {
            parameters: layout.parameter_count(),
            wire,
            rule,
            step,
            folder: std::env::temp_dir(),
            in_files_from: IN_FILES_FROM,
        }
    }

    /// Large results are kept in this folder, and not in the system's for temporary files.
    #[must_use]
    pub(crate) fn keeping_in(mut self, folder: PathBuf) -> Self {
        self.folder = folder;
        self
    }

    /// Results of this many bytes of parameters are large.
    #[cfg(test)]
    fn in_files_from(mut self, bytes: usize) -> Self {
        self.in_files_from = bytes;
        self
    }

    /// The bytes of parameters that are sent.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.parameters.saturating_mul(self.wire.size())
    }

    /// Whether results are kept in files.
    pub(crate) fn is_large(&self) -> bool {
        self.parameters.saturating_mul(4) >= self.in_files_from
    }

    /// Checks what a worker sent after at most this number of steps against `global`, the model that it
    /// began with: with 16 bits, the difference to it. It is kept in memory.
    pub fn check(&self, bytes: &[u8], global: &[f32], steps: u64) -> Result<Update, Refusal> {
        let (expected, found) = (self.wire_len(), bytes.len());
        if found != expected {
            return Err(Refusal::Length { expected, found });
        }
        let mut intake = Intake::new(self.bounds(steps), None);
        intake.take(bytes, global);
        intake.finish()
    }

    /// The same for what comes piece by piece. A large result is kept in a file.
    pub(crate) fn intake(&self, steps: u64) -> Intake {
        let folder = self.is_large().then_some(self.folder.as_path());
        Intake::new(self.bounds(steps), folder)
    }

    fn bounds(&self, steps: u64) -> Bounds {
        Bounds {
            parameters: self.parameters,
            wire: self.wire,
            step: self.step,
            steps,
        }
    }

    /// Averages a cycle's results, in whatever order they came.
    ///
    /// With [`LEAST_FOR_NORM`] results or more, one is refused whose update is longer than
    /// [`NORM_FACTOR`] times the median of all, or that times its batches over the median of all
    /// batches if it did more of them: a path is at most as long as its steps together, so more batches
    /// allow a longer update, and fewer do not demand a shorter one.
    ///
    /// One that cannot be read back is refused too.
    ///
    /// # Panics
    ///
    /// If a worker has two results: the driver takes one per cycle.
    #[must_use]
    pub fn merge(&self, results: Vec<Contribution>) -> Merged {
        self.merge_all(&results)
    }

    /// The same; letting go of large results takes time, and is the caller's.
    pub(crate) fn merge_all(&self, results: &[Contribution]) -> Merged {
        let counts = |result: &&Contribution| result.weight > 0;
        let mut results: Vec<&Contribution> = results.iter().filter(counts).collect();
        results.sort_by_key(|result| result.worker);
        let workers = results.windows(2);
        for pair in workers {
            assert_ne!(
                pair[0].worker, pair[1].worker,
                "one result per worker and cycle"
            );
        }
        let mut refused = Vec::new();
        if results.len() >= LEAST_FOR_NORM {
            let norm = median(results.iter().map(|result| result.update.norm).collect());
            let weight = median(results.iter().map(|result| result.weight as f64).collect());
            results.retain(|result| {
                let bound = NORM_FACTOR * norm * (result.weight as f64 / weight).max(1.0);
                let fits = result.update.norm <= bound;
                if !fits {
                    let norm = result.update.norm;
                    let refusal = Refusal::TooFar { norm, bound };
                    refused.push((result.worker, result.session, refusal));
                }
                fits
            });
        }
        let mut parameters = None;
        while !results.is_empty() && parameters.is_none() {
            let vectors: Vec<_> = results
                .iter()
                .map(|result| (result.weight, &result.update.kept))
                .collect();
            match combine(self.rule, &vectors, results[0].update.parameters) {
                Ok(combined) => parameters = Some(combined),
                Err(Unreadable { at, error }) => {
                    let result = results.remove(at);
                    let why = error.kind();
                    refused.push((result.worker, result.session, Refusal::NotKept { why }));
                }
            }
        }
        refused.sort_by_key(|(worker, ..)| *worker);
        Merged {
            parameters,
            refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::average::intake::Intake;
    use crate::model::{TensorShape, pack, unpack};

    fn average(rule: &str, wire: Wire, count: usize, step: Option<f64>) -> Average {
        let layout = Layout::of(vec![TensorShape {
            name: "all".to_owned(),
            dimensions: vec![count],
        }]);
        Average::new(&layout, rule.parse().expect("a rule"), wire, step).in_files_from(0)
    }

    /// In pieces of this number of parameters.
    fn taken(
        mut intake: Intake,
        bytes: &[u8],
        global: &[f32],
        size: usize,
    ) -> Result<Update, Refusal> {
        bytes
            .chunks(size)
            .for_each(|piece| intake.take(piece, global));
        intake.finish()
    }

    fn of(worker: u32, weight: u64, update: Update) -> Contribution {
        Contribution {
            worker: WorkerId::new(worker),
            session: SessionId::new(worker),
            weight,
            update,
        }
    }

    fn bits(all: &[f32]) -> Vec<u32> {
        all.iter().map(|parameter| parameter.to_bits()).collect()
    }

    proptest! {
        /// Results that came in pieces and lie in files give the model of whole vectors in memory.
        #[test]
        fn files_and_pieces_change_no_bit(
            (global, results) in (1_usize..60).prop_flat_map(|count| {
                let vector = || prop::collection::vec(-10_f32..10.0, count);
                (vector(), prop::collection::vec((1_u64..1_000, vector()), 1..6))
            }),
            size in 1_usize..70,
        ) {
            for wire in [Wire::F32, Wire::Bf16, Wire::F16] {
                let sent: Vec<Vec<u8>> = results.iter().map(|(_, all)| pack(all, wire)).collect();
                let total: f64 = results.iter().map(|(weight, _)| *weight as f64).sum();
                let mut sums = vec![0.0_f64; global.len()];
                for ((weight, _), bytes) in results.iter().zip(&sent) {
                    let all = unpack(bytes, wire).expect("whole numbers");
                    for ((sum, new), old) in sums.iter_mut().zip(all).zip(&global) {
                        let new = if wire == Wire::F32 { new } else { new + old };
                        *sum += *weight as f64 * f64::from(new);
                    }
                }
                let mean: Vec<f32> = sums.iter().map(|sum| (sum / total) as f32).collect();
                for rule in ["mean", "median", "trimmed:0.25"] {
                    let average = average(rule, wire, global.len(), None);
                    let contributions = |update: &dyn Fn(&[u8]) -> Result<Update, Refusal>| {
                        let all = (0..).zip(&results).zip(&sent);
                        all.map(|((worker, (weight, _)), bytes)| {
                            of(worker, *weight, update(bytes).expect("fit"))
                        }).collect::<Vec<_>>()
                    };
                    let whole = contributions(&|bytes| average.check(bytes, &global, 1));
                    let size = size * wire.size();
                    let kept = contributions(&|bytes| taken(average.intake(1), bytes, &global, size));
                    for (whole, kept) in whole.iter().zip(&kept) {
                        prop_assert_eq!(whole.update.norm.to_bits(), kept.update.norm.to_bits());
                    }
                    let (whole, kept) = (average.merge(whole), average.merge(kept));
                    prop_assert_eq!(&whole.refused, &kept.refused);
                    let is_all = kept.refused.is_empty();
                    let whole = whole.parameters.expect("some count");
                    let kept = kept.parameters.expect("some count");
                    prop_assert_eq!(bits(&whole), bits(&kept));
                    if rule == "mean" && is_all {
                        prop_assert_eq!(bits(&kept), bits(&mean));
                    }
                }
            }
        }

        /// In pieces the same is refused, for the same reason, as in one.
        #[test]
        fn pieces_are_refused_as_the_whole_is(
            sent in prop::collection::vec(
                prop_oneof![5 => -1_f32..1.0, 1 => Just(f32::NAN), 1 => Just(9.0)], 0..12),
            cut in 0_usize..3,
            size in 1_usize..12,
        ) {
            let average = average("mean", Wire::F32, 8, Some(1.5));
            let bytes = pack(&sent, Wire::F32);
            let bytes = &bytes[..bytes.len().saturating_sub(cut)];
            let whole = average.check(bytes, &[0.0; 8], 1).map(|update| update.norm);
            let pieces = taken(average.intake(1), bytes, &[0.0; 8], 4 * size).map(|update| update.norm);
            prop_assert_eq!(whole.map_err(|why| why.to_string()), pieces.map_err(|why| why.to_string()));
        }
    }

    #[test]
    fn one_that_cannot_be_kept_is_refused() {
        let average = average("mean", Wire::F32, 2, None).keeping_in("/nowhere".into());
        let update = taken(average.intake(1), &[0; 8], &[0.0; 2], 4);
        let why = update.expect_err("there is no such folder").to_string();
        assert_eq!(why, "it cannot be kept in a file: entity not found");
    }

    /// Nothing of it is to be seen, not even while it is there.
    #[test]
    fn a_kept_result_has_no_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let average = average("mean", Wire::F32, 2, None).keeping_in(folder.path().to_owned());
        let update = taken(average.intake(1), &[0; 8], &[0.0; 2], 4).expect("fit");
        let files = |path: &Path| std::fs::read_dir(path).expect("a folder").count();
        assert_eq!(files(folder.path()), 0);
        assert_eq!(
            average.merge(vec![of(1, 1, update)]).parameters,
            Some(vec![0.0; 2])
        );
    }
}
