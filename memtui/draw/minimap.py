"""The whole of a drawing in one column: what stands beside the scroll bar."""

from typing import Final, Protocol

from memtui.draw.run import Run

_SAMPLES: Final = 8
"""Rows that are looked at for one cell, at most, so that a map of any length costs the same."""


class Sampled(Protocol):
    """A drawing whose rows can be told in one cell."""

    def __len__(self) -> int: ...

    def sample(self, row: int) -> Run | None:
        """The row in one cell; None: there is nothing."""
        ...

    def is_marked(self, first: int, last: int) -> bool:
        """Whether something changed in the rows from `first` up to `last`."""
        ...


def minimap(lines: Sampled, height: int) -> tuple[Run, ...]:
    """`height` cells, each the look that most of its rows have (of a few of them, if they are many)."""
    total = len(lines)
    return tuple(
        _cell(lines, total * cell // height, max(total * (cell + 1) // height, total * cell // height + 1))
        for cell in range(height)
    )


class LastMinimap:
    """`minimap`, which is asked once for each line of the screen."""

    def __init__(self) -> None:
        self._of: Sampled | None = None
        self._cells: tuple[Run, ...] = ()

    def cell(self, lines: Sampled, height: int, row: int) -> Run:
        """One of the cells of a minimap of this height."""
        if self._of is not lines or len(self._cells) != height:
            self._of, self._cells = lines, minimap(lines, height)
        return self._cells[row]


def _cell(lines: Sampled, first: int, last: int) -> Run:
    if lines.is_marked(first, last):
        return Run("▌", "map.changed")
    counts: dict[Run, int] = {}
    for row in range(first, last, max((last - first) // _SAMPLES, 1)):
        look = lines.sample(row)
        if look is not None:
            counts[look] = counts.get(look, 0) + 1
    return max(counts, key=lambda look: (look.text != "·", counts[look])) if counts else Run(" ", "text")
