"""The stories of brk, mmap, free and trim: what each call gave, asked of the kernel, and left in [heap]."""

from typing import Final

import pytest

from memtui.model.mm import MmSnapshot
from memtui.model.vma import Vma, VmaKind
from tests.scenarios.test_memory_stories import pictures

_ANON: Final = "PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0"
Left = tuple[str, int, tuple[tuple[int, int], ...], tuple[str, ...]]
"""Result, pages of [heap], page number and pages of each run of resident ones, system calls."""
BRK_AND_MMAP: Final[dict[int, Left]] = {
    3: ("0x5555555592a0", 33, ((0, 1),), ("brk(NULL)", "brk(0x55555557a000)")),
    4: ("0x555555559310", 33, ((0, 1), (24, 1)), ()),
    5: ("0x5555555719c0", 82, ((0, 1), (24, 1), (49, 1)), ("brk(0x5555555ab000)",)),
    6: ("0", 82, ((0, 1), (24, 26)), ()),
    7: ("0x55555558a070", 82, ((0, 1), (24, 26), (81, 1)), ()),
    8: ("0x7ffff7fa1010", 82, ((0, 1), (24, 26), (81, 1)), (f"mmap(NULL, 135168, {_ANON})",)),
    9: ("0x7ffff7eac010", 82, ((0, 1), (24, 26), (81, 1)), (f"mmap(NULL, 1003520, {_ANON})",)),
    10: ("0", 82, ((0, 1), (24, 26), (81, 1)), ()),
    11: ("<void>", 82, ((0, 1), (24, 26), (81, 1)), ("munmap(0x7ffff7eac000, 1003520)",)),
    12: ("0x5555555aa060", 358, ((0, 1), (24, 26), (81, 1), (325, 1)), ("brk(0x5555556bf000)",)),
    13: ("<void>", 358, ((0, 1), (24, 26), (81, 1), (325, 1)), ()),
    14: ("0x555555700000", 358, ((0, 1), (24, 26), (81, 1), (325, 1)), ()),
    15: (
        "0x7ffff7c00010",
        358,
        ((0, 1), (24, 26), (81, 1), (325, 1), (357, 1)),
        ("brk(0x5555557b3000)", f"mmap(NULL, 2097152, {_ANON})"),
    ),
    16: ("0x7ffff7cf4260", 358, ((0, 1), (24, 26), (81, 1), (325, 1), (357, 1)), ()),
}
FREE_AND_TRIM: Final[dict[int, Left]] = {
    3: ("0x7ffff7bc1010", 33, ((0, 1),), ("brk(NULL)", "brk(0x55555557a000)", f"mmap(NULL, 4198400, {_ANON})")),
    4: ("0x5555555592a0", 33, ((0, 1), (14, 1)), ()),
    5: ("0x555555567d10", 33, ((0, 1), (14, 1), (29, 1)), ()),
    6: ("0x555555576780", 77, ((0, 1), (14, 1), (29, 1), (44, 1)), ("brk(0x5555555a6000)",)),
    7: ("0x5555555851f0", 77, ((0, 1), (14, 1), (29, 1), (44, 1)), ()),
    8: ("0", 77, ((0, 45),), ()),
    9: ("<void>", 77, ((0, 45),), ()),
    10: ("<void>", 77, ((0, 45),), ()),
    11: ("<void>", 77, ((0, 45),), ()),
    12: ("0x5555555592a0", 77, ((0, 45),), ()),
    13: ("<void>", 77, ((0, 45),), ()),
    14: ("1", 45, ((0, 1), (44, 1)), ("madvise(0x55555555a000, 176128, MADV_DONTNEED)", "brk(0x555555586000)")),
    15: ("0x5555555592a0", 45, ((0, 1), (14, 1), (44, 1)), ()),
    16: ("0", 45, ((0, 15), (44, 1)), ()),
    17: ("<void>", 45, ((0, 15), (44, 1)), ()),
    18: ("<void>", 33, ((0, 15),), ("brk(0x55555557a000)",)),
    19: ("0", 33, ((0, 15),), ()),
    20: ("<void>", 33, ((0, 15),), ("munmap(0x7ffff7bc1000, 4198400)",)),
    21: ("0x5555555592a0", 1057, ((0, 15), (1024, 1)), ("brk(0x55555597a000)",)),
    22: ("0", 1057, ((0, 1025),), ()),
    23: ("<void>", 1057, ((0, 1025),), ()),
    24: ("1", 1, ((0, 1),), ("brk(0x55555555a000)",)),
}


def mm_of(name: str, step: int) -> MmSnapshot:
    mm = pictures(name)[step - 1].mm
    assert mm is not None
    return mm


def heap_of(name: str, step: int) -> Vma | None:
    return next((vma for vma in mm_of(name, step).vmas if vma.kind is VmaKind.HEAP), None)


def left(name: str, step: int) -> Left:
    steps, heap = pictures(name)[step - 1].steps, heap_of(name, step)
    assert steps is not None
    assert heap is not None
    ran = steps.steps[step - 1]
    calls = [call.partition(" = ")[0].rstrip() for call in ran.calls]
    return (
        ran.text.rpartition(" = ")[2],
        heap.pages,
        tuple(((run.start - heap.start) >> 12, run.pages) for run in heap.runs or ()),
        tuple(call for call in calls if not call.startswith("getrandom")),
    )


@pytest.mark.parametrize(("name", "steps"), [("brk-and-mmap", BRK_AND_MMAP), ("free-and-trim", FREE_AND_TRIM)])
def test_every_call_gives_and_leaves_what_is_told(name: str, steps: dict[int, Left]):
    assert {step: left(name, step) for step in steps} == steps
    assert len(pictures(name)) == max(steps) + 1
    assert heap_of(name, 2) is None


def anonymous(name: str, step: int) -> list[tuple[str, int]]:
    """Permissions and pages of the VMAs without a name."""
    return [(vma.perms, vma.pages) for vma in mm_of(name, step).vmas if vma.kind is VmaKind.ANON]


def test_two_mapped_chunks_are_one_vma_until_one_is_freed():
    seen = [anonymous("brk-and-mmap", step) for step in (7, 8, 9, 11, 15)]
    one = ("rw-p", 33)
    assert seen == [[], [one], [("rw-p", 278)], [one], [("---p", 1), ("rw-p", 512), one]]


@pytest.mark.parametrize(
    ("name", "step", "change"),
    [("brk-and-mmap", 6, 96), ("brk-and-mmap", 10, 976), ("free-and-trim", 14, -172), ("free-and-trim", 20, -4100)],
)
def test_rss_changes_by_what_the_story_says(name: str, step: int, change: int):
    after, before = (mm_of(name, number).counters.rss_anon for number in (step, step - 1))
    assert after is not None
    assert before is not None
    assert after - before == change


def test_what_is_freed_in_the_heap_stays_resident():
    assert {mm_of("free-and-trim", step).counters.rss_anon for step in range(8, 14)} == {196}
    assert [mm_of("free-and-trim", step).counters.rss_anon for step in (19, 22, 23, 24)] == [4172, 4112, 4112, 16]
