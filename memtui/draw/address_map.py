"""The whole address space as rows: high addresses on top, each VMA as high as its size, each hole one row."""

from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from memtui.draw.cells import cell_runs
from memtui.draw.elf_rows import owner_name, piece_label
from memtui.draw.fit import crop, shorten
from memtui.draw.labels import label_role, vma_label
from memtui.draw.run import Row, Run
from memtui.draw.sizes import human
from memtui.model.address import PAGE_SHIFT, PAGE_SIZE, TASK_SIZE, Range
from memtui.model.elf_knowledge import NO_OBJECTS
from memtui.model.elf_objects import ObjectMap
from memtui.model.mm import MmSnapshot
from memtui.model.vma import Vma

_ADDRESS: Final = 12
"""Digits of an address; longer ones ([vsyscall]) are shortened in the middle."""
_EDGE_AT: Final = 1 + _ADDRESS + 1
_LABEL_AT: Final = _EDGE_AT + 2
_SIZE: Final = 8
_PERMS: Final = 4
_LABEL_MOST: Final = 26
_TASK_SIZE_5_LEVELS: Final = (1 << 56) - PAGE_SIZE
_KERNEL_HALF: Final = 1 << 63
_START: Final = itemgetter(0)


class _Columns(NamedTuple):
    """Cells of each column; 0 where the width has no room for it."""

    label: int
    size: int
    perms: int
    bar: int
    bar_at: int

    @classmethod
    def within(cls, width: int) -> "_Columns":
        """The label and the bar share what the others leave."""
        room = max(width - _LABEL_AT, 0)
        size = _SIZE if room >= 36 else 0
        perms = _PERMS if room >= 20 else 0
        taken = (size + 1 if size else 0) + (perms + 2 if perms else 0)
        shared = room - taken - 1
        if shared < 8:
            return cls(room, 0, 0, 0, width)
        label = min(shared * 9 // 20, _LABEL_MOST)
        return cls(label, size, perms, shared - label, _LABEL_AT + label + 1 + taken)


class _Part(NamedTuple):
    """One row of a VMA: so many pages from an address, and which row it is, counted from the top."""

    vma: Vma
    start: int
    pages: int
    nth: int
    height: int

    @property
    def end(self) -> int:
        return self.start + (self.pages << PAGE_SHIFT)


class AddressMap:
    """A `Lines`: each row of a VMA is a range of its pages, low on the left and high on the right.

    The address at the left of a row is its first one; the row with the VMA's own start has it bright. A bar has equal
    parts of its row's pages, or one cell a page when the row has fewer pages than the bar cells. Only rows that are
    asked for are made: building costs O(VMAs) and looks at no page, a row O(log VMAs) and the page runs inside it.
    """

    FOLD: Final = 18

    def __init__(
        self,
        mm: MmSnapshot,
        width: int,
        *,
        fold: int = FOLD,
        marks: Sequence[Range] = (),
        elf: ObjectMap = NO_OBJECTS,
    ) -> None:
        """Lay the rows out.

        Args:
            mm: the address space.
            width: cells.
            fold: log2 of the bytes up to which a VMA has one row; each factor of 4 beyond adds one (default
                256 KiB).
            marks: what `changes.changed` says, drawn in the first column.
            elf: the ELF files that are mapped, whose sections are named.
        """
        self.width = width
        self._vmas = mm.vmas
        self._labels = mm.labels
        self._fold = max(fold, PAGE_SHIFT)
        self._marks = marks
        self._elf = elf
        self._columns = _Columns.within(width)
        self._user_end = _user_end(mm.vmas)
        # [vsyscall] lies above the user's space and is the only thing there.
        self._top = max(self._user_end, mm.vmas[-1].end) if mm.vmas else self._user_end
        # first[k] is the first row of the k-th VMA from the top, its hole above included; first[-1] of the last hole.
        self._first, self._length = self._lay_out()

    def _lay_out(self) -> tuple[list[int], int]:
        first, row, above, fold = [], 0, self._top, self._fold
        for vma in reversed(self._vmas):
            start, end = vma[0], vma[1]
            first.append(row)
            row += (end < above) + 1 + (((end - start - 1) >> fold).bit_length() + 1) // 2
            above = start
        first.append(row)
        return first, row + (above > 0)

    @property
    def scale(self) -> str:
        """What the height of a VMA means, for the screen."""
        return f"a row up to {human(1 << self._fold)}, one more for each ×4"

    def __len__(self) -> int:
        return self._length

    def row(self, index: int) -> Row:
        """Row `index`, 0 on top; the empty row outside."""
        if not 0 <= index < self._length:
            return ()
        place = self._place(index)
        if isinstance(place, _Part):
            return crop(self._part_row(place), self.width)
        return crop(self._hole_row(place), self.width)

    def row_of(self, address: int) -> int:
        """The row that shows the byte `address`; the first or last one for an address outside of all."""
        if address >= self._top:
            return 0
        index = bisect_right(self._vmas, address, key=_START) - 1
        if index < 0:
            return self._length - 1
        vma, nth = self._vmas[index], len(self._vmas) - 1 - index
        if address >= vma.end:
            return self._first[nth]
        height = self._height(nth)
        from_below = _nth_of(vma.pages, height, (address - vma.start) >> PAGE_SHIFT)
        return self._first[nth + 1] - 1 - from_below

    def address_at(self, row: int, column: int) -> int:
        """The first page of the cell at `column` (the nearest cell if there is none); of a hole, its first page."""
        place = self._place(min(max(row, 0), self._length - 1))
        if not isinstance(place, _Part):
            return place.start
        cells = min(self._columns.bar, place.pages)
        if not cells:
            return place.start
        cell = min(max(column - self._columns.bar_at, 0), cells - 1)
        return place.start + (place.pages * cell // cells << PAGE_SHIFT)

    def column_of(self, address: int) -> int:
        """The column of the cell that shows `address` in row `row_of(address)`; of a hole, where its label begins."""
        place = self._place(self.row_of(address))
        if not isinstance(place, _Part) or not self._columns.bar:
            return min(_LABEL_AT, max(self.width - 1, 0))
        cells = min(self._columns.bar, place.pages)
        page = min(max((address - place.start) >> PAGE_SHIFT, 0), place.pages - 1)
        return self._columns.bar_at + _nth_of(place.pages, cells, page)

    def vma_at(self, row: int) -> Vma | None:
        """The VMA of the row; None for a hole, and outside."""
        if not 0 <= row < self._length:
            return None
        place = self._place(row)
        return place.vma if isinstance(place, _Part) else None

    def hole_at(self, row: int) -> Range | None:
        """The free range that the row folds; None for a VMA, and outside, and where nothing is free."""
        if not 0 <= row < self._length:
            return None
        place = self._place(row)
        return None if isinstance(place, _Part) else self._free(place)

    def _height(self, nth: int) -> int:
        return self._first[nth + 1] - self._first[nth] - self._has_hole_above(nth)

    def _has_hole_above(self, nth: int) -> bool:
        return self._vmas[-1 - nth].end < self._above(nth)

    def _above(self, nth: int) -> int:
        """The start of the VMA above the nth from the top."""
        return self._vmas[-nth].start if nth else self._top

    def _place(self, row: int) -> _Part | Range:
        """What the row shows."""
        nth = bisect_right(self._first, row) - 1
        if nth == len(self._vmas):
            return Range(0, self._above(nth))
        vma = self._vmas[-1 - nth]
        hole = self._has_hole_above(nth)
        below_hole = row - self._first[nth] - hole
        if below_hole < 0:
            return Range(vma.end, self._above(nth))
        height = self._height(nth)
        from_below = height - 1 - below_hole
        low, high = vma.pages * from_below // height, vma.pages * (from_below + 1) // height
        return _Part(vma, vma.start + (low << PAGE_SHIFT), high - low, below_hole, height)

    def _free(self, hole: Range) -> Range | None:
        """What of a gap between VMAs a process can map: nothing in the kernel's half."""
        end = min(hole.end, self._user_end)
        return Range(hole.start, end) if hole.start < end else None

    def _mark(self, start: int, end: int) -> Run:
        nth = bisect_right(self._marks, start, key=_START) - 1
        for mark in self._marks[max(nth, 0) : nth + 2]:
            if mark.start < end and start < mark.end:
                return Run("▌", "map.changed")
        return Run(" ", "text")

    def _hole_row(self, hole: Range) -> list[Run]:
        free = self._free(hole)
        words = [f"{human(free.size)} free"] if free else []
        if hole.end > self._user_end:
            words.append(f"user space ends at {self._user_end:x}")
        return [
            self._mark(hole.start, hole.end),
            Run(shorten(" " * (_EDGE_AT - 1) + "┆ " + " · ".join(words), self.width - 1), "map.hole"),
        ]

    def _part_row(self, part: _Part) -> list[Run]:
        vma, columns = part.vma, self._columns
        address_role = "map.address" if part.start == vma.start else "map.address.dim"
        runs = [
            self._mark(part.start, part.end),
            Run(_address(part.start) + " ", address_role),
            Run(_edge(part) + " ", "map.edge"),
        ]
        if part.nth == 0:
            runs += self._names(vma, again=self._continues_above(vma))
        else:
            runs.append(Run(" " * (columns.bar_at - _LABEL_AT), "text"))
        cells = min(columns.bar, part.pages)
        if cells:
            bounds = [part.pages * cell // cells for cell in range(cells + 1)]
            runs += cell_runs(vma.runs, part.start, bounds)
        return runs

    def _continues_above(self, vma: Vma) -> bool:
        """Whether the VMA above maps the same file next to it, so that the name need not shout again."""
        index = bisect_right(self._vmas, vma.start, key=_START)
        if index >= len(self._vmas) or not vma.inode:
            return False
        above = self._vmas[index]
        return above.start == vma.end and (above.inode, above.dev) == (vma.inode, vma.dev)

    def _label(self, vma: Vma, *, again: bool) -> str:
        """The name, and what of an ELF file it is; of a file that the VMA above maps too only the latter."""
        piece = piece_label(vma, self._elf)
        if piece and again:
            return f" {piece}"
        name = self._labels.get(vma.start) or owner_name(vma, self._elf) or vma_label(vma)
        return f"{name} {piece}" if piece else name

    def _names(self, vma: Vma, *, again: bool) -> list[Run]:
        columns = self._columns
        label = f"{shorten(self._label(vma, again=again), columns.label):<{columns.label}} "
        runs = [Run(label, "map.label.again" if again else label_role(vma))]
        if columns.size:
            runs.append(Run(f"{human(vma.size):>{columns.size}} ", "map.size"))
        if columns.perms:
            runs.append(Run(f"{vma.perms}  ", "map.perms.exec" if "x" in vma.perms else "map.perms"))
        return runs


def _user_end(vmas: Sequence[Vma]) -> int:
    """The end of user space: with 5-level paging when something lies above the 4-level one's."""
    above = bisect_right(vmas, TASK_SIZE - 1, key=_START)
    return _TASK_SIZE_5_LEVELS if above < len(vmas) and vmas[above].start < _KERNEL_HALF else TASK_SIZE


def _nth_of(total: int, parts: int, item: int) -> int:
    """In which of `parts` equal parts of `total` an item lies: the inverse of total * n // parts."""
    return ((item + 1) * parts - 1) // total


def _address(address: int) -> str:
    text = f"{address:0{_ADDRESS}x}"
    return text if len(text) == _ADDRESS else f"{text[:5]}…{text[-6:]}"


def _edge(part: _Part) -> str:
    if part.height == 1:
        return "┤"
    if part.nth == 0:
        return "┐"
    return "┘" if part.nth == part.height - 1 else "│"
