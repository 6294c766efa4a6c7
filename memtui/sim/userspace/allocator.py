"""What a simulated process asks of its allocator, whichever it is."""

from typing import Protocol

from memtui.model.heap import HeapView


class HeapCorruption(Exception):
    """The program handed in what is no block; the message is the allocator's own where it notices it."""


class Allocator(Protocol):
    """The malloc family. Every call is one of the thread that `run_as` named last; sizes and alignments are bytes."""

    @property
    def why(self) -> str:
        """The rule that decided the last call, in a sentence."""
        ...

    def run_as(self, tid: int) -> None:
        """The next calls are made by this thread."""
        ...

    def thread_start(self, tid: int) -> None:
        """The program started a thread."""
        ...

    def thread_exit(self, tid: int) -> None:
        """The thread returned: what it cached goes back."""
        ...

    def forked(self, tid: int) -> None:
        """This allocator is the copy in a child that `tid` forked: no other thread exists there."""
        ...

    def brk_moved(self, brk: int) -> None:
        """The program itself called brk(), and this is the break now."""
        ...

    def malloc(self, size: int) -> int:
        """The address of `size` bytes; 0 when there is no memory."""
        ...

    def calloc(self, count: int, size: int) -> int:
        """Zeroed memory for an array; 0 when there is none."""
        ...

    def realloc(self, pointer: int, size: int) -> int:
        """Another size for a block, moved if need be."""
        ...

    def memalign(self, alignment: int, size: int) -> int:
        """Memory at a multiple of `alignment`; 0 when there is none."""
        ...

    def aligned_alloc(self, alignment: int, size: int) -> int:
        """The same by C's rules."""
        ...

    def posix_memalign(self, alignment: int, size: int) -> tuple[int, int]:
        """0 or an errno, and the address (0 if there is none)."""
        ...

    def free(self, pointer: int) -> None:
        """Give a block back."""
        ...

    def malloc_usable_size(self, pointer: int) -> int:
        """How many bytes of the block may be used."""
        ...

    def mallopt(self, option: int, value: int) -> int:
        """1 if the option was taken."""
        ...

    def malloc_trim(self, pad: int) -> int:
        """1 if memory went back to the kernel."""
        ...

    def moved(self, pointer: int, by: int) -> tuple[int, int] | None:
        """A block with a mapping of its own lies `by` bytes higher from now on; start and length of that before.

        None: it has no mapping of its own, and stays.
        """
        ...

    def heap_view(self) -> HeapView:
        """The arenas with every chunk and bin, as they are now."""
        ...
