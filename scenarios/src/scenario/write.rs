//! The canonical form of a scenario: every value, the defaults too, so that a result folder can
//! say how it was made.

use std::fmt::{self, Write};

use scheduler::machine::{Billing, Limit, Partial, Replan};
use scheduler::{CapacityModel, Span};

use crate::scenario::Scenario;
use crate::scenario::faults::{Trouble, What};
use crate::scenario::job::Fees;
use crate::scenario::unit::{Quantity, Ratio};
use crate::scenario::worker::Group;

/// As TOML that reads back as the same scenario.
impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        job(self, f)?;
        rest(self, f)?;
        faults(self, f)?;
        for group in self.groups() {
            worker(group, f)?;
        }
        Ok(())
    }
}

impl Scenario {
    /// Every key with its value, in the order in which they are written; those of workers by name,
    /// as in `--set`. Texts are without their quotes.
    pub fn values(&self) -> Vec<(String, String)> {
        let (mut values, mut section) = (Vec::<(String, String)>::new(), String::new());
        let written = self.to_string();
        for line in written.lines() {
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                section = name.trim_matches(['[', ']']).to_owned();
                continue;
            }
            match line.split_once(" = ") {
                // A worker's name comes first, and is part of its keys from there on.
                Some(("name", name)) => section = format!("workers.{}", unquoted(name)),
                Some((key, value)) if !line.starts_with(' ') => {
                    values.push((format!("{section}.{key}"), unquoted(value).to_owned()));
                }
                // The trace is a list with a line for each of its items.
                _ => {
                    if let Some((_, value)) = values.last_mut()
                        && !line.is_empty()
                    {
                        value.push_str(line.trim());
                    }
                }
            }
        }
        values
    }
}

/// A text of the written form without its quotes, anything else as it is.
fn unquoted(value: &str) -> &str {
    let text = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    text.filter(|text| !text.contains('"')).unwrap_or(value)
}

fn job(scenario: &Scenario, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let job = scenario.job();
    writeln!(
        f,
        "[job]\nbatches = {}\nbatch_size = {}",
        job.batches, job.batch_size
    )?;
    writeln!(f, "cycles = {}", job.cycles)?;
    match job.limit {
        Limit::Job {
            max_time,
            counts_setup,
        } => writeln!(
            f,
            "max_time = {}\ncounts_setup = {counts_setup}",
            max_time.written()
        )?,
        Limit::Cycle(limit) => writeln!(f, "cycle_time = {}", limit.written())?,
    }
    writeln!(
        f,
        "beta = {}\ns_min = {}\ntau = {}",
        job.beta, job.s_min, job.tau
    )?;
    writeln!(f, "allocator = {}", text(&job.allocator))?;
    let capacity = match job.capacity {
        CapacityModel::Full => "full",
        CapacityModel::ComputeOnly => "compute-only",
    };
    writeln!(
        f,
        "capacity = \"{capacity}\"\nrisk = {}",
        job.risk.written()
    )?;
    let replan = match job.replan {
        Replan::Static => "static",
        Replan::Adaptive => "adaptive",
    };
    let partial = match job.partial {
        Partial::Accept => "accept",
        Partial::Discard => "discard",
    };
    let billing = match job.billing {
        Billing::Assigned => "assigned",
        Billing::Computed => "computed",
    };
    let ship = if job.ships_each_cycle {
        "each-cycle"
    } else {
        "once"
    };
    writeln!(
        f,
        "replan = \"{replan}\"\npartial = \"{partial}\"\nbilling = \"{billing}\""
    )?;
    writeln!(f, "ship = \"{ship}\"")?;
    match job.expect {
        Some(expect) => writeln!(f, "expect = {expect}"),
        None => writeln!(f, "expect = \"all\""),
    }
}

fn rest(scenario: &Scenario, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let rule = scenario.benchmark();
    writeln!(
        f,
        "\n[benchmark]\nbatches = {}\nrounds = {}",
        rule.batches, rule.rounds
    )?;
    let spread = Ratio::from_base(rule.spread_ppm.into()).written();
    writeln!(f, "max_rounds = {}\nspread = {spread}", rule.max_rounds)?;
    writeln!(f, "limit = {}", rule.limit.written())?;
    let waits = scenario.waits();
    writeln!(f, "\n[waits]")?;
    for (key, span) in [
        ("gather", waits.gather),
        ("solve", waits.solve),
        ("ship", waits.ship),
        ("pause", waits.pause),
        ("grace", waits.grace),
        ("aggregation", waits.aggregation),
    ] {
        writeln!(f, "{key} = {}", span.written())?;
    }
    let model = scenario.model();
    writeln!(f, "\n[model]\nparameters = {}", model.parameters.written())?;
    writeln!(
        f,
        "batch = {}\nevaluation = {}",
        model.batch.written(),
        model.evaluation.written()
    )?;
    writeln!(f, "evaluation_waits = {}", model.evaluation_waits)?;
    writeln!(f, "aggregation = {}", model.aggregation.written())?;
    let link = scenario.link();
    writeln!(
        f,
        "\n[link]\ndown = {}\nup = {}",
        link.down.written(),
        link.up.written()
    )?;
    match scenario.fees() {
        Fees::Constant(fee) => {
            writeln!(f, "\n[fees]\ntype = \"constant\"\nfee = {}", fee.written())
        }
        Fees::Linear => writeln!(f, "\n[fees]\ntype = \"linear\""),
        Fees::Random => writeln!(f, "\n[fees]\ntype = \"random\""),
        Fees::Specific { fees, default } => {
            let fees: Vec<_> = fees.iter().map(|fee| fee.written()).collect();
            writeln!(
                f,
                "\n[fees]\ntype = \"specific\"\nfees = [{}]",
                fees.join(", ")
            )?;
            writeln!(f, "default_fee = {}", default.written())
        }
        Fees::Declared { default } => {
            writeln!(
                f,
                "\n[fees]\ntype = \"declared\"\ndefault_fee = {}",
                default.written()
            )
        }
    }?;
    let run = scenario.run();
    writeln!(
        f,
        "\n[run]\nseed = {}\nreplicates = {}",
        run.seed, run.replicates
    )?;
    let training = scenario.training();
    writeln!(
        f,
        "\n[training]\nweights = \"{}\"\nallow_gpu = {}\nout = {}",
        training.weights.name(),
        training.allow_gpu,
        text(&training.out)
    )
}

fn faults(scenario: &Scenario, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let faults = scenario.faults();
    writeln!(f, "\n[faults]")?;
    writeln!(f, "dropout_every = {}", or_never(faults.dropout_every))?;
    writeln!(f, "return_after = {}", or_never(faults.return_after))?;
    writeln!(f, "stall_every = {}", or_never(faults.stall_every))?;
    writeln!(f, "stall_for = {}", faults.stall_for.written())?;
    writeln!(f, "slowdown_every = {}", or_never(faults.slowdown_every))?;
    writeln!(f, "slowdown_for = {}", or_never(faults.slowdown_for))?;
    writeln!(f, "slowdown_factor = {}", faults.slowdown_factor.written())?;
    if faults.trace.is_empty() {
        return writeln!(f, "trace = []");
    }
    writeln!(f, "trace = [")?;
    for Trouble { at, name, what, .. } in &faults.trace {
        write!(
            f,
            "    {{ at = {}, worker = \"{name}\", what = ",
            at.written()
        )?;
        match what {
            What::Dropout => write!(f, "\"dropout\"")?,
            What::Return => write!(f, "\"return\"")?,
            What::Stall(lasts) => write!(f, "\"stall\", for = {}", lasts.written())?,
            What::Slowdown { factor, lasts } => write!(
                f,
                "\"slowdown\", factor = {}, for = {}",
                factor.written(),
                or_never(*lasts)
            )?,
        }
        writeln!(f, " }},")?;
    }
    writeln!(f, "]")
}

fn worker(group: &Group, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(
        f,
        "\n[[workers]]\nname = \"{}\"\ncount = {}",
        group.name, group.count
    )?;
    writeln!(
        f,
        "speed = {}\njitter = {}",
        group.speed.written(),
        group.errors.jitter.written()
    )?;
    writeln!(f, "drift = {}", group.errors.drift.written())?;
    writeln!(f, "benchmark_error = {}", group.errors.benchmark.written())?;
    let unlimited = || "\"unlimited\"".to_owned();
    writeln!(
        f,
        "memory = {}",
        group.memory.map_or_else(unlimited, Quantity::written)
    )?;
    writeln!(
        f,
        "down = {}\nup = {}",
        group.down.written(),
        group.up.written()
    )?;
    writeln!(f, "latency = {}", group.latency.written())?;
    writeln!(
        f,
        "shipping = {}",
        group.shipping.map_or_else(unlimited, Quantity::written)
    )?;
    if let Some(fee) = group.fee {
        writeln!(f, "fee = {}", fee.written())?;
    }
    writeln!(
        f,
        "least_fee = {}\njoins = {}",
        group.least_fee.written(),
        group.joins.written()
    )
}

fn or_never(span: Option<Span>) -> String {
    span.map_or_else(|| "\"never\"".to_owned(), Quantity::written)
}

/// A text as TOML writes it.
fn text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                // Writing to a text cannot fail.
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::catalogue;
    use crate::scenario::tree::{Node, Value};
    use crate::{Overrides, Scenario};

    const LAB: &str = "[job]\nbatches = 100\nmax_time = \"30 s\"\n\n\
                       [[workers]]\nname = \"pc1\"\nspeed = \"50 batches/s\"\n";

    fn good(text: &str) -> Scenario {
        Scenario::parse("lab.toml", text, &Overrides::NONE).expect("valid")
    }

    /// Every line that is written is a value, and set again key by key it gives the same scenario.
    #[test]
    fn values_are_all_that_is_written() {
        let trace = "[faults]\ntrace = [{ at = \"20 s\", worker = \"pc1\", what = \"dropout\" },\
                 { at = \"30 s\", worker = \"pc1\", what = \"return\" }]\n";
        let traced = good(&format!("{LAB}{trace}"));
        for scenario in catalogue()
            .iter()
            .map(|entry| good(entry.text))
            .chain([good(LAB), traced.clone()])
        {
            let values = scenario.values();
            let keys: BTreeSet<&str> = values.iter().map(|(key, _)| key.as_str()).collect();
            assert_eq!(keys.len(), values.len(), "every key is there once");
            let text = scenario.to_string();
            let lines = text.lines().filter(|line| {
                line.contains(" = ") && !line.starts_with(' ') && !line.starts_with("name = ")
            });
            assert_eq!(values.len(), lines.count());
            for (key, value) in &values {
                let node = Node::document(&text).expect("it reads");
                let node = node
                    .at_path(key)
                    .unwrap_or_else(|| panic!("{key} leads to a value"));
                match &node.value {
                    Value::Text(text) => assert_eq!(text, value, "{key}"),
                    Value::Whole(text) | Value::Decimal(text) => {
                        assert_eq!(text, value, "{key}");
                    }
                    Value::Bool(found) => assert_eq!(&found.to_string(), value, "{key}"),
                    Value::List(_) | Value::Table(_) => {
                        let whole = [('[', ']'), ('{', '}')];
                        assert!(
                            whole
                                .iter()
                                .any(|(a, b)| value.starts_with(*a) && value.ends_with(*b))
                        );
                    }
                    Value::Other(what) => panic!("{key} is {what}"),
                }
            }
        }
        let value = |key: &str| {
            let values = traced.values();
            let found = values.into_iter().find(|(known, _)| known == key);
            found.map(|(_, value)| value).expect("it is there")
        };
        assert_eq!(value("job.max_time"), "30 s");
        assert_eq!(value("workers.pc1.speed"), "50 batches/s");
        assert_eq!(
            value("faults.trace"),
            "[{ at = \"20 s\", worker = \"pc1\", what = \"dropout\" },\
         { at = \"30 s\", worker = \"pc1\", what = \"return\" },]"
        );
    }
}
