//! Text for terminals and for CSV files: tables, paragraphs, and numbers with their intervals.
//!
//! ```
//! use results::text::{Style, Table};
//!
//! let mut table = Table::new(["allocator"], ["fee", "missed %"]);
//! table.row(["exact", "34.00", "5.0"]);
//! assert_eq!(
//!     table.render(Style::PLAIN),
//!     "allocator    fee  missed %\nexact      34.00       5.0\n"
//! );
//! ```
//!
//! **What it does not know:** where the text goes, and how wide a terminal is.

use crate::interval::Estimate;

/// Characters in a line of a paragraph where nobody says how wide the terminal is.
const USUAL_WIDTH: usize = 80;

/// How text looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether headings are in bold.
    pub bold: bool,
    /// Characters that fit a line. Without it paragraphs are of the usual width, and tables are as
    /// wide as they are.
    pub width: Option<usize>,
}

impl Style {
    /// For files, pipes and tests.
    pub const PLAIN: Self = Self {
        bold: false,
        width: None,
    };

    /// A heading, without the line break.
    pub fn heading(self, text: &str) -> String {
        if self.bold && !text.is_empty() {
            format!("\x1b[1m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Characters in a line of a paragraph or a picture.
    pub fn line(self) -> usize {
        self.width.unwrap_or(USUAL_WIDTH).clamp(60, 160)
    }

    /// A paragraph, broken at blanks. Lines after the first begin with `indent` blanks.
    pub fn paragraph(self, text: &str, indent: usize) -> String {
        wrapped(text, self.line() - indent, indent) + "\n"
    }

    /// A word as a heading, then what is said of it, in a column of its own.
    pub fn item(self, word: &str, text: &str) -> String {
        const INDENT: usize = 12;
        let pad = " ".repeat(INDENT.saturating_sub(word.chars().count()).max(1));
        let text = wrapped(text, self.line() - INDENT, INDENT);
        format!("{}{pad}{text}\n", self.heading(word))
    }
}

/// Columns of cells under headings.
#[derive(Clone, Debug, Default)]
pub struct Table {
    headings: Vec<String>,
    /// The first columns, which hold names: they begin at the left, and are repeated where a table
    /// is continued.
    names: usize,
    /// Whether the last column is text of any length rather than a number.
    ends_in_text: bool,
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
enum Line {
    Cells(Vec<String>),
    Section(String),
}

impl Table {
    /// A table of names, which begin at the left, and numbers, which end at the right.
    pub fn new<N: Into<String>, V: Into<String>>(
        names: impl IntoIterator<Item = N>,
        numbers: impl IntoIterator<Item = V>,
    ) -> Self {
        let mut headings: Vec<String> = names.into_iter().map(Into::into).collect();
        let names = headings.len();
        headings.extend(numbers.into_iter().map(Into::into));
        Self {
            headings,
            names,
            ..Self::default()
        }
    }

    /// Adds a last column of text. Rows may leave it out.
    #[must_use]
    pub fn and_text(mut self, heading: &str) -> Self {
        self.headings.push(heading.to_owned());
        self.ends_in_text = true;
        self
    }

    /// Adds a row. Control characters are shown as escapes.
    pub fn row<C: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = C>) {
        let cells = cells.into_iter().map(|cell| visible(cell.as_ref()));
        self.lines.push(Line::Cells(cells.collect()));
    }

    /// Begins a part of the table that has a title, with the headings again below it.
    pub fn section(&mut self, title: impl Into<String>) {
        self.lines.push(Line::Section(title.into()));
    }

    /// The text. A table that is wider than a line is continued below, with its names again.
    pub fn render(&self, style: Style) -> String {
        let widths: Vec<usize> = (0..self.headings.len()).map(|at| self.width(at)).collect();
        let line = style.width.unwrap_or(usize::MAX);
        let mut text = String::new();
        let mut rest = self.names..self.headings.len();
        loop {
            let mut block: Vec<usize> = (0..self.names).collect();
            let mut used: usize = block.iter().map(|&at| widths[at] + 2).sum();
            while let Some(at) = rest.clone().next() {
                used += widths[at] + 2;
                if used > line.saturating_add(2) && block.len() > self.names {
                    break;
                }
                block.push(at);
                rest.next();
            }
            self.write(&mut text, &block, &widths, style);
            if rest.is_empty() {
                return text;
            }
            text.push('\n');
        }
    }

    fn write(&self, text: &mut String, block: &[usize], widths: &[usize], style: Style) {
        let heading = style.heading(&self.line(&self.headings, block, widths)) + "\n";
        if !matches!(self.lines.first(), Some(Line::Section(_))) {
            text.push_str(&heading);
        }
        for (at, line) in self.lines.iter().enumerate() {
            match line {
                Line::Cells(cells) => {
                    text.push_str(&self.line(cells, block, widths));
                    text.push('\n');
                }
                Line::Section(title) => {
                    if at > 0 {
                        text.push('\n');
                    }
                    text.push_str(&format!("{}\n{heading}", style.heading(title)));
                }
            }
        }
    }

    fn line(&self, cells: &[String], block: &[usize], widths: &[usize]) -> String {
        let mut line = String::new();
        for &at in block {
            let cell = cells.get(at).map_or("", String::as_str);
            let blanks = " ".repeat(widths[at] - cell.chars().count());
            let is_text = self.ends_in_text && at + 1 == self.headings.len();
            if at < self.names || is_text {
                line.extend([cell, &blanks, "  "]);
            } else {
                line.extend([&blanks, cell, "  "]);
            }
        }
        line.truncate(line.trim_end().len());
        line
    }

    /// That of the widest cell.
    fn width(&self, column: usize) -> usize {
        let cells = self.lines.iter().filter_map(|line| match line {
            Line::Cells(cells) => cells.get(column),
            Line::Section(_) => None,
        });
        let cells = cells.chain([&self.headings[column]]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

/// The lines of a text that is broken at blanks. A word that is longer than a line has one of its own.
pub fn broken(text: &str, width: usize) -> Vec<String> {
    let text = wrapped(text, width, 0);
    text.lines().map(str::to_owned).collect()
}

/// Breaks at blanks; lines after the first begin with `indent` blanks. What is to be typed after
/// `--set` stays together.
fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let text = text.replace("--set ", "--set\0");
    let (mut lines, mut used) = (String::new(), 0);
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            lines.push('\n');
            lines.push_str(&" ".repeat(indent));
            used = 0;
        } else if used > 0 {
            lines.push(' ');
            used += 1;
        }
        lines += &word.replace('\0', " ");
        used += length;
    }
    lines
}

/// Text from outside in one line, without what a terminal would take as a command.
pub fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            visible.extend(c.escape_default());
        } else {
            visible.push(c);
        }
    }
    visible
}

/// A cell of a CSV file, as RFC 4180 has it. What a spreadsheet would work out instead of showing
/// it gets a `'` before it. An empty text is quoted, and so differs from no value.
pub fn csv_cell(cell: &str) -> String {
    let mut chars = cell.chars();
    let is_formula = match chars.next() {
        Some('=' | '@') => true,
        // A number, or a flag in a message.
        Some('+' | '-') => !chars
            .next()
            .is_some_and(|c| c.is_ascii_digit() || ".-".contains(c)),
        _ => false,
    };
    let is_plain = !cell.is_empty()
        && cell.trim() == cell
        && !is_formula
        && !cell.contains(|c: char| c.is_control() || c == ',' || c == '"');
    if is_plain {
        return cell.to_owned();
    }
    let guard = if is_formula { "'" } else { "" };
    format!("\"{guard}{}\"", cell.replace('"', "\"\""))
}

/// "1 worker", "2 workers".
pub fn counted(count: u64, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{plural}")
}

/// The first names of a list, and how many more there are.
pub fn first_of(names: &[&str], most: usize) -> String {
    let more = match names.len().saturating_sub(most) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    names[..names.len().min(most)].join(", ") + &more
}

/// What stands for a value that is not known.
pub fn dash() -> String {
    "-".to_owned()
}

/// With this many places, and zero without a sign; a dash where there is none.
pub fn number(value: Option<f64>, places: usize) -> String {
    value.map_or_else(dash, |value| fixed(value, places))
}

/// A mean, `± ` half of its interval.
pub fn plus_minus(estimate: Option<Estimate>, places: usize) -> String {
    estimate.map_or_else(dash, |Estimate { value, high, .. }| {
        let half = high.map(|high| format!(" ± {:.places$}", high - value));
        fixed(value, places) + &half.unwrap_or_default()
    })
}

/// A value and its interval, which need not be symmetric.
pub fn interval(estimate: Option<Estimate>, places: usize) -> String {
    bracketed(estimate, |value| fixed(value, places))
}

/// A difference and its interval, with signs.
pub fn signed_interval(estimate: Option<Estimate>, places: usize) -> String {
    bracketed(estimate, |value| signed(value, places))
}

/// A difference, with a sign.
pub fn signed(value: f64, places: usize) -> String {
    let text = fixed(value, places);
    if text.starts_with('-') {
        text
    } else {
        format!("+{text}")
    }
}

fn bracketed(estimate: Option<Estimate>, shown: impl Fn(f64) -> String) -> String {
    estimate.map_or_else(dash, |Estimate { value, low, high }| {
        let ends = low.zip(high);
        let ends = ends.map(|(low, high)| format!(" [{}, {}]", shown(low), shown(high)));
        shown(value) + &ends.unwrap_or_default()
    })
}

fn fixed(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    match text.strip_prefix('-') {
        Some(size) if size.chars().all(|c| matches!(c, '0' | '.')) => size.to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["name"], ["fee", "wall s", "missed %"]).and_text("error");
        table.row(["exact", "34.00", "5", "0.1"]);
        table.row(["lp\n", "7", "1234.5", "-", "no plan"]);
        table
    }

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        assert_eq!(
            table().render(Style::PLAIN),
            "name     fee  wall s  missed %  error\n\
             exact  34.00       5       0.1\n\
             lp\\n       7  1234.5         -  no plan\n"
        );
    }

    /// Nothing is lost, and no line is longer, unless a single column is.
    #[test]
    fn a_wide_table_is_continued_below() {
        let narrow = |width| {
            table().render(Style {
                bold: false,
                width: Some(width),
            })
        };
        assert_eq!(
            narrow(26),
            "name     fee  wall s\n\
             exact  34.00       5\n\
             lp\\n       7  1234.5\n\
             \n\
             name   missed %  error\n\
             exact       0.1\n\
             lp\\n          -  no plan\n"
        );
        for width in 1..60 {
            let text = narrow(width);
            for cell in ["fee", "wall s", "missed %", "1234.5", "no plan"] {
                assert!(text.contains(cell), "{text}");
            }
            let most = text.lines().map(|line| line.chars().count()).max();
            assert!(most <= Some(width.max(16)), "{width}: {text}");
        }
    }

    #[test]
    fn sections_have_their_title_and_the_headings() {
        let mut table = Table::new(["a"], ["b"]);
        for title in ["one", "two"] {
            table.section(title);
            table.row(["x", "1"]);
        }
        assert_eq!(
            table.render(Style::PLAIN),
            "one\na  b\nx  1\n\ntwo\na  b\nx  1\n"
        );
        let bold = Style {
            bold: true,
            width: None,
        };
        assert!(
            table
                .render(bold)
                .starts_with("\x1b[1mone\x1b[0m\n\x1b[1ma  b\x1b[0m\n")
        );
    }

    #[test]
    fn paragraphs_break_at_blanks() {
        let text = "try a longer limit of the job (--set job.max_time=120s), or fewer workers";
        assert_eq!(
            wrapped(text, 34, 2),
            "try a longer limit of the job\n  (--set job.max_time=120s), or\n  fewer workers"
        );
    }

    #[test]
    fn what_comes_from_outside_keeps_to_its_place() {
        assert_eq!(visible("µ\n\x1b[1m"), "µ\\n\\u{1b}[1m");
        for (cell, expected) in [
            ("30 s", "30 s"),
            ("", "\"\""),
            ("[1, 2]", "\"[1, 2]\""),
            ("\"a\"", "\"\"\"a\"\"\""),
            ("a\nb", "\"a\nb\""),
            (" a", "\" a\""),
            ("-0.5 s", "-0.5 s"),
            ("=1+1", "\"'=1+1\""),
            ("-cmd", "\"'-cmd\""),
            ("--vary is", "--vary is"),
        ] {
            assert_eq!(csv_cell(cell), expected);
        }
    }

    #[test]
    fn numbers_have_their_places_and_intervals() {
        let estimate = |value, low, high| {
            Some(Estimate {
                value,
                low: Some(low),
                high: Some(high),
            })
        };
        assert_eq!(plus_minus(estimate(2.0, 1.5, 2.5), 2), "2.00 ± 0.50");
        assert_eq!(interval(estimate(-0.001, -1.0, 0.5), 1), "0.0 [-1.0, 0.5]");
        assert_eq!(signed_interval(estimate(1.0, -1.0, 3.0), 0), "+1 [-1, +3]");
        assert_eq!(plus_minus(None, 2), "-");
        assert_eq!(number(Some(-0.0), 1), "0.0");
        assert_eq!(counted(1, "cycle") + &counted(2, "s"), "1 cycle2 ss");
        assert_eq!(first_of(&["a", "b", "c"], 2), "a, b and 1 more");
    }
}
