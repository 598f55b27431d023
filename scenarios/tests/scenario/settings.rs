//! Values from flags, variables, `.env` and the file.

use scenarios::scenario::{Key, Provenance, keys};
use scenarios::settings::resolve;
use scenarios::{Outside, Overrides, Scenario};

const LAB: &str = "[job]\nbatches = 100\nmax_time = \"60 s\"\ns_min = 7\n\
                   [[workers]]\nname = \"pc1\"\nspeed = \"50 batches/s\"\ncount = 3\n";

/// The key of a variable.
fn key(name: &str) -> &'static Key {
    let mut keys = keys();
    keys.find(|key| key.variable_name() == Some(name))
        .expect("it is known")
}

fn read(
    text: &str,
    set: &[&str],
    flags: &[(&str, &str)],
    environment: &[(&str, &str)],
    dotenv: &str,
) -> Result<(Scenario, Provenance), Vec<String>> {
    let set = Overrides::parse(set).expect("valid");
    let flags = flags
        .iter()
        .map(|(name, text)| (key(name), (*text).to_owned()));
    let owned = |(name, text): &(&str, &str)| {
        let name = key(name).variable_name().expect("it has one");
        (name, (*text).to_owned())
    };
    let outside = Outside {
        environment: environment.iter().map(owned).collect(),
        dotenv: Some(dotenv.to_owned()),
    };
    let all = resolve(&set, &flags.collect::<Vec<_>>(), &outside)?;
    Scenario::read("lab.toml", text, &all).map_err(|errors| errors.lines().to_vec())
}

/// Every subset of the places that can say a value, against the rule itself.
#[test]
fn a_value_comes_from_the_first_place_that_says_it() {
    for places in 0..16_u32 {
        let says = |place: u32| places & (1 << place) != 0;
        let when = |place: u32, value: &'static str| {
            let pair = ("BETA", value);
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
    let text = LAB.replace("max_time = \"60 s\"\ns_min = 7", "");
    let dotenv = "\u{feff}# the thesis\nOTHER\nBETA=2\nS_MIN=11\nMAX_TIME=30.5\nFEE_TYPE=specific\n\
                  FEES=1.0, 2.5\nDEFAULT_FEE='3' # each\nNUM_BENCHMARK=77\n\
                  export\tNUM_GLOBAL_CYCLES=\"12\"\nBATCH_SIZE=64\nWEIGHT_TYPE=kaiming\n\
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
    let variables = keys().filter(|key| key.variable_name().is_some());
    assert_eq!(provenance.given.len(), variables.count());
    assert_eq!(provenance.unused, [] as [String; 0]);
    // As flags they give the same.
    let flags = [
        ("BETA", "2"),
        ("S_MIN", "11"),
        ("MAX_TIME", "30.5"),
        ("FEE_TYPE", "specific"),
        ("FEES", "1.0,2.5"),
        ("DEFAULT_FEE", "3"),
        ("NUM_BENCHMARK", "77"),
        ("NUM_GLOBAL_CYCLES", "12"),
        ("BATCH_SIZE", "64"),
        ("WEIGHT_TYPE", "kaiming"),
        ("ALLOW_GPU_DEVICE", "false"),
        ("LOGS", "7"),
    ];
    let (by_flags, _) = read(&text, &[], &flags, &[], "BETA=9").expect("valid");
    assert_eq!(by_flags, scenario);
}

#[test]
fn a_limit_and_fees_of_the_file_beat_those_of_variables() {
    let cycle = LAB.replace("max_time = \"60 s\"", "cycle_time = \"2 s\"");
    let given = [("MAX_TIME", "30"), ("FEE_TYPE", "random")];
    let (scenario, provenance) = read(&cycle, &[], &[], &given, "").expect("valid");
    assert!(scenario.to_string().contains("cycle_time"));
    assert!(scenario.to_string().contains("type = \"random\""));
    let from = |key: &str| provenance.given.iter().find(|given| given.key == key);
    assert_eq!(from("job.cycle_time").expect("given").from, "lab.toml:3");
    let declared = LAB.replace("count = 3", "count = 3\nfee = 5");
    let (scenario, _) = read(&declared, &[], &[], &given, "").expect("valid");
    assert!(scenario.to_string().contains("type = \"declared\""));
    // A flag does beat them.
    let flags = [("MAX_TIME", "30 s")];
    let (scenario, _) = read(&cycle, &[], &flags, &[], "").expect("valid");
    assert!(scenario.to_string().contains("max_time = \"30 s\""));
    let linear = format!("{LAB}[fees]\ntype = \"specific\"\nfees = [1]\n");
    let flags = [("FEE_TYPE", "linear")];
    let (scenario, _) = read(&linear, &[], &flags, &[], "").expect("valid");
    assert!(scenario.to_string().contains("type = \"linear\""));
    // And so does what is set, beside which there is no second limit.
    let open = LAB.replace("max_time = \"60 s\"\n", "");
    let (scenario, _) = read(&open, &["job.cycle_time=3 s"], &[], &given, "").expect("valid");
    assert!(scenario.to_string().contains("cycle_time = \"3 s\""));
}

#[test]
fn variables_that_are_not_used_are_reported() {
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
    let error = |flags: &[(&str, &str)], environment: &[(&str, &str)], dotenv: &str| {
        read(LAB, &[], flags, environment, dotenv)
            .expect_err("wrong")
            .join("\n")
    };
    for (variable, text, expected) in [
        ("BETA", "x", "job.beta is \"x\", expected a whole number"),
        ("MAX_TIME", "x", "job.max_time is \"x\", expected a time"),
        ("FEE_TYPE", "linaer", "did you mean \"linear\"?"),
        ("ALLOW_GPU_DEVICE", "yes", "expected true or false"),
        ("WEIGHT_TYPE", "xavir", "did you mean \"xavier\"?"),
    ] {
        let (name, flag) = (variable, key(variable).flag_name().expect("it has one"));
        let by_flag = error(&[(variable, text)], &[], "");
        let start = format!("--{flag} {text}: ");
        assert!(
            by_flag.starts_with(&start) && by_flag.contains(expected),
            "{by_flag}"
        );
        if variable == "MAX_TIME" {
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
    assert_eq!(
        error(&[], &[], "BETA\nBETA='1\nS_MIN=1\nS_MIN=2"),
        ".env:1: BETA has no value, expected BETA=VALUE\n\
         .env:2: BETA: a quote is not closed, expected another\n\
         .env:4: S_MIN is given in line 3 too, expected it once"
    );
}

#[test]
fn an_empty_variable_is_none() {
    let (scenario, _) = read(LAB, &[], &[], &[("BETA", " ")], "BETA=3").expect("valid");
    assert_eq!(scenario.job().beta, 3);
    let (scenario, _) = read(LAB, &[], &[], &[("BETA", "")], "BETA=").expect("valid");
    assert_eq!(scenario.job().beta, 1);
}

#[test]
fn one_key_is_not_given_twice_on_a_command_line() {
    let errors = read(LAB, &["job.beta=2"], &[("BETA", "3")], &[], "").expect_err("twice");
    let expected = "--beta 3 and --set job.beta are both given, expected one of them";
    assert_eq!(errors, [expected]);
}

#[test]
fn fees_that_do_not_fit_are_refused_with_the_next_step() {
    let specific = [("FEE_TYPE", "specific"), ("FEES", "1,2")];
    let errors = read(LAB, &[], &specific, &[], "").expect_err("two fees for three workers");
    assert_eq!(
        errors,
        [
            "--fees 1,2: fees.fees has 2 fees for 3 workers, expected one for each, or \
          fees.default_fee for the others"
        ]
    );
    let filled = [&specific[..], &[("DEFAULT_FEE", "4")]].concat();
    assert!(read(LAB, &[], &filled, &[], "").is_ok());
    let declared = LAB.replace("count = 3", "count = 3\nfee = 5");
    let errors = read(&declared, &[], &[("FEES", "1,2,3")], &[], "").expect_err("declared");
    assert_eq!(
        errors,
        [
            "--fees 1,2,3: fees.fees has no meaning with fees.type = \"declared\", expected \
          \"specific\" with it"
        ]
    );
}
