"""The whole address space as rows: high addresses on top, each VMA as high as its size, each hole one row."""

from collections.abc import Sequence

from memtui.draw.run import Row, Run
from memtui.model.address import Range
from memtui.model.mm import MmSnapshot
from memtui.model.vma import Vma


class AddressMap:
    """A `Lines`. A row of a VMA is a range of its pages; the address at its left is the range's first, its cells run
    from low on the left to high on the right.

    Building costs O(VMAs) and looks at no page; a row costs O(log VMAs) and the page runs inside it.
    """

    FOLD = 18

    def __init__(self, mm: MmSnapshot, width: int, *, fold: int = FOLD, marks: Sequence[Range] = ()) -> None:
        """Lay the rows out.

        Args:
            mm: the address space.
            width: cells.
            fold: log2 of the bytes up to which a VMA has one row; each factor of 4 beyond adds one (default
                256 KiB).
            marks: what `changes.changed` says, drawn in the first column.
        """
        self.width = width
        self._vmas = mm.vmas

    @property
    def scale(self) -> str:
        """What the height of a VMA and a cell mean, for the screen: "1 row to 256 KiB, +1 each x4"."""
        return ""

    def __len__(self) -> int:
        return len(self._vmas)

    def row(self, index: int) -> Row:
        """Row `index`, 0 on top; the empty row outside."""
        return (Run(f"{self._vmas[index].start:012x}", "map.address"),) if 0 <= index < len(self) else ()

    def row_of(self, address: int) -> int:
        """The row that shows the byte `address`; the nearest one for an address outside of the user's half."""
        return 0

    def address_at(self, row: int, column: int) -> int:
        """The first page of the cell at `column` (the nearest cell if there is none); of a hole, its first page."""
        return 0

    def column_of(self, address: int) -> int:
        """The column of the cell that shows `address` in row `row_of(address)`."""
        return 0

    def vma_at(self, row: int) -> Vma | None:
        """The VMA of the row; None for a hole, and outside."""
        return None

    def hole_at(self, row: int) -> Range | None:
        """The free range that the row folds; None for a VMA, and outside."""
        return None
