"""A first picture in plain text: what is looked at and its map, on the terminal before Textual is imported.

Importing Textual takes longer than reading a process. Its own first frame takes the place of this one.
"""

import sys
from types import TracebackType
from typing import Final, Self

from memtui.draw.address_map import AddressMap
from memtui.draw.header import header_row
from memtui.draw.run import plain
from memtui.model.mm import MmSnapshot
from memtui.model.snapshot import Snapshot

_ENTER: Final = "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J"
"""The other screen, without a cursor, empty."""
_LEAVE: Final = "\x1b[?25h\x1b[?1049l"
_WIDE: Final = 100
"""Cells from which the map has only the left side."""


class PlainFrame:
    """Stands on the terminal until the screen takes its place; a failure inside gives the terminal back.

    Args:
        snapshot: the picture.
        width, height: cells of the terminal.
    """

    def __init__(self, snapshot: Snapshot, width: int, height: int) -> None:
        self._text = "\r\n".join(plain_rows(snapshot, width, height))

    def draw(self) -> None:
        """Take the terminal."""
        sys.stdout.write(_ENTER + self._text)
        sys.stdout.flush()

    def leave(self) -> None:
        """Give the terminal back, as it was."""
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            self.leave()


def plain_rows(snapshot: Snapshot, width: int, height: int) -> list[str]:
    """The header, and the map from the heap on as far as there is room."""
    rows = [plain(header_row(snapshot, width)).rstrip()]
    if snapshot.mm is not None and height > 3:
        rows += ["─ Map ─", *_map_rows(snapshot.mm, width * 58 // 100 if width >= _WIDE else width, height - 3)]
    return rows


def _map_rows(mm: MmSnapshot, width: int, height: int) -> list[str]:
    whole = AddressMap(mm, width)
    heap = next((vma.start for vma in mm.vmas if vma.name == "[heap]"), 0)
    middle = whole.row_of(heap) - height // 2
    top = max(min(middle, len(whole) - height), 0)
    return [plain(whole.row(row)).rstrip() for row in range(top, min(top + height, len(whole)))]
