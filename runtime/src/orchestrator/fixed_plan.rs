//! A plan that was made beforehand and takes the place of an allocator's answer.
//!
//! Its workers are matched by name. It is an answer like any other: the scheduler verifies it
//! against the speeds that were measured, and refuses it when they do not support it. The plan of a run has
//! the speeds that it was made with: a worker counts as no slower than that, so that the run can be run again
//! whatever a benchmark of a moment says.
//!
//! **What it does not know:** how the plan was made, and what it costs.

use std::fs;
use std::path::Path;

use results::plan_line;
use scheduler::machine::WorkerId;
use scheduler::{
    Failure, FailureReason, Outcome, Plan, PlanRequest, PlanResponse, PlanStatus, Planned, Span,
    Speed,
};
use serde::Deserialize;

/// The batches of each worker, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FixedPlan {
    shares: Vec<(String, u64)>,
    speeds: Vec<KnownSpeed>,
}

/// A worker's name, and the batches that it computed in a number of nanoseconds.
pub(crate) type KnownSpeed = (String, u64, u64);

/// What the line of a run's plan says more than others.
#[derive(Deserialize)]
struct More {
    #[serde(default)]
    speeds: Vec<[u64; 2]>,
}

/// Why a file holds no plan that can be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FixedPlanError {
    /// It cannot be read.
    #[error("{0}: {1}")]
    Unreadable(String, std::io::Error),
    /// It does not hold one line.
    #[error("{0}: it has {1} plans, expected one, as a line of sim solve")]
    Lines(String, usize),
    /// It is not a plan.
    #[error("{0}: {1}")]
    Line(String, plan_line::LineError),
    /// Its speeds are none.
    #[error("{0}: {1}")]
    More(String, String),
    /// It says that there is no plan.
    #[error("{0}: it is {1}, expected a plan")]
    None(String, &'static str),
    /// Its workers have no distinct names.
    #[error("{0}: {1}, expected a name of its own for each worker, so that they can be matched")]
    Names(String, String),
}

impl FixedPlan {
    /// Reads one line of `sim solve` from a file.
    pub(crate) fn read(path: &Path) -> Result<Self, FixedPlanError> {
        let shown = path.display().to_string();
        let text = fs::read_to_string(path);
        let text = text.map_err(|error| FixedPlanError::Unreadable(shown.clone(), error))?;
        Self::parse(&shown, &text)
    }

    fn parse(file: &str, text: &str) -> Result<Self, FixedPlanError> {
        let file = file.to_owned();
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let &[line] = lines.as_slice() else {
            return Err(FixedPlanError::Lines(file, lines.len()));
        };
        let more: More = serde_json::from_str(line)
            .map_err(|error| FixedPlanError::More(file.clone(), error.to_string()))?;
        let line = match plan_line::read(line) {
            Ok(line) => line,
            Err(error) => return Err(FixedPlanError::Line(file, error)),
        };
        let Some(plan) = line.plan else {
            return Err(FixedPlanError::None(file, line.status.name()));
        };
        let names: Option<Vec<String>> = line.names.into_iter().collect();
        let Some(names) = names.filter(|names| names.len() == plan.batches.len()) else {
            return Err(FixedPlanError::Names(
                file,
                "not every worker has a name".to_owned(),
            ));
        };
        let mut sorted: Vec<&String> = names.iter().collect();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            let message = format!("two workers are called {:?}", pair[0]);
            return Err(FixedPlanError::Names(file, message));
        }
        let speeds = names.iter().zip(more.speeds);
        let speeds = speeds.map(|(name, [batches, nanos])| (name.clone(), batches, nanos));
        let speeds = speeds.collect();
        let shares = names.into_iter().zip(plan.batches).collect();
        Ok(Self { shares, speeds })
    }

    /// A plan by name, as a checkpoint has it.
    pub(crate) const fn of(shares: Vec<(String, u64)>) -> Self {
        Self {
            shares,
            speeds: Vec::new(),
        }
    }

    /// With the speeds that it was made with.
    pub(crate) fn with_speeds(self, speeds: Vec<KnownSpeed>) -> Self {
        Self { speeds, ..self }
    }

    /// The speeds that it was made with, as far as they are known.
    pub(crate) fn speeds(&self) -> &[KnownSpeed] {
        &self.speeds
    }

    /// How long a worker counts as having taken for these batches: no longer than at the speed that
    /// the plan was made with.
    pub(crate) fn took(&self, name: &str, batches: u64, took: Span) -> Span {
        let known = self.speeds.iter().find(|(known, ..)| known == name);
        let speed = known
            .and_then(|(_, batches, nanos)| Speed::measured(*batches, Span::from_nanos(*nanos)));
        speed.map_or(took, |speed| took.min(speed.time_for(batches)))
    }

    /// The batches of each worker.
    pub(crate) fn shares(&self) -> &[(String, u64)] {
        &self.shares
    }

    /// The names, in the plan's order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.shares.iter().map(|(name, _)| name.as_str())
    }

    /// All batches that it hands out.
    pub(crate) fn batches(&self) -> u64 {
        self.shares.iter().map(|(_, batches)| batches).sum()
    }

    /// The workers that it employs.
    pub(crate) fn employed(&self) -> impl Iterator<Item = &str> {
        let employed = self.shares.iter().filter(|(_, batches)| *batches > 0);
        employed.map(|(name, _)| name.as_str())
    }

    /// The answer to a request: this plan, or why it cannot be run.
    pub(crate) fn answer(
        &self,
        request: &PlanRequest,
        name: impl Fn(WorkerId) -> String,
    ) -> PlanResponse {
        let names: Vec<String> = request
            .candidates()
            .iter()
            .map(|candidate| name(candidate.worker))
            .collect();
        let missing: Vec<&str> = self
            .employed()
            .filter(|planned| !names.iter().any(|name| name == planned))
            .collect();
        if !missing.is_empty() {
            let message = format!("the plan employs {}, not here", missing.join(", "));
            let failure = Failure {
                reason: FailureReason::NoPlanFound,
                message,
            };
            return PlanResponse {
                employed: 1,
                outcome: Outcome::Failed(failure),
                solves: 0,
            };
        }
        let share = |name: &String| {
            let share = self.shares.iter().find(|(planned, _)| planned == name);
            share.map_or(0, |(_, batches)| *batches)
        };
        let batches: Vec<u64> = names.iter().map(share).collect();
        let employed = batches.iter().filter(|batches| **batches > 0).count() as u64;
        let employed = employed.max(1);
        let planned = Planned {
            plan: Plan::costed(&request.problem(employed), batches),
            status: PlanStatus::Feasible,
            lower_bound: None,
            certificate: None,
        };
        PlanResponse {
            employed,
            outcome: Outcome::Planned(planned),
            solves: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scheduler::{Candidate, Fee, Link, Margin, TimeModel};

    const LINE: &str = r#"{"id":0,"allocator":"exact","status":"optimal","batches":[6,0,4],"cost":14,"lower_bound":14,"workers_employed":2,"certificate":"search","reason":null,"message":null,"names":["a","b","c"]}"#;

    fn request(batches_a_second: [u64; 3]) -> PlanRequest {
        let candidate = |(worker, speed): (u32, u64)| Candidate {
            worker: WorkerId::new(worker),
            fee: Fee::from_micros(1_000_000).expect("small"),
            speed: Speed::measured(speed, Span::from_secs(1)).expect("valid"),
            margin: Margin::NONE,
            link: Link::default(),
            most: u64::MAX,
        };
        let candidates = (0..).zip(batches_a_second).map(candidate).collect();
        PlanRequest::new(
            (10, 0, 0),
            Span::from_secs(1),
            TimeModel::COMPUTE,
            candidates,
        )
        .expect("valid")
    }

    fn name(worker: WorkerId) -> String {
        // In another order than the plan's.
        ["c", "b", "a"][worker.get() as usize].to_owned()
    }

    #[test]
    fn workers_are_matched_by_name_and_the_measured_speeds_decide() {
        let given = FixedPlan::parse("plan.json", LINE).expect("valid");
        assert_eq!(given.batches(), 10);
        let check = |speeds| {
            let request = request(speeds);
            let response = given.answer(&request, name);
            let planned = response.outcome.planned().expect("all are here").clone();
            assert_eq!(planned.plan.batches, [4, 0, 6]);
            request.verify(response.employed, &planned)
        };
        assert_eq!(check([4, 1, 6]), Ok(()));
        let refused = check([4, 9, 5]).unwrap_err().to_string();
        assert_eq!(refused, "worker 2 gets 6 batches, more than its s_max of 5");
        let response = given.answer(&request([9; 3]), |_| "b".to_owned());
        let Outcome::Failed(failure) = response.outcome else {
            panic!("two are missing");
        };
        assert_eq!(failure.message, "the plan employs a, c, not here");
    }

    #[test]
    fn a_worker_is_no_slower_than_in_the_run_that_made_the_plan() {
        let known = LINE.replace("{\"id\"", "{\"speeds\":[[3,1000],[0,0],[1,500]],\"id\"");
        let given = FixedPlan::parse("plan.json", &known).expect("valid");
        let took = |name, nanos| given.took(name, 30, Span::from_nanos(nanos)).nanos();
        assert_eq!(took("a", 30_000), 10_000);
        assert_eq!(took("a", 9_000), 9_000);
        assert_eq!(took("b", 30_000), 30_000, "no speed is known");
        assert_eq!(took("d", 30_000), 30_000);
    }

    #[test]
    fn a_file_without_a_plan_is_refused() {
        let error = |text: &str| FixedPlan::parse("p", text).unwrap_err().to_string();
        assert!(error("").starts_with("p: it has 0 plans"));
        assert!(error(&format!("{LINE}\n{LINE}")).starts_with("p: it has 2 plans"));
        assert!(error("{").starts_with("p: "));
        let nameless = LINE.replace(r#","names":["a","b","c"]"#, "");
        assert!(error(&nameless).contains("not every worker has a name"));
        let doubled = LINE.replace(r#"["a","b","c"]"#, r#"["a","b","a"]"#);
        assert!(error(&doubled).contains("two workers are called \"a\""));
        let none = LINE
            .replace("optimal", "infeasible")
            .replace("[6,0,4]", "null")
            .replace("\"cost\":14", "\"cost\":null")
            .replace("\"workers_employed\":2", "\"workers_employed\":null");
        assert!(
            error(&none).contains("it is infeasible, expected a plan"),
            "{}",
            error(&none)
        );
    }
}
