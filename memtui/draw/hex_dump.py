"""The bytes of a page in hex and as text."""

from operator import ne
from typing import Final

from memtui.draw.fit import crop, wrap
from memtui.draw.run import Row, Run
from memtui.draw.sizes import plural
from memtui.model.address import PAGE_SIZE
from memtui.model.content import Content
from memtui.model.snapshot import Snapshot

_BYTES_AT: Final = 14
"""Behind a space, twelve digits and a space."""
_A_ROW: Final = (64, 32, 16, 8, 4)
_DOT: Final = "·"
CHANGED: Final = "*"
"""Behind a byte that is not what it was at the last look."""


class HexDump:
    """A `Lines`: an address at the left of each row, bytes in hex in groups of eight, then the same as ASCII text.

    Zeros are dim, so that what is there stands out. Behind a byte that is not what it was stands a mark.
    """

    def __init__(self, content: Content, width: int, before: bytes | None = None) -> None:
        """Lay it out.

        Args:
            content: the page; without data the rows say why.
            width: cells.
            before: the same page at an earlier look; None: there was none.
        """
        self.width = width
        self._before = content.data if before is None else before
        self._page, self._data = content.page, content.data
        self._bytes = next((count for count in _A_ROW if _needed(count) <= width), _A_ROW[-1])
        self._words = wrap(content.why or "reading …", width - 2) if content.data is None else []

    @property
    def scale(self) -> str:
        """What a row holds."""
        if self._data is None:
            return ""
        differ = 0 if self._data == self._before else sum(map(ne, self._data, self._before or b""))
        return f"a row {plural(self._bytes, 'byte')}" + (f" · {CHANGED} {differ:,} changed" if differ else "")

    def __len__(self) -> int:
        return len(self._words) if self._data is None else PAGE_SIZE // self._bytes

    def row(self, index: int) -> Row:
        """Row `index`, 0 on top; the empty row outside."""
        if not 0 <= index < len(self):
            return ()
        if self._data is None:
            return crop((Run(f" {self._words[index]}", "text.dim"),), self.width)
        first = index * self._bytes
        piece = self._data[first : first + self._bytes]
        was = (self._before or b"")[first : first + self._bytes]
        role = "map.address" if index == 0 else "map.address.dim"
        runs = [Run(f" {self._page + first:012x} ", role)]
        for at in range(0, len(piece), 8):
            runs += _hex(piece[at : at + 8], was[at : at + 8])
            runs.append(Run(" ", "text"))
        runs += _text(piece)
        return crop(runs, self.width)

    def row_of(self, address: int) -> int:
        """The row that shows the byte `address` (the nearest)."""
        return 0 if self._data is None else self._offset(address) // self._bytes

    def column_of(self, address: int) -> int:
        """The column of its first digit."""
        nth = self._offset(address) % self._bytes
        return _BYTES_AT + nth * 3 + nth // 8

    def address_at(self, row: int, column: int) -> int:
        """The byte there (the nearest if there is none); the columns of the text count too."""
        text_at = _BYTES_AT + self._bytes * 3 + self._bytes // 8
        if column >= text_at:
            nth = column - text_at
        else:
            right = max(column - _BYTES_AT, 0)
            nth = (right - right // 25) // 3
        last = max(len(self) - 1, 0)
        return self._page + min(max(row, 0), last) * self._bytes + min(nth, self._bytes - 1)

    def _offset(self, address: int) -> int:
        return min(max(address - self._page, 0), PAGE_SIZE - 1)


def _needed(count: int) -> int:
    """Cells that so many bytes a row take."""
    return _BYTES_AT + count * 3 + max(count // 8, 1) + count


def _hex(piece: bytes, was: bytes) -> list[Run]:
    """Pairs of digits, neighbours of one role joined."""
    runs: list[Run] = []
    for byte, old in zip(piece, was, strict=True):
        text, role = f"{byte:02x} ", "value" if byte else "text.dim"
        if byte != old:
            text, role = f"{byte:02x}{CHANGED}", "map.changed"
        if runs and runs[-1].role == role:
            runs[-1] = Run(runs[-1].text + text, role)
        else:
            runs.append(Run(text, role))
    return runs


def _text(piece: bytes) -> list[Run]:
    text = "".join(chr(byte) if 0x20 <= byte < 0x7F else _DOT for byte in piece)
    return [Run(text, "text.strong" if any(piece) else "text.dim")]


def earlier_bytes(before: Snapshot, after: Snapshot) -> bytes | None:
    """What the page that a snapshot tells the bytes of held at an earlier look; None: that was of another page."""
    was, now, of, mm = before.content, after.content, before.mm, after.mm
    if was is None or now is None or was is now or of is None or mm is None:
        return None
    return was.data if (was.page, of.pid) == (now.page, mm.pid) else None
