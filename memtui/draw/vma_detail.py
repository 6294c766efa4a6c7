"""Everything that is known of one VMA, of one page in it, or of a hole."""

from collections.abc import Mapping

from memtui.draw.run import Row
from memtui.model.address import Range
from memtui.model.vma import Vma

NOTHING_UNKNOWN: Mapping[str, str] = {}


def vma_rows(
    vma: Vma, width: int, *, address: int | None = None, unknown: Mapping[str, str] = NOTHING_UNKNOWN
) -> tuple[Row, ...]:
    """The VMA under the cursor.

    Args:
        vma: which.
        width: cells.
        address: the cursor, a byte inside; its page comes first.
        unknown: MmSnapshot.unknown, which tells why figures are missing.
    """
    return ()


def hole_rows(hole: Range, width: int) -> tuple[Row, ...]:
    """A hole under the cursor."""
    return ()
