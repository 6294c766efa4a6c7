"""Slots, the swap cache and read-ahead, by devices of each kind."""

import pytest

from memtui.model.host import MachineFacts
from memtui.sim.kernel.check import check
from memtui.sim.kernel.exec_mm import first_task
from memtui.sim.kernel.fault import access
from memtui.sim.kernel.fork import sys_fork
from memtui.sim.kernel.kernel import Kernel
from memtui.sim.kernel.madvise import sys_madvise
from memtui.sim.kernel.mman import MADV_DONTNEED, MADV_HUGEPAGE, MADV_PAGEOUT
from memtui.sim.kernel.mmap import sys_mmap
from memtui.sim.kernel.profile import EXACT
from memtui.sim.kernel.task import Task
from memtui.sim.kernel.vmscan import try_to_free_pages
from memtui.sim.meminfo import meminfo

PAGE = 4096
DEVICES = pytest.mark.parametrize("device", ["zram", "ssd", "disk"])


class World:
    """One process with 256 pages of anonymous memory, 64 pages of it out on swap."""

    def __init__(self, device: str, slots: int = 4096, flags: int = 0x22) -> None:
        facts = MachineFacts(totalram_pages=1 << 16, total_swap_pages=slots, swap_device=device)
        self.kernel = Kernel(facts, EXACT)
        self.task = first_task(self.kernel, "sh")
        self.task.mm.mmap_base = 0x7FFF_F7FF_F000
        self.base = sys_mmap(self.kernel, self.task, 0, 256 * PAGE, 3, flags, -1, 0).value
        self.touch(0, 256)
        self.advise(0, 64, MADV_PAGEOUT)

    def touch(self, page: int, count: int = 1, *, write: bool = True, task: Task | None = None) -> tuple[int, int, str]:
        """Minor faults, major faults, and why."""
        task = task or self.task
        minor, major = task.min_flt, task.maj_flt
        done = access(self.kernel, task, self.base + page * PAGE, count * PAGE, write=write)
        assert check(self.kernel) == []
        return task.min_flt - minor, task.maj_flt - major, done.why

    def advise(self, page: int, count: int, advice: int) -> None:
        sys_madvise(self.kernel, self.task, self.base + page * PAGE, count * PAGE, advice)
        assert check(self.kernel) == []

    @property
    def figures(self) -> tuple[int, int, int]:
        """Slots taken, pages in the swap cache, pages of it that somebody maps."""
        swap = self.kernel.swap
        assert meminfo(self.kernel)["SwapCached"] == 4 * swap.cached
        return swap.used, swap.cached, swap.kept.count


@pytest.mark.parametrize(("device", "cached"), [("zram", 0), ("ssd", 64), ("disk", 64)])
def test_what_a_disk_still_writes_stays_in_the_swap_cache(device: str, cached: int):
    world = World(device)
    assert world.figures == (64, cached, 0)
    before = meminfo(world.kernel)["MemFree"]
    try_to_free_pages(world.kernel)
    assert meminfo(world.kernel)["MemFree"] > before
    assert (world.kernel.vmevents["pswpout"] == 64) == bool(cached), "the written ones go first"


def test_a_synchronous_device_frees_the_slot_at_once_and_reads_nothing_ahead():
    world = World("zram")
    minor, major, why = world.touch(3, 2, write=False)
    assert (minor, major) == (0, 2)
    assert why.startswith("swap-in of slots 4 to 5: 2 read from zram, 2 slots are free now")
    assert world.figures == (62, 0, 0)


def evicted(device: str, slots: int = 4096) -> World:
    """The same with the swap cache emptied by reclaim."""
    world = World(device, slots)
    world.kernel.swap.cache.forget(world.kernel.lruvec, 1, 64)
    assert check(world.kernel) == []
    return world


def test_a_disk_reads_the_slots_around_ahead():
    world = evicted("disk")
    assert world.touch(20, write=False)[:2] == (0, 1)
    assert sorted(world.kernel.swap.cache.readahead) == [16, 17, 18, 19, 20, 22, 23]
    minor, major, why = world.touch(21, 2, write=False)
    assert (minor, major) == (2, 0)
    assert "slots 22 to 23: 2 found in the swap cache, 2 keep their slots" in why
    assert world.figures == (64, 8, 3)


def test_an_ssd_reads_the_addresses_around_ahead():
    world = evicted("ssd")
    world.touch(10, write=False)
    assert sorted(world.kernel.swap.cache.readahead) == [8, 9, 10, 12, 13, 14, 15]
    assert [world.touch(page, write=False)[1] for page in range(11, 24)] == [0] * 4 + [1] + [0] * 7 + [1]


@pytest.mark.parametrize(("cluster", "pages"), [(0, 0), (1, 1), (3, 7)])
def test_page_cluster_sets_the_window(cluster: int, pages: int):
    world = evicted("disk")
    world.kernel.sysctl["page-cluster"] = cluster
    world.touch(20, write=False)
    assert len(world.kernel.swap.cache.readahead) == pages


def test_a_page_that_came_back_clean_goes_again_without_being_written():
    world = evicted("disk")
    world.touch(0, 8, write=False)
    world.touch(0, 2)
    world.advise(0, 8, MADV_PAGEOUT)
    assert world.kernel.vmevents["pswpout"] == 64 + 2
    assert world.figures[0] == 64


def test_a_write_frees_the_slot_and_so_does_any_access_once_swap_is_half_full():
    world = evicted("disk")
    world.touch(0, 8)
    assert world.figures[0] == 56
    full = evicted("disk", slots=100)
    full.touch(0, 2, write=False)
    assert full.figures[0] == 62
    assert "2 slots are free now" in full.touch(2, 2, write=False)[2]


@DEVICES
def test_after_fork_the_page_is_read_once_and_mapped_by_both(device: str):
    world = World(device)
    world.kernel.swap.cache.forget(world.kernel.lruvec, 1, 64)
    child = world.kernel.tasks[sys_fork(world.kernel, world.task).value]
    anon = meminfo(world.kernel)["AnonPages"]
    assert world.touch(0, write=False, task=child)[:2] == (0, 1)
    assert world.touch(0, write=False)[:2] == (1, 0)
    assert meminfo(world.kernel)["AnonPages"] == anon + 4
    assert world.touch(0)[:2] == (1, 0)
    assert meminfo(world.kernel)["AnonPages"] == anon + 8
    world.advise(0, 256, MADV_DONTNEED)
    world.touch(0, 64, task=child)
    assert world.figures == (0, 0, 0)


@DEVICES
def test_shared_memory_comes_back_without_its_slot(device: str):
    world = World(device, flags=0x21)
    assert world.figures[0] == 64
    world.touch(5, 3, write=False)
    assert world.figures[0] == 61


def test_clusters_are_filled_one_after_the_other():
    swap = World("zram", slots=2047).kernel.swap
    assert swap.alloc(512) == [(65, 512)]
    swap.free_slots(10, 5)
    assert swap.alloc(600) == [(577, 447), (10, 5), (1024, 148)]
    assert swap.alloc_huge() == 1536
    assert swap.alloc_huge() is None
    assert sum(count for _, count in swap.alloc(4096)) == 2047 - 64 - 512 + 5 - 600 - 512
    assert swap.free == 0


def huge_out(device: str) -> World:
    """Two folios of 2 MiB, just paged out."""
    world = World(device)
    world.base = sys_mmap(world.kernel, world.task, 0, 1024 * PAGE, 3, 0x22, -1, 0).value
    world.advise(0, 1024, MADV_HUGEPAGE)
    world.touch(0, 1024)
    world.advise(0, 1024, MADV_PAGEOUT)
    assert world.task.mm.swap_pages == 64 + 1024
    return world


def test_a_huge_folio_in_the_swap_cache_is_mapped_by_one_fault():
    world = huge_out("ssd")
    assert world.touch(5, write=False)[:2] == (1, 0)
    assert world.task.mm.swap_pages == 64 + 512
    assert world.figures == (64 + 1024, 64 + 1024, 512)
    assert world.touch(512 + 7)[:2] == (1, 0)
    assert world.task.mm.swap_pages == 64
    assert world.figures == (64 + 512, 64 + 512, 512), "a write frees the slots"
    assert world.touch(0, 1024)[:2] == (0, 0)


def test_a_huge_folio_of_which_a_part_is_gone_comes_back_page_by_page():
    world = huge_out("ssd")
    world.advise(100, 1, MADV_DONTNEED)
    assert world.touch(5, 3, write=False)[:2] == (3, 0)
    assert world.touch(5, 3)[:2] == (0, 0)


def test_a_huge_folio_that_left_the_swap_cache_is_read():
    world = huge_out("ssd")
    while world.kernel.swap.cache.pages.count:
        assert try_to_free_pages(world.kernel)
    assert world.touch(5, write=False)[1] == 1


def test_reclaim_frees_a_huge_folio_of_the_swap_cache_whole():
    world = huge_out("ssd")
    sizes = {world.kernel.swap.cache.pages.count}
    while world.kernel.swap.cache.pages.count:
        assert try_to_free_pages(world.kernel)
        sizes.add(world.kernel.swap.cache.pages.count)
    assert {size for size in sizes if size >= 64} <= {64, 64 + 512, 64 + 1024}
    assert min(sizes) == 0
