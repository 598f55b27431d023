//! Text that comes from outside, made harmless for the file that it goes into.

/// For HTML, SVG and attributes in double quotes. What is no character of XML becomes a sign for
/// something unreadable, so that every page can be read strictly.
pub(super) fn markup(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(printable(c)),
        }
    }
    safe
}

/// Without what cannot be printed, in one line: for labels, which are escaped where they are drawn.
pub(super) fn label(text: &str) -> String {
    let plain = |c: char| if c.is_whitespace() { ' ' } else { printable(c) };
    text.chars().map(plain).collect()
}

fn printable(c: char) -> char {
    // Marks that turn the direction of writing could make a name look like another.
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_character = !c.is_control() || matches!(c, '\n' | '\t');
    if is_character && !turns && !matches!(c, '\u{fffe}' | '\u{ffff}') {
        c
    } else {
        '\u{fffd}'
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_its_place() {
        assert_eq!(
            markup("<script>\"'&\u{1b}\u{202e}"),
            "&lt;script&gt;&quot;&#39;&amp;\u{fffd}\u{fffd}"
        );
        assert_eq!(label("a\nb\0"), "a b\u{fffd}");
    }
}
