"""The stories of the chapters: every figure of every step, and what the narration claims."""

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from memtui.model.event import EventKind
from memtui.model.request import Seek, Step
from memtui.model.snapshot import Snapshot
from memtui.scenarios import scenario_text
from memtui.scenarios.host import ScenarioHost
from memtui.sim.source import SimSource
from memtui.trace.parser import parse

FIGURES = Path(__file__).with_name("figures.csv")
MEMINFO = (
    "MemFree", "Cached", "AnonPages", "Shmem", "Mapped", "PageTables", "Dirty", "Active(anon)", "Inactive(anon)",
    "Active(file)", "Inactive(file)", "Unevictable", "SwapFree", "Committed_AS",
)  # fmt: skip
COUNTERS = ("vm_size", "rss_anon", "rss_file", "rss_shmem", "vm_swap", "vm_pte")
ENDING = 1 << 62


class Row(NamedTuple):
    """What a step leaves, KiB."""

    story: str
    step: int
    meminfo: tuple[int, ...]
    process: tuple[int | None, ...]
    """Of the process that the step was about; empty: it has ended."""


def source(name: str) -> SimSource:
    return SimSource(parse(scenario_text(name), f"{name}.trace"), ScenarioHost(), name)


@cache
def pictures(name: str) -> tuple[Snapshot, ...]:
    """The picture after each step, the first is that of step 1; every invariant of the kernel holds on the way."""
    sim, found = source(name), []
    log = source(name).apply(Seek(ENDING)).steps
    assert log is not None
    for _ in range(log.cursor):
        found.append(sim.apply(Step()))
        sim._machine.check()
    return tuple(found)


def row(name: str, step: int, snapshot: Snapshot) -> Row:
    figures = snapshot.system.meminfo
    counters = snapshot.mm.counters if snapshot.mm is not None else None
    process = () if counters is None else tuple(getattr(counters, counter) for counter in COUNTERS)
    return Row(name, step, tuple(figures[key] for key in MEMINFO), process)


def expected() -> dict[str, list[Row]]:
    stories: dict[str, list[Row]] = {}
    with FIGURES.open(newline="") as file:
        for name, step, *figures in csv.reader(file):
            numbers = [int(figure) for figure in figures if figure]
            cut = len(MEMINFO)
            stories.setdefault(name, []).append(Row(name, int(step), tuple(numbers[:cut]), tuple(numbers[cut:])))
    return stories


STORIES = expected()


@pytest.mark.parametrize("name", sorted(STORIES))
def test_every_figure_of_every_step(name: str):
    seen = [row(name, step, snapshot) for step, snapshot in enumerate(pictures(name), 1)]
    for mine, kept in zip(seen, STORIES[name], strict=True):
        assert mine == kept


@pytest.mark.parametrize("name", sorted(STORIES))
def test_a_jump_to_the_end_leads_to_the_same_machine(name: str):
    last = pictures(name)[-1]
    jumped = source(name).apply(Seek(ENDING))
    assert jumped.system.meminfo == last.system.meminfo
    assert jumped.system.vmstat == last.system.vmstat


def events(name: str, kind: EventKind) -> list[tuple[int, str]]:
    """Step and text of the events of a kind."""
    found = []
    for step, snapshot in enumerate(pictures(name), 1):
        found += [(step, event.text) for event in snapshot.events if event.kind is kind]
    return found


def kib(name: str, figure: str, step: int) -> int:
    return pictures(name)[step - 1].system.meminfo[figure]


@pytest.mark.parametrize(
    ("name", "victim", "points"),
    [
        ("oom", "leak", 8337),
        ("oom-then-and-now", "hog", 14499),
        ("oom-vip", "backup", 11082),
        ("tour", "hungry", 19098),
        ("oom-cgroup", "cache", 2558),
    ],
)
def test_who_dies(name: str, victim: str, points: int):
    ((_, text),) = events(name, EventKind.OOM_KILL)
    assert f"({victim})" in text.split(";")[0]
    assert f"= {points:,} points" in text


def test_the_old_rule_would_have_chosen_another():
    ((_, text),) = events("oom-then-and-now", EventKind.OOM_KILL)
    assert "Linux 2.6.32 would have chosen 1001 (server): total_vm 51,233, + half of 1 children 76,850" in text
    assert text.endswith("CAP_SYS_RAWIO: / 4 4,803")


def test_the_exempt_one_keeps_its_pages():
    ((_, text),) = events("oom-vip", EventKind.OOM_KILL)
    assert "never killed: 1001 (oom_score_adj is -1000)" in text
    assert [task.pid for task in pictures("oom-vip")[18].tasks] == [1000, 1001, 1003]


def test_the_tour_says_what_happens():
    """The figures that its narration gives."""
    log = pictures("tour")[-1].steps
    assert log is not None
    why = {step.text.split("=")[0].strip(): step.why for step in log.steps}
    assert why["touch(0x7ffff75d1000, 4194304, WRITE)"] == "page faults: 1,023 minor"
    assert why["touch(0x7ffff74d1000, 1048576, READ)"].startswith("page faults: 14 minor, 1 major")
    notes = [text for _, text in events("tour", EventKind.NOTE) if text.startswith("kswapd woken")]
    assert ["to swap" in text for text in notes] == [False, True, True, True]
    assert "last pass: files only" in notes[0]


def test_overcommit_refuses_what_the_modes_say():
    refused = [step for step, _ in events("overcommit", EventKind.FAILURE)]
    assert refused == [2, 11, 13, 14]


def test_kswapd_drops_cache_first_and_swaps_later():
    notes = [text for _, text in events("kswapd", EventKind.NOTE) if text.startswith("kswapd woken")]
    assert ["to swap" in text for text in notes] == [False, False, True, True]
    assert "last pass: files only" in notes[0]


def test_swappiness_turns_the_balance():
    notes = [text for _, text in events("swappiness", EventKind.NOTE) if text.startswith("kswapd woken")]
    assert "by swappiness 0 (anon 0 : file 200)" in notes[0]
    assert "by swappiness 200" in notes[3]
    assert ["to swap" in text for text in notes] == [False, False, False, True]


def test_drop_caches_frees_only_what_is_clean_and_unmapped():
    before, dirty, synced = (kib("drop-caches", "Cached", step) for step in (11, 12, 14))
    assert (before - dirty, dirty - synced) == (8320, 2048)
    assert kib("drop-caches", "Dirty", 12) == 2048


def perms(name: str, step: int) -> list[str]:
    """Of each VMA, with the end of what it is called."""
    mm = pictures(name)[step - 1].mm
    assert mm is not None
    return [f"{vma.perms} {(vma.name or '').rpartition('/')[2]}".strip() for vma in mm.vmas]


LINKER = "ld-linux-x86-64.so.2"
KERNELS = ["r--p [vvar]", "r--p [vvar_vclock]", "r-xp [vdso]"]
ABOVE = ["rw-p [stack]", "--xp [vsyscall]"]


def four(name: str) -> list[str]:
    return [f"{rights} {name}" for rights in ("r--p", "r-xp", "r--p", "rw-p")]


def five(name: str) -> list[str]:
    """RELRO has cut a part off the data."""
    return [f"{rights} {name}" for rights in ("r--p", "r-xp", "r--p", "r--p", "rw-p")]


def test_exec_makes_each_segment_a_vma_and_ld_so_brings_the_libraries():
    assert perms("exec", 3) == [*four("hello"), *KERNELS, *four(LINKER), *ABOVE]
    assert perms("exec", 4) == [*four("linked"), *KERNELS, *four(LINKER), *ABOVE]
    libc = [*five("libc.so.6"), "rw-p"]
    assert perms("exec", 32) == [*five("linked"), "rw-p", *libc, "rw-p", *KERNELS, *five(LINKER), *ABOVE]
    assert perms("exec", 34) == [*five("linked"), "rw-p [heap]", *perms("exec", 33)[5:]]


def test_exec_shows_what_becomes_of_each_program_header():
    log = pictures("exec")[3].steps
    assert log is not None
    ld_so = "PT_LOAD of ld-linux-x86-64.so.2"
    assert log.steps[3].calls == (
        "555555554000-555555555000 r-- PT_LOAD of linked: 1560 bytes from 0x0",
        "555555555000-555555556000 r-x PT_LOAD of linked: 349 bytes from 0x1000",
        "555555556000-555555557000 r-- PT_LOAD of linked: 220 bytes from 0x2000",
        "555555557000-555555559000 rw- PT_LOAD of linked: 584 bytes from 0x2dd0, 8 more of bss",
        f"7ffff7fca000-7ffff7fcb000 r-- {ld_so}: 3416 bytes from 0x0",
        f"7ffff7fcb000-7ffff7ff1000 r-x {ld_so}: 151825 bytes from 0x1000",
        f"7ffff7ff1000-7ffff7ffb000 r-- {ld_so}: 40060 bytes from 0x27000",
        f"7ffff7ffb000-7ffff7fff000 rw- {ld_so}: 10256 bytes from 0x31900, 456 more of bss",
        "7ffff7fc2000-7ffff7fc6000 [vvar]",
        "7ffff7fc6000-7ffff7fc8000 [vvar_vclock]",
        "7ffff7fc8000-7ffff7fca000 [vdso]",
        "7ffffffde000-7ffffffff000 [stack]",
    )


def test_every_part_of_the_dynamic_linkers_work_is_told():
    log = pictures("exec")[-1].steps
    assert log is not None
    made = [step for step in log.steps if step.made]
    assert len(made) == 28
    silent = {step.text.partition("(")[0] for step in made if not step.narration}
    assert silent == {
        "mmap", "openat", "newfstatat", "close", "pread64", "arch_prctl", "set_tid_address", "set_robust_list", "rseq"
    }  # fmt: skip


def test_exit_frees_what_only_the_process_had():
    anon, tables, shmem, cached = (
        [kib("exit", figure, step) for step in (14, 15, 16)]
        for figure in ("AnonPages", "PageTables", "Shmem", "Cached")
    )
    assert anon == [10360, 8308, 0]
    assert tables == [92, 48, 0]
    assert shmem == [256, 256, 0]
    assert cached == [1508, 1508, 1252]
    assert kib("exit", "Dirty", 16) == 64


if __name__ == "__main__":
    # Writes the figures anew: look at the difference before it is kept.
    with FIGURES.open("w", newline="") as kept:
        writer = csv.writer(kept, lineterminator="\n")
        for story in (
            "exec", "exit", "brk-and-mmap", "free-and-trim",
            "oom", "oom-then-and-now", "oom-vip", "overcommit", "shared-file", "copy-on-write", "anonymous",
            "shared-anonymous", "drop-caches", "tmpfs", "shm-leak", "kswapd", "swappiness", "tour",
            "oom-cgroup",
        ):  # fmt: skip
            for number, picture in enumerate(pictures(story), 1):
                line = row(story, number, picture)
                writer.writerow((story, number, *line.meminfo, *line.process))
