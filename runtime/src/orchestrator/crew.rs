//! The workers that are connected, and the one queue of what happens. Both outlive a job.
//!
//! **What it does not know:** what a job is, and who is a member of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Input;
use super::link::{self, Command, Said, Serial};
use crate::net::{Listener, Peer};
use crate::protocol::Hello;

/// Happenings that may wait to be looked at. Whoever has more to say waits, and then others wait
/// for it, down to its own network.
const WAITING: usize = 4096;

/// Everybody who is connected and has said hello.
pub(crate) struct Crew {
    pub(super) inputs: mpsc::Receiver<Input>,
    pub(super) sender: mpsc::Sender<Input>,
    pub(super) members: BTreeMap<Serial, Member>,
    /// Jobs so far.
    pub(super) jobs: u32,
    accepting: JoinHandle<()>,
    listener: Arc<Listener>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) hello: Box<Hello>,
    pub(crate) peer: Peer,
    pub(super) commands: mpsc::Sender<Command>,
}

impl Crew {
    /// Accepts every worker that the listener admits, from now on.
    pub(crate) fn gather(listener: Listener) -> Self {
        let listener = Arc::new(listener);
        let (sender, inputs) = mpsc::channel(WAITING);
        let (admitted, tell) = (Arc::clone(&listener), sender.clone());
        let accepting = tokio::spawn(async move {
            let mut serial = 0;
            while let Some(peer) = admitted.accept().await {
                serial += 1;
                tokio::spawn(link::serve(Serial(serial), peer, tell.clone()));
            }
        });
        Self {
            inputs,
            sender,
            members: BTreeMap::new(),
            jobs: 0,
            accepting,
            listener,
        }
    }

    /// A hand on the queue, for those who tell what happens.
    pub(crate) fn sender(&self) -> mpsc::Sender<Input> {
        self.sender.clone()
    }

    /// Tells everybody that there is no more to do, and lets them go.
    pub(crate) async fn dismiss(mut self, reason: &str) {
        self.accepting.abort();
        for member in self.members.values() {
            let reason = reason.to_owned();
            let _ = member.commands.try_send(Command::Close { reason });
        }
        let all_gone = async {
            while !self.members.is_empty() {
                match self.inputs.recv().await {
                    Some(Input::Link(serial, Said::Gone { .. })) => {
                        self.members.remove(&serial);
                    }
                    Some(_) => {}
                    None => break,
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), all_gone).await;
        let _ = self.accepting.await; // so that this is the last handle of the listener
        if let Ok(listener) = Arc::try_unwrap(self.listener) {
            listener.close().await;
        }
    }
}
