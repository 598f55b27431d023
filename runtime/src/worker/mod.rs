//! `runtime worker`: a daemon that finds its orchestrator, works for it, and comes back.
//!
//! - `session.rs`: one connection.
//! - `compute.rs`: its trainer. `program.rs`: what is checked of the user's own.
//!
//! **What it does not know:** plans, and other workers.

mod compute;
mod program;
mod session;

use std::io::BufRead;
use std::pin::pin;
use std::time::Duration;

use console::{Exit, Stop};

use crate::cli::WorkerArgs;
use crate::interrupt::{Interrupt, Interrupts};
use crate::net::Dialer;
use crate::net::cli::CliError;
use crate::trainer::TrainerEvent;
use compute::{Compute, TrainSettings};
use session::{End, Training, WorkerOptions};

/// Between two attempts to reach an orchestrator, at first and at most.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
const AGAIN_AFTER_MOST: Duration = Duration::from_secs(15);
/// For a program to load its libraries.
const BEGUN_WITHIN: Duration = Duration::from_secs(600);

/// Runs the daemon.
pub(crate) async fn run(args: WorkerArgs) -> Result<Exit, Stop> {
    crate::cluster::log(if args.with_parent {
        tracing::Level::WARN // its parent shows what there is to see
    } else {
        tracing::Level::INFO
    });
    let (mut join, mut parent) = (args.join.clone(), None);
    if args.with_parent {
        let (token, ends) = from_parent()?;
        join.join = Some(token);
        join.no_discovery = true; // its parent is on this very machine
        parent = Some(ends);
    }
    let dial = join.options().map_err(|error| match error {
        CliError::Usage(message) => Stop::new(Exit::Usage, message),
        CliError::Net(_) | CliError::Token(_) => Stop::bad(error),
    })?;
    let name = dial.name.clone();
    let options = WorkerOptions {
        name,
        least_fee: args.least_fee,
        memory: args.memory,
        cpu: processor(),
        settings: TrainSettings {
            device: args.device,
            threads: args.threads.max(1),
            throttle: args.throttle,
            trainer: args.trainer,
        },
    };
    let mut interrupts = Interrupts::listen().map_err(Stop::failed)?;
    let dialer = Dialer::new(dial).map_err(Stop::failed)?;
    // It lives until the connection is closed: a session that is dropped breaks off without a reason.
    let mut serve = pin!(serve(&dialer, &options, args.once));
    let parent_ends = async {
        match parent {
            Some(ends) => {
                let _ = ends.await; // either way it is over
            }
            None => std::future::pending().await,
        }
    };
    let (exit, why) = tokio::select! {
        exit = &mut serve => (exit, "it has nothing more to do"),
        () = parent_ends => (Ok(Exit::Done), "its parent has ended"),
        interrupt = interrupts.next() => match interrupt {
            Interrupt::CtrlC => (Ok(Exit::Interrupted), "it was interrupted"),
            Interrupt::Terminate => (Ok(Exit::Done), "it was asked to end"),
        },
    };
    // The orchestrator learns of it at once, and does not wait for a timeout.
    dialer.close(why).await;
    exit
}

/// Works until there is nothing more to do, which for a daemon is never.
async fn serve(dialer: &Dialer, options: &WorkerOptions, once: bool) -> Result<Exit, Stop> {
    let mut wait = AGAIN_AFTER;
    let mut training = None;
    loop {
        // It asks for work when what trains is there.
        let ready = match training.take() {
            Some(ready) => ready,
            None => warm(&options.settings).await?,
        };
        match dialer.dial().await {
            Ok(peer) => {
                tracing::info!(orchestrator = %peer.remote(), "connected as {}", options.name);
                match session::serve(&peer, options, ready).await {
                    End::Useless(reason) => return Err(Stop::failed(reason)),
                    End::Died(reason) if once => return Err(Stop::failed(reason)),
                    // One that dies again and again comes back ever later.
                    End::Died(reason) => tracing::warn!(reason, "the connection is over"),
                    End::Over(reason) if once => {
                        tracing::info!(reason, "the connection is over");
                        return Ok(Exit::Done);
                    }
                    End::Over(reason) => {
                        wait = AGAIN_AFTER;
                        tracing::info!(reason, "the connection is over");
                    }
                }
            }
            Err(error) if error.is_retryable() => {
                training = Some(ready);
                tracing::warn!("{error}");
            }
            Err(error) => return Err(Stop::bad(error)),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(AGAIN_AFTER_MOST);
    }
}

/// Starts a program of the user's own, and waits until it speaks; built-in trainers need no time.
async fn warm(settings: &TrainSettings) -> Result<Training, Stop> {
    let (mut compute, mut done) = Compute::new(settings.clone());
    compute.warm().map_err(Stop::failed)?;
    if let Some(command) = &settings.trainer {
        let begun = tokio::time::timeout(BEGUN_WITHIN, done.recv()).await;
        match begun {
            Ok(Some(TrainerEvent::Reply(..))) => {}
            Ok(Some(TrainerEvent::Died(why) | TrainerEvent::Unfit(why))) => {
                return Err(Stop::failed(why));
            }
            Ok(None) | Err(_) => {
                let within = BEGUN_WITHIN.as_secs();
                return Err(Stop::failed(format!(
                    "'{command}' did not begin to serve within {within} s"
                )));
            }
        }
    }
    Ok((compute, done))
}

/// The token of a parent process, and a sign of its end: its end of our standard input closes.
fn from_parent() -> Result<(String, tokio::sync::oneshot::Receiver<()>), Stop> {
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(Stop::bad)?;
    let (ends, ended) = tokio::sync::oneshot::channel();
    let watch = move || {
        let copied = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        drop(copied); // the pipe's end is what was waited for, however it came
        let _ = ends.send(());
    };
    let thread = std::thread::Builder::new().name("parent".to_owned());
    thread.spawn(watch).map_err(Stop::failed)?;
    Ok((line.trim().to_owned(), ended))
}

/// What the machine's processor calls itself.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "model name").then(|| value.trim().to_owned())
    });
    let known = model.filter(|model| !model.is_empty() && model.len() <= 256);
    known.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}
