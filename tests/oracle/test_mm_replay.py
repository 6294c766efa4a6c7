"""Random series as strace logs: what the running kernel answered, replayed from execve on as a user would do it."""

import os
import re
from collections.abc import Sequence
from errno import errorcode
from pathlib import Path as FilePath

import pytest

from memtui.elf_reader import read_elf
from memtui.live.host import LiveHost
from memtui.model.event import EventKind
from memtui.model.pages import Residence
from memtui.model.request import Focus, Seek
from memtui.model.snapshot import Snapshot
from memtui.model.vma import Vma
from memtui.sim.source import SimSource
from memtui.trace.parser import parse
from tests.oracle.mm_mixes import MIXES, UNPRIVILEGED
from tests.oracle.mm_ops import PAGE, Area, Arg, Key, Path, line, told_flags
from tests.oracle.mm_real import Place, Real, missing
from tests.oracle.mm_series import Bindings, Seed, Step, generate
from tests.oracle.mm_sim import Pages, real_pages

pytestmark = [pytest.mark.oracle, pytest.mark.skipif(missing() is not None, reason=missing() or "")]
STEPS = 200
MIXES_HERE = [mix for mix in [*MIXES, "all"] if mix not in {*UNPRIVILEGED, "stack"}]
"""Not those that need other rights, or grow stacks by accesses that fail: of these the log has nothing."""
ADDRESSES = frozenset({"mmap", "mremap", "brk", "shmat"})
UNTOLD = frozenset({"touch", "fork", "clone", "exit_group"})
"""Calls of whose result the line says nothing, or has it already."""
ERRNOS = {name: number for number, name in errorcode.items()}


def log(runner: FilePath, before: Pages, steps: Sequence[Step], place: Place) -> str:
    """The series in strace's format, behind the execve of the runner and what it touches before it takes commands."""
    rows = [f'[pid 1000] execve("{runner}", ["runner"], 0x0 /* 0 vars */) = 0']
    image = [(start, end) for start, end, kind in before if kind is Residence.ANON and start < 1 << 32]
    rows += [f"[pid 1000] touch({start:#x}, {end - start}, WRITE)" for start, end in image]
    known = Bindings()
    for op, result, _ in steps:
        args = tuple(_concrete(arg, place) for arg in known.resolve(op))
        known.note(op, result)
        if result.signal:
            # The runner catches it; a program of a trace would die. What was reached before counts.
            if not result.value:
                continue
            start = args[0] if isinstance(args[0], int) else 0
            args = (start, result.value * PAGE - start % PAGE, args[2])
        text = line(op._replace(args=args), {})
        if result.errno:
            text += f" = -1 {result.errno} ({os.strerror(ERRNOS.get(result.errno, 0))})"
        elif op.name not in UNTOLD:
            text += f" = {result.value:#x}" if op.name in ADDRESSES else f" = {result.value}"
        rows += _by_descriptor(text if op.proc else f"[pid 1000] {text}", op.name)
    return "\n".join(rows) + "\n"


def _by_descriptor(text: str, name: str) -> list[str]:
    """The same where a call names its process by a descriptor, which the runner opens out of sight."""
    if name != "process_madvise":
        return [text]
    who, pid, rest = re.match(r"(\[pid \d+\] )process_madvise\((\d+)(.*)", text, re.DOTALL).groups()
    return [f"{who}pidfd = pidfd_open({pid}, 0)", f"{who}process_madvise(pidfd{rest}", f"{who}close(pidfd)"]


def _concrete(arg: Arg, place: Place) -> Arg:
    if isinstance(arg, Key):
        return place.key(arg)
    if isinstance(arg, Path):
        return Path(place.path(arg).removesuffix(f"/{arg.name}"), arg.name)
    return arg


def key(vma: Vma) -> int:
    return (vma.smaps.protection_key or 0) if vma.smaps is not None else 0


def areas(snapshot: Snapshot) -> list[Area]:
    assert snapshot.mm is not None
    return [
        Area(vma.start, vma.end, vma.perms, vma.offset, vma.name, told_flags(" ".join(vma.vm_flags or ()), key(vma)))
        for vma in snapshot.mm.vmas
    ]


@pytest.mark.parametrize("mix", MIXES_HERE)
def test_a_log_of_random_calls_comes_out_as_it_went_in(mix: str, runner: FilePath, place: Place) -> None:
    with Real(runner, place) as real:
        before = real_pages(real.pids[0])
        steps = list(generate(real, Seed(mix, 4000), STEPS))
        after = {1000 + slot: list(real.picture(slot).areas) for slot in real.pids}
        text = log(runner, before, steps, place)
        # As long as the runner is there no other test changes the machine's mode of overcommit.
        source = SimSource(parse(text), LiveHost(read_elf), mix)
    snapshot = source.apply(Seek(1 << 62))
    assert snapshot.steps is not None
    differ = [
        f"{step.number} {step.text}: {event.text}"
        for step in snapshot.steps.steps
        for event in step.events
        if event.kind is EventKind.DIVERGENCE
    ]
    assert differ == []
    for pid, there in after.items():
        assert areas(source.apply(Focus(pid))) == there
