"""Every table of a folder of results, read and filtered by the libraries that people use, and the README's
figures made anew from them.

    tables.py SIM README.md

SIM is the program, which makes the folders. Of pyarrow, pandas, duckdb and polars it tries those that are
installed, and says which; pyarrow must be.
"""

import math
import re
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any, Callable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

LIBRARIES = ["pyarrow", "pandas", "duckdb", "polars"]

# What a library counts: the rows of a table, or those whose column has a value.
Counts = Callable[[Path, str | None, Any], int]


def by_pyarrow(path: Path, column: str | None, value: Any) -> int:
    filters = None if column is None else [(column, "=", value)]
    return pq.read_table(path, filters=filters).num_rows


def by_pandas(path: Path, column: str | None, value: Any) -> int:
    import pandas

    if column is None:
        return len(pandas.read_parquet(path))
    by_filter = len(pandas.read_parquet(path, filters=[(column, "==", value)]))
    frame = pandas.read_parquet(path)
    assert (frame[column] == value).sum() == by_filter, (path, column)
    return by_filter


def by_duckdb(path: Path, column: str | None, value: Any) -> int:
    import duckdb

    where, values = ("", []) if column is None else (f' where "{column}" = ?', [value])
    answer = duckdb.execute(f"select count(*) from '{path}'{where}", values).fetchone()
    assert answer is not None
    return int(answer[0])


def by_polars(path: Path, column: str | None, value: Any) -> int:
    import polars

    frame = polars.scan_parquet(path)
    if column is not None:
        frame = frame.filter(polars.col(column) == value)
    return frame.collect().height


def columns(table: pa.Table) -> list[tuple[str, Any]]:
    """Columns to filter by, each with a value that it has: texts, whole numbers, doubles and booleans."""
    found = []
    for name in table.column_names:
        kind = table.schema.field(name).type
        is_plain = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind)
        if is_plain or pa.types.is_integer(kind) or pa.types.is_floating(kind):
            values = table[name].drop_null()
            if len(values) > 0:
                found.append((name, values[len(values) // 2].as_py()))
        else:
            is_list = pa.types.is_large_list(kind) or pa.types.is_list(kind)
            assert pa.types.is_decimal(kind) or is_list, f"{name} is of type {kind}, which not every library reads"
    return found


def check(folder: Path, counts: dict[str, Counts]) -> tuple[int, int]:
    """Reads every table of a folder, and filters it by every column."""
    tables = filters = 0
    for path in sorted(folder.glob("*.parquet")):
        table = pq.read_table(path)
        questions = [(None, None, table.num_rows)]
        for name, value in columns(table):
            hits = pc.sum(pc.equal(table[name], value)).as_py()
            assert hits > 0, (path, name)
            questions.append((name, value, hits))
        for name, value, hits in questions:
            for library, count in counts.items():
                found = count(path, name, value)
                assert found == hits, f"{library}: {path.name}, {name} = {value!r}: {found}, expected {hits}"
        tables, filters = tables + 1, filters + len(questions) - 1
    return tables, filters


def figures(folder: Path) -> dict[str, list[str]]:
    """The line of `sim run`'s summary of each allocator, from its table of runs: as in a notebook."""
    runs = pq.read_table(folder / "runs.parquet").to_pylist()
    lines = {}
    for allocator in sorted({run["allocator"] for run in runs}):
        of = [run for run in runs if run["allocator"] == allocator]
        whole = [run for run in of if run["ending"] == "completed"]

        def mean(values: list[float]) -> tuple[float, float]:
            # Student's 97.5 % quantile for 99 degrees of freedom.
            assert len(values) == 100, "the quantile is that of 100 runs"
            middle = sum(values) / len(values)
            spread = math.sqrt(sum((value - middle) ** 2 for value in values) / (len(values) - 1))
            return middle, 1.984216951 * spread / math.sqrt(len(values))

        fee = mean([run["cost"] for run in whole])
        wall = mean([run["wall_ns"] / 1e9 for run in whole])
        missed = sum(run["missed"] for run in of) / len(of)
        z = 1.959963985  # Wilson's interval
        middle = (missed + z * z / 200) / (1 + z * z / 100)
        half = z * math.sqrt(missed * (1 - missed) / 100 + z * z / 40000) / (1 + z * z / 100)
        cycles = [sum(run[f"cycles_{kind}"] for run in of) / len(of) for kind in ("complete", "truncated", "failed")]
        lines[allocator] = [
            f"{fee[0]:.2f} ± {fee[1]:.2f}",
            f"{wall[0]:.2f} ± {wall[1]:.2f}",
            f"{whole[0]['limit_ns'] / 1e9:.1f}",
            f"{100 * missed:.1f} [{100 * (middle - half):.1f}, {100 * (middle + half):.1f}]",
            *(f"{count:.2f}" for count in cycles),
        ]
    return lines


def main(sim: str, readme: str) -> None:
    installed = {}
    for library in LIBRARIES:
        try:
            installed[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    counts = {name: globals()[f"by_{name}"] for name in installed}
    with tempfile.TemporaryDirectory() as scratch:
        commands = {
            "runs": ["run", "mixed-lab", "--replicates", "100"],
            "arms": ["run", "churn", "--replicates", "4", "--against", "job.replan=static"],
            "tests": ["validate", "--n-tests", "40", "--allocators", "exact,heuristic", "--simulate"],
        }
        tables = filters = 0
        for name, command in commands.items():
            folder = Path(scratch) / name
            subprocess.run([sim, *command, "--out", str(folder)], check=True, capture_output=True)
            read = check(folder, counts)
            tables, filters = tables + read[0], filters + read[1]
        assert tables >= 15 and filters >= 150, (tables, filters)
        made = figures(Path(scratch) / "runs")
        printed = re.search(r"^exact +(.*missed.*\n)?.*$", Path(readme).read_text(), re.MULTILINE)
        assert printed is not None, "the README has no line of exact"
        line = re.split(r" {2,}", printed.group(0).strip())
        assert line == ["exact", *made["exact"]], f"README: {line}, from the tables: {made['exact']}"
    said = ", ".join(f"{name} {version}" for name, version in installed.items())
    print(f"{tables} tables read and {filters} filters applied by each of {said}; the README's figures are theirs")


if __name__ == "__main__":
    main(*sys.argv[1:])
