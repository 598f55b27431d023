//! Many vectors of parameters become one, piece by piece: what is read back from files is not held whole.
//!
//! Threads share the parameters among them. Each parameter is computed alone and in the order of the
//! vectors, so neither the pieces nor the threads change a bit.
//!
//! **What it does not know:** which results count.

use std::io;
use std::thread;

use super::kept::Kept;
use super::rule::Rule;

/// Parameters of a vector at a time: with its sums, a piece stays in the cache of a core.
const PIECE: usize = 1 << 16;
/// Parameters of all vectors at a time, if each one's values have to be compared.
const COMPARED: usize = 1 << 20;
/// Fewer parameters than this are not worth a thread.
const PER_THREAD: usize = 1 << 20;
/// More threads than this wait for memory.
const THREADS: usize = 4;

/// A vector could not be read back.
#[derive(Debug)]
pub(super) struct Unreadable {
    /// Which.
    pub(super) at: usize,
    pub(super) error: io::Error,
}

/// Combines vectors of this number of parameters, with these weights; there is at least one.
///
/// # Errors
/// The first that cannot be read.
pub(super) fn combine(
    rule: Rule,
    vectors: &[(u64, &Kept)],
    count: usize,
) -> Result<Vec<f32>, Unreadable> {
    combine_in(rule, vectors, count, (PIECE, threads(count)))
}

/// How many threads share work on each of this number of parameters.
pub(crate) fn threads(parameters: usize) -> usize {
    let most = thread::available_parallelism().map_or(1, usize::from);
    (parameters / PER_THREAD).clamp(1, most.min(THREADS))
}

/// The same in pieces of this size at most, by this number of threads.
fn combine_in(
    rule: Rule,
    vectors: &[(u64, &Kept)],
    count: usize,
    (piece, threads): (usize, usize),
) -> Result<Vec<f32>, Unreadable> {
    let mut merged = vec![0.0; count];
    let share = count.div_ceil(threads).max(1);
    if share >= count {
        fill(rule, vectors, 0, &mut merged, piece)?;
        return Ok(merged);
    }
    thread::scope(|scope| {
        let shares = merged.chunks_mut(share).enumerate();
        let started: Vec<_> = shares
            .map(|(at, part)| scope.spawn(move || fill(rule, vectors, at * share, part, piece)))
            .collect();
        let ended = started.into_iter().map(|thread| match thread.join() {
            Ok(filled) => filled,
            Err(panic) => std::panic::resume_unwind(panic), // a bug of ours, told by itself
        });
        ended.collect::<Result<(), Unreadable>>()
    })?;
    Ok(merged)
}

/// Computes some of the parameters, from this place on.
fn fill(
    rule: Rule,
    vectors: &[(u64, &Kept)],
    from: usize,
    part: &mut [f32],
    piece: usize,
) -> Result<(), Unreadable> {
    match rule {
        Rule::Mean => mean(vectors, from, part, piece),
        Rule::Median => by_parameter(vectors, from, part, piece, |values| middle(values) as f32),
        Rule::Trimmed(share) => {
            let cut = share.of(vectors.len());
            by_parameter(vectors, from, part, piece, |values| {
                let kept = &values[cut..values.len() - cut];
                (kept.iter().sum::<f64>() / kept.len() as f64) as f32
            })
        }
    }
}

fn mean(
    vectors: &[(u64, &Kept)],
    from: usize,
    part: &mut [f32],
    piece: usize,
) -> Result<(), Unreadable> {
    let total: f64 = vectors.iter().map(|(weight, _)| *weight as f64).sum();
    let mut sums = vec![0.0; piece.min(part.len())];
    let mut buffer = Vec::new();
    for (number, part) in part.chunks_mut(piece).enumerate() {
        let sums = &mut sums[..part.len()];
        sums.fill(0.0);
        for (at, (weight, kept)) in vectors.iter().enumerate() {
            let some = kept.part(from + number * piece, part.len(), &mut buffer);
            let some = some.map_err(|error| Unreadable { at, error })?;
            let weight = *weight as f64;
            for (sum, parameter) in sums.iter_mut().zip(some) {
                *sum += weight * f64::from(*parameter);
            }
        }
        for (parameter, sum) in part.iter_mut().zip(sums) {
            *parameter = (*sum / total) as f32;
        }
    }
    Ok(())
}

/// Combines each parameter's values once they are in order of size.
fn by_parameter(
    vectors: &[(u64, &Kept)],
    from: usize,
    part: &mut [f32],
    piece: usize,
    combine: impl Fn(&[f64]) -> f32,
) -> Result<(), Unreadable> {
    let piece = piece.min(COMPARED / vectors.len()).max(1);
    let mut buffers = vec![Vec::new(); vectors.len()];
    let mut values = vec![0.0; vectors.len()];
    for (number, part) in part.chunks_mut(piece).enumerate() {
        let read = vectors.iter().zip(&mut buffers).enumerate();
        let some = read.map(|(at, ((_, kept), buffer))| {
            let some = kept.part(from + number * piece, part.len(), buffer);
            some.map_err(|error| Unreadable { at, error })
        });
        let some = some.collect::<Result<Vec<&[f32]>, _>>()?;
        for (index, parameter) in part.iter_mut().enumerate() {
            for (value, some) in values.iter_mut().zip(&some) {
                *value = f64::from(some[index]);
            }
            values.sort_unstable_by(f64::total_cmp);
            *parameter = combine(&values);
        }
    }
    Ok(())
}

pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    middle(&values)
}

/// The middle of ordered values, halfway between two if there is none.
fn middle(values: &[f64]) -> f64 {
    let half = values.len() / 2;
    if values.len().is_multiple_of(2) {
        values[half - 1] / 2.0 + values[half] / 2.0
    } else {
        values[half]
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::kept::Keeping;
    use super::*;

    /// As the definition says, over whole vectors.
    fn reference(rule: Rule, vectors: &[(u64, Vec<f32>)], count: usize) -> Vec<f32> {
        let total: f64 = vectors.iter().map(|(weight, _)| *weight as f64).sum();
        let parameter = |index: usize| {
            let mut sum = 0.0;
            for (weight, all) in vectors {
                sum += *weight as f64 * f64::from(all[index]);
            }
            let all = vectors.iter().map(|(_, all)| f64::from(all[index]));
            let mut ordered: Vec<f64> = all.collect();
            ordered.sort_by(f64::total_cmp);
            let (n, half) = (ordered.len(), ordered.len() / 2);
            match rule {
                Rule::Mean => (sum / total) as f32,
                Rule::Median if n % 2 == 1 => ordered[half] as f32,
                Rule::Median => (ordered[half - 1] / 2.0 + ordered[half] / 2.0) as f32,
                Rule::Trimmed(share) => {
                    let cut = share.of(n);
                    let kept = &ordered[cut..n - cut];
                    (kept.iter().sum::<f64>() / kept.len() as f64) as f32
                }
            }
        };
        (0..count).map(parameter).collect()
    }

    fn in_file(all: &[f32]) -> Kept {
        let mut keeping = Keeping::in_file(&std::env::temp_dir()).expect("a file");
        for some in all.chunks(3) {
            keeping.add(some).expect("there is room");
        }
        keeping.whole()
    }

    fn bits(all: &[f32]) -> Vec<u32> {
        all.iter().map(|parameter| parameter.to_bits()).collect()
    }

    proptest! {
        /// Neither files nor pieces nor threads change a bit of what any rule gives.
        #[test]
        fn pieces_give_the_bits_of_the_whole(
            vectors in (1_usize..40).prop_flat_map(|count| {
                let vector = (1_u64..1_000, prop::collection::vec(-1e3_f32..1e3, count));
                prop::collection::vec(vector, 1..7)
            }),
            piece in 1_usize..50,
            threads in 1_usize..5,
        ) {
            let count = vectors[0].1.len();
            // Some in memory, the others in files.
            let kept: Vec<Kept> = vectors.iter().enumerate().map(|(at, (_, all))| match at % 3 {
                0 => Kept::Memory(all.clone()),
                _ => in_file(all),
            }).collect();
            let weighted: Vec<_> = vectors.iter().map(|(weight, _)| *weight).zip(&kept).collect();
            for rule in ["mean", "median", "trimmed:0", "trimmed:0.25", "trimmed:0.4"] {
                let rule: Rule = rule.parse().expect("a rule");
                let found = combine_in(rule, &weighted, count, (piece, threads)).expect("read");
                prop_assert_eq!(bits(&found), bits(&reference(rule, &vectors, count)));
            }
        }
    }

    #[test]
    fn one_that_cannot_be_read_is_named() {
        let cut_off = Kept::File(Arc::new(File::open("/dev/null").expect("it is there")));
        let whole = Kept::Memory(vec![1.0; 10]);
        for rule in [Rule::Mean, Rule::Median] {
            for threads in [1, 3] {
                let vectors = [(1, &whole), (1, &cut_off)];
                let found = combine_in(rule, &vectors, 10, (4, threads));
                assert_eq!(found.expect_err("nothing is there").at, 1);
            }
        }
    }
}
