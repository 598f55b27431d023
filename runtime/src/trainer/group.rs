//! A program with all that it started: it is asked to end, and killed if it does not.
//!
//! Its number may belong to another process once it was waited for, so no signal is sent after that.
//!
//! **What it does not know:** what the program does.

use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Between the request to end and the signal that ends it.
const END_WITHIN: Duration = Duration::from_secs(2);

/// The group of a process, whose number is that of its first.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// None once it has ended.
    leader: Arc<Mutex<Option<u32>>>,
}

impl Group {
    /// Of a process that was started as the first of a group.
    pub(super) fn of(child: &Child) -> Self {
        Self {
            leader: Arc::new(Mutex::new(Some(child.id()))),
        }
    }

    /// The number of its first process, until that has ended.
    pub(super) fn leader(&self) -> Option<u32> {
        *self.leader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for its end, after which no signal is sent. The process is still to be waited for.
    pub(super) fn has_ended(&self, child: &Child) {
        #[cfg(unix)]
        if let Some(pid) = number(child.id()) {
            use rustix::process::{WaitId, WaitIdOptions, waitid};
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
        }
        #[cfg(not(unix))]
        let _ = child;
        let mut leader = self.leader.lock().unwrap_or_else(PoisonError::into_inner);
        // What it started and left behind goes with it.
        signal(*leader, Urgency::Kill);
        *leader = None;
    }

    /// Asks it to end, and sees to it. It does not wait.
    pub(super) fn end(self) {
        self.signal(Urgency::Ask);
        let kill = move || {
            thread::sleep(END_WITHIN);
            self.signal(Urgency::Kill);
        };
        // Without a thread, the request has to do.
        let _ = thread::Builder::new().name("ends".to_owned()).spawn(kill);
    }

    fn signal(&self, urgency: Urgency) {
        let leader = self.leader.lock().unwrap_or_else(PoisonError::into_inner);
        signal(*leader, urgency); // while it is held, the number is not another process's
    }
}

#[derive(Clone, Copy)]
enum Urgency {
    Ask,
    Kill,
}

fn signal(leader: Option<u32>, urgency: Urgency) {
    #[cfg(unix)]
    if let Some(pid) = leader.and_then(number) {
        let signal = match urgency {
            Urgency::Ask => rustix::process::Signal::TERM,
            Urgency::Kill => rustix::process::Signal::KILL,
        };
        let _ = rustix::process::kill_process_group(pid, signal); // it may just have ended
        if let Urgency::Ask = urgency {
            // One that was stopped hears it when it goes on.
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::CONT);
        }
    }
    #[cfg(not(unix))]
    let _ = (leader, urgency);
}

#[cfg(unix)]
fn number(id: u32) -> Option<rustix::process::Pid> {
    let id = i32::try_from(id).ok()?;
    rustix::process::Pid::from_raw(id)
}
