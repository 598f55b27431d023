//! Names of workers: they reach terminals, tables, spreadsheets and command lines, wherever they come from.

/// The longest name, in bytes.
const MOST: usize = 64;

/// What a name may be, for messages.
pub const PLAIN_NAME: &str =
    "1 to 64 letters, digits, spaces and signs, of which the first is a letter or a digit";

/// Whether a name is read everywhere as what it is: no terminal takes it for a command, no spreadsheet for
/// a formula, no program for a flag, and two that differ look different.
pub fn is_plain_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_alphanumeric() || c.is_ascii_graphic() || c == ' ';
    (1..=MOST).contains(&name.len())
        && name.starts_with(char::is_alphanumeric)
        && name.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_taken_for_something_else_is_no_name() {
        for name in ["pc1", "Ännis Rechner", "lab/3 (old)", "7", "机器"] {
            assert!(is_plain_name(name), "{name}");
        }
        let long = "x".repeat(65);
        for name in [
            "",
            "=1+1",
            "+1",
            "-x",
            "@x",
            "../x",
            "/x",
            " x",
            "a\nb",
            "a\u{1b}[2J",
            "a\u{202e}b",
            "a\u{200b}b",
            "a\u{7f}",
            &long,
        ] {
            assert!(!is_plain_name(name), "{name:?}");
        }
    }
}
