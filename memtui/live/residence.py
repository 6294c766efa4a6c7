"""Where the pages of each VMA live: the ranges of pagemap, cut at the VMAs and named by what the VMA maps."""

from collections.abc import Iterable, Iterator, Sequence
from operator import is_
from typing import Final, NamedTuple

from memtui.live.pagemap import MAX_PAGES, PAGE_IS_UNSURE, find_zero_pfn, walk
from memtui.live.pagemap_scan import (
    PAGE_IS_FILE,
    PAGE_IS_GUARD,
    PAGE_IS_HUGE,
    PAGE_IS_PFNZERO,
    PAGE_IS_SWAPPED,
    PageRange,
    Scanner,
)
from memtui.live.procfs import Procfs
from memtui.model.address import PAGE_SHIFT
from memtui.model.errors import NotSupported, ProcessGone, SourceError
from memtui.model.pages import PageRun, Residence
from memtui.model.vma import Vma, VmaKind

Runs = tuple[PageRun, ...]


class RunsReading(NamedTuple):
    """The runs of every VMA, in the order of the VMAs."""

    runs: Sequence[Runs | None]
    """None: not measured. [vsyscall] is a page of the kernel that pagemap does not reach: it has no runs, ()."""
    unknown: str | None = None
    """Why something is missing or unsure."""


class Meaning(NamedTuple):
    """What the present pages of a VMA are."""

    of_file: Residence
    """Pages with the FILE category: no anonymous memory."""
    bare: Residence
    """Pages without it."""


_ANON: Final = Meaning(Residence.ZERO, Residence.ANON)
"""Private anonymous: the one "file" page there can be is the huge zero page, which carries FILE (6.18)."""
_MEANINGS: Final = {
    VmaKind.HEAP: _ANON,
    VmaKind.STACK: _ANON,
    VmaKind.ANON: _ANON,
    VmaKind.FILE: Meaning(Residence.PAGE_CACHE, Residence.ANON),
    VmaKind.SHMEM: Meaning(Residence.SHMEM, Residence.ANON),
    VmaKind.SHARED_ANON: Meaning(Residence.SHMEM, Residence.ANON),
    VmaKind.SYSV: Meaning(Residence.SHMEM, Residence.ANON),
    VmaKind.MEMFD: Meaning(Residence.SHMEM, Residence.ANON),
    VmaKind.HUGETLB: Meaning(Residence.SHMEM, Residence.ANON),
    VmaKind.DEVICE: Meaning(Residence.PAGE_CACHE, Residence.UNKNOWN),
    VmaKind.SPECIAL: Meaning(Residence.PAGE_CACHE, Residence.UNKNOWN),
}


_KERNEL_HALF: Final = 1 << 63
"""Where [vsyscall] lies, out of reach for pagemap."""
_RAW_FLAGS: Final = frozenset({"pf", "io"})
"""VM_PFNMAP, VM_IO."""


def meaning_of(vma: Vma) -> Meaning:
    """How to read the present pages of this VMA.

    The kernel counts pages with a struct page that are not anonymous as RssFile (vdso, aio rings) or RssShmem. A bare
    page of a shared, special or device mapping is no memory of the process: a frame put there by a driver.
    """
    if vma.kind is VmaKind.DEVICE and vma.name == "/dev/zero":
        return _ANON
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


def join(ranges: Iterable[PageRange], vmas: Sequence[Vma], *, huge_told: bool) -> list[Runs]:
    """Cut the ranges at the VMAs and name them; both ascend. Ranges outside every VMA came after maps: left out."""
    result: list[Runs] = []
    stream = iter(ranges)
    current = next(stream, None)
    for vma in vmas:
        pieces: list[PageRange] = []
        while current is not None and current[0] < vma.end:
            if current[1] > vma.start:
                pieces.append(current)
            if current[1] > vma.end:
                break
            current = next(stream, None)
        result.append(tuple(_merged(pieces, vma, huge_told=huge_told)) if pieces else ())
    return result


def _merged(pieces: Iterable[PageRange], vma: Vma, *, huge_told: bool) -> Iterator[PageRun]:
    meaning = meaning_of(vma)
    run: PageRun | None = None
    for first, last, categories in pieces:
        start = max(first, vma.start)
        pages = (min(last, vma.end) - start) >> PAGE_SHIFT
        residence = residence_of(categories, meaning)
        huge = bool(categories & PAGE_IS_HUGE) if huge_told else None
        if run is not None and run.end == start and (run.residence, run.huge) == (residence, huge):
            run = run._replace(pages=run.pages + pages)
            continue
        if run is not None:
            yield run
        run = PageRun(start, pages, residence, huge=huge)
    if run is not None:
        yield run


class ResidenceReader:
    """Reads runs by the best window that this kernel has: PAGEMAP_SCAN, else the plain pagemap."""

    def __init__(self, procfs: Procfs) -> None:
        self._procfs = procfs
        self._scanner: Scanner | None = Scanner()
        self._last: tuple[Sequence[Vma], list[PageRange], list[Runs]] = ([], [], [])

    def read(self, folder: str, vmas: Sequence[Vma]) -> RunsReading:
        """The runs of `vmas`, which are those of the process in `folder` ("4242"), by ascending address.

        A page of shmem that is on swap shows in neither window: it is missing without a trace.

        Raises:
            ProcessGone: it exited.
        """
        try:
            with self._procfs.opened(f"{folder}/pagemap") as fd:
                return self._read(fd, vmas)
        except ProcessGone:
            raise
        except SourceError as error:
            return RunsReading([None] * len(vmas), str(error))

    def _read(self, fd: int, vmas: Sequence[Vma]) -> RunsReading:
        if self._scanner is not None:
            try:
                return RunsReading(self._scanned(fd, vmas, self._scanner))
            except NotSupported:
                self._scanner = None
        return _walked(fd, vmas, find_zero_pfn(self._procfs))

    def _scanned(self, fd: int, vmas: Sequence[Vma], scanner: Scanner) -> list[Runs]:
        reachable = [vma for vma in vmas if vma.start < _KERNEL_HALF]
        if not reachable:
            return [()] * len(vmas)
        ranges = list(scanner.scan(fd, reachable[0].start, reachable[-1].end))
        vmas_before, ranges_before, runs = self._last
        # Joining costs more than the scan; a process that sleeps gives the same again.
        unchanged = len(vmas) == len(vmas_before) and all(map(is_, vmas, vmas_before)) and ranges == ranges_before
        if not unchanged:
            runs = join(ranges, vmas, huge_told=True)
        self._last = (vmas, ranges, runs)
        return runs


def _walked(fd: int, vmas: Sequence[Vma], zero_pfn: int | None) -> RunsReading:
    runs: list[Runs | None] = []
    too_large = 0
    for vma in vmas:
        if vma.pages > MAX_PAGES:
            too_large += 1
            runs.append(None)
        elif vma.start >= _KERNEL_HALF:
            runs.append(())
        else:
            runs += join(walk(fd, vma.start, vma.end, zero_pfn), [vma], huge_told=False)
    notes = []
    if too_large:
        notes.append(f"{too_large} mappings above 16 GiB are too large to be read page by page")
    if zero_pfn is None and any(run.residence is Residence.UNKNOWN for of_vma in runs for run in of_vma or ()):
        notes.append("without CAP_SYS_ADMIN pagemap does not tell the zero page from memory shared with a fork")
    return RunsReading(runs, "; ".join(notes) or None)
