"""The roll-up by kind."""

import pytest

from memtui.draw.bar import stacked_bar
from memtui.draw.run import plain
from memtui.draw.usage import UsageTable, tables
from memtui.draw.usage_sums import IMAGES, SLICE, UsageSums, of_vma
from memtui.model.mm import MmCounters, MmSnapshot
from memtui.model.pages import PageRun, Residence
from memtui.model.vma import Vma, VmaKind
from tests.draw.pictures import CAT, HEAP_VMA, LIBC_DATA, LIBC_VMA, SHM, STACK_VMA, VVAR, run, text, vma

DATA = vma(0x600000, 10, "rw-s", "/var/db/data", VmaKind.FILE, run(0x600000, 0, 7, Residence.PAGE_CACHE), inode=77)
MM = MmSnapshot(
    1, "x", (DATA, CAT, HEAP_VMA, LIBC_VMA, LIBC_DATA, SHM, VVAR, STACK_VMA), MmCounters(vm_pte=44), exe="/usr/bin/cat"
)


FIRST = 0x7000_0000_0000


def anon(start: int, *runs: PageRun) -> Vma:
    return vma(start, 1, "rw-p", "", VmaKind.ANON, *runs)


def table_of(mm: MmSnapshot, width: int, kind: str | None = None, *, swap: int | None = None) -> UsageTable:
    *_, table = tables(UsageSums(), mm, width, kind, swap=swap)
    assert table is not None
    return table


def test_kinds_are_summed_and_the_largest_comes_first() -> None:
    kinds = [(usage.name, usage.size, usage.resident, usage.swapped, usage.vmas) for usage in table_of(MM, 80).entries]
    assert kinds == [
        ("heap (brk)", 399, 300, 12, 1),
        (IMAGES, 5 + 341 + 2, 5 + 203 + 1, 0, 3),
        ("mapped files", 10, 7, 0, 1),
        ("stack", 33, 3, 0, 1),
        ("shared memory", 4, 3, 0, 1),
        ("the kernel's", 4, None, None, 1),
    ]


def test_the_vmas_of_a_kind() -> None:
    table = table_of(MM, 80, IMAGES)
    assert [usage.example for usage in table.entries] == [LIBC_VMA, CAT, LIBC_DATA]
    assert table.usage_at(0) is None
    assert table.usage_at(1) == of_vma(LIBC_VMA)
    assert table.usage_at(4) is None
    assert table_of(MM, 80, "no such kind").kind is None


def test_the_table_says_what_is_not_measured() -> None:
    table = table_of(MM, 76)
    rows = text(tuple(table.row(index) for index in range(len(table))))
    assert rows[0].split() == ["in", "RAM", "size", "swapped", "share"]
    assert " ".join(rows[1].split()) == "heap (brk) 1 VMA █████████ 1.2 MiB 1.6 MiB 48 KiB 57 %"
    assert rows[6].split() == ["the", "kernel's", "1", "VMA", "—", "16", "KiB", "—", "—"]
    assert rows[7].split() == ["page", "tables", "44", "KiB"]
    assert " ".join(" ".join(rows[8:]).split()) == (
        "reclaimable 860 KiB if clean (page cache); 1.2 MiB only to swap (anon, shmem); 1 VMA is not measured"
    )


def test_the_bar_of_a_kind_says_what_it_is_made_of_and_swap_has_a_column_if_there_is_any() -> None:
    wide, narrow = (text(tuple(map(table_of(MM, width).row, range(3)))) for width in (90, 50))
    assert wide[1].split()[4] == "█" * 17
    assert wide[2].split()[4] == "▓" * 12
    assert narrow[0].split() == ["in", "RAM", "swapped", "share"]
    assert narrow[1].split()[-2:] == ["57", "%"]
    assert plain(stacked_bar([(1, "a", "text"), (1, "b", "text"), (2, "c", "text")], 8, 8)) == "abcc    "
    assert plain(stacked_bar([(1, "a", "text"), (1000, "b", "text")], 1001, 4)) == "bbbb"
    assert plain(stacked_bar([(0, "a", "text"), (1, "b", "text")], 1000, 4)) == "b   "
    assert plain(stacked_bar([], 0, 3)) == "   "


def test_what_of_it_reclaim_could_take_is_on_the_screen_without_scrolling() -> None:
    for kind in (None, "heap (brk)"):
        table = table_of(MM, 80, kind, swap=0)
        rows = text(tuple(table.row(index) for index in range(10)))
        assert any(row.strip().startswith("reclaimable") and "only to swap: there is none" in row for row in rows)
    assert table.row(1000) == ()


@pytest.mark.parametrize("width", [1, 20, 37, 38, 60, 120])
def test_it_fits(width: int) -> None:
    for kind in (None, IMAGES):
        table = table_of(MM, width, kind)
        assert all(len(plain(table.row(index))) <= width for index in range(-1, len(table) + 1))


def test_of_the_next_picture_only_what_is_new_is_looked_at() -> None:
    many = tuple(
        anon(start, run(start, 0, 1, Residence.ANON)) for start in range(FIRST, FIRST + (2 * SLICE + 1 << 13), 1 << 13)
    )
    sums = UsageSums()
    assert len(list(sums.take(many))) == 2
    # One of which a page is gone; another one less, and one more; one more in front of all: as a fresh look has it.
    gone = many[5]._replace(runs=())
    one_less_one_more = (*many[:5], gone, *many[7:], anon(0x7FFF_0000_0000))
    for later, slices in (
        ((*many[:5], gone, *many[6:]), 0),
        (one_less_one_more, 3),
        ((anon(0x1000), *one_less_one_more), 0),
    ):
        assert len(list(sums.take(later))) == slices
        fresh = UsageSums()
        assert list(fresh.take(later)) == [None, None]
        assert [usage._replace(example=gone) for usage in sums.kinds()] == [
            usage._replace(example=gone) for usage in fresh.kinds()
        ]
    assert sums.largest("anonymous").resident == 1
    assert {usage.example for usage in [*sums.of_kind("anonymous")][-1][-2:]} == {later[-1], gone}


def test_a_file_is_an_image_as_long_as_a_part_of_it_can_be_executed() -> None:
    sums = UsageSums()
    both = (LIBC_VMA, LIBC_DATA)
    for vmas, name in ((both, IMAGES), ((LIBC_DATA,), "mapped files"), (both, IMAGES)):
        list(sums.take(vmas))
        assert [(usage.name, usage.vmas) for usage in sums.kinds()] == [(name, len(vmas))]


def test_work_that_is_left_changes_nothing() -> None:
    many = tuple(anon(start) for start in range(FIRST, FIRST + (2 * SLICE + 1 << 13), 1 << 13))
    sums = UsageSums()
    list(sums.take(many[:10]))
    next(sums.take(many))
    assert [usage.vmas for usage in sums.kinds()] == [10]
