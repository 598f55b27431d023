//! The thread on which plans are made, so that nothing else waits for them.
//!
//! **What it does not know:** what becomes of a plan.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use scheduler::PlanRequest;
use scheduler::machine::PlanId;
use solvers::Allocator;
use tokio::sync::mpsc;

use super::messages::Input;

/// Asks an allocator.
#[derive(Debug)]
pub(super) struct Solver {
    questions: Sender<(PlanId, Arc<PlanRequest>)>,
}

impl Solver {
    /// Starts the thread; it ends when this is dropped and its last answer is given.
    pub(super) fn start(
        job: u32,
        mut allocator: Box<dyn Allocator>,
        answers: mpsc::Sender<Input>,
    ) -> std::io::Result<Self> {
        let (questions, asked) = channel::<(PlanId, Arc<PlanRequest>)>();
        thread::Builder::new()
            .name("allocator".to_owned())
            .spawn(move || {
                while let Ok(mut question) = asked.recv() {
                    // A newer question replaces an older one.
                    while let Ok(newer) = asked.try_recv() {
                        question = newer;
                    }
                    let (plan, request) = question;
                    let response = Box::new(solvers::answer(&request, allocator.as_mut()));
                    let answer = Input::Solved {
                        job,
                        plan,
                        response,
                    };
                    if answers.blocking_send(answer).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self { questions })
    }

    /// Asks for a plan. The answer comes through the queue.
    pub(super) fn ask(&self, plan: PlanId, request: Arc<PlanRequest>) {
        let _ = self.questions.send((plan, request)); // the thread lives as long as this
    }
}
