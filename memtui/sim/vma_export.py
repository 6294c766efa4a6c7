"""The VMAs of a simulated address space as the model's, built only where something changed."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from memtui.model.address import PMD_SIZE
from memtui.model.pages import PageRun, Residence
from memtui.model.vma import Smaps, Vma, VmaKind
from memtui.sim.kernel import vma as kernel_vma
from memtui.sim.kernel.kernel import Kernel
from memtui.sim.kernel.mm import Mm
from memtui.sim.kernel.page_leaf import PMD_SHIFT, Leaf
from memtui.sim.kernel.task_mmu import device, inode_number, kind, label, offset, permissions, vm_flags
from memtui.sim.kernel.vm_flags import VM_LOCKED, pkey

if TYPE_CHECKING:
    from memtui.sim.kernel.fs import OpenFile

_KIB_A_PAGE: Final = 4
_STRIDE: Final = 1024
"""VMAs that are compared at once in the search for what changed."""
_NO_FILE: Final = (0, (0, 0), 0)
"""Offset, device, inode."""
_COUNTED: Final = (Residence.ANON, Residence.PAGE_CACHE, Residence.SHMEM, Residence.SWAPPED)
_new = tuple.__new__
VSYSCALL: Final = Vma(
    0xFFFF_FFFF_FF60_0000, 0xFFFF_FFFF_FF60_1000, "--xp", 0, (0, 0), 0, "[vsyscall]", VmaKind.SPECIAL, ("ex",),
    Smaps(4, 4, 4, rss=0, pss=0, anonymous=0, lazy_free=0, anon_huge_pages=0, swap=0, locked=0), (),
)  # fmt: skip
"""The gate VMA, which is in no tree and printed last (arch/x86/entry/vsyscall/vsyscall_64.c)."""


class VmaExports:
    """What was exported of the address space of one process, to be used again.

    The kernel's VMAs are values, and a page table of 2 MiB tells by its content whether it changed; so after a step
    only the VMAs between the first and the last change are looked at, and of these only those built that are new. A
    machine that was restored from a checkpoint has other objects of the same value.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        """The one that the address space is of now."""
        assert VSYSCALL.smaps is not None
        gate = VSYSCALL.smaps._replace(protection_key=0 if kernel.pkeys else None)
        self._gate = VSYSCALL._replace(smaps=gate)
        self._areas: list[kernel_vma.Vma] = []
        self._exported: list[Vma] = []
        self._tables: dict[tuple[int, int], tuple[object, ...]] = {}
        """First table and the one behind, of each table and each run of equal ones."""
        self._places: list[tuple[int, int]] = []
        """The same by ascending address."""
        self._drawn: dict[tuple[int, int], tuple[object, _Part]] = {}
        """What was drawn of tables that lie whole in one VMA, and of which content."""
        self._files: Counter[OpenFile] = Counter()
        self._labels: dict[OpenFile, str] = {}
        self._marks = (0, 0, 0)
        self._alike: dict[tuple[int, int], tuple[object, ...]] = {}
        """By flags and bytes: what is told of untouched anonymous memory."""

    def update(self, mm: Mm) -> tuple[Vma, ...]:
        """The VMAs as they are now; an unchanged one is the same object as before.

        Cost: O(n) comparisons, and O(changes) for the rest.
        """
        changed = self._changed_tables(mm)
        changed += self._moved_labels(mm)
        self._replace_areas(mm)
        self._rebuild(mm, changed)
        return (*self._exported, self._gate) if mm.vsyscall else tuple(self._exported)

    def _changed_tables(self, mm: Mm) -> list[tuple[int, int]]:
        """The ranges of page tables that came, went, or are not what they were."""
        leaves = mm.pages.leaves
        tables = {(index, index + 1): _content(leaf) for index, leaf in leaves.items()}
        tables |= {(run.first, run.behind): (run.marked, run.huge) for run in leaves.table_runs}
        before, self._tables = self._tables, tables
        if tables.keys() != before.keys():
            self._places = sorted(tables)
            self._drawn = {place: drawn for place, drawn in self._drawn.items() if place in tables}
        ranges = [place for place, content in tables.items() if before.get(place) != content]
        ranges += [place for place in before if place not in tables]
        return [(first << PMD_SHIFT, behind << PMD_SHIFT) for first, behind in ranges]

    def _moved_labels(self, mm: Mm) -> list[tuple[int, int]]:
        """The ranges whose labels may differ though the VMAs do not."""
        ranges = []
        marks = (mm.start_brk, mm.brk, mm.start_stack)
        if marks != self._marks:
            places = [place for place in (*marks, *self._marks) if place]
            ranges += [(place - 1, place + 1) for place in places]
            heap = [mm.start_brk, mm.brk, *self._marks[:2]]
            ranges.append((min(heap), max(heap)))
            self._marks = marks
        renamed = {file for file, label in self._labels.items() if file.label != label}
        if renamed:
            ranges += [(area.start, area.end) for area in self._areas if area.file in renamed]
            self._labels.update({file: file.label for file in renamed})
        return ranges

    def _replace_areas(self, mm: Mm) -> None:
        areas = list(mm.tree)
        old = self._areas
        head = _common_head(old, areas)
        tail = _common_tail(old, areas, head)
        gone, come = old[head : len(old) - tail], areas[head : len(areas) - tail]
        self._note_files(gone, come)
        known = dict(zip(gone, self._exported[head : len(old) - tail], strict=True))
        self._exported[head : len(old) - tail] = [known.get(area) or self._build(mm, area) for area in come]
        self._areas = areas

    def _note_files(self, gone: Iterable[kernel_vma.Vma], come: Iterable[kernel_vma.Vma]) -> None:
        self._files.update(area.file for area in come if area.file is not None)
        for area in gone:
            if area.file is not None:
                self._files[area.file] -= 1
                if not self._files[area.file]:
                    del self._files[area.file]
        self._labels = {file: self._labels.get(file, file.label) for file in self._files}

    def _rebuild(self, mm: Mm, ranges: Iterable[tuple[int, int]]) -> None:
        """Build each VMA that meets one of the ranges, once."""
        stale: set[int] = set()
        for start, end in ranges:
            first = bisect_right(self._areas, start, key=lambda area: area.end)
            stale.update(range(first, bisect_left(self._areas, end, key=lambda area: area.start)))
        for index in sorted(stale):
            built = self._build(mm, self._areas[index])
            if built != self._exported[index]:
                self._exported[index] = built

    def _build(self, mm: Mm, area: kernel_vma.Vma) -> Vma:
        tables = self._has_tables(area)
        name = label(mm, area)
        nameless = area.file is None and not name
        if nameless and not tables:
            return _new(Vma, (area.start, area.end, *self._untouched(area.flags, area.end - area.start)))
        parts = list(self._parts(mm, area.start, area.end)) if tables else []
        return Vma(
            area.start,
            area.end,
            permissions(area),
            *(_NO_FILE if area.file is None else (offset(area), device(area), inode_number(area))),
            name.replace("\n", "\\012"),
            VmaKind.ANON if nameless else kind(mm, area),
            vm_flags(self.kernel, area),
            _smaps(area, parts, pkey(area.flags) if self.kernel.pkeys else None),
            _joined(parts) if parts else (),
        )

    def _untouched(self, flags: int, size: int) -> tuple[object, ...]:
        """The fields behind the range, of anonymous memory that nobody has touched: of many VMAs they are the same."""
        known = self._alike.get((flags, size))
        if known is None:
            area = kernel_vma.Vma(0, size, flags, 0)
            smaps = _smaps(area, (), pkey(flags) if self.kernel.pkeys else None)
            fields = (permissions(area), *_NO_FILE, "", VmaKind.ANON, vm_flags(self.kernel, area), smaps, ())
            known = self._alike[flags, size] = fields
        return known

    def _has_tables(self, area: kernel_vma.Vma) -> bool:
        """Whether there are page tables below a VMA: where nothing was touched there are none."""
        at = bisect_left(self._places, (-(-area.end // PMD_SIZE), 0)) - 1
        return at >= 0 and self._places[at][1] > area.start // PMD_SIZE

    def _parts(self, mm: Mm, start: int, end: int) -> "Iterator[_Part]":
        """The pages of [start, end) by ascending address; those of whole tables are counted anew when they changed."""
        first, behind = -(-start // PMD_SIZE), end // PMD_SIZE
        if behind <= first:
            yield _part(mm, start, end)
            return
        yield _part(mm, start, first << PMD_SHIFT)
        low, high = bisect_left(self._places, (first, first)), bisect_left(self._places, (behind, behind))
        if low and self._places[low - 1][1] > first:
            low -= 1
        for place in self._places[low:high]:
            content, known = self._tables[place], self._drawn.get(place)
            if not first <= place[0] < place[1] <= behind:
                yield _part(mm, max(place[0], first) << PMD_SHIFT, min(place[1], behind) << PMD_SHIFT)
                continue
            if known is None or known[0] != content:
                known = self._drawn[place] = content, _part(mm, place[0] << PMD_SHIFT, place[1] << PMD_SHIFT)
            yield known[1]
        yield _part(mm, behind << PMD_SHIFT, end)


class _Part(NamedTuple):
    """Pages, and what smaps counts of them: pages by residence, and of the anonymous ones lazy, huge, shared ones."""

    runs: tuple[PageRun, ...]
    counts: tuple[int, ...]


_NOTHING: Final = _Part((), (0,) * 7)


def _part(mm: Mm, start: int, end: int) -> _Part:
    runs = mm.pages.runs(start, end) if start < end else ()
    if not runs:
        return _NOTHING
    pages = dict.fromkeys(_COUNTED, 0)
    lazy = huge = shared = 0
    for run in runs:
        if run.residence in pages:
            pages[run.residence] += run.pages
        if run.residence is Residence.ANON:
            lazy += 0 if run.dirty else run.pages
            huge += run.pages if run.huge else 0
            shared += run.pages if run.shared else 0
    return _Part(runs, (*pages.values(), lazy, huge, shared))


def _joined(parts: Iterable[_Part]) -> tuple[PageRun, ...]:
    """The runs of all parts; one that goes on in the next part is one."""
    found: list[PageRun] = []
    for runs, _ in parts:
        if found and runs and found[-1].end == runs[0].start and found[-1][2:] == runs[0][2:]:
            found[-1] = found[-1]._replace(pages=found[-1].pages + runs[0].pages)
            found += runs[1:]
        else:
            found += runs
    return tuple(found)


def _content(leaf: Leaf) -> tuple[object, ...]:
    """What a picture of the pages of one table depends on."""
    if leaf.owners == 1 and not leaf.frames:
        return (bytes(leaf.state), leaf.huge)
    shared = tuple((entry, frame.mapcount > 1) for entry, frame in leaf.frames.items())
    return (bytes(leaf.state), leaf.huge, leaf.owners > 1, shared)


def _common_head(old: Sequence[object], new: Sequence[object]) -> int:
    """How many at the start are equal."""
    limit, at = min(len(old), len(new)), 0
    while at + _STRIDE <= limit and old[at : at + _STRIDE] == new[at : at + _STRIDE]:
        at += _STRIDE
    while at < limit and old[at] == new[at]:
        at += 1
    return at


def _common_tail(old: Sequence[object], new: Sequence[object], head: int) -> int:
    """How many at the end are equal, not counting the `head` first ones."""
    limit, count = min(len(old), len(new)) - head, 0
    while count + _STRIDE <= limit and _slice(old, count) == _slice(new, count):
        count += _STRIDE
    while count < limit and old[-1 - count] == new[-1 - count]:
        count += 1
    return count


def _slice(objects: Sequence[object], count: int) -> Sequence[object]:
    end = len(objects) - count
    return objects[end - _STRIDE : end]


def _smaps(area: kernel_vma.Vma, parts: Iterable[_Part], key: int | None) -> Smaps:
    counts = [part.counts for part in parts] or [_NOTHING.counts]
    anon, cached, shmem, swapped, lazy, huge, shared = map(sum, zip(*counts, strict=True))
    rss = anon + cached + shmem
    alone = rss == anon and not shared
    return _figures(
        area.pages,
        rss,
        anon,
        swapped,
        lazy,
        huge,
        (rss if alone else None) if area.flags & VM_LOCKED else 0,
        rss if alone else None,
        key,
        1 << area.file.inode.huge_shift - 10 if area.file is not None and area.file.inode.huge_shift else _KIB_A_PAGE,
    )


@lru_cache(maxsize=4096)
def _figures(
    size: int,
    rss: int,
    anonymous: int,
    swap: int,
    lazy: int,
    huge: int,
    locked: int | None,
    pss: int | None,
    key: int | None,
    page_size: int,
) -> Smaps:
    """Only what is simulated: who else maps a file's page is not, so Pss is known only without any."""
    return Smaps(
        size=size * _KIB_A_PAGE,
        kernel_page_size=page_size,
        mmu_page_size=page_size,
        rss=rss * _KIB_A_PAGE,
        pss=None if pss is None else pss * _KIB_A_PAGE,
        anonymous=anonymous * _KIB_A_PAGE,
        lazy_free=lazy * _KIB_A_PAGE,
        anon_huge_pages=huge * _KIB_A_PAGE,
        swap=swap * _KIB_A_PAGE,
        locked=None if locked is None else locked * _KIB_A_PAGE,
        protection_key=key,
    )
