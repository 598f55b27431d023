//! The sources of data sets, as named on the command line.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::dataset::Splits;
use super::error::DataError;
use super::folder::{read, train_file};
use super::idx::{is_there, read_folder};
use super::images;
use super::synthetic::Synthetic;

/// Where a data set comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataSource {
    /// Handwritten digits.
    Mnist,
    /// Images of clothes, of the same shape.
    FashionMnist,
    /// Generated, which needs no files.
    Synthetic(Synthetic),
    /// A folder with files for training and testing, or the first of these.
    Folder(PathBuf),
}

/// Where the samples for training are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum DataAt {
    /// At the orchestrator, which sends each worker its share.
    Orchestrator,
    /// At every worker: only the numbers of batches are sent.
    Workers,
}

/// A text that does not name a data set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{given}' is not a data set: expected mnist, fashion-mnist, a folder or file, or \
     synthetic[:train=SAMPLES,test=SAMPLES,seed=SEED]{}", why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default()
)]
pub struct UnknownDataSource {
    given: String,
    why: Option<String>,
}

/// Where Debian's package installs it.
const DEBIAN_FASHION: &str = "/usr/share/datasets/fashion-mnist";

impl DataSource {
    /// Reads or generates the data set.
    pub fn load(&self) -> Result<Splits, DataError> {
        match self {
            Self::Synthetic(synthetic) => Ok(synthetic.generate()),
            Self::Folder(file) if file.is_file() => read(file),
            Self::Folder(folder) => match train_file(folder) {
                Some(file) => read(&file),
                None if images::is_there(folder) => images::read(folder),
                None => read_folder(
                    folder,
                    None,
                    "expected train and test with the ending .safetensors, .npz or .csv, folders of \
                     these names with images, the four IDX files, gzipped or not, or the name of a data set",
                ),
            },
            Self::Mnist | Self::FashionMnist => {
                let hint = format!(
                    "run './allot data {self}', which fetches it, or name a folder that has the four IDX files"
                );
                read_folder(&self.folder(), Some(10), &hint)
            }
        }
    }

    /// The folder of a named data set's files: the cache, unless only the system has them.
    fn folder(&self) -> PathBuf {
        let cached = cache().join(self.to_string());
        let system = Path::new(DEBIAN_FASHION);
        if *self == Self::FashionMnist && !is_there(&cached) && is_there(system) {
            return system.to_owned();
        }
        cached
    }
}

/// The folder of the user's cache that `./allot data` writes to.
fn cache() -> PathBuf {
    let set = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let cache = set("XDG_CACHE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(|| PathBuf::from(".cache"));
    cache.join("allot").join("data")
}

impl fmt::Display for DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mnist => f.write_str("mnist"),
            Self::FashionMnist => f.write_str("fashion-mnist"),
            Self::Synthetic(synthetic) => write!(f, "{synthetic}"),
            Self::Folder(folder) => write!(f, "{}", folder.display()),
        }
    }
}

impl FromStr for DataSource {
    type Err = UnknownDataSource;

    /// A name wins over a folder of the same name, which can be given as `./mnist`.
    fn from_str(given: &str) -> Result<Self, UnknownDataSource> {
        let error = |why| UnknownDataSource {
            given: given.to_owned(),
            why,
        };
        match given {
            "mnist" => return Ok(Self::Mnist),
            "fashion-mnist" => return Ok(Self::FashionMnist),
            _ => {}
        }
        if given == "synthetic" || given.starts_with("synthetic:") {
            let options = given.split_once(':').map_or("", |(_, options)| options);
            return Synthetic::parse(options)
                .map(Self::Synthetic)
                .map_err(|why| error(Some(why)));
        }
        if given.contains('/') || Path::new(given).exists() {
            return Ok(Self::Folder(given.into()));
        }
        Err(error(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_as_they_are_displayed() {
        for name in [
            "mnist",
            "fashion-mnist",
            "./mnist",
            "/data/x",
            "synthetic:train=320,test=32,seed=7",
        ] {
            let source: DataSource = name.parse().unwrap();
            assert_eq!(source.to_string(), name);
            assert_eq!(source.to_string().parse(), Ok(source));
        }
        assert_eq!(
            "synthetic:seed=9".parse(),
            Ok(DataSource::Synthetic(Synthetic {
                seed: 9,
                ..Synthetic::default()
            }))
        );
    }

    #[test]
    fn unknown_names_are_refused_in_one_line() {
        let text = |given: &str| given.parse::<DataSource>().unwrap_err().to_string();
        assert_eq!(
            text("mnits"),
            "'mnits' is not a data set: expected mnist, fashion-mnist, a folder or file, or \
             synthetic[:train=SAMPLES,test=SAMPLES,seed=SEED]"
        );
        assert!(text("synthetic:tests=3").ends_with("(there is no 'tests')"));
        assert!(text("synthetic:test=x").ends_with("(test is 'x', expected 1 to 1000000)"));
        assert!(text("synthetic:train=0").ends_with("(train is '0', expected 1 to 1000000)"));
    }
}
