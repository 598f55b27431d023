//! `sim generate`: seeded instances, one per line.

use std::io::{self, BufWriter, Write};

use console::{Exit, Stop};

use crate::cli::GenerateArgs;

pub(crate) fn run(args: &GenerateArgs) -> Result<Exit, Stop> {
    let end = args
        .first
        .checked_add(args.n_tests)
        .ok_or_else(|| Stop::usage("--first and --n-tests go beyond the last test there can be"))?;
    let mut out = BufWriter::new(io::stdout().lock());
    for test in args.first..end {
        let case = args.family.case(args.seed, test);
        scenarios::write_instance(&mut out, &test.to_string(), &case)
            .and_then(|()| out.write_all(b"\n"))
            .map_err(Stop::output)?;
    }
    out.flush().map_err(Stop::output)?;
    Ok(Exit::Done)
}
