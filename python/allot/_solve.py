"""Allocation problems in this process."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, List, Optional, Sequence, Union

try:
    from . import _native
except ImportError as error:
    raise ImportError(
        "allot has no module _native here: install the wheel, or build it in a checkout with './allot wheel'"
    ) from error

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = Union[Sequence[Union[int, float, Decimal, str]], npt.NDArray[Any]]
    Batches = Union[List[int], npt.NDArray[np.int64]]

__all__ = ["Plan", "allocators", "schedule", "solve"]


@dataclass(frozen=True)
class Plan:
    """How many batches each worker gets, and what is proved of it. It was verified in integers."""

    batches: "Batches"
    """Of each worker, in the order given; 0 means not employed. An array if arrays were given."""
    cost: Decimal
    """The total fee, exactly."""
    lower_bound: Optional[Decimal]
    """No plan costs less than this, where the allocator knows such a bound."""
    status: str
    """``optimal``, ``bounded`` or ``feasible``."""
    certificate: Optional[str]
    """What the bound rests on, such as ``closed_form``."""
    seconds: Optional[float] = None
    """How long a cycle takes by this plan, from :func:`schedule`."""

    @property
    def employed(self) -> int:
        """How many workers get batches."""
        return sum(1 for x in self.batches if x > 0)


def allocators() -> List[str]:
    """The names that :func:`solve` knows. CBC is one of the programs' alone."""
    return _native.allocators()


def solve(
    n: int,
    s_max: "Numbers",
    fee: "Numbers",
    *,
    beta: int = 0,
    s_min: int = 0,
    most_employed: Optional[int] = None,
    allocator: str = "exact",
) -> Plan:
    """The cheapest way to hand out ``n`` batches.

    Worker ``i`` takes 0 batches, or at least ``s_min`` and at most ``s_max[i]``, for ``fee[i]`` each. At
    least ``beta`` workers get some, and at most ``most_employed``.

    Fees have at most six decimal places. A float is taken as the shortest decimal that reads as it: 0.1 is
    a tenth. Lists are quickest for some tens of workers, NumPy arrays for more.

    >>> plan = solve(14, s_max=[5, 8, 8, 11], fee=[1, 2, 3, 10], s_min=5)
    >>> plan.batches, plan.cost, plan.status
    ([0, 8, 6, 0], Decimal('34'), 'optimal')

    :raises allot.Infeasible: if there is no plan
    :raises allot.InputError: if a number is not as expected
    """
    is_array = hasattr(s_max, "dtype")
    if type(s_max) is not list:
        s_max = _plain(s_max, "<i8")
    if type(fee) is not list:
        fee = _plain(fee, "<f8")
    answer = _native.solve(n, beta, s_min, most_employed, s_max, fee, allocator)
    return _plan(answer, is_array)


def schedule(
    n: int,
    limit: float,
    batch_seconds: "Numbers",
    fee: "Numbers",
    *,
    fixed_seconds: Optional["Numbers"] = None,
    most: Optional["Numbers"] = None,
    beta: int = 0,
    s_min: int = 0,
    objective: str = "cheapest-then-quickest",
) -> Plan:
    """Hands out ``n`` batches to workers of known speed, so that all are done within ``limit`` seconds.

    ``x`` batches take worker ``i`` ``fixed_seconds[i] + x * batch_seconds[i]``; it takes at most ``most[i]``.
    ``objective`` is ``cheapest``, ``cheapest-then-quickest`` or ``quickest``; ``exact`` proves the plan.

    >>> schedule(10, limit=4.0, batch_seconds=[1.0, 0.5], fee=[1, 2]).batches
    [4, 6]

    :raises allot.Infeasible: if there is no plan
    :raises allot.InputError: if a number is not as expected
    """
    is_array = hasattr(batch_seconds, "dtype")
    if type(batch_seconds) is not list:
        batch_seconds = _plain(batch_seconds, "<f8")
    if fixed_seconds is None:
        fixed_seconds = [0.0] * len(fee)
    elif type(fixed_seconds) is not list:
        fixed_seconds = _plain(fixed_seconds, "<f8")
    if most is not None and type(most) is not list:
        most = _plain(most, "<i8")
    if type(fee) is not list:
        fee = _plain(fee, "<f8")
    answer, seconds = _native.schedule(
        (n, s_min, beta), limit, objective, batch_seconds, fixed_seconds, most, fee
    )
    return _plan(answer, is_array, seconds)


def _plan(answer: "_native.Answer", is_array: bool, seconds: Optional[float] = None) -> Plan:
    batches, cost, bound, status, certificate = answer
    if is_array:
        import numpy as np

        whole = type(batches) is bytes
        batches = np.frombuffer(batches, np.int64) if whole else np.array(batches, np.int64)
    lower_bound = None if bound is None else Decimal(bound)
    return Plan(batches, Decimal(cost), lower_bound, status, certificate, seconds)


def _plain(values: Any, wire: str) -> Any:
    """What the module reads: a list or a tuple, or the bytes of an array."""
    dtype = getattr(values, "dtype", None)
    if dtype is None:
        return values
    import numpy as np

    array = np.asarray(values)
    if array.ndim != 1:
        from ._errors import InputError

        raise InputError(f"an array has {array.ndim} dimensions, expected one value for each worker")
    # What cannot be a 64-bit number of the kind without a loss is taken one by one.
    exact = np.can_cast(array.dtype, wire, "safe") and array.dtype.kind in "iuf"
    return array.astype(wire, copy=False).tobytes() if exact else array.tolist()
