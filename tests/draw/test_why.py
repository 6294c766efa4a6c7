"""The why of a VMA as text."""

from memtui.draw.why import apart, hole_answer, vma_answer
from memtui.model.address import Range
from memtui.model.mm import MmSnapshot
from memtui.model.pages import Residence
from memtui.model.step import StepLog, StepRecord
from memtui.model.vma import VmaKind
from tests.draw.pictures import CAT, HEAP_VMA, LIBC_DATA, LIBC_VMA, PROCESS, SHM, STACK_VMA, run, text, vma


def test_a_heap_says_what_would_free_its_pages() -> None:
    rows = " ".join(" ".join(text(vma_answer(PROCESS, HEAP_VMA).rows(200))).split())
    assert "start_brk" in rows
    assert "anon, 300 pages (1.2 MiB): no file behind them: only swap" in rows
    assert "swapped, 12 pages" in rows
    assert "zero, 40 pages" in rows
    assert "page_cache" not in rows


def test_neighbours_that_touch_are_told_apart() -> None:
    mm = MmSnapshot(1, "x", (LIBC_VMA, LIBC_DATA, SHM))
    rows = text(vma_answer(mm, LIBC_DATA).rows(200))
    assert "above    not one VMA with shared anon: rw-s above rw-p, another file" in rows
    assert any(row.startswith("below    not one VMA with libc.so.6: rw-p above r-xp") for row in rows)
    lonely = text(vma_answer(mm, LIBC_VMA._replace(start=LIBC_VMA.start)).rows(200))
    assert not any(row.startswith("below") for row in lonely)


def test_flags_and_offsets_and_what_cannot_be_seen() -> None:
    low = vma(0x7FFFF0000000, 4, "rw-p", "", VmaKind.ANON)
    high = low._replace(start=low.end, end=low.end + 4096)
    assert apart(low, high) == "flags that cannot be read here may differ"
    flagged = low._replace(vm_flags=("rd", "wr", "mr"))
    assert "anon_vma differ" in apart(flagged, high._replace(vm_flags=("rd", "wr", "mr")))
    assert apart(flagged, high._replace(vm_flags=("rd", "wr", "mr", "lo"))) == "only one is flagged lo"
    assert "does not follow" in apart(LIBC_VMA, LIBC_VMA._replace(start=LIBC_VMA.end, offset=0x999000))


def test_dirty_page_cache_is_written_first() -> None:
    pages = run(LIBC_VMA.start, 0, 3, Residence.PAGE_CACHE, dirty=True), run(LIBC_VMA.start, 3, 1, Residence.PAGE_CACHE)
    locked = LIBC_VMA._replace(runs=pages, vm_flags=("rd", "lo"))
    rows = " ".join(text(vma_answer(PROCESS, locked).rows(300)))
    assert "page cache, 4 pages (16 KiB)" in rows
    assert "3 are dirty and are written to the file first" in rows
    assert "mlock" in rows


def test_the_step_that_made_it() -> None:
    steps = (
        StepRecord(1, "brk(NULL) = 0x555555559000", 1, done=True),
        StepRecord(2, "p = mmap(NULL, 1396736, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7ffff7c28000", 1, True, why="no hint"),
        StepRecord(3, "mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7ffff7c29000", 1),
    )
    rows = text(vma_answer(PROCESS, LIBC_VMA, log=StepLog(steps, 2)).rows(200))
    assert any(row.startswith("step     2: p = mmap(") and row.endswith(": no hint") for row in rows)
    assert not any(row.startswith("step") for row in text(vma_answer(PROCESS, CAT, log=StepLog(steps, 2)).rows(200)))


def test_holes() -> None:
    below_stack = Range(LIBC_VMA.end + 0x100000, STACK_VMA.start)
    assert "grows into it" in " ".join(text(hole_answer(PROCESS, below_stack).rows(200)))
    assert "highest hole" in " ".join(
        text(hole_answer(MmSnapshot(1, "x", ()), Range(0x7FFF00000000, 1 << 46)).rows(200))
    )
