"""Following the chunks of one region from header to header, window by window (glibc, malloc/malloc.c)."""

from array import array
from collections.abc import Generator, Iterator
from typing import Final

from memtui.live.heap_layout import FLAGS, NON_MAIN_ARENA
from memtui.live.heap_memory import WORD, ProcessMemory, TornError
from memtui.model.address import PAGE_SIZE, page_up

WINDOW: Final = 4 << 20
"""Bytes that are read at a time."""
MINSIZE: Final = 32
FENCEPOST: Final = 16
"""Size of the last two chunks of a region that the heap has left; the last one of a thread's heap says 0."""
_NOT_SIZE: Final = 8 | 2
"""Bits that no chunk of an arena has: its size is a multiple of 16, and it is not mmapped."""
_CONVINCING: Final = 64
"""Heads in a row that are no accident."""
_HEAD: Final = 4
"""Words of a chunk that are looked at: prev_size, size, fd, bk."""


class RegionWalk:
    """The chunks from `start` on. Arrays of the same index belong together.

    Args:
        start: address of the first chunk.
        top: the chunk that ends the chain if no fencepost ends it before; None: it is in another region.
        limit: first byte behind what may be read.
        foreign: whether the chunks belong to a thread's arena.
    """

    def __init__(self, start: int, top: int | None, limit: int, *, foreign: bool = False) -> None:
        self.start, self.top, self._limit = start, top, limit
        self.stop = limit if top is None else top
        """Where the chain ends at the latest; a header is there only if it is top."""
        self.words = array("Q")
        """Size fields, with the flags."""
        self.fds = array("Q")
        """The word behind the size field: fd, the link of a fastbin or tcache, or the program's data."""
        self.free = array("Q")
        """Indices of the chunks that the one behind says are free."""
        self.bks = array("Q")
        """For each of them, its bk."""
        self.end = start
        """First byte behind the last chunk that was followed."""
        self.fenceposts = 0
        """Chunks at the end that are fenceposts."""
        self.problem = ""
        """Why the chain could not be followed to its end."""
        # In a thread's arena only chunks that are in use carry the flag.
        self._wrong = _NOT_SIZE | (0 if foreign else NON_MAIN_ARENA)
        self._bk = 0

    def follow(self, memory: ProcessMemory) -> Generator[int]:
        """Follow the chain; gives the bytes that were read, window by window."""
        while not self.problem and not self.fenceposts and self.end <= self.stop:
            end = min(self.end + WINDOW, self._limit)
            if end - self.end < _HEAD * WORD:
                self._stop(f"a chunk at {self.end:#x} reaches beyond its region")
                return
            try:
                words = memory.window(self.end, end)
            except TornError as error:
                self._stop(str(error))
                return
            before = self.end
            if self._window(words, (self.stop - self.end) // WORD):
                return
            yield self.end - before
        if self.end > self.stop and not self.fenceposts:
            self._stop("a chunk reaches beyond top")

    def _window(self, words: "memoryview[int]", top: int) -> bool:
        """The chunks whose heads lie in the window; True: the chain has ended, well or not."""
        sizes, fds, bk = self.words, self.fds, self._bk
        wrong, last = self._wrong, len(words) - _HEAD
        at, base = 0, self.end
        while at <= last:
            word = words[at + 1]
            if not word & 1:
                if not sizes or words[at] != sizes[-1] & ~FLAGS:
                    self.end = base + at * WORD
                    return self._stop(f"prev_size at {self.end:#x} is not the size of the chunk before")
                self.free.append(len(sizes) - 1)
                self.bks.append(bk)
            if at == top:
                self.end = base + at * WORD
                return True
            if word & wrong or word < MINSIZE or at > top:
                self.end = base + at * WORD
                return self._odd(words, at, top)
            sizes.append(word)
            fds.append(words[at + 2])
            bk = words[at + 3]
            at += word >> 4 << 1
        self.end, self._bk = base + at * WORD, bk
        return False

    def _odd(self, words: "memoryview[int]", at: int, top: int) -> bool:
        """A head that is no chunk's: two fenceposts, or something torn."""
        second = words[at + 3] & ~FLAGS
        if words[at + 1] & ~FLAGS == FENCEPOST and second in (0, FENCEPOST) and at < top:
            self.words.extend((FENCEPOST, FENCEPOST))
            self.fds.extend((0, 0))
            self.fenceposts = 2
            self.end += 2 * FENCEPOST
            return True
        return self._stop(f"the size field at {self.end:#x} is none: {words[at + 1]:#x}")

    def _stop(self, problem: str) -> bool:
        self.problem = problem
        return True


def beginnings(memory: ProcessMemory, start: int, end: int, top: int) -> Iterator[int]:
    """Every place from which chunks lead to fenceposts or top, by ascending address."""
    for present in memory.present(start, end):
        at = max(present.start, start + 15 & ~15)
        while at < min(present.end, end):
            stop = min(at + WINDOW, present.end)
            try:
                words = memory.words(at, (stop - at) // WORD)
            except TornError:
                return
            for index in range(0, len(words) - 1, 2):
                word = words[index + 1]
                place = at + index * WORD
                # The first chunk of a region says that the one before it is in use.
                if word & 15 == 1 and MINSIZE <= word <= end - place + 1 and _leads_on(memory, place, end, top):
                    yield place
            at = stop


def region_starts(memory: ProcessMemory, start: int, end: int, top: int) -> Iterator[int]:
    """The same, but only where a page begins."""
    for present in memory.present(start, end):
        for page in range(page_up(max(present.start, start)), min(present.end, end), PAGE_SIZE):
            word = memory.words(page + WORD, 1)[0]
            if word & 15 == 1 and MINSIZE <= word <= end - page + 1 and _leads_on(memory, page, end, top):
                yield page


def _leads_on(memory: ProcessMemory, place: int, end: int, top: int) -> bool:
    """Whether so many heads in a row are those of chunks, or lead to top or a fencepost before that."""
    for _ in range(_CONVINCING):
        if place in (top, end):
            return True
        try:
            word = memory.words(place + 8, 1)[0]
        except TornError:
            return False
        if word & ~FLAGS == FENCEPOST:
            return True
        if word & _NOT_SIZE or word < MINSIZE or place + (word & ~FLAGS) > end:
            return False
        place += word & ~FLAGS
    return True
