//! The changes that give a question a plan: each is solved, and one step less of it is too.

use proptest::prelude::*;
use scheduler::machine::WorkerId;
use scheduler::{Candidate, Cost, Fee, Link, Margin, PlanRequest, Span, Speed, TimeModel};
use solvers::changes::{Change, changed, changes};
use solvers::{Allocator, Exact};

/// A worker: batches a second, fee, most batches.
type Numbers = (u64, u64, u64);

fn request(demand: (u64, u64, u64), shared_ms: u64, workers: &[Numbers]) -> PlanRequest {
    let time_model = TimeModel {
        shared: Span::from_millis(shared_ms),
        ..TimeModel::COMPUTE
    };
    let candidate = |(id, &(speed, fee, most)): (u32, &Numbers)| Candidate {
        worker: WorkerId::new(id),
        fee: Fee::from_micros(fee).expect("small"),
        speed: Speed::measured(speed, Span::from_secs(1)).expect("valid"),
        margin: Margin::NONE,
        link: Link::default(),
        most,
    };
    let candidates = (0..).zip(workers).map(candidate).collect();
    PlanRequest::new(demand, Span::from_secs(1), time_model, candidates).expect("valid")
}

/// Why there is no plan, if there is none.
fn reason(request: &PlanRequest) -> Option<&'static str> {
    let mut exact = Exact::default();
    let response = request.cheapest(|problem| exact.measure(problem).outcome);
    response.outcome.reason()
}

/// The change with one step less, or as many as leave less than the whole of it.
fn less(change: Change) -> Vec<Change> {
    match change {
        Change::Limit { to } => vec![Change::Limit {
            to: to - Span::from_nanos(1),
        }],
        Change::Beta { to } => vec![Change::Beta { to: to + 1 }],
        Change::SMin { to } => vec![Change::SMin { to: to + 1 }],
        Change::Budget { to } => {
            let less = to.checked_sub(Cost::from_micros(1));
            less.map(|to| Change::Budget { to }).into_iter().collect()
        }
        Change::Workers {
            count,
            speed,
            batches,
        } => {
            let slower = Speed::measured(speed.batches() - 1, speed.took());
            let slower = slower.map(|speed| Change::Workers {
                count,
                speed,
                batches,
            });
            let fastest = Speed::measured(1_000_000_000, speed.took()).expect("valid");
            let fewer = (count > 1).then_some(Change::Workers {
                count: count - 1,
                speed: fastest,
                batches,
            });
            slower.into_iter().chain(fewer).collect()
        }
    }
}

fn check(request: &PlanRequest, expected: &str) -> Vec<String> {
    assert_eq!(reason(request), Some(expected));
    let found = changes(request, &mut Exact::default());
    for change in &found {
        assert_eq!(reason(&changed(request, *change)), None, "{change}");
        for less in less(*change) {
            assert!(
                reason(&changed(request, less)).is_some(),
                "{less} is enough"
            );
        }
    }
    found.iter().map(Change::to_string).collect()
}

#[test]
fn every_reason_has_its_changes() {
    let lot_of_five = request((8, 5, 2), 0, &[(10, 1, 99), (10, 2, 99)]);
    assert_eq!(
        check(&lot_of_five, "insufficient_data"),
        ["lower beta to 1", "lower s_min to 4"]
    );
    let two_of_three = request((8, 2, 3), 0, &[(10, 1, 99), (10, 2, 99)]);
    assert_eq!(
        check(&two_of_three, "insufficient_workers"),
        [
            "lower beta to 2",
            "add 1 worker of 2 batches/s, for 2 batches in time"
        ]
    );
    // Two that can take three and four: lots of five leave none.
    let small = request((7, 5, 0), 0, &[(3, 1, 99), (4, 1, 99)]);
    assert_eq!(
        check(&small, "insufficient_workers"),
        [
            "raise the time of a cycle to 1.75 s",
            "lower s_min to 3",
            "add 1 worker of 7 batches/s, for 7 batches in time"
        ]
    );
    let short = request((9, 1, 0), 0, &[(3, 1, 99), (4, 1, 99)]);
    assert_eq!(
        check(&short, "insufficient_capacity"),
        [
            "raise the time of a cycle to 1.33 s",
            "add 1 worker of 2 batches/s, for 2 batches in time"
        ]
    );
    // Two at once can take ten of eleven.
    let gap = request((11, 4, 0), 0, &[(5, 1, 99); 3]);
    assert_eq!(
        check(&gap, "cardinality_gap"),
        [
            "raise the time of a cycle to 1.20 s",
            "lower s_min to 3",
            "add 1 worker of 6 batches/s, for 6 batches in time"
        ]
    );
    // Memory holds four batches each, however long the cycle.
    let full = request((9, 1, 0), 0, &[(3, 1, 4), (9, 1, 4)]);
    assert_eq!(
        check(&full, "insufficient_capacity"),
        ["add 1 worker of 2 batches/s, for 2 batches in time"]
    );
    // The link alone takes 0.4 s for each employed worker: one has 0.6 s, two have 0.2 s.
    let link = request((7, 1, 0), 400, &[(10, 1, 99), (10, 1, 99)]);
    assert_eq!(
        check(&link, "count_limit"),
        [
            "raise the time of a cycle to 1.10 s",
            "add 1 worker of 11.667 batches/s, for 7 batches in time"
        ]
    );
    assert_eq!(
        check(&request((3, 2, 2), 0, &[]), "insufficient_data"),
        Vec::<String>::new()
    );
    assert_eq!(
        check(&request((4, 2, 2), 0, &[]), "insufficient_workers"),
        ["add 2 workers of 2 batches/s, for 2 batches in time"]
    );
    assert_eq!(
        check(
            &request((9, 1, 1_000_000_000), 0, &[(10, 1, 99)]),
            "insufficient_data"
        ),
        ["lower beta to 1"]
    );
}

/// Each employed worker's parameters take 0.1 s of the link: of the second that a cycle has, one
/// worker computes in 0.9 s, each of two in 0.8 s, each of three in 0.7 s.
#[test]
fn every_reason_has_its_changes_on_a_shared_link() {
    let alike = |demand, count| request(demand, 100, &vec![(10, 1, 99); count]);
    assert_eq!(
        check(&alike((8, 5, 2), 3), "insufficient_data"),
        ["lower beta to 1", "lower s_min to 4"]
    );
    // No worker computes ten in 0.9 s: a second and 0.1 for the link does.
    assert_eq!(
        check(&alike((10, 10, 1), 3), "insufficient_workers"),
        [
            "raise the time of a cycle to 1.10 s",
            "lower s_min to 5",
            "add 1 worker of 11.112 batches/s, for 10 batches in time"
        ]
    );
    // Three at 0.7 s take 21; a fourth would leave 0.6 s for each.
    assert_eq!(
        check(&alike((22, 1, 1), 3), "insufficient_capacity"),
        [
            "raise the time of a cycle to 1.10 s",
            "add 1 worker of 6.667 batches/s, for 4 batches in time"
        ]
    );
    // Lots of seven of 17 employ two, who take eight each; three take seven each.
    assert_eq!(
        check(&alike((17, 7, 1), 3), "cardinality_gap"),
        [
            "raise the time of a cycle to 1.10 s",
            "lower s_min to 5",
            "add 1 worker of 11.25 batches/s, for 9 batches in time"
        ]
    );
    // A limit that the link alone takes.
    let short = alike((9, 1, 1), 3).within(Span::from_millis(100));
    assert_eq!(
        check(&short, "insufficient_workers"),
        ["raise the time of a cycle to 600.0 ms"]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn changes_work_and_no_less_of_them_does(
        demand in (1..40_u64, 0..12_u64, 0..6_u64),
        shared_ms in prop_oneof![Just(0), 1..300_u64],
        workers in prop::collection::vec((1..14_u64, 0..5_u64, 1..30_u64), 0..6),
    ) {
        let request = request(demand, shared_ms, &workers);
        let found = changes(&request, &mut Exact::default());
        let Some(reason) = reason(&request) else {
            prop_assert!(found.is_empty());
            return Ok(());
        };
        check(&request, reason);
        // Nothing smaller works at all.
        let limit = found.iter().find_map(|change| {
            if let Change::Limit { to } = change { Some(*to) } else { None }
        });
        for twentieths in 1..60 {
            let shorter = match limit {
                Some(limit) if twentieths < 20 => limit * twentieths / 20,
                Some(_) => continue,
                None => Span::from_secs(1) * twentieths / 10,
            };
            prop_assert!(self::reason(&request.within(shorter)).is_some(), "{shorter} is enough");
        }
        let (n, s_min, beta) = demand;
        let (mut betas, mut s_mins) = (0..beta, 0..s_min);
        let is = |demand| reason_of(&request, demand).is_none();
        let best_beta = betas.rfind(|beta| is((n, s_min, *beta)));
        let best_s_min = s_mins.rfind(|s_min| is((n, *s_min, beta)));
        let offered_beta = found.iter().find_map(|change| {
            if let Change::Beta { to } = change { Some(*to) } else { None }
        });
        let offered_s_min = found.iter().find_map(|change| {
            if let Change::SMin { to } = change { Some(*to) } else { None }
        });
        prop_assert_eq!(offered_beta, best_beta);
        prop_assert_eq!(offered_s_min, best_s_min);
    }
}

fn reason_of(request: &PlanRequest, demand: (u64, u64, u64)) -> Option<&'static str> {
    reason(&request.with_demand(demand).expect("valid"))
}
