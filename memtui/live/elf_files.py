"""The ELF files that a live process maps: the very files, not what has their names now."""

import io
import os
from functools import partial
from typing import Final

from memtui.live.link_map import read_link_map
from memtui.live.processes import mm_thread
from memtui.live.procfs import Procfs
from memtui.model.elf import ElfImage
from memtui.model.elf_objects import VDSO, FileKey, LoadedObject, ObjectMap, object_map
from memtui.model.elf_order import in_order, main_program
from memtui.model.elf_source import ElfReader, read_or_say
from memtui.model.errors import AccessDenied, SourceError
from memtui.model.mm import MmSnapshot
from memtui.model.symbols import SymbolTable
from memtui.model.vma import Vma

_BY_32_BITS: Final = 1 << 32
"""Bytes: the [vdso] of a 32-bit process, which is another one, lies below."""
_VDSO_MOST: Final = 1 << 20
_NOTES_MOST: Final = 1 << 16


class LiveElf:
    """An `ElfSource` over /proc.

    A file is reached by /proc/PID/map_files, which is the mapped file whatever happened to its name but needs
    CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE; else by its path below /proc/PID/root, if it still is the same file.

    Args:
        reader: reads ELF files.
        procfs: the tree to read.
    """

    def __init__(self, reader: ElfReader, procfs: Procfs | None = None) -> None:
        self._reader = reader
        self._procfs = procfs or Procfs()
        self._pid = 0
        self._images: dict[FileKey, ElfImage | str] = {}

    def objects(self, mm: MmSnapshot) -> ObjectMap:
        """What is mapped now; files that were read for the same process before are not read again."""
        if mm.pid != self._pid:
            self._pid, self._images = mm.pid, {}
        thread = mm_thread(self._procfs, mm.pid)
        wanted = {FileKey.of(vma) for vma in mm.vmas}
        self._images = {key: image for key, image in self._images.items() if key in wanted}
        found = object_map(mm.vmas, partial(self._image, thread))
        loaded = [one for one in found.objects if one.bias is not None]
        link_map, why_not = None, ""
        try:
            link_map = read_link_map(self._procfs, thread, main_program(loaded, mm.exe))
        except SourceError as error:
            why_not = str(error)
        return in_order(found, mm.exe, link_map, why_not)

    def symbols(self, mm: MmSnapshot, loaded: LoadedObject) -> SymbolTable:
        """The symbols of one object.

        Raises:
            SourceError: there are none, or its file cannot be reached any more.
        """
        vma, thread = loaded.vmas[0], mm_thread(self._procfs, mm.pid)
        if vma.name == VDSO:
            return read_or_say(lambda: self._reader.symbols_in(io.BytesIO(self._vdso(thread, vma)), loaded.image))
        path = self._path(thread, vma)
        root = self._root(thread)
        return read_or_say(lambda: self._reader.read_symbols(path, loaded.image, name=vma.path, root=root))

    def _image(self, pid: int, vma: Vma) -> ElfImage:
        key = FileKey.of(vma)
        known = self._images.get(key)
        if known is None:
            try:
                known = self._read(pid, vma)
            except SourceError as error:
                known = error.what
            self._images[key] = known
        if isinstance(known, str):
            raise SourceError(known)
        return known

    def _read(self, pid: int, vma: Vma) -> ElfImage:
        if vma.name == VDSO:
            data = self._vdso(pid, vma)
            return read_or_say(lambda: self._reader.parse_elf(io.BytesIO(data), VDSO))
        path = self._path(pid, vma)
        image = read_or_say(lambda: self._reader.read_elf(path))
        return image._replace(path=vma.path or vma.name)

    def _vdso(self, pid: int, vma: Vma) -> bytes:
        """The [vdso] of a process: ours where the same kernel made the same, for reading it faults pages in there."""
        ours = own_vdso(self._procfs) if vma.start >= _BY_32_BITS else b""
        if len(ours) == vma.size:
            return ours
        try:
            return self._memory(pid, vma.start, min(vma.size, _VDSO_MOST))
        except AccessDenied:
            return own_vdso(self._procfs)

    def _memory(self, pid: int, start: int, size: int) -> bytes:
        with self._procfs.opened(f"{pid}/mem") as fd:
            return os.pread(fd, size, start)

    def _root(self, pid: int) -> str:
        """What leads to the process's own files; "" if that is denied: then ours have to do."""
        root = self._procfs.path(f"{pid}/root")
        return root if os.access(f"{root}/", os.X_OK) else ""

    def _path(self, pid: int, vma: Vma) -> str:
        """A path that leads to the mapped file itself.

        Raises:
            SourceError: none does.
        """
        direct = self._procfs.path(f"{pid}/map_files/{vma.start:x}-{vma.end:x}")
        try:
            os.stat(direct)
        except OSError:
            return self._path_by_name(pid, vma)
        return direct

    def _path_by_name(self, pid: int, vma: Vma) -> str:
        hint = "root can still reach it"
        if vma.deleted:
            raise SourceError("its file was deleted since it was mapped", hint=hint)
        path = f"{self._root(pid)}{vma.path}"
        try:
            facts = os.stat(path)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise SourceError(f"its file cannot be reached: {reason}") from error
        # File systems with devices of their own for each file (btrfs, overlayfs) show another one in maps.
        if facts.st_ino != vma.inode and not self._same_build(pid, vma, path):
            raise SourceError(f"another file (inode {facts.st_ino}) has its name since it was mapped", hint=hint)
        return path

    def _same_build(self, pid: int, vma: Vma, path: str) -> bool:
        """Whether the process has the file's build id in its memory."""
        try:
            image = read_or_say(lambda: self._reader.read_elf(path))
            note = next(header for header in image.segments if header.type == "PT_NOTE")
            start = vma.start - vma.offset + note.offset
            return bool(image.build_id) and image.build_id in self._memory(pid, start, min(note.filesz, _NOTES_MOST))
        except (SourceError, StopIteration):
            return False


def own_vdso(procfs: Procfs | None = None) -> bytes:
    """The [vdso] of this very process; b"" if there is none.

    Raises:
        SourceError: /proc does not let it be read.
    """
    procfs = procfs or Procfs()
    for line in procfs.read("self/maps").splitlines():
        if line.endswith(b" [vdso]"):
            start, end = (int(number, 16) for number in line.split(b" ", 1)[0].split(b"-"))
            with procfs.opened("self/mem") as fd:
                return os.pread(fd, end - start, start)
    return b""
