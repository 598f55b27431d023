//! What the time model promises of the orchestrator's link holds in the virtual world.

use proptest::prelude::*;
use scheduler::{LinkService, Span};
use sim::world::{PipeModel, Service, Way, World};

use crate::greedy::{job, lots, rows, worker};

const fn millis(millis: u64) -> Span {
    Span::from_millis(millis)
}

/// A world without luck behind a link that is served in this way, of which the scheduler knows all.
fn world(
    service: LinkService,
    (down, up): (u64, u64),
    (batches, seconds): (u64, u64),
    workers: &[(u64, u64)], // batches per second, and by how many times its own line is slower
) -> World {
    let mut config = job(batches, 2, seconds, workers.len() as u32);
    config.time_model.service = service;
    config.time_model.shared = millis(down + up);
    config.time_model.shared_up = millis(up);
    config.time_model.own = millis(20);
    let workers = (1..).zip(workers).map(|(fee, &(speed, slower))| {
        worker(speed, fee).with_way(Way {
            down: millis(down * slower),
            up: millis(up * slower),
            latency: millis(1),
            ..Way::default()
        })
    });
    let pipe = |service, each| PipeModel {
        service,
        parameters: millis(each),
        ..PipeModel::INSTANT
    };
    let [to_workers, from_workers] = Service::of_link(service);
    World {
        down: pipe(to_workers, down),
        up: pipe(from_workers, up),
        aggregation: millis(20),
        ..World::new(config, workers.collect())
    }
}

/// Eight workers of 10 batches per second, 100 ms each way: shared, the link takes 1.6 s of 3 s.
/// In order it takes 0.9 s, and half as many batches more are trained in the same time.
#[test]
fn an_order_leaves_more_time_to_compute() {
    let most = |service| {
        let fits = |batches: &u64| {
            let world = world(service, (100, 100), (*batches, 3), &[(10, 1); 8]);
            rows(&world, 1, 0).0.end.totals.complete == 2
        };
        (1..300).filter(fits).max()
    };
    // Of 3 s less 22 ms, seven that share the link have 1.578 s for 15 batches each (eight only
    // for 13), and eight that take turns 2.078 s for 20.
    assert_eq!(most(LinkService::Shared), Some(7 * 15));
    assert_eq!(most(LinkService::Ordered), Some(8 * 20));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A worker whose share is within its capacity does all of it in time.
    #[test]
    fn no_plan_is_late(
        down in 1..150_u64, up in 1..150_u64, batches in 1..300_u64, seconds in 1..6_u64,
        workers in prop::collection::vec((2..40_u64, prop_oneof![4 => Just(1_u64), 1 => 2..9_u64]), 1..10),
    ) {
        for &service in LinkService::ALL {
            let world = world(service, (down, up), (batches, seconds), &workers);
            let (totals, rows) = rows(&world, 1, 0);
            let end = totals.end.totals;
            prop_assert_eq!((end.truncated, end.failed, totals.overruns), (0, 0, 0), "{:?}", lots(&rows));
        }
    }
}
