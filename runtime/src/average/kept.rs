//! The parameters of a result until the cycle ends: in memory, or in a file without a name.
//!
//! Such a file is gone when the process is, however it ends. What was written lies in the system's cache as
//! long as there is room, so reading it back costs a copy and no disk.
//!
//! **What it does not know:** whose parameters they are.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use data_encoding::HEXLOWER;

use crate::files::PRIVATE;
use crate::random::random;

/// Parameters that are whole. A copy of them is the same file.
#[derive(Clone, Debug)]
pub(super) enum Kept {
    /// As they are.
    Memory(Vec<f32>),
    /// In a file, with the bytes of this machine.
    File(Arc<File>),
}

impl Kept {
    /// Some of the parameters, from this place on; `buffer` has them if they are read from a file.
    ///
    /// # Errors
    /// When the system cannot read them back.
    pub(super) fn part<'a>(
        &'a self,
        from: usize,
        count: usize,
        buffer: &'a mut Vec<f32>,
    ) -> io::Result<&'a [f32]> {
        match self {
            Self::Memory(all) => Ok(&all[from..from + count]),
            Self::File(file) => {
                buffer.resize(count, 0.0);
                file.read_exact_at(bytemuck::cast_slice_mut(buffer), from as u64 * 4)?;
                Ok(buffer)
            }
        }
    }
}

/// Parameters that come in one after the other.
#[derive(Debug)]
pub(super) enum Keeping {
    Memory(Vec<f32>),
    File { file: File, written: u64 },
}

impl Keeping {
    /// For this number of parameters, in memory.
    pub(super) fn in_memory(count: usize) -> Self {
        Self::Memory(Vec::with_capacity(count))
    }

    /// In a file of a folder.
    ///
    /// # Errors
    /// When the system makes none there.
    pub(super) fn in_file(folder: &Path) -> io::Result<Self> {
        let file = nameless(folder)?;
        Ok(Self::File { file, written: 0 })
    }

    /// # Errors
    /// When there is no room for them.
    pub(super) fn add(&mut self, some: &[f32]) -> io::Result<()> {
        match self {
            Self::Memory(all) => all.extend_from_slice(some),
            Self::File { file, written } => {
                let bytes: &[u8] = bytemuck::cast_slice(some);
                file.write_all_at(bytes, *written)?;
                *written += bytes.len() as u64;
            }
        }
        Ok(())
    }

    pub(super) fn whole(self) -> Kept {
        match self {
            Self::Memory(all) => Kept::Memory(all),
            Self::File { file, .. } => Kept::File(Arc::new(file)),
        }
    }
}

/// A file that has no name, so that nothing is left of it.
fn nameless(folder: &Path) -> io::Result<File> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{Mode, OFlags, open};
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        if let Ok(file) = open(folder, flags, Mode::RUSR | Mode::WUSR) {
            return Ok(file.into());
        }
        // Not all file systems can: there it has a name for a moment.
    }
    let name = format!("result-{}.partial", HEXLOWER.encode(&random::<8>()?));
    let path = folder.join(name);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(PRIVATE)
        .open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_an_error() {
        let full = OpenOptions::new().write(true).open("/dev/full");
        let file = full.expect("it is there");
        let mut keeping = Keeping::File { file, written: 0 };
        let error = keeping.add(&[1.0]).expect_err("it is full");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn parts_come_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut keeping = Keeping::in_file(folder.path()).expect("a file");
        for some in [&[1.0, -0.0][..], &[], &[f32::MAX]] {
            keeping.add(some).expect("there is room");
        }
        let kept = keeping.whole();
        let mut buffer = vec![7.0; 9];
        assert_eq!(
            kept.part(1, 2, &mut buffer).expect("read"),
            [-0.0, f32::MAX]
        );
        assert!(kept.part(1, 3, &mut buffer).is_err(), "there are no more");
        let copy = kept.clone();
        drop(kept);
        assert_eq!(copy.part(0, 1, &mut buffer).expect("read"), [1.0]);
    }
}
