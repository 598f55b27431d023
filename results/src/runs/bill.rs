//! What runs paid, added up from every table that says it.

use scheduler::Cost;
use scheduler::machine::{AssignmentRow, CycleRow, ShareRow};

use super::columns::{QuestionRow, RunRow, WorkerRow};
use super::periods::is_of;
use super::recorded::RecordedFolder;
use crate::error::ResultsError;
use crate::files::{CYCLES, LOTS, PLANS, RUNS, SHARES, WORKERS};

/// What one run paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// The replicate.
    pub replicate: u64,
    /// The allocator.
    pub allocator: String,
    /// In all.
    pub cost: Cost,
    /// The part of it that was charged for employing workers.
    pub charges: Cost,
}

impl RecordedFolder {
    /// The bill of each run, in order: assignments add up to cycles, workers and the run, and the
    /// shares of each plan to its cost.
    ///
    /// # Errors
    /// When a table cannot be read, or two of them do not say the same.
    pub fn bills(&self) -> Result<Vec<Bill>, ResultsError> {
        let mut runs = self.stream::<RunRow>(RUNS)?;
        let mut workers = self.stream::<WorkerRow>(WORKERS)?;
        let mut plans = self.stream::<QuestionRow>(PLANS)?;
        let mut shares = self.stream::<ShareRow>(SHARES)?;
        let mut cycles = self.stream::<CycleRow>(CYCLES)?;
        let mut lots = self.stream::<AssignmentRow>(LOTS)?;
        let mut bills = Vec::new();
        for key in self.keys(u64::MAX) {
            let run = runs.one_of(key)?;
            let all = workers.all_of(key)?;
            let mut paid: Vec<(Cost, Cost)> = vec![(Cost::ZERO, Cost::ZERO); all.len()];
            let mut total = (Cost::ZERO, Cost::ZERO);
            while let Some(cycle) = cycles.next_of(key)? {
                let mut cost = Cost::ZERO;
                while let Some(lot) = lots.next_if(key, |lot| is_of(lot, &cycle))? {
                    if let Some(paid) = paid.get_mut(lot.worker.get() as usize) {
                        *paid = (paid.0 + lot.cost, paid.1 + lot.charge);
                    }
                    cost += lot.cost;
                    total.1 += lot.charge;
                }
                total.0 += cost;
                if cost != cycle.cost {
                    let (number, said) = (cycle.cycle, cycle.cost);
                    let message = format!("cycle {number} costs {said}, its assignments {cost}");
                    return Err(cycles.damaged(message));
                }
            }
            for (worker, (cost, charges)) in all.iter().zip(paid) {
                if (worker.cost, worker.charges) != (cost, charges) {
                    let said = (worker.cost, worker.charges);
                    return Err(workers.damaged(differs(&worker.name, said, (cost, charges))));
                }
            }
            if (run.cost, run.charges) != total {
                return Err(runs.damaged(differs("a run", (run.cost, run.charges), total)));
            }
            for plan in plans.all_of(key)? {
                let mut cost = Cost::ZERO;
                while let Some(share) = shares.next_if(key, |share| share.plan == plan.plan)? {
                    cost += share.cost;
                }
                if plan.cost.is_some_and(|said| said != cost) {
                    let number = plan.plan;
                    return Err(plans.damaged(format!("plan {number}: its shares cost {cost}")));
                }
            }
            bills.push(Bill {
                replicate: key.replicate,
                allocator: self.plan.allocators[key.allocator].clone(),
                cost: run.cost,
                charges: run.charges,
            });
        }
        Ok(bills)
    }
}

fn differs(whose: &str, said: (Cost, Cost), paid: (Cost, Cost)) -> String {
    format!(
        "the cost of {whose} is {}, charges {}; its assignments cost {}, charges {}",
        said.0, said.1, paid.0, paid.1
    )
}
