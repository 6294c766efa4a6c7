"""The ELF files that a simulated process maps: those of the machine that it is simulated on."""

import io
from collections.abc import Callable
from functools import partial

from memtui.model.elf import ElfImage
from memtui.model.elf_objects import VDSO, FileKey, LoadedObject, ObjectMap, object_map
from memtui.model.elf_order import in_order
from memtui.model.elf_source import ElfReader, read_or_say
from memtui.model.errors import NotSupported, SourceError
from memtui.model.host import Host
from memtui.model.mm import MmSnapshot
from memtui.model.symbols import SymbolTable
from memtui.model.vma import Vma


class SimElf:
    """An `ElfSource` over a host.

    Args:
        host: the machine.
        reader: reads its files; None: it is recorded, and its files are not here.
        vdso: the bytes of its [vdso].
    """

    def __init__(self, host: Host, reader: ElfReader | None = None, vdso: Callable[[], bytes] | None = None) -> None:
        self._host = host
        self._reader = reader
        self._vdso = vdso
        self._images: dict[FileKey, ElfImage | str] = {}

    def objects(self, mm: MmSnapshot) -> ObjectMap:
        """What is mapped; the order of loading is that of DT_NEEDED, as memory has no contents."""
        return in_order(object_map(mm.vmas, self._image), mm.exe, None)

    def symbols(self, mm: MmSnapshot, loaded: LoadedObject) -> SymbolTable:
        """The symbols of one object.

        Raises:
            SourceError: there are none, or the machine is a recorded one.
        """
        reader = self._reader
        if reader is None:
            raise NotSupported("this machine is a recorded one: the symbols of its files are not part of it")
        image = loaded.image
        if loaded.name == VDSO:
            return read_or_say(lambda: reader.symbols_in(io.BytesIO(self._own_vdso()), image))
        return read_or_say(partial(reader.read_symbols, image.path, image))

    def _image(self, vma: Vma) -> ElfImage:
        key = FileKey.of(vma)
        if key not in self._images:
            try:
                self._images[key] = self._read(vma)
            except SourceError as error:
                self._images[key] = error.what
        known = self._images[key]
        if isinstance(known, str):
            raise SourceError(known)
        return known

    def _read(self, vma: Vma) -> ElfImage:
        if vma.name == VDSO:
            reader = self._reader
            if reader is None:
                raise NotSupported("the vdso of a recorded machine is not part of it")
            return read_or_say(lambda: reader.parse_elf(io.BytesIO(self._own_vdso()), VDSO))
        image = self._host.elf(vma.path) if vma.path is not None else None
        if image is None:
            raise SourceError("not an ELF file")
        return image

    def _own_vdso(self) -> bytes:
        return b"" if self._vdso is None else self._vdso()
