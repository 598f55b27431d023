//! The colours of a report, light and dark, and the style sheets that know them.
//!
//! Pictures are drawn with inks. An ink is a class of the style sheet, so that a picture within
//! the page follows the page. Colours are Okabe and Ito's, made darker or lighter until lines and
//! words keep their contrast; lines differ by their dashes and areas by their hatching too, so
//! that nothing is lost in grey.

use std::fmt::Write;

/// What something is drawn with. The number is kept in the colour that the library is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// Words that matter.
    Text,
    /// The words of axes.
    Quiet,
    /// Lines behind everything.
    Grid,
    /// The lines of axes.
    Axis,
    /// A line that a series is held against.
    Mark,
    /// The ground, to keep words readable on lines.
    Ground,
    /// The line of a series.
    Line(u8),
    /// A plain area of a series.
    Area(u8),
    /// An area that is seen through.
    Veil(u8),
    /// A hatched area of a series.
    Hatch(u8),
}

/// Series that have a colour of their own.
pub(super) const SERIES: u8 = 6;

/// Each ink, and the class that it becomes.
pub(super) fn inks() -> impl Iterator<Item = (Ink, String)> {
    let plain = [
        (Ink::Text, "tx"),
        (Ink::Quiet, "tq"),
        (Ink::Grid, "gr"),
        (Ink::Axis, "ax"),
        (Ink::Mark, "mk"),
        (Ink::Ground, "bg"),
    ];
    let series = (0..SERIES).flat_map(|of| {
        [
            (Ink::Line(of), format!("l{of}")),
            (Ink::Area(of), format!("a{of}")),
            (Ink::Veil(of), format!("v{of}")),
            (Ink::Hatch(of), format!("h{of}")),
        ]
    });
    plain
        .map(|(ink, class)| (ink, class.to_owned()))
        .into_iter()
        .chain(series)
}

impl Ink {
    /// What the drawing library is given: no colour, but a number that is found again.
    pub(super) const fn code(self) -> (u8, u8, u8) {
        let (kind, of) = match self {
            Self::Text => (0, 0),
            Self::Quiet => (1, 0),
            Self::Grid => (2, 0),
            Self::Axis => (3, 0),
            Self::Mark => (4, 0),
            Self::Ground => (5, 0),
            Self::Line(of) => (6, of),
            Self::Area(of) => (7, of),
            Self::Veil(of) => (8, of),
            Self::Hatch(of) => (9, of),
        };
        (0xA1, kind, of)
    }
}

/// The colours of a mode.
struct Colours {
    ground: &'static str,
    /// Behind tables and code.
    panel: &'static str,
    text: &'static str,
    quiet: &'static str,
    link: &'static str,
    grid: &'static str,
    axis: &'static str,
    series: [&'static str; SERIES as usize],
}

const LIGHT: Colours = Colours {
    ground: "#ffffff",
    panel: "#f3f5f7",
    text: "#15191d",
    quiet: "#4a545d",
    link: "#0a58a6",
    grid: "#dde2e6",
    axis: "#747e88",
    series: [
        "#0064ad", "#b84600", "#00755a", "#98407d", "#7d5c00", "#4a545d",
    ],
};

const DARK: Colours = Colours {
    ground: "#14181c",
    panel: "#1e2429",
    text: "#eef1f3",
    quiet: "#b4bdc5",
    link: "#83c5ff",
    grid: "#343d45",
    axis: "#8a959f",
    series: [
        "#5cb8f5", "#ff9a61", "#3cc9a0", "#e8a0ce", "#e2c150", "#b4bdc5",
    ],
};

/// Dashes in tenths of a unit, the same for every size of picture.
const DASHES: [&str; SERIES as usize] =
    ["none", "70 35", "20 28", "110 30 20 30", "45 20", "150 40"];

impl Colours {
    fn variables(&self) -> String {
        let mut text = format!(
            "--ground:{};--panel:{};--text:{};--quiet:{};--link:{};--grid:{};--axis:{};",
            self.ground, self.panel, self.text, self.quiet, self.link, self.grid, self.axis
        );
        for (of, colour) in self.series.iter().enumerate() {
            // Writing to a text does not fail.
            let _ = write!(text, "--c{of}:{colour};");
        }
        text
    }
}

/// The colours as variables, for the page and for pictures by themselves. Paper is light.
pub(super) fn colours(root: &str) -> String {
    let (light, dark) = (LIGHT.variables(), DARK.variables());
    format!(
        "{root}{{color-scheme:light dark;{light}}}\n\
         @media (prefers-color-scheme:dark){{{root}{{{dark}}}}}\n\
         @media print{{{root}{{color-scheme:light;{light}}}}}\n"
    )
}

/// What the inks look like.
pub(super) fn ink_styles() -> String {
    let mut text =
        ".chart text{font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica \
                    Neue\",Arial,\"DejaVu Sans\",sans-serif;font-variant-numeric:tabular-nums}\n\
                    .tx{fill:var(--text)}.tq{fill:var(--quiet)}.bg{fill:var(--ground)}\
                    .gr,.ax,.mk{fill:none;stroke-width:10}.gr{stroke:var(--grid)}\
                    .ax{stroke:var(--axis)}.mk{stroke:var(--text);stroke-width:15;\
                    stroke-dasharray:50 40}\n"
            .to_owned();
    for of in 0..SERIES {
        let dashes = DASHES[usize::from(of)];
        // Writing to a text does not fail.
        let _ = writeln!(
            text,
            ".l{of}{{fill:none;stroke:var(--c{of});stroke-width:20;stroke-linejoin:round;\
             stroke-dasharray:{dashes}}}.a{of}{{fill:var(--c{of})}}\
             .v{of}{{fill:var(--c{of});fill-opacity:.16}}\
             .h{of}{{fill:url(#hatch{of});stroke:var(--c{of});stroke-width:10}}\
             .p{of}{{stroke:var(--c{of});stroke-width:22;fill:none}}"
        );
    }
    text
}

/// The hatchings, which areas refer to.
pub(super) fn hatchings() -> String {
    let mut text = "<defs>".to_owned();
    for of in 0..SERIES {
        // Each its own direction and distance.
        let (turn, step) = [
            (45, 60),
            (-45, 60),
            (0, 50),
            (90, 50),
            (45, 100),
            (-45, 100),
        ][usize::from(of)];
        let _ = write!(
            text,
            "<pattern id=\"hatch{of}\" width=\"{step}\" height=\"{step}\" \
             patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate({turn})\">\
             <path class=\"p{of}\" d=\"M0 0V{step}\"/></pattern>"
        );
    }
    text + "</defs>"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channels(colour: &str) -> [f64; 3] {
        [1, 3, 5].map(|at| {
            let value = u8::from_str_radix(&colour[at..at + 2], 16).expect("two digits");
            let value = f64::from(value) / 255.0;
            if value <= 0.040_45 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        })
    }

    /// As WCAG 2.2 has it.
    fn contrast(one: &str, other: &str) -> f64 {
        let light = |colour| {
            let [red, green, blue] = channels(colour);
            0.2126 * red + 0.7152 * green + 0.0722 * blue
        };
        let (one, other) = (light(one), light(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn contrast_is_measured_as_the_rule_has_it() {
        assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 1e-9);
        assert!((contrast("#777777", "#ffffff") - 4.48).abs() < 0.01);
    }

    #[test]
    fn words_and_lines_keep_their_contrast_in_both_modes() {
        for mode in [&LIGHT, &DARK] {
            for ground in [mode.ground, mode.panel] {
                for words in [mode.text, mode.quiet, mode.link] {
                    assert!(contrast(words, ground) >= 4.5, "{words} on {ground}");
                }
                for line in mode.series {
                    assert!(contrast(line, ground) >= 4.5, "{line} on {ground}");
                }
                assert!(contrast(mode.axis, ground) >= 3.0, "{ground}");
            }
        }
    }

    /// Viénot, Brettel and Mollon's projections for who lacks red or green cones, in linear light.
    #[test]
    fn series_are_told_apart_without_red_or_green_cones() {
        let lacking = [
            [
                [0.112_38, 0.887_62, 0.0],
                [0.112_38, 0.887_62, 0.0],
                [0.004, -0.004, 1.0],
            ],
            [
                [0.292_75, 0.707_25, 0.0],
                [0.292_75, 0.707_25, 0.0],
                [-0.022_34, 0.022_34, 1.0],
            ],
        ];
        for mode in [&LIGHT, &DARK] {
            for matrix in lacking {
                let seen = mode.series.map(|colour| {
                    let light = channels(colour);
                    // To the eye steps are even in the cube root.
                    matrix.map(|row| {
                        let sum: f64 = row.iter().zip(light).map(|(a, b)| a * b).sum();
                        sum.max(0.0).cbrt()
                    })
                });
                // Four allocators are the most that there are; the rest differ by their dashes.
                for (at, one) in seen.iter().enumerate().take(4) {
                    for other in &seen[..at] {
                        let apart = one.iter().zip(other).map(|(a, b)| (a - b).powi(2));
                        let apart = apart.sum::<f64>().sqrt();
                        assert!(apart > 0.06, "{apart} at {at}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_ink_has_a_code_and_a_style_of_its_own() {
        let styles = ink_styles();
        let mut codes = Vec::new();
        for (ink, class) in inks() {
            assert!(styles.contains(&format!(".{class}")), "{class}");
            assert!(!codes.contains(&ink.code()), "{class}");
            codes.push(ink.code());
        }
    }
}
