//! Whole jobs in virtual time under all faults at once, with the auditor of the state machine at every
//! step.
//!
//! A seed is a world: a job of any policy and of any waits, workers of any speed and link that come late,
//! leave, return, stand still and slow down, an allocator that is late, fails and lies, members whose
//! results are refused and that report what they were not asked for, and a network that repeats. Every event
//! goes to the world's scheduler and to another one, which the auditor watches; both must order the same.
//!
//! A seed that fails prints the command that repeats it. More seeds: `ALLOT_SWARM=0..100000`.

#[path = "../../../scheduler/tests/machine/audit.rs"]
#[expect(dead_code, reason = "other tests look at more of it")]
mod audit;
#[path = "../world/greedy.rs"]
#[expect(dead_code, reason = "worlds are made elsewhere here")]
mod greedy;
mod world;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use scheduler::machine::{Action, Ending, Fate, Record};
use sim::world::{Observers, run};

use crate::audit::Audited;
use crate::world::Swarm;

/// The seeds of continuous integration.
const SEEDS: Range<u64> = 0..2_000;
/// No job of these takes more steps: one that does will never end.
const MOST_STEPS: u64 = 500_000;

/// What happened in all worlds: nothing that is to be survived may be missing.
#[derive(Default)]
struct Seen {
    fates: [AtomicU64; 6],
    endings: [AtomicU64; 6],
    cycles: AtomicU64,
    departures: AtomicU64,
    refusals: AtomicU64,
    claims: AtomicU64,
}

#[test]
fn every_world_keeps_what_the_state_machine_promises() {
    let asked = std::env::var("ALLOT_SWARM").ok();
    let seeds = asked.as_deref().map_or(SEEDS, |text| {
        let (from, to) = text.split_once("..").expect("ALLOT_SWARM=FROM..TO");
        let number = |text: &str| text.parse().expect("ALLOT_SWARM=FROM..TO");
        number(from)..number(to)
    });
    let (next, failed, seen) = (
        AtomicU64::new(seeds.start),
        AtomicU64::new(0),
        Seen::default(),
    );
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !seeds.contains(&seed) {
                        return;
                    }
                    if catch_unwind(AssertUnwindSafe(|| live(seed, &seen))).is_err() {
                        failed.fetch_add(1, Ordering::Relaxed);
                        console::note!(
                            "seed {seed} fails: ALLOT_SWARM={seed}..{} cargo test --locked --workspace \
                             --test swarm",
                            seed + 1
                        );
                    }
                }
            });
        }
    });
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let worlds = seeds.end - seeds.start;
    console::note!(
        "{worlds} worlds: {} cycles, {} departures, {} refused results, {} events that nobody ordered; lots \
         complete, truncated, late, lost, refused, absent: {:?}; jobs completed, stopped, too few, below \
         beta, without a plan, out of time: {:?}",
        count(&seen.cycles),
        count(&seen.departures),
        count(&seen.refusals),
        count(&seen.claims),
        seen.fates.each_ref().map(count),
        seen.endings.each_ref().map(count),
    );
    assert_eq!(count(&failed), 0, "seeds that fail");
    if worlds >= SEEDS.end {
        let all = seen.fates.iter().chain(&seen.endings);
        for counter in all.chain([&seen.refusals, &seen.claims]) {
            assert!(count(counter) > 0, "the worlds are rough enough");
        }
    }
}

/// One world, from its beginning to its end.
fn live(seed: u64, seen: &Seen) {
    let mut swarm = Swarm::new(seed);
    let world = swarm.world();
    let mut audited = Audited::new(world.config.clone());
    let mut rows = Vec::new();
    let mut steps = 0;
    let totals = {
        let (allocate, claims) = swarm.parts();
        run(
            &world,
            seed,
            0,
            &mut |request| allocate.answer(request),
            Observers {
                rows: Some(&mut |at, record| rows.push((at, record.clone()))),
                judge: None,
                events: Some(&mut |now, event| {
                    steps += 1;
                    assert!(steps < MOST_STEPS, "this job does not end");
                    audited.step(now, event.clone());
                }),
                claims: Some(&mut |_, event, more| {
                    claims.follow(event, more);
                    seen.claims.fetch_add(more.len() as u64, Ordering::Relaxed);
                }),
            },
        )
    };
    let (ending, of_audited) = audited.end.expect("it ended");
    assert_eq!((ending, of_audited), (totals.end.ending, totals.end.totals));
    let records: Vec<_> = audited
        .actions
        .iter()
        .filter_map(|(at, action)| match action {
            Action::Record(record) => Some((*at, record.clone())),
            _ => None,
        })
        .collect();
    assert!(rows == records, "two schedulers order the same");
    let add = |counter: &AtomicU64, count: usize| {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    };
    add(&seen.cycles, audited.cycles.len());
    for (_, record) in &rows {
        match record {
            Record::Assignment(row) => {
                add(&seen.fates[row.fate as usize], 1);
                add(&seen.refusals, usize::from(row.fate == Fate::Refused));
            }
            Record::Departed { .. } => add(&seen.departures, 1),
            _ => {}
        }
    }
    let place = match ending {
        Ending::Completed => 0,
        Ending::Stopped => 1,
        Ending::TooFewWorkers { .. } => 2,
        Ending::BelowBeta { .. } => 3,
        Ending::OutOfTime { .. } => 5,
        _ => 4,
    };
    add(&seen.endings[place], 1);
}
