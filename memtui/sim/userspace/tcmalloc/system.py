"""Memory from the kernel, and tcmalloc's own data (gperftools 2.10, src/system-alloc.cc, src/common.cc)."""

from typing import Final

from memtui.model.address import PAGE_SIZE as MACHINE_PAGE
from memtui.model.address import page_up
from memtui.sim.userspace.page_writes import PageWrites
from memtui.sim.userspace.sbrk import WORD, Sbrk
from memtui.sim.userspace.syscalls import Syscalls

_PTRDIFF_MAX: Final = (1 << 63) - 1
_PROT_READ_WRITE: Final = 3
_MAP_PRIVATE_ANONYMOUS: Final = 0x22
_MADV_DONTNEED: Final = 4
METADATA_CHUNK: Final = 8 << 20
METADATA_ALIGNMENT: Final = 64
"""Bytes; alignof(MemoryAligner)."""


class System:
    """SbrkSysAllocator first; once it has failed MmapSysAllocator, until that fails too."""

    def __init__(self, syscalls: Syscalls, writes: PageWrites, sbrk: Sbrk) -> None:
        self._syscalls = syscalls
        self._writes = writes
        self._sbrk = sbrk
        self._sbrk_failed = False
        self.regions: list[tuple[int, int]] = []
        """Start and end of what the page heap got, one after another."""
        self.how = ""
        """How the last memory came, in words."""

    def alloc(self, size: int, alignment: int) -> tuple[int, int]:
        """Address and length of at least `size` bytes; (0, 0) when the kernel has none."""
        if size + alignment > WORD:
            return 0, 0
        if not self._sbrk_failed:
            address = self._by_sbrk(size, alignment)
            if address:
                return address, -(-size // alignment) * alignment
            self._sbrk_failed = True
        length = -(-size // max(alignment, MACHINE_PAGE)) * max(alignment, MACHINE_PAGE)
        address = self._by_mmap(length, max(alignment, MACHINE_PAGE))
        if not address:
            self._sbrk_failed = False
            return 0, 0
        return address, length

    def release(self, address: int, length: int) -> bool:
        """Drop pages; they stay mapped. Whether the kernel did it."""
        self._writes.tell()
        return self._syscalls.madvise(address, length, _MADV_DONTNEED) == 0

    def _by_sbrk(self, size: int, alignment: int) -> int:
        if size + alignment > _PTRDIFF_MAX:
            return 0
        size = -(-size // alignment) * alignment
        if self._sbrk.move(0) + size > WORD:
            return 0
        start = self._sbrk.move(size)
        if start < 0:
            return 0
        self.how = f"sbrk of {size} bytes"
        lead = -start % alignment
        if not lead:
            return start
        if self._sbrk.move(lead) == start + size:
            self.how += f" and {lead} more for the alignment to tcmalloc's pages"
            return start + lead
        start = self._sbrk.move(size + alignment - 1)
        return 0 if start < 0 else start + -start % alignment

    def _by_mmap(self, size: int, alignment: int) -> int:
        extra = alignment - MACHINE_PAGE
        self._writes.tell()
        start = self._syscalls.mmap(0, (size + extra) & WORD, _PROT_READ_WRITE, _MAP_PRIVATE_ANONYMOUS)
        if start < 0:
            return 0
        self.how = f"sbrk was refused: mmap of {size + extra} bytes"
        lead = -start % alignment
        if lead:
            self._syscalls.munmap(start, lead)
        if lead < extra:
            self._syscalls.munmap(start + lead + size, extra - lead)
        return start + lead


class Metadata:
    """Memory for tcmalloc's own structures, never given back (MetaDataAlloc)."""

    def __init__(self, system: System, writes: PageWrites) -> None:
        self._system = system
        self._at = 0
        self._left = 0
        self.writes = writes
        self.regions: list[tuple[int, int]] = []

    def alloc(self, size: int) -> int:
        """The address of `size` bytes; 0 when there is no memory."""
        lead = -self._at % METADATA_ALIGNMENT
        if self._left < size + lead:
            address, length = self._system.alloc(METADATA_CHUNK, METADATA_ALIGNMENT)
            if not address:
                return 0
            self.regions.append((address, address + length))
            self._at, self._left, lead = address, length, 0
        address = self._at + lead
        self._at += size + lead
        self._left -= size + lead
        return address


class ObjectPool:
    """Structures of one size, cut from 128 KiB at a time (PageHeapAllocator)."""

    INCREMENT: Final = 128 << 10

    def __init__(self, metadata: Metadata, size: int) -> None:
        self._metadata = metadata
        self._size = size
        self._free: list[int] = []
        self._area = 0
        self._left = 0

    def reserve(self) -> None:
        """Init: the first 128 KiB are taken at once."""
        self.delete(self.new())

    def new(self) -> int:
        """The address of a structure: the one deleted last, else a fresh one."""
        if self._free:
            address = self._free.pop()
        else:
            if self._left < self._size:
                self._area = self._metadata.alloc(self.INCREMENT)
                self._left = self.INCREMENT
            address = self._area
            self._area += self._size
            self._left -= self._size
        self._touch(address)
        return address

    def delete(self, address: int) -> None:
        """It will be used again."""
        self._free.append(address)
        self._metadata.writes.write(address)

    def _touch(self, address: int) -> None:
        self._metadata.writes.write(address)
        end = address + self._size - 1
        if page_up(address + 1) <= end:
            self._metadata.writes.write(end)
