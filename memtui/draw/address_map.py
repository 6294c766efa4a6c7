"""The whole address space as rows: high addresses on top, each VMA as high as its size, each hole one row."""

from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from memtui.draw.cells import cell_runs
from memtui.draw.elf_rows import owner_name, piece_label
from memtui.draw.fit import crop, shorten, wrap
from memtui.draw.labels import label_role, vma_label
from memtui.draw.map_layout import MapLayout, Part, Scale, nth_of
from memtui.draw.regions import Region
from memtui.draw.run import Row, Run
from memtui.draw.search import is_writable_code
from memtui.draw.sizes import human
from memtui.model.address import PAGE_SHIFT, PAGE_SIZE, TASK_SIZE, Range
from memtui.model.elf_knowledge import NO_OBJECTS
from memtui.model.elf_objects import ObjectMap
from memtui.model.mm import MmSnapshot
from memtui.model.snapshot import Snapshot
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
WRITABLE_CODE: Final = "!"
"""Behind the permissions of what can be written and executed."""


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
        region: Region | None = None,
        like: "AddressMap | None" = None,
    ) -> None:
        """Lay the rows out.

        Args:
            mm: the address space.
            width: cells.
            fold: log2 of the bytes up to which a VMA has one row; each factor of 4 beyond adds one (default
                256 KiB).
            marks: what `changes.changed` says, drawn in the first column.
            elf: the ELF files that are mapped, whose sections are named.
            region: only these VMAs, on a linear scale: a row for each 2**fold bytes of a VMA.
            like: the map at an earlier look, of whose layout as much is kept as still holds.
        """
        self.width = width
        self._vmas = mm.vmas if region is None else mm.vmas[region.first : region.last + 1]
        self._labels = mm.labels
        self._scale = Scale(max(fold, PAGE_SHIFT), linear=region is not None)
        self._marks = marks
        self._elf = elf
        self._columns = _Columns.within(width)
        self._user_end = _user_end(mm.vmas)
        self._read_to = mm.read_to or self._user_end
        # [vsyscall] lies above the user's space and is the only thing there.
        top = max(self._user_end, mm.vmas[-1].end) if mm.vmas else self._user_end
        space = Range(0, top) if region is None else Range(region.start, region.end)
        self.layout: MapLayout = MapLayout(self._vmas, space, self._scale, None if like is None else like.layout)

    @property
    def scale(self) -> str:
        """What the height of a VMA means, for the screen."""
        return str(self._scale)

    def __len__(self) -> int:
        return len(self.layout)

    def row(self, index: int) -> Row:
        """Row `index`, 0 on top; the empty row outside."""
        if not 0 <= index < len(self):
            return ()
        place = self.layout.place(index)
        if isinstance(place, Part):
            return crop(self._part_row(place), self.width)
        return crop(self._hole_row(place), self.width)

    def row_of(self, address: int) -> int:
        """The row that shows the byte `address`; the first or last one for an address outside of all."""
        return self.layout.row_of(address)

    def sample(self, row: int) -> Run | None:
        """The whole row in one cell; None for a hole."""
        place = self.layout.place(row) if 0 <= row < len(self) else None
        if not isinstance(place, Part):
            return None
        return cell_runs(place.vma.runs, place.start, (0, place.pages))[0]

    def is_marked(self, first: int, last: int) -> bool:
        """Whether something changed in the rows from `first` up to `last`."""
        top, bottom = self.layout.place(first), self.layout.place(max(last - 1, first))
        return self._mark(bottom.start, top.end).role == "map.changed"

    def address_at(self, row: int, column: int) -> int:
        """The first page of the cell at `column` (the nearest cell if there is none); of a hole, its first page."""
        place = self.layout.place(min(max(row, 0), len(self) - 1))
        if not isinstance(place, Part):
            return place.start
        cells = min(self._columns.bar, place.pages)
        if not cells:
            return place.start
        cell = min(max(column - self._columns.bar_at, 0), cells - 1)
        return place.start + (place.pages * cell // cells << PAGE_SHIFT)

    def column_of(self, address: int) -> int:
        """The column of the cell that shows `address` in row `row_of(address)`; of a hole, where its label begins."""
        place = self.layout.place(self.row_of(address))
        if not isinstance(place, Part) or not self._columns.bar:
            return min(_LABEL_AT, max(self.width - 1, 0))
        cells = min(self._columns.bar, place.pages)
        page = min(max((address - place.start) >> PAGE_SHIFT, 0), place.pages - 1)
        return self._columns.bar_at + nth_of(place.pages, cells, page)

    def vma_at(self, row: int) -> Vma | None:
        """The VMA of the row; None for a hole, and outside."""
        if not 0 <= row < len(self):
            return None
        place = self.layout.place(row)
        return place.vma if isinstance(place, Part) else None

    def hole_at(self, row: int) -> Range | None:
        """The free range that the row folds; None for a VMA, and outside, and where nothing is free."""
        if not 0 <= row < len(self):
            return None
        place = self.layout.place(row)
        return None if isinstance(place, Part) else self._free(place)

    def _free(self, hole: Range) -> Range | None:
        """What of a gap between VMAs a process can map: nothing in the kernel's half, nor where nobody looked yet."""
        end = min(hole.end, self._user_end, self._read_to)
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
        if self._read_to < min(hole.end, self._user_end):
            words.append("what lies above is being read")
        if hole.end > self._user_end:
            words.append(f"user space ends at {self._user_end:x}")
        return [
            self._mark(hole.start, hole.end),
            Run(shorten(" " * (_EDGE_AT - 1) + "┆ " + " · ".join(words), self.width - 1), "map.hole"),
        ]

    def _part_row(self, part: Part) -> list[Run]:
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
            runs.append(Run(*_perms(vma)))
        return runs


def _perms(vma: Vma) -> tuple[str, str]:
    if is_writable_code(vma):
        return f"{vma.perms}{WRITABLE_CODE} ", "map.perms.wx"
    return f"{vma.perms}  ", "map.perms.exec" if "x" in vma.perms else "map.perms"


def _user_end(vmas: Sequence[Vma]) -> int:
    """The end of user space: with 5-level paging when something lies above the 4-level one's."""
    above = bisect_right(vmas, TASK_SIZE - 1, key=_START)
    return _TASK_SIZE_5_LEVELS if above < len(vmas) and vmas[above].start < _KERNEL_HALF else TASK_SIZE


def _address(address: int) -> str:
    text = f"{address:0{_ADDRESS}x}"
    return text if len(text) == _ADDRESS else f"{text[:5]}…{text[-6:]}"


def _edge(part: Part) -> str:
    if part.height == 1:
        return "┤"
    if part.nth == 0:
        return "┐"
    return "┘" if part.nth == part.height - 1 else "│"


def nothing_rows(snapshot: Snapshot, width: int) -> tuple[Row, ...]:
    """Why there is no map, and the key that leads to one."""
    log = snapshot.steps
    if log is None:
        hint = "Enter on a process of the OOM ranking shows it"
    else:
        hint = "n makes the next step" if log.cursor < len(log.steps) else "b takes the last step back"
    why = wrap(snapshot.unknown.get("mm", "no process yet"), width - 2)
    return (*((Run(f" {line}", "text"),) for line in why), (Run(f" {shorten(hint, width - 2)}", "text.dim"),))
