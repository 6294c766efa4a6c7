"""The loaded ELF objects in their order, with who needs each."""

from typing import Final

from memtui.draw.fit import crop, safe, shorten
from memtui.draw.run import Row, Run
from memtui.model.elf_knowledge import ElfKnowledge
from memtui.model.elf_order import Library, libraries

_NAME: Final = 22
HEAD: Final = 1
"""Rows above the first object."""


class LibraryList:
    """A `Lines`: a head, then one row an object, and one for each name that led to none."""

    def __init__(self, elf: ElfKnowledge, width: int) -> None:
        self.width = width
        self.libraries = libraries(elf.objects)
        self._rows: list[Row] = []
        self._at: list[Library | None] = []
        if self.libraries:
            self._put(self._row("#", "start", "object", "needed by", role="oom.head"), None)
        for number, library in enumerate(self.libraries, 1):
            one = library.object
            by = ", ".join(safe(other.name) for other in library.needed_by)
            self._put(self._row(str(number), f"{one.start:x}", safe(one.name), by or by_nobody(library)), library)
            for name, other in library.needs:
                if other is None:
                    self._put(self._row("", "", safe(name), f"not loaded, for {safe(one.name)}", "error"), None)

    def _put(self, row: Row, library: Library | None) -> None:
        self._rows.append(row)
        self._at.append(library)

    def _row(self, number: str, start: str, name: str, by: str, role: str = "") -> Row:
        room = min(_NAME, max(self.width - 20, 8))
        runs = (
            Run(f"{number:>3} ", role or "text.dim"),
            Run(f"{start:<12} ", role or "map.address"),
            Run(f"{shorten(name, room):<{room}} ", role or "map.label"),
            Run(shorten(by, max(self.width - 18 - room, 0)), role or "text"),
        )
        return crop(runs, self.width)

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, index: int) -> Row:
        """Row `index`, or the empty row outside."""
        return self._rows[index] if 0 <= index < len(self._rows) else ()

    def library_at(self, index: int) -> Library | None:
        """The object of a row; None for the head and what is not loaded."""
        return self._at[index] if 0 <= index < len(self._at) else None

    def start_at(self, index: int) -> int | None:
        """Where the object of a row is."""
        library = self.library_at(index)
        return None if library is None else library.object.start


def by_nobody(library: Library) -> str:
    """What brought an object that none of the others needs."""
    if library.object.name == "[vdso]":
        return "— kernel"
    return "— program" if library.object.image.interp and library.object.image.needed else "— dlopen or preload"
