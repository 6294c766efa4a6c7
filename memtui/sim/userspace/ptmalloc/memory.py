"""What the allocator sees of the machine: system calls, and the memory that it reads and writes by itself."""

from collections.abc import Callable
from typing import Final

from memtui.model.address import PAGE_SHIFT, PAGE_SIZE
from memtui.sim.userspace.syscalls import Syscalls

Accessed = Callable[[int, int, bool], None]
"""Is told which memory the allocator accesses: address, length in bytes, whether it writes."""
PROT_READ_WRITE: Final = 3
MAP_PRIVATE_ANONYMOUS: Final = 0x22
MAP_FIXED: Final = 0x10
MAP_NORESERVE: Final = 0x4000
MREMAP_MAYMOVE: Final = 1
MADV_DONTNEED: Final = 4


class Memory:
    """System calls and accesses in the order in which they happen.

    The writes between two system calls are told page by page, each page once: that is all that a page table sees of
    them. Reads of headers are not told, since only pages that were written before hold headers; nor are the
    writes to the lists' heads, which lie in libc's data (main_arena).
    """

    def __init__(self, syscalls: Syscalls, accessed: Accessed) -> None:
        self._syscalls = syscalls
        self._accessed = accessed
        self._may_shrink: bool | None = None
        self._pages: dict[int, None] = {}
        """Numbers of the pages written since they were last told, in order."""

    def write(self, address: int, length: int = 8) -> None:
        """The allocator writes here."""
        page = address >> PAGE_SHIFT
        self._pages[page] = None
        if (address + length - 1) >> PAGE_SHIFT != page and length > 0:
            self.tell()
            self._accessed(address, length, True)

    def copy(self, source: int, target: int, length: int) -> None:
        """memcpy: what was never touched at the source is read as the zero page."""
        self.tell()
        self._accessed(source, length, False)
        self._accessed(target, length, True)

    def tell(self) -> None:
        """Tell of the pages written so far."""
        if self._pages:
            for page in self._pages:
                self._accessed(page << PAGE_SHIFT, PAGE_SIZE, True)
            self._pages.clear()

    def brk(self, brk: int) -> int:
        """The break after the call."""
        self.tell()
        return self._syscalls.brk(brk)

    def mmap(self, length: int) -> int:
        """Private anonymous memory wherever the kernel puts it; a negative errno on failure."""
        self.tell()
        return self._syscalls.mmap(0, length, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS)

    def reserve(self, address: int, length: int, *, noreserve: bool = False, fixed: bool = False) -> int:
        """Address space without access, at `address` if that is free (or come what may: fixed), or elsewhere."""
        self.tell()
        flags = MAP_PRIVATE_ANONYMOUS | (MAP_NORESERVE if noreserve else 0) | (MAP_FIXED if fixed else 0)
        return self._syscalls.mmap(address, length, 0, flags)

    def mprotect(self, address: int, length: int) -> int:
        """Make memory readable and writable; 0 or a negative errno."""
        self.tell()
        return self._syscalls.mprotect(address, length, PROT_READ_WRITE)

    def may_shrink_heap(self) -> bool:
        """Whether threads' heaps give memory back by mapping it anew: libc looks once whether overcommit is off."""
        if self._may_shrink is None:
            self._may_shrink = self._syscalls.sysctl("overcommit_memory") == 2
        return self._may_shrink

    def munmap(self, address: int, length: int) -> int:
        """0 or a negative errno."""
        self.tell()
        return self._syscalls.munmap(address, length)

    def mremap(self, address: int, old_length: int, length: int) -> int:
        """Another length, elsewhere if need be; a negative errno on failure."""
        self.tell()
        return self._syscalls.mremap(address, old_length, length, MREMAP_MAYMOVE)

    def discard(self, address: int, length: int) -> None:
        """MADV_DONTNEED."""
        self.tell()
        self._syscalls.madvise(address, length, MADV_DONTNEED)

    def getrandom(self, length: int) -> None:
        """The tcache's key; its value decides nothing."""
        self._syscalls.getrandom(length)
