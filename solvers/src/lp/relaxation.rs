//! The relaxation as the LP solver gets it, and an exact bound from its inexact solution.
//!
//! Relaxed, a worker has a share `z_i` from 0 to 1 with `m z_i ≤ x_i ≤ s_i z_i`, and the shares
//! sum to at least beta. Given `x_i`, the largest share, `min(1, x_i / m)`, serves that row best
//! and is always allowed, as `m ≤ s_i`. So the shares can be projected out exactly: split
//! `x_i = u_i + v_i` with `0 ≤ u_i ≤ m` and `0 ≤ v_i ≤ s_i − m`, and demand `Σ u_i ≥ m·beta`.
//! (A solution with `v_i > 0` and `u_i < m` can be shifted to `u_i`, which only helps.) What is
//! left are two rows and bounds; without beta one row, and `x_i` need not be split.
//!
//! Any multipliers `π` of the data row and `ρ − π ≥ 0` of the shares' row give a valid bound,
//!
//! ```text
//! π n + (ρ − π) m beta − Σ_i ((ρ − c_i)⁺ m + (π − c_i)⁺ (s_i − m))
//! ```
//!
//! and at the optimum they are fees: `ρ` that of the most expensive worker with `u_i > 0`, `π` that
//! of the most expensive with `v_i > 0`. So the bound is evaluated in integers, at the fees that the
//! solver's solution points to: it is valid whatever the solver did, and is the relaxation's
//! optimum to the last micro-unit if the solver found it.
//!
//! At most `w` employed is one row more: the least share that serves `x_i` is `x_i / s_i`, so that
//! `Σ x_i / s_i ≤ w`. Where it binds, [`Problem::lower_bound`] is the better bound.

use std::time::Duration;

use good_lp::solvers::microlp::microlp;
use good_lp::{
    Expression, ProblemVariables, ResolutionError, Solution as _, SolverModel, Variable,
    constraint, variable,
};
use scheduler::{Cost, Problem};

use crate::clock::cpu_time_of;

/// A problem's relaxation.
pub(super) struct Relaxation {
    pub(super) n: u64,
    pub(super) lot: u64,
    pub(super) beta: u64,
    /// The most that may be employed.
    pub(super) most: u64,
    /// Eligible workers, cheapest first; among equal fees the largest first.
    pub(super) columns: Vec<Column>,
}

/// One eligible worker.
pub(super) struct Column {
    pub(super) worker: usize,
    pub(super) fee_micros: u64,
    /// The most that it can take, no more than n.
    pub(super) s_max: u64,
}

/// Batches within the lot and above it, for each column, rounded: the relaxation's vertices are
/// integral.
pub(super) struct Solution {
    pub(super) lots: Vec<u64>,
    pub(super) above: Vec<u64>,
}

impl Relaxation {
    pub(super) fn new(problem: &Problem) -> Self {
        let workers = problem.workers().iter().enumerate();
        let mut columns: Vec<_> = workers
            .filter(|(_, w)| problem.is_eligible(w))
            .map(|(worker, w)| Column {
                worker,
                fee_micros: w.fee.micros(),
                s_max: w.s_max.min(problem.n()),
            })
            .collect();
        columns.sort_unstable_by(|a, b| {
            (a.fee_micros, b.s_max, a.worker).cmp(&(b.fee_micros, a.s_max, b.worker))
        });
        Self {
            n: problem.n(),
            lot: problem.lot(),
            beta: problem.beta(),
            most: problem.most_employed(),
            columns,
        }
    }

    /// Solves it, adding the CPU time of the library.
    pub(super) fn solve(&self, library_cpu: &mut Duration) -> Result<Solution, String> {
        let (solved, spent) = cpu_time_of(|| self.state_and_solve());
        *library_cpu += spent;
        let batches = solved.map_err(|error| format!("the lp solver failed: {error}"))?;
        let mut solution = Solution {
            lots: Vec::with_capacity(batches.len()),
            above: Vec::with_capacity(batches.len()),
        };
        for (column, x) in self.columns.iter().zip(batches) {
            solution.lots.push(x.min(self.lot));
            solution
                .above
                .push(x.min(column.s_max).saturating_sub(self.lot));
        }
        Ok(solution)
    }

    /// The batches of each column. All of this calls into the library: stating a model and
    /// reading its solution is as much its work as solving it.
    fn state_and_solve(&self) -> Result<Vec<u64>, ResolutionError> {
        let split = self.beta > 0;
        let base = self.columns.first().map_or(0, |c| c.fee_micros);
        let mut variables = ProblemVariables::new();
        let mut pairs = Vec::with_capacity(self.columns.len());
        let mut cost = Expression::with_capacity(2 * self.columns.len());
        let mut all = Expression::with_capacity(2 * self.columns.len());
        let mut lots = Expression::with_capacity(self.columns.len());
        let limited = self.most < self.columns.len() as u64;
        let mut shares =
            Expression::with_capacity(if limited { 2 * self.columns.len() } else { 0 });
        for column in &self.columns {
            // Whole units of money keep the solver's numbers small; the base is paid anyway.
            let fee = to_f64(column.fee_micros - base) / 1e6;
            let mut add = |most: u64| {
                let variable = variables.add(variable().min(0).max(to_f64(most)));
                cost.add_mul(fee, variable);
                all.add_mul(1, variable);
                if limited {
                    shares.add_mul(1.0 / to_f64(column.s_max), variable);
                }
                variable
            };
            if split {
                let u = add(self.lot);
                let above = column.s_max - self.lot;
                let v = (above > 0).then(|| add(above));
                lots.add_mul(1, u);
                pairs.push((u, v));
            } else {
                pairs.push((add(column.s_max), None));
            }
        }
        let mut model = variables.minimise(cost).using(microlp);
        model.add_constraint(constraint::eq(all, to_f64(self.n)));
        if split {
            model.add_constraint(constraint::geq(lots, to_f64(self.lot * self.beta)));
        }
        if limited {
            model.add_constraint(constraint::leq(shares, to_f64(self.most)));
        }
        let solved = model.solve()?;
        let batches = |(u, v): (Variable, Option<Variable>)| {
            rounded(solved.value(u)) + v.map_or(0, |v| rounded(solved.value(v)))
        };
        Ok(pairs.into_iter().map(batches).collect())
    }

    /// What no plan costs less than: the relaxation's optimum, if the solution is one.
    pub(super) fn bound(&self, solution: &Solution) -> Cost {
        // The columns are in the order of their fees.
        let highest = |batches: &[u64]| {
            let last = batches.iter().rposition(|&x| x > 0);
            last.map(|i| self.columns[i].fee_micros)
        };
        let cheapest = self.columns.first().map_or(0, |c| c.fee_micros);
        let rho = highest(&solution.lots).unwrap_or(cheapest);
        let pi = highest(&solution.above).unwrap_or(cheapest).min(rho);
        let bound = self.lagrangian(pi, rho).max(self.lagrangian(rho, rho));
        Cost::from_micros(u128::try_from(bound).unwrap_or(0))
    }

    /// Below 10^29 in all its parts: 10^12 micro-units times 10^9 batches times 10^6 workers.
    fn lagrangian(&self, pi: u64, rho: u64) -> i128 {
        let (lot, beta) = (i128::from(self.lot), i128::from(self.beta));
        let mut bound = i128::from(pi) * i128::from(self.n) + i128::from(rho - pi) * lot * beta;
        for column in &self.columns {
            let above = i128::from(column.s_max - self.lot);
            bound -= i128::from(rho.saturating_sub(column.fee_micros)) * lot;
            bound -= i128::from(pi.saturating_sub(column.fee_micros)) * above;
        }
        bound
    }
}

/// The nearest whole number; saturating, so that nonsense stays a number.
fn rounded(value: f64) -> u64 {
    value.round() as u64
}

fn to_f64(value: u64) -> f64 {
    value as f64
}
