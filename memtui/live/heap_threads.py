"""The threads' control blocks, which lead to their tcaches (glibc, nptl/descr.h).

`tcache` and `thread_arena` are variables of each thread. A thread control block is recognised without stopping the
thread: it points to itself twice, and holds the thread's number; the blocks of all threads are linked.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from memtui.live.heap_memory import WORD, ProcessMemory, TornError
from memtui.live.heap_space import Space, is_anonymous
from memtui.model.vma import Vma, VmaKind

_TID: Final = 0x2D0
"""Offset of tid in struct pthread; the link of its list lies 16 bytes before it (2.31 to 2.44, x86-64)."""
_LIST: Final = _TID - 16
_ALIGNED: Final = 64
_SEARCHED: Final = 4 << 20
"""Bytes of a mapping that are searched for the first thread's block, at most."""
_TLS: Final = 8192
"""Bytes below a block in which libc's variables of the thread are looked for."""


class Thread(NamedTuple):
    """One thread's control block."""

    tid: int
    address: int


def find_threads(memory: ProcessMemory, space: Space, pid: int, tids: Sequence[int]) -> list[Thread]:
    """The control blocks that are found, the first thread's first."""
    first = _first_thread(memory, space, pid)
    if first is None:
        return []
    found = {pid: Thread(pid, first)}
    wanted = set(tids)
    for head in _heads(memory, first):
        for address in _ring(memory, head, len(tids) + 2):
            tid = _tid(memory, address)
            if tid in wanted:
                found.setdefault(tid, Thread(tid, address))
    return list(found.values())


def _first_thread(memory: ProcessMemory, space: Space, pid: int) -> int | None:
    """High among the mappings of a dynamic program, where ld.so put it; low in the heap of a static one."""
    for vma in reversed(space.vmas):
        if not is_anonymous(vma):
            continue
        try:
            address = _self_pointing(memory, vma, pid)
        except TornError:
            continue
        if address is not None:
            return address
    return None


def _self_pointing(memory: ProcessMemory, vma: Vma, pid: int) -> int | None:
    # Later mappings lie below it, and merge with its VMA.
    start = vma.start if vma.kind is VmaKind.HEAP else max(vma.start, vma.end - _SEARCHED)
    words = memory.window(start, min(vma.end, start + _SEARCHED))
    for offset in range(0, len(words) * WORD - _TID - 8, _ALIGNED):
        at = offset // WORD
        own = start + offset
        if words[at] == own and words[at + 2] == own and words[at + _TID // WORD] & 0xFFFF_FFFF == pid:
            return own
    return None


def _heads(memory: ProcessMemory, first: int) -> Iterator[int]:
    """The heads of the lists of threads: the one that links no thread, and the other beside it.

    One is for stacks that the program gave, the first thread's too; they lie in ld.so, or in libpthread until 2.33.
    """
    for link in _links(memory, first + _LIST, 1 << 16):
        if _tid(memory, link - _LIST) is None:
            yield from (link, link - 16, link + 16)
            return


def _ring(memory: ProcessMemory, head: int, limit: int) -> Iterator[int]:
    for link in _links(memory, head, limit):
        if link != head:
            yield link - _LIST


def _links(memory: ProcessMemory, start: int, limit: int) -> Iterator[int]:
    link = start
    for _ in range(limit):
        try:
            link = memory.words(link, 1)[0]
        except TornError:
            return
        if link in (0, start):
            return
        yield link


def _tid(memory: ProcessMemory, address: int) -> int | None:
    try:
        own, _, again = memory.words(address, 3)
        tid = memory.words(address + _TID, 1)[0] & 0xFFFF_FFFF
    except TornError:
        return None
    return tid if own == again == address else None


def pointers(
    memory: ProcessMemory, threads: Sequence[Thread], blocks: Container[int], likeness: Callable[[int], int]
) -> Mapping[int, int]:
    """Thread -> its tcache, 0 if it has none yet. It is stored at the same distance from each control block.

    Args:
        memory: of the process.
        threads: the first one first.
        blocks: whatever may be the structure of a tcache.
        likeness: how much a block looks like one.
    """
    if not threads:
        return {}
    below = _words_below(memory, threads[0].address)
    start = -len(below) * WORD
    found = [
        _stored(memory, threads, start + at * WORD, blocks) for at, word in enumerate(below) if word and word in blocks
    ]
    # The program's own variables may point to blocks of that size too.
    return max(found, key=lambda owned: _rank([word for word in owned.values() if word], likeness), default={})


def _rank(words: Sequence[int], likeness: Callable[[int], int]) -> tuple[int, int]:
    return sum(map(likeness, words)), -min(words)


def _stored(memory: ProcessMemory, threads: Sequence[Thread], place: int, blocks: Container[int]) -> Mapping[int, int]:
    """Thread -> the block that the word at this distance from its control block points to, or 0."""
    found = {}
    for thread in threads:
        try:
            (word,) = memory.words(thread.address + place, 1)
        except TornError:
            continue
        if not word or word in blocks:
            found[thread.tid] = word
    return found


def _words_below(memory: ProcessMemory, address: int) -> "memoryview[int]":
    """The words just below an address, as far as their pages are there; at most `_TLS` bytes."""
    start = max(address - _TLS, 0)
    there = memory.present(start, address) if start < address else ()
    start = max(start, there[-1].start) if there and there[-1].end >= address else address
    page = address & -4096
    while start < address:
        try:
            return memory.words(start, (address - start) // WORD)
        except TornError:
            start = start + 4096 if start < page - 4096 else page if start < page else address
    return memory.words(address, 0)
