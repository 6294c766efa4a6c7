"""Where a process's memory goes, rolled up by kind and then by VMA: largest first."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from memtui.draw.bar import stacked_bar
from memtui.draw.fit import crop, field_rows, shorten
from memtui.draw.glyphs import GLYPHS, NOT_MEASURED, residence_role
from memtui.draw.labels import label_role
from memtui.draw.reclaim import NOTHING, Reclaimable
from memtui.draw.run import Row, Run
from memtui.draw.sizes import human, kib, of, plural
from memtui.draw.usage_sums import IN_RAM, Usage, UsageSums
from memtui.model.address import PAGE_SIZE
from memtui.model.mm import MmSnapshot

_NAME: Final = 14
_VMAS: Final = 10
_NARROW: Final = 62
"""Cells below which figures make room for names."""
_ADDRESS: Final = 17
_HEADS: Final = ("in RAM", "size", "swapped", "share")
_WIDTHS: Final = {"in RAM": 9, "size": 9, "swapped": 9, "share": 6}
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
        swapped = any(usage.swapped for usage in kinds)
        self._columns = _columns(width, of_kind=chosen is not None, swapped=swapped)
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
            return self._row("", "", dict(zip(_HEADS, _HEADS, strict=True)), "oom.head", "oom.head")
        below = index - 1 - len(self.entries) - self._has_tables
        if below >= 0:
            return self._freed[below]
        if index > len(self.entries):
            return self._row(PAGE_TABLES, "", {"in RAM": kib(self._vm_pte)}, "key", "text.dim")
        usage = self.entries[index - 1]
        figures = self._figures(usage)
        if self.kind is None:
            share = stacked_bar(
                [
                    (pages, GLYPHS[residence], residence_role(residence))
                    for pages, residence in zip(usage.pages or (), IN_RAM, strict=False)
                ],
                self.total,
                self._columns.bar,
            )
            return self._row(usage.name, plural(usage.vmas, "VMA"), figures, "map.label", "text.dim", share)
        vma = usage.example
        return self._row(usage.name, f"{vma.start:x} {vma.perms}", figures, label_role(vma), "map.address.dim")

    def usage_at(self, row: int) -> Usage | None:
        """What the row tells of."""
        return self.entries[row - 1] if 0 < row <= len(self.entries) else None

    def _figures(self, usage: Usage) -> dict[str, str]:
        return {
            "in RAM": _pages(usage.resident),
            "size": _pages(usage.size),
            "swapped": _pages(usage.swapped),
            "share": of(usage.resident, self.total),
        }

    def _row(self, name: str, more: str, figures: Mapping[str, str], role: str, more_role: str, share: Row = ()) -> Row:
        columns = self._columns
        right = "".join(f"{figures.get(head, ''):>{_WIDTHS[head]}}" for head in columns.heads)
        return crop(
            (
                Run(f" {shorten(name, columns.name):<{columns.name}} ", role),
                Run(f"{shorten(more, columns.more):<{columns.more}} " if columns.more else "", more_role),
                *(share or (Run(" " * columns.bar, "text"),)),
                Run(right, "oom.head" if role == "oom.head" else "value"),
            ),
            self.width,
        )


class _Columns(NamedTuple):
    """Cells of the columns, and which figures there is room for."""

    name: int
    more: int
    bar: int
    heads: tuple[str, ...]


def _columns(width: int, *, of_kind: bool, swapped: bool) -> _Columns:
    """In a narrow pane the size of a kind gives way to what of it is swapped, if anything is."""
    wide = width >= _NARROW
    heads: tuple[str, ...] = _HEADS
    if of_kind:
        heads = _HEADS if wide else _HEADS[:2]
        room = max(width - sum(_WIDTHS[head] for head in heads) - 2, 0)
        name = max(room - _ADDRESS - 1, min(room, 8))
        return _Columns(name, max(room - name - 1, 0), 0, heads)
    heads = _HEADS if wide else ("in RAM", "swapped" if swapped else "size", "share")
    room = max(width - sum(_WIDTHS[head] for head in heads) - 2, 0)
    name, more = min(_NAME, room), _VMAS if wide else 0
    return _Columns(name, more, max(room - name - (more + 1 if more else 0), 0), heads)


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
