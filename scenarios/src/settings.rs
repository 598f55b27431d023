//! Values that are said outside of a scenario file: by flags and by variables.
//!
//! A value comes from the first of: flag, scenario file, environment variable, `.env`, default.
//! [`resolve`] puts what is said outside into [`Overrides`]; reading a scenario with them
//! ([`Scenario::read`](crate::Scenario::read)) applies the rule, and tells where each value came
//! from. Nothing here reads the environment or a file: [`Outside`](crate::Outside) has their texts.

use std::collections::BTreeMap;

use crate::scenario::{Overrides, shown};

/// The file of variables beside the environment.
pub const DOTENV: &str = ".env";

/// A value with a variable and a flag of its own. Every other one has `--set`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variable {
    /// The least number of employed workers.
    Beta,
    /// The least batches of an employed worker.
    SMin,
    /// The time for all cycles together; a bare number of a variable is in seconds.
    MaxTime,
    /// Who is paid what.
    FeeType,
    /// Fees by the workers' order, when they are specific.
    Fees,
    /// The fee of workers beyond these.
    DefaultFee,
    /// Batches in a benchmark.
    BenchmarkBatches,
    /// How many cycles.
    Cycles,
    /// Samples in a batch.
    BatchSize,
    /// How weights are drawn at first. The real runner's.
    Weights,
    /// Whether workers may use their GPU. The real runner's.
    AllowGpu,
    /// Where results go. The real runner's.
    Out,
}

impl Variable {
    /// All of them, in the order in which they are put in: fees depend on their type.
    pub const ALL: [Self; 12] = [
        Self::Beta,
        Self::SMin,
        Self::MaxTime,
        Self::FeeType,
        Self::Fees,
        Self::DefaultFee,
        Self::BenchmarkBatches,
        Self::Cycles,
        Self::BatchSize,
        Self::Weights,
        Self::AllowGpu,
        Self::Out,
    ];

    /// Its name in the environment and in `.env`.
    pub const fn name(self) -> &'static str {
        self.names().0
    }

    /// Its flag on a command line, without the dashes.
    pub const fn flag(self) -> &'static str {
        self.names().1
    }

    /// Its key in a scenario.
    pub const fn key(self) -> &'static str {
        self.names().2
    }

    const fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Beta => ("BETA", "beta", "job.beta"),
            Self::SMin => ("S_MIN", "s-min", "job.s_min"),
            Self::MaxTime => ("MAX_TIME", "max-time", "job.max_time"),
            Self::FeeType => ("FEE_TYPE", "fee-type", "fees.type"),
            Self::Fees => ("FEES", "fees", "fees.fees"),
            Self::DefaultFee => ("DEFAULT_FEE", "default-fee", "fees.default_fee"),
            Self::BenchmarkBatches => ("NUM_BENCHMARK", "benchmark-batches", "benchmark.batches"),
            Self::Cycles => ("NUM_GLOBAL_CYCLES", "cycles", "job.cycles"),
            Self::BatchSize => ("BATCH_SIZE", "batch-size", "job.batch_size"),
            Self::Weights => ("WEIGHT_TYPE", "weights", "training.weights"),
            Self::AllowGpu => ("ALLOW_GPU_DEVICE", "allow-gpu", "training.allow_gpu"),
            Self::Out => ("LOGS", "out", "training.out"),
        }
    }

    /// The text as a value of a scenario file.
    fn toml(self, text: &str) -> String {
        match self {
            Self::Fees => format!("[{text}]"),
            // What is a text there may look like a number here.
            Self::Out | Self::Weights | Self::FeeType => {
                let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
                format!("\"{escaped}\"")
            }
            Self::Beta
            | Self::SMin
            | Self::MaxTime
            | Self::DefaultFee
            | Self::BenchmarkBatches
            | Self::Cycles
            | Self::BatchSize
            | Self::AllowGpu => text.to_owned(),
        }
    }
}

/// What is said outside of a scenario file, each value from the first place that has it.
///
/// `flags` go before the file like what is `set`, and before that; variables give a value that the
/// file leaves open. A variable without a text is as if it were not there.
///
/// # Errors
/// All that is wrong with the text of `.env`, a line each. What is wrong with a value is told when
/// a scenario is read, with the flag or the variable.
pub fn resolve(
    set: &Overrides,
    flags: &BTreeMap<Variable, String>,
    environment: &BTreeMap<Variable, String>,
    dotenv: Option<&str>,
) -> Result<Overrides, Vec<String>> {
    let dotenv = dotenv.map_or(Ok(BTreeMap::new()), parse)?;
    let mut resolved = set.clone();
    for variable in Variable::ALL {
        if let Some(text) = flags.get(&variable) {
            let given = format!("--{} {}", variable.flag(), shown(text));
            resolved = resolved.flag(given, variable.key(), &variable.toml(text));
        }
        let name = variable.name();
        let environment = environment.get(&variable).map(|text| {
            let given = format!("environment {name}={}", shown(text));
            (text, given)
        });
        let dotenv = dotenv.get(&variable).map(|(line, text)| {
            let given = format!("{DOTENV}:{line} {name}={}", shown(text));
            (text, given)
        });
        let said = |said: &(&String, String)| !said.0.trim().is_empty();
        if let Some((text, given)) = environment.filter(said).or(dotenv.filter(said)) {
            let text = text.trim();
            let is_bare = variable == Variable::MaxTime && text.parse::<f64>().is_ok();
            let value = if is_bare {
                format!("{text} s")
            } else {
                variable.toml(text)
            };
            resolved = resolved.otherwise(given, variable.key(), &value);
        }
    }
    Ok(resolved)
}

/// The variables of a `.env` file that are ours, with their lines.
fn parse(text: &str) -> Result<BTreeMap<Variable, (usize, String)>, Vec<String>> {
    let (mut found, mut errors) = (BTreeMap::new(), Vec::new());
    for (line, text) in (1..).zip(text.lines()) {
        let mut wrong = |what: String| errors.push(format!("{DOTENV}:{line}: {what}"));
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let text = text.strip_prefix("export ").unwrap_or(text);
        let Some((name, value)) = text.split_once('=') else {
            wrong(format!(
                "\"{}\" is no variable, expected NAME=value",
                shown(text)
            ));
            continue;
        };
        let known = Variable::ALL.into_iter().find(|v| v.name() == name.trim());
        let Some(variable) = known else {
            continue; // another program's
        };
        let Some(value) = unquoted(value.trim()) else {
            wrong(format!(
                "{}: a quote is not closed, expected another",
                variable.name()
            ));
            continue;
        };
        if let Some((first, _)) = found.insert(variable, (line, value)) {
            let name = variable.name();
            wrong(format!(
                "{name} is given in line {first} too, expected it once"
            ));
        }
    }
    if errors.is_empty() {
        Ok(found)
    } else {
        Err(errors)
    }
}

/// A value without its quotes, and without a comment behind it.
fn unquoted(text: &str) -> Option<String> {
    for quote in ['"', '\''] {
        if let Some(rest) = text.strip_prefix(quote) {
            let (value, behind) = rest.split_once(quote)?;
            let behind = behind.trim();
            return (behind.is_empty() || behind.starts_with('#')).then(|| value.to_owned());
        }
    }
    let value = text.split(" #").next().unwrap_or_default();
    Some(value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scenario;
    use crate::scenario::Provenance;

    const LAB: &str = "[job]\nbatches = 100\nmax_time = \"60 s\"\ns_min = 7\n\
                       [[workers]]\nname = \"pc1\"\nspeed = \"50 batches/s\"\ncount = 3\n";

    fn map(pairs: &[(Variable, &str)]) -> BTreeMap<Variable, String> {
        let owned = |(variable, text): &(Variable, &str)| (*variable, (*text).to_owned());
        pairs.iter().map(owned).collect()
    }

    fn read(
        text: &str,
        set: &[&str],
        flags: &[(Variable, &str)],
        environment: &[(Variable, &str)],
        dotenv: &str,
    ) -> Result<(Scenario, Provenance), Vec<String>> {
        let set = Overrides::parse(set).expect("valid");
        let all = resolve(&set, &map(flags), &map(environment), Some(dotenv))?;
        Scenario::read("lab.toml", text, &all).map_err(|errors| errors.lines().to_vec())
    }

    /// Every subset of the places that can say a value, against the rule itself.
    #[test]
    fn a_value_comes_from_the_first_place_that_says_it() {
        for places in 0..16_u32 {
            let says = |place: u32| places & (1 << place) != 0;
            let when = |place: u32, value: &'static str| {
                let pair = (Variable::Beta, value);
                says(place).then_some(pair).into_iter().collect::<Vec<_>>()
            };
            let text = if says(1) {
                LAB.replace("s_min = 7", "s_min = 7\nbeta = 2")
            } else {
                LAB.to_owned()
            };
            let dotenv = if says(3) { "X=1\nBETA=4\n" } else { "" };
            let (scenario, provenance) =
                read(&text, &[], &when(0, "3"), &when(2, "0"), dotenv).expect("valid");
            let (beta, from) = match places {
                _ if says(0) => (3, Some("--beta 3")),
                _ if says(1) => (2, Some("lab.toml:5")),
                _ if says(2) => (0, Some("environment BETA=0")),
                _ if says(3) => (4, Some(".env:2 BETA=4")),
                _ => (1, None),
            };
            assert_eq!(scenario.job().beta, beta, "{places:b}");
            let given = provenance.given.iter().find(|g| g.key == "job.beta");
            assert_eq!(given.map(|g| g.from.as_str()), from, "{places:b}");
            if let Some(given) = given {
                assert_eq!(given.value, beta.to_string());
            }
        }
    }

    #[test]
    fn every_variable_reaches_its_key() {
        use Variable as V;
        let text = LAB.replace("max_time = \"60 s\"\ns_min = 7", "");
        let dotenv = "# the seed's\nBETA=2\nS_MIN=11\nMAX_TIME=30.5\nFEE_TYPE=specific\n\
                      FEES=1.0, 2.5\nDEFAULT_FEE='3' # each\nNUM_BENCHMARK=77\n\
                      export NUM_GLOBAL_CYCLES=\"12\"\nBATCH_SIZE=64\nWEIGHT_TYPE=kaiming\n\
                      ALLOW_GPU_DEVICE=false\nLOGS=7\nSECRET=x\n";
        let (scenario, provenance) = read(&text, &[], &[], &[], dotenv).expect("valid");
        let written = scenario.to_string();
        for line in [
            "beta = 2",
            "s_min = 11",
            "max_time = \"30.5 s\"",
            "type = \"specific\"",
            "fees = [1, 2.5]",
            "default_fee = 3",
            "batches = 77",
            "cycles = 12",
            "batch_size = 64",
            "weights = \"kaiming\"",
            "allow_gpu = false",
            "out = \"7\"",
        ] {
            assert!(written.lines().any(|l| l == line), "{line} in {written}");
        }
        assert_eq!(provenance.given.len(), V::ALL.len());
        assert_eq!(provenance.unused, [] as [String; 0]);
        // As flags they say the same, but for the time, whose unit a flag must have.
        let flags = [
            (V::Beta, "2"),
            (V::SMin, "11"),
            (V::MaxTime, "30.5 s"),
            (V::FeeType, "specific"),
            (V::Fees, "1.0,2.5"),
            (V::DefaultFee, "3"),
            (V::BenchmarkBatches, "77"),
            (V::Cycles, "12"),
            (V::BatchSize, "64"),
            (V::Weights, "kaiming"),
            (V::AllowGpu, "false"),
            (V::Out, "7"),
        ];
        let (by_flags, _) = read(&text, &[], &flags, &[], "BETA=9").expect("valid");
        assert_eq!(by_flags, scenario);
    }

    #[test]
    fn a_limit_and_fees_of_the_file_beat_those_of_variables() {
        let cycle = LAB.replace("max_time = \"60 s\"", "cycle_time = \"2 s\"");
        let said = [(Variable::MaxTime, "30"), (Variable::FeeType, "random")];
        let (scenario, provenance) = read(&cycle, &[], &[], &said, "").expect("valid");
        assert!(scenario.to_string().contains("cycle_time"));
        assert!(scenario.to_string().contains("type = \"random\""));
        let from = |key: &str| provenance.given.iter().find(|given| given.key == key);
        assert_eq!(from("job.cycle_time").expect("given").from, "lab.toml:3");
        let declared = LAB.replace("count = 3", "count = 3\nfee = 5");
        let (scenario, _) = read(&declared, &[], &[], &said, "").expect("valid");
        assert!(scenario.to_string().contains("type = \"declared\""));
        // A flag does beat them.
        let flags = [(Variable::MaxTime, "30 s")];
        let (scenario, _) = read(&cycle, &[], &flags, &[], "").expect("valid");
        assert!(scenario.to_string().contains("max_time = \"30 s\""));
        let linear = format!("{LAB}[fees]\ntype = \"specific\"\nfees = [1]\n");
        let flags = [(Variable::FeeType, "linear")];
        let (scenario, _) = read(&linear, &[], &flags, &[], "").expect("valid");
        assert!(scenario.to_string().contains("type = \"linear\""));
        // And so does what is set, beside which there is no second limit.
        let open = LAB.replace("max_time = \"60 s\"\n", "");
        let (scenario, _) = read(&open, &["job.cycle_time=3 s"], &[], &said, "").expect("valid");
        assert!(scenario.to_string().contains("cycle_time = \"3 s\""));
    }

    #[test]
    fn what_is_not_used_is_told() {
        let (_, provenance) = read(LAB, &[], &[], &[], "FEES=1,2\nDEFAULT_FEE=3").expect("valid");
        assert_eq!(
            provenance.unused,
            [
                ".env:1 FEES=1,2 is not used, since fees.type is not specific",
                ".env:2 DEFAULT_FEE=3 is not used, since fees.type is neither specific nor declared",
            ]
        );
        assert!(
            provenance
                .given
                .iter()
                .all(|given| !given.key.starts_with("fees"))
        );
    }

    #[test]
    fn mistakes_name_their_place() {
        let error = |flags: &[(Variable, &str)], environment: &[(Variable, &str)], dotenv: &str| {
            read(LAB, &[], flags, environment, dotenv)
                .expect_err("wrong")
                .join("\n")
        };
        for (variable, text, expected) in [
            (
                Variable::Beta,
                "x",
                "job.beta is \"x\", expected a whole number",
            ),
            (
                Variable::MaxTime,
                "x",
                "job.max_time is \"x\", expected a time",
            ),
            (Variable::FeeType, "linaer", "did you mean \"linear\"?"),
            (Variable::AllowGpu, "yes", "expected true or false"),
            (Variable::Weights, "xavir", "did you mean \"xavier\"?"),
        ] {
            let name = variable.name();
            let flag = error(&[(variable, text)], &[], "");
            let start = format!("--{} {text}: ", variable.flag());
            assert!(
                flag.starts_with(&start) && flag.contains(expected),
                "{flag}"
            );
            if variable == Variable::MaxTime {
                continue; // the file has one
            }
            let environment = error(&[], &[(variable, text)], "");
            let start = format!("environment {name}={text}: ");
            assert!(environment.starts_with(&start), "{environment}");
            let dotenv = error(&[], &[], &format!("\n\n{name}={text}"));
            assert!(
                dotenv.starts_with(&format!(".env:3 {name}={text}: ")),
                "{dotenv}"
            );
            assert!(dotenv.contains(expected), "{dotenv}");
        }
        let bare = error(&[(Variable::MaxTime, "30")], &[], "");
        assert!(bare.contains("with its unit"), "{bare}");
        assert_eq!(
            error(&[], &[], "BETA\nBETA='1\nS_MIN=1\nS_MIN=2"),
            ".env:1: \"BETA\" is no variable, expected NAME=value\n\
             .env:2: BETA: a quote is not closed, expected another\n\
             .env:4: S_MIN is given in line 3 too, expected it once"
        );
    }

    #[test]
    fn an_empty_variable_is_none() {
        let (scenario, _) = read(LAB, &[], &[], &[(Variable::Beta, " ")], "BETA=3").expect("valid");
        assert_eq!(scenario.job().beta, 3);
        let (scenario, _) = read(LAB, &[], &[], &[(Variable::Beta, "")], "BETA=").expect("valid");
        assert_eq!(scenario.job().beta, 1);
    }
}
