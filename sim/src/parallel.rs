//! One way to use several threads: jobs are begun in order and run at once, and what they send
//! arrives in order.
//!
//! Each job sends through a channel of its own, which holds a few messages; the calling thread
//! empties the channels in the order of the jobs. So nothing depends on how the threads are
//! scheduled, what is held is bounded however long the jobs are, and the first unfinished job never
//! waits. A job whose thread panics sends no more: no thread waits for it, and the panic reaches the
//! caller.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Messages that a job may send ahead of its turn.
const MESSAGES: usize = 4;

/// Jobs per thread that may be begun before the first unfinished one is done.
const WINDOW: usize = 16;

/// Where a job sends what it found.
#[derive(Debug)]
pub(crate) struct Out<M>(SyncSender<M>);

impl<M> Out<M> {
    /// Sends a message. It waits while the job is ahead of its turn and has sent a few.
    pub(crate) fn send(&self, message: M) {
        // Once an error has ended it all, no message is taken any more.
        let _ = self.0.send(message);
    }
}

/// Does all jobs on this number of threads, each with a state of its own. `take` gets every message, in
/// the order of the jobs. Once `stop` is set no job is begun; those that were begun, which are the
/// first ones, are finished.
///
/// # Errors
/// The first of `take`, which ends everything.
pub(crate) fn in_order<J: Send, S, M: Send, E>(
    jobs: impl Iterator<Item = J> + Send,
    threads: usize,
    stop: &AtomicBool,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, J, &Out<M>) + Sync,
    take: impl FnMut(M) -> Result<(), E>,
) -> Result<(), E> {
    let jobs = Mutex::new(jobs);
    let (queue, begun) = mpsc::sync_channel(WINDOW * threads);
    let (jobs, state, work) = (&jobs, &state, &work);
    thread::scope(|scope| {
        for _ in 0..threads {
            let queue = queue.clone();
            // Taken and queued under one lock, so that channels are queued in the order of jobs.
            let next = move || {
                let mut jobs = jobs.lock().unwrap_or_else(PoisonError::into_inner);
                if stop.load(Ordering::Relaxed) {
                    return None;
                }
                let job = jobs.next()?;
                let (out, messages) = mpsc::sync_channel(MESSAGES);
                queue.send(messages).ok()?;
                Some((job, Out(out)))
            };
            scope.spawn(move || {
                let mut own = None;
                while let Some((job, out)) = next() {
                    work(own.get_or_insert_with(state), job, &out);
                }
            });
        }
        drop(queue);
        begun.into_iter().flatten().try_for_each(take)
    })
}

/// The results of all jobs, in order; of the first ones only, if `stop` is set meanwhile.
pub(crate) fn map<J: Send, S, T: Send>(
    jobs: impl Iterator<Item = J> + Send,
    threads: usize,
    stop: &AtomicBool,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, J) -> T + Sync,
) -> Vec<T> {
    let mut all = Vec::new();
    let work = |state: &mut S, job: J, out: &Out<T>| out.send(work(state, job));
    let Ok(()) = in_order(jobs, threads, stop, state, work, |result| {
        all.push(result);
        Ok::<_, Infallible>(())
    });
    all
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use super::*;

    const JOBS: u64 = 60;

    /// Every fifth job is slow, and sends many messages.
    fn run(threads: usize, mut take: impl FnMut((u64, u64)) -> Result<(), u64>) -> Result<(), u64> {
        let never = AtomicBool::new(false);
        let work = |(): &mut (), job: u64, out: &Out<(u64, u64)>| {
            for message in 0..(job * 7) % 30 {
                if job.is_multiple_of(5) {
                    thread::sleep(Duration::from_micros(100));
                }
                out.send((job, message));
            }
        };
        in_order(0..JOBS, threads, &never, || (), work, &mut take)
    }

    #[test]
    fn messages_come_in_the_order_of_jobs() {
        let expected: Vec<(u64, u64)> = (0..JOBS)
            .flat_map(|job| (0..(job * 7) % 30).map(move |message| (job, message)))
            .collect();
        for threads in [1, 2, 7] {
            let mut found = Vec::new();
            let all = run(threads, |message| {
                found.push(message);
                Ok(())
            });
            assert_eq!((all, &found), (Ok(()), &expected), "{threads} threads");
        }
    }

    #[test]
    fn an_error_ends_all_jobs() {
        let mut taken = 0;
        let ended = run(3, |(job, _)| {
            taken += 1;
            if job < 9 { Ok(()) } else { Err(job) }
        });
        assert_eq!(ended, Err(9));
        assert!(taken < 200, "{taken}");
    }

    /// The first job sends its messages only when no other can go on.
    #[test]
    fn what_is_held_is_bounded() {
        let (held, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let never = AtomicBool::new(false);
        let threads = 3;
        let work = |(): &mut (), job: u64, out: &Out<()>| {
            if job == 0 {
                thread::sleep(Duration::from_millis(50));
            }
            for _ in 0..MESSAGES {
                let now = held.fetch_add(1, Ordering::SeqCst);
                most.fetch_max(now, Ordering::SeqCst);
                out.send(());
            }
        };
        let all = in_order(
            0..200,
            threads,
            &never,
            || (),
            work,
            |()| {
                held.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, Infallible>(())
            },
        );
        assert!(all.is_ok());
        let bound = (WINDOW * threads + threads) * MESSAGES;
        let most = most.into_inner();
        assert!(most <= bound, "{most} messages were held");
    }

    #[test]
    fn after_a_stop_the_first_jobs_are_there() {
        let stop = AtomicBool::new(false);
        let found = map(
            0..1_000,
            4,
            &stop,
            || (),
            |(), job| {
                if job == 100 {
                    stop.store(true, Ordering::Relaxed);
                }
                job
            },
        );
        assert!(found.len() > 100 && found.len() < 1_000, "{}", found.len());
        assert!(found.iter().copied().eq(0..found.len()));
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn nobody_waits_for_a_thread_that_panics() {
        let never = AtomicBool::new(false);
        map(0..100, 2, &never, || (), |(), job| assert_ne!(job, 3));
    }
}
