"""Pages that fare alike go to swap and come back together: nothing differs from one page, or batch, after the other."""

import random

import pytest

from memtui.model.host import MachineFacts
from memtui.sim.kernel import swap_in, vmscan_batches
from memtui.sim.kernel.check import check
from memtui.sim.kernel.exec_mm import first_task
from memtui.sim.kernel.fault import access
from memtui.sim.kernel.fork import sys_fork
from memtui.sim.kernel.kernel import Kernel
from memtui.sim.kernel.lru import Flags
from memtui.sim.kernel.lru_add import lru_add_drain
from memtui.sim.kernel.madvise import sys_madvise
from memtui.sim.kernel.mlock import sys_mlock
from memtui.sim.kernel.mman import MADV_DONTNEED, MADV_PAGEOUT
from memtui.sim.kernel.mmap import sys_mmap
from memtui.sim.kernel.page_leaf import ENTRIES, Leaf
from memtui.sim.kernel.profile import EXACT
from memtui.sim.kernel.swap_cache import SwapCache
from memtui.sim.kernel.task import Task
from memtui.sim.kernel.workingset import Shadow

PAGE = 4096
SIZE = 3_600
"""Pages of the region; the machine has 2,048."""


class Program:
    """Calls of a random program of one process, whose memory does not fit; sometimes with a child."""

    def __init__(self, seed: int, device: str) -> None:
        self.random = random.Random(f"swap-runs-{seed}")
        slots = self.random.choice((1_900, 2_600, 8_000))
        facts = MachineFacts(totalram_pages=1 << 11, total_swap_pages=slots, swap_device=device)
        self.kernel = Kernel(facts, EXACT)
        self.kernel.sysctl["page-cluster"] = self.random.choice((0, 1, 3, 3, 3, 5))
        self.tasks = [first_task(self.kernel, "sh")]
        self.tasks[0].mm.mmap_base = 0x7FFF_F7FF_F000
        self.base = sys_mmap(self.kernel, self.tasks[0], 0, SIZE * PAGE, 3, 0x4022, -1, 0).value
        access(self.kernel, self.tasks[0], self.base, SIZE * 3 // 4 * PAGE, write=True)

    def step(self) -> str:
        """The next call; gives what it said."""
        task = self.random.choice(self.tasks)
        low = self.random.randrange(SIZE)
        count = self.random.choice((1, 9, 70, 600, 1_500, SIZE))
        if count == SIZE:
            low = 0
        addr, size = self.base + low * PAGE, min(count, SIZE - low) * PAGE
        kind = self.random.random()
        if kind < 0.7:
            return access(self.kernel, task, addr, size, write=self.random.random() < 0.4).why
        if kind < 0.9:
            return sys_madvise(self.kernel, task, addr, size, MADV_PAGEOUT).why
        if kind < 0.95 and len(self.tasks) == 1 and self.kernel.total_swap_pages > SIZE:
            return self._fork(task)
        if kind < 0.97:
            return sys_mlock(self.kernel, task, addr, min(size, 50 * PAGE)).why
        return sys_madvise(self.kernel, task, addr, size, MADV_DONTNEED).why

    def _fork(self, task: Task) -> str:
        done = sys_fork(self.kernel, task, 0)
        self.tasks.append(self.kernel.tasks[done.value])
        return done.why


def listed(kernel: Kernel) -> list[tuple[int, object, int, int, Flags]]:
    """The LRU lists from the oldest page on: runs, joined where they meet."""
    lru_add_drain(kernel)
    found: list[tuple[int, object, int, int, Flags]] = []
    for lru in kernel.lruvec.lists:
        for run in reversed(list(lru)):
            first = run.owner.index * ENTRIES if isinstance(run.owner, Leaf) else 0
            name, low, high = isinstance(run.owner, SwapCache), first + run.low, first + run.high
            if found and found[-1][:2] == (lru.number, name) and found[-1][3:] == (low, run.flags):
                low = found.pop()[2]
            found.append((lru.number, name, low, high, run.flags))
    return found


def shadows(known: list[Shadow]) -> list[tuple[int, int, bool]]:
    """One a page."""
    return [(page, it.age + page - it.low, it.workingset) for it in known for page in range(it.low, it.high)]


def figures(kernel: Kernel) -> list[object]:
    """All that later calls depend on."""
    swap, lruvec = kernel.swap, kernel.lruvec
    tables: list[object] = []
    for task in kernel.tasks.values():
        pages = task.mm.pages
        tables += [task.min_flt, task.maj_flt, pages.counts, task.mm.swap_readahead]
        for leaf in pages.leaves.values():
            slots = [leaf.slot_of(entry) for entry in range(ENTRIES)] if leaf.slots or leaf.frames else []
            tables += [bytes(leaf.state), [at and at[2:] for at in slots], shadows(leaf.shadows), leaf.old]
    sets = [list(pages.runs(0, 1 << 20)) for pages in (swap.map, swap.cache.pages, swap.kept)]
    clock = (lruvec.nonresident_age, lruvec.anon_cost, lruvec.activations, kernel.cushion, +kernel.vmevents)
    ahead = (sorted(swap.cache.readahead), vars(swap.readahead), swap.waits)
    return [tables, sets, shadows(swap.cache.shadows), clock, ahead, listed(kernel), kernel.zones]


def lives(seed: int, device: str, monkeypatch: pytest.MonkeyPatch, *, together: bool) -> list[tuple[str, list[object]]]:
    if not together:
        monkeypatch.setattr(swap_in, "MOST", 1)
        monkeypatch.setattr(vmscan_batches, "FEWEST", 1 << 40)
    program, seen = Program(seed, device), []
    for _ in range(10):
        said = program.step()
        seen.append((said, figures(program.kernel)))
    assert check(program.kernel) == []
    assert program.kernel.vmevents["pswpout"] > 500
    return seen


@pytest.mark.parametrize("device", ["zram", "ssd", "disk"])
@pytest.mark.parametrize("seed", range(5))
def test_together_is_one_after_the_other(seed: int, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    together = lives(seed, device, monkeypatch, together=True)
    for alone, run in zip(lives(seed, device, monkeypatch, together=False), together, strict=True):
        assert run[0] == alone[0]
        for one, other in zip(run[1], alone[1], strict=True):
            assert one == other


@pytest.mark.parametrize("device", ["zram", "disk"])
def test_the_cost_of_scanning_is_noted_batch_by_batch(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[int]] = []
    for fewest in (vmscan_batches.FEWEST, 1 << 40):
        monkeypatch.setattr(vmscan_batches, "FEWEST", fewest)
        kernel = Kernel(MachineFacts(totalram_pages=1 << 16, total_swap_pages=1 << 16, swap_device=device), EXACT)
        task = first_task(kernel, "sh")
        base = sys_mmap(kernel, task, 0x1000_0000, 80_000 * PAGE, 3, 0x4032, -1, 0).value
        seen.append([])
        for page in range(0, 80_000, 500):
            access(kernel, task, base + page * PAGE, 500 * PAGE, write=True)
            seen[-1].append(kernel.lruvec.anon_cost)
    assert seen[0] == seen[1]
    assert len(set(seen[0])) > 3


@pytest.mark.parametrize("device", ["ssd", "disk"])
def test_a_slot_that_is_freed_forgets_when_its_page_was_evicted(device: str) -> None:
    program = Program(1, device)
    kernel, (task,) = program.kernel, program.tasks
    assert kernel.swap.cache.shadows
    sys_madvise(kernel, task, program.base, SIZE * PAGE, MADV_DONTNEED)
    assert not kernel.swap.cache.shadows
