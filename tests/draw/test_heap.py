"""The heap as plain strings."""

import random
from array import array
from dataclasses import replace
from itertools import accumulate

import pytest

from memtui.draw.heap_detail import chunk_rows, place_of, was
from memtui.draw.heap_document import heap_document
from memtui.draw.heap_glyphs import FILLS, LETTERS, heap_legend_rows, state_role
from memtui.draw.heap_lists import HeapBins, HeapChunks
from memtui.draw.heap_picture import HeapPicture
from memtui.draw.heap_stats import all_totals, fragmentation, own_bytes
from memtui.draw.heap_summary import heap_line, summary_rows
from memtui.draw.roles import ROLES
from memtui.draw.run import plain
from memtui.model.address import Range
from memtui.model.heap import ArenaView, BinKind, ChunkState, HeapBin, HeapChunk, HeapView, Owner
from memtui.model.heap_table import NUMBERS, ChunkTable, first_from, index_at
from memtui.model.mm import MmSnapshot
from memtui.model.pages import PageRun, Residence
from memtui.model.step import StepLog, StepRecord
from memtui.model.vma import Vma, VmaKind

BASE = 0x5555_5555_9000
LETTER_OF = {letter: state for state, letter in LETTERS.items()}


def arena_of(ruler: str, size: int = 32, name: str = "main") -> ArenaView:
    """A letter a chunk, each of `size` bytes: "SUUTW"."""
    chunks = tuple(HeapChunk(BASE + nth * size, size, LETTER_OF[letter]) for nth, letter in enumerate(ruler))
    free = tuple(chunk.address for chunk in chunks if chunk.state is ChunkState.FREE)
    total = size * len(ruler)
    bins = (HeapBin(BinKind.SMALL, size, free, size >> 4),) if free else ()
    return ArenaView(
        name, (Range(BASE, BASE + total),), chunks, bins, chunks[-1].address, size, None, total, total, True
    )


def heap_of(ruler: str, **more: object) -> HeapView:
    arena = arena_of(ruler)
    cached = tuple(chunk.address for chunk in arena.chunks if chunk.state is ChunkState.TCACHE)
    tcache = (HeapBin(BinKind.TCACHE, 32, cached),) if cached else ()
    fields: dict[str, object] = {"mmapped": (), "thresholds": None} | more
    return HeapView("ptmalloc (test)", (arena,), tcache, **fields)


def text(lines: HeapPicture | HeapBins | HeapChunks) -> list[str]:
    return [plain(lines.row(row)).rstrip() for row in range(len(lines))]


def mm_of(heap: HeapView) -> MmSnapshot:
    runs = (PageRun(BASE, 1, Residence.ANON),)
    vma = Vma(BASE, BASE + 0x3000, "rw-p", 0, (0, 0), 0, "[heap]", VmaKind.HEAP, runs=runs)
    return MmSnapshot(1, "x", (vma,), heap=heap)


def test_every_state_has_a_letter_a_glyph_and_a_role_of_its_own():
    assert set(LETTERS) == set(FILLS) == set(ChunkState)
    assert len(set(LETTERS.values())) == len(set(FILLS.values())) == len(ChunkState)
    assert {state_role(state) for state in ChunkState} <= set(ROLES)
    for width in (20, 60, 120):
        rows = [plain(row) for row in heap_legend_rows(width)]
        assert max(map(len, rows)) <= width
        assert all(letter in "".join(rows) for letter in LETTERS.values())


def test_a_chunk_begins_with_its_letter_and_goes_on_with_its_glyph():
    rows = text(HeapPicture(heap_of("SUUTBW"), 40, 4, 40))
    assert "S=U█U█T▓B░W·" in rows[-1]


def test_small_chunks_share_a_cell_which_the_largest_part_gives_its_glyph():
    picture = HeapPicture(heap_of("UUUB" * 8 + "BBBU" * 8 + "W"), 40, 7, 40)
    assert text(picture)[-1].endswith("████████░░░░░░░░W")
    assert picture.scale == "a cell is 128 B"


def test_places_and_addresses_are_each_others_inverse():
    heap = heap_of("SUUTBBUFU" * 9 + "W")
    for lines in (HeapPicture(heap, 60, 4, 40), HeapChunks(heap, 60)):
        for chunk in heap.arenas[0].chunks:
            row, column = lines.row_of(chunk.address), lines.column_of(chunk.address)
            assert lines.address_at(row, column or 0) == chunk.address
    bins = HeapBins(heap, 60)
    for held in (*heap.tcache, *heap.arenas[0].bins):
        for chunk in held.chunks:
            assert bins.address_at(bins.row_of(chunk), bins.column_of(chunk) or 0) == chunk


@pytest.mark.parametrize("width", [30, 41, 68, 118])
def test_no_row_is_wider_than_the_pane(width: int):
    heap = heap_of("SUUTBBUFU#" * 9 + "W", torn=("something",), notes=("a note " * 20,), progress=0.5)
    for lines in (HeapPicture(heap, width, None, 30), HeapBins(heap, width), HeapChunks(heap, width)):
        assert max(len(plain(lines.row(row))) for row in range(len(lines))) <= width
        assert lines.row(-1) == lines.row(len(lines)) == ()


def test_the_ledger_adds_up_to_the_arena():
    rng = random.Random(1)
    for _ in range(50):
        heap = heap_of("".join(rng.choice("UTFBS#?") for _ in range(200)) + "W")
        (arena,) = heap.arenas
        assert sum(total.size for total in all_totals(heap).values()) + own_bytes(arena) == arena.system_mem
        assert own_bytes(arena) == 0


def test_fragmentation():
    heap = heap_of("UUTBBW", owners={BASE + 16: Owner(1, 10), BASE + 48: Owner(2, 24)})
    # Two blocks of 32 bytes for 34 that were asked for; of four free pieces of 32 bytes one could be had at once.
    assert fragmentation(heap)[:5] == (30, 64, False, 96, 128)
    assert fragmentation(heap_of("UUTBBW"))[:3] == (16, 64, True)
    assert "internal 47 % external 75 %" in heap_line(heap)


def test_the_bins_show_their_chunks_in_order():
    lines = text(HeapBins(heap_of("UTBTBW"), 60))
    assert lines[0] == " tcache · last in, first out"
    assert lines[1] == " tcache      32 B ×2    555555559020 → 555555559060"
    assert lines[3] == " small       32 B ×2    555555559040 → 555555559080"
    assert "top" in lines[-1]


def test_a_chunk_tells_whose_it_is_and_how_it_came_about():
    last, now = heap_of("SBUW"), heap_of("SUUW", owners={BASE + 48: Owner(3, 20), BASE + 80: Owner(2, 9)})
    steps = (
        *(StepRecord(n, f"malloc({n})", 1, done=True) for n in (1, 2)),
        StepRecord(3, "malloc(20) = x", 1, why="best fit"),
    )
    log = StepLog(steps, 3)
    rows = "\n".join(plain(row) for row in chunk_rows(now, mm_of(now), BASE + 40, 120, log=log, last=last))
    assert "step 3, malloc(20) = x, which asked for 20 bytes: 4 bytes more are usable" in rows
    assert "was      the same chunk, in small bin 2 (32 bytes)" in rows
    assert "path     best fit" in rows
    assert "before   555555559000 32 B tcache's own" in rows
    assert "after    555555559040 32 B used" in rows
    assert "[heap] 555555559000-55555555c000 rw-p" in rows
    assert "1 page: 1 anon · 1 frame of RAM" in rows
    other = "\n".join(plain(row) for row in chunk_rows(now, mm_of(now), BASE + 70, 80, log=log, last=last))
    assert "best fit" not in other


def test_who_asked_is_not_known_of_a_live_process():
    heap = heap_of("UW")
    assert "— glibc does not note who asked" in "".join(plain(row) for row in chunk_rows(heap, mm_of(heap), BASE, 80))
    assert "lies in no chunk" in plain(chunk_rows(heap, mm_of(heap), 16, 80)[0])


def test_what_a_chunk_was():
    old = heap_of("SUW")
    assert was(old, HeapChunk(BASE + 64, 16, ChunkState.USED)) == "a part of 32 bytes at 555555559040, top"
    assert was(old, HeapChunk(BASE + 999, 16, ChunkState.USED)) == "no memory of the heap"


def test_torn_and_progress_are_said():
    rows = "\n".join(plain(row) for row in summary_rows(heap_of("U?W", torn=("a link",), progress=0.31), 60))
    assert "torn: a link" in rows
    assert "reading: 31 %" in rows


def test_what_is_not_exact_is_announced_on_top():
    noted = replace(heap_of("U?W"), notes=("decay has no clock",))
    assert plain(summary_rows(noted, 60)[0]).strip() == "≈ what is exact and what is not: 1 note below"
    assert "≈" not in plain(summary_rows(heap_of("U?W"), 60)[0])


def test_the_document_counts_everything():
    document = heap_document(heap_of("SUUTBW"))
    assert document["system_bytes"] == 192
    assert sum(part["bytes"] for part in document["by_state"].values()) + document["own_bytes"] == 192
    assert document["arenas"][0]["chunks"][1] == ["0x555555559020", 32, "used"]
    assert document["arenas"][0]["bins"] == [
        {"kind": "small", "number": 2, "size": 32, "chunk_count": 1, "chunks": ["0x555555559080"]}
    ]


class TestTable:
    def test_is_a_sequence_of_chunks(self):
        chunks = arena_of("SUUTBW").chunks
        table = ChunkTable.of(chunks)
        assert list(table) == list(chunks)
        assert list(table[1:3]) == list(chunks[1:3])
        assert ChunkTable.of(table) is table
        assert table.same_as(ChunkTable.of(chunks))
        assert not table.same_as(ChunkTable.of(chunks[1:]))

    def test_finds_as_a_plain_list_does(self):
        rng = random.Random(2)
        sizes = array("Q", [rng.randrange(2, 9) * 16 for _ in range(300)])
        table = ChunkTable.adjacent(BASE, sizes, bytes(300))
        plain_list = list(table)
        starts = list(accumulate(sizes, initial=BASE))
        for _ in range(500):
            address = rng.randrange(BASE - 50, starts[-1] + 50)
            assert index_at(table, address) == index_at(plain_list, address)
            assert first_from(table, address) == first_from(plain_list, address)
            nth = index_at(table, address)
            assert nth is None or table[nth].address <= address < table[nth].end

    def test_totals(self):
        table = ChunkTable.adjacent(BASE, array("Q", [32, 48, 64]), bytes([NUMBERS[ChunkState.USED], 0, 3]))
        assert table.totals[ChunkState.USED] == (2, 80, 48)
        assert table.totals[ChunkState.FREE] == (1, 64, 64)


def test_a_large_heap_is_drawn_row_by_row():
    size, count = 48, 200_000
    sizes = array("Q", [size]) * count
    table = ChunkTable.adjacent(BASE, sizes, bytes(n % 4 for n in range(count)))
    total = size * count
    arena = ArenaView("main", (Range(BASE, BASE + total),), table, (), BASE, 0, None, total, total, True)
    heap = HeapView("test", (arena,), (), (), None)
    picture = HeapPicture(heap, 100, 30, 30)
    # However coarse it is asked for: a row has no more chunks than can be drawn at once.
    assert (80 << picture.shift) // size <= 400
    chunks = HeapChunks(heap, 100)
    assert len(chunks) == count + 1
    assert plain(chunks.row(count)).split()[1] == f"{BASE + total - size:x}"
    place = place_of(heap, BASE + total - 1)
    assert place is not None
    assert place.after is None
