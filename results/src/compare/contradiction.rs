//! What must not be: two folders that prove different things of one test.
//!
//! Every plan in a table was verified, so that it is a fact. A claim of one folder that a plan of
//! the other, or its claim, contradicts is wrong, and the allocator that made it has a bug.

use scheduler::Cost;

use crate::row::OutcomeRow;
use crate::status::Status;

/// How many are kept with all that is known of them.
const KEPT: usize = 10;

/// In what two folders contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// One calls optimal what a plan of the other beats.
    Cost,
    /// A lower bound of one lies above the cost of a plan of the other.
    Bound,
    /// One says that there is no plan, the other has one.
    Feasibility,
    /// Both say that there is no plan, for different reasons.
    Reason,
    /// The test of this number is another problem.
    Problem,
}

impl Doubt {
    /// All of them, the most alarming first.
    pub const ALL: [Self; 5] = [
        Self::Cost,
        Self::Bound,
        Self::Feasibility,
        Self::Reason,
        Self::Problem,
    ];

    /// Its name in lines for scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cost => "cost",
            Self::Bound => "bound",
            Self::Feasibility => "feasibility",
            Self::Reason => "reason",
            Self::Problem => "problem",
        }
    }
}

/// A contradiction on one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// In what.
    pub doubt: Doubt,
    /// The family.
    pub family: String,
    /// The test's number in it, from 0.
    pub test: u64,
    /// Whose claim is wrong: whether it is the base's, and the allocator's place in its plan.
    /// None where the problems differ.
    pub claim: Option<(bool, usize)>,
    /// What is claimed.
    pub claimed: String,
    /// What the other folder has.
    pub found: String,
}

/// All that two folders contradict each other in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contradictions {
    counts: [u64; Doubt::ALL.len()],
    first: Vec<Contradiction>,
}

impl Contradictions {
    /// On how many tests they do so in this.
    pub const fn count(&self, doubt: Doubt) -> u64 {
        self.counts[doubt as usize]
    }

    /// On how many in all, a test once for each doubt.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The first ones.
    pub fn first(&self) -> &[Contradiction] {
        &self.first
    }

    /// Takes in a test that is not the same problem.
    pub(super) fn add_problem(&mut self, family: &str, test: u64) {
        self.add(Contradiction {
            doubt: Doubt::Problem,
            family: family.to_owned(),
            test,
            claim: None,
            claimed: "one problem".to_owned(),
            found: "another".to_owned(),
        });
    }

    /// Takes in the answers to one test, by allocator.
    pub(super) fn add_answers(
        &mut self,
        (family, test): (&str, u64),
        base: &[OutcomeRow],
        ours: &[OutcomeRow],
    ) {
        let (theirs_best, our_best) = (cheapest(base), cheapest(ours));
        let mut found: [Option<Contradiction>; Doubt::ALL.len()] = Default::default();
        for (is_base, rows, others, best) in [
            (true, base, ours, our_best),
            (false, ours, base, theirs_best),
        ] {
            for (allocator, row) in rows.iter().enumerate() {
                let Some((doubt, claimed, fact)) = doubt(row, others, best) else {
                    continue;
                };
                found[doubt as usize].get_or_insert(Contradiction {
                    doubt,
                    family: family.to_owned(),
                    test,
                    claim: Some((is_base, allocator)),
                    claimed,
                    found: fact,
                });
            }
        }
        found.into_iter().flatten().for_each(|one| self.add(one));
    }

    fn add(&mut self, one: Contradiction) {
        self.counts[one.doubt as usize] += 1;
        if self.first.len() < KEPT {
            self.first.push(one);
        }
    }
}

fn cheapest(rows: &[OutcomeRow]) -> Option<Cost> {
    rows.iter().filter_map(|row| row.cost).min()
}

/// What of an answer cannot be, beside those of the other folder, of which the cheapest plan costs
/// `best`.
fn doubt(
    row: &OutcomeRow,
    others: &[OutcomeRow],
    best: Option<Cost>,
) -> Option<(Doubt, String, String)> {
    if row.status == Status::Infeasible {
        if let Some(best) = best {
            let found = format!("a plan that costs {best}");
            return Some((Doubt::Feasibility, "no plan".to_owned(), found));
        }
        let mut others = others.iter().filter(|other| other.status == row.status);
        let other = others.find(|other| other.reason != row.reason)?;
        let reason = |row: &OutcomeRow| row.reason.unwrap_or("none").to_owned();
        return Some((Doubt::Reason, reason(row), reason(other)));
    }
    let best = best?;
    if row.status == Status::Optimal && row.cost > Some(best) {
        let claimed = row.cost.map(|cost| format!("{cost} is optimal"))?;
        return Some((Doubt::Cost, claimed, format!("a plan that costs {best}")));
    }
    let bound = row.lower_bound.filter(|bound| *bound > best)?;
    let claimed = format!("no plan is below {bound}");
    Some((Doubt::Bound, claimed, format!("a plan that costs {best}")))
}
