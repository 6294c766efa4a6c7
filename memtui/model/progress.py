"""How far slow work has come, and how whoever asked for it stops it."""

from collections.abc import Callable
from typing import Final, NamedTuple

BETWEEN: Final = 512
"""Lines or steps from one report to the next: some 20 ms."""


class Progress(NamedTuple):
    """So much of the work is done."""

    what: str
    """ "reading", "replaying"."""
    done: int
    total: int


Watcher = Callable[[Progress], None]
"""Called now and then from within the work; what it raises (`errors.Cancelled`) ends the work."""


def unwatched(progress: Progress) -> None:
    """Nobody looks."""
