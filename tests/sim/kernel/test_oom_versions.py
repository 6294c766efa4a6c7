"""The same trace on kernels of several ages: who dies, by which arithmetic, and where new pages start."""

import pytest

from memtui.model.event import EventKind
from memtui.sim.meminfo import meminfo
from tests.sim.kernel.test_reclaim import machine

TRACE = """machine(ram=64M, swap=0, kernel="{release}", cache="cold")
prctl(PR_SET_NAME, "parent")
echo 1 > /proc/sys/vm/overcommit_memory
big = mmap(NULL, 200M, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)
fork() = 1001
[pid 1001] prctl(PR_SET_NAME, "child")
[pid 1001] munmap(big, 200M)
[pid 1001] mine = mmap(NULL, 4M, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)
[pid 1001] touch(mine, 4M, WRITE)
touch(big, 100M, WRITE)
"""


@pytest.mark.parametrize(
    ("release", "victim", "arithmetic"),
    [
        ("3.2", "child", "x 1000 / "),
        ("3.7", "child", "+ adj -30 x "),
        ("4.4", "child", "- 3 % for CAP_SYS_ADMIN"),
        ("5.1", "child", "+ adj 0 x "),
        ("5.2", "parent", "+ adj 0 x "),
        ("6.18", "parent", "+ adj 0 x "),
    ],
)
def test_who_dies(release: str, victim: str, arithmetic: str):
    made = machine(TRACE.format(release=release))
    killed = [event.text for event in made.events if event.kind is EventKind.OOM_KILL]
    assert f"({victim})" in killed[0].partition("total-vm")[0]
    assert arithmetic in killed[0]
    assert ("dies in its place" in killed[0]) == (victim == "child")


@pytest.mark.parametrize(("release", "started"), [("6.18", "inactive"), ("5.9", "inactive"), ("5.8", "active")])
def test_new_anonymous_pages_start_active_before_5_9(release: str, started: str):
    made = machine(
        f"""machine(ram=64M, swap=0, kernel="{release}", cache="cold")
mine = mmap(NULL, 1M, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)
shared = mmap(NULL, 512K, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0)
touch(mine, 1M, WRITE)
touch(shared, 512K, WRITE)
"""
    )
    sizes = meminfo(made.world.kernel)
    assert sizes[f"{started.capitalize()}(anon)"] >= 1024
    assert sizes["Inactive(anon)"] >= 512
