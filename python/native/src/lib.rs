//! The module `allot._native`: the allocators, for Python.
//!
//! It takes numbers as Python has them, in lists or as the bytes of arrays, states a problem of the scheduling
//! core, and lets one of the allocators of `solvers` answer it. What is refused is refused in the words of the
//! program `sim solve`.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyFloat, PyInt, PyList, PyTuple, PyType};
use scheduler::{
    Candidate, DecimalError, Fee, Infeasible, Link, MAX_BATCHES, MAX_N, Margin, Objective, Outcome,
    PlanRequest, Planned, Problem, Repair, Span, Speed, TimeModel, Worker, machine::WorkerId,
};
use solvers::{Allocator, AllocatorName, Exact, Host};

/// The allocators, for Python.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::{allocators, schedule, solve};
}

/// Batches as a list or as the bytes of an array, cost, lower bound, status and certificate.
type Answer<'py> = (
    Bound<'py, PyAny>,
    String,
    Option<String>,
    &'static str,
    Option<&'static str>,
);

/// The names of the allocators.
#[pyfunction]
fn allocators() -> Vec<&'static str> {
    AllocatorName::all()
        .into_iter()
        .map(AllocatorName::name)
        .collect()
}

/// One allocation problem.
#[pyfunction]
fn solve<'py>(
    n: &Bound<'py, PyAny>,
    beta: &Bound<'py, PyAny>,
    s_min: &Bound<'py, PyAny>,
    most_employed: Option<&Bound<'py, PyAny>>,
    s_max: &Bound<'py, PyAny>,
    fee: &Bound<'py, PyAny>,
    allocator: &str,
) -> PyResult<Answer<'py>> {
    let py = n.py();
    let (n, s_min, beta) = (
        whole(n, "n", MAX_N)?,
        whole(s_min, "s_min", MAX_BATCHES)?,
        whole(beta, "beta", MAX_BATCHES)?,
    );
    let most = most_employed
        .map(|most| whole(most, "most_employed", MAX_BATCHES))
        .transpose()?;
    let capacities = whole_numbers(s_max, "s_max", MAX_BATCHES)?;
    let fees = fees(fee)?;
    same_length(py, ("s_max", capacities.len()), ("fee", fees.len()))?;
    let workers = capacities.into_iter().zip(fees);
    let workers = workers.map(|(s_max, fee)| Worker { s_max, fee }).collect();
    let mut problem =
        Problem::new(n, s_min, beta, workers).map_err(|error| refused(py, &error.to_string()))?;
    if let Some(most) = most {
        problem = problem.with_most_employed(most);
    }
    let mut allocator = named(py, allocator)?;
    let outcome = py.detach(|| {
        allocator.ready()?;
        Ok(allocator.measure(&problem).outcome)
    });
    let outcome = outcome.map_err(|what: String| refused(py, &what))?;
    let planned = planned(py, outcome, |_| problem.repairs())?;
    answer(py, &planned, s_max.is_instance_of::<PyBytes>())
}

/// One cycle of workers that take a fixed time, and then a time for each batch.
#[pyfunction]
fn schedule<'py>(
    demand: (Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>),
    limit: &Bound<'py, PyAny>,
    objective: &str,
    batch_seconds: &Bound<'py, PyAny>,
    fixed_seconds: &Bound<'py, PyAny>,
    most: Option<&Bound<'py, PyAny>>,
    fee: &Bound<'py, PyAny>,
) -> PyResult<(Answer<'py>, f64)> {
    let py = limit.py();
    let (n, s_min, beta) = &demand;
    let demand = (
        whole(n, "n", MAX_N)?,
        whole(s_min, "s_min", MAX_BATCHES)?,
        whole(beta, "beta", MAX_BATCHES)?,
    );
    let limit = span(py, limit.extract()?, "limit")?;
    let objective = Objective::from_name(objective).ok_or_else(|| {
        refused(
            py,
            &format!(
                "objective is {objective:?}, expected cheapest, cheapest-then-quickest or quickest"
            ),
        )
    })?;
    let per_batch = floats(batch_seconds)?;
    let fixed = floats(fixed_seconds)?;
    let fees = fees(fee)?;
    same_length(py, ("batch_seconds", per_batch.len()), ("fee", fees.len()))?;
    same_length(
        py,
        ("batch_seconds", per_batch.len()),
        ("fixed_seconds", fixed.len()),
    )?;
    let most = match most {
        Some(most) => whole_numbers(most, "most", MAX_BATCHES)?,
        None => vec![MAX_BATCHES; fees.len()],
    };
    same_length(py, ("batch_seconds", per_batch.len()), ("most", most.len()))?;
    let mut candidates = Vec::with_capacity(fees.len());
    for (index, fee) in fees.into_iter().enumerate() {
        candidates.push(Candidate {
            worker: WorkerId::new(index as u32),
            fee,
            speed: speed(py, per_batch[index], index)?,
            margin: Margin::NONE,
            link: Link {
                latency: span(
                    py,
                    fixed[index],
                    &format!("fixed_seconds of worker {index}"),
                )?,
                ..Link::default()
            },
            most: most[index],
        });
    }
    let request = PlanRequest::new(demand, limit, TimeModel::COMPUTE, candidates)
        .map_err(|error| refused(py, &error.to_string()))?
        .with_objective(objective);
    let response = py.detach(|| solvers::answer(&request, &mut Exact::default()));
    let planned = planned(py, response.outcome, |_| Vec::new())?;
    let time =
        |(place, &batches): (usize, &u64)| request.least_limit(place, response.employed, batches);
    let longest = planned
        .plan
        .batches
        .iter()
        .enumerate()
        .filter_map(time)
        .max();
    let seconds = longest.unwrap_or(Span::ZERO).seconds_f64();
    let is_bytes = batch_seconds.is_instance_of::<PyBytes>();
    Ok((answer(py, &planned, is_bytes)?, seconds))
}

fn named(py: Python<'_>, name: &str) -> PyResult<Box<dyn Allocator>> {
    let name: AllocatorName = name
        .parse()
        .map_err(|error: solvers::UnknownAllocator| refused(py, &error.to_string()))?;
    Ok(name.create(&Host::default()))
}

/// The plan, or the exception that says why there is none.
fn planned(
    py: Python<'_>,
    outcome: Outcome,
    repairs: impl FnOnce(&Infeasible) -> Vec<Repair>,
) -> PyResult<Planned> {
    match outcome {
        Outcome::Planned(planned) => Ok(planned),
        Outcome::Infeasible(infeasible) => {
            let repairs: Vec<String> = repairs(&infeasible).iter().map(Repair::to_string).collect();
            let mut message = infeasible.to_string();
            if !repairs.is_empty() {
                message += &format!("; to make it feasible: {}", repairs.join(", or "));
            }
            Err(exception(py, "Infeasible", (message, infeasible.reason())))
        }
        Outcome::Failed(failure) => {
            let reason = failure.reason.name();
            Err(exception(py, "Failed", (failure.message, reason)))
        }
    }
}

fn answer<'py>(py: Python<'py>, planned: &Planned, as_bytes: bool) -> PyResult<Answer<'py>> {
    let batches = &planned.plan.batches;
    let batches = if as_bytes {
        let bytes: Vec<u8> = batches.iter().flat_map(|x| x.to_ne_bytes()).collect();
        PyBytes::new(py, &bytes).into_any()
    } else {
        PyList::new(py, batches)?.into_any()
    };
    Ok((
        batches,
        planned.plan.cost.to_string(),
        planned.lower_bound.map(|bound| bound.to_string()),
        planned.status.name(),
        planned.certificate.map(|certificate| certificate.name()),
    ))
}

fn same_length(
    py: Python<'_>,
    (first, k): (&str, usize),
    (second, m): (&str, usize),
) -> PyResult<()> {
    if k == m {
        return Ok(());
    }
    Err(refused(
        py,
        &format!(
            "{first} has {k} values and {second} has {m}, expected one of each for every worker"
        ),
    ))
}

/// A whole number. A float with nothing after its point is one, as it is in an instance file.
fn whole(value: &Bound<'_, PyAny>, what: &str, most: u64) -> PyResult<u64> {
    let number = if value.is_instance_of::<PyInt>() {
        value.extract::<u64>().ok()
    } else if let Ok(float) = value.cast::<PyFloat>() {
        whole_float(float.value())
    } else {
        // NumPy's integers, and whatever else counts.
        value.extract::<u64>().ok()
    };
    match number {
        Some(number) if number <= most => Ok(number),
        _ => Err(not_whole(value.py(), what, &shown(value), most)),
    }
}

fn whole_float(value: f64) -> Option<u64> {
    // Up to 2^53 a float is a whole number exactly.
    let is_whole = (0.0..=9_007_199_254_740_992.0).contains(&value) && value.fract() == 0.0;
    is_whole.then_some(value as u64)
}

fn not_whole(py: Python<'_>, what: &str, value: &str, most: u64) -> PyErr {
    refused(
        py,
        &format!("{what} is {value}, expected a whole number from 0 to {most}"),
    )
}

/// Whole numbers: a list, or the bytes of an array of 64-bit integers.
fn whole_numbers(values: &Bound<'_, PyAny>, what: &str, most: u64) -> PyResult<Vec<u64>> {
    let of = |index: usize| format!("{what} of worker {index}");
    if let Ok(bytes) = values.cast::<PyBytes>() {
        let number = |(index, value): (usize, i64)| match u64::try_from(value) {
            Ok(number) if number <= most => Ok(number),
            _ => Err(not_whole(values.py(), &of(index), &value.to_string(), most)),
        };
        return words(bytes)
            .map(i64::from_ne_bytes)
            .enumerate()
            .map(number)
            .collect();
    }
    each(values, what, |index, value| {
        // The rule, without the text that only an error needs.
        if let Ok(number) = value.extract::<u64>()
            && number <= most
        {
            return Ok(number);
        }
        whole(value, &of(index), most)
    })
}

/// Fees: a list, or the bytes of an array of 64-bit floats. A float is the shortest decimal that reads as it.
fn fees(values: &Bound<'_, PyAny>) -> PyResult<Vec<Fee>> {
    let py = values.py();
    let refuse = |index: usize, text: &str, error: DecimalError| {
        refused(py, &format!("fee of worker {index} is {text}, {error}"))
    };
    if let Ok(bytes) = values.cast::<PyBytes>() {
        let fee = |(index, value): (usize, f64)| {
            fee_of(value).map_err(|error| refuse(index, &value.to_string(), error))
        };
        return words(bytes)
            .map(f64::from_ne_bytes)
            .enumerate()
            .map(fee)
            .collect();
    }
    each(values, "fee", |index, value| {
        let fee = if let Ok(float) = value.cast::<PyFloat>() {
            fee_of(float.value())
        } else if let Ok(units) = value.extract::<u32>() {
            Fee::from_micros(u64::from(units) * 1_000_000).ok_or(DecimalError::TooLarge)
        } else {
            shown(value).parse()
        };
        fee.map_err(|error| refuse(index, &shown(value), error))
    })
}

/// The fee whose shortest decimal reads as this float.
fn fee_of(value: f64) -> Result<Fee, DecimalError> {
    // Micro-units that are this float again are its decimal: below 10^15 no two of them are the same float.
    let micros = (value * 1e6).round();
    if (0.0..1e15).contains(&micros) && micros / 1e6 == value {
        return Fee::from_micros(micros as u64).ok_or(DecimalError::TooLarge);
    }
    value.to_string().parse()
}

fn floats(values: &Bound<'_, PyAny>) -> PyResult<Vec<f64>> {
    if let Ok(bytes) = values.cast::<PyBytes>() {
        return Ok(words(bytes).map(f64::from_ne_bytes).collect());
    }
    each(values, "seconds", |_, value| value.extract())
}

fn span(py: Python<'_>, seconds: f64, what: &str) -> PyResult<Span> {
    if (0.0..=1e9).contains(&seconds) {
        return Ok(Span::from_nanos((seconds * 1e9).round() as u64));
    }
    Err(refused(
        py,
        &format!("{what} is {seconds}, expected seconds from 0 to 1000000000"),
    ))
}

fn speed(py: Python<'_>, seconds: f64, index: usize) -> PyResult<Speed> {
    // A thousand batches: differences of a thousandth of a nanosecond per batch still count.
    const BATCHES: u64 = 1_000;
    let whole = (seconds * 1e9 * BATCHES as f64).round();
    let measured = (1.0..1e18)
        .contains(&whole)
        .then(|| Speed::measured(BATCHES, Span::from_nanos(whole as u64)));
    measured.flatten().ok_or_else(|| {
        let what = format!("batch_seconds of worker {index} is {seconds}, expected seconds above 0, at most 1000000");
        refused(py, &what)
    })
}

fn words<'a>(bytes: &'a Bound<'_, PyBytes>) -> impl Iterator<Item = [u8; 8]> + 'a {
    bytes.as_bytes().as_chunks().0.iter().copied()
}

/// Reads the items of a list or a tuple.
fn each<'py, T>(
    values: &Bound<'py, PyAny>,
    what: &str,
    mut read: impl FnMut(usize, &Bound<'py, PyAny>) -> PyResult<T>,
) -> PyResult<Vec<T>> {
    let mut items = Vec::with_capacity(values.len().unwrap_or(0));
    if let Ok(list) = values.cast::<PyList>() {
        for (index, value) in list.iter().enumerate() {
            items.push(read(index, &value)?);
        }
    } else if let Ok(tuple) = values.cast::<PyTuple>() {
        for (index, value) in tuple.iter_borrowed().enumerate() {
            items.push(read(index, &value)?);
        }
    } else {
        let kind = values.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "{what} is of type {kind}, expected a list or an array"
        )));
    }
    Ok(items)
}

/// A value in a message: on one line, and not all of it.
fn shown(value: &Bound<'_, PyAny>) -> String {
    let text = value.str().map_or_else(
        |_| "?".to_owned(),
        |text| text.to_string_lossy().into_owned(),
    );
    let line: String = text.chars().take(40).filter(|c| !c.is_control()).collect();
    if text.chars().count() > 40 {
        line + "…"
    } else {
        line
    }
}

fn refused(py: Python<'_>, message: &str) -> PyErr {
    exception(py, "InputError", (message.to_owned(),))
}

/// One of the exceptions that the package defines in Python.
fn exception<'py, A>(py: Python<'py>, name: &str, arguments: A) -> PyErr
where
    A: pyo3::call::PyCallArgs<'py>,
{
    static MODULE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = || -> PyResult<PyErr> {
        let module = MODULE.get_or_try_init(py, || {
            py.import("allot._errors")
                .map(|module| module.into_any().unbind())
        })?;
        let class = module.bind(py).getattr(name)?.cast_into::<PyType>()?;
        Ok(PyErr::from_value(class.call1(arguments)?))
    };
    made().unwrap_or_else(|error| error)
}
