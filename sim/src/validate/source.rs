//! Where the tests of a comparison come from: seeded families, or a file of instances.

use std::io::BufRead;
use std::ops::Range;
use std::path::{Path, PathBuf};

use console::Stop;
use results::RunPlan;
use scenarios::{Family, Instance, Instances};
use scheduler::Case;
use xxhash_rust::xxh3::Xxh3;

use crate::solve;

/// What the tests of a file are called in tables.
pub(super) const FILE_FAMILY: &str = "file";

/// How a test of a file is replayed; its path is no part of a result.
pub(super) const REPLAY_FILE: &str =
    "sim solve FILE --first {test} --n-tests 1 --allocator {allocator}";

/// Most tests in a batch.
const MAX_BATCH: u64 = 256;

/// Workers after which a batch of a file's tests ends.
const BATCH_WORKERS: usize = 1 << 17;

/// Workers that count as one with a curve, which takes more memory.
const CURVE: usize = 64;

/// Where the tests come from.
#[derive(Clone, Debug)]
pub enum Tests {
    /// Families, in the order of the plan.
    Seeded {
        /// The families.
        families: Vec<Family>,
        /// The seed of all of them.
        seed: u64,
    },
    /// A file of instances, its bad lines passed over.
    File(PathBuf),
}

/// Consecutive tests of one family.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) family: usize,
    pub(super) first_test: u64,
    pub(super) problems: Problems,
}

/// Seeded problems are made on the thread that solves them.
#[derive(Debug)]
pub(super) enum Problems {
    Seeded {
        family: Family,
        seed: u64,
        tests: Range<u64>,
    },
    Given(Vec<Case>),
}

impl Iterator for Problems {
    type Item = Case;

    fn next(&mut self) -> Option<Case> {
        match self {
            Self::Seeded {
                family,
                seed,
                tests,
            } => tests.next().map(|test| family.case(*seed, test)),
            Self::Given(problems) => {
                // Given last first, so that the first is popped.
                problems.pop()
            }
        }
    }
}

/// Hands out the tests of a plan, batch by batch.
pub(super) struct Source {
    tests: Tests,
    ranges: Vec<Range<u64>>,
    /// The present family; its range holds what is left of it.
    family: usize,
    batch: u64,
    file: Option<File>,
}

struct File {
    instances: Instances<Box<dyn BufRead + Send>>,
    /// How many good ones were passed.
    passed: u64,
}

impl Source {
    pub(super) fn new(tests: Tests, plan: &RunPlan, threads: usize) -> Result<Self, Stop> {
        let file = match &tests {
            Tests::Seeded { .. } => None,
            Tests::File(path) => Some(File {
                instances: Instances::new(solve::open(path)?),
                passed: 0,
            }),
        };
        // Several batches per thread, so that no thread waits long for the last one.
        let share = plan.total_tests() / (threads as u64 * 16);
        Ok(Self {
            tests,
            ranges: (0..plan.families.len()).map(|f| plan.tests(f)).collect(),
            family: 0,
            batch: share.clamp(1, MAX_BATCH),
            file,
        })
    }
}

impl Iterator for Source {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        while self.ranges.get(self.family)?.is_empty() {
            self.family += 1;
        }
        let range = &mut self.ranges[self.family];
        let first_test = range.start;
        let problems = match &self.tests {
            Tests::Seeded { families, seed } => {
                let family = families[self.family];
                let most = if family == Family::Large {
                    1
                } else {
                    self.batch
                };
                let tests = first_test..range.end.min(first_test + most);
                range.start = tests.end;
                Problems::Seeded {
                    family,
                    seed: *seed,
                    tests,
                }
            }
            Tests::File(_) => {
                let file = self
                    .file
                    .as_mut()
                    .expect("the file was opened with the source");
                let mut problems = file.take(first_test, self.batch.min(range.end - first_test));
                range.start += problems.len() as u64;
                if problems.is_empty() {
                    return None; // the file has become shorter since it was scanned
                }
                problems.reverse();
                Problems::Given(problems)
            }
        };
        Some(Batch {
            family: self.family,
            first_test,
            problems,
        })
    }
}

impl File {
    /// Some of the next tests; bad lines were named when the file was scanned.
    fn take(&mut self, first_test: u64, most: u64) -> Vec<Case> {
        let (mut problems, mut workers) = (Vec::new(), 0);
        while (problems.len() as u64) < most && workers < BATCH_WORKERS {
            match self.instances.next() {
                None => break,
                Some(Err(_)) => {}
                Some(Ok(Instance { case, .. })) => {
                    if self.passed >= first_test {
                        workers += match &case {
                            Case::Fees(problem) => problem.workers().len(),
                            Case::Curves(problem) => problem.workers().len() * CURVE,
                        };
                        problems.push(case);
                    }
                    self.passed += 1;
                }
            }
        }
        problems
    }
}

/// What there is in a file of instances.
pub(super) struct Scan {
    /// Good instances.
    pub(super) instances: u64,
    pub(super) bad_lines: bool,
    /// The same for the same bytes, wherever they are.
    pub(super) identity: String,
}

/// Reads a file once: names its bad lines, and counts the others.
pub(super) fn scan(path: &Path) -> Result<Scan, Stop> {
    if path == Path::new("-") {
        let message = "--instances needs a file, since it is read twice: save the input first";
        return Err(Stop::usage(message));
    }
    let mut digest = Digest {
        inner: solve::open(path)?,
        hash: Xxh3::new(),
    };
    let (mut instances, mut bad_lines) = (0, false);
    for instance in Instances::new(&mut digest) {
        match instance {
            Ok(_) => instances += 1,
            Err(error) => {
                solve::say(path, &error);
                bad_lines = true;
            }
        }
    }
    if instances == 0 {
        let message = format!(
            "{} holds no instance, expected one JSON object per line",
            path.display()
        );
        return Err(Stop::bad(message));
    }
    Ok(Scan {
        instances,
        bad_lines,
        identity: format!("instances xxh3 {:016x}", digest.hash.digest()),
    })
}

/// Takes the hash of everything that is read through it.
struct Digest<R> {
    inner: R,
    hash: Xxh3,
}

impl<R: BufRead> std::io::Read for Digest<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Digest<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        // What is consumed stands at the front of the buffer, which needs no more reading.
        if let Ok(buffer) = self.inner.fill_buf() {
            self.hash.update(&buffer[..amount]);
        }
        self.inner.consume(amount);
    }
}
