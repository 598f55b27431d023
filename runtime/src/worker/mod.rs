//! `runtime worker`: a daemon that finds its orchestrator, works for it, and comes back.
//!
//! - `session.rs`: one connection.
//! - `compute.rs`: its trainer. `beats.rs`: signs of life while that waits for a processor.
//!   `sent.rs`: how long results are on their way. `program.rs`: what is checked of the user's own.
//!
//! **What it does not know:** plans, and other workers.

mod beats;
mod compute;
mod program;
mod sent;
mod session;

use std::ffi::OsString;
use std::io::BufRead;
use std::pin::pin;
use std::time::Duration;

use console::{Exit, Stop};

use crate::cli::WorkerArgs;
use crate::files;
use crate::interrupt::{Interrupt, Interrupts};
use crate::net::cli::CliError;
use crate::net::{Dialer, Token};
use crate::trainer::{TrainerCommand, TrainerEvent};
use compute::{Compute, TrainSettings};
use program::HeldData;
use session::{End, Training, WorkerOptions};

/// Between two attempts to reach an orchestrator, at first and at most.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
const AGAIN_AFTER_MOST: Duration = Duration::from_secs(15);
/// How long data is kept for an orchestrator whose connection has ended.
const HELD_FOR: Duration = Duration::from_secs(60);
/// For a program to load its libraries.
const BEGUN_WITHIN: Duration = Duration::from_secs(600);

/// What a command line says is seen by every user of a machine: a token that stands there moves to the
/// environment, which only its owner sees, and the program starts itself anew.
pub(crate) fn hide_token(args: &WorkerArgs) {
    let Some(token) = args.join.join.as_deref() else {
        return;
    };
    let written = std::env::args_os().skip(1).collect::<Vec<_>>();
    let Some(rest) = without_token(&written, token) else {
        return; // it stands in the environment or in a file
    };
    #[cfg(unix)]
    if let (Ok(program), Ok(_)) = (std::env::current_exe(), Token::parse(token)) {
        let mut again = std::process::Command::new(program);
        again.args(rest).env("ALLOT_JOIN", token);
        // If the system refuses, the worker goes on as it is.
        let _ = std::os::unix::process::CommandExt::exec(&mut again);
    }
}

/// The arguments without `--join TOKEN`; none if it is not among them.
fn without_token(written: &[OsString], token: &str) -> Option<Vec<OsString>> {
    let joined = format!("--join={token}");
    let apart = |at: usize| {
        written[at] == "--join" && written.get(at + 1).is_some_and(|next| next == token)
    };
    let at = (0..written.len()).find(|at| written[*at] == *joined || apart(*at))?;
    let mut rest = written.to_vec();
    rest.drain(at..at + if written[at] == *joined { 1 } else { 2 });
    Some(rest)
}

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
    let state = dial.state.clone().unwrap_or_default();
    let lock = files::lock_folder(&state).map_err(Stop::bad)?;
    let Some(_alone) = lock else {
        return Err(Stop::usage(format!(
            "another worker runs with the key in {}: give each worker its own --state",
            state.display()
        )));
    };
    let script = args.model.as_deref().map(TrainerCommand::script);
    let script = script.transpose().map_err(Stop::bad)?;
    let data = args.data.as_ref().map(HeldData::of);
    let data = data.transpose().map_err(Stop::bad)?;
    let name = dial.name.clone();
    let options = WorkerOptions {
        name,
        least_fee: args.least_fee,
        memory: args.memory,
        cpu: processor(),
        data,
        settings: TrainSettings {
            device: args.device,
            threads: args.threads.max(1),
            throttle: args.throttle,
            trainer: script.or(args.trainer),
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
    let mut training: Option<Training> = None;
    let mut served_at = tokio::time::Instant::now();
    loop {
        // What it holds is of use for a while; a program of the user's own took long to begin.
        if options.settings.trainer.is_none()
            && served_at.elapsed() > HELD_FOR
            && let Some((compute, _)) = &mut training
        {
            compute.forget();
        }
        // It asks for work when what trains is there.
        let mut ready = match training.take() {
            Some(ready) => ready,
            None => warm(&options.settings).await?,
        };
        match dialer.dial().await {
            Ok(peer) => {
                tracing::info!(orchestrator = %peer.remote(), "connected as {}", options.name);
                let end = session::serve(&peer, options, &mut ready).await;
                served_at = tokio::time::Instant::now();
                if !matches!(end, End::Died(_)) {
                    training = Some(ready);
                }
                match end {
                    End::Useless(reason) => return Err(Stop::failed(reason)),
                    End::Died(reason) if once => return Err(Stop::failed(reason)),
                    // One that dies again and again comes back ever later.
                    End::Died(reason) => tracing::warn!(reason, "the connection is over"),
                    End::Over(reason) | End::NotAdmitted(reason) if once => {
                        tracing::info!(reason, "the connection is over");
                        return Ok(Exit::Done);
                    }
                    End::NotAdmitted(reason) => tracing::info!(reason, "not admitted"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_off_the_command_line_and_nothing_else() {
        let rest = |words: &str| {
            let written: Vec<OsString> = words.split(' ').map(OsString::from).collect();
            let rest = without_token(&written, "allot1-x")?;
            let rest: Vec<&str> = rest.iter().filter_map(|word| word.to_str()).collect();
            Some(rest.join(" "))
        };
        assert_eq!(
            rest("worker --join allot1-x --once").as_deref(),
            Some("worker --once")
        );
        assert_eq!(rest("worker --join=allot1-x").as_deref(), Some("worker"));
        assert_eq!(
            rest("--name a worker --join allot1-x").as_deref(),
            Some("--name a worker")
        );
        assert_eq!(rest("worker --join"), None);
        assert_eq!(rest("worker --join -"), None);
        assert_eq!(rest("worker --name allot1-x"), None);
    }
}
