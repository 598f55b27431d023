"""Allot divides the batches of a training job among unequal machines, at the least fee within a time limit.

:func:`solve` and :func:`schedule` plan in this process; :func:`plan` and :func:`simulate` take scenarios, and
:func:`read` the folders that runs leave behind. :mod:`allot.trainer` and :mod:`allot.torch` train a model of
one's own for Allot, and :func:`export` writes one as TorchScript; :mod:`allot.flower` has a strategy for Flower.

What a name needs is imported when it is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in typing, which takes longer to import than all of this
if TYPE_CHECKING:
    from typing import Any, List

    from ._errors import Error, Failed, Infeasible, InputError
    from ._folders import Folder, plan, read, simulate
    from ._script import export
    from ._solve import Plan, allocators, schedule, solve

__all__ = [
    "Error",
    "Failed",
    "Folder",
    "Infeasible",
    "InputError",
    "Plan",
    "allocators",
    "export",
    "plan",
    "read",
    "schedule",
    "simulate",
    "solve",
]

__version__ = "0.1.0"

_HOMES = {
    "_errors": ("Error", "Failed", "Infeasible", "InputError"),
    "_folders": ("Folder", "plan", "read", "simulate"),
    "_script": ("export",),
    "_solve": ("Plan", "allocators", "schedule", "solve"),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in ("flower", "tensorboard", "torch", "trainer"):
        return import_module(f".{name}", __name__)
    for home, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(f".{home}", __name__), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> List[str]:
    return sorted([*globals(), *__all__])
