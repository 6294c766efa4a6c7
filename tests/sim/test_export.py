"""Pictures of a simulated machine: what is told, what is not, and what is used again."""

import random
from typing import Any

import pytest

from memtui.model.cgroup import GroupRoom
from memtui.model.mm import MmSnapshot
from memtui.model.pages import Residence
from memtui.model.request import Focus, Inject, Seek
from memtui.model.vma import Vma, VmaKind
from memtui.scenarios import scenario_text
from memtui.scenarios.host import ScenarioHost
from memtui.sim import vma_export
from memtui.sim.source import SimSource
from memtui.sim.vma_export import VmaExports
from memtui.trace.parser import parse

START = 'execve("/demo/hello", ["hello", "-x"], 0)\n'
ENDING = 1 << 62
RW = "PROT_READ|PROT_WRITE"


def at(mm: MmSnapshot | None, start: int) -> Vma:
    assert mm is not None
    return next(vma for vma in mm.vmas if vma.start == start)


def test_the_program_after_execve(end):
    mm = end(START).mm
    assert (mm.comm, mm.cmdline, mm.exe, mm.pid) == ("hello", ("hello", "-x"), "/demo/hello", 1000)
    assert (mm.start_brk, mm.brk) == (0x555555559000, 0x555555559000)
    assert mm.start_stack % 16 == 0
    assert [vma.kind for vma in mm.vmas] == [
        *[VmaKind.FILE] * 4,
        *[VmaKind.SPECIAL] * 3,
        *[VmaKind.FILE] * 4,
        VmaKind.STACK,
        VmaKind.SPECIAL,
    ]
    assert at(mm, 0x7FFFF7FC2000).vm_flags == ("rd", "mr", "pf", "io", "de", "dd")
    assert at(mm, 0x7FFFF7FC8000).vm_flags == ("rd", "ex", "mr", "mw", "me", "de")
    assert at(mm, 0x7FFFFFFDE000).vm_flags == ("rd", "wr", "mr", "mw", "me", "gd", "ac")
    assert mm.vmas[-1].name == "[vsyscall]"
    assert (mm.counters.vm_exe, mm.counters.vm_lib, mm.counters.vm_stk) == (4, 160, 132)


def test_figures_of_a_vma(end):
    mm = end(
        f"{START}m = mmap(NULL, 64K, {RW}, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)\ntouch(m, 12K, WRITE)\n"
        "touch(m+16K, 8K, READ)\nmlock(m, 4K)\n"
    ).mm
    locked, rest = at(mm, 0x7FFFF7FB2000), at(mm, 0x7FFFF7FB3000)
    assert [(run.residence, run.pages) for run in rest.runs] == [(Residence.ANON, 2), (Residence.ZERO, 2)]
    assert (locked.smaps.size, locked.smaps.rss, locked.smaps.locked, locked.smaps.pss) == (4, 4, 4, 4)
    assert (rest.smaps.size, rest.smaps.rss, rest.smaps.anonymous, rest.smaps.locked) == (60, 8, 8, 0)
    assert (rest.smaps.swap, rest.smaps.lazy_free, rest.smaps.anon_huge_pages) == (0, 0, 0)
    assert rest.smaps.referenced is None
    assert "smaps" in mm.unknown


def test_what_others_share_has_no_pss(end):
    mm = end(f"{START}p = malloc(100)\nfork()\n").mm
    heap = next(vma for vma in mm.vmas if vma.kind is VmaKind.HEAP)
    assert heap.smaps.rss == 4
    assert heap.smaps.pss is None
    assert heap.runs[0].shared is True


def test_meminfo_has_only_what_is_simulated(end):
    snapshot = end(START)
    assert set(snapshot.system.meminfo) == {
        "MemTotal", "MemFree", "MemAvailable", "Buffers", "Cached", "SwapCached", "Active", "Inactive", "Active(anon)",
        "Inactive(anon)", "Active(file)", "Inactive(file)", "Unevictable", "SwapTotal", "SwapFree", "Dirty",
        "Writeback", "AnonPages", "Mapped", "Shmem", "PageTables", "CommitLimit", "Committed_AS",
    }  # fmt: skip
    assert snapshot.system.page_cache == 228
    assert snapshot.domain.pages == snapshot.system.totalpages == (256 + 64) << 8


def test_pages_that_fork_shares_are_counted_once(end):
    shared = end(f"{START}m = mmap(NULL, 1M, {RW}, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)\ntouch(m, 1M, WRITE)\nfork()\n")
    before = shared.system.meminfo["AnonPages"]
    assert before == 12 + 1024
    parted = end(
        f"{START}m = mmap(NULL, 1M, {RW}, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)\ntouch(m, 1M, WRITE)\nfork()\n"
        "touch(m, 64K, WRITE)\n"
    )
    assert parted.system.meminfo["AnonPages"] == before + 64
    assert [task.rss_pages for task in parted.tasks] == [259, 259]


def test_labels_follow_the_break_and_the_names_of_files(end):
    sim_text = (
        f'{START}fd = open("/demo/hello", O_RDONLY)\nmmap(0x10000000, 4K, PROT_READ, MAP_PRIVATE|MAP_FIXED, fd, 0)\n'
        "brk(0x55555555a000)\n"
    )
    assert {vma.name for vma in end(sim_text).mm.vmas} >= {"[heap]", "/demo/hello"}
    gone = end(sim_text + 'unlink("/demo/hello")\n')
    assert at(gone.mm, 0x10000000).name == "/demo/hello (deleted)"


CALLS = (
    lambda rng: (
        f"mmap({rng.randrange(0, 40) * 8192 + 0x10000000:#x}, {rng.randrange(1, 6)}K, {RW}, "
        f"MAP_PRIVATE|MAP_ANONYMOUS|{rng.choice(['MAP_FIXED', '0'])}, -1, 0)"
    ),
    lambda rng: f"munmap({rng.randrange(0, 80) * 4096 + 0x10000000:#x}, {rng.randrange(1, 5) * 4096})",
    lambda rng: (
        f"mprotect({rng.randrange(0, 80) * 4096 + 0x10000000:#x}, {rng.randrange(1, 5) * 4096}, "
        f"{rng.choice(['PROT_READ', RW])})"
    ),
    lambda rng: f"madvise({rng.randrange(0, 80) * 4096 + 0x10000000:#x}, 8192, MADV_DONTNEED)",
    lambda rng: f"mlock({rng.randrange(0, 80) * 4096 + 0x10000000:#x}, 8192)",
    lambda rng: f"brk({rng.randrange(0, 40) * 4096 + 0x555555559000:#x})",
    lambda rng: "fork()",
    lambda rng: "mmap(NULL, 2M, PROT_READ, MAP_SHARED|MAP_ANONYMOUS, -1, 0)",
)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_used_again_is_what_would_be_built_anew(simulate, seed: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(vma_export, "_STRIDE", 4)
    rng = random.Random(seed)
    sim = simulate(START)
    sim.apply(Seek(ENDING))
    pid, reused = 1000, 0
    for _ in range(60):
        task: Any = sim._machine.world.processes[pid].task
        before = sim.apply(Inject(rng.choice(CALLS)(rng))).mm
        vma = rng.choice(before.vmas[:-1])
        if "wr" in vma.vm_flags:
            old = {id(other) for other in before.vmas}
            after = sim.apply(Inject(f"touch({vma.start:#x}, {rng.randrange(1, vma.size)}, WRITE)")).mm
            reused += sum(id(other) in old for other in after.vmas)
            assert after.vmas == VmaExports(sim._machine.world.kernel).update(task.mm)
    assert reused
    sim._machine.check()


def test_a_machine_that_was_restored_is_exported_with_the_same_objects(simulate):
    lines = [
        f"mmap({0x10000000 + n * 8192:#x}, 4K, {RW}, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)" for n in range(9)
    ]
    sim = simulate(START + "\n".join(lines))
    sim.apply(Seek(ENDING))
    state = sim._checkpoints.saved(sim._machine)
    sim.apply(Inject("touch(0x10000000, 4096, WRITE)"))
    last = sim.apply(Inject("munmap(0x10002000, 4096)")).mm
    restored = sim._checkpoints.loaded(state)
    before = sim._exporter.export(restored, None).mm
    assert (at(last, 0x10000000).smaps.rss, at(before, 0x10000000).smaps.rss) == (4, 0)
    assert at(before, 0x10002000).end == 0x10003000
    assert at(before, 0x10004000) is at(last, 0x10004000)
    assert before.vmas == VmaExports(restored.world.kernel).update(restored.current.task.mm)


def test_a_step_in_a_large_space_builds_only_what_changed(simulate, monkeypatch: pytest.MonkeyPatch):
    lines = [
        f"mmap({0x10000000 + number * 8192:#x}, 4096, {RW}, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)"
        for number in range(3000)
    ]
    sim = simulate(START + "\n".join(lines))
    sim.apply(Seek(ENDING))
    built = []
    build = VmaExports._build
    monkeypatch.setattr(VmaExports, "_build", lambda self, mm, area: built.append(area) or build(self, mm, area))
    sim.apply(Inject("munmap(0x10800000, 4096)"))
    assert built == []
    sim.apply(Inject("mprotect(0x10a00000, 4096, PROT_READ)"))
    assert len(built) == 1
    sim.apply(Inject("touch(0x10c00000, 4096, WRITE)"))
    assert len(built) <= 2 + 256


def test_the_ranking_is_among_the_group_that_the_process_is_in():
    text = scenario_text("oom-cgroup")
    source = SimSource(parse(text, "oom-cgroup.trace"), ScenarioHost(), "oom-cgroup")
    shown = source.apply(Seek(18))
    assert shown.domain is not None
    assert (shown.domain.name, shown.domain.pages) == ("services", 4096)
    assert "approximate" in shown.domain.why
    assert shown.group == GroupRoom("/services", 16280, 16384)
    assert [task.comm for task in shown.candidates] == ["web", "cache"]
    other = source.apply(Focus(1003))
    assert other.domain is not None
    assert (other.domain.name, other.group) == (None, None)
    assert [task.comm for task in other.candidates] == ["shell", "web", "cache", "database"]
