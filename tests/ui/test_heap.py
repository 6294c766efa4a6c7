"""The heap on the screen: it is asked for only while it can be seen, and what is chosen stays chosen."""

from array import array
from dataclasses import replace
from typing import cast

import pytest
from textual.pilot import Pilot

from memtui.model.address import Range
from memtui.model.heap import ArenaView, HeapView
from memtui.model.heap_table import ChunkTable
from memtui.model.progress import Progress
from memtui.model.request import Refresh, ShowHeap
from memtui.model.snapshot import Snapshot
from memtui.ui.widgets.bars import HeaderBar
from memtui.ui.widgets.heap_pane import HeapDetailPane, HeapLegend, HeapPane
from memtui.ui.widgets.map_pane import MapPane
from tests.ui.conftest import COMPACT, WIDE, Run, settle, until
from tests.ui.fake import DOMAIN, HEAP, SYSTEM, TASKS, Live, Simulated, Slow, mm


def pane_of(pilot: Pilot[None]) -> HeapPane:
    return pilot.app.screen.query_one(HeapPane)


def detail_of(pilot: Pilot[None]) -> str:
    pane = pilot.app.screen.query_one(HeapDetailPane)
    return "\n".join(pane.text_of(row) for row in range(len(pane.lines)))


async def press(pilot: Pilot[None], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await settle(pilot)


@pytest.mark.parametrize("size", [WIDE, COMPACT])
async def test_it_stands_where_the_map_does_and_gives_way_to_it(run: Run, size: tuple[int, int]) -> None:
    source = Simulated(at=6)
    async with run(source, size=size) as pilot:
        assert ShowHeap() not in source.seen
        assert not pilot.app.screen.query(HeapPane)
        await press(pilot, "H")
        assert pane_of(pilot).region.height > 5
        assert pilot.app.screen.query_one(HeapDetailPane).region.height > 5
        assert pilot.app.screen.query_one(HeapLegend).region.height >= 1
        assert not pilot.app.screen.query_one(MapPane).display
        # It stays beside the steps, and so does the wish for it.
        await press(pilot, "s")
        assert pane_of(pilot).region.height > 3
        assert source.heap_wanted
        await press(pilot, "a")
        assert not pane_of(pilot).display
        assert not source.heap_wanted


async def test_the_block_of_the_step_is_chosen(run: Run) -> None:
    async with run(Simulated(at=3)) as pilot:
        await press(pilot, "H", "n")
        # Step 4 of the fake allocates its fourth block.
        pane = pane_of(pilot)
        assert pane.address == HEAP + 0x290 + 3 * 64
        assert "step 4" in detail_of(pilot)
        assert f"bytes at {pane.address:x}, top" in detail_of(pilot)


async def test_neighbours_bins_and_the_list(run: Run) -> None:
    async with run(Simulated(at=7)) as pilot:
        await press(pilot, "H", "left", "left")
        pane = pane_of(pilot)
        chosen = pane.address
        assert chosen is not None
        before = chosen
        await press(pilot, "right")
        assert pane.address == before + 64
        # The list has it under its cursor too.
        await press(pilot, "H", "H")
        assert pane.title.startswith("Heap: chunks")
        assert pane.cursor is not None
        assert f"{pane.address:x}" in pane.text_of(pane.cursor)
        await press(pilot, "up")
        assert pane.address == before
        await press(pilot, "enter")
        assert pane.title.startswith("Heap: picture")
        await press(pilot, "H", "home", "down")
        # Two of seven blocks are in the tcache.
        assert pane.address == HEAP + 0x290 + 2 * 64
        await press(pilot, "right")
        assert pane.address == HEAP + 0x290 + 5 * 64
        assert "number 2 of 2" in detail_of(pilot)


async def test_zoom_and_find(run: Run) -> None:
    async with run(Simulated(at=7)) as pilot:
        await press(pilot, "H")
        pane = pane_of(pilot)
        coarse = pane.subtitle
        await press(pilot, "z")
        assert pane.subtitle != coarse
        await press(pilot, "Z")
        assert pane.subtitle == coarse
        await press(pilot, "slash")
        await pilot.press(*f"{HEAP + 0x290 + 130:x}")
        await press(pilot, "enter")
        assert pane.address == HEAP + 0x290 + 2 * 64


async def test_the_mouse_chooses(run: Run) -> None:
    async with run(Simulated(at=7)) as pilot:
        await press(pilot, "H", "H", "H")
        await pilot.click(HeapPane, offset=(6, 3))
        await settle(pilot)
        # The heading, the heads of the columns, the tcache's own, then the first block.
        assert pane_of(pilot).address == HEAP + 0x290


async def test_why_there_is_none_is_said(run: Run) -> None:
    async with run(Live()) as pilot:
        await press(pilot, "H")
        assert "/proc/42/mem is denied" in pane_of(pilot).text_of(0)


class Piecewise(Live):
    """A heap that is read in four pieces."""

    def __init__(self, chunks: int = 100) -> None:
        super().__init__()
        self.pieces = 0
        total = 64 * chunks
        table = ChunkTable.adjacent(HEAP, array("Q", [64]) * chunks, bytes(chunks))
        arena = ArenaView("main", (Range(HEAP, HEAP + total),), table, (), HEAP, 0, None, total, total, True)
        self.heap = HeapView("big", (arena,), (), (), None)

    def apply(self, request: object) -> Snapshot:
        self.seen.append(cast("Refresh", request))
        heap = None
        if isinstance(request, ShowHeap) and request.wanted:
            self.pieces += 1
            heap = self.heap if self.pieces == 4 else HeapView("big", (), (), (), None, progress=self.pieces / 4)
        space = mm(3)
        space = type(space)(space.pid, space.comm, space.vmas, heap=heap)
        return Snapshot("live", "x", SYSTEM, TASKS, DOMAIN, space)


async def test_a_large_heap_is_read_on_until_it_is_whole(run: Run) -> None:
    source = Piecewise()
    async with run(source) as pilot:
        await press(pilot, "H")
        while source.pieces < 4:
            await settle(pilot)
        await settle(pilot)
        assert source.pieces == 4
        assert "arena main" in "".join(pane_of(pilot).text_of(row) for row in range(12))


async def test_a_million_chunks_scroll(run: Run) -> None:
    count = 1_000_000
    async with run(Piecewise(count)) as pilot:
        await press(pilot, "H")
        while pane_of(pilot).snapshot is None or not pane_of(pilot).lines.row(20):
            await settle(pilot)
        await press(pilot, "H", "H", "end")
        pane = pane_of(pilot)
        assert pane.address == HEAP + 64 * (count - 1)
        assert len(pane.lines) == count + 1
        # Only what was shown was ever drawn.
        assert len(pane._rows) < 500
        assert pilot.app.focused is pane


class Reading(Simulated):
    """Its heap is so large that it is never read to its end."""

    def picture(self) -> Snapshot:
        now = super().picture()
        if now.mm is None or now.mm.heap is None:
            return now
        return replace(now, mm=replace(now.mm, heap=HeapView("ptmalloc", (), (), (), None, progress=0.4)))


async def test_a_heap_that_only_begins_to_be_read_can_be_left(run: Run) -> None:
    source = Slow(ShowHeap(), Progress("reading /proc/42/maps"))
    async with run(source) as pilot:
        header = pilot.app.screen.query_one(HeaderBar)
        await pilot.press("H")
        await until(pilot, lambda: "reading /proc/42/maps · Esc stops" in header.text_of(0))
        await pilot.press("escape")
        source.gate.set()
        await settle(pilot)
        assert not source.heap_wanted
        assert pilot.app.focused is pilot.app.screen.query_one(MapPane)
        # And is read when it is wanted again.
        await press(pilot, "H")
        assert source.heap_wanted
        assert pane_of(pilot).address is not None


async def test_a_heap_that_is_read_for_long_can_be_left(run: Run) -> None:
    source = Reading(at=3)
    async with run(source) as pilot:
        await pilot.press("H")
        await until(pilot, lambda: "reading the heap: 40 % · Esc stops" in pane_of(pilot).text_of(0))
        header = pilot.app.screen.query_one(HeaderBar)
        await until(pilot, lambda: "reading the heap, 40 % · Esc stops" in header.text_of(0))
        await pilot.press("escape")
        await settle(pilot)
        assert not source.heap_wanted
        assert pilot.app.focused is pilot.app.screen.query_one(MapPane)
