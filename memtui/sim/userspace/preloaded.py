"""What allocators that are loaded before libc's have in common (jemalloc 5.3.0, gperftools 2.10)."""

from abc import ABC, abstractmethod
from typing import ClassVar, Final

from memtui.sim.userspace.page_writes import Accessed, PageWrites
from memtui.sim.userspace.sbrk import Sbrk
from memtui.sim.userspace.syscalls import Syscalls

LIBSTDCXX_POOL: Final = 72704
"""What libstdc++, which both libraries need, allocates before main for its emergency exceptions (gcc 12); bytes."""
_EINVAL: Final = 22
_ENOMEM: Final = 12


class Preloaded(ABC):
    """The allocator of one program, up to how it finds memory.

    Args:
        syscalls: the kernel that it sees.
        accessed: is told which memory the allocator itself reads or writes (address, length, whether it writes).
        tid: of the first thread.
    """

    NAME: ClassVar[str]

    def __init__(self, syscalls: Syscalls, accessed: Accessed, tid: int) -> None:
        self._syscalls = syscalls
        self._writes = PageWrites(accessed)
        self._sbrk = Sbrk(syscalls, self._writes)
        self._tid = tid
        self.started = False
        self.why = ""
        """The rule that decided the last call, in a sentence."""
        self.own: list[int] = []
        """Blocks that libstdc++ and the library itself hold."""
        self._first = ""
        """What happened first, in the call that found the allocator not started."""

    @abstractmethod
    def aligned_alloc(self, alignment: int, size: int) -> int:
        """Memory at a multiple of `alignment`, by C's rules; 0 when there is none."""

    def posix_memalign(self, alignment: int, size: int) -> tuple[int, int]:
        """0 or an errno, and the address (0 if there is none)."""
        if not alignment or alignment % 8 or alignment & (alignment - 1):
            self.why = "EINVAL: the alignment must be a power of two and a multiple of 8"
            return _EINVAL, 0
        pointer = self.aligned_alloc(alignment, size)
        return (0, pointer) if pointer else (_ENOMEM, 0)

    def mallopt(self, option: int, value: int) -> int:
        """What glibc has sets glibc's options, and says 1."""
        self.why = f"mallopt({option}, {value}) is glibc's and does not concern {self.NAME}"
        return 1

    def malloc_trim(self, pad: int) -> int:
        """What glibc has trims glibc's heap, which is empty."""
        self.why = f"malloc_trim({pad}) is glibc's and knows nothing of {self.NAME}'s memory"
        return 0

    def sbrk(self, increment: int) -> int:
        """As libc has it, which the program may call too: the break before, or -1 (ENOMEM)."""
        return self._sbrk.move(increment)

    def brk_moved(self, brk: int) -> None:
        """The program called libc's brk(), and this is the break now."""
        self._sbrk.moved(brk)

    def thread_start(self, tid: int) -> None:  # noqa: B027 - there is nothing to do
        """The program started a thread; it gets its cache with its first call."""

    def _end(self, block: int) -> int:
        """At the end of a call that may have had to start the allocator."""
        self._writes.tell()
        self.why, self._first = f"{self._first}{self.why}", ""
        return block

    def _nothing(self, why: str) -> int:
        self.why = f"ENOMEM: {why}"
        return 0
