//! Every cell of every table, for random records.

use proptest::prelude::*;
use results::runs::RunKey;
use scheduler::machine::{
    AssignmentRow, CycleId, CycleResult, CycleRow, Departure, Ending, Fate, Ignored, PlanId,
    PlanRow, Record, SessionId, ShareRow, Totals, Trigger, WorkerId,
};
use scheduler::{Certificate, Cost, Fee, Instant, PlanStatus, Span, Speed, Tier};

use super::{ALLOCATORS, Said, begin, cells, chunks, end, table};

/// A table's name, some of its columns, and what its rows must say there.
type Expected = (&'static str, Vec<&'static str>, Vec<Vec<String>>);

/// A record of any kind from numbers, all of them different in all of its fields.
fn record(kind: u8, [a, b, c, d]: [u32; 4], n: [u64; 6]) -> Record {
    let fee = |value: u64| Fee::from_micros(value % 1_000_000).expect("small");
    let speed = |value: u64| {
        Speed::measured(1 + value % 1_000, Span::from_nanos(1 + value % 1_000_000)).expect("some")
    };
    let (worker, session) = (WorkerId::new(a % 50), SessionId::new(b));
    let pick = |count: u32| (d % count) as usize;
    match kind {
        0 => Record::Joined {
            worker,
            session,
            fee: fee(n[0]),
            returned: c % 2 == 0,
        },
        1 => Record::Benchmarked {
            worker,
            session,
            speed: speed(n[0]),
            rounds: c,
            noisy: d % 2 == 0,
        },
        2 => Record::Departed {
            worker,
            session: (c % 2 == 0).then_some(session),
            why: [Departure::Left, Departure::MissedBeats, Departure::Full][pick(3)],
        },
        3 => Record::Planned(PlanRow {
            plan: PlanId::new(c),
            trigger: [Trigger::First, Trigger::Lost, Trigger::Faster][pick(3)],
            cycle: CycleId::new(b),
            solve: Span::from_nanos(n[0]),
            limit: Span::from_nanos(n[1]),
            candidates: n[2],
            workers_employed: n[3],
            capacities_for: n[4],
            cost: Cost::from_micros(u128::from(n[5]) << 20),
            status: [
                PlanStatus::Optimal,
                PlanStatus::Bounded,
                PlanStatus::Feasible,
            ][pick(3)],
            lower_bound: (a % 2 == 0).then(|| Cost::from_micros(n[4].into())),
            certificate: (b % 2 == 0).then_some(Certificate::Root),
            moved: n[0] / 3,
        }),
        4 => Record::NotPlanned {
            plan: PlanId::new(c),
            trigger: Trigger::Slower,
            why: [Ending::SolverLate, Ending::Stopped][pick(2)],
            solve: Span::from_nanos(n[0]),
        },
        5 => Record::Share(ShareRow {
            plan: PlanId::new(c),
            worker,
            fee: fee(n[0]),
            speed: speed(n[1]),
            s_max: n[2],
            batches: n[3],
            charge: Cost::from_micros(u128::from(n[5]) << 20),
            tiers: (0..u64::from(d % 3))
                .map(|at| Tier {
                    after: n[0] / 4 + at,
                    fee: fee(n[2] + at),
                })
                .collect(),
            least: n[3] / 5,
            cost: Cost::from_micros(u128::from(n[4]) << 21),
            transfer: Span::from_nanos(n[4]),
            latency: Span::from_nanos(n[0] / 2),
            ship: Span::from_nanos(n[1] / 2),
        }),
        6 => Record::Shipped {
            plan: PlanId::new(c),
            since: Instant::from_nanos(n[0]),
            batches: n[1],
        },
        7 => Record::Paused {
            why: Ending::BelowBeta {
                ready: n[0],
                needed: n[1],
            },
            until: Instant::from_nanos(n[2]),
        },
        8 => Record::Assignment(AssignmentRow {
            cycle: CycleId::new(c),
            plan: PlanId::new(d),
            worker,
            session,
            fate: [
                Fate::Complete,
                Fate::Truncated,
                Fate::Late,
                Fate::Lost,
                Fate::Refused,
                Fate::Absent,
            ][pick(6)],
            assigned: n[0] >> 8,
            claimed: n[1],
            accepted: n[2] >> 8,
            fee: fee(n[3]),
            charge: Cost::from_micros(u128::from(n[3]) << 10),
            cost: Cost::from_micros(u128::from(n[4]) << 30),
            expected: Span::from_nanos(n[5] >> 8),
            elapsed: Span::from_nanos(n[0] >> 9),
            computed: Span::from_nanos(n[1] >> 10),
        }),
        9 => Record::Cycle(CycleRow {
            cycle: CycleId::new(c),
            plan: PlanId::new(d),
            result: [
                CycleResult::Complete,
                CycleResult::Truncated,
                CycleResult::Failed,
            ][pick(3)],
            started: Instant::from_nanos(n[0]),
            limit: Span::from_nanos(n[1]),
            results_at: Instant::from_nanos(n[2]),
            ended: Instant::from_nanos(n[3]),
            workers: n[4],
            accepted: n[5],
            lost: n[0] / 7,
            cost: Cost::from_micros(n[1].into()),
        }),
        _ => Record::Ignored {
            worker,
            session,
            why: [
                Ignored::NotAMember,
                Ignored::StaleSession,
                Ignored::OutOfTime,
            ][pick(3)],
        },
    }
}

fn said() -> impl Strategy<Value = Said> {
    let one = (any::<u64>(), 0..11_u8, any::<[u32; 4]>(), any::<[u64; 6]>());
    let one = one.prop_map(|(at, kind, ids, n)| (Instant::from_nanos(at), record(kind, ids, n)));
    prop::collection::vec(one, 0..150)
}

fn text(value: impl ToString) -> String {
    value.to_string()
}

fn maybe(value: Option<impl ToString>) -> String {
    value.map_or("-".to_owned(), |value| value.to_string())
}

/// What the tables must hold, one list of rows each, by the columns named beside.
fn expected(runs: &[(RunKey, Said)]) -> Vec<Expected> {
    let (mut plans, mut shares, mut cycles) = (Vec::new(), Vec::new(), Vec::new());
    let (mut lots, mut history) = (Vec::new(), Vec::new());
    for (key, said) in runs {
        for (at, record) in said {
            let mut row = vec![text(key.replicate), text(ALLOCATORS[key.allocator])];
            let mut told = |cells: [String; 9]| {
                row.push(text(at.nanos()));
                row.extend(cells);
                history.push(row.clone());
            };
            let none = || "-".to_owned();
            match record {
                Record::Joined {
                    worker,
                    session,
                    fee,
                    returned,
                } => {
                    let what = if *returned { "returned" } else { "joined" };
                    let fee = text(fee.micros());
                    told([
                        text(what),
                        text(worker),
                        text(session),
                        none(),
                        fee,
                        none(),
                        none(),
                        none(),
                        none(),
                    ]);
                }
                Record::Benchmarked {
                    worker,
                    session,
                    speed,
                    rounds,
                    noisy,
                } => told([
                    text("benchmarked"),
                    text(worker),
                    text(session),
                    none(),
                    none(),
                    text(speed.took().nanos()),
                    text(rounds),
                    text(noisy),
                    none(),
                ]),
                Record::Departed {
                    worker,
                    session,
                    why,
                } => told([
                    text("departed"),
                    text(worker),
                    maybe(*session),
                    text(why.name()),
                    none(),
                    none(),
                    none(),
                    none(),
                    none(),
                ]),
                Record::Shipped { batches, .. } => told([
                    text("shipped"),
                    none(),
                    none(),
                    none(),
                    none(),
                    none(),
                    none(),
                    none(),
                    text(batches),
                ]),
                Record::Paused { why, .. } => told([
                    text("paused"),
                    none(),
                    none(),
                    text(why.reason()),
                    none(),
                    none(),
                    none(),
                    none(),
                    none(),
                ]),
                Record::Ignored {
                    worker,
                    session,
                    why,
                } => told([
                    text("ignored"),
                    text(worker),
                    text(session),
                    text(why.name()),
                    none(),
                    none(),
                    none(),
                    none(),
                    none(),
                ]),
                Record::Planned(plan) => {
                    row.extend([
                        text(at.nanos()),
                        text(plan.plan),
                        text(plan.trigger.name()),
                        text(plan.solve.nanos()),
                        text(plan.status.name()),
                        none(),
                        text(plan.cycle),
                        text(plan.limit.nanos()),
                        text(plan.candidates),
                        text(plan.workers_employed),
                        text(plan.capacities_for),
                        text(plan.cost.micros()),
                        maybe(plan.lower_bound.map(Cost::micros)),
                        maybe(plan.certificate.map(Certificate::name)),
                        text(plan.moved),
                    ]);
                    plans.push(row);
                }
                Record::NotPlanned {
                    plan,
                    trigger,
                    why,
                    solve,
                } => {
                    row.extend([
                        text(at.nanos()),
                        text(plan),
                        text(trigger.name()),
                        text(solve.nanos()),
                        none(),
                        text(why.reason()),
                    ]);
                    row.extend((0..9).map(|_| none()));
                    plans.push(row);
                }
                Record::Share(share) => {
                    row.extend([
                        text(share.plan),
                        text(share.worker),
                        text(share.fee.micros()),
                        text(share.speed.batches()),
                        text(share.speed.took().nanos()),
                        text(share.s_max),
                        text(share.batches),
                        match &share.tiers[..] {
                            [] => none(),
                            [one] => format!("{}:{}", one.after, one.fee),
                            [one, two, ..] => {
                                format!("{}:{} {}:{}", one.after, one.fee, two.after, two.fee)
                            }
                        },
                        text(share.least),
                        text(share.transfer.nanos()),
                        text(share.latency.nanos()),
                        text(share.ship.nanos()),
                    ]);
                    shares.push(row);
                }
                Record::Assignment(lot) => {
                    row.extend([
                        text(lot.cycle),
                        text(lot.plan),
                        text(lot.worker),
                        text(lot.session),
                        text(lot.fate.name()),
                        text(lot.assigned),
                        text(lot.claimed),
                        text(lot.accepted),
                        text(lot.fee.micros()),
                        text(lot.cost.micros()),
                        text(lot.expected.nanos()),
                        text(lot.elapsed.nanos()),
                        text(lot.computed.nanos()),
                    ]);
                    lots.push(row);
                }
                Record::Cycle(cycle) => {
                    row.extend([
                        text(cycle.cycle),
                        text(cycle.plan),
                        text(cycle.result.name()),
                        text(cycle.started.nanos()),
                        text(cycle.limit.nanos()),
                        text(cycle.results_at.nanos()),
                        text(cycle.ended.nanos()),
                        text(cycle.workers),
                        text(cycle.accepted),
                        text(cycle.lost),
                        text(cycle.cost.micros()),
                    ]);
                    cycles.push(row);
                }
            }
        }
    }
    vec![
        (
            "plans.parquet",
            vec![
                "replicate",
                "allocator",
                "at_ns",
                "plan",
                "trigger",
                "solve_ns",
                "status",
                "reason",
                "first_cycle",
                "limit_ns",
                "candidates",
                "workers_employed",
                "capacities_for",
                "cost_micro",
                "lower_bound_micro",
                "certificate",
                "moved",
            ],
            plans,
        ),
        (
            "shares.parquet",
            vec![
                "replicate",
                "allocator",
                "plan",
                "worker",
                "fee_micro",
                "speed_batches",
                "speed_ns",
                "s_max",
                "batches",
                "tiers",
                "least",
                "transfer_ns",
                "latency_ns",
                "ship_ns",
            ],
            shares,
        ),
        (
            "cycles.parquet",
            vec![
                "replicate",
                "allocator",
                "cycle",
                "plan",
                "result",
                "started_ns",
                "limit_ns",
                "results_at_ns",
                "ended_ns",
                "workers",
                "batches_accepted",
                "batches_lost",
                "cost_micro",
            ],
            cycles,
        ),
        (
            "lots.parquet",
            vec![
                "replicate",
                "allocator",
                "cycle",
                "plan",
                "worker",
                "session",
                "fate",
                "assigned",
                "claimed",
                "accepted",
                "fee_micro",
                "cost_micro",
                "expected_ns",
                "elapsed_ns",
                "computed_ns",
            ],
            lots,
        ),
        (
            "history.parquet",
            vec![
                "replicate",
                "allocator",
                "at_ns",
                "what",
                "worker",
                "session",
                "why",
                "fee_micro",
                "speed_ns",
                "rounds",
                "noisy",
                "batches",
            ],
            history,
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn tables_hold_what_was_said(said in prop::collection::vec(said(), 4)) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut folder = begin(dir.path(), 2);
        let key = |run: usize| RunKey { replicate: run as u64 / 2, allocator: run % 2 };
        let runs: Vec<_> = said.into_iter().enumerate().map(|(run, said)| (key(run), said)).collect();
        for (key, said) in &runs {
            for chunk in chunks(*key, said, end(Totals::default(), None), &["one".into()]) {
                folder.push(chunk).expect("room");
            }
        }
        folder.finish(Default::default).expect("room");
        for (name, columns, rows) in expected(&runs) {
            let table = table(dir.path(), name);
            prop_assert_eq!(cells(&table, &columns), rows, "{}", name);
        }
        // Workers add up to what their lots say.
        let workers = table(dir.path(), "workers.parquet");
        let sums = ["replicate", "allocator", "worker", "name", "stays", "departures", "cycles",
            "batches_assigned", "batches_accepted", "cost_micro", "elapsed_ns"];
        for row in cells(&workers, &sums) {
            let of = |(key, _): &&(RunKey, Said)| {
                key.replicate.to_string() == row[0] && ALLOCATORS[key.allocator] == row[1]
            };
            let said = &runs.iter().find(of).expect("a run").1;
            let lots: Vec<&AssignmentRow> = said.iter().filter_map(|(_, record)| match record {
                Record::Assignment(lot) if lot.worker.to_string() == row[2] => Some(lot),
                _ => None,
            }).collect();
            let there = || lots.iter().filter(|lot| lot.fate != Fate::Absent);
            let count = |wanted: fn(&Record) -> Option<WorkerId>| {
                let is_it = |(_, record): &&(Instant, Record)| {
                    wanted(record).is_some_and(|worker| worker.to_string() == row[2])
                };
                said.iter().filter(is_it).count()
            };
            let joined = count(|record| match record {
                Record::Joined { worker, .. } => Some(*worker),
                _ => None,
            });
            let departed = count(|record| match record {
                Record::Departed { worker, .. } => Some(*worker),
                _ => None,
            });
            let name = if row[2] == "0" { "one" } else { row[2].as_str() };
            prop_assert_eq!(&row[3..], [
                text(name), text(joined), text(departed), text(there().count()),
                text(lots.iter().map(|lot| lot.assigned).sum::<u64>()),
                text(lots.iter().map(|lot| lot.accepted).sum::<u64>()),
                text(lots.iter().map(|lot| lot.cost.micros()).sum::<u128>()),
                text(there().map(|lot| lot.elapsed.nanos()).sum::<u64>()),
            ]);
        }
    }
}
