"""What the / of the map finds."""

import pytest

from memtui.draw.search import find, matches
from memtui.model.mm import MmSnapshot
from memtui.model.pages import PageRun, Residence
from memtui.model.vma import Vma, VmaKind


def vma(start: int, perms: str, name: str = "", kind: VmaKind = VmaKind.ANON, *runs: PageRun) -> Vma:
    return Vma(start, start + 0x2000, perms, 0, (0, 0), 0, name, kind, runs=runs)


MM = MmSnapshot(
    1,
    "demo",
    (
        vma(0x10000, "r-xp", "/bin/demo", VmaKind.FILE),
        vma(0x20000, "rw-p", "[heap]", VmaKind.HEAP, PageRun(0x20000, 1, Residence.ANON)),
        vma(0x30000, "rwxp"),
        vma(0x40000, "rw-s", "/dev/zero (deleted)", VmaKind.SHARED_ANON, PageRun(0x40000, 2, Residence.SHMEM)),
        vma(0x50000, "---p"),
    ),
)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("demo", [0x10000]),
        ("HEAP", [0x20000]),
        ("anon", [0x30000, 0x50000]),
        ("shared anon", [0x40000]),
        ("rw??", [0x20000, 0x30000, 0x40000]),
        ("rw-p", [0x20000]),
        ("?w?s", [0x40000]),
        ("----", []),
        ("---p", [0x50000]),
        ("w+x", [0x30000]),
        ("kind:heap", [0x20000]),
        ("kind:shared anon", [0x40000]),
        ("kind:", []),
        ("in:anon", [0x20000]),
        ("in:page cache", []),
        ("in:shm", [0x40000]),
        ("0x21fff-40001", [0x20000, 0x30000, 0x40000]),
        ("22000-30000", []),
        ("   ", []),
    ],
)
def test_every_match_in_turn_and_round_the_end(wanted: str, found: list[int]) -> None:
    assert matches(MM, wanted) == len(found)
    here, seen = 0, []
    for _ in found:
        here = find(MM, wanted, here) or 0
        seen.append(here)
    assert seen == found
    if found:
        assert find(MM, wanted, here) == found[0]
        assert find(MM, wanted, found[0] + 0x1234, direction=-1) == found[-1]


def test_an_address_may_lie_in_a_hole() -> None:
    assert find(MM, "0x23456", 0) == 0x23456
    assert find(MM, "23456", 0) == 0x23456
    assert find(MM, "1" * 17, 0) is None
    assert find(MM, "-5", 0) is None
    assert find(MM, "nowhere", 0) is None
