"""Where a process's memory goes, rolled up by kind and then by VMA: largest first."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from memtui.draw.fit import crop, field_rows, shorten
from memtui.draw.glyphs import NOT_MEASURED
from memtui.draw.labels import label_role, vma_label
from memtui.draw.reclaim import reclaimable, reclaimable_of
from memtui.draw.run import Row, Run
from memtui.draw.sizes import human, kib, of, plural
from memtui.model.address import PAGE_SIZE
from memtui.model.mm import MmSnapshot
from memtui.model.pages import Residence
from memtui.model.vma import Vma, VmaKind

_NAME: Final = 17
_COLUMN: Final = 9
_NARROW: Final = 62
"""Cells below which figures make room for names."""
_ADDRESS: Final = 17
_HEADS: Final = ("in RAM", "size", "swapped", "share")
_IN_MEMORY: Final = frozenset({Residence.ANON, Residence.PAGE_CACHE, Residence.SHMEM})

_GROUPS: Final = {
    VmaKind.HEAP: "heap (brk)",
    VmaKind.STACK: "stack",
    VmaKind.ANON: "anonymous",
    VmaKind.FILE: "mapped files",
    VmaKind.SHMEM: "shared memory",
    VmaKind.SHARED_ANON: "shared memory",
    VmaKind.SYSV: "shared memory",
    VmaKind.MEMFD: "shared memory",
    VmaKind.HUGETLB: "huge pages",
    VmaKind.DEVICE: "devices",
    VmaKind.SPECIAL: "the kernel's",
}
IMAGES: Final = "programs, libs"
"""VMAs of files of which some part is executable."""
PAGE_TABLES: Final = "page tables"


class Usage(NamedTuple):
    """One line: a kind, or a VMA. Pages; None: not measured."""

    name: str
    size: int
    resident: int | None
    swapped: int | None
    vmas: tuple[Vma, ...]


def by_kind(mm: MmSnapshot) -> list[Usage]:
    """Every kind that the address space has, the one with the most pages in RAM first. O(VMAs + runs)."""
    images = {(vma.dev, vma.inode) for vma in mm.vmas if vma.kind is VmaKind.FILE and "x" in vma.perms}
    groups: dict[str, list[Vma]] = {}
    for vma in mm.vmas:
        is_image = vma.kind is VmaKind.FILE and (vma.dev, vma.inode) in images
        groups.setdefault(IMAGES if is_image else _GROUPS[vma.kind], []).append(vma)
    return sorted((_sum(name, vmas) for name, vmas in groups.items()), key=_largest, reverse=True)


def by_vma(usage: Usage) -> list[Usage]:
    """The VMAs of one kind, in the same order."""
    return sorted((_sum(vma_label(vma), [vma]) for vma in usage.vmas), key=_largest, reverse=True)


def _sum(name: str, vmas: Sequence[Vma]) -> Usage:
    measured = [vma.runs for vma in vmas if vma.runs is not None]
    size = sum(vma.pages for vma in vmas)
    if not measured:
        return Usage(name, size, None, None, tuple(vmas))
    resident = swapped = 0
    for runs in measured:
        for run in runs:
            if run.residence in _IN_MEMORY:
                resident += run.pages
            elif run.residence is Residence.SWAPPED:
                swapped += run.pages
    return Usage(name, size, resident, swapped, tuple(vmas))


def _largest(usage: Usage) -> tuple[int, int]:
    return usage.resident or 0, usage.size


class UsageTable:
    """A `Lines`: the kinds of an address space, or the VMAs of one kind; the first row has the heads.

    Below stands what of it reclaim could take.
    """

    def __init__(self, mm: MmSnapshot, width: int, kind: str | None = None, *, swap: int | None = None) -> None:
        """Add it up.

        Args:
            mm: the address space.
            width: cells.
            kind: show the VMAs of this kind instead; one that is not there (any more) shows all kinds.
            swap: SwapTotal, KiB; None: not known.
        """
        self.width = width
        kinds = by_kind(mm)
        chosen = next((usage for usage in kinds if usage.name == kind), None)
        self.kind = chosen.name if chosen else None
        """What is shown in detail; None: all kinds."""
        self.entries: tuple[Usage, ...] = tuple(by_vma(chosen) if chosen else kinds)
        self.total = sum(usage.resident or 0 for usage in kinds)
        """Pages in RAM of all kinds."""
        self._vm_pte = mm.counters.vm_pte
        freed = reclaimable(chosen.vmas) if chosen else reclaimable_of(mm)
        indented = field_rows("reclaimable", freed.sentence(swap), width - 1, key_width=11)
        self._freed = tuple((Run(" ", "text"), *row) for row in indented)
        """What of all that reclaim could take."""

    def __len__(self) -> int:
        return len(self.entries) + 1 + self._has_tables + len(self._freed)

    @property
    def _has_tables(self) -> bool:
        return self.kind is None

    def row(self, index: int) -> Row:
        """Row `index`, 0 is the heads; the empty row outside."""
        if not 0 <= index < len(self):
            return ()
        if index == 0:
            return self._row("", "", _HEADS, "oom.head", "oom.head")
        below = index - 1 - len(self.entries) - self._has_tables
        if below >= 0:
            return self._freed[below]
        if index > len(self.entries):
            return self._row(PAGE_TABLES, "", (kib(self._vm_pte), "", "", ""), "key", "text.dim")
        usage = self.entries[index - 1]
        cells = (_pages(usage.resident), _pages(usage.size), _pages(usage.swapped), of(usage.resident, self.total))
        if self.kind is None:
            return self._row(usage.name, plural(len(usage.vmas), "VMA"), cells, "map.label", "text.dim")
        vma = usage.vmas[0]
        return self._row(usage.name, f"{vma.start:x} {vma.perms}", cells, label_role(vma), "map.address.dim")

    def usage_at(self, row: int) -> Usage | None:
        """What the row tells of."""
        return self.entries[row - 1] if 0 < row <= len(self.entries) else None

    def _row(self, name: str, more: str, cells: Iterable[str], role: str, more_role: str) -> Row:
        narrow = self.width < _NARROW
        figures = list(cells)[: len(_HEADS) if not narrow else 3 if self.kind is None else 2]
        right = "".join(f"{figure:>{_COLUMN}}" for figure in figures)
        room = max(self.width - len(right) - 2, 0)
        of_vma = max(room - _ADDRESS - 1, min(room, 8))
        first = of_vma if self.kind is not None else room if narrow else min(_NAME, room)
        text_role = "oom.head" if role == "oom.head" else "value"
        return crop(
            (
                Run(f" {shorten(name, first):<{first}}", role),
                Run(f" {shorten(more, room - first - 1):<{max(room - first - 1, 0)}} "[: room - first + 1], more_role),
                Run(right, text_role),
            ),
            self.width,
        )


def _pages(pages: int | None) -> str:
    return NOT_MEASURED if pages is None else human(pages * PAGE_SIZE)
