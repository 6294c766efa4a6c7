"""What 2.6.32 weighed besides memory, from steps of a trace: the worked example of badness(), line by line."""

from memtui.model.oom_legacy import arithmetic
from memtui.scenarios.host import ScenarioHost
from memtui.sim.kernel.oom_kill import legacy_figures
from memtui.sim.machine import Machine
from memtui.trace.parser import parse

TRACE = """machine(ram=1G, swap=0, kernel="2.6.32")
m = mmap(NULL, 99M, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)
fork() = 1001
[pid 1000] burn(100)
[pid 1000] sleep(35900)
[pid 1000] nice(5)
echo 2 > /proc/1000/oom_adj
"""


def run(text: str) -> Machine:
    program = list(parse(text).statements)
    machine = Machine(ScenarioHost(), program)
    while machine.position < len(program):
        machine.step()
    return machine


def test_every_term():
    machine = run(TRACE)
    kernel = machine.world.kernel
    parent, child = kernel.tasks[1000], kernel.tasks[1001]
    figures = legacy_figures(kernel, parent)
    assert (figures.cpu_jiffies, figures.run_seconds, figures.nice) == (25_000, 36_000, 5)
    terms = [(term.what, term.points) for term in arithmetic(figures)]
    total = parent.mm.total_vm
    points = [total, total + child.mm.total_vm // 2 + 1]
    points.append(points[-1] // 3)  # 25,000 >> 11 = 12
    points.append(points[-1] // 2)  # 36,000 >> 10 = 35
    points.append(points[-1] * 2)
    points += [points[-1] // 4, points[-1] // 4 // 4]
    assert [value for _, value in terms[:7]] == points
    assert terms[7][0] == "oom_adj: << 1"  # 2 becomes 117 of 1000, and that reads as 1


def test_who_gives_up_root_is_no_longer_spared():
    machine = run("machine(ram=64M, swap=0)\nfork() = 1001\n[pid 1001] setuid(1000)\n[pid 1001] nice(-5)\n")
    child = machine.world.kernel.tasks[1001]
    assert (child.uid, child.caps, child.nice) == (1000, frozenset(), 0)
    assert not legacy_figures(machine.world.kernel, child).sys_admin


def test_a_child_is_younger():
    machine = run("machine(ram=64M, swap=0)\nsleep(5000)\nfork() = 1001\n[pid 1000] sleep(3000)\n")
    kernel = machine.world.kernel
    assert legacy_figures(kernel, kernel.tasks[1000]).run_seconds == 8000
    assert legacy_figures(kernel, kernel.tasks[1001]).run_seconds == 3000
