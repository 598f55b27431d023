//! How pages on standard output look.

/// How a page looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether headings are in bold.
    pub(crate) bold: bool,
    /// How many characters fit a line.
    pub(crate) width: usize,
}

impl Style {
    /// That of standard output.
    pub(crate) fn of_output() -> Self {
        Self {
            bold: console::is_bold(),
            width: console::width(),
        }
    }

    /// A heading, without the line break.
    pub(crate) fn heading(self, text: &str) -> String {
        if self.bold {
            format!("\x1b[1m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
