//! The workers of one replicate, drawn.

use scheduler::machine::Profile;
use scheduler::{Fee, Link, MAX_BATCHES, Rate, Span, Speed, Tariff};

use crate::scenario::definition::Scenario;
use crate::scenario::errors::Errors;
use crate::scenario::streams::{Purpose, WorkerStreams};
use crate::scenario::unit::{BatchRate, BitRate};
use crate::scenario::worker::Group;

/// A worker as it truly is in one replicate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerSpec {
    /// Its name.
    pub name: String,
    /// Its true speed.
    pub rate: BatchRate,
    /// Its own connection, from the orchestrator.
    pub down: BitRate,
    /// Its own connection, to the orchestrator.
    pub up: BitRate,
    /// One way.
    pub latency: Span,
    /// What the scheduler knows of it when it joins: what it is paid, its connection, the most that it
    /// takes.
    pub profile: Profile,
    /// The most batches of a cycle that it takes by its description, however many it can hold.
    pub takes: u64,
    /// By how much its times differ from what its speed says.
    pub errors: Errors,
    /// When it joins, from the beginning of the run.
    pub joins: Span,
    /// Its random streams.
    pub streams: WorkerStreams,
}

impl WorkerSpec {
    /// Its true speed as the scheduler would measure it.
    pub fn speed(&self) -> Speed {
        self.rate.speed()
    }
}

impl Scenario {
    /// The workers of one replicate, in the order of the file. The scheduler's
    /// [`WorkerId`](scheduler::machine::WorkerId) of each is its place.
    pub fn fleet(&self, seed: u64, replicate: u64) -> Vec<WorkerSpec> {
        let named = self.groups().iter();
        let named = named.flat_map(|group| group.names().map(move |name| (group, name)));
        let worker = |(place, (group, name)): (usize, (&Group, String))| {
            let streams = WorkerStreams::named(seed, replicate, &name);
            self.worker(group, name, place, streams)
        };
        named.enumerate().map(worker).collect()
    }

    fn worker(
        &self,
        group: &Group,
        name: String,
        place: usize,
        streams: WorkerStreams,
    ) -> WorkerSpec {
        let draws = |purpose| streams.draws(purpose, 0);
        let (down, up) = (
            group.down.draw(&mut draws(Purpose::Down)),
            group.up.draw(&mut draws(Purpose::Up)),
        );
        let latency = group.latency.draw(&mut draws(Purpose::Latency));
        let model = self.model();
        let ship = down.time_for(model.batch);
        let ship = group
            .shipping
            .map_or(ship, |rate| ship.max(rate.time_of_one()));
        let most = match group.memory {
            Some(memory) if model.batch.get() > 0 => memory.get() / model.batch.get(),
            Some(_) | None => MAX_BATCHES,
        };
        let declared = group.fee.map(|fee| fee.draw(&mut draws(Purpose::Fee)));
        let batches = self.job().batches;
        let tariff = group.tariff(batches, self.fees().energy);
        // Who is paid for time asks for no fee if it names none.
        let is_timed = [tariff.computing, tariff.employed] != [Rate::ZERO; 2];
        let declared = declared.or(is_timed.then_some(Fee::ZERO));
        let takes = group.takes(batches);
        WorkerSpec {
            down,
            up,
            latency,
            rate: group.speed.draw(&mut draws(Purpose::Speed)),
            profile: Profile {
                fee: self.fees().of(place, declared, streams),
                least_fee: group.least_fee,
                link: Link {
                    transfer: down.time_for(self.wire_bytes()) + up.time_for(self.wire_bytes()),
                    latency: latency * 2,
                    ship,
                },
                most: most.min(takes),
                tariff: (tariff != Tariff::default()).then(|| Box::new(tariff)),
            },
            takes,
            errors: group.errors(),
            joins: group.joins.draw(&mut draws(Purpose::Joins)),
            name,
            streams,
        }
    }
}
