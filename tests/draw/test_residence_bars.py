"""The ledger of all memory as text."""

from dataclasses import replace

from memtui.draw.header import header_row
from memtui.draw.ledger import process_attributes, process_counters, system_ledger
from memtui.draw.residence_bars import residence_rows
from memtui.draw.run import plain
from memtui.model.cgroup import GroupRoom
from memtui.model.mm import MmCounters, MmSnapshot
from memtui.model.snapshot import Snapshot
from memtui.model.system import SystemSnapshot
from memtui.model.vma import Smaps
from tests.draw.pictures import CAT, HEAP_VMA, PROCESS, SHM, VVAR, text

MEMINFO = {
    "MemTotal": 16384000,
    "MemFree": 8192000,
    "Buffers": 100000,
    "Cached": 4100000,
    "Shmem": 200000,
    "AnonPages": 2500000,
    "Slab": 400000,
    "PageTables": 30000,
    "SecPageTables": 1000,
    "KernelStack": 9000,
    "Percpu": 3000,
    "SwapTotal": 2097152,
    "SwapFree": 1048576,
    "Committed_AS": 6000000,
    "CommitLimit": 10289152,
    "Active(anon)": 1200000,
    "Inactive(anon)": 1500000,
    "Active(file)": 2000000,
    "Inactive(file)": 1900000,
    "Dirty": 120,
    "Writeback": 0,
}


def snapshot(meminfo=MEMINFO, mode=0, mm=PROCESS, unknown=None):
    system = SystemSnapshot("6.18.44", meminfo, {} if mode is None else {"overcommit_memory": mode}, unknown or {})
    return Snapshot("live", "4242 cat", system, mm=mm)


def test_process_and_system_side_by_side():
    assert text(residence_rows(snapshot(), 60)) == [
        "                            process                  system",
        "anon        ████████        1.2 MiB ██              2.4 GiB",
        "page cache  ▓▓▓▓▓           832 KiB ▓▓▓             3.8 GiB",
        "shmem       ▒                12 KiB ▒               195 MiB",
        "page tables ━                40 KiB ━              30.3 MiB",
        "slab                                ━               391 MiB",
        "kernel                              ━              11.7 MiB",
        "free                                ───────         7.8 GiB",
        "the rest                            ━                 1 GiB",
        "total                         2 MiB                15.6 GiB",
        "swapped     ░                48 KiB ░░░░░░░           1 GiB",
        "reclaimable 832 KiB if clean (page cache); 1.2 MiB only to",
        "            swap (anon, shmem); 2 VMAs are not measured",
        "active      anon 1.1 GiB · file 1.9 GiB",
        "inactive    anon 1.4 GiB · file 1.8 GiB",
        "to write    dirty 120 KiB · writeback 0 B",
        "commit      ━━━━━━━━━━━━━───────── 58 % · 5.7 GiB of 9.8 GiB",
        "mode        0 · heuristic: refuses one request above RAM +",
        "            swap",
    ]


def test_a_narrow_pane_has_figures_only():
    assert text(residence_rows(snapshot(), 36))[:5] == [
        "               process     system",
        "anon           1.2 MiB    2.4 GiB",
        "page cache     832 KiB    3.8 GiB",
        "shmem           12 KiB    195 MiB",
        "page tables     40 KiB   30.3 MiB",
    ]


def test_the_ledger_adds_up_to_all_memory():
    for hugetlb in ({}, {"Hugetlb": 20480}):
        entries = system_ledger(SystemSnapshot("6.18.44", MEMINFO | hugetlb), None)
        assert sum(entry.system for entry in entries) == MEMINFO["MemTotal"]
        assert [entry.name for entry in entries if entry.name == "huge pages"] == ["huge pages"] * len(hugetlb)


def test_counters_that_lag_may_leave_less_than_nothing():
    assert text(residence_rows(snapshot(MEMINFO | {"AnonPages": 3600000}), 60))[8].split() == [
        "the",
        "rest",
        "-49.8",
        "MiB",
    ]


def test_unknown_figures_are_dashes_with_the_reason():
    rows = text(residence_rows(snapshot({}, None, None, {"meminfo": "permission denied"}), 60))
    assert rows[1] == "anon                              —                       —"
    assert rows[8] == "the rest                                                  —"
    assert rows[-4:] == [
        "commit      — · — of —",
        "mode        — not told",
        "— meminfo   permission denied",
        "— process   no process in focus",
    ]


def test_the_cgroup_that_limits_the_process() -> None:
    limited = replace(snapshot(), group=GroupRoom("/web", 3 << 18, 1 << 20))
    rows = text(residence_rows(limited, 60))
    nth = next(nth for nth, row in enumerate(rows) if row.startswith("limit"))
    assert rows[nth].endswith(" 75 % · 768 MiB of 1 GiB")
    assert rows[nth + 1].strip() == "of cgroup /web, cache included"
    assert "cgroup 75 % of 1 GiB" in plain(header_row(limited, 80))


def test_strict_mode_over_its_limit():
    rows = residence_rows(snapshot(MEMINFO | {"Committed_AS": 12000000}, 2), 60)
    assert "bar.commit.over" in [run.role for run in rows[16]]
    assert text(rows)[17] == "mode        2 · strict: refuses what goes over the limit"


def test_a_kernel_that_does_not_split_rss_has_the_pages_counted():
    mm = MmSnapshot(1, "x", (CAT, HEAP_VMA, SHM), MmCounters(vm_rss=1232))
    counters = process_counters(mm)
    assert (counters.rss_anon, counters.rss_file, counters.rss_shmem, counters.vm_swap) == (1200, 20, 12, 48)
    # One VMA was not measured, so no sum is true.
    assert process_counters(MmSnapshot(1, "x", (CAT, VVAR))).rss_anon is None


def test_the_sums_of_smaps_follow_the_vmas() -> None:
    def mm_of(*dirty: int | None) -> MmSnapshot:
        vmas = (
            HEAP_VMA._replace(smaps=None if size is None else Smaps(132, private_dirty=size, shared_dirty=1))
            for size in dirty
        )
        return MmSnapshot(1, "x", tuple(vmas))

    first = mm_of(4, 8)
    assert process_attributes(first) == {"dirty": 14}
    # One goes and another comes; one that is not measured; none at all; the first ones again.
    assert process_attributes(replace(first, vmas=(first.vmas[1], *mm_of(100).vmas))) == {"dirty": 110}
    assert process_attributes(replace(first, vmas=(*first.vmas, *mm_of(None).vmas))) is None
    assert process_attributes(mm_of()) is None
    assert process_attributes(first) == {"dirty": 14}
