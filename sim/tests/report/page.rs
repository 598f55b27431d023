//! A page read back strictly, and the rules that every page keeps.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use roxmltree::{Document, Node, ParsingOptions};

/// A report that was written.
pub(crate) struct Report {
    pub(crate) dir: PathBuf,
    pub(crate) html: String,
}

/// A table of a page: its caption, its heading, its rows.
pub(crate) struct Table {
    pub(crate) heading: Vec<String>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// A cell: its text, and the numbers in it with every digit.
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) numbers: Vec<f64>,
}

impl Report {
    pub(crate) fn read(dir: &Path) -> Self {
        let html = fs::read_to_string(dir.join("report.html")).expect("the report is there");
        Self {
            dir: dir.to_owned(),
            html,
        }
    }

    pub(crate) fn document(&self) -> Document<'_> {
        let options = ParsingOptions {
            allow_dtd: true,
            ..ParsingOptions::default()
        };
        Document::parse_with_options(&self.html, options).expect("the page is well-formed")
    }

    /// The table of a caption.
    pub(crate) fn table(&self, caption: &str) -> Table {
        let document = self.document();
        let tables = document.descendants().filter(|node| is(node, "table"));
        let mut found = tables.filter(|table| {
            let mut children = table.children();
            children.any(|child| is(&child, "caption") && text(child) == caption)
        });
        let table = found
            .next()
            .unwrap_or_else(|| panic!("there is no table {caption}"));
        let rows = |part: &'static str| {
            let parts = table.children().filter(move |node| is(node, part));
            parts.flat_map(|part| part.children().filter(|node| is(node, "tr")))
        };
        let cells = |row: Node<'_, '_>| {
            let cells = row.children().filter(Node::is_element);
            cells
                .map(|cell| Cell {
                    text: text(cell),
                    numbers: numbers(cell),
                })
                .collect::<Vec<_>>()
        };
        let heading = rows("thead")
            .flat_map(cells)
            .map(|cell| cell.text)
            .collect();
        Table {
            heading,
            rows: rows("tbody").map(cells).collect(),
        }
    }

    /// The data of a figure.
    pub(crate) fn csv(&self, name: &str) -> Csv {
        Csv::read(&self.dir.join("report").join(format!("{name}.csv")))
    }

    pub(crate) fn figures(&self) -> Vec<String> {
        let document = self.document();
        let figures = document.descendants().filter(|node| is(node, "figure"));
        figures
            .map(|figure| attribute(figure, "id").to_owned())
            .collect()
    }

    pub(crate) fn caption(&self, figure: &str) -> String {
        let document = self.document();
        let caption = document.descendants().find(|node| {
            is(node, "figcaption")
                && node
                    .parent()
                    .is_some_and(|parent| parent.attribute("id") == Some(figure))
        });
        text(caption.expect("a figure has a caption"))
    }

    /// What holds for every page, whatever it is about.
    pub(crate) fn assert_sound(&self) {
        let document = self.document();
        let all = || document.descendants().filter(Node::is_element);
        let root = document.root_element();
        assert_eq!(root.attribute("lang"), Some("en"));
        assert!(all().any(|node| node.attribute("name") == Some("viewport")));
        for landmark in ["header", "nav", "main", "footer", "title"] {
            assert!(all().any(|node| is(&node, landmark)), "{landmark}");
        }
        for banned in ["script", "iframe", "object", "img", "base", "form"] {
            assert!(!all().any(|node| is(&node, banned)), "{banned}");
        }
        // Nothing is fetched, and nothing runs.
        for node in all() {
            for attribute in node.attributes() {
                assert!(!attribute.name().starts_with("on"), "{}", attribute.name());
                let is_link = ["href", "src"].contains(&attribute.name());
                let value = attribute.value();
                assert!(
                    !is_link || !value.contains(':') || value == "data:,",
                    "{value}"
                );
            }
        }
        assert!(!self.html.contains("@import") && !self.html.contains("url(http"));
        self.assert_headings();
        self.assert_links();
        for name in self.figures() {
            self.assert_figure(&name);
        }
    }

    fn assert_headings(&self) {
        let document = self.document();
        let level = |node: Node<'_, '_>| {
            let name = node.tag_name().name();
            let digit = name.strip_prefix('h')?;
            digit.parse::<u32>().ok()
        };
        let levels: Vec<u32> = document.descendants().filter_map(level).collect();
        assert_eq!(levels.first(), Some(&1));
        assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
        for pair in levels.windows(2) {
            assert!(
                pair[1] <= pair[0] + 1,
                "h{} comes after h{}",
                pair[1],
                pair[0]
            );
        }
    }

    /// Names are there once; what is referred to is there.
    fn assert_links(&self) {
        let document = self.document();
        let mut ids = BTreeSet::new();
        for node in document.descendants() {
            if let Some(id) = node.attribute("id") {
                assert!(ids.insert(id.to_owned()), "{id} is there twice");
            }
        }
        for node in document.descendants() {
            for reference in ["aria-labelledby", "aria-describedby"] {
                for id in node.attribute(reference).unwrap_or("").split_whitespace() {
                    assert!(ids.contains(id), "{id}");
                }
            }
            match node.attribute("href") {
                None | Some("data:,") => {}
                Some(link) => match link.strip_prefix('#') {
                    Some(id) => assert!(ids.contains(id), "{link}"),
                    None => assert!(self.dir.join(link).is_file(), "{link}"),
                },
            }
        }
        let first = document
            .descendants()
            .find(|node| is(node, "a"))
            .expect("a link");
        assert_eq!(
            first.attribute("href"),
            Some("#main"),
            "the first stop skips to the results"
        );
    }

    fn assert_figure(&self, name: &str) {
        let document = self.document();
        let figure = document
            .descendants()
            .find(|node| is(node, "figure") && node.attribute("id") == Some(name))
            .expect("it is there");
        let part = |part: &str| {
            let found: Vec<_> = figure.descendants().filter(|node| is(node, part)).collect();
            found
        };
        assert_eq!(part("svg").len(), 2, "{name}: a wide and a narrow picture");
        for svg in part("svg") {
            assert_words(svg, name);
        }
        assert!(text(part("figcaption")[0]).len() > 20, "{name}");
        assert_eq!(part("summary").len(), 1, "{name}");
        let links: Vec<&str> = part("a")
            .iter()
            .filter_map(|a| a.attribute("href"))
            .collect();
        let files = ["csv", "svg"].map(|end| format!("report/{name}.{end}"));
        assert_eq!(links, files, "{name}");
        // By itself the picture has its own words and colours.
        let alone = fs::read_to_string(self.dir.join(&files[1])).expect("the picture");
        let alone = Document::parse(&alone).expect("the picture is well-formed");
        assert_words(alone.root_element(), name);
        let style = alone.descendants().find(|node| is(node, "style"));
        let style = text(style.expect("a style sheet"));
        assert!(style.contains("prefers-color-scheme:dark") && style.contains("@media print"));
        assert!(!self.csv(name).rows.is_empty(), "{name} has data");
        self.assert_numbers_of_caption(name);
    }

    /// Every number of a caption stands in a table of the page or in the figure's data.
    fn assert_numbers_of_caption(&self, name: &str) {
        let document = self.document();
        let mut known: Vec<f64> = vec![95.0];
        for node in document.descendants() {
            let is_note = node.attribute("class") == Some("notes");
            if is(&node, "td") || is(&node, "th") || is_note {
                known.extend(shown_numbers(&text(node)));
            }
        }
        let csv = self.csv(name);
        known.extend(
            csv.rows
                .iter()
                .flatten()
                .filter_map(|cell| cell.parse::<f64>().ok()),
        );
        for number in shown_numbers(&self.caption(name)) {
            assert!(
                known.iter().any(|known| near(number, *known)),
                "{number} of {name} is in no table: {}",
                self.caption(name)
            );
        }
    }
}

fn assert_words(svg: Node<'_, '_>, name: &str) {
    assert_eq!(svg.attribute("role"), Some("img"), "{name}");
    let of = |part: &str| {
        let found = svg.children().find(|node| is(node, part));
        text(found.unwrap_or_else(|| panic!("{name} has no {part}")))
    };
    assert!(!of("title").is_empty() && of("desc").len() > 20, "{name}");
    // Letters are letters, of one size that can be read, and inks are classes.
    let words: Vec<_> = svg.descendants().filter(|node| is(node, "text")).collect();
    assert!(words.len() > 3, "{name}");
    for word in words {
        let size: f64 = attribute(word, "font-size").parse().expect("a size");
        assert!(size >= 119.0, "{name}: {size}");
    }
    for node in svg.descendants().filter(Node::is_element) {
        for colour in ["fill", "stroke"] {
            assert_eq!(
                node.attribute(colour),
                None,
                "{name}: {:?}",
                node.tag_name()
            );
        }
        let is_drawn = ["polyline", "polygon", "rect", "circle", "text", "line"]
            .contains(&node.tag_name().name());
        assert!(!is_drawn || node.attribute("class").is_some(), "{name}");
    }
}

/// Whether what is shown is what it is, rounded.
pub(crate) fn near(shown: f64, exact: f64) -> bool {
    let part = if exact.abs() < 1e-4 { 5.1e-3 } else { 5.1e-4 };
    (shown - exact).abs() <= part * exact.abs()
}

fn is(node: &Node<'_, '_>, name: &str) -> bool {
    node.tag_name().name() == name
}

fn attribute<'a>(node: Node<'a, '_>, name: &str) -> &'a str {
    node.attribute(name)
        .unwrap_or_else(|| panic!("{name} is missing"))
}

fn text(node: Node<'_, '_>) -> String {
    let texts = node.descendants().filter(Node::is_text);
    let text: String = texts.filter_map(|text| text.text()).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The words of a text that are numbers.
fn shown_numbers(text: &str) -> Vec<f64> {
    let words = text.split_whitespace();
    let plain = words.map(|word| word.trim_matches(|c: char| "[](),;:.%".contains(c)));
    plain
        .filter_map(|word| word.parse().ok())
        .filter(|n: &f64| n.is_finite())
        .collect()
}

/// The numbers of a cell with every digit, each checked against what is shown for it.
fn numbers(cell: Node<'_, '_>) -> Vec<f64> {
    let mut numbers = Vec::new();
    for node in cell.descendants() {
        if is(&node, "data") {
            let exact: f64 = attribute(node, "value").parse().expect("a number");
            let shown = text(node);
            let (number, unit) = shown.split_once(' ').unwrap_or((&shown, ""));
            let unit = match unit {
                "" | "ns" => 1.0,
                "µs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                other => panic!("{other} is no unit"),
            };
            let number: f64 = number.parse().expect("what is shown is a number");
            assert!(near(number * unit, exact), "{shown} is not {exact}");
            numbers.push(exact);
        } else if node.is_text() && node.parent().is_some_and(|parent| !is(&parent, "data")) {
            numbers.extend(shown_numbers(node.text().unwrap_or("")));
        }
    }
    numbers
}

/// A CSV file, by the rules and not by our writer.
pub(crate) struct Csv {
    pub(crate) heading: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Csv {
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|_| panic!("no {}", path.display()));
        let (mut records, mut record, mut cell) = (Vec::new(), Vec::new(), String::new());
        let (mut chars, mut is_quoted) = (text.chars().peekable(), false);
        while let Some(c) = chars.next() {
            match c {
                '"' if is_quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
                '"' => is_quoted = !is_quoted,
                ',' if !is_quoted => record.push(std::mem::take(&mut cell)),
                '\n' if !is_quoted => {
                    record.push(std::mem::take(&mut cell));
                    records.push(std::mem::take(&mut record));
                }
                c => cell.push(c),
            }
        }
        assert!(!is_quoted && cell.is_empty() && record.is_empty());
        let heading = records.remove(0);
        assert!(
            records
                .iter()
                .all(|row: &Vec<String>| row.len() == heading.len())
        );
        Self {
            heading,
            rows: records,
        }
    }

    pub(crate) fn cell<'a>(&self, row: &'a [String], name: &str) -> &'a str {
        let at = self.heading.iter().position(|heading| heading == name);
        &row[at.unwrap_or_else(|| panic!("no column {name}"))]
    }

    pub(crate) fn number(&self, row: &[String], name: &str) -> f64 {
        let cell = self.cell(row, name);
        cell.parse().unwrap_or_else(|_| panic!("{name} is {cell}"))
    }

    /// The rows whose cell of a column says this.
    pub(crate) fn of(&self, name: &str, value: &str) -> Vec<&Vec<String>> {
        let rows = self.rows.iter();
        rows.filter(|row| self.cell(row, name) == value).collect()
    }
}
