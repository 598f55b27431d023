//! The workers that are connected, and the one queue of what happens. Both outlive a job.
//!
//! **What it does not know:** what a job is, and who is a member of it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::link;
use super::messages::{Command, ConnectionId, Input, Member, PeerEvent};
use crate::net::Listener;
use crate::random::random;

/// Inputs that may wait. When there are more, connections wait to add theirs, and the network holds
/// the workers back.
const WAITING: usize = 4096;

/// At the end, for all workers to take their leave.
const GONE_WITHIN: Duration = Duration::from_secs(1);
/// For the last packets, if some have not.
const TOLD_WITHIN: Duration = Duration::from_millis(200);

/// The workers that are connected and have said hello.
pub(crate) struct Connections {
    pub(super) inputs: mpsc::Receiver<Input>,
    pub(super) sender: mpsc::Sender<Input>,
    pub(super) members: BTreeMap<ConnectionId, Member>,
    /// Tells this process from others: a worker that comes back knows whether it is the same one.
    pub(super) run: u64,
    /// Jobs so far.
    pub(super) jobs: u32,
    accepting: JoinHandle<()>,
    listener: Arc<Listener>,
}

impl Connections {
    /// Serves each worker that the listener admits, from now on.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub(crate) fn gather(listener: Listener) -> io::Result<Self> {
        let run = u64::from_le_bytes(random()?);
        let listener = Arc::new(listener);
        let (sender, inputs) = mpsc::channel(WAITING);
        let (admitted, events) = (Arc::clone(&listener), sender.clone());
        let accepting = tokio::spawn(async move {
            let (mut id, measuring) = (0, link::Measuring::default());
            while let Some(peer) = admitted.accept().await {
                id += 1;
                let (events, measuring) = (events.clone(), measuring.clone());
                tokio::spawn(link::serve(ConnectionId(id), peer, events, measuring));
            }
        });
        Ok(Self {
            inputs,
            sender,
            members: BTreeMap::new(),
            run,
            jobs: 0,
            accepting,
            listener,
        })
    }

    /// The sending end of the queue.
    pub(crate) fn sender(&self) -> mpsc::Sender<Input> {
        self.sender.clone()
    }

    /// Sends every worker the reason, and closes the connections.
    pub(crate) async fn dismiss(mut self, reason: &str) {
        self.accepting.abort();
        for member in self.members.values() {
            let reason = reason.to_owned();
            let _ = member.commands.try_send(Command::Close { reason });
        }
        let all_gone = async {
            while !self.members.is_empty() {
                match self.inputs.recv().await {
                    Some(Input::Link(id, PeerEvent::Gone { .. })) => {
                        self.members.remove(&id);
                    }
                    Some(_) => {}
                    None => break,
                }
            }
        };
        let until = Instant::now() + GONE_WITHIN;
        let _ = timeout_at(until, all_gone).await;
        let _ = self.accepting.await; // so that no other task uses the listener
        if let Ok(listener) = Arc::try_unwrap(self.listener) {
            let until = until.max(Instant::now() + TOLD_WITHIN);
            let _ = timeout_at(until, listener.close()).await;
        }
    }
}
