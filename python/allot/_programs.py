"""The programs ``sim`` and ``runtime``, which lie in the package's own folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import List, NoReturn, Sequence

from ._errors import Error, Failed, Infeasible, InputError

_USAGE = """\
Allot: divides the batches of a training job among unequal machines.

  allot sim …       plan, simulate, compare (as the command sim does)
  allot runtime …   train for real (as the command runtime does)
  allot data mnist  fetch a data set into the user's cache; also fashion-mnist
  allot tensorboard DIR [OUT]   write event files of a run for TensorBoard
  allot setup       say what this installation can do, and what to install for the rest
  allot --version
"""


def folder() -> Path:
    """Where the programs lie: ``ALLOT_PROGRAMS`` names another folder than the package's own."""
    return Path(os.environ.get("ALLOT_PROGRAMS") or Path(__file__).parent / "bin")


def path_of(program: str) -> str:
    """The path of a program.

    :raises allot.Failed: if it is not there
    """
    path = folder() / program
    if not path.exists():
        raise Failed(
            f"there is no {path}: install the wheel, or name the folder of the programs in ALLOT_PROGRAMS"
        )
    return str(path)


def run(program: str, arguments: Sequence[str]) -> str:
    """Runs a program to its end and returns what it printed.

    :raises allot.Error: with the program's words, if it did not do what it was asked
    """
    done = subprocess.run(
        [path_of(program), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode != 0:
        raise _error(done.returncode, done.stderr)
    return done.stdout


def _error(code: int, said: str) -> Error:
    """The exception of an exit code (``docs/reference/exit-codes.md``)."""
    told = [line for line in said.splitlines() if line.startswith("error: ")]
    message = told[-1][len("error: ") :] if told else said.strip() or f"it ended with {code}"
    return InputError(message) if code in (2, 3) else Failed(message, f"exit {code}")


def replace(program: str, arguments: Sequence[str]) -> NoReturn:
    """Lets a program take the place of this one."""
    try:
        path = path_of(program)
    except Error as error:
        _fail(str(error))
    sys.stdout.flush()
    os.execv(path, [program, *arguments])


def _fail(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(1)


def sim() -> NoReturn:
    """The command ``sim``."""
    replace("sim", sys.argv[1:])


def runtime() -> NoReturn:
    """The command ``runtime``."""
    replace("runtime", sys.argv[1:])


def main() -> None:
    """The command ``allot``."""
    command, rest = (sys.argv[1] if len(sys.argv) > 1 else "--help"), sys.argv[2:]
    if command in ("sim", "runtime", "data"):
        replace(command, rest)
    elif command == "setup":
        print("\n".join(_setup()))
    elif command == "tensorboard":
        if not 1 <= len(rest) <= 2:
            _fail("expected a folder that sim run or runtime cluster wrote, and perhaps one for the event files")
        from .tensorboard import write

        try:
            print(write(*rest))
        except Error as error:
            _fail(str(error))
    elif command in ("-V", "--version"):
        from . import __version__

        print(f"allot {__version__}")
    elif command in ("-h", "--help", "help"):
        print(_USAGE, end="")
    else:
        print(_USAGE, end="", file=sys.stderr)
        _fail(f"{command!r} is not a command: expected one of those above")


def _setup() -> List[str]:
    """What there is, a line each."""
    lines = []
    for program in ("sim", "runtime"):
        try:
            version = run(program, ["--version"]).strip()
            lines.append(f"{program:<13}{version} in {folder()}")
        except (Error, OSError) as error:
            lines.append(f"{program:<13}not here: {error}")
    wanted = [
        ("numpy", "numpy", "trainers and arrays"),
        ("pyarrow", "pyarrow", "allot.read and allot.simulate"),
        ("pandas", "pandas", "tables as DataFrames"),
        ("torch", "torch", "trainers in PyTorch (allot.torch)"),
        ("tensorboardX", "tensorboardX", "allot tensorboard"),
        ("flwr", "flwr", "Flower (allot.flower)"),
    ]
    from importlib.util import find_spec

    for module, package, use in wanted:
        here = find_spec(module) is not None
        lines.append(f"{module:<13}{'here' if here else f'not here: pip install {package}'}, for {use}")
    return lines
