"""Memory from the kernel (jemalloc 5.3.0, src/pages.c, src/extent_mmap.c, src/extent_dss.c)."""

from typing import Final

from memtui.sim.userspace.jemalloc.sizes import PAGE
from memtui.sim.userspace.page_writes import PageWrites
from memtui.sim.userspace.sbrk import WORD, Sbrk
from memtui.sim.userspace.syscalls import Syscalls

_PROT_READ_WRITE: Final = 3
_MAP_PRIVATE_ANONYMOUS: Final = 0x22
_MAP_NORESERVE: Final = 0x4000
_MADV_DONTNEED: Final = 4
_MADV_FREE: Final = 8


class Pages:
    """mmap, madvise, and the break as the last resort. Nothing is ever unmapped (opt.retain).

    With overcommit_memory 2 jemalloc commits and decommits by mmap(MAP_FIXED); that is not modelled.
    """

    def __init__(self, syscalls: Syscalls, writes: PageWrites, sbrk: Sbrk) -> None:
        self._syscalls = syscalls
        self._writes = writes
        self._flags = _MAP_PRIVATE_ANONYMOUS
        self._sbrk = sbrk
        self._dss_exhausted = False
        self.how = ""
        """How the last memory came, in words."""

    def boot(self) -> None:
        """Try what the kernel can do (pages_boot): zeroing, overcommit, huge pages, MADV_FREE."""
        calls = self._syscalls
        probe = calls.mmap(0, PAGE, _PROT_READ_WRITE, self._flags)
        self._writes_now(probe)
        calls.madvise(probe, PAGE, _MADV_DONTNEED)
        calls.munmap(probe, PAGE)
        if calls.read_file("/proc/sys/vm/overcommit_memory", 1, "O_RDONLY|O_CLOEXEC") in (b"0", b"1"):
            self._flags |= _MAP_NORESERVE
        calls.read_file("/sys/kernel/mm/transparent_hugepage/enabled", 24, "O_RDONLY")
        probe = calls.mmap(0, PAGE, _PROT_READ_WRITE, self._flags)
        calls.madvise(probe, PAGE, _MADV_FREE)
        calls.munmap(probe, PAGE)

    def boot_dss(self) -> None:
        """extent_dss_boot: where the break is."""
        self._sbrk.move(0)

    def map(self, size: int, alignment: int) -> int:
        """The address of a new mapping; 0 when there is none."""
        self._writes.tell()
        start = self._mmap(size)
        self.how = f"mmap of {size} bytes"
        if start <= 0 or not start % alignment:
            return max(0, start)
        self._syscalls.munmap(start, size)
        wide = size + alignment - PAGE
        start = self._mmap(wide) if wide <= WORD else 0
        if start <= 0:
            return 0
        lead = -start % alignment
        if lead:
            self._syscalls.munmap(start, lead)
        if wide > lead + size:
            self._syscalls.munmap(start + lead + size, wide - lead - size)
        return start + lead

    def by_break(self, size: int, alignment: int) -> int:
        """The break moves up, after mmap was refused; 0: it does not. Not tried again once it failed."""
        if self._dss_exhausted or size >= 1 << 63:
            return 0
        before = self._sbrk.move(0)
        start = (before + alignment - 1) & -alignment
        if start + size > WORD or self._sbrk.move(start + size - before) < 0:
            self._dss_exhausted = True
            return 0
        self.how = f"mmap was refused: brk up by {start + size - before} bytes"
        return start

    def purge(self, address: int, size: int) -> None:
        """The pages are dropped, the mapping stays."""
        self._writes.tell()
        self._syscalls.madvise(address, size, _MADV_DONTNEED)

    def _mmap(self, size: int) -> int:
        return self._syscalls.mmap(0, size, _PROT_READ_WRITE, self._flags)

    def _writes_now(self, address: int) -> None:
        self._writes.write_range(address, PAGE)
        self._writes.tell()
