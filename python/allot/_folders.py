"""Scenarios, by the program ``sim``, and the folders that the programs write."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Sequence, Union

from . import _programs
from ._errors import Failed, Infeasible, InputError

if TYPE_CHECKING:
    import pandas
    import pyarrow

    Scenario = Union[str, "os.PathLike[str]"]
    Settings = Optional[Mapping[str, object]]

__all__ = ["Folder", "plan", "read", "simulate"]


class Folder(Mapping[str, "pyarrow.Table"]):
    """The tables of a folder that ``sim`` or ``runtime`` wrote, by name: ``folder["cycles"]`` is an Arrow table.

    The columns are those of the data dictionary (``docs/reference/tables.md``), with the same sentences as the
    ``description`` in the metadata of their fields. A table is read when it is asked for.
    """

    def __init__(self, path: "Scenario") -> None:
        self.path = Path(path)
        """Where it lies."""
        if not self.path.is_dir():
            raise InputError(f"there is no folder {self.path}, expected one that sim or runtime wrote")
        self._names = sorted(file.stem for file in self.path.glob("*.parquet"))
        if not self._names:
            raise InputError(f"{self.path} holds no tables, expected a folder that sim or runtime wrote")

    def __getitem__(self, name: str) -> "pyarrow.Table":
        if name not in self._names:
            raise KeyError(f"{self.path} has no table {name!r}, expected one of {', '.join(self._names)}")
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError:
            raise Failed("tables are read with pyarrow: pip install pyarrow", "missing_package") from None
        file = parquet.ParquetFile(self.path / f"{name}.parquet")
        table, words = file.read(), file.metadata.metadata or {}

        def described(field: Any) -> Any:
            sentence = words.get(field.name.encode())
            return field.with_metadata({b"description": sentence}) if sentence else field

        schema = pyarrow.schema([described(field) for field in table.schema])
        return pyarrow.Table.from_arrays(table.columns, schema=schema)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"Folder({str(self.path)!r}: {', '.join(self._names)})"

    def pandas(self, name: str) -> "pandas.DataFrame":
        """A table as a DataFrame."""
        return self[name].to_pandas()

    @property
    def run(self) -> Dict[str, Any]:
        """What ``run.json`` says: what was asked for, and how it ended."""
        found: Dict[str, Any] = json.loads((self.path / "run.json").read_text(encoding="utf-8"))
        return found


def read(path: "Scenario") -> Folder:
    """The tables of a folder: of ``sim run``, ``sweep`` or ``validate``, or of ``runtime cluster``.

    :raises allot.InputError: if it is no such folder
    """
    return Folder(path)


def plan(scenario: "Scenario", settings: "Settings" = None, *, replicates: int = 100) -> Dict[str, Any]:
    """The plan of a scenario's first cycle: the JSON of ``sim plan``, as a dictionary.

    ``scenario`` is a file, or the name of a scenario that comes with Allot; ``settings`` replaces values of it:
    ``plan("mixed-lab", {"job.risk": 0.001})``. ``replicates`` simulated runs estimate the chance of
    missing the limit.

    :raises allot.Infeasible: if there is no plan
    :raises allot.InputError: if the scenario or a setting is not as expected
    """
    arguments = ["plan", os.fspath(scenario), "--json", f"--replicates={replicates}"]
    found: Dict[str, Any] = json.loads(_programs.run("sim", arguments + _set(settings)))
    if found["status"] == "infeasible":
        raise Infeasible(found["message"], found["reason"])
    if found["status"] == "failed":
        raise Failed(found["message"], found["reason"])
    return found


def simulate(
    scenario: "Scenario",
    replicates: Optional[int] = None,
    settings: "Settings" = None,
    *,
    seed: Optional[int] = None,
    allocators: Optional[Sequence[str]] = None,
    out: Optional["Scenario"] = None,
) -> Folder:
    """Simulates whole runs of a scenario, and gives the tables of all of them.

    They lie in the folder ``out``, which must not be there yet, or in one that is removed with the object.

    :raises allot.InputError: if the scenario or a setting is not as expected
    """
    own = tempfile.mkdtemp(prefix="allot-") if out is None else None
    out = Path(own, "run") if own else os.fspath(out or "")
    arguments = ["run", os.fspath(scenario), f"--out={out}"]
    given = [("replicates", replicates), ("seed", seed), ("allocators", ",".join(allocators or []) or None)]
    arguments += [f"--{name}={value}" for name, value in given if value is not None]
    try:
        _programs.run("sim", arguments + _set(settings))
        folder = Folder(out)
    except BaseException:
        if own:
            shutil.rmtree(own, ignore_errors=True)
        raise
    if own:
        weakref.finalize(folder, shutil.rmtree, own, ignore_errors=True)
    return folder


def _set(settings: "Settings") -> List[str]:
    def text(value: object) -> str:
        return str(value).lower() if isinstance(value, bool) else str(value)

    return [f"--set={key}={text(value)}" for key, value in (settings or {}).items()]
