//! A result as it comes in: checked piece by piece, and kept.
//!
//! **What it does not know:** the results of other workers.

use std::path::Path;

use super::kept::{Keeping, Kept};
use super::refusal::Refusal;
use crate::model::{Wire, unpack_into};

/// A good size for a piece in bytes, a multiple of that of a parameter: large enough for a call of the
/// system, small enough for the cache.
pub(crate) const PIECE: usize = 1 << 20;

/// Parameters that passed what can be checked of them alone.
#[derive(Clone, Debug)]
pub struct Update {
    pub(super) kept: Kept,
    pub(super) parameters: usize,
    /// Euclidean length of the difference to the model that it was made from.
    pub(super) norm: f64,
}

/// What a result is checked by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) parameters: usize,
    pub(super) wire: Wire,
    /// No step of the optimiser moves a parameter by more, if that is known.
    pub(super) step: Option<f64>,
    pub(super) steps: u64,
}

/// A result under way.
#[derive(Debug)]
pub(crate) struct Intake {
    bounds: Bounds,
    /// None once it is of no use to keep any more of it.
    keeping: Option<Keeping>,
    /// Parameters that came.
    came: usize,
    bytes: usize,
    squares: f64,
    not_finite: Option<Refusal>,
    out_of_reach: Option<Refusal>,
    not_kept: Option<Refusal>,
    /// The parameters of a piece.
    piece: Vec<f32>,
}

impl Intake {
    /// Kept in a file of the folder, or in memory if there is none.
    pub(super) fn new(bounds: Bounds, folder: Option<&Path>) -> Self {
        let keeping = match folder {
            None => Ok(Keeping::in_memory(bounds.parameters)),
            Some(folder) => Keeping::in_file(folder),
        };
        let why = keeping.as_ref().err().map(std::io::Error::kind);
        Self {
            bounds,
            keeping: keeping.ok(),
            came: 0,
            bytes: 0,
            squares: 0.0,
            not_finite: None,
            out_of_reach: None,
            not_kept: why.map(|why| Refusal::NotKept { why }),
            piece: Vec::new(),
        }
    }

    /// Takes the next piece, of whole parameters. `global` is all of the model that the worker began with.
    pub(crate) fn take(&mut self, bytes: &[u8], global: &[f32]) {
        assert_eq!(
            global.len(),
            self.bounds.parameters,
            "the model has this layout"
        );
        self.bytes += bytes.len();
        let is_whole = unpack_into(bytes, self.bounds.wire, &mut self.piece);
        let end = self.came + self.piece.len();
        if !is_whole || end > global.len() {
            self.keeping = None; // of another length
            return;
        }
        self.check(&global[self.came..end]);
        self.came = end;
        if self.not_finite.is_some() || self.out_of_reach.is_some() {
            self.keeping = None;
        }
        if let Some(keeping) = &mut self.keeping
            && let Err(error) = keeping.add(&self.piece)
        {
            let why = error.kind();
            self.keeping = None;
            self.not_kept = Some(Refusal::NotKept { why });
        }
    }

    /// All that was sent has come.
    pub(crate) fn finish(self) -> Result<Update, Refusal> {
        let expected = self
            .bounds
            .parameters
            .saturating_mul(self.bounds.wire.size());
        if self.bytes != expected {
            let found = self.bytes;
            return Err(Refusal::Length { expected, found });
        }
        let refusal = self.not_finite.or(self.out_of_reach).or(self.not_kept);
        match (refusal, self.keeping) {
            (None, Some(keeping)) => Ok(Update {
                kept: keeping.whole(),
                parameters: self.came,
                norm: self.squares.sqrt(),
            }),
            (Some(refusal), _) => Err(refusal),
            // A piece ended within a parameter, which only our own side can do.
            (None, None) => Err(Refusal::Length {
                expected,
                found: self.came,
            }),
        }
    }

    /// Checks a piece against the same part of the model; the first fault of a kind counts.
    fn check(&mut self, global: &[f32]) {
        let Bounds {
            wire, step, steps, ..
        } = self.bounds;
        if wire != Wire::F32 {
            let pairs = self.piece.iter_mut().zip(global);
            pairs.for_each(|(new, old)| *new += old);
        }
        if self.not_finite.is_none()
            && let Some(index) = self.piece.iter().position(|p| !p.is_finite())
        {
            self.not_finite = Some(Refusal::NotFinite {
                index: self.came + index,
                value: self.piece[index],
            });
        }
        let moved = |(new, old): (&f32, &f32)| (f64::from(*new) - f64::from(*old)).abs();
        if let (Some(step), None) = (step, self.out_of_reach) {
            // Each step is rounded once, and a difference of 16 bits as well.
            let rounded = if wire == Wire::F32 {
                1.0
            } else {
                1.0 + 1.0 / 128.0
            };
            let reach = step * steps as f64 * rounded;
            let pairs = self.piece.iter().zip(global).enumerate();
            for (index, (new, old)) in pairs {
                let size = f64::from(old.abs()) + reach;
                let bound = reach + size * f64::from(f32::EPSILON) * steps as f64;
                let moved = moved((new, old));
                if moved > bound {
                    self.out_of_reach = Some(Refusal::OutOfReach {
                        index: self.came + index,
                        moved,
                        bound,
                        steps,
                    });
                    break;
                }
            }
        }
        let squares = self
            .piece
            .iter()
            .zip(global)
            .map(|pair| moved(pair).powi(2));
        self.squares = squares.fold(self.squares, |sum, square| sum + square);
    }
}
