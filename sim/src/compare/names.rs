//! What folders are called: as short as can be, and each differently.

use std::path::{Path, PathBuf};

/// A folder and what it is called.
pub(super) struct Named<F> {
    pub(super) name: String,
    pub(super) folder: F,
}

/// The last parts of each path, as many as it takes to tell it from all others; a folder that is
/// named twice gets a number.
pub(super) fn short(paths: &[PathBuf]) -> Vec<String> {
    let parts: Vec<Vec<String>> = paths.iter().map(|path| parts(path)).collect();
    let suffix = |parts: &[String], count: usize| {
        let from = parts.len().saturating_sub(count);
        parts[from..].join("/")
    };
    let mut names: Vec<String> = Vec::new();
    for (place, own) in parts.iter().enumerate() {
        let others = || {
            let others = parts.iter().enumerate().filter(|(at, _)| *at != place);
            others.map(|(_, parts)| parts).filter(|parts| *parts != own)
        };
        let is_enough = |count: &usize| {
            let name = suffix(own, *count);
            others().all(|other| suffix(other, *count) != name)
        };
        let count = (1..=own.len()).find(is_enough).unwrap_or(own.len());
        let name = suffix(own, count);
        let before = parts[..place].iter().filter(|other| *other == own).count();
        names.push(match before {
            0 => name,
            _ => format!("{name} ({})", before + 1),
        });
    }
    names
}

/// As it is typed; where that ends in no name, such as `.`, its absolute path.
fn parts(path: &Path) -> Vec<String> {
    let absolute = match path.file_name() {
        Some(_) => None,
        None => path.canonicalize().ok(),
    };
    let path = absolute.as_deref().unwrap_or(path);
    let part = |part: std::path::Component<'_>| {
        let text = part.as_os_str().to_string_lossy();
        text.chars().filter(|c| !c.is_control()).collect()
    };
    let parts: Vec<String> = path.components().map(part).collect();
    match parts.strip_prefix(&["/".to_owned()][..]) {
        Some(rest) if !rest.is_empty() => rest.to_vec(),
        _ => parts,
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn names_are_as_short_as_can_be() {
        let names = |paths: &[&str]| {
            let paths: Vec<_> = paths.iter().map(std::path::PathBuf::from).collect();
            short(&paths)
        };
        assert_eq!(names(&["results/old", "results/new/"]), ["old", "new"]);
        assert_eq!(names(&["/a/x", "/b/x", "/b/y"]), ["a/x", "b/x", "y"]);
        assert_eq!(names(&["x", "b/x", "c/b/x"]), ["x", "b/x", "c/b/x"]);
        assert_eq!(names(&["a/x", "a/x", "a/y"]), ["x", "x (2)", "y"]);
        assert_eq!(names(&["/"]), ["/"]);
        let here = names(&["."]);
        assert!(!here[0].is_empty() && here[0] != ".", "{here:?}");
    }
}
