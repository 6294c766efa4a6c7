"""The mapped files and what of each is in the page cache: the most cached first."""

from collections.abc import Mapping, Sequence
from typing import Final

from memtui.draw.bar import bar
from memtui.draw.fit import crop, safe, shorten
from memtui.draw.glyphs import NOT_MEASURED
from memtui.draw.run import Row, Run
from memtui.draw.sizes import of, pages_size
from memtui.model.file_cache import FileCache
from memtui.model.sharing import FileId, Sharing

_NAME: Final = 16
_NAME_MOST: Final = 48
"""Cells of a name, at least and at most."""
_SHARE: Final = 6
_BAR: Final = 8
_COLUMN: Final = 9
_WIDE: Final = 76
"""Cells from which there is room for what was evicted, and for a bar."""


class FileList:
    """A `Lines`: row 0 has the heads of the columns; a file that the process does not map has a star.

    Args:
        files: with what is cached of each.
        width: cells.
        sharing: who maps which file; None: not known.
    """

    def __init__(self, files: Sequence[FileCache], width: int, sharing: Sharing | None = None) -> None:
        self.width = width
        self.files = sorted(files, key=lambda file: (not file.asked, -(file.cached or 0)))
        self._mappers: Mapping[FileId, tuple[int, ...]] = {}
        if sharing is not None and width >= _WIDE:
            self._mappers = sharing.mappers

    def __len__(self) -> int:
        return 1 + len(self.files)

    def row(self, index: int) -> Row:
        """Row `index`; the empty row outside."""
        if not 0 <= index < len(self):
            return ()
        if index == 0:
            heads = ["cached", "of", "dirty", *(["evicted"] if self._wide else [])]
            heads += ["maps it"] if self._mappers else []
            cells = "".join(f"{head:>{_COLUMN}}" for head in heads)
            return crop((Run(f" {'file':<{self._name}}{' ' * self._bar}{cells}", "oom.head"),), self.width)
        file = self.files[index - 1]
        mark = "*" if file.start is None else " "
        name = Run(f"{mark}{shorten(safe(file.path.rpartition('/')[2]), self._name - 1):<{self._name}}", "map.label")
        if file.cached is None or file.size is None:
            return crop((name, Run(f"{NOT_MEASURED} {file.why}", "text.dim")), self.width)
        both = file.dirty is not None and file.writeback is not None
        dirty = (file.dirty or 0) + (file.writeback or 0) if both else None
        figures = [file.cached, file.size, dirty, *([file.evicted] if self._wide else [])]
        cells = "".join(f"{pages_size(pages):>{_COLUMN}}" for pages in figures)
        if self._mappers:
            cells += f"{self._users(file):>{_COLUMN}}"
        share = bar(file.cached, file.size, self._bar, "▓", "residence.page_cache", empty="·")
        percent = Run(f"{of(file.cached, file.size):>{_SHARE}}", "text.dim")
        return crop((name, *share, Run(cells, "value"), percent), self.width)

    def _users(self, file: FileCache) -> str:
        """How many processes map it."""
        if file.file is None:
            return NOT_MEASURED
        return f"{len(self._mappers.get(file.file, ())):,}"

    def file_at(self, row: int) -> FileCache | None:
        """What the row is about; None for the heads, and outside."""
        return self.files[row - 1] if 0 < row <= len(self.files) else None

    @property
    def _name(self) -> int:
        """Cells of the name: what the figures leave, within limits."""
        figures = 3 + self._wide + bool(self._mappers)
        return min(max(self.width - 1 - self._bar - figures * _COLUMN - _SHARE, _NAME), _NAME_MOST)

    @property
    def _wide(self) -> bool:
        return self.width >= _WIDE

    @property
    def _bar(self) -> int:
        return _BAR if self._wide else 0
