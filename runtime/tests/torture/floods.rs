//! Members and strangers that send as much as they can.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;
use runtime::model::{ModelKind, to_wire};
use runtime::net::{DialOptions, Dialer, Identity, Peer, Target, Token};
use runtime::protocol::{Hello, Order, Report, Trained, Up, VERSION};
use scenarios::Draws;
use sha2::{Digest, Sha256};

use crate::common::{return_probes, small};
use crate::job::Job;
use crate::links::listening;
use crate::members::{Worker, address_of, at_address, bytes_of, memory};
use crate::relay::{Harm, Relay};
use crate::spaces::{Network, address};
use crate::{Attempt, Tried};

const BATCHES: u64 = 60;
/// What a flood may cost an orchestrator, in KiB and in bytes a second.
const MEMORY: u64 = 64 << 10;
const DISK: u64 = 1_000_000;

/// What a hostile member sends.
#[derive(Clone, Copy, Debug)]
enum Flood {
    Return,
    Ready,
    Benchmarked,
    Shipped,
    OldBeats,
    Beats,
    Probes,
    Results,
    Mixed,
}

const FLOODS: [Flood; 9] = [
    Flood::Return,
    Flood::Ready,
    Flood::Benchmarked,
    Flood::Shipped,
    Flood::OldBeats,
    Flood::Beats,
    Flood::Probes,
    Flood::Results,
    Flood::Mixed,
];

/// Three honest workers and some that flood, from their admission or from a cycle on.
pub(crate) fn members(attempt: &Attempt<'_>) -> Result<Tried, String> {
    let mut draws = attempt.draws();
    let mut args = small(BATCHES, &attempt.folder.join("run"));
    let more = "--local 3 --throttles 0.03,0.02,0.02 --beta 2 --s-min 5 --cycles 5 \
                --set waits.gather=8 --set waits.pause=3 --cycle-time 2 --expect 3";
    args.extend(more.split_whitespace().map(str::to_owned));
    args.extend(listening(&attempt.folder, "127.0.0.1:0"));
    let mut job = Job::start(&args, &attempt.folder, 0);
    let token = job.token()?;
    let (before, _) = memory(job.pid());
    let since = Instant::now();
    let over = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicU64::new(0));
    let hostile: Vec<_> = (0..draws.between(1, 3))
        .map(|number| {
            let flood = FLOODS[draws.between(0, FLOODS.len() as u64 - 1) as usize];
            let at_once = draws.between(0, 1) == 0;
            let (token, folder) = (token.clone(), attempt.folder.clone());
            let (over, sent) = (Arc::clone(&over), Arc::clone(&sent));
            let name = format!("flood-{number}-{flood:?}");
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime");
                runtime.block_on(async {
                    let who = (name.as_str(), folder.as_path());
                    while !over.load(Ordering::Relaxed) {
                        let _ = hostile(&token, who, (flood, at_once), (&over, &sent)).await;
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                });
            })
        })
        .collect();
    job.follow(Duration::from_secs(120));
    over.store(true, Ordering::Relaxed);
    let ended = job.end();
    for thread in hostile {
        let _ = thread.join();
    }
    let ended = ended?;
    ended.check(BATCHES)?;
    costs(attempt, (before, ended.most_memory), since.elapsed())?;
    Ok(sent.load(Ordering::Relaxed).into())
}

/// What it came to in memory and on disk is bounded.
fn costs(attempt: &Attempt<'_>, (before, most): (u64, u64), time: Duration) -> Result<(), String> {
    // What a run of this size writes anyway is less than a second's worth.
    let written = ["run", "keys", "events-0", "errors-0"].map(|name| attempt.folder.join(name));
    let disk: u64 = written.iter().map(|path| bytes_of(path)).sum();
    let may = DISK * (time.as_secs() + 1);
    if disk > may {
        return Err(format!("{disk} bytes on disk in {time:?}"));
    }
    if most > before + MEMORY {
        return Err(format!("{most} KiB of memory, {before} KiB before"));
    }
    Ok(())
}

async fn hostile(
    token: &str,
    (name, folder): (&str, &Path),
    (flood, at_once): (Flood, bool),
    (over, sent): (&AtomicBool, &AtomicU64),
) -> Result<(), String> {
    let dialer = dialer(token, name, &folder.join(name))?;
    let peer = dialer.dial().await.map_err(|error| error.to_string())?;
    let (mut control, mut orders) = peer.open_control().await.map_err(|e| e.to_string())?;
    control
        .send(&Report::Hello(hello(name)))
        .await
        .map_err(|e| e.to_string())?;
    let blobs = tokio::spawn(return_probes(peer.clone()));
    let (mut session, mut cycle, mut floods) = (0, 0, false);
    while !over.load(Ordering::Relaxed) {
        if floods {
            send(&peer, &mut control, flood, (session, cycle), sent).await?;
        }
        let order = if floods {
            let next = tokio::time::timeout(Duration::from_micros(1), orders.recv::<Order>());
            match next.await {
                Ok(order) => order,
                Err(_) => continue,
            }
        } else {
            orders.recv::<Order>().await
        };
        match order.map_err(|error| error.to_string())? {
            None => break,
            Some(Order::Admit { session: own }) => {
                (session, floods) = (own, at_once);
            }
            Some(Order::Job(_)) => {
                let device = "cpu".to_owned();
                let _ = control.send(&Report::Ready { device }).await;
            }
            Some(Order::Benchmark { session, batches }) => {
                let took_ns = batches * 5_000_000;
                let done = Report::Benchmarked {
                    session,
                    batches,
                    took_ns,
                };
                let _ = control.send(&done).await;
            }
            Some(Order::Ship {
                session,
                plan,
                keep,
                new,
            }) => {
                let held = keep + new;
                let report = Report::Shipped {
                    session,
                    plan,
                    held,
                };
                let _ = control.send(&report).await;
            }
            Some(Order::Train(training)) => (cycle, floods) = (training.cycle, true),
            Some(Order::Abort { .. } | Order::Excluded { .. } | Order::Over { .. }) => {}
        }
    }
    blobs.abort();
    Ok(())
}

/// Some hundred reports or a few transfers.
async fn send(
    peer: &Peer,
    control: &mut runtime::net::ControlSender,
    flood: Flood,
    (session, cycle): (u32, u32),
    sent: &AtomicU64,
) -> Result<(), String> {
    let beat = |session: u32, done| Report::Beat {
        session,
        cycle,
        done,
    };
    for number in 0..100_u64 {
        let turn = match flood {
            Flood::Mixed => FLOODS[number as usize % (FLOODS.len() - 1)],
            flood => flood,
        };
        let report = match turn {
            Flood::Return => Report::Return { holds: None },
            Flood::Ready => Report::Ready {
                device: "cpu".to_owned(),
            },
            Flood::Benchmarked => Report::Benchmarked {
                session: session.wrapping_sub((number % 2) as u32),
                batches: 40,
                took_ns: 1 + number,
            },
            Flood::Shipped => Report::Shipped {
                session,
                plan: (number % 3) as u32,
                held: number,
            },
            Flood::OldBeats => beat(session.wrapping_sub(1), number),
            Flood::Beats | Flood::Mixed => beat(session, number),
            Flood::Probes | Flood::Results => {
                let header = match turn {
                    Flood::Probes => Up::Probe {
                        number: number as u32,
                    },
                    _ => Up::Trained(Trained {
                        session,
                        cycle,
                        done: number,
                        took_ns: 1,
                        tail_ns: 1,
                    }),
                };
                let bytes = to_wire(&vec![0.01; 100 * (number as usize % 80)]);
                let blob = peer.send_blob(&header, vec![bytes.into()]);
                // Whether or not anybody takes it.
                let _ = tokio::time::timeout(Duration::from_millis(2), blob).await;
                sent.fetch_add(1, Ordering::Relaxed);
                continue;
            }
        };
        let said = control.send(&report).await;
        said.map_err(|error| error.to_string())?;
        sent.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn hello(name: &str) -> Hello {
    Hello {
        version: VERSION,
        name: name.to_owned(),
        least_fee_micro: 0,
        cores: 1,
        cpu: "a flood's".to_owned(),
        device: "cpu".to_owned(),
        threads: 1,
        models: vec![ModelKind::Linear],
        memory: None,
        holds: None,
    }
}

fn dialer(token: &str, name: &str, key: &Path) -> Result<Dialer, String> {
    let identity = Identity::load_or_create(key).map_err(|error| error.to_string())?;
    let token = Token::parse(token).map_err(|error| error.to_string())?;
    let mut options = DialOptions::new(identity, name, Target::Token(token));
    options.discover = false;
    options.timeout = Duration::from_secs(3); // as long as a place at the door
    Dialer::new(options).map_err(|error| error.to_string())
}

/// What a stranger does, in a process of its own on another machine.
const STRANGERS: [&str; 3] = ["half-open", "unknown", "idle"];
/// How long before the honest ones come, and until they must be there.
const ALONE: Duration = Duration::from_secs(3);
const JOINED_WITHIN: Duration = Duration::from_secs(2);
const HONEST: usize = 3;

/// One machine of strangers at the door; honest workers come in beside it.
pub(crate) fn strangers(attempt: &Attempt<'_>) -> Result<Tried, String> {
    let network = match Network::make(HONEST + 2) {
        Ok(network) => network,
        Err(why) => return Ok(Tried::Not(why)),
    };
    let kind = STRANGERS[attempt.seed as usize % STRANGERS.len()];
    let mut args = small(BATCHES, &attempt.folder.join("run"));
    let more =
        format!("--expect {HONEST} --beta 1 --cycles 2 --cycle-time 4 --set waits.gather=60");
    args.extend(more.split(' ').map(str::to_owned));
    args.extend(listening(&attempt.folder, &format!("{}:9317", address(0))));
    let mut job = Job::of(network.program(0), &args, &attempt.folder, 0);
    let token = job.token()?;
    let (before, _) = memory(job.pid());
    let since = Instant::now();
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let stranger = network
        .command(HONEST + 1, &program.display().to_string())
        .args(["--stranger", kind, &token])
        .arg(&attempt.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    let stranger = Stranger(stranger.map_err(|error| error.to_string())?);
    job.follow(ALONE);
    let mut workers = Vec::new();
    for machine in 1..=HONEST {
        let name = format!("honest-{machine}");
        let from = Instant::now();
        let command = network.program(machine);
        workers.push(Worker::start(command, &token, &name, &attempt.folder, &[]));
        let joined = job.until(Duration::from_secs(30), |event| {
            event["event"] == "joined" && event["worker"] == name.as_str()
        });
        joined.map_err(|why| format!("beside {kind}: {why}"))?;
        let took = from.elapsed();
        if took > JOINED_WITHIN {
            return Err(format!("beside {kind} {name} joined after {took:?}"));
        }
    }
    let ended = job.end()?;
    drop(stranger);
    ended.check(BATCHES)?;
    costs(attempt, (before, ended.most_memory), since.elapsed())?;
    let count = std::fs::read_to_string(attempt.folder.join("count")).unwrap_or_default();
    let count: u64 = count.trim().parse().unwrap_or_default();
    if count < 20 {
        return Err(format!("{kind} came {count} times only"));
    }
    Ok(count.into())
}

/// Ended when this is dropped.
struct Stranger(Child);

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The stranger's side, until it is killed: connections that are begun and never ended, keys that nobody
/// knows with proofs that are none, or handshakes after which nothing is said.
pub(crate) fn be_stranger(kind: &str, token: &str, folder: &Path) -> Result<(), String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let to = address_of(token)?;
    let forged = forged(token)?;
    let relay = match kind {
        "half-open" => Some(only(to, 1, true)?),
        // The handshake passes, what follows does not.
        "idle" => Some(only(to, 2, false)?),
        _ => None,
    };
    let token = match &relay {
        Some(relay) => at_address(&forged, relay.address)?,
        None => forged,
    };
    runtime.block_on(async {
        let count = AtomicU64::new(0);
        let mut under_way = tokio::task::JoinSet::new();
        loop {
            let number = count.fetch_add(1, Ordering::Relaxed);
            let key = folder.join("strangers").join((number % 8).to_string());
            if let Ok(dialer) = dialer(&token, &format!("stranger-{number}"), &key) {
                under_way.spawn(async move {
                    let _ = dialer.dial().await;
                });
            }
            if number.is_multiple_of(16) {
                let _ = std::fs::write(folder.join("count"), number.to_string());
            }
            while under_way.len() >= 400 {
                under_way.join_next().await;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
}

fn only(to: SocketAddr, count: u64, deaf: bool) -> Result<Relay, String> {
    let harm = Harm {
        lost: 0,
        twice: 0,
        least_delay: 0,
        most_delay: 0,
        only: Some(count),
        deaf,
    };
    Relay::start(to, harm, Draws::of_key([0; 4], 0)).map_err(|error| error.to_string())
}

/// The token with another secret.
fn forged(token: &str) -> Result<String, String> {
    let body = token.strip_prefix("allot-").ok_or("not a token")?;
    let mut bytes = BASE64URL_NOPAD
        .decode(body.as_bytes())
        .map_err(|error| error.to_string())?;
    bytes.truncate(bytes.len() - 4);
    bytes[45] ^= 1;
    let sum = Sha256::digest(&bytes);
    bytes.extend_from_slice(&sum[..4]);
    Ok(format!("allot-{}", BASE64URL_NOPAD.encode(&bytes)))
}
