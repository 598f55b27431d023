//! What the command line, the environment and `.env` say of a scenario. Who goes before whom is
//! [`scenarios::settings`]' to say.

use std::collections::BTreeMap;
use std::path::Path;

use console::Stop;
use scenarios::settings::{Variable, resolve};
use scenarios::{Outside, Overrides};

use crate::cli::SettingArgs;

/// All that is said outside of the scenario.
pub(crate) fn overrides(set: &[String], flags: &SettingArgs) -> Result<Overrides, Stop> {
    let set = Overrides::parse(set).map_err(Stop::usage)?;
    let bad = |error: String| Stop::bad(error);
    let outside = Outside::read(Path::new(""), |name| std::env::var_os(name)).map_err(bad)?;
    let (flags, environment) = (self::flags(flags), &outside.environment);
    resolve(&set, &flags, environment, outside.dotenv.as_deref())
        .map_err(|lines| bad(lines.join("\nerror: ")))
}

fn flags(args: &SettingArgs) -> BTreeMap<Variable, String> {
    let flags = [
        (Variable::MaxTime, &args.max_time),
        (Variable::Cycles, &args.cycles),
        (Variable::Beta, &args.beta),
        (Variable::SMin, &args.s_min),
        (Variable::FeeType, &args.fee_type),
        (Variable::Fees, &args.fees),
        (Variable::DefaultFee, &args.default_fee),
        (Variable::BatchSize, &args.batch_size),
        (Variable::BenchmarkBatches, &args.benchmark_batches),
    ];
    let given = |(variable, text): (Variable, &Option<String>)| Some((variable, text.clone()?));
    flags.into_iter().filter_map(given).collect()
}
