"""Chunks with a mapping of their own, recognised by their headers (glibc, malloc/malloc.c: sysmalloc_mmap)."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from memtui.live.heap_layout import FLAGS, HEAP_MAX, IS_MMAPPED, Layout
from memtui.live.heap_memory import ProcessMemory, TornError
from memtui.live.heap_space import is_anonymous
from memtui.model.address import PAGE_SIZE, Range, page_up
from memtui.model.heap import HEADER, ChunkState, HeapChunk, Thresholds
from memtui.model.vma import Vma, VmaKind

_PROBES: Final = 100_000
"""Pages whose first words are looked at, at most."""
_LEADS: Final = (*(alignment - 16 for alignment in (32, 64, 128, 256, 512, 1024, 2048, 4096)), 0)
"""Bytes before the header in the first page: what memalign of these alignments leaves, or 0. That comes last: memalign
leaves the header there standing when it moves the chunk up."""
_FAR_LEADS: Final = tuple(page * PAGE_SIZE - 16 for page in range(2, 65))
"""The same in later pages, by larger alignments."""


class Parameters(NamedTuple):
    """The allocator's parameters, malloc_par."""

    thresholds: Thresholds
    n_mmaps: int
    mmapped_mem: int
    """Bytes."""
    sbrk_base: int
    """First byte of the heap; 0: there is none."""
    tcache_count: int


def read_parameters(memory: ProcessMemory, address: int, layout: Layout) -> Parameters:
    """malloc_par at `address`."""
    data = memory.read(address, layout.sbrk_base + 32)

    def word(at: int, size: int = 8) -> int:
        return int.from_bytes(data[at : at + size], "little")

    n_mmaps, sbrk_base = layout.n_mmaps, layout.sbrk_base
    return Parameters(
        Thresholds(word(16), word(0), word(8), dynamic=not word(n_mmaps + 12, 4)),
        n_mmaps=word(n_mmaps, 4),
        mmapped_mem=word(layout.mmapped_mem),
        sbrk_base=word(sbrk_base),
        tcache_count=word(sbrk_base + 24),
    )


def mapped_chunks(
    memory: ProcessMemory, vmas: Sequence[Vma], taken: Sequence[Range], count: int, size: int
) -> list[HeapChunk]:
    """The mapped chunks; fewer than `count` if some are not found.

    Args:
        memory: of the process.
        vmas: of the process.
        taken: memory that is known to be something else: heaps and their arenas, by ascending address.
        count: how many there are.
        size: of their mappings altogether, bytes.
    """
    found = _found(memory, vmas, taken, count, size, _LEADS)
    return found if len(found) >= count else _found(memory, vmas, taken, count, size, _FAR_LEADS + _LEADS)


def _found(
    memory: ProcessMemory,
    vmas: Sequence[Vma],
    taken: Sequence[Range],
    count: int,
    size: int,
    leads: Sequence[int],
) -> list[HeapChunk]:
    found: list[HeapChunk] = []
    total, probes = 0, _PROBES // len(leads)
    for vma in vmas:
        if len(found) >= count and total >= size:
            break
        if vma.kind is not VmaKind.ANON or not is_anonymous(vma):
            continue
        for piece in _without(Range(vma.start, vma.end), taken):
            for chunk, mapped, looked in _in_piece(memory, piece, probes, leads):
                probes -= looked
                if chunk is not None:
                    found.append(chunk)
                    total += mapped
    return found


def _in_piece(
    memory: ProcessMemory, piece: Range, probes: int, leads: Sequence[int]
) -> Iterator[tuple[HeapChunk | None, int, int]]:
    """Each chunk, the bytes of its mapping, and the pages that were looked at for it."""
    for present in memory.present(piece.start, piece.end):
        at = max(present.start, piece.start)
        while at < min(present.end, piece.end) and probes > 0:
            probes -= 1
            chunk = _chunk_at(memory, at, piece.end, leads)
            length = PAGE_SIZE if chunk is None else page_up(chunk.end - at)
            yield chunk, length, 1
            at += length
            piece = Range(max(piece.start, at), piece.end)


def _chunk_at(memory: ProcessMemory, base: int, end: int, leads: Sequence[int]) -> HeapChunk | None:
    """The mapped chunk whose mapping begins at `base`, if there is one."""
    try:
        words = memory.words(base, PAGE_SIZE // 8)
    except TornError:
        return None
    for lead in leads:
        chunk = _header(memory, words, base, lead, end)
        if not lead and not words[0] and words[1] & FLAGS == IS_MMAPPED:
            # memalign leaves this header standing, and mremap does not correct it.
            chunk = _moved_up(memory, words, base, end) or chunk
        if chunk is not None:
            return chunk
    return None


def _moved_up(memory: ProcessMemory, words: "memoryview[int]", base: int, end: int) -> HeapChunk | None:
    """The chunk that memalign has moved up, by an alignment of more than a page."""
    alignment, lead, before = 2 * PAGE_SIZE, 0, 0
    while lead < end - base:
        lead = (base + HEADER + alignment - 1 & -alignment) - HEADER - base
        alignment *= 2
        if lead != before:
            chunk = _header(memory, words, base, lead, end)
            if chunk is not None:
                return chunk
        before = lead
    return None


def _header(memory: ProcessMemory, words: "memoryview[int]", base: int, lead: int, end: int) -> HeapChunk | None:
    """The chunk whose header lies `lead` bytes behind `base`, if it is one; `words` are those of the first page."""
    if base + lead >= end:
        return None
    try:
        place = base + lead
        before, field = words[lead // 8 :][:2] if lead < PAGE_SIZE else memory.window(place, place + 16)
    except TornError:
        return None
    size = field & ~FLAGS
    if field & FLAGS != IS_MMAPPED or before != lead or size < 2 * HEADER:
        return None
    # Since 2.43 its size does not count the 16 bytes behind it.
    whole = -(lead + size) % PAGE_SIZE in (0, HEADER) and base + lead + size <= end
    return HeapChunk(base + lead, size, ChunkState.MMAPPED) if whole else None


def _without(piece: Range, taken: Sequence[Range]) -> Iterator[Range]:
    """What is left of a range, which shrinks by those that are taken."""
    start = piece.start
    for other in taken:
        if other.end > start and other.start < piece.end:
            if other.start > start:
                yield Range(start, other.start)
            start = max(start, other.end)
    if start < piece.end:
        yield Range(start, piece.end)


def heap_of(address: int) -> Range:
    """The memory that is set aside for the heap of a thread that `address` lies in."""
    start = address & -HEAP_MAX
    return Range(start, start + HEAP_MAX)
