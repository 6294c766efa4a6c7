"""Where the pages of each VMA live: the ranges of pagemap, cut at the VMAs and named by what the VMA maps."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
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
    ranges_of,
)
from memtui.live.procfs import Procfs
from memtui.model.address import PAGE_SHIFT
from memtui.model.errors import NotSupported, ProcessGone, SourceError
from memtui.model.pages import PageRun, Residence
from memtui.model.vma import Vma, VmaKind

Runs = tuple[PageRun, ...]


class RunsReading(NamedTuple):
    """The VMAs with their runs."""

    vmas: tuple[Vma, ...]
    """runs is None where it was not measured. [vsyscall] is a page of the kernel that pagemap does not reach: it has
    no runs, ()."""
    unknown: str = ""
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
_LARGE: Final = 32 << 20
"""Bytes of an anonymous VMA that is worth a call of its own."""
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
        start, end = vma[0], vma[1]
        pieces: list[PageRange] = []
        while current is not None and current[0] < end:
            if current[1] > start:
                pieces.append(current)
            if current[1] > end:
                break
            current = next(stream, None)
        if not pieces:
            result.append(())
        elif len(pieces) == 1:
            result.append((_run(pieces[0], start, end, meaning_of(vma), huge_told=huge_told),))
        else:
            result.append(tuple(_merged(pieces, vma, huge_told=huge_told)))
    return result


def _run(piece: PageRange, start: int, end: int, meaning: Meaning, *, huge_told: bool) -> PageRun:
    first, last, categories = piece
    first = max(start, first)  # of equal ones that of the VMA: most runs start there, and share the object
    huge = bool(categories & PAGE_IS_HUGE) if huge_told else None
    pages = (min(last, end) - first) >> PAGE_SHIFT
    return PageRun(first, pages, residence_of(categories, meaning), None, None, huge)


def _merged(pieces: Iterable[PageRange], vma: Vma, *, huge_told: bool) -> Iterator[PageRun]:
    """Neighbours that differ only in what a residence does not depend on become one."""
    meaning = meaning_of(vma)
    last: PageRun | None = None
    for piece in pieces:
        run = _run(piece, vma.start, vma.end, meaning, huge_told=huge_told)
        if last is not None and last.end == run.start and (last.residence, last.huge) == (run.residence, run.huge):
            last = last._replace(pages=last.pages + run.pages)
            continue
        if last is not None:
            yield last
        last = run
    if last is not None:
        yield last


class ResidenceReader:
    """Reads runs by the best window that this kernel has: PAGEMAP_SCAN, else the plain pagemap."""

    def __init__(self, procfs: Procfs) -> None:
        self._procfs = procfs
        self._scanner: Scanner | None = Scanner()
        self._pieces: list[bytes] = []
        self._vmas: tuple[Vma, ...] = ()
        """What was given back last, and the spans that were scanned for it."""
        self._spans: tuple[tuple[int, int, bool], ...] = ()

    def read(self, folder: str, vmas: tuple[Vma, ...]) -> RunsReading:
        """The VMAs of the process in `folder` ("4242") with their runs; the very tuple if nothing changed.

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
            return RunsReading(_with(vmas, [None] * len(vmas)), str(error))

    def _read(self, fd: int, vmas: tuple[Vma, ...]) -> RunsReading:
        if self._scanner is not None:
            try:
                return RunsReading(self._scanned(fd, vmas, self._scanner))
            except NotSupported:
                self._scanner = None
        runs, why = _walked(fd, vmas, find_zero_pfn(self._procfs))
        return RunsReading(_with(vmas, runs), why)

    def _scanned(self, fd: int, vmas: tuple[Vma, ...], scanner: Scanner) -> tuple[Vma, ...]:
        if vmas is not self._vmas:
            self._spans = tuple(_spans(vmas))
        pieces: list[bytes] = []
        for start, end, files in self._spans:
            span = list(scanner.pieces(fd, start, end, files=files))
            if not files and any(map(_has_huge, span)):
                # Among huge entries the huge zero page is told only by FILE (6.18).
                span = list(scanner.pieces(fd, start, end))
            pieces += span
        # Joining costs more than the scan; a process that sleeps gives the same again.
        if vmas is not self._vmas or pieces != self._pieces:
            vmas = _with(vmas, join(chain.from_iterable(map(ranges_of, pieces)), vmas, huge_told=True))
        self._vmas, self._pieces = vmas, pieces
        return vmas


def _with(vmas: tuple[Vma, ...], runs: Sequence[Runs | None]) -> tuple[Vma, ...]:
    """The VMAs with these runs; those that had them, and the tuple if all had, are the same objects."""
    now = tuple(
        vma if vma.runs == of_vma else vma._replace(runs=of_vma) for vma, of_vma in zip(vmas, runs, strict=True)
    )
    return vmas if all(map(is_, vmas, now)) else now


def _spans(vmas: Sequence[Vma]) -> Iterator[tuple[int, int, bool]]:
    """What is in reach, in few spans: large anonymous VMAs apart, whose pages can be of no file."""
    within = [vma for vma in vmas if vma.start < _KERNEL_HALF]
    start = end = within[0].start if within else 0
    for vma in within:
        end = vma.end
        if vma.end - vma.start >= _LARGE and meaning_of(vma) is _ANON:
            if start < vma.start:
                yield start, vma.start, True
            yield vma.start, vma.end, False
            start = vma.end
    if start < end:
        yield start, end, True


def _has_huge(piece: bytes) -> bool:
    return any(categories & PAGE_IS_HUGE for _, _, categories in ranges_of(piece))


def _walked(fd: int, vmas: Sequence[Vma], zero_pfn: int | None) -> tuple[list[Runs | None], str]:
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
    return runs, "; ".join(notes)
