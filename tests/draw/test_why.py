"""The why of a VMA as text."""

import pytest

from memtui.draw.lines import RowLines
from memtui.draw.machine_rows import machine_rows
from memtui.draw.reclaim import reclaimable
from memtui.draw.vma_tree import TreePair
from memtui.draw.why import apart, hole_answer, vma_answer
from memtui.draw.why_figure import figure_answer, figure_name
from memtui.draw.why_file import library_answer
from memtui.draw.why_shared import shared_answer
from memtui.model.address import Range
from memtui.model.elf import ElfImage
from memtui.model.elf_objects import FileKey, LoadedObject
from memtui.model.elf_order import Library
from memtui.model.mm import MmSnapshot
from memtui.model.pages import Residence
from memtui.model.sharing import Segment, SegmentKind, TmpfsMount
from memtui.model.snapshot import Snapshot
from memtui.model.step import StepLog, StepRecord
from memtui.model.system import SystemSnapshot, Zone
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


def test_shared_memory_says_who_keeps_it() -> None:
    orphan = Segment(SegmentKind.SYSV, "id 7, key 0x51", 8 << 20, 5 << 20, 3 << 20, 0, 1000)
    told = dict(shared_answer(orphan).fields)
    assert told["takes"].startswith("5 MiB in RAM and 3 MiB on swap of 8 MiB")
    assert told["used by"].startswith("nobody, and no exit will free it")
    assert "IPC_RMID" in told["frees"]
    used = dict(shared_answer(orphan._replace(kind=SegmentKind.MEMFD, attached=3, removed=True)).fields)
    assert used["used by"].startswith("3 processes")
    assert "last user" in used["removed"]
    unknown = dict(shared_answer(orphan._replace(attached=None, why="denied")).fields)
    assert unknown["used by"] == "not known: denied"


def test_a_file_system_in_memory_says_its_limit() -> None:
    told = dict(shared_answer(TmpfsMount("/dev/shm", "tmpfs", 100 << 20, 50 << 20, 9)).fields)
    assert told["limit"].startswith("100 MiB (50 % used)")
    assert "can only swap" in told["frees"]
    ramfs = dict(shared_answer(TmpfsMount("/x", "ramfs", None, None, None, "no count")).fields)
    assert ramfs["takes"] == "not known: no count"
    assert ramfs["limit"].startswith("none")
    assert "never takes" in ramfs["frees"]


def test_a_row_of_the_trees_says_what_it_is_in_the_tree() -> None:
    vmas = (CAT, HEAP_VMA, LIBC_VMA, LIBC_DATA, STACK_VMA)
    tree = TreePair(vmas, None, "6.18.1", 80)
    told = [tree.told(row) for row in range(len(tree))]
    assert sum("slot" in words and "hole" not in words for words in told) == len(vmas)
    assert sum("by which mmap finds room" in words for words in told) > 2
    assert sum("a leaf of up to 16" in words for words in told) == 1
    of_nodes = [words for words in told if "to look at from the root" in words]
    assert len(of_nodes) == len(vmas)
    assert sum(words.startswith("1 node ") for words in of_nodes) == 1
    assert told[0] == ""


def test_a_library_says_who_needs_it() -> None:
    libc = LoadedObject(FileKey.of(LIBC_VMA), ElfImage(LIBC_VMA.name, 3, 0, ()), 0, (LIBC_VMA, LIBC_DATA))
    cat = LoadedObject(FileKey.of(CAT), ElfImage(CAT.name, 3, 0, ()), 0, (CAT,))
    told = dict(library_answer(Library(libc, (("ld.so", None),), (cat,))).fields)
    assert told["here"].startswith("because it is in the DT_NEEDED of cat;")
    assert told["needs"] == "ld.so (not loaded)"
    assert told["VMAs"].startswith("2: ")
    assert told["frees"] == reclaimable((LIBC_VMA, LIBC_DATA)).sentence()
    alone = dict(library_answer(Library(cat, (("libc.so.6", libc),), ())).fields)
    assert alone["here"].startswith("no other object needs it")
    assert alone["needs"] == "libc.so.6"


@pytest.mark.parametrize(
    ("free", "words"),
    [(10, "below min, so whoever allocates"), (50, "below low"), (150, "below high"), (900, "above high")],
)
def test_a_zone_says_who_reclaims_now(free: int, words: str) -> None:
    system = SystemSnapshot("6.18", {}, zones=(Zone("Normal", 1000, free, 20, 100, 200, (0, 64)),))
    snapshot = Snapshot("live", "x", system)
    lines = RowLines(machine_rows(snapshot, 80), 80)
    row = next(row for row in range(len(lines)) if figure_name(lines, row) == "Normal")
    answer = figure_answer(lines, row, snapshot)
    assert answer is not None
    told = dict(answer.fields)
    assert words in told["now"]
    assert told["marks"].startswith("min 80 KiB, low 400 KiB, high 800 KiB")
    assert told["kept"].startswith("up to 256 KiB")
