"""The roll-up by kind."""

import pytest

from memtui.draw.run import plain
from memtui.draw.usage import IMAGES, UsageTable, by_kind, by_vma
from memtui.model.mm import MmCounters, MmSnapshot
from memtui.model.pages import Residence
from memtui.model.vma import VmaKind
from tests.draw.pictures import CAT, HEAP_VMA, LIBC_DATA, LIBC_VMA, SHM, STACK_VMA, VVAR, run, text, vma

DATA = vma(0x600000, 10, "rw-s", "/var/db/data", VmaKind.FILE, run(0x600000, 0, 7, Residence.PAGE_CACHE), inode=77)
MM = MmSnapshot(
    1, "x", (DATA, CAT, HEAP_VMA, LIBC_VMA, LIBC_DATA, SHM, VVAR, STACK_VMA), MmCounters(vm_pte=44), exe="/usr/bin/cat"
)


def test_kinds_are_summed_and_the_largest_comes_first() -> None:
    kinds = [(usage.name, usage.size, usage.resident, usage.swapped, len(usage.vmas)) for usage in by_kind(MM)]
    assert kinds == [
        ("heap (brk)", 399, 300, 12, 1),
        (IMAGES, 5 + 341 + 2, 5 + 203 + 1, 0, 3),
        ("mapped files", 10, 7, 0, 1),
        ("stack", 33, 3, 0, 1),
        ("shared memory", 4, 3, 0, 1),
        ("the kernel's", 4, None, None, 1),
    ]


def test_the_vmas_of_a_kind() -> None:
    table = UsageTable(MM, 80, IMAGES)
    assert [usage.vmas for usage in table.entries] == [(LIBC_VMA,), (CAT,), (LIBC_DATA,)]
    assert table.usage_at(0) is None
    assert table.usage_at(1) == by_vma(by_kind(MM)[1])[0]
    assert table.usage_at(4) is None
    assert UsageTable(MM, 80, "no such kind").kind is None


def test_the_table_says_what_is_not_measured() -> None:
    table = UsageTable(MM, 76)
    rows = text(tuple(table.row(index) for index in range(len(table))))
    assert rows[0].split() == ["in", "RAM", "size", "swapped", "share"]
    assert rows[1].split() == ["heap", "(brk)", "1", "VMA", "1.2", "MiB", "1.6", "MiB", "48", "KiB", "57", "%"]
    assert rows[6].split() == ["the", "kernel's", "1", "VMA", "—", "16", "KiB", "—", "—"]
    assert rows[7].split() == ["page", "tables", "44", "KiB"]
    assert " ".join(" ".join(rows[8:]).split()) == (
        "reclaimable 860 KiB if clean (page cache); 1.2 MiB only to swap (anon, shmem); 1 VMA is not measured"
    )


def test_what_of_it_reclaim_could_take_is_on_the_screen_without_scrolling() -> None:
    for kind in (None, "heap (brk)"):
        table = UsageTable(MM, 80, kind, swap=0)
        rows = text(tuple(table.row(index) for index in range(10)))
        assert any(row.strip().startswith("reclaimable") and "only to swap: there is none" in row for row in rows)
    assert table.row(1000) == ()


@pytest.mark.parametrize("width", [1, 20, 37, 38, 60, 120])
def test_it_fits(width: int) -> None:
    for kind in (None, IMAGES):
        table = UsageTable(MM, width, kind)
        assert all(len(plain(table.row(index))) <= width for index in range(-1, len(table) + 1))
