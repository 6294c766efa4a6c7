"""All that user-space models (allocators, the dynamic linker) see of the kernel."""

from typing import Protocol


class Syscalls(Protocol):
    """System calls of one task. Each gives its result, or a negative errno as the raw system call does.

    brk never fails: it gives the current break, as sys_brk does. Whoever implements this also notes the calls,
    so that they can be shown and compared with strace.
    """

    def brk(self, brk: int) -> int: ...

    def mmap(self, addr: int, length: int, prot: int, flags: int, fd: int = -1, offset: int = 0) -> int: ...

    def munmap(self, addr: int, length: int) -> int: ...

    def mprotect(self, addr: int, length: int, prot: int) -> int: ...

    def mremap(self, addr: int, old_len: int, new_len: int, flags: int, new_addr: int = 0) -> int: ...

    def madvise(self, addr: int, length: int, advice: int) -> int: ...

    def getrandom(self, length: int) -> int: ...
