"""Where the pages of each VMA live: read by the best window that this kernel has."""

from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest
from operator import is_, itemgetter
from typing import Final, NamedTuple

from memtui.live.changes import changed_part, same_areas
from memtui.live.joined import ANON, Runs, join, meaning_of, with_runs
from memtui.live.pagemap import MAX_PAGES, find_zero_pfn, walk
from memtui.live.pagemap_scan import PAGE_IS_HUGE, RANGE_BYTES, Scanner, first_byte, last_byte, ranges_of
from memtui.live.procfs import Procfs
from memtui.model.errors import NotSupported, ProcessGone, SourceError
from memtui.model.pages import Residence
from memtui.model.vma import Vma

_KERNEL_HALF: Final = 1 << 63
"""Where [vsyscall] lies, out of reach for pagemap."""
_RUNS_OF: Final = itemgetter(Vma._fields.index("runs"))
_LARGE: Final = 32 << 20
"""Bytes of an anonymous VMA that is worth a call of its own."""


class RunsReading(NamedTuple):
    """The VMAs with their runs."""

    vmas: tuple[Vma, ...]
    """runs is None where it was not measured. [vsyscall] is a page of the kernel that pagemap does not reach: it has
    no runs, ()."""
    unknown: str = ""
    """Why something is missing or unsure."""


class ResidenceReader:
    """Reads runs by the best window that this kernel has: PAGEMAP_SCAN, else the plain pagemap."""

    def __init__(self, procfs: Procfs) -> None:
        self._procfs = procfs
        self._scanner: Scanner | None = Scanner()
        self._pieces: list[bytes] = []
        self._vmas: tuple[Vma, ...] = ()
        """What was given back last, and the spans that were scanned for it."""
        self._spans: tuple[tuple[int, int, bool], ...] = ()

    def read(self, folder: str, vmas: Sequence[Vma]) -> RunsReading:
        """The VMAs of the process in `folder` ("4242") with their runs; the very tuple if nothing changed.

        In a list each VMA gives way to the one with its runs: tens of thousands are not in memory twice.

        A page of shmem that is on swap shows in neither window: it is missing without a trace. VMAs that have runs
        already have those of the last reading.

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

    def _read(self, fd: int, vmas: Sequence[Vma]) -> RunsReading:
        if self._scanner is not None:
            try:
                return RunsReading(self._scanned(fd, vmas, self._scanner))
            except NotSupported:
                self._scanner = None
        runs, why = _walked(fd, vmas, find_zero_pfn(self._procfs))
        return RunsReading(_with(vmas, runs), why)

    def _scanned(self, fd: int, vmas: Sequence[Vma], scanner: Scanner) -> tuple[Vma, ...]:
        if not same_areas(self._vmas, vmas):
            self._spans = tuple(_spans(vmas))
        pieces: list[bytes] = []
        for start, end, files in self._spans:
            span = [*scanner.pieces(fd, start, end, files=files)]
            if not files and any(map(_has_huge, span)):
                # Among huge entries the huge zero page is told only by FILE (6.18).
                span = list(scanner.pieces(fd, start, end))
            # The objects as before: the memory of what is read anew is free again at once.
            known = self._pieces[len(pieces) : len(pieces) + len(span)]
            pieces += [old if old == piece else piece for piece, old in zip_longest(span, known) if piece]
        # Joining costs more than the scan; of a process that sleeps nothing is to be joined.
        if vmas is not self._vmas or pieces != self._pieces:
            vmas = _joined(vmas, self._pieces, pieces)
        self._vmas, self._pieces = tuple(vmas), pieces
        return self._vmas


def _joined(vmas: Sequence[Vma], before: list[bytes], pieces: list[bytes]) -> Sequence[Vma]:
    """The VMAs with the runs of the ranges in `pieces`; those that have some have them of `before`."""
    start, end = _changed(before, pieces)
    if start == end and None not in map(_RUNS_OF, vmas):
        return vmas
    places: Sequence[int] = range(len(vmas))
    if before:
        places = [place for place, vma in enumerate(vmas) if _RUNS_OF(vma) is None or (vma[0] < end and vma[1] > start)]
        if not places:
            return vmas
    now = vmas if isinstance(vmas, list) else list(vmas)
    ranges = (ranges_of(piece) for piece in pieces if _overlaps(piece, vmas[places[0]].start, vmas[places[-1]].end))
    joined = join(chain.from_iterable(ranges), map(now.__getitem__, places), huge_told=True)
    for place, runs in zip(places, joined, strict=True):
        if now[place].runs != runs:
            now[place] = with_runs(now[place], runs)
    return now


def _changed(before: list[bytes], pieces: list[bytes]) -> tuple[int, int]:
    """The bytes between which ranges differ; (0, 0): none does."""
    equal = 0
    while equal < min(len(before), len(pieces)) and before[equal] == pieces[equal]:
        equal += 1
    before, pieces = before[equal:], pieces[equal:]
    while before and pieces and before[-1] == pieces[-1]:
        before, pieces = before[:-1], pieces[:-1]
    tables = changed_part(b"".join(before), b"".join(pieces), RANGE_BYTES)
    spans = [(first_byte(table), last_byte(table)) for table in tables if table]
    return min((start for start, _ in spans), default=0), max((end for _, end in spans), default=0)


def _overlaps(piece: bytes, start: int, end: int) -> bool:
    return first_byte(piece) < end and last_byte(piece) > start


def _with(vmas: Sequence[Vma], runs: Sequence[Runs | None]) -> tuple[Vma, ...]:
    """The VMAs with these runs; those that had them, and the tuple if all had, are the same objects."""
    now = tuple(vma if vma.runs == of_vma else with_runs(vma, of_vma) for vma, of_vma in zip(vmas, runs, strict=True))
    return tuple(vmas) if all(map(is_, vmas, now)) else now


def _spans(vmas: Sequence[Vma]) -> Iterator[tuple[int, int, bool]]:
    """What is in reach, in few spans: large anonymous VMAs apart, whose pages can be of no file."""
    last = len(vmas)
    while last and vmas[last - 1].start >= _KERNEL_HALF:
        last -= 1
    if not last:
        return
    start, end = vmas[0].start, vmas[last - 1].end
    for vma in vmas[:last]:
        if vma[1] - vma[0] >= _LARGE and meaning_of(vma) is ANON:
            if start < vma.start:
                yield start, vma.start, True
            yield vma.start, vma.end, False
            start = vma.end
    if start < end:
        yield start, end, True


def _has_huge(piece: bytes) -> bool:
    return any(categories & PAGE_IS_HUGE for categories in piece[16::RANGE_BYTES])


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
