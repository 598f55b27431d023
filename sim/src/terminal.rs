//! How text on standard output looks.

use results::text::Style;

/// The style for standard output.
pub(crate) fn style() -> Style {
    Style {
        bold: console::is_bold(),
        width: console::width(),
    }
}
