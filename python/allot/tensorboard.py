"""Event files for TensorBoard of a folder that ``sim run`` or ``runtime cluster`` wrote; ``tensorboardX`` writes them.

    allot tensorboard first-run              # into first-run/tensorboard
    tensorboard --logdir first-run/tensorboard

Each run has its cycles: the fee, the time, batches that count, batches of every worker; a real run also what the model
was judged to be. The time of an event is that of the run.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Tuple, Union

from ._errors import Failed
from ._folders import Folder

if TYPE_CHECKING:
    PathLike = Union[str, "os.PathLike[str]"]

__all__ = ["write"]

Scalar = Tuple[str, float]


def write(path: "PathLike", out: Optional["PathLike"] = None) -> Path:
    """Writes the event files into ``out``, a folder of its own for each run if there are several, and returns it.

    :raises allot.Error: if the folder cannot be read, or ``tensorboardX`` is not installed
    """
    folder = Folder(path)
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise Failed("event files are written with tensorboardX: pip install tensorboardX", "missing_package") from None
    target = folder.path / "tensorboard" if out is None else Path(out)
    began = float(folder.run.get("started_unix_s", 0))
    runs = _cycles(folder)
    judged = _judged(folder)
    for (allocator, replicate), cycles in runs.items():
        own = target if len(runs) == 1 else target / f"{allocator}-{replicate}"
        with SummaryWriter(str(own)) as writer:
            for name, value in judged.get(0, []):
                writer.add_scalar(name, value, 0, walltime=began)
            for cycle, (ended, scalars) in sorted(cycles.items()):
                for name, value in scalars + judged.get(cycle, []):
                    writer.add_scalar(name, value, cycle, walltime=began + ended)
    return target


def _rows(folder: Folder, table: str) -> Iterator[Dict[str, Any]]:
    for batch in folder[table].to_batches():
        yield from batch.to_pylist()


def _cycles(folder: Folder) -> Dict[Tuple[str, int], Dict[int, Tuple[float, List[Scalar]]]]:
    """By run, the cycles: when each ended, in seconds, and what is known of it."""
    names = {(row["allocator"], row["replicate"], row["worker"]): row["name"] for row in _rows(folder, "workers")}
    runs: Dict[Tuple[str, int], Dict[int, Tuple[float, List[Scalar]]]] = {}
    for row in _rows(folder, "cycles"):
        scalars = [
            ("cycle/fee", float(row["cost_micro"]) / 1e6),
            ("cycle/seconds", (row["ended_ns"] - row["started_ns"]) / 1e9),
            ("cycle/limit_seconds", row["limit_ns"] / 1e9),
            ("cycle/batches", row["batches_accepted"]),
            ("cycle/batches_lost", row["batches_lost"]),
            ("cycle/workers", row["workers"]),
        ]
        run = runs.setdefault((row["allocator"], row["replicate"]), {})
        run[row["cycle"]] = (row["ended_ns"] / 1e9, scalars)
    for row in _rows(folder, "lots"):
        run = runs.get((row["allocator"], row["replicate"]), {})
        if row["cycle"] in run:
            name = names.get((row["allocator"], row["replicate"], row["worker"])) or str(row["worker"])
            run[row["cycle"]][1].append((f"batches/{name}", row["accepted"] or 0))
    return runs


def _judged(folder: Folder) -> Dict[int, List[Scalar]]:
    """By cycle, what the model of a real run was judged to be; 0 is before the first."""
    if "models" not in folder:
        return {}
    kinds = ("loss", "accuracy", "true_class_probability")
    return {
        row["cycle"]: [(f"model/{kind}", row[kind]) for kind in kinds if row[kind] is not None]
        for row in _rows(folder, "models")
    }
