"""Where a process's memory goes, rolled up by kind and then by VMA: largest first."""

from collections.abc import Iterable, Iterator
from typing import Final

from memtui.draw.fit import crop, field_rows, shorten
from memtui.draw.glyphs import NOT_MEASURED
from memtui.draw.labels import label_role
from memtui.draw.reclaim import NOTHING, Reclaimable
from memtui.draw.run import Row, Run
from memtui.draw.sizes import human, kib, of, plural
from memtui.draw.usage_sums import Usage, UsageSums
from memtui.model.address import PAGE_SIZE
from memtui.model.mm import MmSnapshot

_NAME: Final = 17
_COLUMN: Final = 9
_NARROW: Final = 62
"""Cells below which figures make room for names."""
_ADDRESS: Final = 17
_HEADS: Final = ("in RAM", "size", "swapped", "share")
PAGE_TABLES: Final = "page tables"


class UsageTable:
    """A `Lines`: the kinds of an address space, or the VMAs of one kind; the first row has the heads.

    Below stands what of it reclaim could take.

    Args:
        mm: the address space.
        width: cells.
        kinds: what it adds up to.
        chosen: the kind whose VMAs are shown, and they; None: all kinds are.
        swap: SwapTotal, KiB; None: not known.
    """

    def __init__(
        self,
        mm: MmSnapshot,
        width: int,
        kinds: list[Usage],
        chosen: tuple[Usage, list[Usage]] | None = None,
        *,
        swap: int | None = None,
    ) -> None:
        self.width = width
        self.kind = chosen[0].name if chosen else None
        """What is shown in detail; None: all kinds."""
        self.entries = chosen[1] if chosen else kinds
        self.total = sum(usage.resident or 0 for usage in kinds)
        """Pages in RAM of all kinds."""
        self._vm_pte = mm.counters.vm_pte
        freed = chosen[0].reclaimable if chosen else _total(kinds)
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
            return self._row(usage.name, plural(usage.vmas, "VMA"), cells, "map.label", "text.dim")
        vma = usage.example
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


def tables(
    sums: UsageSums, mm: MmSnapshot, width: int, kind: str | None = None, *, swap: int | None = None
) -> Iterator[UsageTable | None]:
    """The table of a picture, the last that is given; before it, None between the slices of the work.

    Args:
        sums: of the picture before; of this one afterwards.
        mm: the address space.
        width: cells.
        kind: show the VMAs of this kind; one that is not there (any more) shows all kinds.
        swap: SwapTotal, KiB; None: not known.
    """
    for _ in sums.take(mm.vmas):
        yield None
    kinds = sums.kinds()
    chosen = next((usage for usage in kinds if usage.name == kind), None)
    entries: list[Usage] = []
    for entries in sums.of_kind(chosen.name) if chosen else ():
        if len(entries) < (chosen.vmas if chosen else 0):
            yield None
    yield UsageTable(mm, width, kinds, (chosen, entries) if chosen else None, swap=swap)


def _total(kinds: Iterable[Usage]) -> Reclaimable:
    total = NOTHING
    for usage in kinds:
        total = total.plus(usage.reclaimable)
    return total
