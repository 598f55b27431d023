//! Instance files: one JSON object a line, or one object over several lines.
//!
//! Numbers are read as decimals and never pass through a float. A key that is not known is refused,
//! since whatever it was meant to say would be left out of the problem; keys that begin with `x-` are
//! free.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, BufRead};

use scheduler::{Fee, MAX_BATCHES, MAX_N, Problem, Worker, parse_micros};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::near::nearest;

/// A problem with the names that its file gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The identity as JSON text, such as `3` or `"a"`; the 0-based index where none is given.
    pub id: String,
    /// The workers' names, in order, if any has one.
    pub names: Option<Vec<Option<String>>>,
    /// The problem itself.
    pub problem: Problem,
}

/// Why a line, or the whole input, is not an instance.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// A line that is something else than an instance; the following ones can still be read.
    #[error("line {line}: {message}")]
    Bad {
        /// The 1-based line.
        line: usize,
        /// What was found, what was expected, and what to do.
        message: String,
    },
    /// The input could not be read on.
    #[error("line {line}: cannot be read: {source}")]
    Unreadable {
        /// The 1-based line.
        line: usize,
        /// The cause.
        source: io::Error,
    },
}

/// Reads instances one after the other, keeping no more than one in memory.
#[derive(Debug)]
pub struct Instances<R> {
    input: R,
    line: usize,
    index: u64,
    /// Lines that were read ahead, with the number of the first.
    ahead: std::vec::IntoIter<Vec<u8>>,
    done: bool,
}

impl<R: BufRead> Instances<R> {
    /// Reads from `input`.
    pub fn new(input: R) -> Self {
        Self {
            input,
            line: 0,
            index: 0,
            ahead: Vec::new().into_iter(),
            done: false,
        }
    }

    fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.line += 1;
        if let Some(line) = self.ahead.next() {
            return Ok(Some(line));
        }
        let mut line = Vec::new();
        let read = self.input.read_until(b'\n', &mut line)?;
        Ok((read > 0).then_some(line))
    }

    /// The first line is the beginning of something: one object over several lines, or else a
    /// line that was cut short among lines that were not.
    fn read_whole(&mut self, first: Vec<u8>) -> Result<Instance, InstanceError> {
        let start = self.line;
        let mut rest = Vec::new();
        self.input
            .read_to_end(&mut rest)
            .map_err(|source| InstanceError::Unreadable {
                line: start,
                source,
            })?;
        let whole = [first.as_slice(), &rest].concat();
        match parse(&whole, self.index) {
            Ok(instance) => {
                self.done = true;
                Ok(instance)
            }
            Err(problem) => {
                let lines: Vec<Vec<u8>> = rest
                    .split_inclusive(|&b| b == b'\n')
                    .map(<[u8]>::to_vec)
                    .collect();
                if lines.iter().any(|line| {
                    serde_json::from_slice(line).is_ok_and(|wire: Wire<'_>| wire.n.is_some())
                }) {
                    self.ahead = lines.into_iter();
                    let cut = parse(&first, self.index).expect_err("the line was cut short");
                    return Err(cut.at(start));
                }
                self.done = true;
                Err(problem.at(start))
            }
        }
    }
}

impl<R: BufRead> Iterator for Instances<R> {
    type Item = Result<Instance, InstanceError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.done {
                return None;
            }
            let line = match self.next_line() {
                Ok(Some(line)) => line,
                Ok(None) => return None,
                Err(source) => {
                    self.done = true;
                    let line = self.line;
                    return Some(Err(InstanceError::Unreadable { line, source }));
                }
            };
            if line.trim_ascii().is_empty() {
                continue;
            }
            let result = match parse(&line, self.index) {
                Err(problem) if problem.is_cut_short && self.index == 0 => self.read_whole(line),
                result => result.map_err(|problem| problem.at(self.line)),
            };
            self.index += 1;
            return Some(result);
        }
    }
}

/// Writes one instance as a line of JSON, without the line's end.
pub fn write_instance(out: &mut impl io::Write, id: &str, problem: &Problem) -> io::Result<()> {
    write!(
        out,
        "{{\"id\":{id},\"n\":{},\"beta\":{},\"s_min\":{},\"workers\":[",
        problem.n(),
        problem.beta(),
        problem.s_min()
    )?;
    for (index, worker) in problem.workers().iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(
            out,
            "{comma}{{\"s_max\":{},\"fee\":{}}}",
            worker.s_max, worker.fee
        )?;
    }
    out.write_all(b"]}")
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
        workers: Vec<WireWorker<'a>>,
    }
}

object! {
    /// One of its workers.
    "a worker object"
    struct WireWorker {
        s_max: &'a RawValue,
        fee: &'a RawValue,
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
struct Fault {
    /// 0-based.
    line: usize,
    message: String,
    is_cut_short: bool,
}

impl Fault {
    fn new(message: String) -> Self {
        Self {
            line: 0,
            message,
            is_cut_short: false,
        }
    }

    fn missing(key: &str) -> Self {
        Self::new(format!("missing field `{key}`, {EXAMPLE}"))
    }

    fn at(self, start: usize) -> InstanceError {
        InstanceError::Bad {
            line: start + self.line,
            message: self.message,
        }
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

fn parse(text: &[u8], index: u64) -> Result<Instance, Fault> {
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
    let mut workers = Vec::with_capacity(given.len());
    for (worker, wire) in given.iter().enumerate() {
        let s_max = batches(required(wire.s_max, "s_max")?, MAX_BATCHES, || {
            format!("s_max of worker {worker}")
        })?;
        let fee = required(wire.fee, "fee")?.get();
        let fee = fee.parse::<Fee>().map_err(|error| {
            Fault::new(format!("fee of worker {worker} is {}, {error}", shown(fee)))
        })?;
        workers.push(Worker { s_max, fee });
    }
    let problem = Problem::new(
        batches(required(wire.n, "n")?, MAX_N, || "n".to_owned())?,
        batches(required(wire.s_min, "s_min")?, MAX_BATCHES, || {
            "s_min".to_owned()
        })?,
        batches(required(wire.beta, "beta")?, MAX_BATCHES, || {
            "beta".to_owned()
        })?,
        workers,
    )
    .map_err(|error| Fault::new(error.to_string()))?;
    let names = names(given)?;
    Ok(Instance { id, names, problem })
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
        if !seen.insert(name) {
            return Err(Fault::new(format!(
                "two workers are called {name:?}, expected unique names"
            )));
        }
    }
    let any = !seen.is_empty();
    Ok(any.then_some(names))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<Result<Instance, String>> {
        Instances::new(text.as_bytes())
            .map(|result| result.map_err(|error| error.to_string()))
            .collect()
    }

    const GOOD: &str =
        r#"{"n":14,"beta":0,"s_min":5,"workers":[{"s_max":5,"fee":1.50},{"s_max":9,"fee":2e0}]}"#;

    #[test]
    fn lines_are_read_and_ids_default_to_the_index() {
        let named = GOOD.replace("{\"s_max\":9", "{\"name\":\"pc2\",\"s_max\":9");
        let text = format!(
            "{GOOD}\n\n{}\n",
            named.replacen('{', "{\"id\":\"x\",\"x-extra\":[1],", 1)
        );
        let instances = read(&text);
        let [Ok(first), Ok(second)] = instances.as_slice() else {
            panic!("expected two instances: {instances:?}");
        };
        assert_eq!(first.id, "0");
        assert_eq!(first.names, None);
        assert_eq!(first.problem.workers()[0].fee.to_string(), "1.5");
        assert_eq!(second.id, "\"x\"");
        assert_eq!(second.names, Some(vec![None, Some("pc2".to_owned())]));
    }

    #[test]
    fn one_object_may_take_several_lines() {
        let text = GOOD.replace(',', ",\n  ");
        let instances = read(&text);
        assert_eq!(instances.len(), 1);
        assert_eq!(instances[0], read(GOOD)[0]);
    }

    #[test]
    fn what_is_written_reads_back() {
        let Ok(instance) = &read(GOOD)[0] else {
            panic!("expected an instance");
        };
        let mut text = Vec::new();
        write_instance(&mut text, &instance.id, &instance.problem).expect("memory");
        let text = String::from_utf8(text).expect("JSON is UTF-8");
        assert_eq!(read(&text)[0].as_ref(), Ok(instance));
    }

    #[test]
    fn a_bad_line_is_named_and_the_rest_is_read() {
        let check = |bad: &str, expected: &str| {
            let results = read(&format!("{GOOD}\n{bad}\n{GOOD}\n"));
            assert_eq!(results.len(), 3, "{bad}");
            assert!(results[0].is_ok() && results[2].is_ok());
            let error = results[1].as_ref().expect_err("a bad line");
            assert!(error.starts_with("line 2: "), "{error}");
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains('\n'));
        };
        let with = |from: &str, to: &str| GOOD.replacen(from, to, 1);
        check("{", "not valid JSON: EOF");
        check("nonsense", "not valid JSON: expected ident");
        check("[1]", "expected an instance");
        check(
            &with("14", "-1"),
            "n is -1, expected a whole number from 0 to 2000000000",
        );
        check(&with("14", "1.5"), "n is 1.5, expected a whole number");
        check(&with("14", "1e10"), "n is 1e10, expected a whole number");
        check(&with("14", "2000000001"), "n is 2000000001, expected");
        check(
            &with("14", "\"14\""),
            "n is \"14\", expected a whole number",
        );
        check(&with("14", "NaN"), "not valid JSON");
        check(
            &with("\"s_max\":9", "\"s_max\":1e300"),
            "s_max of worker 1 is 1e300",
        );
        check(
            &with("1.50", "-1.5"),
            "fee of worker 0 is -1.5, expected a number that is not negative",
        );
        check(
            &with("1.50", "0.1234567"),
            "fee of worker 0 is 0.1234567, expected at most six decimal places",
        );
        check(
            &with("1.50", "1000001"),
            "fee of worker 0 is 1000001, expected at most 1000000",
        );
        check(&with("1.50", "1e999"), "expected at most 1000000");
        check(
            &with("1.50", "null"),
            "fee of worker 0 is null, expected a decimal",
        );
        check(&with("\"n\":14,", ""), "missing field `n`");
        check(
            &with("\"n\":14,", "\"n\":14,\"n\":14,"),
            "duplicate field `n`",
        );
        check(
            &with("\"n\":14,", "\"id\":[],\"n\":14,"),
            "id is [], expected a number or a string",
        );
        check(
            &with("\"beta\"", "\"betta\""),
            "there is no key \"betta\", did you mean beta? Keys that begin with x- are free (column",
        );
        check(
            &with("\"fee\"", "\"Fee\""),
            "there is no key \"Fee\", did you mean fee?",
        );
        check(
            &with("{", "{\"budget\":3,"),
            "there is no key \"budget\", expected one of id, n, beta, s_min, workers",
        );
        check(
            &with("\"s_max\":9", "\"s_max\":9,\"fixed\":2"),
            "there is no key \"fixed\", expected one of s_max, fee, name",
        );
        check(
            &GOOD.replace("{\"s_max\"", "{\"name\":\"a\",\"s_max\""),
            "two workers are called \"a\"",
        );
    }

    #[test]
    fn a_first_line_that_is_cut_short_does_not_hide_the_others() {
        let results = read(&format!("{}\n{GOOD}\n", &GOOD[..20]));
        assert_eq!(results.len(), 2);
        assert!(
            results[0]
                .as_ref()
                .is_err_and(|e| e.starts_with("line 1: "))
        );
        assert!(results[1].is_ok());
    }

    #[test]
    fn a_fault_within_several_lines_is_placed() {
        let text = GOOD.replace(',', ",\n").replace("1.50", "x");
        let results = read(&text);
        assert_eq!(results.len(), 1);
        let error = results[0].as_ref().expect_err("a bad fee");
        assert!(error.starts_with("line 5: "), "{error}");
    }

    #[test]
    fn input_that_is_not_text_is_an_error_not_a_panic() {
        let bytes: &[u8] = &[0xff, 0xfe, b'\n', b'{', b'\n'];
        let results: Vec<_> = Instances::new(bytes).collect();
        assert!(results.iter().all(Result::is_err));
        assert_eq!(read("").len(), 0);
        assert_eq!(read("\n \n").len(), 0);
    }

    proptest! {
        /// Damaged lines and arbitrary bytes: instances or errors of one line, and an end.
        #[test]
        fn no_bytes_make_it_panic(
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            cut in prop::option::of(any::<prop::sample::Index>()),
            noise in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut bytes = format!("{GOOD}\n{GOOD}\n").into_bytes();
            for (at, byte) in edits {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len() + 1));
            }
            bytes.extend(noise);
            let results: Vec<_> = Instances::new(bytes.as_slice()).take(bytes.len() + 1).collect();
            prop_assert!(results.len() <= bytes.len(), "it does not end");
            for error in results.iter().filter_map(|result| result.as_ref().err()) {
                prop_assert!(!error.to_string().contains('\n'), "{}", error);
            }
        }
    }
}
