//! The page: its head, its style, and the order of what is on it.
//!
//! It needs no script and nothing from elsewhere, and reads as strict XML too.

use super::escape::markup;
use super::figure::Figure;
use super::palette::{colours, hatchings, ink_styles};
use super::table::Table;
use crate::report_file::MARK;

/// What is on a page, in order.
pub(super) struct Page {
    pub(super) title: String,
    /// What it is, in a sentence below the title.
    pub(super) lead: String,
    /// What came of it, in a sentence.
    pub(super) verdict: Option<String>,
    /// What a reader must know first, such as that the folder is not complete.
    pub(super) warnings: Vec<String>,
    pub(super) sections: Vec<Section>,
}

/// A part of the page with a heading.
pub(super) struct Section {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) parts: Vec<Part>,
}

pub(super) enum Part {
    Words(String),
    Table(&'static str, Table),
    /// A table, folded away.
    Folded(&'static str, Table),
    Figure(Box<Figure>),
    /// Text as it is, folded away.
    Text(&'static str, String),
    /// A line to be typed.
    Line(&'static str, String),
    /// Links to files of the folder.
    Files(Vec<(String, String)>),
}

impl Page {
    pub(super) fn figures(&self) -> impl Iterator<Item = &Figure> {
        let parts = self.sections.iter().flat_map(|section| &section.parts);
        parts.filter_map(|part| match part {
            Part::Figure(figure) => Some(figure.as_ref()),
            Part::Words(_)
            | Part::Table(..)
            | Part::Folded(..)
            | Part::Text(..)
            | Part::Line(..)
            | Part::Files(_) => None,
        })
    }

    pub(super) fn html(&self) -> String {
        let title = markup(&self.title);
        let mut text = format!(
            "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n\
             <meta charset=\"utf-8\"/>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
             <meta name=\"color-scheme\" content=\"light dark\"/>\n{MARK}\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src &#39;none&#39;; \
             style-src &#39;unsafe-inline&#39;; img-src data:\"/>\n\
             <link rel=\"icon\" href=\"data:,\"/>\n\
             <title>{title}</title>\n<style>\n{}{}{STYLE}</style>\n</head>\n<body>\n\
             <a class=\"skip\" href=\"#main\">Skip to the results</a>\n\
             <svg class=\"unseen\" aria-hidden=\"true\" width=\"0\" height=\"0\">{}</svg>\n\
             <header>\n<h1>{title}</h1>\n",
            colours(":root"),
            ink_styles(),
            hatchings(),
        );
        text += &format!("<p>{}</p>\n", markup(&self.lead));
        if let Some(verdict) = &self.verdict {
            text += &format!("<p class=\"verdict\">{}</p>\n", markup(verdict));
        }
        for warning in &self.warnings {
            text += &format!(
                "<p class=\"warning\" role=\"note\">{}</p>\n",
                markup(warning)
            );
        }
        text += "<nav aria-label=\"On this page\"><ul>";
        for section in &self.sections {
            text += &format!("<li><a href=\"#{}\">{}</a></li>", section.id, section.title);
        }
        text += "</ul></nav>\n</header>\n<main id=\"main\" tabindex=\"-1\">\n";
        for section in &self.sections {
            text += &section.html();
        }
        text + "</main>\n<footer><p>Written by <code>sim report</code> of Allot from the tables \
                in this folder; numbers are rounded for reading, the files have every digit. \
                Square brackets are 95 % confidence intervals.</p></footer>\n</body>\n</html>\n"
    }
}

impl Section {
    fn html(&self) -> String {
        let (id, title) = (self.id, self.title);
        let mut text =
            format!("<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>\n");
        let mut is_grid = false;
        for part in &self.parts {
            let is_figure = matches!(part, Part::Figure(_));
            if is_figure != is_grid {
                text += if is_figure {
                    "<div class=\"grid\">\n"
                } else {
                    "</div>\n"
                };
                is_grid = is_figure;
            }
            text += &match part {
                Part::Words(words) => format!("<p>{}</p>\n", markup(words)),
                Part::Table(caption, table) => table.html(caption),
                Part::Folded(caption, table) => format!(
                    "<details><summary>{}</summary>{}</details>\n",
                    markup(caption),
                    table.html(caption)
                ),
                Part::Figure(figure) => figure.html(),
                Part::Text(name, content) => format!(
                    "<details><summary>{}</summary><pre tabindex=\"0\">{}</pre></details>\n",
                    markup(name),
                    markup(content)
                ),
                Part::Line(name, content) => format!(
                    "<p>{}:</p>\n<pre tabindex=\"0\">{}</pre>\n",
                    markup(name),
                    markup(content)
                ),
                Part::Files(files) => {
                    let link = |(path, what): &(String, String)| {
                        let (path, what) = (markup(path), markup(what));
                        format!("<li><a href=\"{path}\">{path}</a>: {what}</li>")
                    };
                    let links: String = files.iter().map(link).collect();
                    format!("<ul class=\"files\">{links}</ul>\n")
                }
            };
        }
        if is_grid {
            text += "</div>\n";
        }
        text + "</section>\n"
    }
}

const STYLE: &str = "\
*{box-sizing:border-box}
html{background:var(--ground);color:var(--text);-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:82rem;padding:0 1rem 2rem;line-height:1.5;overflow-wrap:break-word;
font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",Arial,\"DejaVu Sans\",sans-serif}
h1{font-size:1.6rem;line-height:1.2;margin:1.2rem 0 .4rem}
h2{font-size:1.25rem;margin:2.2rem 0 .8rem;padding-top:.8rem;border-top:1px solid var(--grid)}
h3{font-size:1rem;margin:0 0 .5rem}
header p,section p{max-width:70ch;margin:.4rem 0}
a{color:var(--link)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
main:focus{outline:none}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:.5rem;padding:.5rem 1rem;background:var(--ground);z-index:1}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;list-style:none;margin:.8rem 0 0;padding:0}
nav a{display:inline-block;padding:.25rem 0}
.warning{border-left:4px solid var(--c1);padding:.4rem .8rem;background:var(--panel)}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,34rem),1fr));gap:1.6rem 2rem;
align-items:start}
figure{margin:0;min-width:0}
figcaption{color:var(--quiet);font-size:.92rem;margin:.4rem 0;max-width:70ch}
.chart{display:block;width:100%;height:auto;max-width:40rem}
.narrow{display:none}
@media (max-width:32rem){.wide{display:none}.narrow{display:block}}
summary{cursor:pointer;padding:.3rem 0;color:var(--link)}
.verdict{font-size:1.12rem;font-weight:600}
/* A shadow stands at the side where a wide table goes on: the covers move with the table, the
shadows do not. */
.scroll{overflow-x:auto;max-width:100%;margin:.6rem 0 1rem;background:
linear-gradient(to right,var(--ground) 30%,transparent) left/3rem 100% no-repeat local,
linear-gradient(to left,var(--ground) 30%,transparent) right/3rem 100% no-repeat local,
linear-gradient(to right,var(--axis),transparent) left/.8rem 100% no-repeat scroll,
linear-gradient(to left,var(--axis),transparent) right/.8rem 100% no-repeat scroll}
table{border-collapse:collapse;font-size:.92rem;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding:.2rem .6rem .4rem 0;white-space:nowrap}
th,td{text-align:left;vertical-align:top;padding:.3rem .7rem .3rem 0;border-bottom:1px solid var(--grid)}
thead th{vertical-align:bottom;color:var(--quiet);font-weight:600}
tbody th{font-weight:400}
.n{text-align:right;white-space:nowrap}
td:not(.n){max-width:60ch}
.w{min-width:min(15rem,42vw)}
thead th.n{white-space:normal}
.ci{color:var(--quiet)}
pre{overflow-x:auto;background:var(--panel);padding:.8rem;font-size:.85rem;margin:.4rem 0}
code{font-size:.95em}
.files{padding-left:1.2rem}
footer{margin-top:2.5rem;border-top:1px solid var(--grid);color:var(--quiet);font-size:.9rem}
@page{margin:16mm}
@media print{
body{max-width:none;padding:0;font-size:10pt}
nav,.skip,details:not([open]){display:none}
.grid{display:block}
figure{break-inside:avoid;margin:0 0 1.5rem}
h2,h3,caption{break-after:avoid}
tr{break-inside:avoid}
.wide{display:block;max-width:15cm}
.narrow{display:none}
.scroll{overflow:visible;background:none}
table{font-size:7.5pt}
.n{white-space:normal}
.ci{display:block}
a{color:inherit;text-decoration:none}
}
";
