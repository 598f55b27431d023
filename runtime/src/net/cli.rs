//! The flags that have to do with joining, and the commands `runtime token` and `runtime workers`.
//!
//! Commands return what belongs on standard output and what on standard error; printing is the
//! caller's.

use std::io::Read;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};

use super::admission::{Admission, Member};
use super::dialer::{DialOptions, Remembered, Target};
use super::discovery;
use super::error::NetError;
use super::gate::GateOptions;
use super::identity::{Identity, PeerId};
use super::limits::DEFAULT_PORT;
use super::token::{Token, TokenError};

/// A token is a few hundred characters; a file that holds one is not much longer.
const TOKEN_FILE: u64 = 4096;
/// Characters of an id that are enough to mean it.
const ENOUGH: usize = 4;

/// Why a command about joining cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Something on the wire or in a state folder.
    #[error(transparent)]
    Net(#[from] NetError),
    /// A text that should be a token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Anything else that the user can mend; the text says how.
    #[error("{0}")]
    Usage(String),
}

/// What a command has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// For standard output: the answer itself.
    pub out: String,
    /// For standard error: what to do with it.
    pub notes: Vec<String>,
}

/// Where keys and lists are kept.
#[derive(Args, Clone, Debug, Default)]
pub struct StateArgs {
    /// Folder of keys and lists [default: ~/.local/state/allot]
    #[arg(long, value_name = "DIR", env = "ALLOT_STATE", global = true)]
    pub state: Option<PathBuf>,
}

impl StateArgs {
    /// The folder of an orchestrator.
    pub fn orchestrator(&self) -> Result<PathBuf, CliError> {
        Ok(self.root()?.join("orchestrator"))
    }

    /// The folder of a worker.
    pub fn worker(&self) -> Result<PathBuf, CliError> {
        Ok(self.root()?.join("worker"))
    }

    fn root(&self) -> Result<PathBuf, CliError> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let given = self.state.clone();
        let given = given.or_else(|| Some(PathBuf::from(set("XDG_STATE_HOME")?).join("allot")));
        let home = || Some(PathBuf::from(set("HOME")?).join(".local/state/allot"));
        given
            .or_else(home)
            .ok_or_else(|| CliError::Usage("no home folder is known: say `--state DIR`".to_owned()))
    }
}

/// How an orchestrator is reached.
#[derive(Args, Clone, Debug)]
pub struct ListenArgs {
    /// UDP address to listen on
    #[arg(long, value_name = "IP:PORT", default_value_t = any_address())]
    pub listen: SocketAddr,
    /// Do not announce it in the local network
    #[arg(long)]
    pub no_discovery: bool,
    /// Hand packets to the system one by one, for drivers that cannot take many at once
    #[arg(long)]
    pub no_gso: bool,
    #[command(flatten)]
    #[expect(
        missing_docs,
        reason = "a doc comment would become the help of the flattened flags"
    )]
    pub state: StateArgs,
}

impl ListenArgs {
    /// The options of a gate that these flags ask for. It makes the orchestrator's key if need be.
    pub fn options(&self) -> Result<GateOptions, CliError> {
        let folder = self.state.orchestrator()?;
        let identity = Identity::load_or_create(&key(&folder))?;
        Ok(GateOptions {
            announce: !self.no_discovery,
            offload: !self.no_gso,
            ..GateOptions::new(identity, folder, self.listen)
        })
    }
}

/// How a worker finds its orchestrator.
#[derive(Args, Clone, Debug, Default)]
pub struct JoinArgs {
    /// The token that `runtime token` printed, a file that holds it, or `-` for standard input;
    /// not needed once the worker was let in
    #[arg(long, value_name = "TOKEN", env = "ALLOT_JOIN", hide_env_values = true)]
    pub join: Option<String>,
    /// Where else to look for the orchestrator; may be repeated
    #[arg(long, value_name = "HOST:PORT")]
    pub orchestrator: Vec<String>,
    /// What this worker is called [default: the machine's name]
    #[arg(long)]
    pub name: Option<String>,
    /// Do not look for the orchestrator in the local network
    #[arg(long)]
    pub no_discovery: bool,
    /// Hand packets to the system one by one, for drivers that cannot take many at once
    #[arg(long)]
    pub no_gso: bool,
    #[command(flatten)]
    #[expect(
        missing_docs,
        reason = "a doc comment would become the help of the flattened flags"
    )]
    pub state: StateArgs,
}

impl JoinArgs {
    /// The options of a dialer that these flags ask for. It makes the worker's key if need be.
    pub fn options(&self) -> Result<DialOptions, CliError> {
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
            let known = Remembered::load(folder)?.ok_or_else(|| {
                let why = "this worker has not joined anybody yet: say `--join TOKEN`, which \
                           `runtime token` prints on the orchestrator's machine";
                CliError::Usage(why.to_owned())
            })?;
            return Ok(Target::Known(known.orchestrator));
        };
        // A secret on a command line can be seen by everybody on the machine, hence the others.
        let read = |source: &mut dyn Read, name: &str| {
            let mut text = String::new();
            let read = source.take(TOKEN_FILE).read_to_string(&mut text);
            read.map_err(|error| CliError::Usage(format!("{name}: cannot read a token: {error}")))?;
            Ok::<_, CliError>(text)
        };
        let token = if given == "-" {
            Token::parse(&read(&mut std::io::stdin(), "standard input")?)?
        } else {
            match Token::parse(given) {
                Err(TokenError::NotAToken) if Path::new(given).is_file() => {
                    let file = std::fs::File::open(given);
                    let file = file.map_err(NetError::file("read", Path::new(given)));
                    Token::parse(&read(&mut file?, given)?)?
                }
                parsed => parsed?,
            }
        };
        Ok(Target::Token(token))
    }
}

/// `runtime token`.
#[derive(Args, Clone, Debug)]
pub struct TokenArgs {
    /// How many workers it lets in
    #[arg(long, default_value_t = 1)]
    pub uses: u32,
    /// How long it is good for, as in `90m`, `24h` or `7d`
    #[arg(long, default_value = "24h", value_parser = span)]
    pub valid: Duration,
    /// Address at which workers reach the orchestrator, instead of those found; may be repeated
    #[arg(long, value_name = "IP:PORT")]
    pub address: Vec<SocketAddr>,
    #[command(flatten)]
    #[expect(
        missing_docs,
        reason = "a doc comment would become the help of the flattened flags"
    )]
    pub state: StateArgs,
}

/// Makes a token, for an orchestrator that runs or will run with this state folder.
pub fn token(args: &TokenArgs) -> Result<Answer, CliError> {
    let folder = args.state.orchestrator()?;
    let admission = Admission::open(&folder)?;
    let identity = Identity::load_or_create(&key(&folder))?;
    let mut notes = Vec::new();
    let hints = if !args.address.is_empty() {
        args.address.clone()
    } else {
        let listened = admission.listening()?;
        if listened.is_empty() {
            notes.push(format!(
                "no orchestrator has run here yet: the token assumes port {DEFAULT_PORT}"
            ));
            discovery::reachable(any_address())
        } else {
            listened
        }
    };
    let token = admission.mint(identity.id(), hints, args.uses, args.valid)?;
    let places: Vec<String> = token.hints.iter().map(SocketAddr::to_string).collect();
    let workers = if args.uses == 1 { "worker" } else { "workers" };
    let (uses, valid, places) = (args.uses, in_words(args.valid), places.join(", "));
    notes.push(format!(
        "lets {uses} {workers} in within {valid}, at {places}; there: runtime worker --join TOKEN"
    ));
    let out = format!("{token}\n");
    Ok(Answer { out, notes })
}

/// `runtime workers`.
#[derive(Args, Clone, Debug)]
pub struct WorkersArgs {
    /// What to do
    #[command(subcommand)]
    pub action: WorkersAction,
    #[command(flatten)]
    #[expect(
        missing_docs,
        reason = "a doc comment would become the help of the flattened flags"
    )]
    pub state: StateArgs,
}

/// What can be done with the workers of an orchestrator.
#[derive(Clone, Debug, Subcommand)]
pub enum WorkersAction {
    /// Show who may come in
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Shut somebody out for good; a running orchestrator ends the connection at once
    Revoke {
        /// A worker's name, or the beginning of its id
        #[arg(required = true)]
        who: Vec<String>,
    },
}

/// Shows or changes who may come in.
pub fn workers(args: &WorkersArgs) -> Result<Answer, CliError> {
    let admission = Admission::open(&args.state.orchestrator()?)?;
    match &args.action {
        WorkersAction::List { json } => list(&admission.members()?, *json),
        WorkersAction::Revoke { who } => revoke(&admission, who),
    }
}

fn list(members: &[Member], json: bool) -> Result<Answer, CliError> {
    let mut out = String::new();
    if json {
        for member in members {
            let (name, id, joined_s) = (&member.name, member.id, member.joined_s);
            let line = serde_json::json!({ "name": name, "id": id, "joined_s": joined_s });
            out += &format!("{line}\n");
        }
    } else if !members.is_empty() {
        let longest = members.iter().map(|member| member.name.chars().count());
        let width = longest.max().unwrap_or_default().max("name".len());
        out += &format!("{:width$}  {:52}  joined\n", "name", "id");
        for member in members {
            let ago = SystemTime::now().duration_since(member.joined());
            let ago = in_words(ago.unwrap_or_default());
            out += &format!("{:width$}  {}  {ago} ago\n", member.name, member.id.full());
        }
    }
    let mut notes = Vec::new();
    if members.is_empty() {
        notes.push("nobody may come in yet: `runtime token` invites a worker".to_owned());
    }
    Ok(Answer { out, notes })
}

fn revoke(admission: &Admission, who: &[String]) -> Result<Answer, CliError> {
    let members = admission.members()?;
    // All are found before the first is shut out, so that a slip changes nothing.
    let found: Result<Vec<PeerId>, _> = who.iter().map(|who| find(&members, who)).collect();
    let mut out = String::new();
    for id in found? {
        admission.revoke(id)?;
        let name = members.iter().find(|member| member.id == id);
        let name = name.map_or("nobody on the list", |member| &member.name);
        out += &format!("revoked {name} ({})\n", id.full());
    }
    let notes = vec!["the tokens by which they came in are cancelled too".to_owned()];
    Ok(Answer { out, notes })
}

/// The one worker that a user means. A whole id may be barred before its worker ever came.
fn find(members: &[Member], who: &str) -> Result<PeerId, CliError> {
    if let Ok(id) = who.parse() {
        return Ok(id);
    }
    let short = |member: &&Member| who.len() >= ENOUGH && member.id.full().starts_with(who);
    let named: Vec<&Member> = members.iter().filter(|member| member.name == who).collect();
    let meant = if named.is_empty() {
        members.iter().filter(short).collect()
    } else {
        named
    };
    match meant[..] {
        [member] => Ok(member.id),
        [] => Err(CliError::Usage(format!(
            "no worker `{}` on the list: `runtime workers list` shows who is",
            who.escape_debug()
        ))),
        [first, ..] => Err(CliError::Usage(format!(
            "`{}` means {} workers: say an id, such as {}",
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
    match name.trim() {
        "" => "worker".to_owned(),
        name => name.to_owned(),
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
        Cluster(ListenArgs),
    }

    fn run(folder: &Path, words: &str) -> Result<Answer, String> {
        let state = folder.to_str().unwrap();
        let words = format!("runtime {words} --state {state}");
        let command = Command::try_parse_from(words.split(' ').filter(|word| !word.is_empty()));
        match command.map_err(|error| error.to_string())? {
            Command::Token(args) => token(&args).map_err(|error| error.to_string()),
            Command::Workers(args) => workers(&args).map_err(|error| error.to_string()),
            Command::Worker(args) => args
                .options()
                .map(|options| Answer {
                    out: format!("{:?}", options.target),
                    notes: vec![options.name],
                })
                .map_err(|error| error.to_string()),
            Command::Cluster(args) => args
                .options()
                .map(|options| Answer {
                    out: options.listen.to_string(),
                    notes: vec![],
                })
                .map_err(|error| error.to_string()),
        }
    }

    fn member(folder: &Path, names: &[(&str, u8)]) {
        let path = folder.join("orchestrator/admission.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let mut book: serde_json::Value = serde_json::from_str(&text).unwrap();
        let rows = names.iter().map(|(name, number)| {
            let id = PeerId::from_bytes([*number; 32]);
            serde_json::json!({ "id": id, "name": name, "joined_s": 1, "token": "00".repeat(8) })
        });
        book["workers"] = rows.collect();
        std::fs::write(&path, book.to_string()).unwrap();
    }

    #[test]
    fn a_token_is_made_and_read_from_text_and_file() {
        let folder = tempfile::tempdir().unwrap();
        let answer = run(folder.path(), "token --uses 3 --valid 2d").unwrap();
        assert!(answer.notes[0].contains("assumes port 9317"), "{answer:?}");
        assert!(answer.notes[1].contains("lets 3 workers in within 2 days"));
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
    fn slips_get_one_line_that_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        for (words, expected) in [
            ("worker", "say `--join TOKEN`"),
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
        member(folder.path(), &rows);
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

    #[test]
    fn an_orchestrator_listens_everywhere_by_default() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(run(folder.path(), "cluster").unwrap().out, "[::]:9317");
        let listen = run(folder.path(), "cluster --listen 127.0.0.1:0").unwrap();
        assert_eq!(listen.out, "127.0.0.1:0");
    }
}
