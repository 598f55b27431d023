//! Data is not sent again to a worker that still holds it: both sides, each against a script of the other.

use std::path::Path;

use runtime::data::BatchShape;
use runtime::model::{ModelKind, ModelSpec, TrainingOptions, Weights, Wire};
use runtime::net::{
    ControlReceiver, ControlSender, DialOptions, Dialer, Identity, ListenOptions, Listener, Peer,
    Target, Token,
};
use runtime::protocol::{Brief, Down, Hello, Holds, Order, Report, VERSION};

use crate::common::{Daemon, Run, return_probes, small};

/// The orchestrator's side: a worker that says nothing in a cycle is excluded, and returns; then one that
/// comes back on a new connection. Neither is sent anything that it says it has.
#[test]
fn who_comes_back_is_not_sent_what_it_says_it_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state").display().to_string();
    let more = [
        "--listen",
        "127.0.0.1:0",
        "--state",
        &state,
        "--cycles",
        "4",
    ];
    let more = [&more[..], &["--cycle-time", "8 s", "--beta", "1"]].concat();
    let more = [
        &more[..],
        &["--set", "job.expect=1", "--set", "waits.pause=20 s"],
    ]
    .concat();
    let mut run = Run::start(&small(40, &folder.path().join("run")), &more);
    let listening = run.until("listening", |_| true);
    let token = listening["token"].as_str().expect("a token").to_owned();
    let path = folder.path().to_owned();
    let member = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(member(&token, &path))
    });
    let shipped = member.join().expect("it ends");
    assert_eq!(
        shipped,
        [(0, 40), (40, 0), (40, 0)],
        "kept and sent each time"
    );
    drop(run);
}

/// Joins, is excluded in the first cycle, returns, leaves in the second cycle, and joins again. Gives what
/// it was told to keep, and what it was sent.
async fn member(token: &str, folder: &Path) -> Vec<(u64, u64)> {
    let identity = Identity::load_or_create(&folder.join("member")).expect("a key");
    let target = Target::Token(Token::parse(token).expect("a token"));
    let mut options = DialOptions::new(identity, "member", target);
    options.discover = false;
    let dialer = Dialer::new(options).expect("a socket");
    let (mut holds, mut shipped) = (None, Vec::new());
    while shipped.len() < 3 {
        let peer = dialer.dial().await.expect("it is let in");
        let (mut control, mut orders) = peer.open_control().await.expect("a stream");
        say(&mut control, &Report::Hello(hello(holds))).await;
        let blobs = tokio::spawn(return_probes(peer.clone()));
        let (mut run, mut job) = (0, 0);
        while let Ok(Some(order)) = orders.recv::<Order>().await {
            match order {
                Order::Job(brief) => (run, job) = (brief.run, brief.job),
                Order::Benchmark { session, batches } => {
                    let took_ns = batches * 5_000_000;
                    let report = Report::Benchmarked {
                        session,
                        batches,
                        took_ns,
                    };
                    say(&mut control, &report).await;
                }
                Order::Ship {
                    session,
                    plan,
                    keep,
                    new,
                } => {
                    shipped.push((keep, new));
                    let held = keep + new;
                    holds = Some(Holds {
                        run,
                        job,
                        session,
                        plan,
                        batches: held,
                    });
                    let report = Report::Shipped {
                        session,
                        plan,
                        held,
                    };
                    say(&mut control, &report).await;
                    if shipped.len() == 3 {
                        break;
                    }
                }
                Order::Train(_) if shipped.len() == 2 => break,
                Order::Excluded { .. } => say(&mut control, &Report::Return { holds }).await,
                Order::Train(_)
                | Order::Admit { .. }
                | Order::Abort { .. }
                | Order::Over { .. } => {}
            }
        }
        blobs.abort();
        peer.close("it comes back");
    }
    shipped
}

/// The worker's side: the real one says what it still holds, on the same connection and on the next one,
/// and goes on with it.
#[test]
fn a_worker_keeps_its_data_for_the_same_job_and_for_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(orchestrator(folder.path()));
}

async fn orchestrator(folder: &Path) {
    let state = folder.join("orchestrator");
    let identity = Identity::load_or_create(&state.join("key")).expect("a key");
    let address = (std::net::Ipv4Addr::LOCALHOST, 0).into();
    let mut options = ListenOptions::new(identity, state, address);
    options.announce = false;
    let listener = Listener::bind(options).await.expect("a socket");
    let hour = std::time::Duration::from_secs(3600);
    let token = listener.mint(1, hour).await.expect("a token").to_string();
    let _worker = Daemon::start(&token, "pc1", folder, &[]);
    let expected = |session, plan, batches| {
        Some(Holds {
            run: 7,
            job: 1,
            session,
            plan,
            batches,
        })
    };

    // Three batches arrive.
    let mut of = Served::accept(&listener).await;
    assert_eq!(of.hello.holds, None);
    of.begin(7, 1).await;
    of.ship(1, 1, 0, 3).await;
    // It is excluded, and says on its return what it has.
    let reason = "a test".to_owned();
    let may_return = true;
    of.order(&Order::Excluded { reason, may_return }).await;
    let returns = of
        .until(|report| matches!(report, Report::Return { .. }))
        .await;
    assert_eq!(
        returns,
        Report::Return {
            holds: expected(1, 1, 3)
        }
    );
    // It keeps two, and gets two more.
    of.ship(2, 2, 2, 2).await;
    of.peer.close("a test");
    // On the next connection too.
    let mut of = Served::accept(&listener).await;
    assert_eq!(of.hello.holds, expected(2, 2, 4));
    of.begin(7, 1).await;
    of.ship(3, 3, 4, 0).await;
    of.peer.close("a test");
    // Of another job, it has nothing; nor then of the one before.
    let mut of = Served::accept(&listener).await;
    assert_eq!(of.hello.holds, expected(3, 3, 4));
    of.begin(7, 2).await;
    of.ship(1, 1, 0, 1).await;
    of.begin(7, 1).await;
    of.order(&Order::Ship {
        session: 2,
        plan: 2,
        keep: 4,
        new: 0,
    })
    .await;
    let held = of
        .until(|report| matches!(report, Report::Shipped { .. }))
        .await;
    assert!(matches!(held, Report::Shipped { held: 0, .. }), "{held:?}");
}

/// A connection to a worker.
struct Served {
    peer: Peer,
    hello: Hello,
    control: ControlSender,
    reports: ControlReceiver,
}

const SHAPE: BatchShape = BatchShape::of_bytes(2, 3, 2, 256);

impl Served {
    async fn accept(listener: &Listener) -> Self {
        let peer = listener.accept().await.expect("a worker");
        let (control, mut reports) = peer.accept_control().await.expect("a stream");
        let Ok(Some(Report::Hello(hello))) = reports.recv().await else {
            panic!("a worker says hello first");
        };
        Self {
            peer,
            hello,
            control,
            reports,
        }
    }

    async fn order(&mut self, order: &Order) {
        self.control.send(order).await.expect("it is heard");
    }

    async fn until(&mut self, is_it: impl Fn(&Report) -> bool) -> Report {
        loop {
            let heard = self.reports.recv::<Report>().await;
            let report = heard.expect("it is one").expect("it is there");
            if is_it(&report) {
                return report;
            }
        }
    }

    /// A job, and a benchmark, which starts what trains.
    async fn begin(&mut self, run: u64, job: u32) {
        let model = ModelSpec {
            kind: ModelKind::Linear,
            weights: Weights::Xavier,
            options: TrainingOptions::NONE,
            shape: SHAPE,
        };
        let brief = Brief {
            run,
            job,
            model,
            parameters: model.layout().parameter_count() as u64,
            wire: Wire::F32,
            data: None,
            program: None,
            fee_micro: 1,
            seed: 1,
            allow_gpu: false,
        };
        self.order(&Order::Job(brief)).await;
        let (session, batches) = (1, 1);
        self.order(&Order::Benchmark { session, batches }).await;
        self.until(|report| matches!(report, Report::Ready { .. }))
            .await;
        let done = |report: &Report| matches!(report, Report::Benchmarked { .. });
        self.until(done).await;
    }

    /// Has it keep some batches and sends others, until it holds them all.
    async fn ship(&mut self, session: u32, plan: u32, keep: u64, new: u64) {
        self.order(&Order::Ship {
            session,
            plan,
            keep,
            new,
        })
        .await;
        if new > 0 {
            let header = Down::Data {
                session,
                plan,
                first: keep,
                count: new as u32,
            };
            let batches = vec![0_u8; SHAPE.wire_len() * new as usize];
            let sent = self.peer.send_blob(&header, vec![batches.into()]).await;
            sent.expect("it arrives");
        }
        let all = |report: &Report| {
            let expected = Report::Shipped {
                session,
                plan,
                held: keep + new,
            };
            *report == expected
        };
        self.until(all).await;
    }
}

async fn say(control: &mut ControlSender, report: &Report) {
    control.send(report).await.expect("it is heard");
}

fn hello(holds: Option<Holds>) -> Hello {
    Hello {
        version: VERSION,
        name: "member".to_owned(),
        least_fee_micro: 0,
        cores: 1,
        cpu: "a script's".to_owned(),
        device: "cpu".to_owned(),
        threads: 1,
        models: vec![ModelKind::Linear],
        memory: None,
        holds,
    }
}
