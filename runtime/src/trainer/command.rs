//! The command of a trainer that is the user's own, and the digest of what it runs.
//!
//! Code never travels: each machine has its own copy, and a digest tells whether two are the same.
//!
//! A module in TorchScript is trained by the program beside this one; its file stands for that command.
//!
//! **What it does not know:** processes.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::protocol::Program;

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrainerCommand {
    words: Vec<String>,
}

impl TrainerCommand {
    /// Of words that a shell has already taken apart.
    ///
    /// # Errors
    /// When there are none.
    pub(crate) fn of(words: Vec<String>) -> Result<Self, String> {
        if words.first().is_none_or(String::is_empty) {
            return Err(
                "expected a program and its arguments, such as 'python my_model.py'".into(),
            );
        }
        Ok(Self { words })
    }

    /// What trains a module in TorchScript that lies in a file.
    ///
    /// # Errors
    /// When one of the two is not there.
    pub(crate) fn script(file: &Path) -> Result<Self, String> {
        if !file.is_file() {
            return Err(format!(
                "there is no file {}, which --model names: write it with allot.export(module, loss), or \
                 copy it to this machine",
                file.display()
            ));
        }
        let program = beside(&format!("{}", file.display()))?;
        let word = |path: &Path| {
            let text = path.to_str().map(str::to_owned);
            text.ok_or_else(|| format!("{}: expected a path that is UTF-8", path.display()))
        };
        let words = vec![word(&program)?, SCRIPT.to_owned(), word(file)?];
        Ok(Self { words }.whole())
    }

    /// The option that makes another machine use it.
    pub(crate) fn option(&self) -> String {
        match self.words.as_slice() {
            [program, flag, file] if flag == SCRIPT && program.ends_with(&beside_name()) => {
                format!("--model {}", quoted(file))
            }
            _ => format!("--trainer '{self}'"),
        }
    }

    /// The program.
    pub(crate) fn program(&self) -> &str {
        &self.words[0]
    }

    /// Its arguments.
    pub(crate) fn arguments(&self) -> &[String] {
        &self.words[1..]
    }

    /// The files whose content decides what is trained: those that its arguments name, else the program
    /// itself.
    fn files(&self) -> Vec<PathBuf> {
        let named = self.arguments().iter().map(PathBuf::from);
        let named: Vec<PathBuf> = named.filter(|path| path.is_file()).collect();
        if named.is_empty() {
            return found(self.program()).into_iter().collect();
        }
        named
    }

    /// The program as other machines see it. It must be the same on every machine.
    ///
    /// # Errors
    /// When a file cannot be read, or there is no such program.
    pub(crate) fn read(&self) -> Result<Program, String> {
        let files = self.files();
        if files.is_empty() {
            return Err(self.missing());
        }
        let mut all = Sha256::new();
        for path in files {
            let mut one = Sha256::new();
            File::open(&path)
                .and_then(|mut file| io::copy(&mut file, &mut Sink(&mut one)))
                .map_err(|error| format!("{}: {error}", path.display()))?;
            all.update(one.finalize());
        }
        Ok(Program {
            command: self.to_string(),
            digest: all.finalize().into(),
        })
    }

    /// There is no such program.
    pub(crate) fn missing(&self) -> String {
        format!(
            "there is no program '{}', which '--trainer {}' names: install it, or give its path",
            self.program(),
            quoted(&self.to_string())
        )
    }

    /// Why a worker with this command does not do a job of another program, if so.
    ///
    /// # Errors
    /// When its files cannot be read.
    pub(crate) fn differs(&self, job: &Program) -> Result<Option<String>, String> {
        let own = self.read()?;
        if own.digest == job.digest {
            return Ok(None);
        }
        let files = self.files();
        let names: Vec<_> = files
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        Ok(Some(format!(
            "its trainer has the digest {}, the job's has {}: copy the files of '{}' from the \
             orchestrator's machine over {}",
            Program::short(&own.digest),
            Program::short(&job.digest),
            job.command,
            names.join(", ")
        )))
    }

    /// With whole paths, so that it works from another folder.
    pub(crate) fn whole(&self) -> Self {
        let is_path = |word: &str| word.contains('/') || Path::new(word).is_file();
        let mut words = self.words.clone();
        for (at, word) in words.iter_mut().enumerate() {
            let absolute = std::path::absolute(&*word);
            // A program without a folder in its name is looked for in PATH.
            if (if at == 0 {
                word.contains('/')
            } else {
                is_path(word) && Path::new(word).is_file()
            }) && let Some(absolute) = absolute.ok().as_deref().and_then(Path::to_str)
            {
                absolute.clone_into(word);
            }
        }
        Self { words }
    }
}

/// The argument before the file of a module.
const SCRIPT: &str = "--script";

/// The name of the program that links libtorch.
fn beside_name() -> String {
    format!("runtime-trainer{}", std::env::consts::EXE_SUFFIX)
}

/// The program that links libtorch, which lies beside this one.
///
/// # Errors
/// When it does not, in a line that names what it is to train.
pub(super) fn beside(what: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("this program's path: {error}"))?;
    let path = own.with_file_name(beside_name());
    if path.is_file() {
        return Ok(path);
    }
    Err(format!(
        "there is no {}, which trains {what}: copy it from where this program was built ('cargo build \
         --release --locked -p runtime' makes both), or use --model linear",
        path.display()
    ))
}

/// The file of a program: its path, or what PATH has.
fn found(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| path.is_file());
    }
    let path = std::env::var_os("PATH")?;
    let mut places = std::env::split_paths(&path).map(|folder| folder.join(program));
    places.find(|path| path.is_file())
}

/// Takes what is written to it into a digest.
struct Sink<'a>(&'a mut Sha256);

impl io::Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

impl fmt::Display for TrainerCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.words.iter().map(|word| quoted(word)).collect();
        f.write_str(&words.join(" "))
    }
}

impl FromStr for TrainerCommand {
    type Err = String;

    /// Words are taken apart as a shell does it, with quotes and backslashes, and nothing else of it.
    fn from_str(text: &str) -> Result<Self, String> {
        let (mut words, mut word) = (Vec::new(), None::<String>);
        let mut letters = text.chars();
        while let Some(c) = letters.next() {
            match c {
                '\'' | '"' => {
                    let word = word.get_or_insert_default();
                    loop {
                        match letters.next() {
                            Some(end) if end == c => break,
                            Some('\\') if c == '"' => word.extend(letters.next()),
                            Some(inner) => word.push(inner),
                            None => return Err(format!("a quote {c} is not closed")),
                        }
                    }
                }
                '\\' => word.get_or_insert_default().extend(letters.next()),
                c if c.is_whitespace() => words.extend(word.take()),
                c => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        Self::of(words)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn words_are_taken_apart_as_a_shell_does_it() {
        let check = |text: &str, expected: &[&str]| {
            let command: TrainerCommand = text.parse().expect("a command");
            assert_eq!(command.words, expected, "{text}");
            assert_eq!(command.to_string().parse(), Ok(command), "{text}");
        };
        check("python my_model.py", &["python", "my_model.py"]);
        check("  a   b\t", &["a", "b"]);
        check(
            r#"a 'b c' "d \"e\"" f\ g '' h'i'j"#,
            &["a", "b c", "d \"e\"", "f g", "", "hij"],
        );
        check("a \"it's\"", &["a", "it's"]);
        for wrong in ["", "  ", "a 'b", "a \"b", "''"] {
            assert!(wrong.parse::<TrainerCommand>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_file_with_a_module_stands_for_its_command() {
        let option = |text: &str| text.parse::<TrainerCommand>().map(|c| c.option());
        let command = "/opt/allot/runtime-trainer --script '/tmp/my net.pt'";
        assert_eq!(option(command), Ok("--model '/tmp/my net.pt'".to_owned()));
        let command = "python train.py --script x.pt";
        assert_eq!(option(command), Ok(format!("--trainer '{command}'")));
        let why = TrainerCommand::script(Path::new("no-such.pt")).expect_err("there is none");
        assert!(why.starts_with("there is no file no-such.pt, "), "{why}");
    }

    #[test]
    fn the_digest_is_of_the_files_that_are_named_and_of_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("written");
            path.display().to_string()
        };
        let of = |words: &[&str]| {
            let words = words.iter().map(|&word| word.to_owned()).collect();
            TrainerCommand::of(words).expect("a command")
        };
        let digest = |words: &[&str]| of(words).read().expect("a digest").digest;
        let (one, same) = (file("a.py", "train"), file("b.py", "train"));
        let other = file("c.py", "trains");
        assert_eq!(
            digest(&["python3", &one]),
            digest(&["no-python", &same, "--fast"])
        );
        assert_ne!(digest(&["python3", &one]), digest(&["python3", &other]));
        assert_ne!(digest(&["x", &one, &other]), digest(&["x", &other, &one]));
        assert_eq!(digest(&[&one]), digest(&[&same]), "a program by itself");
        assert_ne!(digest(&["sh"]), digest(&[&one]), "one in PATH");
        let job = of(&["python3", &one]).read().expect("a program");
        assert_eq!(of(&["python3", &same]).differs(&job), Ok(None));
        let why = of(&["python3", &other]).differs(&job).expect("it is read");
        let why = why.expect("it differs");
        let (own, theirs) = (digest(&["x", &other]), job.digest);
        for part in [
            &Program::short(&own),
            &Program::short(&theirs),
            &one,
            &other,
        ] {
            assert!(why.contains(part.as_str()), "{part} in {why}");
        }
        let error = of(&["no-such-program", "no-such-file"]).read();
        let error = error.expect_err("there is nothing to run");
        assert!(
            error.starts_with("there is no program 'no-such-program'"),
            "{error}"
        );
    }
}
