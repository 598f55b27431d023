//! The flags for joining, and the commands `runtime token` and `runtime workers`.
//!
//! Commands return the text for standard output and the notes for standard error; the caller
//! prints them.

use std::io::Read;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};

use super::allow_list::{AllowList, AllowedWorker};
use super::dialer::{DialOptions, LastOrchestrator, Target};
use super::discovery;
use super::error::NetError;
use super::identity::{Identity, PeerId};
use super::limits::DEFAULT_PORT;
use super::listener::ListenOptions;
use super::token::{Token, TokenError};
use crate::files::FileError;

/// Bytes read of a file that should hold a token, which has a few hundred characters.
const MAX_TOKEN_FILE: u64 = 4096;
/// Minimum number of characters by which an id may be abbreviated.
const MIN_PREFIX: usize = 4;

/// Why a command about joining failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// An error of the network or of a state folder.
    #[error(transparent)]
    Net(#[from] NetError),
    /// An invalid token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Anything else that the user can fix; the text says how.
    #[error("{0}")]
    Usage(String),
}

/// The output of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandOutput {
    /// For standard output.
    pub(crate) out: String,
    /// For standard error.
    pub(crate) notes: Vec<String>,
}

/// The folder of keys and allow-lists.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct StateArgs {
    /// Folder of keys and allow-lists [default: ~/.local/state/allot]
    #[arg(long, value_name = "DIR", env = "ALLOT_STATE", global = true)]
    pub(crate) state: Option<PathBuf>,
}

impl StateArgs {
    /// The folder of an orchestrator.
    pub(crate) fn orchestrator(&self) -> Result<PathBuf, CliError> {
        Ok(self.root()?.join("orchestrator"))
    }

    /// The folder of a worker.
    pub(crate) fn worker(&self) -> Result<PathBuf, CliError> {
        Ok(self.root()?.join("worker"))
    }

    fn root(&self) -> Result<PathBuf, CliError> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let folder = self.state.clone();
        let folder = folder.or_else(|| Some(PathBuf::from(set("XDG_STATE_HOME")?).join("allot")));
        let home = || Some(PathBuf::from(set("HOME")?).join(".local/state/allot"));
        folder.or_else(home).ok_or_else(|| {
            CliError::Usage("no home folder is known: give `--state DIR`".to_owned())
        })
    }
}

/// The options of a listener on this address. It creates the orchestrator's key if need be.
pub(crate) fn listen_options(
    state: &StateArgs,
    listen: SocketAddr,
) -> Result<ListenOptions, CliError> {
    let folder = state.orchestrator()?;
    let identity = Identity::load_or_create(&key(&folder))?;
    Ok(ListenOptions::new(identity, folder, listen))
}

/// How a worker finds its orchestrator.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct JoinArgs {
    /// The token that `runtime token` printed, a file that holds it, or `-` for standard input;
    /// not needed once the worker has joined
    #[arg(long, value_name = "TOKEN", env = "ALLOT_JOIN", hide_env_values = true)]
    pub(crate) join: Option<String>,
    /// A further address of the orchestrator; may be repeated
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) orchestrator: Vec<String>,
    /// Name of this worker [default: the machine's name]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Do not search the local network for the orchestrator
    #[arg(long)]
    pub(crate) no_discovery: bool,
    /// Pass packets to the system one by one, for drivers that cannot take several at once
    #[arg(long)]
    pub(crate) no_gso: bool,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

impl JoinArgs {
    /// The dial options that these flags ask for. It creates the worker's key if need be.
    pub(crate) fn options(&self) -> Result<DialOptions, CliError> {
        let folder = self.state.worker()?;
        let target = self.target(&folder)?;
        let identity = Identity::load_or_create(&key(&folder))?;
        let name = self.name.clone().unwrap_or_else(machine_name);
        Ok(DialOptions {
            orchestrators: self.orchestrator.clone(),
            state: Some(folder),
            discover: !self.no_discovery,
            offload: !self.no_gso,
            ..DialOptions::new(identity, name, target)
        })
    }

    fn target(&self, folder: &Path) -> Result<Target, CliError> {
        let Some(given) = &self.join else {
            let known = LastOrchestrator::load(folder)?.ok_or_else(|| {
                let why = "this worker has not joined an orchestrator yet: give `--join TOKEN`, which \
                           `runtime token` prints on the orchestrator's machine";
                CliError::Usage(why.to_owned())
            })?;
            return Ok(Target::Known(known.orchestrator));
        };
        // A secret on a command line is visible to every user of the machine; files are not.
        let read = |source: &mut dyn Read, name: &str| {
            let mut text = String::new();
            let read = source.take(MAX_TOKEN_FILE).read_to_string(&mut text);
            read.map_err(|error| CliError::Usage(format!("{name}: cannot read a token: {error}")))?;
            Ok::<_, CliError>(text)
        };
        let token = if given == "-" {
            Token::parse(&read(&mut std::io::stdin(), "standard input")?)?
        } else {
            match Token::parse(given) {
                Err(TokenError::NotAToken) if Path::new(given).is_file() => {
                    let file = std::fs::File::open(given);
                    let file = file.map_err(FileError::io("read", Path::new(given)));
                    Token::parse(&read(&mut file.map_err(NetError::from)?, given)?)?
                }
                parsed => parsed?,
            }
        };
        Ok(Target::Token(token))
    }
}

/// `runtime token`.
#[derive(Args, Clone, Debug)]
pub(crate) struct TokenArgs {
    /// Number of workers that it admits
    #[arg(long, default_value_t = 1)]
    pub(crate) uses: u32,
    /// How long it is valid, as in `90m`, `24h` or `7d`
    #[arg(long, default_value = "24h", value_parser = span)]
    pub(crate) valid: Duration,
    /// Address at which workers reach the orchestrator, instead of those found; may be repeated
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) address: Vec<SocketAddr>,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

/// Creates a token for an orchestrator that runs or will run with this state folder.
pub(crate) fn token(args: &TokenArgs) -> Result<CommandOutput, CliError> {
    let folder = args.state.orchestrator()?;
    let allow_list = AllowList::open(&folder)?;
    let identity = Identity::load_or_create(&key(&folder))?;
    let mut notes = Vec::new();
    let hints = if !args.address.is_empty() {
        args.address.clone()
    } else {
        let listened = allow_list.listening()?;
        if listened.is_empty() {
            notes.push(format!(
                "no orchestrator has run here yet: the token assumes port {DEFAULT_PORT}"
            ));
            discovery::reachable(any_address())
        } else {
            listened
        }
    };
    let token = allow_list.mint(identity.id(), hints, args.uses, args.valid)?;
    let places: Vec<String> = token.hints.iter().map(SocketAddr::to_string).collect();
    let workers = if args.uses == 1 { "worker" } else { "workers" };
    let (uses, valid, places) = (args.uses, in_words(args.valid), places.join(", "));
    notes.push(format!(
        "admits {uses} {workers} within {valid}, at {places}; on each: runtime worker --join TOKEN"
    ));
    let out = format!("{token}\n");
    Ok(CommandOutput { out, notes })
}

/// `runtime workers`.
#[derive(Args, Clone, Debug)]
pub(crate) struct WorkersArgs {
    /// What to do
    #[command(subcommand)]
    pub(crate) action: WorkersAction,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

/// What to do with the allow-list of an orchestrator.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum WorkersAction {
    /// Show the workers that may join
    List {
        /// One JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Revoke workers' keys for good; a running orchestrator closes their connections at once
    Revoke {
        /// A worker's name, or the beginning of its id
        #[arg(required = true)]
        who: Vec<String>,
    },
}

/// Shows or changes the allow-list.
pub(crate) fn workers(args: &WorkersArgs) -> Result<CommandOutput, CliError> {
    let allow_list = AllowList::open(&args.state.orchestrator()?)?;
    match &args.action {
        WorkersAction::List { json } => list(&allow_list.workers()?, *json),
        WorkersAction::Revoke { who } => revoke(&allow_list, who),
    }
}

fn list(workers: &[AllowedWorker], json: bool) -> Result<CommandOutput, CliError> {
    let mut out = String::new();
    if json {
        for worker in workers {
            let (name, id, joined_s) = (&worker.name, worker.id, worker.joined_s);
            let line = serde_json::json!({ "name": name, "id": id, "joined_s": joined_s });
            out += &format!("{line}\n");
        }
    } else if !workers.is_empty() {
        let longest = workers.iter().map(|worker| worker.name.chars().count());
        let width = longest.max().unwrap_or_default().max("name".len());
        out += &format!("{:width$}  {:52}  joined\n", "name", "id");
        for worker in workers {
            let ago = SystemTime::now().duration_since(worker.joined());
            let ago = in_words(ago.unwrap_or_default());
            out += &format!("{:width$}  {}  {ago} ago\n", worker.name, worker.id.full());
        }
    }
    let mut notes = Vec::new();
    if workers.is_empty() {
        notes.push("no worker may join yet: `runtime token` invites one".to_owned());
    }
    Ok(CommandOutput { out, notes })
}

fn revoke(allow_list: &AllowList, who: &[String]) -> Result<CommandOutput, CliError> {
    let workers = allow_list.workers()?;
    // All are looked up before the first is revoked, so that a typing error changes nothing.
    let found: Result<Vec<PeerId>, _> = who.iter().map(|who| find(&workers, who)).collect();
    let mut out = String::new();
    for id in found? {
        allow_list.revoke(id)?;
        let name = workers.iter().find(|worker| worker.id == id);
        let name = name.map_or("a key that is not on the list", |worker| &worker.name);
        out += &format!("revoked {name} ({})\n", id.full());
    }
    let notes = vec!["the tokens with which they joined are revoked too".to_owned()];
    Ok(CommandOutput { out, notes })
}

/// The one worker that a user means. A whole id may be revoked before its worker ever joins.
fn find(workers: &[AllowedWorker], who: &str) -> Result<PeerId, CliError> {
    if let Ok(id) = who.parse() {
        return Ok(id);
    }
    let short =
        |worker: &&AllowedWorker| who.len() >= MIN_PREFIX && worker.id.full().starts_with(who);
    let named: Vec<&AllowedWorker> = workers.iter().filter(|worker| worker.name == who).collect();
    let meant = if named.is_empty() {
        workers.iter().filter(short).collect()
    } else {
        named
    };
    match meant[..] {
        [worker] => Ok(worker.id),
        [] => Err(CliError::Usage(format!(
            "no worker `{}` on the list: `runtime workers list` shows all",
            who.escape_debug()
        ))),
        [first, ..] => Err(CliError::Usage(format!(
            "`{}` means {} workers: give an id, such as {}",
            who.escape_debug(),
            meant.len(),
            first.id
        ))),
    }
}

fn key(folder: &Path) -> PathBuf {
    folder.join("key")
}

fn any_address() -> SocketAddr {
    (Ipv6Addr::UNSPECIFIED, DEFAULT_PORT).into()
}

fn machine_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    match scenarios::is_plain_name(name) {
        true => name.to_owned(),
        false => "worker".to_owned(),
    }
}

/// Seconds, minutes, hours or days.
fn span(text: &str) -> Result<Duration, String> {
    let seconds = |unit| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3600),
        'd' => Some(24 * 3600),
        _ => None,
    };
    let parsed = text.char_indices().next_back().and_then(|(at, unit)| {
        let number: u64 = text[..at].parse().ok()?;
        number.checked_mul(seconds(unit)?)
    });
    match parsed {
        Some(seconds @ 1..) => Ok(Duration::from_secs(seconds)),
        Some(0) | None => Err("expected a time such as 90m, 24h or 7d".to_owned()),
    }
}

fn in_words(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    enum Command {
        Token(TokenArgs),
        Workers(WorkersArgs),
        Worker(JoinArgs),
    }

    fn run(folder: &Path, words: &str) -> Result<CommandOutput, String> {
        let state = folder.to_str().unwrap();
        let words = format!("runtime {words} --state {state}");
        let command = Command::try_parse_from(words.split(' ').filter(|word| !word.is_empty()));
        match command.map_err(|error| error.to_string())? {
            Command::Token(args) => token(&args).map_err(|error| error.to_string()),
            Command::Workers(args) => workers(&args).map_err(|error| error.to_string()),
            Command::Worker(args) => args
                .options()
                .map(|options| CommandOutput {
                    out: format!("{:?}", options.target),
                    notes: vec![options.name],
                })
                .map_err(|error| error.to_string()),
        }
    }

    fn allow(folder: &Path, names: &[(&str, u8)]) {
        let path = folder.join("orchestrator/admission.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let mut contents: serde_json::Value = serde_json::from_str(&text).unwrap();
        let rows = names.iter().map(|(name, number)| {
            let id = PeerId::from_bytes([*number; 32]);
            serde_json::json!({ "id": id, "name": name, "joined_s": 1, "token": "00".repeat(8) })
        });
        contents["workers"] = rows.collect();
        std::fs::write(&path, contents.to_string()).unwrap();
    }

    #[test]
    fn a_token_is_made_and_read_from_text_and_file() {
        let folder = tempfile::tempdir().unwrap();
        let answer = run(folder.path(), "token --uses 3 --valid 2d").unwrap();
        assert!(answer.notes[0].contains("assumes port 9317"), "{answer:?}");
        assert!(answer.notes[1].contains("admits 3 workers within 2 days"));
        let token = Token::parse(&answer.out).unwrap();
        let expected = format!("{:?}", Target::Token(token.clone()));
        let words = format!("worker --name pc7 --join {token}");
        let joined = run(folder.path(), &words).unwrap();
        assert_eq!(
            (joined.out, joined.notes),
            (expected.clone(), vec!["pc7".to_owned()])
        );
        let file = folder.path().join("token");
        std::fs::write(&file, &answer.out).unwrap();
        let words = format!("worker --join {}", file.display());
        assert_eq!(run(folder.path(), &words).unwrap().out, expected);

        let given = "token --address 10.0.0.7:1 --address [fd00::1]:2";
        let token = Token::parse(&run(folder.path(), given).unwrap().out).unwrap();
        let hints: Vec<String> = token.hints.iter().map(SocketAddr::to_string).collect();
        assert_eq!(hints, ["10.0.0.7:1", "[fd00::1]:2"]);
    }

    #[test]
    fn mistakes_get_one_line_that_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        for (words, expected) in [
            ("worker", "give `--join TOKEN`"),
            ("worker --join abc", "not a token"),
            ("worker --join allot-abc", "the token is damaged"),
            ("token --valid 0h", "expected a time such as"),
            ("token --valid 5", "expected a time such as"),
            (
                "token --valid 99999999999999999999d",
                "expected a time such as",
            ),
            ("token --valid 1000d", "at most 366 days"),
            ("token --uses 0", "expected 1 to 10000 uses"),
            ("workers revoke pc1", "no worker `pc1` on the list"),
            ("workers revoke", "required"),
        ] {
            let error = run(folder.path(), words).unwrap_err();
            assert!(error.contains(expected), "{words}: {error}");
        }
    }

    #[test]
    fn workers_are_listed_and_revoked_by_name_and_id() {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), "token").unwrap();
        let empty = run(folder.path(), "workers list").unwrap();
        assert_eq!(empty.out, "");
        assert!(empty.notes[0].contains("`runtime token` invites"));
        let rows = [("pc1", 1), ("pc1", 2), ("a longer name", 3), ("pc4", 4)];
        allow(folder.path(), &rows);
        let listed = run(folder.path(), "workers list").unwrap().out;
        assert_eq!(listed.lines().count(), 5);
        let fourth = PeerId::from_bytes([4; 32]).full();
        assert!(
            listed.contains(&format!("pc4            {fourth}  ")),
            "{listed}"
        );

        let error = run(folder.path(), "workers revoke pc4 pc1").unwrap_err();
        assert!(error.contains("`pc1` means 2 workers"), "{error}");
        let second = PeerId::from_bytes([2; 32]);
        let words = format!("workers revoke pc4 {second}");
        let revoked = run(folder.path(), &words).unwrap().out;
        assert_eq!(revoked.lines().count(), 2, "{revoked}");
        let left = run(folder.path(), "workers list --json").unwrap().out;
        assert_eq!(left.lines().count(), 2, "{left}");
        let line: serde_json::Value = serde_json::from_str(left.lines().next().unwrap()).unwrap();
        assert_eq!(
            (line["name"].as_str(), line["joined_s"].as_u64()),
            (Some("pc1"), Some(1))
        );
    }
}
