"""Where the ELF knowledge of a picture comes from: the files of a live process, or of a simulated machine."""

from collections.abc import Callable
from typing import BinaryIO, Protocol, TypeVar

from memtui.model.elf import ElfImage
from memtui.model.elf_objects import LoadedObject, ObjectMap
from memtui.model.errors import ParseError, SourceError
from memtui.model.mm import MmSnapshot
from memtui.model.symbols import SymbolTable

_Result = TypeVar("_Result")


class ElfReader(Protocol):
    """Reads ELF files; the module elf_reader is one."""

    def read_elf(self, path: str) -> ElfImage:
        """The headers of a file; OSError or ParseError."""
        ...

    def parse_elf(self, stream: BinaryIO, path: str) -> ElfImage:
        """The same of bytes; ParseError."""
        ...

    def read_symbols(self, path: str, image: ElfImage, *, name: str | None = None, root: str = "") -> SymbolTable:
        """The symbols of a file; OSError or ParseError."""
        ...

    def symbols_in(self, stream: BinaryIO, image: ElfImage) -> SymbolTable:
        """The same of bytes; ParseError."""
        ...


class ElfSource(Protocol):
    """Slow: called from one thread of its own, beside the one that the pictures come from."""

    def objects(self, mm: MmSnapshot) -> ObjectMap:
        """The ELF files that are mapped. What could not be read is in `ObjectMap.unknown` with the reason."""
        ...

    def symbols(self, mm: MmSnapshot, loaded: LoadedObject) -> SymbolTable:
        """The symbols of one of them.

        Raises:
            SourceError: there are none, and why.
        """
        ...


def read_or_say(read: Callable[[], _Result]) -> _Result:
    """What is read of a file.

    Raises:
        SourceError: it cannot be; the reason, without the path by which it was opened.
    """
    try:
        return read()
    except ParseError as error:
        raise SourceError(error.what.removeprefix(f"{error.file}: ")) from error
    except OSError as error:
        raise SourceError(f"its file cannot be read: {error.strerror}") from error
