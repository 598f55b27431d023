//! The log of a scheduler's events, written, read back, and given to a new scheduler.

use std::path::Path;

use proptest::prelude::*;
use results::event_log::{EventFile, EventReader, EventWriter};
use scheduler::machine::{
    Action, Billing, Config, CycleId, Departure, Event, Limit, Partial, PlanId, Profile, Replan,
    Scheduler, SessionId, Waits, WorkerId,
};
use scheduler::{
    BenchmarkRule, CapacityModel, Certificate, Cost, Failure, FailureReason, Fee, Infeasible,
    Instant, Link, LinkService, Margin, Margins, Objective, Outcome, Plan, PlanResponse,
    PlanStatus, Planned, Rate, Span, Tariff, Tier, TimeModel, Until,
};

type Log = Vec<(Instant, Event)>;

fn written(config: &Config, log: &Log) -> Vec<u8> {
    let mut writer = EventWriter::new(Vec::new(), config).expect("memory takes it");
    for (now, event) in log {
        writer.append(*now, event).expect("memory takes it");
    }
    std::mem::take(writer.get_mut())
}

fn read(text: &[u8]) -> Result<(Config, Log, bool), String> {
    let path = Path::new("run.jsonl");
    let mut reader = EventReader::new(text, path).map_err(|error| error.to_string())?;
    let events: Result<Log, _> = reader.by_ref().collect();
    let events = events.map_err(|error| error.to_string())?;
    Ok((reader.config().clone(), events, reader.torn()))
}

fn span() -> impl Strategy<Value = Span> {
    prop_oneof![Just(0), 0..10_000_000_000_u64, any::<u64>()].prop_map(Span::from_nanos)
}

fn tariff() -> impl Strategy<Value = Option<Box<Tariff>>> {
    let rate =
        || (0..=u64::MAX / 2).prop_map(|rate| Rate::from_millionths(rate).expect("within bounds"));
    let tier = (any::<u64>(), fee()).prop_map(|(after, fee)| Tier { after, fee });
    let tiers = prop::collection::vec(tier, 0..3);
    let tariff = (fee(), rate(), rate(), tiers, any::<u64>());
    prop::option::of(
        tariff.prop_map(|(hire, computing, employed, tiers, least)| {
            Box::new(Tariff {
                hire,
                computing,
                employed,
                tiers,
                least,
            })
        }),
    )
}

fn fee() -> impl Strategy<Value = Fee> {
    (0..=Fee::MAX.micros()).prop_map(|micros| Fee::from_micros(micros).expect("within bounds"))
}

fn cost() -> impl Strategy<Value = Cost> {
    prop_oneof![any::<u64>().prop_map(u128::from), any::<u128>()].prop_map(Cost::from_micros)
}

fn departure() -> impl Strategy<Value = Departure> {
    prop::sample::select(Departure::ALL)
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let status = prop::sample::select(PlanStatus::ALL);
    let certificate = prop::option::of(prop::sample::select(Certificate::ALL));
    let batches = prop::collection::vec(any::<u64>(), 0..5);
    let planned = (
        batches,
        cost(),
        status,
        prop::option::of(cost()),
        certificate,
    )
        .prop_map(|(batches, cost, status, lower_bound, certificate)| {
            Outcome::Planned(Planned {
                plan: Plan { batches, cost },
                status,
                lower_bound,
                certificate,
            })
        });
    let infeasible = (0..5, any::<[u64; 3]>()).prop_map(|(kind, [a, b, c])| {
        Outcome::Infeasible(match kind {
            0 => Infeasible::InsufficientData { n: a, needed: b },
            1 => Infeasible::InsufficientWorkers {
                eligible: a,
                needed: b,
            },
            2 => Infeasible::InsufficientCapacity { capacity: a, n: b },
            3 => Infeasible::InsufficientBudget {
                least: Cost::from_micros(a.into()),
                budget: Cost::from_micros(b.into()),
            },
            _ => Infeasible::CardinalityGap {
                employable: a,
                capacity: b,
                n: c,
            },
        })
    });
    let reason = prop::sample::select(FailureReason::ALL);
    let failed = (reason, any::<String>())
        .prop_map(|(reason, message)| Outcome::Failed(Failure { reason, message }));
    prop_oneof![planned, infeasible, failed]
}

/// Any event with ids below `few`; small ones get a scheduler somewhere, all test the text.
fn event(few: u32) -> impl Strategy<Value = Event> {
    let ids = move || (0..few, 0..few, 0..few);
    prop_oneof![
        3 => (0..few, fee(), fee(), [span(), span(), span()], any::<u64>(), tariff()).prop_map(
            |(worker, fee, least_fee, [transfer, latency, ship], most, tariff)| Event::Joined {
                worker: WorkerId::new(worker),
                profile: Profile {
                    fee,
                    least_fee,
                    link: Link { transfer, latency, ship },
                    most,
                    tariff,
                },
            }
        ),
        3 => (ids(), any::<u64>(), span()).prop_map(|((worker, session, _), batches, took)| {
            Event::Benchmarked {
                worker: WorkerId::new(worker),
                session: SessionId::new(session),
                batches,
                took,
            }
        }),
        2 => (0..few, any::<u64>(), outcome(), any::<u64>()).prop_map(
            |(plan, employed, outcome, solves)| Event::Solved {
                plan: PlanId::new(plan),
                response: Box::new(PlanResponse { employed, outcome, solves }),
            }
        ),
        1 => (ids(), any::<u64>()).prop_map(|((worker, session, plan), batches)| Event::Shipped {
            worker: WorkerId::new(worker),
            session: SessionId::new(session),
            plan: PlanId::new(plan),
            batches,
        }),
        1 => (ids(), any::<u64>()).prop_map(|((worker, session, cycle), done)| Event::Beat {
            worker: WorkerId::new(worker),
            session: SessionId::new(session),
            cycle: CycleId::new(cycle),
            done,
        }),
        1 => (ids(), any::<u64>(), span(), span()).prop_map(|((worker, session, cycle), done, took, tail)| {
            Event::Trained {
                worker: WorkerId::new(worker),
                session: SessionId::new(session),
                cycle: CycleId::new(cycle),
                done,
                took,
                tail,
            }
        }),
        1 => ids().prop_map(|(worker, session, cycle)| Event::Refused {
            worker: WorkerId::new(worker),
            session: SessionId::new(session),
            cycle: CycleId::new(cycle),
        }),
        1 => (0..few).prop_map(|cycle| Event::Aggregated { cycle: CycleId::new(cycle) }),
        1 => (ids(), departure()).prop_map(|((worker, session, _), why)| Event::Lost {
            worker: WorkerId::new(worker),
            session: SessionId::new(session),
            why,
        }),
        1 => Just(Event::Wake),
        1 => Just(Event::Stopped),
    ]
}

fn config() -> impl Strategy<Value = Config> {
    let limit = prop_oneof![
        (1_000..u64::MAX).prop_map(|ns| Limit::Cycle(Span::from_nanos(ns))),
        (1_000..u64::MAX, any::<bool>()).prop_map(|(ns, counts_setup)| Limit::Job {
            max_time: Span::from_nanos(ns),
            counts_setup,
        }),
    ];
    let margin = || any::<u64>().prop_map(Margin::from_ppb);
    let time_model = (
        any::<[bool; 2]>(),
        1..1_000_u32,
        span(),
        (span(), span()),
        prop::sample::select(LinkService::ALL),
        span(),
    )
        .prop_map(
            |([full, ships_each_cycle], passes, own, (shared, shared_up), service, shared_ship)| {
                TimeModel {
                    capacity: if full {
                        CapacityModel::Full
                    } else {
                        CapacityModel::ComputeOnly
                    },
                    passes,
                    own,
                    shared,
                    shared_up,
                    service,
                    shared_ship,
                    ships_each_cycle,
                }
            },
        );
    let until = proptest::option::of((any::<u32>(), 1..u64::MAX));
    let benchmark = (1..=1_000_000_000_u64, 1..=9_u8, any::<u32>(), span(), until);
    let benchmark =
        benchmark.prop_map(
            |(batches, rounds, spread_ppm, limit, until)| BenchmarkRule {
                batches,
                rounds,
                max_rounds: 9,
                spread_ppm,
                limit,
                until: until.map(|(error_ppm, nanos)| Until {
                    error_ppm,
                    most: Span::from_nanos(nanos),
                }),
            },
        );
    let waits = (span(), span(), span(), span(), span(), 1..u64::MAX).prop_map(
        |(gather, solve, ship, pause, grace, aggregation)| Waits {
            gather,
            solve,
            ship,
            pause,
            grace,
            aggregation: Span::from_nanos(aggregation),
        },
    );
    let numbers = (
        1..1_000_000_u64,
        0..1_000_u64,
        0..1_000_u64,
        (1..=1_000_000_u32).prop_flat_map(|cycles| (Just(cycles), 1..=cycles)),
        (1..=1_000_000_u32, 1..=1_000_000_u32),
    );
    let rest = (any::<[bool; 3]>(), margin(), margin(), margin());
    (numbers, limit, time_model, rest, benchmark, waits).prop_map(
        |(
            numbers,
            limit,
            time_model,
            ([adaptive, assigned, accepts], benchmarked, learnt, keep),
            benchmark,
            waits,
        )| {
            let (batches, s_min, beta, (cycles, first_cycle), (expect, max_workers)) = numbers;
            Config {
                batches,
                s_min,
                beta,
                cycles,
                first_cycle,
                limit,
                time_model,
                margins: Margins {
                    benchmarked,
                    learnt,
                    keep,
                },
                objective: Objective::ALL[usize::from(adaptive) + usize::from(accepts)],
                budget: (adaptive != assigned).then_some(Cost::from_micros(batches.into())),
                replan: if adaptive {
                    Replan::Adaptive
                } else {
                    Replan::Static
                },
                partial: if accepts {
                    Partial::Accept
                } else {
                    Partial::Discard
                },
                billing: if assigned {
                    Billing::Assigned
                } else {
                    Billing::Computed
                },
                benchmark,
                expect,
                max_workers,
                waits,
            }
        },
    )
}

/// Events at times that do not run backwards.
fn log(few: u32) -> impl Strategy<Value = Log> {
    let later = prop_oneof![Just(0), 0..2_000_000_000_u64];
    prop::collection::vec((later, event(few)), 0..40).prop_map(|events| {
        let mut now = 0;
        let at = |(later, event)| {
            now += later;
            (Instant::from_nanos(now), event)
        };
        events.into_iter().map(at).collect()
    })
}

fn ordered(config: &Config, log: &Log) -> Vec<(Instant, Vec<Action>)> {
    let mut scheduler = Scheduler::new(config.clone());
    let step = |(now, event): &(Instant, Event)| {
        let mut actions = Vec::new();
        let _ = scheduler.step(*now, event.clone(), &mut actions);
        (*now, actions)
    };
    log.iter().map(step).collect()
}

proptest! {
    #[test]
    fn what_is_written_is_read(config in config(), log in log(u32::MAX)) {
        let text = written(&config, &log);
        let (read_config, read_log, torn) = read(&text).map_err(TestCaseError::fail)?;
        prop_assert_eq!(&read_config, &config);
        prop_assert_eq!(&read_log, &log);
        prop_assert!(!torn);
        prop_assert_eq!(written(&read_config, &read_log), text);
    }

    #[test]
    fn a_fresh_scheduler_orders_the_same(log in log(4)) {
        let mut config = Config::new(10, 3, Limit::Cycle(Span::from_secs(1)));
        config.benchmark.rounds = 1;
        let text = written(&config, &log);
        let (read_config, read_log, _) = read(&text).map_err(TestCaseError::fail)?;
        prop_assert_eq!(ordered(&read_config, &read_log), ordered(&config, &log));
    }

    /// A process that dies while writing loses its last line and nothing else.
    #[test]
    fn a_torn_log_reads_up_to_its_last_whole_line(
        config in config(), log in log(9), cut in any::<prop::sample::Index>(),
    ) {
        let text = written(&config, &log);
        let cut = cut.index(text.len());
        let lines = text[..cut].iter().filter(|&&byte| byte == b'\n').count();
        match read(&text[..cut]) {
            Err(message) => {
                prop_assert_eq!(lines, 0);
                prop_assert!(message.contains("line 1: expected a header"), "{}", message);
            }
            Ok((_, whole, torn)) => {
                prop_assert_eq!(&whole[..], &log[..lines - 1]);
                prop_assert_eq!(torn, text[cut - 1] != b'\n');
            }
        }
    }

    /// A log is read as it was written or not at all: a byte that changed is found, unless it
    /// gives another valid log, which then reads as that.
    #[test]
    fn no_change_is_passed_over(
        config in config(), log in log(9), at in any::<prop::sample::Index>(), to: u8,
    ) {
        let mut text = written(&config, &log);
        let at = at.index(text.len());
        prop_assume!(text[at] != to);
        text[at] = to;
        if let Ok((changed_config, changed, torn)) = read(&text) {
            let same = changed_config == config && changed == log;
            // Blanks between tokens mean nothing in JSON, and a message may hold anything.
            prop_assert!(!same || torn || to.is_ascii_whitespace(), "{} at {}", to, at);
        }
    }
}

/// The same lines with checksums that fit them.
fn sealed(text: &str) -> String {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    let seal = |line: &str| {
        let Some((said, _)) = line.split_once(",\"sum\"") else {
            return format!("{line}\n");
        };
        for byte in said.bytes() {
            sum = (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        format!("{said},\"sum\":\"{sum:016x}\"}}\n")
    };
    text.lines().map(seal).collect()
}

#[test]
fn a_log_in_which_anything_was_changed_is_refused_there() {
    let config = Config::new(10, 3, Limit::Cycle(Span::from_secs(1)));
    let moments = (0..6).map(|now| (Instant::from_nanos(now), Event::Wake));
    let good = written(&config, &moments.collect());
    let lines: Vec<&[u8]> = good.split_inclusive(|byte| *byte == b'\n').collect();
    let refused = |bytes: &[u8], line: usize| {
        let message = read(bytes).expect_err("it was changed");
        let place = format!("line {line}: ");
        assert!(message.contains(&place), "{message}, expected {line}");
    };
    // Every byte but line ends, each in another way.
    let mut line = 1;
    for (at, byte) in good.iter().enumerate() {
        if *byte == b'\n' {
            line += 1;
            continue;
        }
        let mut changed = good.clone();
        changed[at] = byte.wrapping_add(1 + (at % 200) as u8);
        if changed[at] != b'\n' {
            refused(&changed, line);
        }
    }
    // A line that is missing, comes twice, or has another place.
    let without: Vec<&[u8]> = [&lines[..3], &lines[4..]].concat();
    refused(&without.concat(), 4);
    let twice: Vec<&[u8]> = [&lines[..4], &lines[3..]].concat();
    refused(&twice.concat(), 5);
    let mut moved = lines.clone();
    moved.swap(3, 4);
    refused(&moved.concat(), 4);
    // The end may be missing: a program that is killed writes no more.
    assert_eq!(read(&lines[..5].concat()).expect("a beginning").1.len(), 4);
}

/// A letter of a checksum in the other case is a flipped bit, and means the same number.
#[test]
fn checksums_are_read_as_they_are_written() {
    let golden = include_bytes!("golden/events.jsonl");
    read(golden).expect("it is whole");
    let mut flipped = 0;
    for at in golden
        .windows(7)
        .enumerate()
        .filter(|(_, w)| w == b"\"sum\":\"")
        .map(|(at, _)| at + 7)
    {
        for digit in (at..at + 16).filter(|digit| golden[*digit].is_ascii_lowercase()) {
            let mut changed = golden.to_vec();
            changed[digit] ^= 0x20;
            read(&changed).expect_err("it is damaged");
            flipped += 1;
        }
    }
    assert!(flipped > 0);
}

#[test]
fn what_is_no_log_is_refused() {
    let config = Config::new(10, 3, Limit::Cycle(Span::from_secs(1)));
    let good = String::from_utf8(written(
        &config,
        &vec![
            (Instant::from_nanos(5), Event::Wake),
            (Instant::from_nanos(7), Event::Stopped),
        ],
    ))
    .expect("JSON is UTF-8");
    let check = |from: &str, to: &str, expected: &str| {
        assert!(good.contains(from), "{from} is not in {good}");
        let changed = sealed(&good.replacen(from, to, 1));
        let message = read(changed.as_bytes()).expect_err("no log");
        let expected = format!("run.jsonl does not read as results: {expected}");
        assert!(message.starts_with(&expected), "{message}");
        assert!(!message.contains('\n'), "{message}");
    };
    check("allot-events", "allot", "line 1: expected a header such as");
    check(
        "\"version\":4",
        "\"version\":3",
        "line 1: its version is 3, expected 4",
    );
    check("\"s_min\":0,", "", "line 1: missing field `s_min`");
    check("\"s_min\"", "\"s_max\"", "line 1: unknown field `s_max`");
    check(
        "\"cycles\":3",
        "\"cycles\":0",
        "line 1: config: cycles is 0, expected 1 to",
    );
    check(
        "learnt\":1000000000",
        "learnt\":0",
        "line 1: a margin of 0 ppb, expected 1 to 1000000000000",
    );
    check("\"wake\"", "\"awake\"", "line 2: unknown variant `awake`");
    check(
        "\"wake\"",
        "{\"lost\":{\"worker\":1,\"session\":1,\"why\":\"bored\"}}",
        "line 2: unknown variant `bored`, expected one of `disconnected`",
    );
    check(
        "\"wake\"",
        "{\"joined\":{\"worker\":1,\"profile\":{\"fee\":1000000000001}}}",
        "line 2: a fee of 1000000000001 micro-units, expected at most 1000000000000",
    );
    check(
        "\"wake\"",
        "{\"beat\":{\"worker\":1,\"session\":1,\"cycle\":1,\"done\":1.5}}",
        "line 2: invalid type: floating point",
    );
    check(
        "\"now\":7",
        "\"now\":4",
        "line 3: time runs backwards, from 5 ns",
    );
    check(
        "{\"now\":7",
        "\n{\"now\":7",
        "line 3: expected a checksum at its end",
    );
    assert!(read(b"").expect_err("empty").contains("expected a header"));
}

/// The format is pinned: this file, with every kind of event and the largest numbers, must read and
/// be written the same. A change of the format changes its version.
#[test]
fn the_golden_log_reads_and_is_written_the_same() {
    let golden = include_bytes!("golden/events.jsonl");
    let (config, log, torn) = read(golden).expect("the format is as it was");
    assert!(!torn);
    let text = String::from_utf8(written(&config, &log)).expect("JSON is UTF-8");
    for (line, expected) in text.lines().zip(String::from_utf8_lossy(golden).lines()) {
        assert_eq!(line, expected);
    }
    assert_eq!(text.as_bytes(), golden);
    assert_eq!(log.len(), 15);
    let dearest = log.iter().find_map(|(_, event)| match event {
        Event::Solved { response, .. } => Some(response.outcome.planned()?.plan.cost.micros()),
        _ => None,
    });
    assert_eq!(dearest, Some(u128::MAX));
}

#[test]
fn a_file_has_its_name_once_it_is_whole() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("run.jsonl");
    let config = Config::new(10, 3, Limit::Cycle(Span::from_secs(1)));
    let begin = || EventFile::create(&path, &config).expect("the folder takes it");
    let mut file = begin();
    file.append(Instant::START, &Event::Wake).expect("room");
    drop(file);
    assert_eq!(dir.path().read_dir().expect("it is there").count(), 0);
    let mut file = begin();
    file.append(Instant::START, &Event::Wake).expect("room");
    assert!(!path.exists());
    file.publish().expect("room");
    let mut reader = EventReader::open(&path).expect("a log");
    let event = reader.next().expect("one event").expect("a good line");
    assert_eq!(event, (Instant::START, Event::Wake));
    assert!(reader.next().is_none() && !reader.torn());
}
