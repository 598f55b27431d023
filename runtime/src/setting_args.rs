//! The flags of the keys of a scenario.

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use scenarios::scenario::{Key, keys};
use scenarios::settings::Flag;

/// Over these flags in the help.
pub(crate) const HEADING: &str = "Settings";

/// Flags of the table of keys that these commands have in a form of their own.
const OWN: [&str; 2] = ["seed", "expect"];

/// Values of a scenario that have flags of their own, in place of `--set`.
#[derive(Clone, Debug, Default)]
pub(crate) struct SettingArgs(pub(crate) Vec<Flag>);

impl SettingArgs {
    /// The text of a flag, if it was given.
    pub(crate) fn text(&self, flag: &str) -> Option<&str> {
        let mut given = self.0.iter();
        let (_, text) = given.find(|(key, _)| key.flag_name() == Some(flag))?;
        Some(text)
    }
}

fn offered() -> impl Iterator<Item = (&'static str, &'static Key)> {
    let flags = keys().filter_map(|key| Some((key.flag_name()?, key)));
    flags.filter(|(flag, _)| !OWN.contains(flag))
}

impl Args for SettingArgs {
    fn augment_args(command: Command) -> Command {
        offered().fold(command, |command, (flag, key)| {
            let arg = Arg::new(flag).long(flag).value_name(key.metavar());
            command.arg(arg.help(key.help()).help_heading(HEADING))
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
