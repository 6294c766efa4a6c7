"""The detail of one VMA as text."""

from memtui.draw.vm_flags import VM_FLAGS
from memtui.draw.vma_detail import KINDS, hole_rows, permissions, vma_rows
from memtui.model.address import PAGE_SIZE, Range
from memtui.model.vma import Smaps, VmaKind
from tests.draw.pictures import HEAP, HEAP_VMA, LIBC, LIBC_VMA, VVAR, text


def test_anonymous_memory():
    assert text(vma_rows(HEAP_VMA, 60, address=HEAP + 0x1234)) == [
        "[heap]",
        "page     55555555a000 · anon, dirty, not shared",
        "range    555555559000-5555556e8000",
        "size     1.6 MiB · 399 pages",
        "kind     heap: memory that brk gave",
        "perms    rw-p · read, write, private (copied on write)",
        "pages    █ anon             300   1.2 MiB",
        "         ░ swapped           12    48 KiB",
        "         ○ zero              40   160 KiB",
        "         · absent            47   188 KiB",
        "smaps    — flags and figures: not told",
    ]


def test_who_maps_the_same_file():
    users = [f"{pid} cat" for pid in range(1, 13)]
    rows = text(vma_rows(LIBC_VMA, 200, users=users))
    assert f"users    12 map it: {', '.join(users[:8])}, and 4 more" in rows
    assert not any(row.startswith("users") for row in text(vma_rows(LIBC_VMA, 200)))


def test_a_file_with_smaps():
    smaps = Smaps(1364, 4, 4, 812, 53, 0, 812, 0, 0, 0, 812, 0, thp_eligible=0)
    libc = LIBC_VMA._replace(vm_flags=("rd", "ex", "mr", "mw", "me"), smaps=smaps, offset=0x28000)
    assert text(vma_rows(libc, 62, address=LIBC + 210 * PAGE_SIZE)) == [
        "libc.so.6",
        "page     7ffff7cfa000 · page cache · file offset 0xfa000",
        "range    7ffff7c28000-7ffff7d7d000",
        "size     1.3 MiB · 341 pages",
        "kind     a mapped file",
        "perms    r-xp · read, execute, private (copied on write)",
        "offset   0x28000 · 160 KiB into the file",
        "file     fe:00 inode 4242",
        "path     /usr/lib/x86_64-linux-gnu/libc.so.6",
        "pages    ▓ page cache       203   812 KiB",
        "         · absent           138   552 KiB",
        "flags    rd ex mr mw me",
        "         readable, executable, may read, may write, may",
        "         execute",
        "smaps    Size             1.3 MiB   Shared_Dirty         0 B",
        "         KernelPageSize     4 KiB   Private_Clean        0 B",
        "         MMUPageSize        4 KiB   Private_Dirty        0 B",
        "         Rss              812 KiB   Referenced       812 KiB",
        "         Pss               53 KiB   Anonymous            0 B",
        "         Pss_Dirty            0 B   THPeligible            0",
        "         Shared_Clean     812 KiB",
    ]


def test_a_long_path_is_wrapped_and_not_cut():
    path = "/a/" + "very/" * 20 + "deep\\012file (deleted)"
    rows = text(vma_rows(LIBC_VMA._replace(name=path), 40))
    first = next(index for index, row in enumerate(rows) if row.startswith("path"))
    last = next(index for index, row in enumerate(rows) if row.startswith("pages"))
    assert "".join(row[9:] for row in rows[first:last]).replace(" ", "") == path.replace(" ", "")
    assert rows[0] == "deep\\012file (deleted)"


def test_what_is_unknown_says_why():
    rows = text(vma_rows(VVAR, 60, address=VVAR.start, unknown={"smaps": "denied", "runs": "no PAGEMAP_SCAN"}))
    assert rows[1] == "page     7ffff7fc9000 · —"
    assert rows[-2:] == ["pages    — no PAGEMAP_SCAN", "smaps    — flags and figures: denied"]


def test_a_hole():
    assert text(hole_rows(Range(0x1000, 0x1000 + 3 * PAGE_SIZE), 78)) == [
        "hole",
        "range    1000-4000",
        "size     12 KiB · 3 pages",
        "means    no VMA: an access is SIGSEGV, unless a stack just above grows into it",
    ]


def test_permissions():
    assert permissions("---p") == "no access, private (copied on write)"
    assert permissions("rwxs") == "read, write, execute, shared"


def test_words_are_complete():
    assert set(KINDS) == set(VmaKind)
    # Every code that a 6.18 kernel prints on x86-64, in bit order.
    codes = (
        "rd wr ex sh mr mw me ms gd um pf gu uw lo io sr rr dc de lf ac nr ht sf ar wf dd sd mm hg nh mg ss dp ui sl"
    )
    assert set(VM_FLAGS) == set(codes.split())
