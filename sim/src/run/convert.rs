//! From a scenario to the world of one replicate.
//!
//! The scenario draws the fleet; the world draws its errors and what happens to it. The orchestrator's link
//! serves transfers as `link.service` says.

use std::collections::BTreeMap;

use scenarios::Scenario;
use scenarios::scenario::{FaultKind, Ratio, WorkerSpec};
use scheduler::machine::Config;
use scheduler::{Instant, Span};

use crate::world::{Fault, PipeModel, Renewal, Service, Way, WorkerModel, World};

/// A mean time so long that what it is of does not happen.
const NEVER: Span = Span::from_secs(1_000_000_000);

/// A scenario that can be simulated, with what all replicates share.
pub(crate) struct Conversion {
    scenario: Scenario,
    config: Config,
}

impl Conversion {
    pub(super) fn new(scenario: Scenario) -> Self {
        Self {
            config: scenario.config(),
            scenario,
        }
    }

    pub(crate) fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The scheduler's configuration.
    pub(super) const fn config(&self) -> &Config {
        &self.config
    }

    /// The world of one replicate.
    pub(crate) fn world(&self, seed: u64, replicate: u64) -> World {
        let (model, link) = (self.scenario.model(), self.scenario.link());
        let fleet = self.scenario.fleet(seed, replicate);
        let mut workers: Vec<WorkerModel> = fleet.iter().map(|spec| self.worker(spec)).collect();
        let places = fleet
            .iter()
            .zip(0..)
            .map(|(spec, place)| (&*spec.name, place));
        let places: BTreeMap<&str, usize> = places.collect();
        for event in &self.scenario.faults().trace {
            let at = Instant::START + event.at;
            let Some(place) = places.get(&*event.worker) else {
                continue; // a scenario is valid
            };
            let faults = &mut workers[*place].faults;
            match event.what {
                FaultKind::Dropout => faults.push((at, Fault::Leave)),
                FaultKind::Return => faults.push((at, Fault::Return)),
                FaultKind::Stall => {
                    faults.push((at, Fault::Stall(event.lasts.unwrap_or(Span::ZERO))));
                }
                FaultKind::Slowdown => {
                    let factor = event.factor.unwrap_or(Ratio::ONE).as_f64();
                    faults.push((at, Fault::Slow(factor)));
                    if let Some(lasts) = event.lasts {
                        faults.push((at + lasts, Fault::Slow(1.0)));
                    }
                }
            }
        }
        for worker in &mut workers {
            worker.faults.sort_by_key(|(at, _)| *at); // stable: the file's order at one moment
        }
        let mut world = World::new(self.config.clone(), workers);
        let [down, up] = Service::of_link(self.config.time_model.service);
        world.down = PipeModel {
            service: down,
            parameters: link.down.time_for(self.scenario.wire_bytes()),
            batch: link.down.time_for(model.batch),
        };
        world.up = PipeModel {
            service: up,
            parameters: link.up.time_for(self.scenario.wire_bytes()),
            batch: link.up.time_for(model.batch),
        };
        world.aggregation = model.own();
        world
    }

    fn worker(&self, spec: &WorkerSpec) -> WorkerModel {
        let faults = self.scenario.faults();
        let renewal = |every: Option<Span>, lasts: Option<Span>| {
            every.map(|every| Renewal {
                every,
                lasts: lasts.unwrap_or(NEVER),
            })
        };
        let way = Way {
            down: spec.down.time_for(self.scenario.wire_bytes()),
            up: spec.up.time_for(self.scenario.wire_bytes()),
            batch: spec.profile.link.ship,
            latency: spec.latency,
        };
        WorkerModel {
            profile: spec.profile.clone(),
            errors: spec.errors.clone(),
            key: Some(spec.streams.worker()),
            way,
            joins_at: Instant::START + spec.joins,
            dropouts: renewal(faults.dropout_every, faults.return_after),
            stalls: renewal(faults.stall_every, Some(faults.stall_for)),
            slowdowns: renewal(faults.slowdown_every, faults.slowdown_for)
                .map(|renewal| (renewal, faults.slowdown_factor.as_f64())),
            ..WorkerModel::new(spec.speed(), spec.profile.fee)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scenarios::Overrides;

    /// A worker's streams follow from its name: one worker more, before it, changes none.
    #[test]
    fn another_worker_changes_no_draws() {
        let keys = |names: &[&str]| -> Vec<Option<u64>> {
            let workers = names
                .iter()
                .map(|name| format!("[[workers]]\nname = \"{name}\"\ndevice = \"laptop\"\n"));
            let job = "[job]\nbatches = 10\nmax_time = \"30 s\"\n";
            let text = job.to_owned() + &workers.collect::<String>();
            let scenario = Scenario::parse("lab.toml", &text, &Overrides::NONE).expect("valid");
            let world = Conversion::new(scenario).world(1, 2);
            world.workers.iter().map(|worker| worker.key).collect()
        };
        let two = keys(&["pc1", "pc2"]);
        assert_eq!(keys(&["pc0", "pc1", "pc2"])[1..], two);
        assert!(two[0].is_some() && two[0] != two[1]);
    }
}
