//! Instance files: one JSON object a line, or one object over several lines.
//!
//! Numbers are read as decimals and never pass through a float. A key that is not known is refused,
//! since whatever it was meant to say would be left out of the problem; keys that begin with `x-` are
//! free.

mod parse;

use std::io::{self, BufRead, Read};

use scheduler::{Case, Cost, CurveProblem, MAX_BATCHES, Terms};

pub use parse::Instance;
pub(crate) use parse::shown;
use parse::{Fault, is_object, parse};

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

/// The longest line, and the longest instance over several lines.
const MOST_BYTES: u64 = 1 << 26;

fn within(read: usize) -> io::Result<()> {
    if read as u64 > MOST_BYTES {
        let why = format!("it is longer than {} MiB", MOST_BYTES >> 20);
        return Err(io::Error::other(why));
    }
    Ok(())
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
        let mut bounded = self.input.by_ref().take(MOST_BYTES + 1);
        let read = bounded.read_until(b'\n', &mut line)?;
        within(read)?;
        Ok((read > 0).then_some(line))
    }

    /// The first line is the beginning of something: one object over several lines, or else a
    /// line that was cut short among lines that were not.
    fn read_whole(&mut self, first: Vec<u8>) -> Result<Instance, InstanceError> {
        let start = self.line;
        let mut rest = Vec::new();
        let mut bounded = self.input.by_ref().take(MOST_BYTES + 1);
        if let Err(source) = bounded.read_to_end(&mut rest).and_then(within) {
            self.done = true;
            let line = start;
            return Err(InstanceError::Unreadable { line, source });
        }
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
                if lines.iter().any(|line| is_object(line)) {
                    self.ahead = lines.into_iter();
                    let cut = parse(&first, self.index).expect_err("the line was cut short");
                    return Err(bad(cut, start));
                }
                self.done = true;
                Err(bad(problem, start))
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
                result => result.map_err(|problem| bad(problem, self.line)),
            };
            self.index += 1;
            return Some(result);
        }
    }
}

fn bad(fault: Fault, start: usize) -> InstanceError {
    InstanceError::Bad {
        line: start + fault.line,
        message: fault.message,
    }
}

/// Writes one instance as a line of JSON, without the line's end.
pub fn write_instance(out: &mut impl io::Write, id: &str, case: &Case) -> io::Result<()> {
    let problem = match case {
        Case::Fees(problem) => problem,
        Case::Curves(problem) => return write_curves(out, id, problem),
    };
    write!(
        out,
        "{{\"id\":{id},\"n\":{},\"beta\":{},\"s_min\":{}",
        problem.n(),
        problem.beta(),
        problem.s_min()
    )?;
    if problem.most_employed() <= MAX_BATCHES {
        write!(out, ",\"most_employed\":{}", problem.most_employed())?;
    }
    out.write_all(b",\"workers\":[")?;
    for (index, worker) in problem.workers().iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(
            out,
            "{comma}{{\"s_max\":{},\"fee\":{}",
            worker.s_max, worker.fee
        )?;
        if let Some(terms) = problem.terms() {
            write_terms(out, &terms[index])?;
        }
        out.write_all(b"}")?;
    }
    out.write_all(b"]}")
}

fn write_terms(out: &mut impl io::Write, terms: &Terms) -> io::Result<()> {
    if terms.charge > Cost::ZERO {
        write!(out, ",\"hire\":{}", terms.charge)?;
    }
    for (place, tier) in terms.tiers.iter().enumerate() {
        let begins = if place == 0 { ",\"tiers\":[" } else { "," };
        write!(out, "{begins}[{},{}]", tier.after, tier.fee)?;
    }
    if !terms.tiers.is_empty() {
        out.write_all(b"]")?;
    }
    if terms.least > 0 {
        write!(out, ",\"least\":{}", terms.least)?;
    }
    Ok(())
}

fn write_curves(out: &mut impl io::Write, id: &str, problem: &CurveProblem) -> io::Result<()> {
    write!(
        out,
        "{{\"id\":{id},\"n\":{},\"beta\":{},\"most_employed\":{},\"workers\":[",
        problem.n(),
        problem.least(),
        problem.most(),
    )?;
    for (index, worker) in problem.workers().iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(out, "{comma}{{\"costs\":[")?;
        for (point, (x, cost)) in worker.curve.to_points().into_iter().enumerate() {
            let comma = if point == 0 { "" } else { "," };
            // A file's costs are not below zero.
            let cost = Cost::from_micros(u128::try_from(cost).unwrap_or(0));
            write!(out, "{comma}[{x},{cost}]")?;
        }
        let may_idle = worker.may_idle;
        write!(out, "],\"may_idle\":{may_idle}}}")?;
    }
    out.write_all(b"]}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An input without a line's end takes no more memory than the longest line.
    #[test]
    fn a_line_without_an_end_is_refused() {
        for begin in [&b""[..], b"{\n"] {
            let input = io::BufReader::new(begin.chain(io::repeat(b' ')));
            let mut all = Instances::new(input);
            let error = all.next().expect("one").expect_err("refused").to_string();
            assert!(error.contains("longer than 64 MiB"), "{error}");
            assert!(all.next().is_none(), "nothing follows");
        }
    }

    fn read(text: &str) -> Vec<Result<Instance, String>> {
        Instances::new(text.as_bytes())
            .map(|result| result.map_err(|error| error.to_string()))
            .collect()
    }

    const GOOD: &str =
        r#"{"n":14,"beta":0,"s_min":5,"workers":[{"s_max":5,"fee":1.50},{"s_max":9,"fee":2e0}]}"#;

    const TERMS: &str = r#"{"n":14,"beta":0,"s_min":2,"workers":[
        {"s_max":9,"fee":1.5,"hire":2.25,"tiers":[[3,1],[5,0.5]],"least":4},{"s_max":9,"fee":2}]}"#;

    const CURVES: &str = r#"{"n":9,"beta":1,"most_employed":2,"s_min":2,"workers":[
        {"costs":[[0,0],[1,9],[4,12],[6,12.5]]},{"s_max":9,"fee":0.25},
        {"costs":[[5,1e-6]],"may_idle":false}]}"#;

    #[test]
    fn costs_are_given_by_points() {
        let Ok(Instance {
            case: Case::Curves(problem),
            ..
        }) = &read(CURVES)[0]
        else {
            panic!("expected curves: {:?}", read(CURVES));
        };
        assert_eq!((problem.n(), problem.least(), problem.most()), (9, 1, 2));
        let [tiers, line, forced] = problem.workers() else {
            panic!("expected three workers");
        };
        assert_eq!((tiers.curve.lower(), tiers.curve.upper()), (2, 6));
        assert_eq!(tiers.curve.at(2), Some(10_000_000));
        assert_eq!(
            (line.curve.at(1), line.curve.at(8)),
            (None, Some(2_000_000))
        );
        assert_eq!((forced.curve.at(5), forced.may_idle), (Some(1), false));
        assert!(tiers.may_idle && line.may_idle);

        let refused = |from: &str, to: &str, expected: &str| {
            let text = CURVES.replacen(from, to, 1);
            let error = read(&text)[0].clone().expect_err(to);
            assert!(error.contains(expected) && !error.contains('\n'), "{error}");
        };
        refused(
            "[1,9]",
            "[1,9],[1,9]",
            "the point at 1 batches does not come after",
        );
        refused(
            "[4,12]",
            "[4,12.000001]",
            "from 1 to 4 batches the cost changes by 3000001",
        );
        refused(
            "[0,0]",
            "[0,1]",
            "costs of worker 0: 0 batches cost something",
        );
        refused(
            "[1,9]",
            "[1,-9]",
            "1 batches cost -9, expected a number that is not negative",
        );
        refused("[1,9]", "[1,9,9]", "trailing characters");
        refused(
            "\"fee\":0.25",
            "\"fee\":1,\"costs\":[[1,1]]",
            "worker 1: there is a fee too",
        );
        refused(
            "\"s_min\":2",
            "\"s_min\":6",
            "worker 2: they allow no number of batches",
        );
        refused(
            "\"most_employed\":2",
            "\"most_employed\":0",
            "at most 0 may be",
        );
        refused("1e-6", "1e13", "the cost of 5 batches is too large");
    }

    #[test]
    fn workers_may_have_terms() {
        let Ok(Instance {
            case: Case::Fees(problem),
            ..
        }) = &read(TERMS)[0]
        else {
            panic!("expected fees: {:?}", read(TERMS));
        };
        assert_eq!((problem.lot_of(0), problem.lot_of(1)), (4, 2));
        // 2.25, three at 1.5, two at 1, two at 0.5.
        assert_eq!(problem.cost_of(0, 7).to_string(), "9.75");
        assert_eq!(problem.cost_of(1, 7).to_string(), "14");
        let refused = |from: &str, to: &str, expected: &str| {
            let error = read(&TERMS.replacen(from, to, 1))[0].clone().expect_err(to);
            assert!(error.contains(expected) && !error.contains('\n'), "{error}");
        };
        refused(
            "2.25",
            "-1",
            "hire of worker 0 is -1, expected a number that is not negative",
        );
        refused(
            "[5,0.5]",
            "[3,0.5]",
            "tiers of worker 0: 3 batches do not come after",
        );
        refused(
            "[3,1]",
            "[0,1]",
            "tiers of worker 0: 0 batches do not come after",
        );
        refused(
            "0.5]",
            "-0.5]",
            "a fee in the tiers of worker 0 is -0.5, expected",
        );
        refused(
            "\"least\":4",
            "\"least\":-4",
            "least of worker 0 is -4, expected a whole number",
        );
        // Beside a worker with costs by points they are a curve like any other.
        let mixed = TERMS.replacen("{\"s_max\":9,\"fee\":2}", "{\"costs\":[[2,1],[5,4]]}", 1);
        let Ok(Instance {
            case: Case::Curves(mixed),
            ..
        }) = &read(&mixed)[0]
        else {
            panic!("expected curves");
        };
        assert_eq!(mixed.workers()[0].curve.at(7), Some(9_750_000));
        assert_eq!(mixed.workers()[0].curve.lower(), 4);
        let both = CURVES.replacen("{\"costs\":[[0,0]", "{\"hire\":1,\"costs\":[[0,0]", 1);
        let error = read(&both)[0].clone().expect_err("two ways to say it");
        assert!(error.contains("expected all in the costs"), "{error}");
    }

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
        let Case::Fees(problem) = &first.case else {
            panic!("expected fees");
        };
        assert_eq!(problem.workers()[0].fee.to_string(), "1.5");
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
        let limited = GOOD.replacen("\"beta\":0", "\"beta\":0,\"most_employed\":1", 1);
        for text in [GOOD, &limited, CURVES, TERMS] {
            let Ok(instance) = &read(text)[0] else {
                panic!("expected an instance");
            };
            let mut text = Vec::new();
            write_instance(&mut text, &instance.id, &instance.case).expect("memory");
            let text = String::from_utf8(text).expect("JSON is UTF-8");
            assert_eq!(read(&text)[0].as_ref(), Ok(instance));
        }
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
            "there is no key \"budget\", expected one of id, n, beta, s_min, most_employed, workers",
        );
        check(
            &with("\"s_max\":9", "\"s_max\":9,\"fixed\":2"),
            "there is no key \"fixed\", expected one of s_max, fee, hire, tiers, least, costs, may_idle, name",
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
