"""What reclaim could take of a process."""

from dataclasses import replace

from memtui.draw.reclaim import MANY, Reclaimable, reclaimable, reclaimable_sentence
from memtui.model.mm import MmCounters, MmSnapshot
from memtui.model.pages import Residence
from memtui.model.vma import Smaps, VmaKind
from tests.draw.pictures import run, vma

FILE = vma(
    0x1000,
    8,
    "r--p",
    "/lib/x",
    VmaKind.FILE,
    run(0x1000, 0, 3, Residence.PAGE_CACHE, dirty=False),
    run(0x1000, 3, 2, Residence.PAGE_CACHE, dirty=True),
    run(0x1000, 5, 1, Residence.ANON, dirty=True),
)
UNTOLD = vma(0x10000, 8, "r--p", "/lib/y", VmaKind.FILE, run(0x10000, 0, 6, Residence.PAGE_CACHE))
HEAP = vma(0x20000, 8, "rw-p", "[heap]", VmaKind.HEAP, run(0x20000, 0, 4, Residence.ANON))
DARK = vma(0x30000, 8, "rw-p", "", VmaKind.ANON)


def test_pages_are_sorted_by_what_has_to_happen_first() -> None:
    assert reclaimable([FILE, UNTOLD, HEAP, DARK]) == Reclaimable(clean=3, dirty=2, untold=6, to_swap=5, unmeasured=1)
    locked = HEAP._replace(vm_flags=("rd", "wr", "lo"))
    assert reclaimable([locked]) == Reclaimable(locked=4)


def test_smaps_tells_what_the_pages_do_not() -> None:
    smaps = Smaps(32, rss=24, anonymous=4, shared_dirty=8, private_dirty=4)
    assert reclaimable([UNTOLD._replace(smaps=smaps)]) == Reclaimable(clean=4, dirty=2)


def test_of_very_many_vmas_the_counters_are_enough() -> None:
    few = MmSnapshot(1, "x", (HEAP,), MmCounters(rss_anon=400, rss_file=80, rss_shmem=40))
    assert reclaimable_sentence(few, None) == "16 KiB only to swap (anon, shmem)"
    many = replace(few, vmas=(HEAP,) * (MANY + 1))
    words = "80 KiB if clean (page cache); 440 KiB only to swap: there is none; u looks at each VMA"
    assert reclaimable_sentence(many, 0) == words
    locked = replace(many, counters=many.counters._replace(vm_lck=12))
    assert "up to 12 KiB never (locked)" in reclaimable_sentence(locked, 0)
    assert reclaimable_sentence(replace(few, read_to=HEAP.end), 0) == words


def test_the_sentence_says_how_and_that_there_is_no_swap() -> None:
    assert Reclaimable(clean=1, to_swap=2).sentence(0) == (
        "4 KiB at once (clean cache); 8 KiB only to swap: there is none"
    )
    assert Reclaimable(to_swap=2).sentence(4096) == "8 KiB only to swap (anon, shmem)"
    assert Reclaimable(unmeasured=1).sentence() == "1 VMA is not measured"
    assert Reclaimable().sentence() == "nothing: no page of it is in memory"
