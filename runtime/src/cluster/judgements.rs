//! How good the model was after each cycle, in a file with a place for each cycle.
//!
//! Models are judged in any order, some never, and a run may have a million cycles: the file takes
//! them as they come, and holds nothing in memory but the first and the last. A run that is resumed
//! goes on with it.
//!
//! **What it does not know:** models, and what becomes of the judgements.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::train::Evaluation;

/// What it is called in the folder of a run.
pub(crate) const FILE: &str = "judgements.bin";

/// Bytes of a cycle's place: 1 if it was judged, then three 64-bit floats, all little-endian.
const PLACE: usize = 32;

/// The judgements of a run so far.
#[derive(Debug)]
pub(crate) struct Judgements {
    file: File,
    first: Option<(u32, Evaluation)>,
    last: Option<(u32, Evaluation)>,
}

impl Judgements {
    /// Goes on with those in a folder up to a cycle; begins with none if there is no such cycle.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn open(folder: &Path, up_to: Option<u32>) -> io::Result<Self> {
        let mut file = OpenOptions::new();
        let file = file.read(true).write(true).create(true).truncate(false);
        let file = file.open(folder.join(FILE))?;
        let kept = up_to.map_or(0, |cycle| place(cycle + 1));
        file.set_len(file.metadata()?.len().min(kept))?;
        let mut judgements = Self {
            file,
            first: None,
            last: None,
        };
        let (mut first, mut last) = (None, None);
        judgements.each(0..=up_to.unwrap_or(0), |cycle, judged| {
            if let Some(judged) = judged {
                first.get_or_insert_with(|| (cycle, judged.clone()));
                last = Some((cycle, judged));
            }
            Ok(())
        })?;
        (judgements.first, judgements.last) = (first, last);
        Ok(judgements)
    }

    /// Adds the one of a cycle.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn add(&mut self, cycle: u32, judged: &Evaluation) -> io::Result<()> {
        if self.first.as_ref().is_none_or(|(first, _)| cycle <= *first) {
            self.first = Some((cycle, judged.clone()));
        }
        if self.last.as_ref().is_none_or(|(last, _)| cycle >= *last) {
            self.last = Some((cycle, judged.clone()));
        }
        let mut bytes = [0; PLACE];
        bytes[0] = 1;
        let values = [judged.loss, judged.accuracy, judged.true_class_probability];
        for (place, value) in bytes[8..].chunks_exact_mut(8).zip(values) {
            place.copy_from_slice(&value.to_le_bytes());
        }
        self.file.seek(SeekFrom::Start(place(cycle)))?;
        self.file.write_all(&bytes)
    }

    /// Of the earliest cycle that was judged.
    pub(crate) fn first(&self) -> Option<&Evaluation> {
        self.first.as_ref().map(|(_, judged)| judged)
    }

    /// Of the latest one.
    pub(crate) fn last(&self) -> Option<&Evaluation> {
        self.last.as_ref().map(|(_, judged)| judged)
    }

    /// Goes through cycles in their order.
    ///
    /// # Errors
    /// When the file cannot be read, or what is called fails.
    pub(crate) fn each(
        &self,
        cycles: impl IntoIterator<Item = u32>,
        mut take: impl FnMut(u32, Option<Evaluation>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut reader = BufReader::new(&self.file);
        let mut next = None;
        for cycle in cycles {
            if next != Some(cycle) {
                reader.seek(SeekFrom::Start(place(cycle)))?;
            }
            next = cycle.checked_add(1);
            let mut bytes = [0; PLACE];
            let judged = match reader.read_exact(&mut bytes) {
                Ok(()) if bytes[0] == 1 => Some(evaluation(&bytes)),
                Ok(()) => None,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
                Err(error) => return Err(error),
            };
            take(cycle, judged)?;
        }
        Ok(())
    }
}

fn place(cycle: u32) -> u64 {
    u64::from(cycle) * PLACE as u64
}

fn evaluation(bytes: &[u8; PLACE]) -> Evaluation {
    let value = |at: usize| {
        let mut value = [0; 8];
        value.copy_from_slice(&bytes[at..at + 8]);
        f64::from_le_bytes(value)
    };
    Evaluation {
        loss: value(8),
        accuracy: value(16),
        true_class_probability: value(24),
        others: BTreeMap::new(), // these are not kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(loss: f64) -> Evaluation {
        Evaluation {
            loss,
            accuracy: 0.5,
            true_class_probability: 0.1,
            others: BTreeMap::new(),
        }
    }

    fn losses(judgements: &Judgements, cycles: u32) -> Vec<Option<f64>> {
        let mut losses = Vec::new();
        let take = |_, judged: Option<Evaluation>| {
            losses.push(judged.map(|judged| judged.loss));
            Ok(())
        };
        judgements.each(0..=cycles, take).expect("it is there");
        losses
    }

    #[test]
    fn they_come_in_any_order_and_a_resumed_run_goes_on_with_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut before = Judgements::open(folder.path(), None).expect("a file");
        for cycle in [2, 4, 0, 3] {
            before
                .add(cycle, &judged(f64::from(cycle)))
                .expect("it is written");
        }
        let all = [Some(0.0), None, Some(2.0), Some(3.0), Some(4.0), None];
        assert_eq!(losses(&before, 5), all);
        assert_eq!(before.last().map(|judged| judged.loss), Some(4.0));
        drop(before);
        let mut after = Judgements::open(folder.path(), Some(3)).expect("a file");
        assert_eq!(losses(&after, 4), [all[0], all[1], all[2], all[3], None]);
        assert_eq!(after.first().map(|judged| judged.loss), Some(0.0));
        assert_eq!(after.last().map(|judged| judged.loss), Some(3.0));
        after.add(4, &judged(9.0)).expect("it is written");
        assert_eq!(losses(&after, 4)[4], Some(9.0));
        drop(after);
        let anew = Judgements::open(folder.path(), None).expect("a file");
        assert_eq!(losses(&anew, 4), [None; 5]);
        assert!(anew.first().is_none() && anew.last().is_none());
    }
}
