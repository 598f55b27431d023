//! What is trained: told by the library for its own models, asked of a program.
//!
//! **What it does not know:** jobs and workers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::command::TrainerCommand;
use super::frame::{Reply, Request};
use super::pace::Fraction;
use super::process::{Launch, Priority, Process, TrainerEvent, check};
use crate::model::{Layout, ModelKind, ModelSpec, TensorShape, from_wire};
use crate::protocol::{MAX_PARAMETER_BYTES, Program};
use crate::train::{DeviceChoice, longest_step};

/// For a program to begin, which may load a model first.
const DESCRIBED_WITHIN: Duration = Duration::from_secs(600);
/// After this the user is told what is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest name of a tensor, in bytes.
const NAME: usize = 256;

/// A model, what trains it, and what it begins with.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) spec: ModelSpec,
    /// The command of the user's own program, and what others must have.
    pub(crate) program: Option<(TrainerCommand, Program)>,
    pub(crate) layout: Arc<Layout>,
    /// The parameters that a job begins with.
    pub(crate) initial: Arc<Vec<f32>>,
}

impl Described {
    /// What trains it here.
    pub(crate) fn launch(&self) -> Launch {
        match &self.program {
            Some((command, _)) => Launch::Given(command.clone()),
            None => Launch::Own(self.spec.kind),
        }
    }

    /// By how much a step moves a parameter at most; of the optimiser of a program nothing is known.
    pub(crate) fn longest_step(&self) -> Option<f64> {
        let known = self.program.is_none();
        longest_step(&self.spec.options).filter(|_| known)
    }

    /// A model of the library, or that of a program, which is asked.
    ///
    /// # Errors
    /// One line that says what is missing, or what the program did wrong.
    pub(crate) fn of(
        spec: ModelSpec,
        given: Option<&TrainerCommand>,
        seed: u64,
        device: DeviceChoice,
    ) -> Result<Self, String> {
        let Some(command) = given else {
            check(spec.kind)?;
            return Ok(Self {
                spec,
                program: None,
                layout: Arc::new(spec.layout()),
                initial: Arc::new(spec.initial(seed)),
            });
        };
        let spec = ModelSpec {
            kind: ModelKind::Program,
            ..spec
        };
        let command = command.whole();
        let program = command.read()?;
        let (tell, heard) = channel();
        let hear = move |event| {
            let _ = tell.send(event); // nobody listens once it was described
        };
        let launch = Launch::Given(command.clone());
        let process = Process::start(&launch, 1, Priority::Usual, hear)?;
        process.send(
            Request::job(&spec, seed, device, 1, Fraction::WHOLE),
            Vec::new(),
        );
        process.send(Request::Initial, Vec::new());
        let (layout, initial) = ask(&command, &spec, &heard)?;
        Ok(Self {
            spec,
            program: Some((command, program)),
            layout: Arc::new(layout),
            initial: Arc::new(initial),
        })
    }
}

fn ask(
    command: &TrainerCommand,
    spec: &ModelSpec,
    heard: &Receiver<TrainerEvent>,
) -> Result<(Layout, Vec<f32>), String> {
    let began = Instant::now();
    let (mut layout, mut was_told) = (None, false);
    loop {
        let patience = if was_told { DESCRIBED_WITHIN } else { PATIENCE };
        match heard.recv_timeout(patience.saturating_sub(began.elapsed())) {
            Ok(TrainerEvent::Reply(
                Reply::Ready {
                    tensors, options, ..
                },
                _,
            )) => {
                keeps_to(spec, &options).map_err(|why| format!("'{command}' {why}"))?;
                layout = Some(layout_of(tensors).map_err(|why| format!("'{command}': {why}"))?);
            }
            Ok(TrainerEvent::Reply(Reply::Initial, body)) => {
                let layout = layout
                    .take()
                    .ok_or_else(|| format!("'{command}' gave parameters before it was ready"))?;
                let initial = parameters(&layout, &body, "initial parameters");
                return initial
                    .map(|initial| (layout, initial))
                    .map_err(|why| format!("'{command}': {why}"));
            }
            Ok(TrainerEvent::Reply(Reply::Failed { reason }, _)) => {
                return Err(format!("'{command}': {reason}"));
            }
            Ok(TrainerEvent::Reply(_, _)) => {}
            Ok(TrainerEvent::Died(why) | TrainerEvent::Unfit(why)) => return Err(why),
            Err(RecvTimeoutError::Timeout) if !was_told => {
                was_told = true;
                console::note!("waiting for '{command}' to be ready");
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                let within = DESCRIBED_WITHIN.as_secs();
                return Err(format!(
                    "'{command}' was not ready within {within} s: does its set-up wait for something?"
                ));
            }
        }
    }
}

/// Whether a program keeps to all that is said of training.
///
/// # Errors
/// What it does not know.
fn keeps_to(spec: &ModelSpec, kept: &[String]) -> Result<(), String> {
    let mut said = spec.options.said();
    match said.find(|name| !kept.iter().any(|known| known == name)) {
        Some(name) => Err(format!(
            "does not take training.{name}: leave that out, or have the program take it"
        )),
        None => Ok(()),
    }
}

/// The layout that a program tells of itself.
///
/// # Errors
/// What is wrong with it.
pub(super) fn layout_of(tensors: Vec<TensorShape>) -> Result<Layout, String> {
    let mut names = BTreeSet::new();
    for tensor in &tensors {
        let name = &tensor.name;
        if name.is_empty() || name.len() > NAME || name.chars().any(char::is_control) {
            return Err(format!(
                "a tensor is called {name:?}, expected 1 to {NAME} printable characters"
            ));
        }
        if !names.insert(name) {
            return Err(format!("two of its tensors are called {name:?}"));
        }
    }
    let layout = Layout::of(tensors);
    let (count, most) = (layout.parameter_count(), MAX_PARAMETER_BYTES / 4);
    if count == 0 || count > most {
        return Err(format!("it has {count} parameters, expected 1 to {most}"));
    }
    Ok(layout)
}

/// Parameters that a program gave.
///
/// # Errors
/// What is wrong with them.
pub(super) fn parameters(layout: &Layout, body: &[u8], what: &str) -> Result<Vec<f32>, String> {
    let expected = layout.parameter_count();
    let all = from_wire(body).filter(|all| all.len() == expected);
    let all = all.ok_or_else(|| {
        format!(
            "its {what} have {} bytes, expected {} for the {expected} that it told",
            body.len(),
            layout.wire_len()
        )
    })?;
    match all.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(format!(
            "its {what} are not all finite: number {index} is {}",
            all[index]
        )),
        None => Ok(all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::BatchShape;
    use crate::model::{TrainingOptions, Weights};

    #[test]
    fn what_is_said_of_training_is_kept_to_or_refused() {
        let spec = |options| ModelSpec {
            kind: ModelKind::Program,
            weights: Weights::Xavier,
            options,
            shape: BatchShape::of_bytes(1, 1, 1, 1),
        };
        let kept = ["loss".to_owned(), "momentum".to_owned()];
        assert_eq!(keeps_to(&spec(TrainingOptions::NONE), &[]), Ok(()));
        let momentum = TrainingOptions {
            momentum: Some(1),
            ..TrainingOptions::NONE
        };
        assert_eq!(keeps_to(&spec(momentum), &kept), Ok(()));
        let scheduled = TrainingOptions {
            schedule: true,
            ..momentum
        };
        let why = keeps_to(&spec(scheduled), &kept).expect_err("it has no schedule");
        assert!(
            why.starts_with("does not take training.schedule: "),
            "{why}"
        );
    }

    #[test]
    fn a_layout_that_cannot_be_is_refused() {
        let tensor = |name: &str, dimensions: &[usize]| TensorShape {
            name: name.to_owned(),
            dimensions: dimensions.to_vec(),
        };
        let check = |tensors: Vec<TensorShape>, expected: &str| {
            let why = layout_of(tensors).expect_err("it cannot be");
            assert!(why.contains(expected), "{why}");
        };
        check(Vec::new(), "it has 0 parameters");
        check(
            vec![tensor("a", &[1 << 20, 1 << 20])],
            "expected 1 to 536870912",
        );
        check(
            vec![tensor("a", &[usize::MAX, 3])],
            "parameters, expected 1 to",
        );
        check(
            vec![tensor("a", &[1]), tensor("a", &[2])],
            "two of its tensors",
        );
        check(vec![tensor("", &[1])], "printable characters");
        let layout = layout_of(vec![tensor("a", &[2, 2]), tensor("b", &[])]).expect("five");
        assert_eq!(layout.parameter_count(), 5);
        let body = |values: &[f32]| crate::model::to_wire(values);
        assert_eq!(parameters(&layout, &body(&[1.0; 5]), "x"), Ok(vec![1.0; 5]));
        let why = parameters(&layout, &body(&[1.0; 4]), "results").expect_err("too few");
        assert_eq!(
            why,
            "its results have 16 bytes, expected 20 for the 5 that it told"
        );
        let why = parameters(&layout, &body(&[1.0, f32::NAN, 1.0, 1.0, 1.0]), "results");
        assert!(why.expect_err("one is none").contains("number 1 is NaN"));
    }
}
