"""The machine's memory as text."""

import pytest

from memtui.draw.machine_rows import machine_rows
from memtui.draw.run import plain
from memtui.model.mm import MmCounters, MmSnapshot
from memtui.model.snapshot import Snapshot
from memtui.model.system import SwapDevice, SystemSnapshot, Zone

INFO = {
    "MemTotal": 1 << 20,
    "SwapTotal": 1 << 19,
    "SwapFree": 1 << 18,
    "Cached": 300 << 10,
    "Buffers": 20 << 10,
    "Shmem": 10 << 10,
    "Mapped": 60 << 10,
    "Dirty": 30 << 10,
    "Writeback": 0,
    "SReclaimable": 8 << 10,
    "Active(anon)": 1 << 10,
    "Inactive(anon)": 3 << 10,
    "Active(file)": 100 << 10,
    "Inactive(file)": 200 << 10,
    "Unevictable": 0,
    "Committed_AS": 600 << 10,
    "CommitLimit": 1000 << 10,
}
SYSTEM = SystemSnapshot(
    "6.18",
    INFO,
    {"swappiness": 60, "overcommit_memory": 2, "admin_reserve_kbytes": 8 << 10, "user_reserve_kbytes": 128 << 10},
    zones=(Zone("DMA32", 1000, 90, 20, 100, 200), Zone("Normal", 1000, 10, 20, 100, 200)),
    vmstat={"pgscan_kswapd": 1000, "pgsteal_kswapd": 900, "oom_kill": 2},
    swaps=(SwapDevice("/dev/zram0", "partition", 1 << 19, 1 << 18, -2),),
    pressure={"some": 1.25, "full": 0.0},
)


def rows(system: SystemSnapshot = SYSTEM, mm: MmSnapshot | None = None, width: int = 120, **more: object) -> list[str]:
    snapshot = Snapshot("live", "x", system, mm=mm)
    return [" ".join(plain(row).split()) for row in machine_rows(snapshot, width, **more)]


def test_what_the_figures_say() -> None:
    text = rows(before={"pgsteal_kswapd": 850, "oom_kill": 2})
    joined = "\n".join(text)
    assert "kswapd scanned 1,000 · taken 900 pages (90 %) · +50 since the last look" in text
    assert "OOM kills 2" in text
    assert "below low, kswapd works" in joined
    assert "below min, who allocates reclaims" in joined
    assert "drop_caches 220 MiB to 230 MiB of clean, unmapped page cache (1), and up to 8 MiB" in joined
    assert "anon and file are scanned 60 to 140" in joined
    assert "swap /dev/zram0: 256 MiB of 512 MiB used · partition, priority -2" in text
    assert "some 1.2 %, full 0.0 %" in joined


def test_what_each_mode_would_grant() -> None:
    assert "mode 0 grants now up to 1.5 GiB at once: RAM + swap" in rows()
    assert "mode 1 grants now any size" in rows()
    # 1000 - 600 MiB, less the administrator's 8 MiB, less the page that has to stay below the limit.
    assert "mode 2 grants now up to 392 MiB more to a process without CAP_SYS_ADMIN ← the mode here" in rows()
    # A 32nd of 3200 MiB is 100 MiB.
    process = MmSnapshot(1, "x", (), MmCounters(vm_size=3200 << 10))
    assert any("up to 292 MiB more to this process" in row for row in rows(mm=process))


def test_what_is_not_told_says_why() -> None:
    reasons = {key: f"no {key}" for key in ("zones", "vmstat", "pressure")}
    text = rows(SystemSnapshot("3.10", {}, {}, reasons))
    assert "zones — no zones" in text
    assert "reclaim — no vmstat" in text
    assert "pressure — no pressure" in text
    some = rows(SystemSnapshot("6.18", INFO, vmstat={"pgscan_kswapd": 5}))
    assert "kswapd scanned 5 · taken — pages (—)" in some
    assert "OOM kills —" in some
    assert any("before 5.1 a guess" in row for row in rows(SystemSnapshot("4.19.0", INFO)))
    assert "mode 2 grants now —" in text
    assert any(row.startswith("drop_caches —") for row in text)
    told = rows(SystemSnapshot("6.18", INFO, approximate={"lists": "single pages"}))
    assert told[-1] == "approximate lists: single pages"


@pytest.mark.parametrize("width", [20, 40, 69, 200])
def test_it_fits(width: int) -> None:
    assert all(len(plain(row)) <= width for row in machine_rows(Snapshot("live", "x", SYSTEM), width))
