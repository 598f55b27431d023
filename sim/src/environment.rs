//! What the command line, the environment and `.env` say of a scenario: the one place where the
//! simulator reads the latter two. Who goes before whom is [`scenarios::settings`]' to say.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};

use scenarios::Overrides;
use scenarios::settings::{DOTENV, Variable, resolve};

use crate::cli::SettingArgs;
use crate::exit::{Exit, Stop};

/// A file of variables that is longer is something else.
const MOST_BYTES: u64 = 1 << 20;

/// All that is said outside of the scenario.
pub(crate) fn overrides(set: &[String], flags: &SettingArgs) -> Result<Overrides, Stop> {
    let set = Overrides::parse(set).map_err(|error| Stop::new(Exit::Usage, error))?;
    let (flags, environment, dotenv) = (self::flags(flags), environment()?, dotenv()?);
    resolve(&set, &flags, &environment, dotenv.as_deref())
        .map_err(|lines| Stop::new(Exit::BadInput, lines.join("\nerror: ")))
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

fn environment() -> Result<BTreeMap<Variable, String>, Stop> {
    let mut found = BTreeMap::new();
    for variable in Variable::ALL {
        if let Some(text) = std::env::var_os(variable.name()) {
            let text = text.into_string().map_err(|_| {
                let name = variable.name();
                let message = format!("environment {name}: that is no text, expected UTF-8");
                Stop::new(Exit::BadInput, message)
            })?;
            found.insert(variable, text);
        }
    }
    Ok(found)
}

/// The text of the file of variables, if there is one in the working folder.
fn dotenv() -> Result<Option<String>, Stop> {
    let bad = |what: String| Stop::new(Exit::BadInput, format!("{DOTENV}: {what}"));
    match fs::metadata(DOTENV) {
        // Anything else of that name is another program's, such as a folder of Python's.
        Ok(found) if found.is_file() => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(bad(format!("it cannot be read: {error}"))),
    }
    let mut text = String::new();
    let read =
        File::open(DOTENV).and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text));
    match read {
        Ok(bytes) if bytes as u64 > MOST_BYTES => Err(bad(format!(
            "it is too long for a file of variables, expected {MOST_BYTES} bytes at most"
        ))),
        Ok(_) => Ok(Some(text)),
        Err(error) => Err(bad(format!("it cannot be read: {error}"))),
    }
}
