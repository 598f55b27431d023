//! The mixed-integer program as CBC gets it, and how its answer becomes a plan.
//!
//! Worker `i` is employed if `z_i = 1` and then trains `m·z_i + y_i` batches:
//!
//! ```text
//! minimise   Σ c_i (m z_i + y_i)
//! subject to Σ m z_i + Σ y_i = n,   y_i ≤ (s_i − m) z_i,   lo ≤ Σ z_i ≤ hi,
//!            z_i ≤ z_d(i),          z_i binary, y_i ≥ 0
//! ```
//!
//! That is `m z_i ≤ x_i ≤ s_i z_i` with half the rows, and `y_i` may be continuous: once the
//! `z_i` are fixed, the vertices are integral. What tightens it, always without cutting off all
//! optimal plans:
//!
//! - `lo` is the largest of beta, 1 and the number of largest capacities that reach n; `hi` is
//!   `⌊n/m⌋`, or as many as may be employed. Where they meet, the data row becomes `Σ y_i = n − m·lo`.
//! - `s_i` is at most `n − m·(lo − 1)`: this is left when the others have a lot each.
//! - If worker `d` is no more expensive than `i` and takes no less, all that `i` gets can be moved to an
//!   unemployed `d`. So some optimal plan employs `d` wherever it employs `i`, and one row to
//!   the nearest such `d` in the order of fees says it. This removes the searches among alike
//!   workers, the longest ones.

use std::ffi::c_int;

use scheduler::{Cost, Plan, Problem};

/// A problem stated for CBC.
pub(super) struct Model {
    n: u64,
    lot: u64,
    /// Eligible workers, cheapest first; among equal fees the largest first.
    columns: Vec<Column>,
    least_employed: u64,
    most_employed: u64,
    objective: Objective,
}

/// One eligible worker.
struct Column {
    worker: usize,
    /// The most that it can take above a lot in any plan.
    above_lot: u64,
    fee_micros: u64,
}

/// A plan for the workers that CBC employs.
pub(super) struct Incumbent {
    pub(super) plan: Plan,
    /// Whether it costs what CBC claims, to a quarter of a unit.
    pub(super) as_claimed: bool,
}

impl Model {
    /// States a problem that has a plan and at least one batch.
    pub(super) fn new(problem: &Problem) -> Self {
        let (n, lot) = (problem.n(), problem.lot());
        let workers = problem.workers().iter().enumerate();
        let mut columns: Vec<_> = workers
            .filter(|(_, w)| problem.is_eligible(w))
            .map(|(worker, w)| Column {
                worker,
                above_lot: w.s_max.min(n).saturating_sub(lot),
                fee_micros: w.fee.micros(),
            })
            .collect();
        let enough = enough_by_capacity(&columns, n, lot);
        let least_employed = problem.beta().max(1).max(enough);
        let most_employed = (n / lot)
            .min(columns.len() as u64)
            .min(problem.most_employed());
        let most_above = n.saturating_sub(least_employed * lot);
        for column in &mut columns {
            column.above_lot = column.above_lot.min(most_above);
        }
        columns.sort_unstable_by(|a, b| {
            (a.fee_micros, b.above_lot, a.worker).cmp(&(b.fee_micros, a.above_lot, b.worker))
        });
        let lot_in_rows = if least_employed == most_employed {
            0
        } else {
            lot
        };
        let objective = Objective::new(n, lot_in_rows, &columns);
        Self {
            n,
            lot,
            columns,
            least_employed,
            most_employed,
            objective,
        }
    }

    /// The model in CBC's terms. Column `2i` is `z_i`, column `2i + 1` is `y_i`. The rows are
    /// the data, the count, then `y_i ≤ above·z_i` for each `i`, then the dominated workers'.
    pub(super) fn state(&self) -> Stated {
        let count = self.columns.len();
        let (n, lot) = (to_f64(self.n), to_f64(self.lot));
        let (least, most) = (to_f64(self.least_employed), to_f64(self.most_employed));
        // With the count fixed, the lots are a constant of the data row.
        let is_fixed = self.least_employed == self.most_employed;
        let data = if is_fixed { n - least * lot } else { n };
        let dominators = dominators(&self.columns);
        let mut stated = Stated {
            row_lower: vec![data, least],
            row_upper: vec![data, most],
            ..Stated::with_capacity(count)
        };
        let dominated = dominators.iter().flatten().count();
        stated
            .row_lower
            .resize(2 + count + dominated, f64::NEG_INFINITY);
        stated.row_upper.resize(2 + count + dominated, 0.0);
        // Each dominator's dominated workers, ascending, as linked lists.
        let mut row_of = vec![0; count];
        let mut first = vec![None; count];
        let mut next = vec![None; count];
        let mut row = 2 + count + dominated;
        for (i, dominator) in dominators.iter().enumerate().rev() {
            if let Some(d) = *dominator {
                row -= 1;
                row_of[i] = row;
                next[i] = first[d].replace(i);
            }
        }
        for (i, column) in self.columns.iter().enumerate() {
            let fee = self.objective.coefficient(column.fee_micros);
            let above = to_f64(column.above_lot);
            if !is_fixed {
                stated.weigh(DATA_ROW, lot);
            }
            stated.weigh(COUNT_ROW, 1.0);
            stated.weigh(2 + i, -above);
            if dominators[i].is_some() {
                stated.weigh(row_of[i], 1.0);
            }
            let mut dominated = first[i];
            while let Some(j) = dominated {
                stated.weigh(row_of[j], -1.0);
                dominated = next[j];
            }
            stated.end_column(fee * lot, 1.0);
            stated.weigh(DATA_ROW, 1.0);
            stated.weigh(2 + i, 1.0);
            stated.end_column(fee, above);
        }
        stated
    }

    /// By how much the next plan must be better to be of interest: just under a unit where
    /// costs are whole units.
    #[cfg(feature = "cbc")]
    pub(super) fn increment(&self) -> f64 {
        if self.objective.exact {
            0.999 * self.objective.scale
        } else {
            0.0
        }
    }

    /// Whether a solution has as many values as the model has columns.
    pub(super) fn has_columns(&self, count: usize) -> bool {
        count == 2 * self.columns.len()
    }

    /// Whether CBC's arithmetic can tell two costs apart on this model, and whole numbers from
    /// fractions. Where it cannot, even its bounds can be wrong.
    pub(super) const fn is_exact(&self) -> bool {
        self.objective.exact
    }

    /// A bound that needs no solver: the cost of the relaxation in which workers share lots.
    ///
    /// The `j` cheapest can take no more than their capacity, nor more than what the lots of the
    /// others that must be employed leave.
    pub(super) fn floor(&self) -> Cost {
        let mut bound = u128::from(self.objective.base) * u128::from(self.n);
        let mut capacity = 0;
        for (j, pair) in (1..).zip(self.columns.windows(2)) {
            capacity += self.lot + pair[0].above_lot;
            let for_others = self.lot * self.least_employed.saturating_sub(j);
            let most = capacity.min(self.n - for_others);
            let step = pair[1].fee_micros - pair[0].fee_micros;
            bound += u128::from(step) * u128::from(self.n - most);
        }
        Cost::from_micros(bound)
    }

    /// A bound that CBC claims, less a margin for its tolerances.
    pub(super) fn safe_bound(&self, claimed: f64) -> Cost {
        let units = claimed / self.objective.scale;
        let safe = (units - 1.0 - 1e-7 * units.abs()).floor().max(0.0);
        let units = if safe < 2f64.powi(100) {
            safe as u128
        } else {
            0
        };
        let micros = units.saturating_mul(u128::from(self.objective.unit));
        let base = u128::from(self.objective.base) * u128::from(self.n);
        Cost::from_micros(base + micros)
    }

    /// The cheapest plan for the workers that CBC's solution employs.
    pub(super) fn incumbent(
        &self,
        problem: &Problem,
        solution: &[f64],
    ) -> Result<Incumbent, String> {
        let lot = to_f64(self.lot);
        let mut batches = vec![0; problem.workers().len()];
        let taken = |i: usize| (solution[2 * i], solution[2 * i + 1]);
        let is_employed = |i: usize| {
            let (z, y) = taken(i);
            z > 0.5 || y > 0.5
        };
        let (mut count, mut capacity) = (0_u64, 0_u64);
        for (i, column) in self.columns.iter().enumerate() {
            if is_employed(i) {
                count += 1;
                capacity += self.lot + column.above_lot;
            }
        }
        let n = self.n;
        let counts = problem.beta()..=problem.most_employed();
        if !counts.contains(&count) || count * self.lot > n || capacity < n {
            return Err(format!(
                "it employs {count} workers that together can take {capacity} of {n} batches"
            ));
        }
        let mut left = n - count * self.lot;
        let mut excess = 0.0; // of CBC's cost over the plan's, in scaled units
        for (i, column) in self.columns.iter().enumerate() {
            let mut x = 0;
            if is_employed(i) {
                let above = column.above_lot.min(left);
                left -= above;
                x = self.lot + above;
            }
            batches[column.worker] = x;
            let (z, y) = taken(i);
            excess += self.objective.coefficient(column.fee_micros) * (lot * z + y - to_f64(x));
        }
        Ok(Incumbent {
            plan: Plan::costed(problem, batches),
            as_claimed: excess.abs() <= 0.25 * self.objective.scale,
        })
    }
}

/// A model as arrays, column by column.
#[derive(Default)]
pub(super) struct Stated {
    pub(super) starts: Vec<c_int>,
    pub(super) rows: Vec<c_int>,
    pub(super) weights: Vec<f64>,
    pub(super) upper: Vec<f64>,
    pub(super) cost: Vec<f64>,
    pub(super) row_lower: Vec<f64>,
    pub(super) row_upper: Vec<f64>,
}

impl Stated {
    /// Room for this number of pairs of columns.
    fn with_capacity(count: usize) -> Self {
        let mut starts = Vec::with_capacity(2 * count + 1);
        starts.push(0);
        Self {
            starts,
            rows: Vec::with_capacity(7 * count),
            weights: Vec::with_capacity(7 * count),
            upper: Vec::with_capacity(2 * count),
            cost: Vec::with_capacity(2 * count),
            ..Self::default()
        }
    }

    /// The model as a line of JSON, with a limit on nodes. The rows after the count have no lower bound.
    pub(super) fn to_json(&self, nodes: u32) -> String {
        serde_json::json!({
            "nodes": nodes,
            "cost": self.cost,
            "upper": self.upper,
            "starts": self.starts,
            "rows": self.rows,
            "weights": self.weights,
            "row_lower": self.row_lower[..=COUNT_ROW],
            "row_upper": self.row_upper,
        })
        .to_string()
    }

    /// Adds to the present column; its rows must come in ascending order.
    fn weigh(&mut self, row: usize, weight: f64) {
        self.rows.push(to_c_int(row));
        self.weights.push(weight);
    }

    fn end_column(&mut self, cost: f64, upper: f64) {
        self.starts.push(to_c_int(self.rows.len()));
        self.cost.push(cost);
        self.upper.push(upper);
    }
}

const DATA_ROW: usize = 0;
const COUNT_ROW: usize = 1;

/// CBC counts in C's integers. `MAX_CBC_WORKERS` keeps every count far below their end.
fn to_c_int(count: usize) -> c_int {
    c_int::try_from(count).expect("a model for CBC has fewer than 2^31 entries")
}

/// Fees as CBC sees them: `(fee − base) / unit · scale`.
///
/// Taking `base` off every fee takes `base·n` off the cost of every plan, and leaves numbers
/// that floating point can hold; whole units make all costs integers.
struct Objective {
    base: u64,
    unit: u64,
    /// A power of two, so that scaling is exact.
    scale: f64,
    exact: bool,
}

impl Objective {
    fn new(n: u64, lot_in_rows: u64, columns: &[Column]) -> Self {
        let fees = || columns.iter().map(|c| c.fee_micros);
        let base = fees().min().unwrap_or(0);
        let unit = fees().fold(0, |unit, fee| gcd(unit, fee - base)).max(1);
        let highest = to_f64((fees().max().unwrap_or(base) - base) / unit);
        // The sum of all products is off by at most a quarter of a unit.
        let most = to_f64(n) * highest;
        let sums = most * to_f64(columns.len() as u64) * f64::EPSILON <= 0.25;
        // Fractions at the vertices of the relaxation have denominators of at most this size, so
        // that CBC's tolerance of 1e-7 cannot take one for a whole number.
        let shares = columns
            .iter()
            .map(|c| lot_in_rows + c.above_lot)
            .sum::<u64>()
            <= 5_000_000;
        let exact = sums && shares;
        // CBC takes reduced costs within 1e-7 of zero for zero. On n batches that must stay
        // far below a unit.
        let scale = if exact {
            (to_f64(n) / 1e6).max(1.0).log2().ceil().exp2()
        } else {
            (2f64.powi(40) / most.max(1.0)).log2().floor().exp2()
        };
        Self {
            base,
            unit,
            scale,
            exact,
        }
    }

    fn coefficient(&self, fee_micros: u64) -> f64 {
        to_f64((fee_micros - self.base) / self.unit) * self.scale
    }
}

/// How many of the largest capacities reach n.
fn enough_by_capacity(columns: &[Column], n: u64, lot: u64) -> u64 {
    let mut capacities: Vec<_> = columns.iter().map(|c| lot + c.above_lot).collect();
    capacities.sort_unstable_by(|a, b| b.cmp(a));
    let (mut sum, mut count) = (0, 0);
    for capacity in capacities {
        if sum >= n {
            break;
        }
        sum += capacity;
        count += 1;
    }
    count
}

/// For each column the nearest one before it that takes no less, if there is one.
fn dominators(columns: &[Column]) -> Vec<Option<usize>> {
    // Candidates, with capacities that fall: a larger one hides the smaller before it.
    let mut stack: Vec<usize> = Vec::new();
    let mut dominators = Vec::with_capacity(columns.len());
    for (i, column) in columns.iter().enumerate() {
        while stack
            .last()
            .is_some_and(|&d| columns[d].above_lot < column.above_lot)
        {
            stack.pop();
        }
        dominators.push(stack.last().copied());
        stack.push(i);
    }
    dominators
}

const fn gcd(a: u64, b: u64) -> u64 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

const fn to_f64(value: u64) -> f64 {
    value as f64
}
