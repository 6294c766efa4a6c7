"""The why of one page: how it came to be what it is, and what would change that."""

import re
from collections.abc import Iterator
from typing import Final

from memtui.draw.cells import runs_within
from memtui.model.address import PAGE_SIZE, page_down
from memtui.model.pages import PageRun, Residence
from memtui.model.step import StepLog, StepRecord
from memtui.model.vma import Vma, VmaKind

_TOUCH: Final = re.compile(r"touch\((0x[0-9a-f]+), (\d+)")
_OBJECTS: Final = frozenset({VmaKind.SHMEM, VmaKind.SHARED_ANON, VmaKind.SYSV, VmaKind.MEMFD})


def page_fields(vma: Vma, address: int, log: StepLog | None) -> Iterator[tuple[str, str]]:
    """Of the page that holds a byte of a VMA.

    Args:
        vma: whose page.
        address: of the byte.
        log: the steps of a simulation: which of them touched it.
    """
    page = page_down(address)
    if vma.runs is None:
        yield "page", f"{page:x}: its pages could not be measured"
        return
    run = next(iter(runs_within(vma.runs, page, page + PAGE_SIZE)), None)
    yield "page", f"{page:x} is {_because(vma, run)}"
    touched = _touched(page, log) if log is not None else None
    if touched is not None:
        yield "touched", f"last by step {touched.number}: {touched.told}" + (f": {touched.why}" if touched.why else "")


def _because(vma: Vma, run: PageRun | None) -> str:
    if run is None or run.residence is Residence.ABSENT:
        return _absent(vma)
    match run.residence:
        case Residence.ANON if vma.inode and "s" not in vma.perms:
            return "anon: it was written, and a private mapping gets a copy of its own then (wp_page_copy, mm/memory.c)"
        case Residence.ANON:
            huge = ", as part of a huge page" if run.huge else ""
            return f"anon: it was written{huge}, and got a zeroed frame (do_anonymous_page, mm/memory.c)"
        case Residence.PAGE_CACHE:
            return (
                f"page cache{_dirtiness(run)}: it was accessed, or lies next to a page that was: a fault maps up to 16 "
                "that are cached already (filemap_map_pages, mm/filemap.c)"
            )
        case Residence.SHMEM:
            return "shmem: the object has this page, since somebody who maps it touched it (shmem_fault, mm/shmem.c)"
        case Residence.SWAPPED:
            return "swapped: reclaim wrote it out; the next access is a major fault (do_swap_page, mm/memory.c)"
        case Residence.ZERO:
            return "the zero page: it was read before it was ever written (do_anonymous_page, mm/memory.c)"
        case Residence.GUARD:
            return "a guard: MADV_GUARD_INSTALL put a marker there, any access is SIGSEGV (mm/madvise.c)"
        case _:
            return "present; what it is cannot be told here"


def _dirtiness(run: PageRun) -> str:
    return "" if run.dirty is None else ", dirty" if run.dirty else ", clean"


def _absent(vma: Vma) -> str:
    if vma.perms.startswith("---"):
        return "absent: nothing may access it, so nothing ever can be there: it only keeps the addresses"
    if vma.kind in _OBJECTS:
        return "absent: not mapped yet. An access maps the object's page, or gives the object a zeroed one"
    if vma.inode:
        return "absent: not mapped yet. An access maps it from the page cache, or reads it from the file first"
    return "absent: not touched yet, or given back. A read maps the zero page, a write finds a zeroed frame"


def _touched(page: int, log: StepLog) -> StepRecord | None:
    """The last step so far that touched the page by its address."""
    for record in reversed(log.steps[: log.cursor]):
        found = _TOUCH.match(record.text)
        if found is not None:
            start = int(found[1], 16)
            if page_down(start) <= page < start + int(found[2]):
                return record
    return None
