"""What the OOM reaper can take of a victim, and what only its exit frees."""

import pytest

from memtui.model.event import EventKind
from memtui.scenarios.host import ScenarioHost
from memtui.sim.kernel.oom_reap import Reap, reap
from memtui.sim.machine import Machine
from memtui.trace.parser import parse

LIFE = """machine(ram=64M, swap=0, kernel="{kernel}")
[pid 1000] fork() = 1001
[pid 1001] a = mmap(NULL, 1M, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)
[pid 1001] touch(a, 1M, WRITE)
[pid 1001] l = mmap(NULL, 64K, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)
[pid 1001] mlock(l, 64K)
[pid 1001] s = mmap(NULL, 512K, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0)
[pid 1001] touch(s, 512K, WRITE)
[pid 1001] fork() = 1002
[pid 1002] touch(a, 256K, WRITE)
[pid 1001] b = mmap(NULL, 16M, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)
[pid 1001] touch(b, 128K, WRITE)
"""


def run(text: str) -> Machine:
    program = list(parse(text, "test.trace").statements)
    machine = Machine(ScenarioHost(), program)
    while machine.position < len(program):
        machine.step()
        machine.check()
    return machine


@pytest.mark.parametrize(("kernel", "left"), [("6.18", 0), ("5.10", 16)])
def test_shared_pages_stay_and_mlocked_ones_by_version(kernel: str, left: int) -> None:
    machine = run(LIFE.format(kernel=kernel))
    task = machine.world.kernel.tasks[1001]
    # Its own: 64 pages that the child copied away, 32 of b, and the locked 16, which the child shares until it is gone.
    assert reap(machine.world.kernel.profile, task.mm) == Reap(64 + 32, 0, task.mm.pages.tables)
    machine = run(LIFE.format(kernel=kernel) + "[pid 1002] exit_group(0)\n")
    kept = reap(machine.world.kernel.profile, machine.world.kernel.tasks[1001].mm)
    assert kept[:2] == (256 + 16 - left + 32, left)


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        ("6.18", "if it does not exit within 2 s the OOM reaper frees {:,} pages (anonymous, in no other process)"),
        ("5.10", "at once the OOM reaper frees {:,} pages"),
        ("4.4", "only when it exits: this kernel has no OOM reaper"),
    ],
)
def test_the_event_of_a_kill_says_it(kernel: str, words: str) -> None:
    machine = run(f"""machine(ram=32M, swap=0, kernel="{kernel}")
[pid 1000] fork() = 1001
[pid 1001] m = mmap(NULL, 64M, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0)
[pid 1001] touch(m, 24M, WRITE)
[pid 1000] n = mmap(NULL, 16M, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0)
[pid 1000] touch(n, 12M, WRITE)""")
    assert any("Killed process 1001" in event.text for event in machine.events if event.kind is EventKind.OOM_KILL)
    notes = [event.text for event in machine.events if event.kind is EventKind.NOTE]
    assert [note for note in notes if note.startswith("process 1001") and words.format(24 * 256) in note]
