//! What the time model promises of the orchestrator's link, against a link on which the rules are carried out:
//! transfers under way share it fairly, each held back by its worker's own line.

use proptest::prelude::*;
use scheduler::{Link, LinkService, Span, TimeModel, Turn};

/// Rounding: a slot is a whole number of nanoseconds.
const ROUNDED: f64 = 1e-6;

/// One transfer: when it may begin, and how long it takes over the worker's own line.
#[derive(Clone, Copy, Debug)]
struct Transfer {
    from: f64,
    own: f64,
}

/// When each is through, on a link that takes `alone` for each of them: at every moment, those
/// under way have equal parts of it, and what one cannot use is left to the others.
fn through(transfers: &[Transfer], alone: f64) -> Vec<f64> {
    let mut left = vec![1.0; transfers.len()];
    let mut ends = vec![f64::INFINITY; transfers.len()];
    let mut now = 0.0;
    loop {
        let under_way: Vec<usize> = (0..transfers.len())
            .filter(|&at| ends[at].is_infinite() && transfers[at].from <= now)
            .collect();
        let mut next = transfers
            .iter()
            .map(|transfer| transfer.from)
            .filter(|from| *from > now)
            .fold(f64::INFINITY, f64::min);
        // The slowest lines first: what they leave is divided among the rest.
        let mut by_line = under_way.clone();
        by_line.sort_by(|a, b| transfers[*b].own.total_cmp(&transfers[*a].own));
        let mut rates = vec![0.0; transfers.len()];
        let (mut free, mut others) = (1.0 / alone, by_line.len() as f64);
        for at in by_line {
            rates[at] = f64::min(1.0 / transfers[at].own, free / others);
            free -= rates[at];
            others -= 1.0;
        }
        for &at in &under_way {
            next = next.min(now + left[at] / rates[at]);
        }
        if next.is_infinite() {
            return ends;
        }
        for &at in &under_way {
            left[at] -= rates[at] * (next - now);
            if left[at] < 1e-9 {
                ends[at] = next;
            }
        }
        now = next;
    }
}

fn millis(value: u64) -> f64 {
    value as f64 / 1e3
}

/// A link's two directions, and for each worker by how much longer its line takes than the link, in
/// parts of a thousand, and how early it is done. Lines that take turns are all the same.
fn cases() -> impl Strategy<Value = (u64, u64, u64, Vec<(u64, u64)>)> {
    let line = prop_oneof![Just(0_u64), 251..8_000_u64];
    let workers = prop::collection::vec((line, 0..900_u64), 1..9);
    (1..400_u64, 1..400_u64, 0..=250_u64, workers)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn slots_are_kept_on_a_link_that_is_served_in_order((down, up, alike, workers) in cases()) {
        let time_model = TimeModel {
            shared: Span::from_millis(down + up),
            shared_up: Span::from_millis(up),
            service: LinkService::Ordered,
            ..TimeModel::COMPUTE
        };
        // Slow ones last, as the order has it.
        let mut workers = workers;
        workers.sort_by_key(|(slower, _)| *slower > 0);
        let of = workers.len() as u64;
        let over = |slower: u64| 1.0 + if slower > 0 { slower as f64 } else { alike as f64 } / 1e3;
        let links: Vec<Link> = workers
            .iter()
            .map(|&(slower, _)| Link {
                transfer: Span::from_nanos(((down + up) as f64 * over(slower) * 1e6) as u64),
                ..Link::default()
            })
            .collect();
        let slots: Vec<_> = links
            .iter()
            .zip(1..)
            .map(|(link, place)| time_model.slot(link, Turn { place, of }))
            .collect();
        let in_turn = links.iter().filter(|link| !time_model.is_slow(link)).count();

        // Down: in turn, then all that are slow at once.
        let turn = millis(down) * over(0);
        let sent: Vec<Transfer> = workers
            .iter()
            .enumerate()
            .map(|(at, &(slower, _))| Transfer {
                from: turn * at.min(in_turn) as f64,
                own: millis(down) * over(slower),
            })
            .collect();
        let there = through(&sent, millis(down));
        for (there, slot) in there.iter().zip(&slots) {
            prop_assert!(*there <= slot.down.seconds_f64() + ROUNDED, "{there} {slot:?}");
        }

        // Up: in their slots or earlier, whichever others send at the same time.
        let ends = 40.0;
        let back: Vec<Transfer> = workers
            .iter()
            .zip(&slots)
            .map(|(&(slower, early), slot)| Transfer {
                from: ends - slot.stop.seconds_f64() - millis(early),
                own: millis(up) * over(slower),
            })
            .collect();
        // Lines that take turns are the link, for them.
        let alone = millis(up) * if in_turn > 0 { over(0) } else { 1.0 };
        for back in through(&back, alone) {
            prop_assert!(back <= ends + ROUNDED, "{back}, {:?}", slots);
        }

        // What is left between is what capacities count on.
        for (slot, link) in slots.iter().zip(&links) {
            let fixed = time_model.fixed(link, of) + Span::from_nanos(3);
            prop_assert!(slot.down + slot.stop <= fixed, "{slot:?} {fixed:?}");
        }
    }

    #[test]
    fn nothing_is_late_on_a_link_that_is_shared((down, up, _, workers) in cases()) {
        let time_model = TimeModel {
            shared: Span::from_millis(down + up),
            shared_up: Span::from_millis(up),
            ..TimeModel::COMPUTE
        };
        let own = |each: u64, slower: u64| millis(each) * (1.0 + slower as f64 / 1e3);
        let of = workers.len() as u64;
        let down_own = |slower| Transfer { from: 0.0, own: own(down, slower) };
        let there = through(&workers.iter().map(|w| down_own(w.0)).collect::<Vec<_>>(), millis(down));
        for (there, (slower, _)) in there.iter().zip(&workers) {
            let link = Link {
                transfer: Span::from_nanos(((down + up) as f64 * (1e6 + *slower as f64 * 1e3)) as u64),
                ..Link::default()
            };
            let fixed = time_model.fixed(&link, of).seconds_f64();
            let back = own(up, *slower).max(millis(up) * of as f64);
            prop_assert!(there + back <= fixed + ROUNDED, "{there} + {back}, {fixed}");
        }
    }

    /// More workers never leave more time, an order never less than sharing, and a slower line
    /// never more than a faster one.
    #[test]
    fn the_fixed_part_only_grows(
        down in 0..1_000_000_u64, up in 0..1_000_000_u64, own in 0..4_000_000_u64, more in 0..2_000_000_u64,
        latency in 0..1_000_000_u64, employed in 1..1_000_u64,
    ) {
        let with = |service, down: u64, up: u64| TimeModel {
            shared: Span::from_nanos(down + up),
            shared_up: Span::from_nanos(up),
            service,
            ..TimeModel::COMPUTE
        };
        let link = |own| Link {
            transfer: Span::from_nanos(own),
            latency: Span::from_nanos(latency),
            ..Link::default()
        };
        for service in LinkService::ALL.iter().copied() {
            let time_model = with(service, down, up);
            let fixed = time_model.fixed(&link(own), employed);
            prop_assert!(time_model.fixed(&link(own), employed + 1) >= fixed);
            prop_assert!(time_model.fixed(&link(own + more), employed) >= fixed);
        }
        let [ordered, shared] = [LinkService::Ordered, LinkService::Shared]
            .map(|service| with(service, down, down).fixed(&link(own), employed));
        if !with(LinkService::Ordered, down, down).is_slow(&link(own)) {
            prop_assert!(ordered <= shared + Span::from_nanos(1), "{ordered:?} {shared:?}");
        }
        // A slow line loses no more than the others' way down, and the quarter.
        let down = Span::from_nanos(down) * employed;
        prop_assert!(ordered <= (shared + down) * 5 / 4 + Span::from_nanos(4));
    }
}

#[test]
fn known_slots() {
    let time_model = TimeModel {
        shared: Span::from_millis(300),
        shared_up: Span::from_millis(200),
        service: LinkService::Ordered,
        ..TimeModel::COMPUTE
    };
    let link = |transfer, latency| Link {
        transfer: Span::from_millis(transfer),
        latency: Span::from_millis(latency),
        ..Link::default()
    };
    let check = |link: Link, place, expected: [u64; 3], fixed| {
        let slot = time_model.slot(&link, Turn { place, of: 4 });
        assert_eq!(
            [slot.down, slot.stop, slot.due],
            expected.map(Span::from_millis)
        );
        assert_eq!(time_model.fixed(&link, 4), Span::from_millis(fixed));
    };
    // 4 × 200 + 100, and 20 of latency.
    check(link(0, 20), 1, [110, 810, 600], 920);
    check(link(300, 20), 2, [210, 610, 400], 920);
    check(link(300, 0), 4, [400, 200, 0], 900);
    // A tenth slower, in each turn.
    check(link(330, 0), 4, [440, 220, 0], 990);
    // Three times slower: after the others, 5/4 · 300 + 300, and 5/4 · 800 for all results.
    check(link(900, 0), 4, [675, 1_000, 0], 1_675);
    // Ten times: 375 + 1,000 + 2,000.
    check(link(3_000, 0), 1, [1_375, 2_000, 0], 3_375);
    check(link(378, 0), 1, [501, 1_000, 0], 1_501);
}
