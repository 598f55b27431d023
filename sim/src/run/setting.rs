//! What is to be simulated: a scenario with what the command line sets, and who allocates.

use std::fs;
use std::io;
use std::path::Path;

use console::Stop;
use scenarios::scenario::{Provenance, Ratio};
use scenarios::{Overrides, Scenario};
use solvers::{AllocatorName, Host};

use super::convert::Conversion;
use crate::cli::ReplicateArgs;

/// The text of a scenario, before anything is set in it.
pub(crate) struct Source {
    /// As the command line has it.
    name: String,
    /// As messages have it.
    file: String,
    text: String,
}

impl Source {
    /// A file's, that of a folder of runs, or else one of the catalogue.
    pub(crate) fn open(name: &str) -> Result<Self, Stop> {
        let within = Path::new(name).join("scenario.toml");
        if Path::new(name).is_dir() {
            let text = fs::read_to_string(&within);
            let text = text.map_err(|error| {
                let message = format!(
                    "{name} is a folder without a scenario ({}: {error}); name the folder of a run, \
                     or a TOML file",
                    within.display()
                );
                Stop::bad(message)
            })?;
            return Ok(Self {
                name: name.to_owned(),
                file: within.display().to_string(),
                text,
            });
        }
        let (file, text) = match fs::read_to_string(name) {
            Ok(text) => (name.to_owned(), text),
            Err(error) => match scenarios::named(name) {
                Some(entry) => (format!("{}.toml", entry.name), entry.text.to_owned()),
                None if error.kind() == io::ErrorKind::NotFound => {
                    return Err(Stop::bad(unknown(name)));
                }
                None => {
                    let message = format!("cannot read {name}: {error}");
                    return Err(Stop::bad(message));
                }
            },
        };
        Ok(Self {
            name: name.to_owned(),
            file,
            text,
        })
    }

    /// The scenario, ready to be simulated under any allocator.
    pub(crate) fn conversion(&self, overrides: &Overrides) -> Result<Conversion, Vec<String>> {
        let scenario = Scenario::parse(&self.file, &self.text, overrides)
            .map_err(|errors| errors.lines().to_vec())?;
        Ok(Conversion::new(scenario))
    }
}

/// A scenario that can be simulated, and how.
pub(crate) struct Setting {
    pub(crate) conversion: Conversion,
    pub(crate) seed: u64,
    pub(crate) replicates: usize,
    pub(crate) allocators: Vec<AllocatorName>,
    /// Where the scenario's values came from.
    pub(crate) provenance: Provenance,
}

impl Setting {
    /// What the command line does not say, the scenario does.
    ///
    /// # Errors
    /// All that is wrong with the scenario, a line each.
    pub(crate) fn new(
        source: &Source,
        overrides: &Overrides,
        args: &ReplicateArgs,
    ) -> Result<Self, Vec<String>> {
        let (scenario, provenance) = Scenario::read(&source.file, &source.text, overrides)
            .map_err(|errors| errors.lines().to_vec())?;
        let wrong = |message: String| vec![format!("{}: {message}", source.name)];
        let mut allocators = args.allocators.clone();
        if allocators.is_empty() {
            let name = scenario.job().allocator.parse();
            allocators.push(name.map_err(|error| wrong(format!("job.allocator: {error}")))?);
        }
        for name in &allocators {
            // One that needs a package says so before anything is simulated.
            let mut allocator = name.create(&Host::default());
            allocator.ready().map_err(|message| vec![message])?;
            solvers::check_terms(allocator.as_ref(), scenario.beyond_fees()).map_err(wrong)?;
        }
        Ok(Self {
            seed: args.seed.unwrap_or(scenario.run().seed),
            replicates: args.replicates.unwrap_or(scenario.run().replicates) as usize,
            allocators,
            provenance,
            conversion: Conversion::new(scenario),
        })
    }

    /// The same job with another confidence, under its first allocator.
    pub(crate) fn with_confidence(&self, confidence: Ratio) -> Self {
        Self {
            conversion: Conversion::new(self.scenario().with_confidence(confidence)),
            allocators: self.allocators[..1].to_vec(),
            provenance: self.provenance.clone(),
            ..*self
        }
    }

    pub(crate) fn scenario(&self) -> &Scenario {
        self.conversion.scenario()
    }
}

/// What to say of a name that is neither a file's nor in the catalogue.
pub(super) fn unknown(name: &str) -> String {
    let names: Vec<&str> = scenarios::catalogue()
        .iter()
        .map(|entry| entry.name)
        .collect();
    format!(
        "there is no file {name} and no scenario of that name, expected a TOML file or one of {}",
        names.join(", ")
    )
}
