"""The unit of every drawing: text with the role that a theme gives a colour."""

from typing import NamedTuple


class Run(NamedTuple):
    """Text of one role. Every character is one cell wide (drawings use no wide or combining characters)."""

    text: str
    role: str
    """A name of roles.ROLES: "residence.anon", "map.address", "text", ..."""


Row = tuple[Run, ...]
"""One line of a drawing, left to right."""


def plain(row: Row) -> str:
    """The row as a plain string."""
    return "".join(run.text for run in row)
