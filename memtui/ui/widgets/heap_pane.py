"""The heap: the picture of its chunks, its bins, or the list of its chunks; and what is known of the one chosen."""

from enum import Enum
from typing import ClassVar, Final

from textual.geometry import Size

from memtui.draw.answer import Answer
from memtui.draw.fit import indented, wrap
from memtui.draw.heap_detail import chunk_rows, place_of
from memtui.draw.heap_glyphs import heap_legend_rows
from memtui.draw.heap_lists import HeapBins, HeapChunks
from memtui.draw.heap_picture import HeapPicture
from memtui.draw.lines import RowLines
from memtui.draw.run import Run
from memtui.draw.why_chunk import chunk_answer
from memtui.model.heap import HeapView
from memtui.model.snapshot import Snapshot
from memtui.ui.line_view import LineBar
from memtui.ui.widgets.pane import Pane

_CLOSER: Final = 2
"""Each zoom shows 2**_CLOSER times fewer bytes in a cell."""


class HeapSight(Enum):
    """The ways to look at a heap, in the order in which the key goes through them."""

    PICTURE = "picture"
    BINS = "bins"
    CHUNKS = "chunks"


class HeapPane(Pane):
    """Its cursor is a chunk, by address: it survives another sight, another scale and the next picture."""

    TITLE: ClassVar[str] = "Heap"
    ZOOMS: ClassVar[bool] = True

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.address: int | None = None
        """Of the chunk that is chosen; None: none."""
        self.sight = HeapSight.PICTURE
        self.shift: int | None = None
        """log2 of the bytes in a cell of the picture; None: as fits."""
        self.last: HeapView | None = None
        """The heap one step before."""
        self._drawing: HeapPicture | HeapBins | HeapChunks | None = None

    # Drawing

    def update_from(self, snapshot: Snapshot) -> None:
        """Take the next picture; the block that its step gave or took is chosen."""
        before, now = self._heap(self.snapshot), self._heap(snapshot)
        if before is not now:
            self.last = before
            if now is not None:
                self._follow(before or now, now, snapshot.steps.cursor if snapshot.steps is not None else 0)
        super().update_from(snapshot)

    def _follow(self, before: HeapView, now: HeapView, step: int) -> None:
        """The cursor goes to what changed hands."""
        given = next((block for block, owner in now.owners.items() if owner.step == step), None)
        taken = next((block for block in before.owners if block not in now.owners), None)
        block = given if given is not None else taken
        if block is not None:
            place = place_of(now, block)
            self.address = place.chunk.address if place is not None else self.address
        if self.address is None:
            self.address = _first(now)

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        """The heap or why there is none, and how it is looked at."""
        mm = snapshot.mm
        why = snapshot.unknown.get("mm", "") if mm is None else mm.unknown.get("heap", "")
        return self._heap(snapshot), why, self.sight.value, self.shift or 0, self.room.height

    def draw(self, snapshot: Snapshot) -> None:
        """The sight that is chosen; without a heap, why there is none."""
        heap, width = self._heap(snapshot), self.room.width
        if heap is None or not (heap.arenas or heap.mmapped):
            self._draw_nothing(snapshot, heap)
            return
        title = f"Heap: {self.sight.value} · {heap.allocator}"
        subtitle = "torn" if heap.torn else ""
        match self.sight:
            case HeapSight.PICTURE:
                drawing = self._drawing = HeapPicture(heap, width, self.shift, self.room.height)
                subtitle = drawing.scale if not subtitle else f"{subtitle} · {drawing.scale}"
            case HeapSight.BINS:
                self._drawing = HeapBins(heap, width)
            case HeapSight.CHUNKS:
                self._drawing = HeapChunks(heap, width)
        if self.cursor is None:
            self.cursor = 0
        self.show(self._drawing, title=title, subtitle=subtitle)
        self._place()

    def _draw_nothing(self, snapshot: Snapshot, heap: HeapView | None) -> None:
        self._drawing = self.cursor = None
        mm = snapshot.mm
        if heap is not None and heap.progress is not None:
            text = f"reading the heap: {heap.progress * 100:.0f} % · Esc stops"
        elif heap is not None:
            text = f"{heap.allocator}: nothing has been allocated yet"
        elif mm is None:
            text = snapshot.unknown.get("mm", "no process yet")
        else:
            text = mm.unknown.get("heap", "the heap was not asked for")
        said = [Run(f" {line}", "text") for line in wrap(text, self.room.width - 2)]
        if mm is not None and "heap" in mm.unknown:
            said.append(Run(" u shows where the memory goes all the same, a the map", "text.dim"))
        rows = tuple((run,) for run in said)
        self.show(RowLines(rows, self.room.width), title=self.TITLE, subtitle="")

    @staticmethod
    def _heap(snapshot: Snapshot | None) -> HeapView | None:
        return snapshot.mm.heap if snapshot is not None and snapshot.mm is not None else None

    def _place(self) -> None:
        if self._drawing is not None and self.address is not None:
            row = self._drawing.row_of(self.address)
            if row or self.cursor is None:
                self.move_to(row, self._drawing.column_of(self.address))

    # Looking

    def next_sight(self) -> None:
        """The next way to look at it."""
        sights = list(HeapSight)
        self.sight = sights[(sights.index(self.sight) + 1) % len(sights)]
        self.redraw()

    def zoom(self, direction: int) -> bool:
        """Fewer bytes in a cell (1) or more (-1)."""
        if isinstance(self._drawing, HeapPicture):
            self.shift = max(self._drawing.shift - direction * _CLOSER, 4)
            self.redraw()
            self.shift = self._drawing.shift
        return True

    def go(self, address: int) -> bool:
        """Choose the chunk that holds a byte; False: none does."""
        heap = self._heap(self.snapshot)
        place = None if heap is None else place_of(heap, address)
        if place is None:
            return False
        self.address = place.chunk.address
        self._place()
        return True

    # Moving

    def by_rows(self, rows: int) -> None:
        """So many rows down (up: negative), in the same column; the chunk there is chosen."""
        if self._drawing is None or self.cursor is None:
            super().by_rows(rows)
            return
        self._stand(min(max(self.cursor + rows, 0), len(self._drawing) - 1), self.column or 0)

    def by_cells(self, cells: int) -> None:
        """The next chunk (previous: negative): in memory, or in its bin."""
        drawing, heap = self._drawing, self._heap(self.snapshot)
        if drawing is None or heap is None or self.cursor is None:
            return
        if isinstance(drawing, HeapBins):
            self._stand(self.cursor, (self.column or 0) + cells * drawing.each)
            return
        place = None if self.address is None else place_of(heap, self.address)
        beside = None if place is None else place.after if cells > 0 else place.before
        if beside is not None:
            self.address = beside.address
            self._place()

    def choose(self, row: int, column: int) -> None:
        """The chunk under the mouse."""
        if self._drawing is not None:
            self._stand(row, column)
            self.post_message(self.Moved(self))

    def answer(self) -> Answer | None:
        """Why the chunk is what it is."""
        now, heap = self.snapshot, self._heap(self.snapshot)
        if now is None or now.mm is None or heap is None or self.address is None:
            return None
        return chunk_answer(heap, now.mm, self.address, now.steps)

    def enter(self) -> None:
        """Closer: the list of chunks, at the one that is chosen."""
        self.sight = HeapSight.CHUNKS if self.sight is not HeapSight.CHUNKS else HeapSight.PICTURE
        self.redraw()

    def _stand(self, row: int, column: int) -> None:
        if self._drawing is None:
            return
        address = self._drawing.address_at(row, column)
        if address is not None:
            self.address = address
            if isinstance(self._drawing, HeapPicture):
                self.move_to(row, column)
            else:
                self.move_to(row, self._drawing.column_of(address))
        else:
            self.move_to(row, column)


class HeapDetailPane(Pane):
    """What is known of the chunk that is chosen."""

    TITLE: ClassVar[str] = "Chunk"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._address: int | None = None
        self._last: HeapView | None = None

    def look_at(self, address: int | None, last: HeapView | None) -> None:
        """Show another chunk; `last` is the heap one step before."""
        if address != self._address:
            self.top = 0
        self._address, self._last = address, last
        self.redraw()

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        """The chunk, and all that is told of it."""
        return self._address, self._last, snapshot.mm, snapshot.steps

    def draw(self, snapshot: Snapshot) -> None:
        """One field a row."""
        mm, width = snapshot.mm, self.room.width - 1
        rows: tuple[tuple[Run, ...], ...] = ()
        if mm is not None and mm.heap is not None and self._address is not None:
            rows = chunk_rows(mm.heap, mm, self._address, width, log=snapshot.steps, last=self._last)
        self.show(RowLines(indented(rows), width + 1), title=self.TITLE)


class HeapLegend(LineBar):
    """What the letters and glyphs of the picture mean."""

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As the width asks for."""
        return len(heap_legend_rows(width))

    def on_resize(self) -> None:
        """Lay it out for the new width."""
        self.show(RowLines(heap_legend_rows(self.size.width), self.size.width))


def _first(heap: HeapView) -> int | None:
    """The first chunk there is."""
    for arena in heap.arenas:
        if arena.chunks:
            return arena.chunks[0].address
    return heap.mmapped[0].address if heap.mmapped else None
