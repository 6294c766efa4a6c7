"""All that user-space models (allocators, the dynamic linker) see of the kernel."""

from typing import Protocol


class Syscalls(Protocol):
    """System calls of one task. Each gives its result, or a negative errno as the raw system call does.

    brk never fails: it gives the current break, as sys_brk does. Whoever implements this also notes the calls,
    so that they can be shown and compared with strace.
    """

    def brk(self, brk: int) -> int:
        """The break after the call, bytes."""
        ...

    def mmap(self, addr: int, length: int, prot: int, flags: int, fd: int = -1, offset: int = 0) -> int:
        """The address of the new mapping; lengths in bytes."""
        ...

    def munmap(self, addr: int, length: int) -> int:
        """0 or a negative errno."""
        ...

    def mprotect(self, addr: int, length: int, prot: int) -> int:
        """0 or a negative errno."""
        ...

    def mremap(self, addr: int, old_len: int, new_len: int, flags: int, new_addr: int = 0) -> int:
        """The address of the mapping after the call."""
        ...

    def madvise(self, addr: int, length: int, advice: int) -> int:
        """0 or a negative errno."""
        ...

    def getrandom(self, length: int) -> int:
        """`length`, the bytes asked for."""
        ...

    def sysctl(self, name: str) -> int:
        """What /proc/sys/vm/`name` says: opened, read and closed, which is not noted."""
        ...

    def read_link(self, path: str) -> int:
        """Length of the link's target, bytes, or a negative errno."""
        ...

    def read_file(self, path: str, length: int, flags: str) -> bytes:
        """Open (`flags` as strace names them), read, close: the first `length` bytes of a setting of the machine.

        Empty: it cannot be had.
        """
        ...

    def sched_getaffinity(self) -> int:
        """How many CPUs the task may run on."""
        ...
