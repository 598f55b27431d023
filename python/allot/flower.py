"""A strategy for Flower (``flwr`` 1.42) that pays as little as possible, and the helper of its nodes.

On the server, :class:`AllotFedAvg` takes the place of ``FedAvg``::

    strategy = AllotFedAvg(num_batches=240, round_seconds=30.0)
    result = strategy.start(grid=grid, initial_arrays=arrays, num_rounds=10)

On the nodes, :class:`Share` says how much to train and writes the answer::

    @app.train()
    def train(message, context):
        model.load(message.content["arrays"])
        share = allot.flower.Share(message, context)
        for batch in share.batches(loader):
            model.step(batch)
        return share.reply(model.arrays())

What a batch costs on a node is the ``fee`` of its node configuration: ``--node-config 'fee=1.5'``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from logging import INFO
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple, TypeVar

from flwr.app import ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.common.logger import log
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg, Result

from ._errors import InputError
from ._nodes import Nodes

if TYPE_CHECKING:
    from flwr.app import ArrayRecord, Context

__all__ = ["AllotFedAvg", "Round", "Share", "prompt"]

Batch = TypeVar("Batch")

_BATCHES = "num-batches"
_SECONDS = "train-seconds"
_AT_MOST = "train-seconds-at-most"


class Share:
    """A node's part of one round: what it is asked to train, and what it has trained."""

    def __init__(self, message: "Message", context: Optional["Context"] = None) -> None:
        self._message = message
        config: Mapping[str, Any] = next(iter(message.content.config_records.values()), {})
        self.wanted = int(config.get(_BATCHES, 0))
        """The batches to train."""
        self.at_most = float(config.get(_AT_MOST, "inf"))
        """The seconds to train for, whether all batches are trained then or not."""
        self.done = 0
        """The batches that are trained."""
        self.seconds = 0.0
        """How long they took."""
        self._fee = None if context is None else context.node_config.get("fee")

    def batches(self, loader: Iterable[Batch]) -> Iterator[Batch]:
        """As many of the loader's batches as were asked for, from its beginning again when it ends.

        One that would not end in time is not begun; the first is tried if there is any time at all.
        """
        began = time.monotonic()
        while self.done < self.wanted:
            before = self.done
            for batch in loader:
                each = self.seconds / self.done if self.done else 0.0
                if self.done == self.wanted or self.seconds + each >= self.at_most:
                    return
                yield batch
                self.done += 1
                self.seconds = time.monotonic() - began
            if self.done == before:
                raise InputError("the loader has no batches")

    def reply(self, arrays: "ArrayRecord", **metrics: float) -> "Message":
        """The answer: the trained arrays, with what was done and whatever else is measured."""
        measured: Dict[str, Any] = {_BATCHES: self.done, _SECONDS: self.seconds, **metrics}
        if self._fee is not None:
            measured["fee"] = float(self._fee)
        content = RecordDict({"arrays": arrays, "metrics": MetricRecord(measured)})
        return Message(content, reply_to=self._message)


@dataclass(frozen=True)
class Round:
    """What came of one round."""

    planned: Dict[int, int]
    """Batches by node, as planned."""
    done: Dict[int, int]
    """Batches by node, as trained; a node that gave no answer in time is not here."""
    fee: float
    """What is paid for the trained batches."""
    seconds: float
    """How long it took until the last answer."""


class AllotFedAvg(FedAvg):  # type: ignore[misc] # Flower has no types where it is not installed
    """``FedAvg`` whose rounds are planned: every round trains ``num_batches`` batches within ``round_seconds``, for
    the least fee, and of the cheapest plans by the quickest.

    A node that is new first trains ``benchmark_batches``, whose result is thrown away. From then on its speed is
    learnt from every round. Each node is told how many batches to train and by when to stop, and its model weighs
    as much as it has trained. Who is not employed in a round is not asked.

    At least ``beta`` nodes are employed, with at least ``s_min`` batches each. ``objective`` is
    ``cheapest-then-quickest``, ``cheapest`` or ``quickest``. Batches and ways are planned to take longer than
    measured by a part of ``margin``. ``fees`` has fees by node id, for nodes that state none.

    Nodes answer as :class:`Share` does. The other arguments are those of ``FedAvg``.
    """

    def __init__(
        self,
        num_batches: int,
        round_seconds: float,
        *,
        fees: Optional[Mapping[int, float]] = None,
        beta: int = 1,
        s_min: int = 1,
        objective: str = "cheapest-then-quickest",
        margin: float = 0.1,
        benchmark_batches: int = 5,
        **more: Any,
    ) -> None:
        super().__init__(weighted_by_key=_BATCHES, **more)
        self.nodes = Nodes(num_batches, round_seconds, beta, s_min, objective, margin)
        self.history: List[Round] = []
        """What came of every round."""
        self._limit = round_seconds
        self._fees = dict(fees or {})
        self._benchmark_batches = benchmark_batches
        self._planned: Dict[int, int] = {}
        self._grid: Optional[_Prompt] = None

    def summary(self) -> None:
        """Logs what it was asked for."""
        super().summary()
        log(INFO, "\t└──> Allot: a round within %.1f s, benchmarks of %d batches", self._limit, self._benchmark_batches)

    def start(self, grid: Grid, *arguments: Any, **more: Any) -> Result:
        """As ``FedAvg``'s; answers are awaited for no longer than a round lasts."""
        more["timeout"] = min(more.get("timeout", self._limit), self._limit)
        return super().start(prompt(grid), *arguments, **more)

    def configure_train(
        self, server_round: int, arrays: "ArrayRecord", config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Measures who is new, and gives each node its batches."""
        self._grid = prompt(grid)
        # What FedAvg would ask decides who is present: fractions and minimal numbers are its own.
        asked = list(super().configure_train(server_round, arrays, config, grid))
        present = [message.metadata.dst_node_id for message in asked]
        strangers = [node for node in present if node not in self.nodes.known]
        if strangers:
            for attempt in range(2):  # the first answer of a node may be late, as it loads what it trains with
                self._benchmark(strangers, arrays, config)
                strangers = [node for node in strangers if node not in self.nodes.known]
        shares = self.nodes.shares(present)
        self._planned = {node: share.batches for node, share in shares.items()}
        log(INFO, "configure_train: %s batches", dict(self._planned))
        return [
            self._order(node, arrays, config, share.batches, share.seconds) for node, share in shares.items()
        ]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> Tuple[Optional["ArrayRecord"], Optional[MetricRecord]]:
        """Averages by what was trained, and learns from it."""
        replies = [reply for reply in replies if not reply.has_error()]
        trips = {} if self._grid is None else self._grid.trips
        done: Dict[int, int] = {}
        fee = 0.0
        for reply in replies:
            node = reply.metadata.src_node_id
            self._learn(reply, trips.get(node))
            done[node] = int(_metrics(reply)[_BATCHES])
            fee += done[node] * self.nodes.known[node].fee
        # Who did not answer is measured anew before it is employed again.
        for node in self._planned:
            if node not in done:
                self.nodes.known.pop(node, None)
        seconds = max((trips.get(node, 0.0) for node in done), default=self._limit)
        self.history.append(Round(self._planned, done, round(fee, 6), seconds))
        arrays, metrics = super().aggregate_train(
            server_round, [reply for reply in replies if done[reply.metadata.src_node_id] > 0]
        )
        if metrics is not None:
            # A mean of times and fees says nothing.
            metrics[_SECONDS] = seconds
            metrics["fee"] = round(fee, 6)
        return arrays, metrics

    def _benchmark(self, strangers: List[int], arrays: "ArrayRecord", config: ConfigRecord) -> None:
        assert self._grid is not None
        orders = [
            self._order(node, arrays, config, self._benchmark_batches, self._limit) for node in strangers
        ]
        for reply in self._grid.send_and_receive(orders, timeout=self._limit):
            if reply.has_error():
                log(INFO, "benchmark of node %d: %s", reply.metadata.src_node_id, reply.error.reason)
            else:
                self._learn(reply, self._grid.trips.get(reply.metadata.src_node_id))

    def _learn(self, reply: Message, trip: Optional[float]) -> None:
        node, metrics = reply.metadata.src_node_id, _metrics(reply)
        for key in (_BATCHES, _SECONDS):
            if key not in metrics:
                raise InputError(f"node {node} answered without {key}: let allot.flower.Share write the answer")
        fee = metrics.get("fee", self._fees.get(node))
        if fee is None:
            raise InputError(
                f"node {node} states no fee: start it with --node-config 'fee=1.5', or name it in fees"
            )
        batches, seconds = int(metrics[_BATCHES]), float(metrics[_SECONDS])
        if batches > 0:
            self.nodes.measured(node, float(fee), batches, seconds, seconds if trip is None else trip)

    def _order(
        self, node: int, arrays: "ArrayRecord", config: ConfigRecord, batches: int, seconds: float
    ) -> Message:
        asked = ConfigRecord({**config, _BATCHES: batches, _AT_MOST: seconds})
        content = RecordDict({self.arrayrecord_key: arrays, self.configrecord_key: asked})
        return Message(content=content, message_type=MessageType.TRAIN, dst_node_id=node)


def _metrics(reply: Message) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(iter(reply.content.metric_records.values()), {})
    return found


def prompt(grid: Grid, every: float = 0.1) -> "_Prompt":
    """A grid that looks for answers more often than every three seconds, and clocks each node's."""
    return grid if isinstance(grid, _Prompt) else _Prompt(grid, every)


class _Prompt(Grid):  # type: ignore[misc] # see above
    def __init__(self, grid: Grid, every: float) -> None:
        self._grid = grid
        self._every = every
        self.trips: Dict[int, float] = {}
        """Of the last messages, how long each node's answer took."""

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: Optional[float] = None
    ) -> Iterable[Message]:
        began = time.monotonic()
        waiting = set(self._grid.push_messages(messages))
        self.trips = {}
        answers: List[Message] = []
        while waiting:
            for answer in self._grid.pull_messages(waiting):
                answers.append(answer)
                waiting.discard(answer.metadata.reply_to_message_id)
                self.trips[answer.metadata.src_node_id] = time.monotonic() - began
            left = float("inf") if timeout is None else began + timeout - time.monotonic()
            if left <= 0:
                break
            if waiting:
                time.sleep(min(self._every, left))
        return answers

    def set_run(self, run: Any) -> None:
        self._grid.set_run(run)

    @property
    def run(self) -> Any:
        return self._grid.run

    def create_message(self, *arguments: Any, **more: Any) -> Message:
        return self._grid.create_message(*arguments, **more)

    def get_node_ids(self) -> Iterable[int]:
        nodes: Iterable[int] = self._grid.get_node_ids()
        return nodes

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        ids: Iterable[str] = self._grid.push_messages(messages)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        answers: Iterable[Message] = self._grid.pull_messages(message_ids)
        return answers
