//! All plans whose reduced costs add up to at most a threshold.
//!
//! A state is the sum of batches and the number of employed workers, with the least reduced cost that
//! reaches it. It is dropped when even the cheapest way to give the remaining workers what is left
//! takes it above the threshold.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::dual::{Choice, Dual, least_of};
use super::work::{Item, Prepared};

/// The states that a quick pass keeps of each layer.
pub(super) const BEAM: usize = 64;

/// What the workers can do within a threshold.
#[derive(Debug)]
pub(super) struct Core<'a> {
    prepared: &'a Prepared<'a>,
    dual: &'a Dual,
    /// Workers with a choice, the cheapest to change first.
    active: Vec<Active>,
    /// Of those without.
    fixed: Vec<(usize, Option<i64>)>,
    /// What reduced cost is the least that was not looked at.
    left: i128,
    /// Whether the number of employed workers can be wrong, or costs anything.
    counts: bool,
    /// What it takes to move the active workers away from where they cost nothing: `[more, fewer]`.
    pieces: [Vec<Piece>; 2],
}

#[derive(Debug)]
struct Active {
    /// Its index in [`Prepared`].
    worker: usize,
    items: Vec<Item>,
    /// Where it costs nothing.
    base: i64,
    is_free: bool,
}

/// `width` batches of a worker at `slope` each, at least.
#[derive(Clone, Copy, Debug)]
struct Piece {
    slope: i128,
    width: i64,
    active: usize,
}

/// What came of a pass.
#[derive(Debug)]
pub(super) struct Found {
    /// The cheapest plan within the threshold.
    pub(super) best: Option<Choice>,
    /// Every plan that was not looked at costs at least this much above the bound.
    pub(super) beyond: i128,
    /// The options that were tried.
    pub(super) tried: u64,
    /// Whether it was given up.
    pub(super) is_cut: bool,
}

#[derive(Clone, Copy, Debug)]
struct State {
    x: i64,
    count: usize,
    r: i128,
    /// The last node on the way here.
    node: usize,
}

/// An option that was taken, after another.
#[derive(Clone, Copy, Debug)]
struct Node {
    before: usize,
    active: usize,
    item: usize,
}

const ROOT: usize = usize::MAX;

impl<'a> Core<'a> {
    /// Collects the options up to twice the threshold, so that the next threshold finds them here.
    pub(super) fn new(prepared: &'a Prepared<'a>, dual: &'a Dual, t: i128) -> Self {
        let works = &prepared.works;
        let mut core = Self {
            prepared,
            dual,
            active: Vec::new(),
            fixed: Vec::new(),
            left: i128::MAX,
            counts: works.iter().any(|work| work.optional)
                && (dual.mu != 0
                    || prepared.least > works.iter().filter(|work| !work.optional).count()
                    || prepared.most < works.len()),
            pieces: [Vec::new(), Vec::new()],
        };
        let reach = t.saturating_mul(2);
        for (worker, work) in works.iter().enumerate() {
            let (value, start) = dual.least[worker];
            let least = least_of(work, value, dual.mu);
            let mut items = Vec::new();
            let base = (dual.q, dual.p, dual.mu + least);
            let (left, is_free) = work.options(base, reach, start, &mut items);
            core.left = core.left.min(left);
            if work.optional {
                let idle = Item { x: None, r: -least };
                if idle.r <= reach {
                    items.push(idle);
                } else {
                    core.left = core.left.min(idle.r);
                }
            }
            items.sort_unstable_by_key(|item| (item.r, item.x));
            if items.len() == 1 && !is_free {
                core.fixed.push((worker, items[0].x));
                continue;
            }
            let base = dual.choice.x[worker].unwrap_or(0);
            core.active.push(Active {
                worker,
                items,
                base,
                is_free,
            });
        }
        core.active
            .sort_by_key(|active| active.items.get(1).map_or(i128::MAX, |item| item.r));
        core.measure_pieces();
        core
    }

    /// For each worker the lower hull of its options, cut into pieces: those that give it more batches
    /// than its base, and those that give it fewer.
    fn measure_pieces(&mut self) {
        for (index, active) in self.active.iter().enumerate() {
            let mut points: Vec<(i64, i128)> = active
                .items
                .iter()
                .map(|item| (item.x.unwrap_or(0), item.r))
                .collect();
            // Where it is concave between ends, ends beyond the reach count too.
            let work = &self.prepared.works[active.worker];
            if let Some(ends) = work.ends() {
                let dual = self.dual;
                let least = least_of(work, dual.least[active.worker].0, dual.mu);
                points.extend(ends.iter().map(|&(x, f)| {
                    let value = dual.q * i128::from(f) - dual.p * i128::from(x);
                    (x, value - dual.mu - least)
                }));
            }
            points.sort_unstable();
            points.dedup_by_key(|point| point.0);
            let at = points.partition_point(|point| point.0 < active.base);
            let up = points[at..].iter().map(|&(x, r)| (x - active.base, r));
            let down = points[..=at.min(points.len() - 1)].iter().rev();
            let down = down.map(|&(x, r)| (active.base - x, r));
            for (pieces, way) in self.pieces.iter_mut().zip([hull(up), hull(down)]) {
                pieces.extend(way.into_iter().map(|(slope, width)| Piece {
                    slope,
                    width,
                    active: index,
                }));
            }
        }
        for pieces in &mut self.pieces {
            pieces.sort_unstable_by_key(|piece| (piece.slope, piece.active));
        }
    }

    /// Looks for the cheapest plan whose reduced costs are at most `t`, over all of them. With `beam`
    /// it keeps few states and may miss it; it gives up after `budget` options.
    pub(super) fn pass(&self, t: i128, budget: u64, beam: bool) -> Found {
        let mut pass = Pass {
            core: self,
            t,
            beam,
            budget,
            nodes: Vec::new(),
            remaining: vec![true; self.active.len()],
            best: None,
            beyond: self.left,
            tried: 0,
        };
        let fixed = self.fixed.iter().filter_map(|fixed| fixed.1);
        let start = State {
            x: fixed.clone().sum(),
            count: if self.counts { fixed.count() } else { 0 },
            r: 0,
            node: ROOT,
        };
        pass.run(start);
        Found {
            is_cut: pass.tried > budget,
            tried: pass.tried,
            beyond: pass.beyond,
            best: pass.best,
        }
    }
}

/// The slopes and widths of the lower hull of points that begin at 0 with 0, in order; slopes are
/// rounded down.
fn hull(points: impl Iterator<Item = (i64, i128)>) -> Vec<(i128, i64)> {
    let mut corners: Vec<(i64, i128)> = Vec::new();
    for (x, r) in points {
        while let [.., a, b] = corners.as_slice() {
            // The middle one lies on or above the line between its neighbours.
            let above = (b.1 - a.1) * i128::from(x - a.0) >= (r - a.1) * i128::from(b.0 - a.0);
            if !above {
                break;
            }
            corners.pop();
        }
        corners.push((x, r));
    }
    let pairs = corners.windows(2);
    pairs
        .map(|pair| {
            let width = pair[1].0 - pair[0].0;
            ((pair[1].1 - pair[0].1).div_euclid(i128::from(width)), width)
        })
        .collect()
}

struct Pass<'a> {
    core: &'a Core<'a>,
    t: i128,
    beam: bool,
    budget: u64,
    nodes: Vec<Node>,
    /// Which active workers are not decided yet.
    remaining: Vec<bool>,
    best: Option<Choice>,
    beyond: i128,
    tried: u64,
}

impl Pass<'_> {
    fn run(&mut self, start: State) {
        let active = &self.core.active;
        let has_ends = |at: &usize| {
            self.core.prepared.works[active[*at].worker]
                .ends()
                .is_some()
        };
        // One worker may get what lies within a concave piece. Where nobody can, the one with the most
        // options is looked up last.
        let any_free = active.iter().any(|it| it.is_free);
        let (last, first): (Vec<usize>, Vec<usize>) = if any_free {
            (0..active.len()).partition(has_ends)
        } else {
            let longest = (0..active.len()).max_by_key(|&at| active[at].items.len());
            (0..active.len()).partition(|&at| Some(at) == longest)
        };
        let states = self.apply(vec![start], &first);
        if last.is_empty() {
            self.conclude(&states);
        } else {
            self.divide(states, &last, any_free);
        }
    }

    /// Every way to leave one worker for the end, and apply the others.
    fn divide(&mut self, states: Vec<State>, workers: &[usize], any_free: bool) {
        if states.is_empty() || self.tried > self.budget {
            return;
        }
        if let [worker] = workers {
            self.finish(&states, *worker);
            return;
        }
        let halves = workers.split_at(workers.len() / 2);
        let can_be_last = |half: &[usize]| half.iter().any(|&at| self.core.active[at].is_free);
        let ways = if any_free {
            [can_be_last(halves.0), can_be_last(halves.1)]
        } else {
            [true, false]
        };
        let kept = self.nodes.len();
        for (way, (last, first)) in ways.into_iter().zip([halves, (halves.1, halves.0)]) {
            if way {
                let applied = self.apply(states.clone(), first);
                self.divide(applied, last, any_free);
                first.iter().for_each(|&at| self.remaining[at] = true);
                self.nodes.truncate(kept);
            }
        }
    }

    /// The states after these workers.
    fn apply(&mut self, mut states: Vec<State>, workers: &[usize]) -> Vec<State> {
        for &worker in workers {
            self.remaining[worker] = false;
            if states.is_empty() || self.tried > self.budget {
                continue;
            }
            states = self.layer(&states, worker);
        }
        if self.tried > self.budget {
            Vec::new()
        } else {
            states
        }
    }

    fn layer(&mut self, states: &[State], worker: usize) -> Vec<State> {
        let rest = Rest::new(self.core, &self.remaining);
        let mut seen: HashMap<u64, usize, BuildHasherDefault<Mix>> = HashMap::default();
        let mut next: Vec<State> = Vec::new();
        let mut bounds: Vec<i128> = Vec::new();
        for state in states {
            for (index, item) in self.core.active[worker].items.iter().enumerate() {
                self.tried += 1;
                let r = state.r + item.r;
                if r > self.t {
                    self.beyond = self.beyond.min(r);
                    break;
                }
                let x = state.x + item.x.unwrap_or(0);
                let count = state.count + usize::from(self.core.counts && item.x.is_some());
                let Some(more) = rest.least(x, count) else {
                    continue;
                };
                let bound = r.saturating_add(more);
                if bound > self.t {
                    self.beyond = self.beyond.min(bound);
                    continue;
                }
                let key = (x as u64) << 20 | count as u64;
                let place = *seen.entry(key).or_insert(next.len());
                if place < next.len() && next[place].r <= r {
                    continue;
                }
                self.nodes.push(Node {
                    before: state.node,
                    active: worker,
                    item: index,
                });
                let node = self.nodes.len() - 1;
                let state = State { x, count, r, node };
                if place < next.len() {
                    next[place] = state;
                    bounds[place] = bound;
                } else {
                    next.push(state);
                    bounds.push(bound);
                }
            }
            if self.tried > self.budget {
                return Vec::new();
            }
        }
        if self.beam && next.len() > BEAM {
            let mut order: Vec<usize> = (0..next.len()).collect();
            order.sort_unstable_by_key(|&at| (bounds[at], next[at].x, next[at].count));
            order.truncate(BEAM);
            next = order.into_iter().map(|at| next[at]).collect();
        }
        next
    }

    /// Gives the last worker what is left, wherever that lies.
    fn finish(&mut self, states: &[State], worker: usize) {
        let core = self.core;
        let (prepared, dual) = (core.prepared, core.dual);
        let at = core.active[worker].worker;
        let work = &prepared.works[at];
        let least = least_of(work, dual.least[at].0, dual.mu);
        for state in states {
            self.tried += 1;
            let x = prepared.n - state.x;
            let employed = work.at(x).map(|f| {
                let value = dual.q * i128::from(f) - dual.p * i128::from(x);
                (Some(x), value - dual.mu - least)
            });
            let idle = (x == 0 && work.optional).then_some((None, -least));
            for (x, r) in employed.into_iter().chain(idle) {
                let count = state.count + usize::from(core.counts && x.is_some());
                self.take(state, Some((worker, x)), count, state.r + r);
            }
        }
    }

    /// Nobody is left: a plan is one whose batches are right.
    fn conclude(&mut self, states: &[State]) {
        for state in states
            .iter()
            .filter(|state| state.x == self.core.prepared.n)
        {
            self.take(state, None, state.count, state.r);
        }
    }

    fn take(&mut self, state: &State, last: Option<(usize, Option<i64>)>, count: usize, r: i128) {
        let core = self.core;
        let Some(slack) = core.slack(count) else {
            return;
        };
        let r = r.saturating_add(slack);
        if r > self.t {
            self.beyond = self.beyond.min(r);
            return;
        }
        let mut choice = core.dual.choice.clone();
        let works = &core.prepared.works;
        for &(worker, x) in &core.fixed {
            choice.set(works, worker, x);
        }
        let mut node = state.node;
        while node != ROOT {
            let Node {
                before,
                active,
                item,
            } = self.nodes[node];
            let active = &core.active[active];
            choice.set(works, active.worker, active.items[item].x);
            node = before;
        }
        if let Some((active, x)) = last {
            choice.set(works, core.active[active].worker, x);
        }
        self.best = Some(choice);
        self.t = r - 1;
    }
}

impl Core<'_> {
    /// What the number of employed workers costs, or `None` if it is not allowed.
    fn slack(&self, count: usize) -> Option<i128> {
        if !self.counts {
            return Some(0);
        }
        let (least, most) = (self.prepared.least, self.prepared.most);
        let bound = if self.dual.mu < 0 { most } else { least };
        let away = count.abs_diff(bound) as i128;
        (least..=most)
            .contains(&count)
            .then(|| self.dual.mu.abs() * away)
    }
}

/// What the workers that are not decided yet can do.
struct Rest<'a> {
    core: &'a Core<'a>,
    /// Their batches where they cost nothing.
    base: i64,
    /// How many of them must be employed, and may be.
    forced: usize,
    able: usize,
    /// For more and for fewer batches: how many, at what slope, and what those before took.
    steps: [Vec<Step>; 2],
}

struct Step {
    from: i64,
    until: i64,
    slope: i128,
    before: i128,
}

impl<'a> Rest<'a> {
    fn new(core: &'a Core<'a>, remaining: &[bool]) -> Self {
        let (mut base, mut forced, mut able) = (0, 0, 0);
        for (active, _) in core.active.iter().zip(remaining).filter(|(_, is)| **is) {
            base += active.base;
            able += 1;
            forced += usize::from(!core.prepared.works[active.worker].optional);
        }
        let steps = core.pieces.each_ref().map(|pieces| {
            let (mut until, mut before) = (0, 0_i128);
            let pieces = pieces.iter().filter(|piece| remaining[piece.active]);
            pieces
                .map(|piece| {
                    let from = until;
                    until += piece.width;
                    let step = Step {
                        from,
                        until,
                        slope: piece.slope,
                        before,
                    };
                    before += piece.slope * i128::from(piece.width);
                    step
                })
                .collect()
        });
        Self {
            core,
            base,
            forced,
            able,
            steps,
        }
    }

    /// The least that it takes to come from here to a plan, or `None` if there is no way.
    fn least(&self, x: i64, count: usize) -> Option<i128> {
        let core = self.core;
        if core.counts {
            let (least, most) = (core.prepared.least, core.prepared.most);
            if count + self.forced > most || count + self.able < least {
                return None;
            }
        }
        let away = core.prepared.n - x - self.base;
        if away == 0 {
            return Some(0);
        }
        let steps = &self.steps[usize::from(away < 0)];
        let away = away.abs();
        let step = steps.get(steps.partition_point(|step| step.until < away))?;
        Some(step.before + step.slope * i128::from(away - step.from))
    }
}

/// Mixes the bits of one number: the order of the map is never looked at.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are numbers of 64 bits")
    }

    fn write_u64(&mut self, key: u64) {
        let mixed = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}
