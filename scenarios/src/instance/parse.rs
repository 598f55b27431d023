//! One instance, from its JSON.

use std::collections::BTreeSet;
use std::fmt;

use scheduler::{
    Case, Curve, CurveProblem, CurveWorker, Fee, MAX_BATCHES, MAX_N, Problem, Terms, Tier, Worker,
    parse_micros,
};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::name::{PLAIN_NAME, is_plain_name};
use crate::near::nearest;

/// A problem with the names that its file gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The identity as JSON text, such as `3` or `"a"`; the 0-based index where none is given.
    pub id: String,
    /// The workers' names, in order, if any has one.
    pub names: Option<Vec<Option<String>>>,
    /// The problem itself.
    pub case: Case,
}

/// A JSON object as it stands in a file, each of its keys there or not. A key that is not known is
/// an error, unless it begins with `x-`.
macro_rules! object {
    ($(#[$doc:meta])* $what:literal struct $name:ident { $($key:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        struct $name<'a> { $($key: Option<$kind>,)* }

        impl<'de: 'a, 'a> Deserialize<'de> for $name<'a> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Fields;
                impl<'de> Visitor<'de> for Fields {
                    type Value = $name<'de>;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($what)
                    }

                    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<$name<'de>, M::Error> {
                        $(let mut $key = None;)*
                        while let Some(key) = map.next_key_seed(Key(&[$(stringify!($key)),*]))? {
                            match key {
                                $(Some(stringify!($key)) if $key.is_some() => {
                                    return Err(M::Error::duplicate_field(stringify!($key)));
                                })*
                                $(Some(stringify!($key)) => $key = Some(map.next_value()?),)*
                                _ => _ = map.next_value::<IgnoredAny>()?,
                            }
                        }
                        Ok($name { $($key,)* })
                    }
                }
                deserializer.deserialize_map(Fields)
            }
        }
    };
}

object! {
    /// An instance.
    "an instance object"
    struct Wire {
        id: &'a RawValue,
        n: &'a RawValue,
        beta: &'a RawValue,
        s_min: &'a RawValue,
        most_employed: &'a RawValue,
        workers: Vec<WireWorker<'a>>,
    }
}

object! {
    /// One of its workers.
    "a worker object"
    struct WireWorker {
        s_max: &'a RawValue,
        fee: &'a RawValue,
        hire: &'a RawValue,
        tiers: Vec<[&'a RawValue; 2]>,
        least: &'a RawValue,
        costs: Vec<[&'a RawValue; 2]>,
        may_idle: bool,
        name: String,
    }
}

/// A key among these, or `None` for one that is free.
struct Key(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Option<&'static str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Option<&'static str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        let known = self.0.iter().find(|known| **known == key).copied();
        if known.is_some() || key.starts_with("x-") {
            return Ok(known);
        }
        let meant = match nearest(&key.to_lowercase(), self.0.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("expected one of {}", self.0.join(", ")),
        };
        let key = shown(key);
        Err(E::custom(format!(
            "{UNKNOWN} {key:?}, {meant} Keys that begin with x- are free"
        )))
    }
}

/// How the message about a key begins.
const UNKNOWN: &str = "there is no key";

const EXAMPLE: &str = "expected an instance such as \
     {\"n\":14,\"beta\":0,\"s_min\":5,\"workers\":[{\"s_max\":5,\"fee\":1.5}]}";

/// What is wrong with a text, its lines counted from its beginning.
#[derive(Debug)]
pub(super) struct Fault {
    /// 0-based.
    pub(super) line: usize,
    pub(super) message: String,
    pub(super) is_cut_short: bool,
}

impl Fault {
    fn new(message: String) -> Self {
        Self {
            line: 0,
            message,
            is_cut_short: false,
        }
    }

    fn of(error: impl ToString) -> Self {
        Self::new(error.to_string())
    }

    fn missing(key: &str) -> Self {
        Self::new(format!("missing field `{key}`, {EXAMPLE}"))
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        // serde_json appends the place; ours is the line in the file.
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or(&text);
        let message = if what.starts_with(UNKNOWN) {
            format!("{what} (column {})", error.column())
        } else if error.is_data() {
            format!("{what} (column {}), {EXAMPLE}", error.column())
        } else {
            format!(
                "not valid JSON: {what} (column {}), expected one object a line",
                error.column()
            )
        };
        Self {
            line: error.line().saturating_sub(1),
            message,
            is_cut_short: error.is_eof(),
        }
    }
}

/// Reads one instance; without an id it gets its place.
pub(super) fn parse(text: &[u8], index: u64) -> Result<Instance, Fault> {
    // Without the line's end, at which serde_json would count another line.
    let wire: Wire<'_> = serde_json::from_slice(text.trim_ascii_end())?;
    let id = match wire.id.map(RawValue::get) {
        None => index.to_string(),
        Some(text)
            if text.starts_with(['"', '-']) || text.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            text.to_owned()
        }
        Some(text) => {
            return Err(Fault::new(format!(
                "id is {}, expected a number or a string",
                shown(text)
            )));
        }
    };
    let given = wire.workers.ok_or_else(|| Fault::missing("workers"))?;
    let n = batches(required(wire.n, "n")?, MAX_N, || "n".to_owned())?;
    let beta = batches(required(wire.beta, "beta")?, MAX_BATCHES, || {
        "beta".to_owned()
    })?;
    let s_min = match wire.s_min {
        None => None,
        Some(raw) => Some(batches(raw, MAX_BATCHES, || "s_min".to_owned())?),
    };
    let has_curves = given
        .iter()
        .any(|it| it.costs.is_some() || it.may_idle.is_some());
    let most = match wire.most_employed {
        None => None,
        Some(raw) => Some(batches(raw, MAX_BATCHES, || "most_employed".to_owned())?),
    };
    let case = if has_curves {
        let most = most.unwrap_or(given.len() as u64);
        let workers = given.iter().enumerate();
        let workers = workers.map(|(index, wire)| curve_worker(index, wire, s_min.unwrap_or(0)));
        let workers = workers.collect::<Result<_, _>>()?;
        Case::Curves(CurveProblem::new(n, beta, most, workers).map_err(Fault::of)?)
    } else {
        let s_min = s_min.ok_or_else(|| Fault::missing("s_min"))?;
        let workers = given.iter().enumerate();
        let workers = workers.map(|(index, wire)| fee_worker(index, wire));
        let workers = workers.collect::<Result<_, _>>()?;
        let mut problem = Problem::new(n, s_min, beta, workers).map_err(Fault::of)?;
        if let Some(most) = most {
            problem = problem.with_most_employed(most);
        }
        if given.iter().any(WireWorker::has_terms) {
            let terms = given
                .iter()
                .enumerate()
                .map(|(index, wire)| terms(index, wire));
            problem = problem.with_terms(terms.collect::<Result<_, _>>()?);
        }
        Case::Fees(problem)
    };
    let names = names(given)?;
    Ok(Instance { id, names, case })
}

impl WireWorker<'_> {
    const fn has_terms(&self) -> bool {
        self.hire.is_some() || self.tiers.is_some() || self.least.is_some()
    }
}

/// What a worker is paid beside its fee, and its own lot.
fn terms(index: usize, wire: &WireWorker<'_>) -> Result<Terms, Fault> {
    let fee_of = |raw: &RawValue, what: &str| {
        let fee = raw.get().parse::<Fee>();
        fee.map_err(|error| {
            Fault::new(format!(
                "{what} of worker {index} is {}, {error}",
                shown(raw.get())
            ))
        })
    };
    let mut tiers: Vec<Tier> = Vec::new();
    for [after, fee] in wire.tiers.iter().flatten() {
        let after = batches(after, MAX_BATCHES, || {
            format!("a number of batches in the tiers of worker {index}")
        })?;
        if tiers.last().map_or(0, |tier| tier.after) >= after {
            return Err(Fault::new(format!(
                "tiers of worker {index}: {after} batches do not come after the ones before, expected tiers \
                 in order, such as [[100,0.8]]"
            )));
        }
        let fee = fee_of(fee, "a fee in the tiers")?;
        tiers.push(Tier { after, fee });
    }
    let hire = wire.hire.map(|raw| fee_of(raw, "hire")).transpose()?;
    let least = wire
        .least
        .map(|raw| batches(raw, MAX_BATCHES, || format!("least of worker {index}")));
    Ok(Terms {
        charge: hire.unwrap_or_default().times(1),
        tiers,
        least: least.transpose()?.unwrap_or(0),
    })
}

fn fee_worker(index: usize, wire: &WireWorker<'_>) -> Result<Worker, Fault> {
    let s_max = batches(required(wire.s_max, "s_max")?, MAX_BATCHES, || {
        format!("s_max of worker {index}")
    })?;
    let fee = required(wire.fee, "fee")?.get();
    let fee = fee
        .parse::<Fee>()
        .map_err(|error| Fault::new(format!("fee of worker {index} is {}, {error}", shown(fee))))?;
    Ok(Worker { s_max, fee })
}

/// A worker of an instance in which some have costs by points: a fee is a straight line.
fn curve_worker(index: usize, wire: &WireWorker<'_>, s_min: u64) -> Result<CurveWorker, Fault> {
    let fault = |what: String| Fault::new(format!("costs of worker {index}: {what}"));
    let may_idle = wire.may_idle.unwrap_or(true);
    // A worker that may idle is idle when it gets no batches.
    let lower = s_min.max(u64::from(may_idle));
    let curve = match (&wire.costs, wire.fee) {
        (Some(_), Some(_)) => {
            return Err(fault("there is a fee too, expected one of them".to_owned()));
        }
        (None, _) => {
            let (worker, terms) = (fee_worker(index, wire)?, terms(index, wire)?);
            let lower = lower.max(terms.least);
            let cost = |x: u64| {
                // Employed without batches, as one that may not idle, it is owed its charge.
                let cost = terms.charge + terms.of_batches(worker.fee, x);
                i64::try_from(cost.micros()).unwrap_or(i64::MAX)
            };
            let inner = terms.tiers.iter().map(|tier| tier.after);
            let inner = inner.filter(|&x| lower < x && x < worker.s_max);
            let mut corners: Vec<u64> = [lower].into_iter().chain(inner).collect();
            if lower < worker.s_max {
                corners.push(worker.s_max);
            }
            let points = corners.into_iter().map(|x| (x, cost(x))).collect();
            (lower <= worker.s_max)
                .then(|| Curve::points(points))
                .transpose()
                .map_err(|error| fault(error.to_string()))?
        }
        (Some(_), None) if wire.has_terms() => {
            let what = "there is hire, tiers or least too, expected all in the costs";
            return Err(fault(what.to_owned()));
        }
        (Some(points), None) => {
            let mut read = Vec::with_capacity(points.len());
            for [x, cost] in points {
                let x = batches(x, MAX_BATCHES, || {
                    format!("a number of batches in the costs of worker {index}")
                })?;
                let micros = parse_micros(cost.get()).map_err(|error| {
                    fault(format!("{x} batches cost {}, {error}", shown(cost.get())))
                })?;
                let micros = i64::try_from(micros).unwrap_or(i64::MAX);
                if x == 0 && may_idle && micros > 0 {
                    let what = "0 batches cost something, but an idle worker costs nothing: begin \
                                with 1, or say \"may_idle\":false";
                    return Err(fault(what.to_owned()));
                }
                read.push((x, micros));
            }
            let curve = Curve::points(read).map_err(|error| fault(error.to_string()))?;
            let s_max = match wire.s_max {
                None => MAX_BATCHES,
                Some(raw) => batches(raw, MAX_BATCHES, || format!("s_max of worker {index}"))?,
            };
            curve.within(lower, s_max)
        }
    };
    let curve = curve.ok_or_else(|| {
        fault("they allow no number of batches: lower s_min, or leave the worker out".to_owned())
    })?;
    Ok(CurveWorker { curve, may_idle })
}

fn required<'a>(value: Option<&'a RawValue>, key: &str) -> Result<&'a RawValue, Fault> {
    value.ok_or_else(|| Fault::missing(key))
}

/// A whole number of batches or workers, written as any decimal.
fn batches(raw: &RawValue, most: u64, what: impl Fn() -> String) -> Result<u64, Fault> {
    let expected = || {
        Fault::new(format!(
            "{} is {}, expected a whole number from 0 to {most}",
            what(),
            shown(raw.get())
        ))
    };
    // Plain digits are the rule; anything else takes the longer way.
    if let Ok(value) = raw.get().parse() {
        return if value <= most {
            Ok(value)
        } else {
            Err(expected())
        };
    }
    match parse_micros(raw.get()) {
        Ok(micros) if micros % 1_000_000 == 0 && micros / 1_000_000 <= u128::from(most) => {
            Ok((micros / 1_000_000) as u64)
        }
        Ok(_) | Err(_) => Err(expected()),
    }
}

/// The names, unique; `None` when no worker has one.
fn names(workers: Vec<WireWorker<'_>>) -> Result<Option<Vec<Option<String>>>, Fault> {
    let names: Vec<Option<String>> = workers.into_iter().map(|worker| worker.name).collect();
    let mut seen = BTreeSet::new();
    for name in names.iter().flatten() {
        if !is_plain_name(name) {
            let name: String = name.chars().take(64).collect();
            return Err(Fault::new(format!(
                "a worker's name is {name:?}, expected {PLAIN_NAME}"
            )));
        }
        if !seen.insert(name) {
            return Err(Fault::new(format!(
                "two workers are called {name:?}, expected unique names"
            )));
        }
    }
    let any = !seen.is_empty();
    Ok(any.then_some(names))
}

/// Whether a line can be read as an instance's object.
pub(super) fn is_object(line: &[u8]) -> bool {
    serde_json::from_slice(line).is_ok_and(|wire: Wire<'_>| wire.n.is_some())
}

/// Foreign text in a message: on one line, and not all of it.
pub(crate) fn shown(text: &str) -> String {
    let line: String = text.chars().take(40).filter(|c| !c.is_control()).collect();
    if text.chars().count() > 40 {
        line + "…"
    } else {
        line
    }
}
