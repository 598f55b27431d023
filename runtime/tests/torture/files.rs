//! Files that are damaged at random, before every command that reads them.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use scenarios::Draws;

use crate::common::{program, small};
use crate::{Attempt, Tried};

/// No command on these small files takes longer.
const ENDS_WITHIN: Duration = Duration::from_secs(60);
/// Of its address space, in KiB: nothing small asks for more.
const MOST_MEMORY: u32 = 4 << 20;

/// Files that belong together, and a command that reads them.
struct Specimen {
    /// What is damaged: a folder or a file.
    of: &'static str,
    /// What else it reads.
    with: &'static [&'static str],
    command: &'static [&'static str],
    /// It does not read as something else without anybody noticing, since it has checksums.
    is_sealed: bool,
}

const SPECIMENS: [Specimen; 15] = [
    sealed("v", &[], &["sim", "report", "v"]),
    sealed("v", &["w"], &["sim", "compare", "v", "w"]),
    sealed("s1", &["s2"], &["sim", "merge", "s1", "s2", "--out", "m"]),
    sealed("r", &[], &["sim", "report", "r"]),
    sealed("r", &[], &["sim", "replay", "r"]),
    sealed("r", &["r2"], &["sim", "compare", "r", "r2"]),
    sealed("sw", &[], &["sim", "report", "sw"]),
    sealed("q", &[], &["sim", "report", "q"]),
    sealed("q", &[], &["sim", "replay", "q"]),
    sealed("q", &[], &["runtime", "cluster", "--resume", "q"]),
    plain("k", &["runtime", "cluster", "--resume", "k"]),
    plain(
        "s.toml",
        &["sim", "run", "s.toml", "--replicates", "1", "--cycles", "1"],
    ),
    plain("s.toml", &["sim", "plan", "s.toml"]),
    plain("i.jsonl", &["sim", "solve", "i.jsonl"]),
    plain(
        "d",
        &[
            "runtime", "cluster", "--model", "linear", "--local", "1", "--data", "d", "--cycles",
            "1",
        ],
    ),
];

const fn sealed(
    of: &'static str,
    with: &'static [&'static str],
    command: &'static [&'static str],
) -> Specimen {
    Specimen {
        of,
        with,
        command,
        is_sealed: true,
    }
}

const fn plain(of: &'static str, command: &'static [&'static str]) -> Specimen {
    Specimen {
        of,
        with: &[],
        command,
        is_sealed: false,
    }
}

/// What a command says, and the page or the folder that it writes.
#[derive(PartialEq)]
struct Said {
    code: Option<i32>,
    out: Vec<u8>,
    errors: String,
    page: Vec<u8>,
}

pub(crate) fn damage(attempt: &Attempt<'_>) -> Result<Tried, String> {
    if !is_there("sim") {
        return Err("there is no sim beside runtime: build it with --bins".to_owned());
    }
    let whole = specimens(attempt.shared)?;
    let mut draws = attempt.draws();
    let specimen = &SPECIMENS[attempt.seed as usize % SPECIMENS.len()];
    for name in [specimen.of].iter().chain(specimen.with) {
        copy(&whole.join(name), &attempt.folder.join(name));
    }
    let expected = if specimen.is_sealed {
        Some(expected(attempt.shared, specimen)?)
    } else {
        None
    };
    let resumes = specimen.command.contains(&"--resume");
    let (deed, is_said) = spoil(&attempt.folder.join(specimen.of), resumes, &mut draws);
    let said = run(specimen.command, &attempt.folder)?;
    let lost = |why: &str| {
        Err(format!(
            "{why}: {} after {deed}: code {:?}, {} bytes of output, {} of a page, errors: {:.300}",
            specimen.command.join(" "),
            said.code,
            said.out.len(),
            said.page.len(),
            said.errors
        ))
    };
    if said.errors.contains("panicked") || said.errors.contains("a check of ours failed") {
        return lost("it blames itself");
    }
    if said.code == Some(0) && is_said && said.errors.trim().is_empty() && specimen.of == "k" {
        return lost("it says nothing");
    }
    match said.code {
        Some(0)
            if expected
                .as_ref()
                .is_none_or(|expected| expected.page == said.page && expected.out == said.out) =>
        {
            Ok(1.into())
        }
        Some(0) => lost("another result"),
        // With the reason.
        Some(2 | 3 | 5) if !said.errors.trim().is_empty() => Ok(1.into()),
        Some(_) | None => lost("it does not end as it should"),
    }
}

/// Does one thing to one of the files; says what, and whether a run that goes on with it has to say so.
fn spoil(path: &Path, resumes: bool, draws: &mut Draws) -> (String, bool) {
    let mut files = Vec::new();
    list(path, &mut files);
    // Event logs are of any length, and only a run that goes on needs them; without run.json a run is one that
    // has not ended.
    let is_log = |file: &Path| file.components().any(|part| part.as_os_str() == "events");
    files.retain(|file| {
        let is_end = resumes && file.ends_with("run.json");
        (resumes || !is_log(file)) && !is_end
    });
    files.sort();
    let file = &files[draws.between(0, files.len() as u64 - 1) as usize];
    let mut bytes = fs::read(file).expect("it is there");
    let before = bytes.clone();
    let length = bytes.len() as u64;
    let at = draws.between(0, length.saturating_sub(1)) as usize;
    let name = file.display();
    let deed = match draws.between(0, 9) {
        0 => {
            fs::remove_file(file).expect("it is there");
            let is_said = is_log(file) || file.ends_with("checkpoint.safetensors");
            return (format!("{name} was removed"), is_said);
        }
        1 => {
            bytes.truncate(at);
            format!("{name} was cut at {at}")
        }
        2 => {
            let other = &files[draws.between(0, files.len() as u64 - 1) as usize];
            bytes = fs::read(other).expect("it is there");
            format!("{name} became {}", other.display())
        }
        3 => {
            let end = bytes.len().min(at + draws.between(1, 64) as usize);
            bytes[at..end].fill(0);
            format!("{name} was zeroed from {at} to {end}")
        }
        4 => {
            let end = bytes.len().min(at + draws.between(1, 64) as usize);
            let part = bytes[at..end].to_vec();
            bytes.splice(at..at, part);
            format!("{at} to {end} of {name} came twice")
        }
        5 | 6 if length > 0 => {
            bytes[at] = draws.between(0, 255) as u8;
            format!("byte {at} of {name} became {}", bytes[at])
        }
        _ if length > 0 => {
            let bit = draws.between(0, 7);
            bytes[at] ^= 1 << bit;
            format!("bit {bit} of byte {at} of {name} flipped")
        }
        _ => {
            bytes.extend_from_slice(b"\xff\0garbage");
            format!("{name} got a tail")
        }
    };
    let is_said = is_log(file) && !before.starts_with(&bytes);
    fs::write(file, bytes).expect("room");
    (deed, is_said)
}

fn list(path: &Path, files: &mut Vec<PathBuf>) {
    if !path.is_dir() {
        return files.push(path.to_owned());
    }
    for entry in fs::read_dir(path).expect("a folder") {
        list(&entry.expect("an entry").path(), files);
    }
}

fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::copy(from, to).expect("room");
        return;
    }
    fs::create_dir(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

/// What the command says of what is whole: worked out once.
fn expected(shared: &Path, specimen: &Specimen) -> Result<Said, String> {
    /// A command, its output and its page.
    type Known = (&'static [&'static str], Vec<u8>, Vec<u8>);
    static ALL: Mutex<Vec<Known>> = Mutex::new(Vec::new());
    let mut all = ALL.lock().expect("nobody panics here");
    let known = all
        .iter()
        .find(|(command, ..)| *command == specimen.command);
    let said = |out: &[u8], page: &[u8]| Said {
        code: Some(0),
        out: out.to_vec(),
        errors: String::new(),
        page: page.to_vec(),
    };
    if let Some((_, out, page)) = known {
        return Ok(said(out, page));
    }
    let folder = tempfile::tempdir_in(shared).expect("a folder");
    for name in [specimen.of].iter().chain(specimen.with) {
        copy(&shared.join("whole").join(name), &folder.path().join(name));
    }
    let Said {
        code,
        out,
        errors,
        page,
    } = run(specimen.command, folder.path())?;
    if code != Some(0) {
        return Err(format!(
            "{} without a fault: {errors}",
            specimen.command.join(" ")
        ));
    }
    let found = said(&out, &page);
    all.push((specimen.command, out, page));
    Ok(found)
}

/// Makes all files once; gives their folder.
fn specimens(shared: &Path) -> Result<PathBuf, String> {
    static ONCE: Mutex<()> = Mutex::new(());
    let _once = ONCE.lock().expect("nobody panics here");
    let whole = shared.join("whole");
    if whole.join("made").exists() {
        return Ok(whole);
    }
    fs::create_dir(&whole).expect("a folder");
    let make = |command: &str| -> Result<Vec<u8>, String> {
        let words: Vec<&str> = command.split(' ').collect();
        let said = run(&words, &whole)?;
        match said.code {
            Some(0) => Ok(said.out),
            code => Err(format!("{command}: {code:?}: {}", said.errors)),
        }
    };
    for command in [
        "sim validate --n-tests 30 --allocators heuristic,exact --out v",
        "sim validate --n-tests 30 --allocators heuristic,exact --seed 2 --out w",
        "sim validate --n-tests 30 --allocators heuristic,exact --shard 1/2 --out s1",
        "sim validate --n-tests 30 --allocators heuristic,exact --shard 2/2 --out s2",
        "sim run churn --replicates 2 --cycles 4 --events --out r",
        "sim run churn --replicates 2 --cycles 4 --seed 2 --out r2",
        "sim sweep lab-8 --vary job.beta=0,4 --replicates 2 --out sw",
    ] {
        make(command)?;
    }
    let template = make("sim scenarios --template")?;
    fs::write(whole.join("s.toml"), template).expect("room");
    let instances = make("sim generate --n-tests 4")?;
    fs::write(whole.join("i.jsonl"), instances).expect("room");
    let mut real = small(20, Path::new("q"));
    let more =
        "--local 1 --throttles 0.5 --cycles 2 --cycle-time 5 --seed 3 --benchmark-batches 10";
    let at = real.iter().position(|word| word == "--benchmark-batches");
    let at = at.expect("it is there");
    real.drain(at..at + 2);
    make(&format!("runtime {} {more}", real.join(" ")))?;
    // The same, killed when its last cycle was done.
    copy(&whole.join("q"), &whole.join("k"));
    for name in ["run.json", "model.safetensors"] {
        fs::remove_file(whole.join("k").join(name)).expect("it is there");
    }
    idx(&whole.join("d"));
    fs::write(whole.join("made"), "").expect("room");
    Ok(whole)
}

/// A small data set in the format of MNIST.
fn idx(folder: &Path) {
    fs::create_dir(folder).expect("a folder");
    for (part, samples) in [("train", 64_u32), ("t10k", 16)] {
        let mut images = [2051, samples, 4, 4].map(u32::to_be_bytes).concat();
        images.extend((0..samples * 16).map(|value| (value % 251) as u8));
        let mut labels = [2049, samples].map(u32::to_be_bytes).concat();
        labels.extend((0..samples).map(|value| (value % 10) as u8));
        let path = |kind: &str, rank| folder.join(format!("{part}-{kind}-idx{rank}-ubyte"));
        fs::write(path("images", 3), images).expect("room");
        fs::write(path("labels", 1), labels).expect("room");
    }
}

fn is_there(name: &str) -> bool {
    beside(name).is_file()
}

/// A program of the workspace.
fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_runtime")).with_file_name(name)
}

/// Runs a command in a folder, within bounds of time and memory.
fn run(words: &[&str], folder: &Path) -> Result<Said, String> {
    let (out, errors) = (folder.join(".out"), folder.join(".errors"));
    let file = |path: &Path| File::create(path).expect("a file");
    let script = format!("ulimit -v {MOST_MEMORY}; exec \"$0\" \"$@\"");
    let clean = program(); // with the environment of all programs here
    let mut command = Command::new("sh");
    for (key, value) in clean.get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    let mut child = command
        .args(["-c", &script])
        .arg(beside(words[0]))
        .args(&words[1..])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(file(&out))
        .stderr(file(&errors))
        .spawn()
        .map_err(|error| error.to_string())?;
    let until = Instant::now() + ENDS_WITHIN;
    let status: ExitStatus = loop {
        if let Some(status) = child.try_wait().expect("it can be asked") {
            break status;
        }
        if Instant::now() > until {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("{} hangs", words.join(" ")));
        }
        thread::sleep(Duration::from_millis(3));
    };
    let read = |path: &Path| {
        let mut bytes = Vec::new();
        let opened = File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
        opened.map(|_| bytes).unwrap_or_default()
    };
    let errors = String::from_utf8_lossy(&read(&errors)).into_owned();
    let pages = ["v", "r", "sw", "q"].map(|name| read(&folder.join(name).join("report.html")));
    let merged = ["tests.parquet", "outcomes.parquet", "stats.parquet"];
    let merged = merged.map(|name| read(&folder.join("m").join(name)));
    Ok(Said {
        code: status.code(),
        out: read(&out),
        errors,
        page: [pages.concat(), merged.concat()].concat(),
    })
}
