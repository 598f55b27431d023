//! Branch and bound over the core: the workers that the Lagrangian bound leaves undecided.
//!
//! Depth first, the relaxation's choice first. Each choice against it costs its penalty, the
//! distance of the worker's gain from the middle between the last gain that is in and the first
//! that is out; as many are left out as taken in, so the middle cancels and the sum is exact.

use super::sets::{Core, Frame, Incumbent};

/// Above this size the table of reachable capacities would cost more than it saves.
const MAX_TABLE: usize = 128;

/// A point of the search: the first `depth` workers of the core are decided.
#[derive(Clone, Copy, Debug)]
struct Node {
    depth: usize,
    /// The last decision.
    taken: bool,
    missing: usize,
    capacity: u64,
    cost: u128,
    penalty: i128,
}

/// Searches for sets cheaper than the incumbent; `member` holds the decided set. Returns whether
/// the incumbent is proved optimal, if not, the budget of nodes ran out.
pub(super) fn run(
    frame: &Frame<'_>,
    core: &Core,
    member: &mut [bool],
    incumbent: &mut Incumbent,
    nodes: u64,
) -> bool {
    let mut search = Search {
        frame,
        core,
        reach: Reach::new(core),
        member,
        trail: 0,
    };
    let proved = search.explore(incumbent, nodes);
    search.rewind(0);
    proved
}

struct Search<'a, 'b> {
    frame: &'a Frame<'a>,
    core: &'a Core,
    reach: Reach,
    member: &'b mut [bool],
    /// The depth up to which `member` shows the decisions of the current node.
    trail: usize,
}

impl Search<'_, '_> {
    fn explore(&mut self, incumbent: &mut Incumbent, nodes: u64) -> bool {
        let open = &self.core.open;
        let mut limit = self.core.limit(incumbent.cost);
        let decided = self.core.decided;
        let mut stack = vec![Node {
            depth: 0,
            taken: false,
            missing: decided.missing,
            capacity: decided.capacity,
            cost: decided.cost,
            penalty: 0,
        }];
        let mut seen = 0;
        while let Some(node) = stack.pop() {
            seen += 1;
            if seen > nodes {
                return false;
            }
            let reachable = node.capacity + self.reach.largest(node.depth, node.missing);
            if self.core.scaled_bound + node.penalty >= limit || reachable < self.frame.n {
                continue;
            }
            self.follow(&node);
            if node.missing == 0 {
                // The capacity test above has passed with nothing left to take.
                let cost = self
                    .frame
                    .trimmed_cost(self.member, node.capacity, node.cost);
                if cost < incumbent.cost {
                    limit = self.core.limit(cost);
                    incumbent.cost = cost;
                    incumbent.member.clear();
                    incumbent.member.extend_from_slice(self.member);
                    incumbent.employed = self.member.iter().filter(|&&is_in| is_in).count();
                }
                continue;
            }
            let next = open[node.depth];
            let child = |taken: bool| Node {
                depth: node.depth + 1,
                taken,
                missing: node.missing - usize::from(taken),
                capacity: node.capacity + if taken { next.candidate.s_max } else { 0 },
                cost: node.cost
                    + if taken {
                        u128::from(next.candidate.fee) * u128::from(next.candidate.s_max)
                    } else {
                        0
                    },
                penalty: node.penalty + if taken == next.taken { 0 } else { next.penalty },
            };
            let enough_without = open.len() - node.depth > node.missing;
            for taken in [!next.taken, next.taken] {
                if taken || enough_without {
                    stack.push(child(taken));
                }
            }
        }
        true
    }

    /// Makes `member` show the node's decisions; its parent's are still there.
    fn follow(&mut self, node: &Node) {
        let Some(last) = node.depth.checked_sub(1) else {
            return;
        };
        self.rewind(last);
        self.member[self.core.open[last].candidate.position] = node.taken;
        self.trail = node.depth;
    }

    fn rewind(&mut self, depth: usize) {
        for open in &self.core.open[depth.min(self.trail)..self.trail] {
            self.member[open.candidate.position] = false;
        }
        self.trail = self.trail.min(depth);
    }
}

/// The largest total capacity of a number of workers from some depth on.
#[derive(Debug)]
enum Reach {
    /// Exact, by depth and number.
    Table { width: usize, sums: Vec<u64> },
    /// From above: the largest of the whole core, and all from some depth on.
    Bounds { largest: Vec<u64>, rest: Vec<u64> },
}

impl Reach {
    fn new(core: &Core) -> Self {
        let capacity = |depth: usize| core.open[depth].candidate.s_max;
        let size = core.open.len();
        let width = core.decided.missing.min(size) + 1;
        let mut descending: Vec<u64> = Vec::with_capacity(size);
        if size <= MAX_TABLE {
            let mut sums = vec![0; (size + 1) * width];
            for depth in (0..size).rev() {
                let s_max = capacity(depth);
                let place = descending.partition_point(|&other| other > s_max);
                descending.insert(place, s_max);
                let row = &mut sums[depth * width..][..width];
                for count in 1..width {
                    row[count] = row[count - 1] + descending.get(count - 1).unwrap_or(&0);
                }
            }
            return Self::Table { width, sums };
        }
        descending.extend((0..size).map(capacity));
        descending.sort_unstable_by(|a, b| b.cmp(a));
        let running = |sum: &mut u64, s_max: u64| {
            *sum += s_max;
            Some(*sum)
        };
        let largest = std::iter::once(0)
            .chain(descending.into_iter().scan(0, running))
            .collect();
        let mut rest: Vec<u64> = std::iter::once(0)
            .chain((0..size).rev().map(capacity).scan(0, running))
            .collect();
        rest.reverse();
        Self::Bounds { largest, rest }
    }

    fn largest(&self, depth: usize, count: usize) -> u64 {
        match self {
            Self::Table { width, sums } => sums[depth * width + count],
            Self::Bounds { largest, rest } => largest[count].min(rest[depth]),
        }
    }
}
