"""Shared memory, and the ranking of old, as text."""

import pytest

from memtui.draw.oom_old_table import OldOomTable, old_arithmetic
from memtui.draw.run import plain
from memtui.draw.sharing_rows import sharing_rows
from memtui.model.oom import OomDomain
from memtui.model.oom_legacy import LegacyTask
from memtui.model.sharing import Segment, SegmentKind, Sharing, TmpfsMount
from memtui.model.snapshot import Snapshot
from memtui.model.system import SystemSnapshot
from memtui.model.task import Task

MIB = 1 << 20
SHARING = Sharing(
    (
        Segment(SegmentKind.SYSV, "id 7, key 0x51", 8 * MIB, 5 * MIB, 3 * MIB, 0, 1000),
        Segment(SegmentKind.MEMFD, "memfd:pool", MIB, MIB, 0, 3, 0, removed=True),
        Segment(SegmentKind.POSIX, "/dev/shm/other", 2 * MIB, None, None, None, 5, why="it cannot be opened: denied"),
    ),
    (TmpfsMount("/dev/shm", "tmpfs", 100 * MIB, 50 * MIB, 9), TmpfsMount("/x", "ramfs", None, None, None, "no count")),
    unknown={"users": "1 process is closed"},
)


def test_all_figures_where_there_is_room() -> None:
    rows = [" ".join(plain(row).split()) for row, _ in sharing_rows(SHARING, 110)]
    assert rows == [
        "file systems in memory",
        "/dev/shm ▒▒▒▒▒····· 50 MiB of 100 MiB · 9 inodes · tmpfs",
        "/x — no count",
        "shared memory segments: 3",
        "! 1 segment that nobody uses: 8 MiB until removed (ipcrm, rm)",
        "kind name size in RAM swapped used by",
        "! SysV id 7, key 0x51 (uid 1000) 8 MiB 5 MiB 3 MiB nobody",
        "memfd memfd:pool (uid 0, removed) 1 MiB 1 MiB 0 B 3",
        "file /dev/shm/other (uid 5) 2 MiB — — —",
        "— it cannot be opened: denied",
        "— users 1 process is closed",
    ]


@pytest.mark.parametrize("width", [40, 49, 65])
def test_what_is_in_memory_and_who_uses_it_where_there_is_less(width: int) -> None:
    rows = [plain(row) for row, _ in sharing_rows(SHARING, width)]
    assert max(map(len, rows)) <= width
    joined = [" ".join(row.split()) for row in rows]
    assert any(row.startswith("! SysV id 7") and row.endswith("5 MiB nobody") for row in joined)
    assert "3 MiB of 8 MiB on swap" in joined
    assert any(row.startswith("/dev/shm 50 MiB of 100 MiB") for row in joined)


def test_the_old_rule_ranks_by_address_space_children_and_age() -> None:
    tasks = tuple(
        Task(pid, comm, total_vm=vm, rss_pages=1, swap_pages=0, pgtable_pages=1, oom_score_adj=adj)
        for pid, comm, vm, adj in ((2, "big", 9000, 0), (3, "parent", 4000, 0), (4, "exempt", 9000, -1000))
    )
    legacy = {
        2: LegacyTask(2, "big", 9000, cpu_jiffies=100 << 13, run_seconds=0),
        3: LegacyTask(3, "parent", 4000, children=(2000, 2000)),
        4: LegacyTask(4, "exempt", 9000),
    }
    system = SystemSnapshot("6.18", {"MemTotal": 1 << 20, "SwapTotal": 0})
    snapshot = Snapshot("live", "x", system, tasks, OomDomain(None, 1 << 18, "RAM + swap"), legacy=legacy)
    for width in (49, 100):
        table = OldOomTable(snapshot, width)
        rows = [plain(table.row(row)) for row in range(len(table))]
        assert max(map(len, rows)) <= width
        assert rows[0].split()[:5] == ["#", "pid", "name", "points", "size"]
        # 4000 + 2 x 1001 points; 9000 over the root of 800 of CPU time.
        assert rows[1].split()[:5] == ["†", "1", "3", "parent", "6,002"]
        assert rows[2].split()[:4] == ["2", "2", "big", "321"]
        assert "1 more" in rows[3]
        assert table.distance(1) == "dies first, by 5,681 points"
    lines = [" ".join(plain(row).split()) for row in old_arithmetic(legacy[3], 70)]
    assert lines[:3] == ["the rule before 2.6.36", "total_vm 4,000 points", "+ half of 2 children 6,002 points"]
