"""What a scrolling view shows: rows that are made only when they are asked for."""

from dataclasses import dataclass
from typing import Protocol

from memtui.draw.run import Row


class Lines(Protocol):
    """A drawing of any length. It never changes: a new model makes a new one."""

    @property
    def width(self) -> int:
        """Cells; no row is wider."""
        ...

    def __len__(self) -> int:
        """How many rows there are; cheap."""
        ...

    def row(self, index: int) -> Row:
        """Row `index`, from 0 at the top; the empty row for an index outside, on either side."""
        ...


@dataclass(frozen=True, slots=True)
class RowLines:
    """A drawing that is all there: the short ones, such as the detail of one VMA."""

    rows: tuple[Row, ...]
    width: int

    def __len__(self) -> int:
        return len(self.rows)

    def row(self, index: int) -> Row:
        """Row `index`, or the empty row outside."""
        return self.rows[index] if 0 <= index < len(self.rows) else ()
