"""Ranges of pagemap cut at the VMAs, and named by what the VMA maps."""

from collections.abc import Iterable, Iterator
from operator import add
from typing import Final, NamedTuple

from memtui.live.pagemap import PAGE_IS_UNSURE
from memtui.live.pagemap_scan import (
    PAGE_IS_FILE,
    PAGE_IS_GUARD,
    PAGE_IS_HUGE,
    PAGE_IS_PFNZERO,
    PAGE_IS_SWAPPED,
    PageRange,
)
from memtui.model.address import PAGE_SHIFT
from memtui.model.pages import PageRun, Residence
from memtui.model.vma import Vma, VmaKind

Runs = tuple[PageRun, ...]


class Meaning(NamedTuple):
    """What the present pages of a VMA are."""

    of_file: Residence
    """Pages with the FILE category: no anonymous memory."""
    bare: Residence
    """Pages without it."""


ANON: Final = Meaning(Residence.ZERO, Residence.ANON)
"""Private anonymous: the one "file" page there can be is the huge zero page, which carries FILE (6.18)."""
_MEANINGS: Final = {
    VmaKind.HEAP: ANON,
    VmaKind.STACK: ANON,
    VmaKind.ANON: ANON,
    VmaKind.FILE: Meaning(Residence.PAGE_CACHE, Residence.ANON),
    VmaKind.SHMEM: Meaning(Residence.SHMEM, Residence.ANON),
    VmaKind.SHARED_ANON: Meaning(Residence.SHMEM, Residence.ANON),
    VmaKind.SYSV: Meaning(Residence.SHMEM, Residence.ANON),
    VmaKind.MEMFD: Meaning(Residence.SHMEM, Residence.ANON),
    VmaKind.HUGETLB: Meaning(Residence.SHMEM, Residence.ANON),
    VmaKind.DEVICE: Meaning(Residence.PAGE_CACHE, Residence.UNKNOWN),
    VmaKind.SPECIAL: Meaning(Residence.PAGE_CACHE, Residence.UNKNOWN),
}
_DEV_ZERO: Final = "/dev/zero"
_NO_MORE: Final = (1 << 64, 1 << 64, 0)
_RAW_FLAGS: Final = frozenset({"pf", "io"})
"""VM_PFNMAP, VM_IO."""
_new: Final = tuple.__new__
"""What the class of a NamedTuple does, without its checks: one for each VMA."""


def meaning_of(vma: Vma) -> Meaning:
    """How to read the present pages of this VMA.

    The kernel counts pages with a struct page that are not anonymous as RssFile (vdso, aio rings) or RssShmem. A bare
    page of a shared, special or device mapping is no memory of the process: a frame put there by a driver.
    """
    if vma.kind is VmaKind.DEVICE and vma.name == _DEV_ZERO:
        return ANON
    meaning = _MEANINGS[vma.kind]
    raw = vma.perms[3] == "s" or (vma.vm_flags is not None and not _RAW_FLAGS.isdisjoint(vma.vm_flags))
    return meaning._replace(bare=Residence.UNKNOWN) if raw else meaning


def residence_of(categories: int, meaning: Meaning) -> Residence:
    """The residence of pages with these PAGE_IS_* categories (pagemap_page_category, fs/proc/task_mmu.c)."""
    if categories & PAGE_IS_GUARD:
        return Residence.GUARD
    if categories & PAGE_IS_SWAPPED:
        return Residence.SWAPPED
    if categories & PAGE_IS_PFNZERO:
        return Residence.ZERO
    if categories & PAGE_IS_UNSURE:
        return Residence.UNKNOWN
    return meaning.of_file if categories & PAGE_IS_FILE else meaning.bare


class _Looks(dict[int, tuple[Residence, bool | None]]):
    """Categories -> what a run is told by: residence and huge."""

    def __init__(self, meaning: Meaning, *, huge_told: bool) -> None:
        self._meaning, self._huge_told = meaning, huge_told

    def __missing__(self, categories: int) -> tuple[Residence, bool | None]:
        huge = bool(categories & PAGE_IS_HUGE) if self._huge_told else None
        self[categories] = look = residence_of(categories, self._meaning), huge
        return look


def join(ranges: Iterable[PageRange], vmas: Iterable[Vma], *, huge_told: bool) -> Iterator[Runs]:
    """Cut the ranges at the VMAs and name them; both ascend. Ranges outside every VMA came after maps: left out.

    Neighbours that differ only in what a residence does not depend on become one.
    """
    stream = iter(ranges)
    begin, end, categories = next(stream, _NO_MORE)
    known: dict[object, _Looks] = {}
    for vma in vmas:
        vm_start, vm_end = vma[0], vma[1]
        while end <= vm_start:
            begin, end, categories = next(stream, _NO_MORE)
        if begin >= vm_end:
            yield ()
            continue
        like = vma[7], vma[2], vma[8], vma[6] == _DEV_ZERO
        looks = known.get(like)
        if looks is None:
            known[like] = looks = _Looks(meaning_of(vma), huge_told=huge_told)
        runs: list[PageRun] = []
        while begin < vm_end:
            first = begin if begin > vm_start else vm_start  # of equal ones that of the VMA: the object is shared
            pages = ((end if end < vm_end else vm_end) - first) >> PAGE_SHIFT
            residence, huge = look = looks[categories]
            if runs and (last := runs[-1]).end == first and (last.residence, last.huge) == look:
                runs[-1] = last._replace(pages=last.pages + pages)
            else:
                runs.append(_new(PageRun, (first, pages, residence, None, None, huge, None, None, None)))
            if end > vm_end:
                break
            begin, end, categories = next(stream, _NO_MORE)
        yield tuple(runs)


def with_runs(vma: Vma, runs: Runs | None) -> Vma:
    """The VMA with these runs; `_replace` takes five times as long."""
    return _new(Vma, add(vma[:-1], (runs,)))
