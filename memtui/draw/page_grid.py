"""The pages of one VMA as a grid, in reading order: low addresses on top, as in a hex dump."""

from memtui.draw.run import Row
from memtui.model.vma import Vma


class PageGrid:
    """A `Lines`: an address at the left of each row, then one cell for each 2**shift pages, in groups of eight."""

    def __init__(self, vma: Vma, width: int, shift: int = 0) -> None:
        """Lay the grid out.

        Args:
            vma: whose pages.
            width: cells.
            shift: log2 of the pages that one cell stands for.
        """
        self.vma = vma
        self.width = width
        self.shift = shift

    @property
    def title(self) -> str:
        """The VMA in a few words: "[heap] 555555559000 · 399 pages"."""
        return ""

    @property
    def scale(self) -> str:
        """What a cell stands for: "one cell a page", "one cell 16 pages, 64 KiB"."""
        return ""

    def __len__(self) -> int:
        return 0

    def row(self, index: int) -> Row:
        """Row `index`, 0 on top; the empty row outside."""
        return ()

    def row_of(self, address: int) -> int:
        """The row that shows the byte `address` (the nearest)."""
        return 0

    def column_of(self, address: int) -> int:
        """The column of its cell."""
        return 0

    def address_at(self, row: int, column: int) -> int:
        """The first page of the cell there (the nearest cell if there is none)."""
        return self.vma.start


def shift_to_fit(vma: Vma, width: int, rows: int) -> int:
    """The smallest shift with which the whole VMA fits in so many rows."""
    return 0
