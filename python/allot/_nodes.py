"""What is known of nodes that train elsewhere, and the plan that follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterable, List, Optional

from ._errors import Infeasible, InputError
from ._solve import Plan, schedule

__all__ = ["Node", "Nodes", "Share"]


@dataclass
class Node:
    """One node, as far as it is measured. Times are in seconds."""

    fee: float
    """Of one batch."""
    batch_seconds: float
    """How long a batch takes it."""
    fixed_seconds: float
    """What a round takes it besides: the way there and back, and starting."""


@dataclass(frozen=True)
class Share:
    """What a node is to do in one round."""

    batches: int
    seconds: float
    """The time that it may train for, so that its answer comes within the limit."""


class Nodes:
    """Learns how fast nodes are, and divides the batches of a round among them."""

    def __init__(
        self, batches: int, limit: float, beta: int, s_min: int, objective: str, margin: float
    ) -> None:
        if not 0.0 <= margin <= 10.0:
            raise InputError(f"margin is {margin}, expected a number from 0 to 10")
        self._asked = (batches, limit, beta, s_min, objective)
        self._longer = 1.0 + margin
        self.known: Dict[int, Node] = {}
        self.plan: Optional[Plan] = None

    def measured(self, node: int, fee: float, batches: int, seconds: float, round_trip: float) -> None:
        """A node has trained this number of batches in a time, and its answer took that long in all."""
        batch = max(seconds, 1e-9) / max(batches, 1)
        fixed = max(round_trip - seconds, 0.0)
        before = self.known.get(node)
        if before is not None:
            # Speeds drift: half of what is believed is the last round's. What is lost on the way goes up at
            # once and down slowly, as a round that breaks its limit costs more than one with time to spare.
            batch = (batch + before.batch_seconds) / 2
            fixed = max(fixed, (fixed + before.fixed_seconds) / 2)
        self.known[node] = Node(fee, batch, fixed)

    def shares(self, present: Iterable[int]) -> Dict[int, Share]:
        """Divides the batches among those of the present nodes that are known.

        :raises allot.Infeasible: if they cannot train all batches within the limit
        """
        ids = sorted(node for node in present if node in self.known)
        batches, limit, beta, s_min, objective = self._asked
        nodes: List[Node] = [self.known[node] for node in ids]
        try:
            plan = schedule(
                batches,
                limit,
                [node.batch_seconds * self._longer for node in nodes],
                [node.fee for node in nodes],
                fixed_seconds=[node.fixed_seconds * self._longer for node in nodes],
                beta=beta,
                s_min=s_min,
                objective=objective,
            )
        except Infeasible as none:
            words = f"{none.message}: {len(nodes)} nodes, {batches} batches within {limit} s"
            raise Infeasible(words, none.reason) from None
        self.plan = plan
        return {
            node: Share(int(x), max(limit - self.known[node].fixed_seconds, 0.0))
            for node, x in zip(ids, plan.batches)
            if x > 0
        }
