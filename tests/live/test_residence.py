"""The runs of a live child, page by page, against what it says it touched."""

import os
from collections import Counter
from collections.abc import Iterable

import pytest

from memtui.live.address_space import AddressSpaceReader
from memtui.live.joined import join, meaning_of, residence_of
from memtui.live.pagemap import find_zero_pfn, walk
from memtui.live.pagemap_scan import (
    PAGE_IS_FILE,
    PAGE_IS_GUARD,
    PAGE_IS_HUGE,
    PAGE_IS_PRESENT,
    PAGE_IS_SWAPPED,
    Scanner,
)
from memtui.live.procfs import Procfs
from memtui.live.smaps import parse_rollup
from memtui.model.errors import NotSupported
from memtui.model.mm import MmSnapshot
from memtui.model.pages import PageRun, Residence
from memtui.model.vma import Vma, VmaKind

LETTERS = {
    Residence.ANON: "A",
    Residence.ZERO: "Z",
    Residence.PAGE_CACHE: "C",
    Residence.SHMEM: "S",
    Residence.GUARD: "G",
    Residence.SWAPPED: "W",
    Residence.UNKNOWN: "?",
}
RSS = (Residence.ANON, Residence.PAGE_CACHE, Residence.SHMEM)
KINDS = {
    "anon": VmaKind.ANON,
    "page_cache": VmaKind.FILE,
    "private_cow": VmaKind.FILE,
    "shared_file": VmaKind.FILE,
    "deleted": VmaKind.FILE,
    "odd_name": VmaKind.FILE,
    "forged": VmaKind.FILE,
    "shared_anon": VmaKind.SHARED_ANON,
    "memfd": VmaKind.MEMFD,
    "sysv": VmaKind.SYSV,
    "tmpfs": VmaKind.SHMEM,
    "tmpfs_cow": VmaKind.SHMEM,
}
SUMS = {
    "Rss": "rss",
    "Anonymous": "anonymous",
    "AnonHugePages": "anon_huge_pages",
    "Private_Clean": "private_clean",
    "Private_Dirty": "private_dirty",
    "Shared_Clean": "shared_clean",
    "Shared_Dirty": "shared_dirty",
    "Swap": "swap",
}
PAGE = 4096


@pytest.fixture(scope="module")
def mm(child) -> MmSnapshot:
    return AddressSpaceReader(Procfs(), child.pid).read()


def vma_at(mm: MmSnapshot, address: int) -> Vma:
    return next(vma for vma in mm.vmas if vma.start <= address < vma.end)


def ruler(runs: Iterable[PageRun], start: int, pages: int) -> str:
    """One letter a page."""
    letters = ["."] * pages
    for run in runs:
        for page in range(run.pages):
            position = (run.start - start) // PAGE + page
            if 0 <= position < pages:
                letters[position] = LETTERS[run.residence]
    return "".join(letters)


def walked(pid: int, vmas: Iterable[Vma], zero_pfn: int | None) -> list[tuple[PageRun, ...]]:
    with Procfs().opened(f"{pid}/pagemap") as fd:
        return [
            *(next(join(walk(fd, vma.start, vma.end, zero_pfn), [vma], huge_told=False)) for vma in vmas),
        ]


def test_every_touched_page_and_no_other_is_in_a_run(mm, child):
    found = {name: ruler(vma_at(mm, at).runs, at, len(want)) for name, (at, want) in child.regions.items()}
    assert found == {name: want for name, (_, want) in child.regions.items()}


def test_the_kind_of_each_mapping(mm, child):
    found = {name: vma_at(mm, child.regions[name][0]).kind for name in KINDS if name in child.regions}
    assert found == {name: kind for name, kind in KINDS.items() if name in child.regions}
    kinds = Counter(vma.kind for vma in mm.vmas)
    assert kinds[VmaKind.HEAP] >= 1
    assert kinds[VmaKind.STACK] == 1


def test_names_keep_every_byte(mm, child):
    odd = vma_at(mm, child.regions["odd_name"][0])
    assert odd.name.encode(errors="surrogateescape").endswith(b"/ two  words\\012and a \xff byte\\012 (deleted) ")
    assert vma_at(mm, child.regions["memfd"][0]).name == "/memfd:a name\\012of two lines (deleted)"
    assert vma_at(mm, child.regions["deleted"][0]).deleted
    assert vma_at(mm, child.regions["forged"][0]).name.endswith("/[heap]")


def test_the_runs_of_each_vma_sum_to_its_rss(mm):
    for vma in mm.vmas:
        pages = sum(run.pages for run in vma.runs if run.residence in RSS)
        assert vma.smaps is not None
        assert (vma.name, pages * 4) == (vma.name, vma.smaps.rss)


def test_huge_pages_are_those_of_smaps(mm):
    for vma in mm.vmas:
        huge = sum(run.pages for run in vma.runs if run.huge and run.residence in RSS)
        assert huge * 4 == vma.smaps.anon_huge_pages + vma.smaps.shmem_pmd_mapped + vma.smaps.file_pmd_mapped


def test_the_vmas_sum_to_the_rollup(child):
    # What is shared or dirty changes with other processes and with writeback: look again until it stood still.
    for _ in range(10):
        now = AddressSpaceReader(Procfs(), child.pid).read()
        rollup = parse_rollup(Procfs().read(f"{child.pid}/smaps_rollup"))
        sums = {name: sum(getattr(vma.smaps, field) for vma in now.vmas) for name, field in SUMS.items()}
        # Pss is rounded down to KiB in each VMA, and once in the rollup.
        pss = rollup["Pss"] - sum(vma.smaps.pss for vma in now.vmas)
        if sums == {name: rollup[name] for name in SUMS} and 0 <= pss <= len(now.vmas):
            break
    assert sums == {name: rollup[name] for name in SUMS}
    assert 0 <= pss <= len(now.vmas)


def test_the_runs_sum_to_the_counters(mm):
    pages = Counter()
    for vma in mm.vmas:
        for run in vma.runs:
            pages[run.residence] += run.pages
    counters = (mm.counters.rss_anon, mm.counters.rss_file, mm.counters.rss_shmem)
    assert counters == tuple(pages[residence] * 4 for residence in RSS)


def without_huge(runs: Iterable[PageRun]) -> list[tuple[int, int, Residence]]:
    """The runs as a window that does not tell huge entries sees them."""
    merged: list[tuple[int, int, Residence]] = []
    for run in runs:
        if merged and merged[-1][1] == run.start and merged[-1][2] is run.residence:
            merged[-1] = (merged[-1][0], run.end, run.residence)
        else:
            merged.append((run.start, run.end, run.residence))
    return merged


def test_pagemap_gives_the_same_runs_as_the_scan(mm, child):
    zero_pfn = find_zero_pfn(Procfs())
    if zero_pfn is None:
        pytest.skip("needs CAP_SYS_ADMIN: frame numbers are hidden")
    vmas = [vma for vma in mm.vmas if vma.name != "[vsyscall]"]
    for vma, runs in zip(vmas, walked(child.pid, vmas, zero_pfn), strict=True):
        assert without_huge(runs) == without_huge(vma.runs), vma
        assert all(run.huge is None for run in runs)


def test_without_frame_numbers_only_zero_pages_and_forked_memory_are_unsure(mm, child):
    vmas = [vma for vma in mm.vmas if vma.name != "[vsyscall]"]
    unsure = 0
    for vma, runs in zip(vmas, walked(child.pid, vmas, None), strict=True):
        scanned, plain = ruler(vma.runs, vma.start, vma.pages), ruler(runs, vma.start, vma.pages)
        for before, after in zip(scanned, plain, strict=True):
            assert after == before or (after == "?" and before in "AZ")
        unsure += plain.count("?")
    assert unsure
    at, want = child.regions["forked"]
    assert want == "AA.."
    vma = vma_at(mm, at)
    assert ruler(walked(child.pid, [vma], None)[0], at, 4) == "??.."


def test_the_scan_goes_on_behind_a_full_vector_and_a_full_count(mm, child, monkeypatch):
    from memtui.live import pagemap_scan

    monkeypatch.setattr(pagemap_scan, "_RANGES", 3)
    monkeypatch.setattr(pagemap_scan, "_MAX_PAGES", 7)
    monkeypatch.setattr(pagemap_scan, "_MAX_PAGES_OF_FILES", 7)
    vmas = [vma for vma in mm.vmas if vma.name != "[vsyscall]"]
    with Procfs().opened(f"{child.pid}/pagemap") as fd:
        runs = list(join(Scanner().scan(fd, vmas[0].start, vmas[-1].end), vmas, huge_told=True))
    assert [without_huge(of_vma) for of_vma in runs] == [without_huge(vma.runs) for vma in vmas]


def test_a_file_without_the_ioctl_is_not_supported(tmp_path):
    path = tmp_path / "pagemap"
    path.write_bytes(bytes(64))
    fd = os.open(path, os.O_RDONLY)
    try:
        with pytest.raises(NotSupported):
            list(Scanner().scan(fd, 0, PAGE))
    finally:
        os.close(fd)


def area(ruler: str, kind: VmaKind, perms: str = "rw-p", **facts: object) -> Vma:
    return Vma(0x10000, 0x10000 + len(ruler) * PAGE, perms, 0, (0, 0), 0, "", kind)._replace(**facts)


@pytest.mark.parametrize(
    ("kind", "perms", "facts", "of_file", "bare"),
    [
        (VmaKind.ANON, "rw-p", {}, "Z", "A"),
        (VmaKind.FILE, "rw-p", {}, "C", "A"),
        (VmaKind.FILE, "rw-s", {}, "C", "?"),
        (VmaKind.SHMEM, "rw-p", {}, "S", "A"),
        (VmaKind.SPECIAL, "r--p", {}, "C", "?"),
        (VmaKind.DEVICE, "rw-p", {"name": "/dev/zero"}, "Z", "A"),
        (VmaKind.DEVICE, "rw-p", {"name": "/dev/mem"}, "C", "?"),
        (VmaKind.FILE, "rw-p", {"vm_flags": ("rd", "pf")}, "C", "?"),
    ],
)
def test_what_a_present_page_is_depends_on_what_is_mapped(kind, perms, facts, of_file, bare):
    meaning = meaning_of(area("..", kind, perms, **facts))
    assert LETTERS[residence_of(PAGE_IS_PRESENT | PAGE_IS_FILE, meaning)] == of_file
    assert LETTERS[residence_of(PAGE_IS_PRESENT, meaning)] == bare
    assert residence_of(PAGE_IS_SWAPPED, meaning) is Residence.SWAPPED
    assert residence_of(PAGE_IS_SWAPPED | PAGE_IS_GUARD, meaning) is Residence.GUARD


def test_ranges_are_cut_at_vmas_joined_inside_and_dropped_outside():
    left, right = area("....", VmaKind.ANON), area("....", VmaKind.FILE)
    right = right._replace(start=left.end, end=left.end + 4 * PAGE)
    start = left.start
    present, huge = PAGE_IS_PRESENT, PAGE_IS_PRESENT | PAGE_IS_HUGE
    ranges = [
        (start - 2 * PAGE, start + PAGE, present),
        (start + PAGE, start + 2 * PAGE, present),
        (start + 3 * PAGE, start + 5 * PAGE, huge),
        (start + 7 * PAGE, start + 9 * PAGE, present),
    ]
    runs = list(join(ranges, [left, right], huge_told=True))
    assert [(run.start - start) // PAGE for run in runs[0]] == [0, 3]
    assert [(run.pages, run.huge) for run in runs[0]] == [(2, False), (1, True)]
    assert [((run.start - start) // PAGE, run.pages, run.huge) for run in runs[1]] == [(4, 1, True), (7, 1, False)]
