//! The JSON line of one plan, written and read back.
//!
//! Costs are plain decimal JSON numbers that never go through a float, so they keep every digit
//! beyond 2^53. The order of the keys is fixed; `names` comes last and only when the instance
//! names its workers. Keys that are not known are ignored on reading.

use scheduler::{Certificate, Cost, DecimalError, Outcome, Plan};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::status::Status;

/// What a line says besides the outcome.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// The instance's id, as JSON text: `0`, `"night shift"`, …
    pub id: &'a str,
    /// The allocator's name.
    pub allocator: &'a str,
    /// The names of the workers, empty if the instance gives none.
    pub names: &'a [Option<String>],
    /// The smallest changes that would make an infeasible problem feasible, in words and joined
    /// with commas; empty if there are none.
    pub repairs: &'a str,
}

/// Writes the line of one outcome, without the line break.
///
/// # Errors
/// When the id is not JSON.
pub fn write(context: Context<'_>, outcome: &Outcome) -> Result<String, LineError> {
    let id = RawValue::from_string(context.id.to_owned()).map_err(LineError::json)?;
    // A line is one line, whatever white space the id was written with.
    let id = if context.id.contains(['\n', '\r']) {
        let value: serde_json::Value = serde_json::from_str(id.get()).map_err(LineError::json)?;
        RawValue::from_string(value.to_string()).map_err(LineError::json)?
    } else {
        id
    };
    let planned = outcome.planned();
    let message = match outcome {
        Outcome::Planned(_) => None,
        Outcome::Infeasible(infeasible) if context.repairs.is_empty() => {
            Some(infeasible.to_string())
        }
        Outcome::Infeasible(infeasible) => Some(format!(
            "{infeasible}; to make it feasible: {}",
            context.repairs
        )),
        Outcome::Failed(failure) => Some(failure.message.clone()),
    };
    let wire = Written {
        id: &id,
        allocator: context.allocator,
        status: outcome.status(),
        batches: planned.map(|planned| planned.plan.batches.as_slice()),
        cost: planned.map(|planned| decimal(planned.plan.cost)),
        lower_bound: planned.and_then(|p| p.lower_bound).map(decimal),
        workers_employed: planned.map(|planned| planned.plan.workers_employed()),
        certificate: planned.and_then(|p| p.certificate).map(Certificate::name),
        reason: outcome.reason(),
        message: message.as_deref(),
        names: Some(context.names).filter(|names| names.iter().any(Option::is_some)),
    };
    serde_json::to_string(&wire).map_err(LineError::json)
}

/// Writes the line with more keys after those of [`write()`], which readers of plans ignore: the
/// fields of `more`.
///
/// # Errors
/// When the id is not JSON, or `more` is no object.
pub fn write_with(
    context: Context<'_>,
    outcome: &Outcome,
    more: &impl Serialize,
) -> Result<String, LineError> {
    let line = write(context, outcome)?;
    let more = serde_json::to_string(more).map_err(LineError::json)?;
    match (line.strip_suffix('}'), more.strip_prefix('{')) {
        (Some(_), Some("}")) => Ok(line),
        (Some(line), Some(more)) => Ok(format!("{line},{more}")),
        _ => Err(LineError::Json(format!("expected an object, not {more}"))),
    }
}

/// Money as a JSON number with all of its digits.
pub fn decimal(cost: Cost) -> Box<RawValue> {
    RawValue::from_string(cost.to_string()).expect("a plain decimal is a JSON number")
}

/// A line read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanLine {
    /// The instance's id, as JSON text.
    pub id: String,
    /// The allocator's name.
    pub allocator: String,
    /// The kind of answer.
    pub status: Status,
    /// The plan, if there is one: to be verified against its problem.
    pub plan: Option<Plan>,
    /// What the allocator knows about the optimum.
    pub lower_bound: Option<Cost>,
    /// How many workers the line says are employed.
    pub workers_employed: Option<u64>,
    /// What the bound rests on.
    pub certificate: Option<Certificate>,
    /// The machine-readable reason why there is no plan.
    pub reason: Option<String>,
    /// The same in a sentence.
    pub message: Option<String>,
    /// The names of the workers, empty if there are none.
    pub names: Vec<Option<String>>,
}

/// Reads one line.
///
/// # Errors
/// When it is not JSON, lacks a key, or says what no plan can.
pub fn read(line: &str) -> Result<PlanLine, LineError> {
    let wire: Read<'_> = serde_json::from_str(line).map_err(LineError::json)?;
    let status = Status::from_name(&wire.status).ok_or(LineError::Status(wire.status))?;
    let certificate = match wire.certificate {
        None => None,
        Some(name) => Some(Certificate::from_name(&name).ok_or(LineError::Certificate(name))?),
    };
    let cost = read_decimal("cost", wire.cost)?;
    let lower_bound = read_decimal("lower_bound", wire.lower_bound)?;
    let planned = match status {
        Status::Optimal | Status::Bounded | Status::Feasible => true,
        Status::Infeasible | Status::Failed => false,
    };
    let plan = match (planned, wire.batches, cost) {
        (true, Some(batches), Some(cost)) => Some(Plan { batches, cost }),
        (false, None, None) => None,
        _ => return Err(LineError::Incomplete(status.name())),
    };
    let employed = plan.as_ref().map(Plan::workers_employed);
    if wire.workers_employed.is_some() && wire.workers_employed != employed {
        return Err(LineError::WorkersEmployed {
            stated: wire.workers_employed.unwrap_or_default(),
            actual: employed.unwrap_or_default(),
        });
    }
    Ok(PlanLine {
        id: wire.id.get().to_owned(),
        allocator: wire.allocator,
        status,
        plan,
        lower_bound,
        workers_employed: wire.workers_employed,
        certificate,
        reason: wire.reason,
        message: wire.message,
        names: wire.names,
    })
}

/// Why text is not the line of a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Not JSON, or not these keys.
    #[error("{0}")]
    Json(String),
    /// No such status.
    #[error("status is \"{0}\", expected one of optimal, bounded, feasible, infeasible and failed")]
    Status(String),
    /// No such certificate.
    #[error("\"{0}\" is not a certificate")]
    Certificate(String),
    /// A cost is no decimal.
    #[error("{key} is {text}: {cause}")]
    Decimal {
        /// Which one.
        key: &'static str,
        /// What stands there.
        text: String,
        /// What is wrong with it.
        cause: DecimalError,
    },
    /// A plan without batches or cost, or an answer without a plan that has them.
    #[error(
        "batches and cost must both be there with a plan and both be null without: status is {0}"
    )]
    Incomplete(&'static str),
    /// The count does not fit the batches.
    #[error("workers_employed is {stated}, the batches employ {actual}")]
    WorkersEmployed {
        /// What the line says.
        stated: u64,
        /// What its batches say.
        actual: u64,
    },
}

impl LineError {
    fn json(error: serde_json::Error) -> Self {
        Self::Json(error.to_string())
    }
}

fn read_decimal(key: &'static str, raw: Option<&RawValue>) -> Result<Option<Cost>, LineError> {
    let Some(raw) = raw else { return Ok(None) };
    let text = raw.get();
    let parsed = text.parse().map(Some);
    parsed.map_err(|cause| LineError::Decimal {
        key,
        text: text.to_owned(),
        cause,
    })
}

#[derive(Serialize)]
struct Written<'a> {
    id: &'a RawValue,
    allocator: &'a str,
    status: &'a str,
    batches: Option<&'a [u64]>,
    cost: Option<Box<RawValue>>,
    lower_bound: Option<Box<RawValue>>,
    workers_employed: Option<u64>,
    certificate: Option<&'a str>,
    reason: Option<&'a str>,
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    names: Option<&'a [Option<String>]>,
}

#[derive(Deserialize)]
struct Read<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    allocator: String,
    status: String,
    batches: Option<Vec<u64>>,
    #[serde(borrow)]
    cost: Option<&'a RawValue>,
    #[serde(borrow, default)]
    lower_bound: Option<&'a RawValue>,
    workers_employed: Option<u64>,
    certificate: Option<String>,
    reason: Option<String>,
    message: Option<String>,
    #[serde(default)]
    names: Vec<Option<String>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use scheduler::{Failure, FailureReason, Infeasible, PlanStatus, Planned};

    fn optimal(batches: Vec<u64>, micros: u128) -> Outcome {
        let cost = Cost::from_micros(micros);
        Outcome::Planned(Planned {
            plan: Plan { batches, cost },
            status: PlanStatus::Optimal,
            lower_bound: Some(cost),
            certificate: Some(Certificate::Search),
        })
    }

    fn context<'a>(id: &'a str, allocator: &'a str) -> Context<'a> {
        Context {
            id,
            allocator,
            ..Context::default()
        }
    }

    #[test]
    fn a_plan_is_written_as_the_contract_says() {
        let line = write(
            context("0", "exact"),
            &optimal(vec![5, 0, 4, 5], 34_000_000),
        );
        assert_eq!(
            line.expect("valid"),
            r#"{"id":0,"allocator":"exact","status":"optimal","batches":[5,0,4,5],"cost":34,"lower_bound":34,"workers_employed":3,"certificate":"search","reason":null,"message":null}"#
        );
    }

    #[test]
    fn names_come_last_and_only_when_given() {
        let names = [Some("pc1".to_owned()), None];
        let named = Context {
            names: &names,
            ..context("\"a b\"", "lp")
        };
        let line = write(named, &optimal(vec![1, 0], 500_000)).expect("valid");
        assert!(
            line.ends_with(r#""message":null,"names":["pc1",null]}"#),
            "{line}"
        );
        assert!(line.starts_with(r#"{"id":"a b","#), "{line}");
        assert!(line.contains(r#""cost":0.5,"#), "{line}");
        let unnamed = Context {
            names: &[None, None],
            ..named
        };
        let line = write(unnamed, &optimal(vec![1, 0], 1)).expect("valid");
        assert!(!line.contains("names"), "{line}");
    }

    #[test]
    fn more_keys_come_after_and_change_nothing() {
        let outcome = optimal(vec![5, 0], 7_500_000);
        let plain = write(context("0", "exact"), &outcome).expect("valid");
        let more = serde_json::json!({"seed": 3});
        let line = write_with(context("0", "exact"), &outcome, &more).expect("valid");
        assert!(line.ends_with(r#""message":null,"seed":3}"#), "{line}");
        assert_eq!(read(&line), read(&plain));
        let none = write_with(context("0", "exact"), &outcome, &serde_json::json!({}));
        assert_eq!(none.as_deref(), Ok(plain.as_str()));
        assert!(write_with(context("0", "exact"), &outcome, &3).is_err());
    }

    #[test]
    fn answers_without_a_plan_say_why() {
        let infeasible = Outcome::Infeasible(Infeasible::CardinalityGap {
            employable: 1,
            capacity: 6,
            n: 7,
        });
        let repaired = Context {
            repairs: "lower s_min to 3, or lower n to 6",
            ..context("null", "exact")
        };
        assert_eq!(
            write(repaired, &infeasible).expect("valid"),
            "{\"id\":null,\"allocator\":\"exact\",\"status\":\"infeasible\",\"batches\":null,\
             \"cost\":null,\"lower_bound\":null,\"workers_employed\":null,\"certificate\":null,\
             \"reason\":\"cardinality_gap\",\"message\":\"cardinality gap: at most 1 workers can \
             be employed at once, and they can take 6 of 7 batches; to make it feasible: lower \
             s_min to 3, or lower n to 6\"}"
        );
        let failed = Outcome::Failed(Failure {
            reason: FailureReason::TooLarge,
            message: "more than 2000 workers".to_owned(),
        });
        let line = read(&write(context("3", "cbc"), &failed).expect("valid")).expect("reads");
        assert_eq!(line.status, Status::Failed);
        assert_eq!(line.reason.as_deref(), Some("too_large"));
        assert_eq!(line.message.as_deref(), Some("more than 2000 workers"));
        assert_eq!(line.plan, None);
    }

    /// 2^53 + 1 micro-units and far beyond: a float would lose the last digits.
    #[test]
    fn costs_beyond_floats_are_exact() {
        for micros in [
            9_007_199_254_740_993,
            9_007_199_254_740_993_000_001,
            10_u128.pow(27) - 1,
            10_u128.pow(33),
            1,
            0,
        ] {
            let line = write(context("1", "exact"), &optimal(vec![1], micros)).expect("valid");
            assert!(!line.contains(['e', 'E']) || !line.contains("e+"), "{line}");
            let read = read(&line).expect("reads");
            let cost = Cost::from_micros(micros);
            assert_eq!(read.plan.expect("a plan").cost, cost, "{line}");
            assert_eq!(read.lower_bound, Some(cost));
        }
        let line = write(
            context("1", "x"),
            &optimal(vec![1], 9_007_199_254_740_993_000_001),
        );
        assert!(
            line.expect("valid")
                .contains(r#""cost":9007199254740993.000001,"#)
        );
    }

    #[test]
    fn ids_stay_as_they_were_on_one_line() {
        for id in ["12345678901234567890123", "1.50", "\"ä\\n\"", "[1, 2]"] {
            let line = write(context(id, "x"), &optimal(vec![1], 1)).expect("valid");
            assert_eq!(read(&line).expect("reads").id, id);
        }
        let line = write(context("[1,\n2]", "x"), &optimal(vec![1], 1)).expect("valid");
        assert!(line.starts_with(r#"{"id":[1,2],"#), "{line}");
        assert!(write(context("nope", "x"), &optimal(vec![1], 1)).is_err());
    }

    #[test]
    fn bad_lines_are_refused() {
        let good = write(context("0", "exact"), &optimal(vec![5, 0], 7_500_000)).expect("valid");
        assert!(read(&good).is_ok());
        let check = |from: &str, to: &str, expected: &str| {
            let bad = good.replace(from, to);
            assert_ne!(bad, good);
            let error = read(&bad).expect_err(to).to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("optimal", "best", "status is \"best\"");
        check("search", "guess", "\"guess\" is not a certificate");
        check("\"cost\":7.5", "\"cost\":-7.5", "cost is -7.5: expected");
        check("\"cost\":7.5", "\"cost\":\"7.5\"", "expected a decimal");
        check("\"cost\":7.5", "\"cost\":7.0000005", "six decimal places");
        check("\"cost\":7.5", "\"cost\":null", "both be there");
        check("[5,0]", "null", "both be there");
        check("[5,0]", "[5,-1]", "invalid value");
        check("employed\":1", "employed\":2", "is 2, the batches employ 1");
        check("\"optimal\"", "\"failed\"", "both be null");
        check("}", "", "EOF");
    }
}
