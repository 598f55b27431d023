//! Pictures made of characters.

use std::fmt::Write;

/// Lower parts of a cell, from none to all of it.
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Left parts of a cell.
const LEFT: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// A bar of `value`, on a scale that ends at `full` after `width` cells, with a mark at `limit`.
/// What is beyond the limit is lighter.
pub(super) fn bar(value: f64, limit: f64, full: f64, width: usize) -> String {
    let cells = |amount: f64| (amount / full * width as f64).clamp(0.0, width as f64);
    let (end, mark) = (cells(value), cells(limit).floor() as usize);
    (0..width)
        .map(|cell| {
            let filled = ((end - cell as f64).clamp(0.0, 1.0) * 8.0).round() as usize;
            match (cell, filled) {
                _ if cell == mark => '│',
                (_, 0) => ' ',
                _ if cell > mark => '▒',
                (_, filled) => LEFT[filled],
            }
        })
        .collect()
}

/// A curve that stays at each point's height until the next point.
pub(super) struct Steps<'a> {
    /// Places from left to right with their heights.
    pub(super) points: &'a [(f64, f64)],
    /// The places at the left and right end.
    pub(super) range: (f64, f64),
    /// A place to mark, and its name.
    pub(super) mark: Option<(f64, &'a str)>,
    /// What stands at both ends of the axis.
    pub(super) ends: (&'a str, &'a str),
    /// What the heights are, and what the places are.
    pub(super) names: (&'a str, &'a str),
}

/// Lines of a curve.
const HEIGHT: usize = 12;

/// Draws the curve as the area below it, `width` characters wide. Each cell has the least height
/// within it.
pub(super) fn steps(curve: &Steps<'_>, width: usize) -> String {
    let highest = curve.points.iter().map(|(_, y)| *y).fold(0.0, f64::max);
    let labels = [highest, highest / 2.0, 0.0].map(short);
    let margin = labels.iter().map(String::len).max().unwrap_or(0).max(4) + 2;
    let cells = width.saturating_sub(margin).max(10);
    let (left, right) = curve.range;
    let place = |cell: usize| left + (right - left) * cell as f64 / cells as f64;
    let heights: Vec<f64> = (0..cells)
        .map(|cell| {
            let reached = curve.points.partition_point(|(x, _)| *x <= place(cell + 1));
            // Before the first point there is nothing.
            reached
                .checked_sub(1)
                .map_or(0.0, |last| curve.points[last].1)
        })
        .collect();
    let mark = curve.mark.map(|(at, name)| {
        let cell = (at - left) / (right - left) * cells as f64;
        (cell.clamp(0.0, cells as f64 - 1.0) as usize, name)
    });
    let mut text = format!("{}\n", curve.names.0);
    for row in (0..HEIGHT).rev() {
        let label = match row {
            _ if row == HEIGHT - 1 => &labels[0],
            _ if row == HEIGHT / 2 - 1 => &labels[1],
            0 => &labels[2],
            _ => "",
        };
        let _ = write!(text, "{label:>width$} ┤", width = margin - 2);
        let line: String = heights
            .iter()
            .enumerate()
            .map(|(cell, height)| {
                let eighths = height / highest.max(f64::MIN_POSITIVE) * (HEIGHT * 8) as f64;
                let filled = (eighths - (row * 8) as f64).clamp(0.0, 8.0).round() as usize;
                match mark {
                    Some((at, _)) if at == cell && filled == 0 => '┊',
                    _ => EIGHTHS[filled],
                }
            })
            .collect();
        text += line.trim_end();
        text.push('\n');
    }
    let pad = " ".repeat(margin - 1);
    let axis: String = (0..cells)
        .map(|cell| {
            if mark.is_some_and(|(at, _)| at == cell) {
                '┴'
            } else {
                '─'
            }
        })
        .collect();
    let _ = writeln!(text, "{pad}└{axis}");
    let (from, upto) = curve.ends;
    let mut below = format!("{from:<cells$}");
    let end = cells.saturating_sub(upto.chars().count());
    put(&mut below, end, upto);
    let middle = cells.saturating_sub(curve.names.1.chars().count()) / 2;
    put(&mut below, middle, curve.names.1);
    let _ = writeln!(text, "{pad} {}", below.trim_end());
    if let Some((at, name)) = mark {
        let begin = at.saturating_sub(name.chars().count() / 2);
        let begin = begin.min(cells.saturating_sub(name.chars().count()));
        let _ = writeln!(text, "{pad} {}{name}", " ".repeat(begin));
    }
    text
}

/// Writes a word over blanks at a place of a line of single-width characters.
fn put(line: &mut String, at: usize, word: &str) {
    let mut cells: Vec<char> = line.chars().collect();
    let end = at + word.chars().count();
    if cells.len() < end {
        cells.resize(end, ' ');
    }
    if cells[at..end].iter().all(|cell| *cell == ' ') {
        for (cell, letter) in cells[at..end].iter_mut().zip(word.chars()) {
            *cell = letter;
        }
    }
    *line = cells.into_iter().collect();
}

/// A number in few characters.
pub(super) fn short(value: f64) -> String {
    match value {
        value if value >= 1e9 => format!("{value:.2e}"),
        value if value >= 1e6 => format!("{:.2}M", value / 1e6),
        value if value >= 1e4 => format!("{:.1}k", value / 1e3),
        value if value >= 100.0 => format!("{value:.0}"),
        value => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_their_mark_where_the_limit_is() {
        assert_eq!(bar(1.0, 2.0, 4.0, 8), "██  │   ");
        assert_eq!(bar(0.75, 2.0, 4.0, 8), "█▌  │   ");
        assert_eq!(bar(4.0, 2.0, 4.0, 8), "████│▒▒▒");
        assert_eq!(bar(9.0, 2.0, 4.0, 8), "████│▒▒▒");
        assert_eq!(bar(0.0, 4.0, 4.0, 8), "        ");
    }

    #[test]
    fn a_curve_falls_where_its_points_are() {
        let curve = Steps {
            points: &[(2.0, 12.0), (5.0, 6.0)],
            range: (0.0, 10.0),
            mark: Some((7.0, "now")),
            ends: ("0 s", "10 s"),
            names: ("fee", "limit"),
        };
        let drawn = steps(&curve, 26);
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines.len(), HEIGHT + 4, "{drawn}");
        assert_eq!(lines[0], "fee");
        assert_eq!(lines[1].trim_end(), "12.00 ┤   ██████    ┊", "{drawn}");
        assert_eq!(lines[12], " 0.00 ┤   ████████████████", "{drawn}");
        assert!(lines[13].starts_with("      └"), "{drawn}");
        assert_eq!(lines[13].chars().count(), 26, "{drawn}");
        assert_eq!(lines[14].trim(), "0 s    limit   10 s", "{drawn}");
        assert!(lines[15].trim() == "now", "{drawn}");
    }
}
