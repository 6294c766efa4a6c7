"""libc's sbrk (glibc 2.36, misc/sbrk.c), as allocators that are loaded before libc's call it."""

from typing import Final

from memtui.sim.userspace.page_writes import PageWrites
from memtui.sim.userspace.syscalls import Syscalls

WORD: Final = (1 << 64) - 1
"""The largest size_t."""


class Sbrk:
    """The break as libc knows it (__curbrk): asked for once, then remembered."""

    def __init__(self, syscalls: Syscalls, writes: PageWrites) -> None:
        self._syscalls = syscalls
        self._writes = writes
        self._break: int | None = None

    def move(self, increment: int) -> int:
        """The break before it moved by `increment` bytes, or -1 (ENOMEM)."""
        if self._break is None:
            self._break = self._syscalls.brk(0)
        before = self._break
        if not increment:
            return before
        if before + increment > WORD:
            return -1
        self._writes.tell()
        self._break = self._syscalls.brk(before + increment)
        return before if self._break >= before + increment else -1

    def moved(self, brk: int) -> None:
        """The program called libc's brk(), and this is the break now."""
        self._break = brk
