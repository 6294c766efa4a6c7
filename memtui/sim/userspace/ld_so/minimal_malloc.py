"""Models elf/dl-minimal-malloc.c (glibc 2.36): the allocator that ld.so uses until libc's is there."""

from typing import Final

from memtui.model.address import PAGE_SIZE, page_up
from memtui.sim.userspace.syscalls import Syscalls

ALIGNMENT: Final = 16
PROT_READ_WRITE: Final = 3
MAP_PRIVATE_ANONYMOUS: Final = 0x22


class MinimalMalloc:
    """Hands out one piece behind the other, first of the last page of ld.so's own bss; addresses in bytes."""

    def __init__(self, syscalls: Syscalls, end_of_bss: int) -> None:
        self._syscalls = syscalls
        self._ptr = end_of_bss
        self._end = page_up(end_of_bss)
        self._last = 0

    def malloc(self, size: int) -> int:
        """The address of `size` bytes; 0 if the kernel has none."""
        self._ptr = (self._ptr + ALIGNMENT - 1) & -ALIGNMENT
        if self._ptr + size >= self._end:
            length = page_up(size) + PAGE_SIZE
            block = self._syscalls.mmap(0, length, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS)
            if block < 0:
                return 0
            if block != self._end:
                self._ptr = block
            self._end = block + length
        self._last = self._ptr
        self._ptr += size
        return self._last

    def free(self, address: int) -> None:
        """Take back the piece that was given last; of any other nothing happens."""
        if address == self._last:
            self._ptr = address

    def free_last(self) -> None:
        """Take back the piece that was given last."""
        self._ptr = self._last

    def realloc(self, address: int, size: int) -> int:
        """The last piece with another size, at the same place if it fits there; 0 stands for none."""
        if address:
            self._ptr = self._last
        return self.malloc(size)

    def string(self, text: str) -> int:
        """A copy of a string with its NUL."""
        return self.malloc(length(text))


def length(text: str) -> int:
    """Bytes of a C string with its NUL."""
    return len(text.encode("utf-8", "surrogateescape")) + 1
