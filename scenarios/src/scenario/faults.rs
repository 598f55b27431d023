//! `[faults]`: what goes wrong, by rates or by a trace.

use std::collections::BTreeMap;

use scheduler::Span;

use crate::scenario::read::{Item, Section, nearest};
use crate::scenario::unit::{Quantity, Ratio};

/// What goes wrong. Times between are exponential, drawn for each worker by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Troubles {
    /// The mean time that a worker stays; `None` for ever.
    pub dropout_every: Option<Span>,
    /// The mean time that a lost worker stays away; `None` for ever.
    pub return_after: Option<Span>,
    /// The mean time between stalls; `None` for no stalls.
    pub stall_every: Option<Span>,
    /// The mean length of a stall, in which a worker does nothing.
    pub stall_for: Span,
    /// The mean time between slowdowns; `None` for none.
    pub slowdown_every: Option<Span>,
    /// The mean length of a slowdown; `None` for ever.
    pub slowdown_for: Option<Span>,
    /// How many times longer a batch takes in a slowdown, 1 at least.
    pub slowdown_factor: Ratio,
    /// What happens at stated times as well, the earlier first.
    pub trace: Vec<Trouble>,
}

/// Something that happens at a stated time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// When, from the beginning of the run.
    pub at: Span,
    /// To whom: the place in the fleet, from 0.
    pub worker: usize,
    /// The name of that worker.
    pub name: String,
    /// What.
    pub what: What,
}

/// What happens to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It is gone.
    Dropout,
    /// It is back.
    Return,
    /// It does nothing for so long.
    Stall(Span),
    /// It is slower.
    Slowdown {
        /// How many times longer a batch takes.
        factor: Ratio,
        /// How long; `None` for ever.
        lasts: Option<Span>,
    },
}

/// The least and the most of a slowdown's factor, in millionths.
const FACTOR: (u64, u64) = (1_000_000, 1_000_000_000_000);

impl Troubles {
    /// Nothing goes wrong.
    pub const NONE: Self = Self {
        dropout_every: None,
        return_after: None,
        stall_every: None,
        stall_for: Span::from_secs(1),
        slowdown_every: None,
        slowdown_for: None,
        slowdown_factor: Ratio::ONE,
        trace: Vec::new(),
    };
}

pub(crate) fn read(root: &mut Section<'_>, names: &BTreeMap<String, usize>) -> Option<Troubles> {
    let Some(item) = root.take("faults") else {
        return Some(Troubles::NONE);
    };
    let mut section = item.section()?;
    let mut time = |key| {
        section
            .take(key)
            .map_or(Some(None), |item| span_or_never(&item))
    };
    let (dropout_every, return_after) = (time("dropout_every"), time("return_after"));
    let (stall_every, slowdown_every) = (time("stall_every"), time("slowdown_every"));
    let slowdown_for = time("slowdown_for");
    let stall_for = section.take("stall_for");
    let stall_for = stall_for.map_or(Some(Troubles::NONE.stall_for), |item| positive(&item));
    let factor = section.take("slowdown_factor");
    let factor = factor.map_or(Some(Ratio::ONE), |item| item.within(FACTOR.0, FACTOR.1));
    let trace = section.take("trace").map_or(Some(Vec::new()), |item| {
        let items = item.list()?;
        let trace: Vec<_> = items.iter().map(|item| trouble(item, names)).collect();
        trace.into_iter().collect::<Option<Vec<_>>>()
    });
    section.finish();
    let mut trace = trace?;
    trace.sort_by_key(|trouble| trouble.at);
    Some(Troubles {
        dropout_every: dropout_every?,
        return_after: return_after?,
        stall_every: stall_every?,
        stall_for: stall_for?,
        slowdown_every: slowdown_every?,
        slowdown_for: slowdown_for?,
        slowdown_factor: factor?,
        trace,
    })
}

fn positive(item: &Item<'_>) -> Option<Span> {
    item.within(1, Span::RANGE.1)
}

fn span_or_never(item: &Item<'_>) -> Option<Option<Span>> {
    item.or_word("never", positive)
}

fn trouble(item: &Item<'_>, names: &BTreeMap<String, usize>) -> Option<Trouble> {
    let mut section = item.section()?;
    let at = section.require("at", "a time such as \"30 s\"");
    let at = at.and_then(|item| item.quantity());
    let worker = section.require("worker", "a worker's name");
    let worker = worker.and_then(|item| {
        let found = item.text().and_then(|text| names.get_key_value(text));
        found.or_else(|| {
            let near = item
                .text()
                .and_then(|text| nearest(text, names.keys().map(String::as_str)));
            match near {
                Some(near) => item.expected(&format!("a worker's name; did you mean \"{near}\"?")),
                None => item.expected("a worker's name"),
            }
        })
    });
    let kinds = [("dropout", 0), ("return", 1), ("stall", 2), ("slowdown", 3)];
    let kind = section.require("what", "dropout, return, stall or slowdown");
    let what = match kind.and_then(|item| item.choice(&kinds))? {
        0 => Some(What::Dropout),
        1 => Some(What::Return),
        2 => {
            let lasts = section.require("for", "a time such as \"30 s\"")?;
            positive(&lasts).map(What::Stall)
        }
        _ => {
            let factor = section.require("factor", "how many times slower, such as 4.0")?;
            let factor = factor.within(FACTOR.0, FACTOR.1);
            let lasts = section
                .take("for")
                .map_or(Some(None), |item| span_or_never(&item));
            Some(What::Slowdown {
                factor: factor?,
                lasts: lasts?,
            })
        }
    };
    section.finish();
    let (name, worker) = worker?;
    Some(Trouble {
        at: at?,
        worker: *worker,
        name: name.clone(),
        what: what?,
    })
}
