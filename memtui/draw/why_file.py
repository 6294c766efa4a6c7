"""The why of a mapped file, of a loaded library and of a kind of memory."""

from collections.abc import Iterator
from typing import Final

from memtui.draw.answer import Answer
from memtui.draw.fit import safe
from memtui.draw.library_list import by_nobody
from memtui.draw.reclaim import reclaimable
from memtui.draw.sizes import of, pages_size
from memtui.draw.usage_sums import IMAGES, Usage
from memtui.model.elf_order import Library
from memtui.model.file_cache import FileCache
from memtui.model.vma import VmaKind

_KINDS: Final = {
    VmaKind.HEAP: "brk: what malloc takes small blocks from",
    VmaKind.STACK: "the stack of the first thread, which grows by page faults; other threads' stacks are anonymous",
    VmaKind.ANON: "mmap without a file: large blocks of malloc, thread stacks and arenas, bss, a runtime's own heap",
    VmaKind.FILE: "files that are mapped for their data",
    VmaKind.SHMEM: "memory that several processes can share: tmpfs, shared anonymous, SysV, POSIX, memfd",
    VmaKind.HUGETLB: "pages of hugetlbfs, set aside beforehand",
    VmaKind.DEVICE: "memory of devices",
    VmaKind.SPECIAL: "what the kernel puts into every process: vdso and vvar",
}


def file_answer(file: FileCache) -> Answer:
    """Why so much of a file is in the page cache."""
    return Answer(safe(file.path.rpartition("/")[2]), tuple(_of_file(file)))


def _of_file(file: FileCache) -> Iterator[tuple[str, str]]:
    yield "path", safe(file.path)
    if file.cached is None:
        yield "here", f"not known: {file.why}"
        return
    yield (
        "here",
        (
            f"{pages_size(file.cached)} of {pages_size(file.size)} ({of(file.cached, file.size)}): pages that anyone "
            "has read or mapped, and read-ahead around them. They stay after the last close, until the memory is needed"
        ),
    )
    waiting = (file.dirty or 0) + (file.writeback or 0)
    yield (
        "frees",
        (
            f"reclaim and drop_caches 1: {pages_size(max(file.cached - waiting, 0))} that are clean, if nobody maps "
            f"them; {pages_size(waiting)} are written to the disk first. Deleting the file frees all that is not mapped"
        ),
    )
    if file.evicted:
        yield "evicted", f"{pages_size(file.evicted)} were dropped and would be read from the disk again"
    yield "rule", "a page cache page leaves from the end of the inactive file list. (shrink_folio_list, mm/vmscan.c)"


def library_answer(library: Library) -> Answer:
    """Why an object is loaded."""
    return Answer(safe(library.object.name), tuple(_of_library(library)))


def _of_library(library: Library) -> Iterator[tuple[str, str]]:
    one = library.object
    yield "path", safe(one.key.name)
    by = ", ".join(safe(other.name) for other in library.needed_by)
    if by:
        yield (
            "here",
            f"because it is in the DT_NEEDED of {by}; a soname is loaded once (elf/dl-deps.c)",
        )
    else:
        yield "here", f"no other object needs it {by_nobody(library)}"
    needs = ", ".join(safe(name) + ("" if other else " (not loaded)") for name, other in library.needs)
    yield "needs", needs or "nothing"
    yield "VMAs", f"{len(one.vmas)}: one for each run of segments with the same rights, RELRO set apart by mprotect"
    yield "frees", reclaimable(one.vmas).sentence()


def usage_answer(usage: Usage, total: int, largest: Usage) -> Answer:
    """Why a kind of memory, or one VMA, takes what it takes.

    Args:
        usage: of the kind.
        total: pages in RAM of all kinds.
        largest: the VMA of the kind with the most of them.
    """
    return Answer(usage.name, tuple(_of_usage(usage, total, largest)))


def _of_usage(usage: Usage, total: int, largest: Usage) -> Iterator[tuple[str, str]]:
    if usage.name == IMAGES:
        yield "here", "programs and libraries: files of which a part is executable, with their data and their bss"
    else:
        yield "here", _KINDS.get(usage.example.kind, _KINDS[VmaKind.SHMEM])
    share = f"{pages_size(usage.resident)} in RAM, {of(usage.resident, total)} of the process"
    yield "takes", f"{share}; {pages_size(usage.size)} of address space, which alone costs nothing"
    if usage.vmas > 1:
        yield "most", f"{largest.name} {largest.example.start:x}: {pages_size(largest.resident)}"
    yield "frees", usage.reclaimable.sentence()
