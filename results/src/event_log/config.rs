//! A job's configuration as a file has it.

use scheduler::machine::{Billing, Config, Limit, Partial, Replan, Waits};
use scheduler::{BenchmarkRule, CapacityModel, Margin, Margins, Span, TimeModel};
use serde::{Deserialize, Serialize};

/// [`Config`], field by field. Adding one there asks for it here.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigWire {
    batches: u64,
    s_min: u64,
    beta: u64,
    cycles: u32,
    first_cycle: u32,
    limit: LimitWire,
    time_model: TimeModelWire,
    margins: MarginsWire,
    replan: ReplanWire,
    partial: PartialWire,
    billing: BillingWire,
    benchmark: BenchmarkWire,
    expect: u32,
    max_workers: u32,
    waits: WaitsWire,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum LimitWire {
    Job {
        max_time_ns: u64,
        counts_setup: bool,
    },
    Cycle {
        limit_ns: u64,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeModelWire {
    capacity: CapacityWire,
    passes: u32,
    own_ns: u64,
    shared_ns: u64,
    shared_ship_ns: u64,
    ships_each_cycle: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CapacityWire {
    Full,
    ComputeOnly,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MarginsWire {
    benchmarked_ppb: u64,
    learnt_ppb: u64,
    keep_ppb: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ReplanWire {
    Static,
    Adaptive,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PartialWire {
    Accept,
    Discard,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BillingWire {
    Assigned,
    Computed,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BenchmarkWire {
    batches: u64,
    rounds: u8,
    max_rounds: u8,
    spread_ppm: u32,
    limit_ns: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WaitsWire {
    gather_ns: u64,
    solve_ns: u64,
    ship_ns: u64,
    pause_ns: u64,
    grace_ns: u64,
    aggregation_ns: u64,
}

impl From<&Config> for ConfigWire {
    fn from(config: &Config) -> Self {
        let Config {
            batches,
            s_min,
            beta,
            cycles,
            first_cycle,
            limit,
            time_model,
            margins,
            replan,
            partial,
            billing,
            benchmark,
            expect,
            max_workers,
            waits,
        } = config.clone();
        Self {
            batches,
            s_min,
            beta,
            cycles,
            first_cycle,
            limit: match limit {
                Limit::Job {
                    max_time,
                    counts_setup,
                } => LimitWire::Job {
                    max_time_ns: max_time.nanos(),
                    counts_setup,
                },
                Limit::Cycle(limit) => LimitWire::Cycle {
                    limit_ns: limit.nanos(),
                },
            },
            time_model: time_model_to_wire(time_model),
            margins: margins_to_wire(margins),
            replan: match replan {
                Replan::Static => ReplanWire::Static,
                Replan::Adaptive => ReplanWire::Adaptive,
            },
            partial: match partial {
                Partial::Accept => PartialWire::Accept,
                Partial::Discard => PartialWire::Discard,
            },
            billing: match billing {
                Billing::Assigned => BillingWire::Assigned,
                Billing::Computed => BillingWire::Computed,
            },
            benchmark: benchmark_to_wire(benchmark),
            expect,
            max_workers,
            waits: waits_to_wire(waits),
        }
    }
}

impl TryFrom<ConfigWire> for Config {
    type Error = String;

    fn try_from(wire: ConfigWire) -> Result<Self, String> {
        let span = Span::from_nanos;
        let margin = |ppb: u64| {
            let margin = Margin::from_ppb(ppb);
            if margin.ppb() == ppb {
                Ok(margin)
            } else {
                let most = Margin::MAX.ppb();
                Err(format!("a margin of {ppb} ppb, expected 1 to {most}"))
            }
        };
        let config = Self {
            batches: wire.batches,
            s_min: wire.s_min,
            beta: wire.beta,
            cycles: wire.cycles,
            first_cycle: wire.first_cycle,
            limit: match wire.limit {
                LimitWire::Job {
                    max_time_ns,
                    counts_setup,
                } => Limit::Job {
                    max_time: span(max_time_ns),
                    counts_setup,
                },
                LimitWire::Cycle { limit_ns } => Limit::Cycle(span(limit_ns)),
            },
            time_model: TimeModel {
                capacity: match wire.time_model.capacity {
                    CapacityWire::Full => CapacityModel::Full,
                    CapacityWire::ComputeOnly => CapacityModel::ComputeOnly,
                },
                passes: wire.time_model.passes,
                own: span(wire.time_model.own_ns),
                shared: span(wire.time_model.shared_ns),
                shared_ship: span(wire.time_model.shared_ship_ns),
                ships_each_cycle: wire.time_model.ships_each_cycle,
            },
            margins: Margins {
                benchmarked: margin(wire.margins.benchmarked_ppb)?,
                learnt: margin(wire.margins.learnt_ppb)?,
                keep: margin(wire.margins.keep_ppb)?,
            },
            replan: match wire.replan {
                ReplanWire::Static => Replan::Static,
                ReplanWire::Adaptive => Replan::Adaptive,
            },
            partial: match wire.partial {
                PartialWire::Accept => Partial::Accept,
                PartialWire::Discard => Partial::Discard,
            },
            billing: match wire.billing {
                BillingWire::Assigned => Billing::Assigned,
                BillingWire::Computed => Billing::Computed,
            },
            benchmark: BenchmarkRule {
                batches: wire.benchmark.batches,
                rounds: wire.benchmark.rounds,
                max_rounds: wire.benchmark.max_rounds,
                spread_ppm: wire.benchmark.spread_ppm,
                limit: span(wire.benchmark.limit_ns),
            },
            expect: wire.expect,
            max_workers: wire.max_workers,
            waits: Waits {
                gather: span(wire.waits.gather_ns),
                solve: span(wire.waits.solve_ns),
                ship: span(wire.waits.ship_ns),
                pause: span(wire.waits.pause_ns),
                grace: span(wire.waits.grace_ns),
                aggregation: span(wire.waits.aggregation_ns),
            },
        };
        config.check().map_err(|error| error.to_string())?;
        Ok(config)
    }
}

fn time_model_to_wire(time_model: TimeModel) -> TimeModelWire {
    let TimeModel {
        capacity,
        passes,
        own,
        shared,
        shared_ship,
        ships_each_cycle,
    } = time_model;
    TimeModelWire {
        capacity: match capacity {
            CapacityModel::Full => CapacityWire::Full,
            CapacityModel::ComputeOnly => CapacityWire::ComputeOnly,
        },
        passes,
        own_ns: own.nanos(),
        shared_ns: shared.nanos(),
        shared_ship_ns: shared_ship.nanos(),
        ships_each_cycle,
    }
}

fn margins_to_wire(margins: Margins) -> MarginsWire {
    let Margins {
        benchmarked,
        learnt,
        keep,
    } = margins;
    MarginsWire {
        benchmarked_ppb: benchmarked.ppb(),
        learnt_ppb: learnt.ppb(),
        keep_ppb: keep.ppb(),
    }
}

fn benchmark_to_wire(rule: BenchmarkRule) -> BenchmarkWire {
    let BenchmarkRule {
        batches,
        rounds,
        max_rounds,
        spread_ppm,
        limit,
    } = rule;
    BenchmarkWire {
        batches,
        rounds,
        max_rounds,
        spread_ppm,
        limit_ns: limit.nanos(),
    }
}

fn waits_to_wire(waits: Waits) -> WaitsWire {
    let Waits {
        gather,
        solve,
        ship,
        pause,
        grace,
        aggregation,
    } = waits;
    WaitsWire {
        gather_ns: gather.nanos(),
        solve_ns: solve.nanos(),
        ship_ns: ship.nanos(),
        pause_ns: pause.nanos(),
        grace_ns: grace.nanos(),
        aggregation_ns: aggregation.nanos(),
    }
}
