//! The values of a scenario that the command line, the environment and `.env` give.
//! [`scenarios::settings`] decides which one counts.

use std::path::Path;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use console::Stop;
use scenarios::scenario::{Key, keys};
use scenarios::settings::{Flag, resolve};
use scenarios::{Outside, Overrides};

/// Flags of the table of keys that these commands have in a form of their own, or not at all.
const OWN: [&str; 4] = ["allocator", "seed", "out", "risk"];

/// Values of a scenario that have flags of their own, in place of `--set`.
#[derive(Clone, Debug, Default)]
pub(crate) struct SettingArgs(Vec<Flag>);

fn offered() -> impl Iterator<Item = (&'static str, &'static Key)> {
    let keys = keys().filter(|key| key.table_name() != "training");
    let flags = keys.filter_map(|key| Some((key.flag_name()?, key)));
    flags.filter(|(flag, _)| !OWN.contains(flag))
}

impl Args for SettingArgs {
    fn augment_args(command: Command) -> Command {
        offered().fold(command, |command, (flag, key)| {
            let arg = Arg::new(flag).long(flag).value_name(key.metavar());
            let heading = "Values of the scenario, in place of --set";
            command.arg(arg.help(key.help()).help_heading(heading))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |(flag, key)| Some((key, matches.get_one::<String>(flag)?.clone()));
        Ok(Self(offered().filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// All that is given outside of the scenario.
pub(crate) fn overrides(set: &[String], flags: &SettingArgs) -> Result<Overrides, Stop> {
    let set = Overrides::parse(set).map_err(Stop::usage)?;
    let bad = |error: String| Stop::bad(error);
    let outside = Outside::read(Path::new(""), |name| std::env::var_os(name)).map_err(bad)?;
    resolve(&set, &flags.0, &outside).map_err(|lines| bad(lines.join("\nerror: ")))
}
