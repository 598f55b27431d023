"""What goes wrong, in the words of the programs."""

from __future__ import annotations

__all__ = ["Error", "Failed", "Infeasible", "InputError"]


class Error(Exception):
    """The base of all of Allot's exceptions."""

    __module__ = "allot"


class InputError(Error, ValueError):
    """Something that was given is not as expected: the message says what, and what was expected."""

    __module__ = "allot"


class Infeasible(Error):
    """There is no plan: the message says why, and the smallest changes after which there is one."""

    __module__ = "allot"

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message, reason)
        self.message = message
        self.reason = reason
        """The same for programs, such as ``insufficient_capacity``."""

    def __str__(self) -> str:
        return self.message


class Failed(Error):
    """A program or an allocator could not answer, though there may be an answer."""

    __module__ = "allot"

    def __init__(self, message: str, reason: str = "failed") -> None:
        super().__init__(message, reason)
        self.message = message
        self.reason = reason
        """The same for programs: of a program its exit code, such as ``exit 1``."""

    def __str__(self) -> str:
        return self.message
