//! The true state of the world in a cycle, to judge how well it was planned.

use scheduler::machine::{CycleRow, WorkerId};
use scheduler::{Candidate, CapacityModel, Link, Margin, PlanRequest, Terms, TimeModel};

use super::driver::Driver;
use super::totals::CycleTruth;
use super::worker::{Order, Task};

impl Driver<'_> {
    pub(super) fn count_fault(&mut self, worker: u32) {
        let state = &self.workers[worker as usize];
        if state.is_here() {
            let trains = matches!(
                state.task,
                Some(Task {
                    order: Order::Train(_),
                    ..
                })
            );
            self.faults.all += 1;
            self.faults.at_work += u64::from(trains);
        }
    }

    pub(super) fn judge(&mut self, row: &CycleRow) {
        let Some(judge) = &mut self.observers.judge else {
            return;
        };
        let config = &self.world.config;
        let workers = self
            .workers
            .iter()
            .zip(&self.world.workers)
            .zip(&self.variations);
        let (candidates, terms) = (0..)
            .zip(workers)
            .filter_map(|(id, ((state, model), variation))| {
                if !state.is_here() || state.here_since > row.started {
                    return None;
                }
                // In parts per million of the time that a batch takes by its speed alone.
                let slower = variation.drift_so_far * state.slow * state.slow_by_chance * 1e6;
                // What is paid makes no difference to whether there is a plan.
                let terms = Terms {
                    least: model
                        .profile
                        .tariff
                        .as_ref()
                        .map_or(0, |tariff| tariff.least),
                    ..Terms::PLAIN
                };
                let candidate = Candidate {
                    worker: WorkerId::new(id),
                    fee: model.profile.fee,
                    speed: model.speed.stretched(slower.round() as u32, 1_000_000),
                    margin: Margin::NONE,
                    link: Link {
                        transfer: model.way.down + model.way.up,
                        latency: model.way.latency * 2,
                        ship: model.way.batch,
                    },
                    most: model.profile.most,
                };
                Some((candidate, terms))
            })
            .unzip();
        let time_model = TimeModel {
            capacity: CapacityModel::Full,
            ..config.time_model
        };
        let demand = (config.batches, config.s_min, config.beta);
        let request = PlanRequest::new(demand, row.limit, time_model, candidates)
            .expect("the configuration was checked, and bounds the number of workers")
            .with_terms(terms);
        self.faults.of_cycle(row.cycle);
        judge(&CycleTruth {
            cycle: row.cycle,
            request,
            faults: self.faults.all,
            faults_at_work: self.faults.at_work,
        });
    }
}
