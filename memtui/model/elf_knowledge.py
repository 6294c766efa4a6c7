"""What is known of the ELF files of a picture so far: it grows while the picture is on the screen."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from memtui.model.elf_objects import FileKey, LoadedObject, ObjectMap, Place
from memtui.model.symbols import SymbolTable

LOADING: Final = "loading symbols…"
NO_OBJECTS: Final = ObjectMap()


class Nearest(NamedTuple):
    """The symbol that an address belongs to, or the one before it."""

    name: str
    offset: int
    """Bytes behind its start."""
    size: int
    """Bytes; 0: the file does not tell."""
    origin: str
    """The table that it is from."""

    def __str__(self) -> str:
        return f"{self.name}+{self.offset:#x}" if self.offset else self.name


@dataclass(frozen=True, slots=True, eq=False)
class ElfKnowledge:
    """Compared by identity."""

    objects: ObjectMap = NO_OBJECTS
    tables: Mapping[FileKey, SymbolTable | str] = field(default_factory=dict)
    """The symbols of those that were asked for, or why there are none (yet)."""
    state: str = ""
    """Why the objects are not known (yet), or ""."""

    def symbol(self, place: Place) -> Nearest | str:
        """The nearest symbol in the same section, or why there is none."""
        table = self.tables.get(place.object.key, LOADING)
        if isinstance(table, str):
            return table
        symbol = table.nearest(place.vaddr, low=place.section.addr if place.section is not None else 0)
        if symbol is None:
            return f"none before it in the section ({table.origin})"
        return Nearest(symbol.name, place.vaddr - symbol.value, symbol.size, table.origin)

    def resolve(self, name: str) -> Iterator[tuple[int, LoadedObject]]:
        """Where the symbol of this name is, in the order of loading: address and object of each."""
        for loaded in self.objects.order:
            table = self.tables.get(loaded.key)
            symbol = table.find(name) if isinstance(table, SymbolTable) else None
            if symbol is not None and loaded.bias is not None:
                yield loaded.bias + symbol.value, loaded


NOTHING_KNOWN: Final = ElfKnowledge()
