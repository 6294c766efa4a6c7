"""How far slow work has come, and how whoever asked for it stops it."""

from collections.abc import Callable
from typing import Final, NamedTuple

BETWEEN: Final = 512
"""Lines or steps from one report to the next: some 20 ms."""


class Progress(NamedTuple):
    """So much of the work is done."""

    what: str
    """ "reading", "replaying"."""
    done: int = 0
    total: int = 0
    """0: it is not known how much there is."""

    @property
    def words(self) -> str:
        """In one line."""
        return f"{self.what} {self.done:,} of {self.total:,}" if self.total else self.what


Watcher = Callable[[Progress], None]
"""Called now and then from within the work; what it raises (`errors.Cancelled`) ends the work."""


def unwatched(progress: Progress) -> None:
    """Nobody looks."""
