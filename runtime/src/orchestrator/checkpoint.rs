//! The state of a run after a cycle, in one file from which it can be resumed.
//!
//! It is a safetensors file: the parameters, and the rest as JSON in its metadata. It is written under
//! another name, synced, and renamed, so that there is always a whole one.
//!
//! **What it does not know:** the job; its settings lie beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::HEXLOWER;
use results::WholeFile;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use scheduler::machine::Config;
use scheduler::{Cost, Span};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::FixedPlan;
use crate::model::{from_wire, little_endian, write_tensors};
use crate::net::PeerId;
use crate::protocol::MAX_PARAMETER_BYTES;

/// What it is called in the folder of a run.
pub(crate) const FILE: &str = "checkpoint.safetensors";

const KEY: &str = "allot";
/// The checksum of the parameters and of the rest.
const SUM: &str = "sha256";
const TENSOR: &str = "parameters";
/// The momentum of the orchestrator's own step.
const VELOCITY: &str = "velocity";
const VERSION: u32 = 5;
/// A larger file is no checkpoint: parameters, their momentum, and the rest.
const MAX_BYTES: u64 = 2 * MAX_PARAMETER_BYTES as u64 + (1 << 30);

/// The state of a run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Checkpoint {
    /// The last cycle that is over.
    pub(crate) cycle: u32,
    /// How long the cycles took, since the first began.
    pub(crate) elapsed: Span,
    /// What the cycles cost, since the first.
    pub(crate) spent: Cost,
    /// The seed of the run.
    pub(crate) seed: u64,
    /// The plan, by name.
    pub(crate) plan: Vec<(String, u64)>,
    /// The batches that each held, in order.
    pub(crate) held: Vec<(String, Vec<u64>)>,
    /// All workers, by number.
    pub(crate) names: Vec<String>,
    /// Keys that may not join again.
    pub(crate) barred: BTreeSet<PeerId>,
    /// The model, which training goes on with: a checkpoint is no copy of it.
    pub(crate) parameters: Arc<Vec<f32>>,
    /// The momentum of the orchestrator's own step; empty if it takes none.
    pub(crate) velocity: Arc<Vec<f32>>,
}

/// Why a run cannot be resumed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what it should be.
    #[error("{}: {why}, expected a checkpoint of this release", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// In which way.
        why: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    cycle: u32,
    elapsed_ns: u64,
    spent: Cost,
    seed: u64,
    plan: Vec<(String, u64)>,
    held: BTreeMap<String, Vec<u64>>,
    names: Vec<String>,
    #[serde(default)]
    barred: BTreeSet<PeerId>,
}

impl Checkpoint {
    /// Its plan, to be run again.
    pub(crate) fn plan(&self) -> FixedPlan {
        FixedPlan::of(self.plan.clone())
    }

    /// Writes it to a folder, in the place of an earlier one.
    ///
    /// # Errors
    /// When the system refuses; the earlier one is then still there.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        let written = Written {
            version: VERSION,
            cycle: self.cycle,
            elapsed_ns: self.elapsed.nanos(),
            spent: self.spent,
            seed: self.seed,
            plan: self.plan.clone(),
            held: self.held.iter().cloned().collect(),
            names: self.names.clone(),
            barred: self.barred.clone(),
        };
        let written = serde_json::to_string(&written)?;
        let (parameters, velocity) = (self.parameters.as_slice(), self.velocity.as_slice());
        let sum = checksum(
            &written,
            &little_endian(parameters),
            &little_endian(velocity),
        );
        let (count, length) = ([parameters.len()], [velocity.len()]);
        let mut tensors = vec![(TENSOR, &count[..], parameters)];
        if !velocity.is_empty() {
            tensors.push((VELOCITY, &length[..], velocity));
        }
        let metadata = BTreeMap::from([(KEY, written), (SUM, sum)]);
        let mut file = WholeFile::create(&folder.join(FILE))?;
        write_tensors(&mut file, tensors, &metadata)?;
        file.finish()?;
        // The rename itself is safe once the folder is.
        fs::File::open(folder)?.sync_all()
    }

    /// Reads that of a folder; none if no cycle was over.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>, CheckpointError> {
        let path = folder.join(FILE);
        let unreadable = |source| CheckpointError::Unreadable {
            path: path.clone(),
            source,
        };
        let length = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            metadata => metadata.map_err(unreadable)?.len(),
        };
        if length > MAX_BYTES {
            let why = format!("it has {length} bytes");
            return Err(CheckpointError::Damaged { path, why });
        }
        let bytes = fs::read(&path).map_err(unreadable)?;
        Self::parse(&bytes)
            .map(Some)
            .map_err(|why| CheckpointError::Damaged {
                path: path.clone(),
                why,
            })
    }

    /// Compares it with the job that is to go on, and with itself.
    ///
    /// # Errors
    /// The first thing that cannot be.
    pub(crate) fn check(
        &self,
        config: &Config,
        seed: u64,
        parameters: usize,
    ) -> Result<(), String> {
        let expect = |what: &str, found: u64, expected: u64| {
            if found == expected {
                return Ok(());
            }
            Err(format!("{what} is {found}, expected {expected}"))
        };
        let count = self.parameters.len();
        expect("its number of parameters", count as u64, parameters as u64)?;
        if !self.velocity.is_empty() {
            let found = self.velocity.len();
            expect("its length of momentum", found as u64, parameters as u64)?;
        }
        expect("its seed", self.seed, seed)?;
        if self.cycle == 0 || self.cycle > config.cycles {
            let (cycle, cycles) = (self.cycle, config.cycles);
            return Err(format!("its cycle is {cycle}, expected 1 to {cycles}"));
        }
        let names: BTreeSet<&str> = self.names.iter().map(String::as_str).collect();
        expect(
            "its number of different names",
            names.len() as u64,
            self.names.len() as u64,
        )?;
        let known = |name: &str| {
            let is_known = names.contains(name);
            is_known
                .then_some(())
                .ok_or_else(|| format!("its worker {name:?} has no number"))
        };
        let mut planned = BTreeSet::new();
        let mut batches = 0_u64;
        for (name, share) in &self.plan {
            known(name)?;
            if !planned.insert(name) {
                return Err(format!("its plan has {name:?} twice"));
            }
            batches = batches.saturating_add(*share);
        }
        if !self.plan.is_empty() {
            expect("the number of batches of its plan", batches, config.batches)?;
        }
        let mut held = BTreeSet::new();
        for (name, batches) in &self.held {
            known(name)?;
            for batch in batches {
                if *batch >= config.batches || !held.insert(*batch) {
                    return Err(format!(
                        "batch {batch} of {name:?} does not exist, or is held twice"
                    ));
                }
            }
        }
        Ok(())
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let words = |error: safetensors::SafeTensorError| error.to_string();
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(words)?;
        let metadata = header.metadata().as_ref();
        let text = metadata.and_then(|metadata| metadata.get(KEY));
        let text = text.ok_or("it has no state of a run")?;
        let tensors = SafeTensors::deserialize(bytes).map_err(words)?;
        let tensor = tensors.tensor(TENSOR).map_err(words)?;
        let velocity = tensors.tensor(VELOCITY).ok();
        let momentum = velocity.as_ref().map_or(&[][..], TensorView::data);
        let sum = metadata.and_then(|metadata| metadata.get(SUM));
        if let Some(sum) = sum
            && *sum != checksum(text, tensor.data(), momentum)
        {
            return Err("its checksum is that of another content".to_owned());
        }
        let written: Written = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if written.version != VERSION {
            return Err(format!(
                "its version is {}, expected {VERSION}",
                written.version
            ));
        }
        if sum.is_none() {
            return Err("it has no checksum".to_owned());
        }
        let types = std::iter::once(&tensor).chain(&velocity);
        if types.map(TensorView::dtype).any(|kind| kind != Dtype::F32) {
            return Err("its parameters are no 32-bit floats".to_owned());
        }
        let floats = |bytes| from_wire(bytes).ok_or("its parameters are cut off");
        let (parameters, velocity) = (floats(tensor.data())?, floats(momentum)?);
        if !parameters.iter().chain(&velocity).all(|x| x.is_finite()) {
            return Err("its parameters are not all finite".to_owned());
        }
        Ok(Self {
            cycle: written.cycle,
            elapsed: Span::from_nanos(written.elapsed_ns),
            spent: written.spent,
            seed: written.seed,
            plan: written.plan,
            held: written.held.into_iter().collect(),
            names: written.names,
            barred: written.barred,
            parameters: Arc::new(parameters),
            velocity: Arc::new(velocity),
        })
    }
}

/// Of everything that a checkpoint says.
fn checksum(text: &str, parameters: &[u8], velocity: &[u8]) -> String {
    let sum = Sha256::new_with_prefix(text).chain_update(parameters);
    let sum = sum.chain_update(velocity);
    HEXLOWER.encode(&sum.finalize())
}

#[cfg(test)]
mod tests {
    use scheduler::machine::Limit;

    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            cycle: 3,
            elapsed: Span::from_millis(1_250),
            spent: Cost::from_micros(12_500_000),
            seed: 7,
            plan: vec![("b".to_owned(), 2), ("a".to_owned(), 1)],
            held: vec![("a".to_owned(), vec![4]), ("b".to_owned(), vec![9, 1])],
            names: vec!["b".to_owned(), "a".to_owned()],
            barred: BTreeSet::from([PeerId::from_bytes([5; 32])]),
            parameters: Arc::new(vec![0.1, -0.0, 1e-40]),
            velocity: Arc::new(vec![1.0, 0.0, -2.5]),
        }
    }

    #[test]
    fn it_comes_back_to_the_last_bit() {
        let folder = tempfile::tempdir().expect("a folder");
        checkpoint().write(folder.path()).expect("written");
        let mut later = checkpoint();
        later.cycle = 4;
        later.write(folder.path()).expect("written again");
        let read = Checkpoint::read(folder.path())
            .expect("whole")
            .expect("it is there");
        assert_eq!(read, later);
        assert_eq!(read.parameters[1].to_bits(), (-0.0_f32).to_bits());
        let files = fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(files, 1, "nothing is left beside it");
    }

    #[test]
    fn a_damaged_one_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(Checkpoint::read(folder.path()).expect("a folder"), None);
        checkpoint().write(folder.path()).expect("written");
        let path = folder.path().join(FILE);
        let whole = fs::read(&path).expect("it is there");
        for end in 0..whole.len() {
            fs::write(&path, &whole[..end]).expect("written");
            assert!(
                Checkpoint::read(folder.path()).is_err(),
                "{end} bytes of it"
            );
        }
        // One bit is enough, wherever it is.
        for at in 0..whole.len() * 8 {
            let mut damaged = whole.clone();
            damaged[at / 8] ^= 1 << (at % 8);
            fs::write(&path, &damaged).expect("written");
            match Checkpoint::read(folder.path()) {
                // Such as a space of the padding.
                Ok(read) => assert_eq!(read, Some(checkpoint()), "bit {at}"),
                Err(error) => assert!(error.to_string().contains("expected a checkpoint")),
            }
        }
    }

    #[test]
    fn what_is_of_another_job_is_refused() {
        let mut config = Config::new(3, 5, Limit::Cycle(Span::from_millis(1)));
        config.cycles = 5;
        let sound = || Checkpoint {
            held: vec![("a".to_owned(), vec![2]), ("b".to_owned(), vec![0, 1])],
            ..checkpoint()
        };
        assert_eq!(sound().check(&config, 7, 3), Ok(()));
        let refuses = |change: &dyn Fn(&mut Checkpoint), expected: &str| {
            let mut changed = sound();
            change(&mut changed);
            let why = changed.check(&config, 7, 3).expect_err(expected);
            assert!(why.contains(expected), "{why}");
        };
        let more = |of: &mut Arc<Vec<f32>>| Arc::make_mut(of).push(0.0);
        refuses(&|c| more(&mut c.parameters), "parameters is 4, expected 3");
        refuses(&|c| more(&mut c.velocity), "momentum is 4, expected 3");
        let without = Checkpoint {
            velocity: Arc::default(),
            ..sound()
        };
        assert_eq!(without.check(&config, 7, 3), Ok(()));
        refuses(&|c| c.seed = 8, "its seed is 8");
        refuses(&|c| c.cycle = 6, "its cycle is 6");
        refuses(&|c| c.cycle = 0, "its cycle is 0");
        refuses(&|c| c.names[0] = "a".to_owned(), "different names");
        refuses(&|c| c.plan[0].0 = "c".to_owned(), "\"c\" has no number");
        refuses(&|c| c.plan[0].0 = "a".to_owned(), "\"a\" twice");
        refuses(&|c| c.plan[0].1 = u64::MAX, "batches of its plan");
        refuses(&|c| c.held[0].1 = vec![3], "batch 3");
        refuses(&|c| c.held[0].1 = vec![1], "held twice");
        refuses(&|c| c.held[0].0 = "z".to_owned(), "has no number");
    }
}
