"""Text to statements: strace and ltrace logs, and traces written by hand."""

from typing import NamedTuple

from memtui.trace.line import Statement


class Trace(NamedTuple):
    """A whole trace file."""

    statements: tuple[Statement, ...]
    """In the order in which they take effect: an interrupted call stands where it resumed."""
    file: str = ""
    warnings: tuple[str, ...] = ()
    """One line each: what was left out and why (a last line that the log cut off, narration without a step)."""


def decode(data: bytes, file: str) -> str:
    """The text of a trace file.

    Raises:
        ParseError: empty, binary (NUL bytes) or not UTF-8.
    """
    raise NotImplementedError


def parse(text: str, file: str = "") -> Trace:
    """Parse a strace or ltrace log, or a hand-written trace.

    Raises:
        ParseError: a line is wrong (names file, line, column and what was expected), or there are no steps.
    """
    raise NotImplementedError


def parse_line(line: str) -> Statement:
    """Parse one line that a user typed.

    Raises:
        ParseError: as `parse`, with the column.
    """
    raise NotImplementedError
