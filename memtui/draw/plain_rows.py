"""A picture as plain text, for a terminal on which nothing else can be drawn yet."""

from typing import Final

from memtui.draw.address_map import AddressMap
from memtui.draw.header import header_row
from memtui.draw.run import plain
from memtui.model.mm import MmSnapshot
from memtui.model.snapshot import Snapshot

_WIDE: Final = 100
"""Cells from which the map has only the left side."""


def plain_rows(snapshot: Snapshot, width: int, height: int) -> list[str]:
    """The header, and the map around the heap: `height` rows at most, of `width` cells at most."""
    rows = [plain(header_row(snapshot, width)).rstrip()]
    if snapshot.mm is not None and height > 3:
        rows += ["", *_map_rows(snapshot.mm, width * 58 // 100 if width >= _WIDE else width, height - 3)]
    return rows


def _map_rows(mm: MmSnapshot, width: int, height: int) -> list[str]:
    whole = AddressMap(mm, width)
    heap = next((vma.start for vma in mm.vmas if vma.name == "[heap]"), 0)
    middle = whole.row_of(heap) - height // 2
    top = max(min(middle, len(whole) - height), 0)
    return [plain(whole.row(row)).rstrip() for row in range(top, min(top + height, len(whole)))]
