//! Workers that lie: each lie is refused with a clear line, and the run goes on.

use std::path::Path;
use std::time::Duration;

use runtime::model::{ModelKind, from_wire, to_wire};
use runtime::net::{DialOptions, Dialer, Identity, Peer, Target, Token};
use runtime::protocol::{Down, Hello, Order, Report, Trained, Training, Up, VERSION};
use tokio::sync::watch;

use crate::common::{Daemon, Run, small};

/// What a worker says at the end of a cycle.
#[derive(Clone, Copy)]
enum Lie {
    /// Claims this number of batches.
    Batches(u64),
    /// Numbers that are none.
    NotANumber,
    /// Parameters of another shape.
    TooShort,
    TooLong,
    /// Of another session.
    Stale,
    /// Numbers that no training can have given.
    OutOfReach,
    /// A result that would do harm, and once it is accepted another one that is refused.
    Twice,
    /// Its result, and then one report after the other.
    Floods,
    /// A result as far off as its steps can reach; once it is accepted the worker leaves.
    Leaves,
}

/// More reports than any worker has to make in some seconds.
const FLOOD: usize = 1_000_000;

/// What all of whose bytes have arrived is checked and accepted in much less than this.
const ACCEPTED_WITHIN: Duration = Duration::from_millis(60);

/// Serves as a worker that lies about its results, until it is shown out.
async fn lie(token: &str, folder: &Path, lie: Lie) -> String {
    let identity = Identity::load_or_create(&folder.join("liar")).expect("a key");
    let target = Target::Token(Token::parse(token).expect("a token"));
    let mut options = DialOptions::new(identity, "liar", target);
    options.discover = false;
    let dialer = Dialer::new(options).expect("a socket");
    let peer = dialer.dial().await.expect("it is let in");
    let (mut control, mut orders) = peer.open_control().await.expect("a stream");
    let hello = Hello {
        version: VERSION,
        name: "liar".to_owned(),
        least_fee_micro: 0,
        cores: 1,
        cpu: "a liar's".to_owned(),
        device: "cpu".to_owned(),
        threads: 1,
        models: vec![ModelKind::Linear],
        memory: None,
        holds: None,
    };
    control
        .send(&Report::Hello(hello))
        .await
        .expect("it is heard");
    let (models, mut model) = watch::channel((0, Vec::new()));
    let blobs = tokio::spawn(answer_blobs(peer.clone(), models));
    let mut length = 0;
    while let Ok(Some(order)) = orders.recv::<Order>().await {
        match order {
            Order::Job(brief) => length = brief.model.layout().parameter_count(),
            Order::Benchmark { session, batches } => {
                let took_ns = batches * 5_000_000;
                let report = Report::Benchmarked {
                    session,
                    batches,
                    took_ns,
                };
                control.send(&report).await.expect("it is heard");
            }
            Order::Ship {
                session,
                plan,
                keep,
                new,
            } => {
                let held = keep + new;
                let report = Report::Shipped {
                    session,
                    plan,
                    held,
                };
                control.send(&report).await.expect("it is heard");
            }
            Order::Train(Training {
                session,
                cycle,
                batches,
                ..
            }) => {
                let (mut done, mut parameters, mut said) = (batches, vec![0.01; length], session);
                match lie {
                    Lie::Batches(claim) => done = claim,
                    Lie::NotANumber => parameters[length / 2] = f32::NAN,
                    Lie::TooShort => parameters.truncate(length - 1),
                    Lie::TooLong => parameters.push(0.0),
                    Lie::Stale => said = session.wrapping_sub(1),
                    Lie::Floods => done = u64::MAX,
                    Lie::OutOfReach => parameters.fill(3e38),
                    Lie::Twice | Lie::Leaves => {
                        let sent = model.wait_for(|(of, _)| *of == cycle).await;
                        parameters = sent.expect("it is sent").1.clone();
                        let reach = 7.9e-4 * (done + 1) as f32;
                        parameters
                            .iter_mut()
                            .for_each(|parameter| *parameter += reach);
                    }
                }
                let header = Up::Trained(Trained {
                    session: said,
                    cycle,
                    done,
                    took_ns: 1_000_000,
                    tail_ns: 1_000_000,
                });
                let sent = |parameters: &[f32]| vec![to_wire(parameters).into()];
                if let Lie::Twice | Lie::Leaves = lie {
                    // A result is accepted as far as beats announced it.
                    let beat = Report::Beat {
                        session,
                        cycle,
                        done,
                    };
                    control.send(&beat).await.expect("it is heard");
                    tokio::time::sleep(Duration::from_millis(30)).await;
                }
                let _ = peer.send_blob(&header, sent(&parameters)).await;
                match lie {
                    Lie::Floods => {
                        // Of no order, of an old session, and of one that it has.
                        let beat = |session| Report::Beat {
                            session,
                            cycle,
                            done: 0,
                        };
                        let reports = [
                            Report::Return { holds: None },
                            beat(session.wrapping_sub(1)),
                            beat(session),
                        ];
                        for number in 0..FLOOD {
                            if control.send(&reports[number % 3]).await.is_err() {
                                break;
                            }
                        }
                    }
                    Lie::Twice => {
                        tokio::time::sleep(ACCEPTED_WITHIN).await;
                        let not_numbers = vec![f32::NAN; length];
                        let _ = peer.send_blob(&header, sent(&not_numbers)).await;
                    }
                    Lie::Leaves => {
                        tokio::time::sleep(ACCEPTED_WITHIN).await;
                        blobs.abort();
                        peer.close("it has done enough");
                        return "it left".to_owned();
                    }
                    Lie::Batches(_)
                    | Lie::NotANumber
                    | Lie::OutOfReach
                    | Lie::TooShort
                    | Lie::TooLong
                    | Lie::Stale => {}
                }
            }
            Order::Admit { .. }
            | Order::Abort { .. }
            | Order::Excluded { .. }
            | Order::Over { .. } => {}
        }
    }
    blobs.abort();
    let closed = tokio::time::timeout(Duration::from_secs(20), peer.closed()).await;
    closed.expect("it is shown out").to_string()
}

/// Sends probes back, passes models on, and takes in everything else.
async fn answer_blobs(peer: Peer, models: watch::Sender<(u32, Vec<f32>)>) {
    while let Ok(mut blob) = peer.accept_blob().await {
        let Ok(header) = blob.header::<Down>().await else {
            continue;
        };
        let mut bytes = Vec::new();
        while let Ok(Some(chunk)) = blob.next_chunk(1 << 16).await {
            bytes.extend_from_slice(&chunk);
        }
        match header {
            Down::Probe { number, .. } => {
                let header = Up::Probe { number };
                let _ = peer.send_blob(&header, vec![bytes.into()]).await;
            }
            Down::Parameters { cycle, .. } => {
                let model = from_wire(&bytes).expect("a model");
                models.send_replace((cycle, model));
            }
            Down::Data { .. } | Down::Places { .. } => {}
        }
    }
}

/// The liar alone in a plan, since it is the cheapest, until it is excluded.
fn check(name: &str, lies: Lie, expected: &str) {
    check_among(name, lies, expected, &["honest"], (1, 5), "0.05");
}

/// The same with `beta` workers in a plan, of which each gets `s_min` batches or more, and with
/// honest ones that are slow enough for the liar to end its cycle first.
fn check_among(
    name: &str,
    lies: Lie,
    expected: &str,
    honest: &[&str],
    (beta, s_min): (u64, u64),
    throttle: &str,
) {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state").display().to_string();
    let scenario = folder.path().join("liars.toml");
    let mut text = format!(
        "[job]\ncycles = 6\ncycle_time = \"6 s\"\nbeta = {beta}\ns_min = {s_min}\nexpect = {}\n\
         [[workers]]\nname = \"liar\"\nspeed = \"1 batches/s\"\nfee = 1\n",
        1 + honest.len(),
    );
    for name in honest {
        text += &format!("[[workers]]\nname = \"{name}\"\nspeed = \"1 batches/s\"\nfee = 5\n");
    }
    std::fs::write(&scenario, text).expect("written");
    let scenario = scenario.display().to_string();
    let more = [&scenario, "--listen", "127.0.0.1:0", "--state", &state];
    let mut run = Run::start(&small(40, &folder.path().join(name)), &more);
    let listening = run.until("listening", |_| true);
    let token = listening["token"].as_str().expect("a token").to_owned();
    let start = |name: &&str| Daemon::start(&token, name, folder.path(), &["--throttle", throttle]);
    let _honest: Vec<Daemon> = honest.iter().map(start).collect();
    let path = folder.path().to_owned();
    let liar = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(lie(&token, &path, lies))
    });
    let end = run.end();
    end.completed();
    end.holds_its_limits(40);
    let told = |event: &serde_json::Value| {
        let text = event["text"].as_str().unwrap_or_default();
        text.contains(expected) || event["why"] == expected
    };
    assert!(end.seen.iter().any(told), "{name}: {:#?}", end.seen);
    // Nothing that it said counted.
    for lot in end.all("lot").filter(|lot| lot["worker"] == "liar") {
        assert_eq!(lot["accepted"], 0, "{name}: {lot}");
    }
    // It began with 2.31; one lie in the average makes it millions.
    let loss = end.summary()["loss"].as_f64();
    assert!(
        loss.is_some_and(|loss| loss < 2.3),
        "the honest ones' work counts and nothing else: {:#?}",
        end.seen
    );
    liar.join().expect("it was shown out");
}

#[test]
fn a_claim_of_a_thousand_million_batches_is_refused() {
    check(
        "claim",
        Lie::Batches(1_000_000_000),
        "it claims 1000000000 batches",
    );
}

#[test]
fn parameters_that_are_no_numbers_are_refused() {
    check("nan", Lie::NotANumber, "expected a finite number");
}

/// One honest worker is no majority that could tell who is far off.
#[test]
fn parameters_that_no_training_can_have_given_are_refused() {
    check(
        "reach",
        Lie::OutOfReach,
        "its parameter 0 has moved by 3.000e38",
    );
}

#[test]
fn parameters_of_another_length_are_refused() {
    check("short", Lie::TooShort, "a result of liar is refused");
    check("long", Lie::TooLong, "a result of liar is refused");
}

#[test]
fn a_result_that_was_accepted_and_then_refused_is_not_averaged() {
    let expected = "expected a finite number";
    let honest = ["honest", "another"];
    check_among("twice", Lie::Twice, expected, &honest, (2, 20), "0.005");
}

#[test]
fn a_result_that_is_too_far_off_is_refused_after_its_worker_has_left() {
    let expected = "a result of liar is refused: its update is";
    let honest = ["honest", "another", "third"];
    check_among("leaves", Lie::Leaves, expected, &honest, (3, 13), "0.005");
}

#[test]
fn a_worker_that_floods_is_shown_out() {
    check(
        "floods",
        Lie::Floods,
        "it reports far more than its orders call for",
    );
}

#[test]
fn a_result_of_another_session_is_refused() {
    check("stale", Lie::Stale, "stale_session");
}
