//! The workers of a cluster, which outlive a job: those of this machine, and the listener that
//! admits others.
//!
//! **What it does not know:** jobs.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use console::{Exit, Stop, note, print};
use serde_json::json;

use super::local::{Locals, Scratch, remove_scratch, throttles};
use crate::cli::ClusterArgs;
use crate::data::DataAt;
use crate::interrupt::{self, Interrupts};
use crate::net::cli::listen_options;
use crate::net::{AllowList, DEFAULT_PORT, Listener, Token};
use crate::orchestrator::{Connections, Input};

/// How long a printed token is valid.
const TOKEN_FOR: Duration = Duration::from_secs(24 * 3600);

/// The connections of all workers, and the processes of those of this machine.
pub(crate) struct Cluster {
    pub(crate) connections: Connections,
    /// Where workers of other machines find it, if they may join.
    pub(crate) address: Option<SocketAddr>,
    locals: Option<Locals>,
    list: AllowList,
}

impl Cluster {
    /// Listens for workers, and starts those of this machine.
    pub(crate) async fn open(args: &ClusterArgs, names: &[String]) -> Result<Self, Stop> {
        let scratch = args.local.map(|_| Scratch::new()).transpose();
        let scratch = scratch.map_err(Stop::failed)?;
        let (listener, token) = listen(args, scratch.as_ref()).await?;
        let list = listener.allow_list().clone();
        let started = match (args.local, scratch) {
            (Some(count), Some(scratch)) => {
                let throttles = if args.throttles.is_empty() {
                    throttles(count, cores())
                } else {
                    args.throttles.clone()
                };
                let names = &names[..names.len().min(count as usize)];
                if throttles.len() < names.len() {
                    let (has, needs) = (throttles.len(), names.len());
                    let message = format!("--throttles has {has} fractions, expected {needs}");
                    return Err(Stop::new(Exit::Usage, message));
                }
                let how = (args.device, args.trainer.as_ref());
                let data = (args.data_at == DataAt::Workers).then_some(&args.data);
                let own = listener.mint_own(count, TOKEN_FOR).await;
                let own = own.map_err(Stop::failed)?;
                let started = Locals::start(scratch, names, &throttles, how, data, &own).await;
                let locals = started.map_err(|error| {
                    Stop::failed(format!("a worker cannot be started: {error}"))
                })?;
                for (name, id) in names.iter().zip(locals.ids()) {
                    tracing::info!(name, ?id, "a worker of this machine");
                    tell(
                        args,
                        &json!({"event": "started", "worker": name, "pid": id}),
                    )?;
                }
                Some(locals)
            }
            _ => None,
        };
        let is_open = args.local.is_none() || args.listen.is_some();
        let address = is_open.then(|| listener.local_addr());
        if let Some(address) = address {
            let address = address.to_string();
            note!("listening on {address}; workers join with:\n  runtime worker --join {token}");
            let token = token.to_string();
            tell(
                args,
                &json!({"event": "listening", "address": address, "token": token}),
            )?;
        }
        let connections = Connections::gather(listener).map_err(Stop::failed)?;
        listen_for_interrupts(&connections)?;
        Ok(Self {
            connections,
            address,
            locals: started,
            list,
        })
    }

    /// Lets all workers go, those of this machine at the same time.
    pub(crate) async fn close(self) {
        let dismissed = self
            .connections
            .dismiss("the orchestrator has no more to do");
        let Some(locals) = self.locals else {
            return dismissed.await;
        };
        let ((), _keys) = tokio::join!(dismissed, locals.end());
        if let Err(error) = self.list.forget_own() {
            note!("the keys of this run's own workers stay on the list: {error}");
        }
    }
}

/// For scripts.
fn tell(args: &ClusterArgs, event: &serde_json::Value) -> Result<(), Stop> {
    if args.json {
        return print(&format!("{event}\n"));
    }
    Ok(())
}

/// Starts to listen: on this machine only if all workers are local, else for all that have the
/// token.
async fn listen(args: &ClusterArgs, scratch: Option<&Scratch>) -> Result<(Listener, Token), Stop> {
    let is_local = args.local.is_some() && args.listen.is_none();
    let mut state = args.state.clone();
    if let (None, Some(scratch)) = (&state.state, scratch) {
        state.state = Some(scratch.path().to_owned());
    }
    let listen = args.listen.unwrap_or(if is_local {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
    } else {
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, DEFAULT_PORT))
    });
    let mut options = listen_options(&state, listen).map_err(Stop::bad)?;
    options.announce = !(is_local || args.no_discovery);
    options.offload = !args.no_gso;
    let listener = Listener::bind(options).await.map_err(Stop::failed)?;
    let token = listener
        .mint(args.uses, TOKEN_FOR)
        .await
        .map_err(Stop::failed)?;
    Ok((listener, token))
}

/// The first Ctrl-C, or another signal that asks for an end, ends the job in order; the second ends the program.
fn listen_for_interrupts(connections: &Connections) -> Result<(), Stop> {
    let inputs = connections.sender();
    let mut interrupts = Interrupts::listen().map_err(Stop::failed)?;
    tokio::spawn(async move {
        interrupts.next().await;
        interrupt::count();
        note!("stopping; once more to stop at once");
        if inputs.send(Input::Interrupted).await.is_ok() {
            interrupts.next().await;
        }
        remove_scratch();
        std::process::exit(i32::from(Exit::Interrupted as u8));
    });
    Ok(())
}

/// The cores of this machine that we may use.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
