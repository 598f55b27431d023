//! The texts of the environment's variables and of the file of variables beside a command, read by
//! the same code for all programs. [`settings`](crate::settings) gives them their meaning.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::scenario::keys;

/// The file of variables beside the environment.
pub(crate) const DOTENV: &str = ".env";

/// A file of variables that is longer is something else.
const MOST_BYTES: u64 = 1 << 20;

/// The texts of variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    /// Those of the environment, by name.
    pub environment: BTreeMap<&'static str, String>,
    /// The text of `.env`, if there is one.
    pub dotenv: Option<String>,
}

impl Outside {
    /// Reads them: the environment by its `variable`s, such as `std::env::var_os`, and the file in
    /// the working `folder`.
    ///
    /// # Errors
    /// What is no text or cannot be read, in one line.
    pub fn read(
        folder: &Path,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, String> {
        let mut environment = BTreeMap::new();
        for name in keys().filter_map(|key| key.variable_name()) {
            if let Some(text) = variable(name) {
                let text = text
                    .into_string()
                    .map_err(|_| format!("environment {name}: it is not UTF-8, expected a text"))?;
                environment.insert(name, text);
            }
        }
        let dotenv = dotenv(folder).map_err(|what| format!("{DOTENV}: {what}"))?;
        Ok(Self {
            environment,
            dotenv,
        })
    }
}

fn dotenv(folder: &Path) -> Result<Option<String>, String> {
    let unreadable = |error: std::io::Error| format!("it cannot be read: {error}");
    let path = folder.join(DOTENV);
    match fs::metadata(&path) {
        // Anything else of that name is another program's, such as a folder of Python's.
        Ok(found) if found.is_file() => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    }
    let mut text = String::new();
    let file = File::open(&path).map_err(unreadable)?;
    let read = file.take(MOST_BYTES + 1).read_to_string(&mut text);
    if read.map_err(unreadable)? as u64 > MOST_BYTES {
        return Err(format!(
            "it is too long for a file of variables, expected {MOST_BYTES} bytes at most"
        ));
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("outside-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("room");
        folder
    }

    #[test]
    fn texts_are_read_and_others_are_refused() {
        let here = folder("texts");
        let given = |name: &str| (name == "BETA").then(|| OsString::from("3"));
        let none = Outside::read(&here, |_| None).expect("nothing is fine");
        assert_eq!(none, Outside::default());
        fs::write(here.join(DOTENV), "S_MIN=4\n").expect("room");
        let read = Outside::read(&here, given).expect("texts");
        let expected = BTreeMap::from([("BETA", "3".to_owned())]);
        assert_eq!(read.environment, expected);
        assert_eq!(read.dotenv.as_deref(), Some("S_MIN=4\n"));

        let most = MOST_BYTES as usize;
        fs::write(here.join(DOTENV), "#".repeat(most)).expect("room");
        assert!(Outside::read(&here, given).is_ok());
        fs::write(here.join(DOTENV), "#".repeat(most + 1)).expect("room");
        let error = Outside::read(&here, given).expect_err("too long");
        assert_eq!(
            error,
            ".env: it is too long for a file of variables, expected 1048576 bytes at most"
        );
        fs::write(here.join(DOTENV), [0xff]).expect("room");
        let error = Outside::read(&here, given).expect_err("no text");
        assert!(error.starts_with(".env: it cannot be read: "), "{error}");
        fs::remove_file(here.join(DOTENV)).expect("it is there");
        fs::create_dir(here.join(DOTENV)).expect("room");
        let read = Outside::read(&here, given).expect("it is another program's");
        assert_eq!(read.dotenv, None);
        fs::remove_dir_all(here).expect("it is there");
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_not_text_is_named() {
        use std::os::unix::ffi::OsStringExt;
        let here = folder("bytes");
        let given = |name: &str| (name == "FEES").then(|| OsString::from_vec(vec![0xff]));
        assert_eq!(
            Outside::read(&here, given).expect_err("no text"),
            "environment FEES: it is not UTF-8, expected a text"
        );
        fs::remove_dir_all(here).expect("it is there");
    }
}
