"""A small process that every drawing is shown with, and drawings as plain text."""

from memtui.draw.lines import Lines
from memtui.draw.run import Row, plain
from memtui.model.address import PAGE_SIZE
from memtui.model.mm import MmCounters, MmSnapshot
from memtui.model.pages import PageRun, Residence
from memtui.model.vma import Vma, VmaKind

HEAP = 0x555555559000
LIBC = 0x7FFFF7C28000
STACK = 0x7FFFFFFDE000

_DISK = (0xFE, 0)


def run(start: int, page: int, pages: int, residence: Residence, **attributes: bool) -> PageRun:
    """Pages of a VMA, counted from its start."""
    return PageRun(start + page * PAGE_SIZE, pages, residence, **attributes)


def vma(start: int, pages: int, perms: str, name: str, kind: VmaKind, *runs: PageRun, inode: int = 0) -> Vma:
    return Vma(
        start, start + pages * PAGE_SIZE, perms, 0, _DISK if inode else (0, 0), inode, name, kind, runs=runs or None
    )


CAT = vma(
    0x555555554000,
    5,
    "r-xp",
    "/usr/bin/cat",
    VmaKind.FILE,
    run(0x555555554000, 0, 5, Residence.PAGE_CACHE),
    inode=260131,
)
HEAP_VMA = vma(
    HEAP,
    399,
    "rw-p",
    "[heap]",
    VmaKind.HEAP,
    run(HEAP, 0, 300, Residence.ANON, dirty=True, shared=False),
    run(HEAP, 300, 40, Residence.ZERO),
    run(HEAP, 340, 12, Residence.SWAPPED),
)
LIBC_VMA = vma(
    LIBC,
    341,
    "r-xp",
    "/usr/lib/x86_64-linux-gnu/libc.so.6",
    VmaKind.FILE,
    run(LIBC, 0, 200, Residence.PAGE_CACHE, shared=True),
    run(LIBC, 210, 3, Residence.PAGE_CACHE),
    inode=4242,
)
LIBC_DATA = vma(
    LIBC_VMA.end,
    2,
    "rw-p",
    "/usr/lib/x86_64-linux-gnu/libc.so.6",
    VmaKind.FILE,
    run(LIBC_VMA.end, 0, 1, Residence.ANON),
    inode=4242,
)
SHM = vma(
    LIBC_DATA.end,
    4,
    "rw-s",
    "/dev/zero (deleted)",
    VmaKind.SHARED_ANON,
    run(LIBC_DATA.end, 0, 3, Residence.SHMEM),
    inode=1026,
)
VVAR = vma(0x7FFFF7FC9000, 4, "r--p", "[vvar]", VmaKind.SPECIAL)
STACK_VMA = vma(STACK, 33, "rw-p", "[stack]", VmaKind.STACK, run(STACK, 30, 3, Residence.ANON))
VSYSCALL = vma(0xFFFFFFFFFF600000, 1, "--xp", "[vsyscall]", VmaKind.SPECIAL)

PROCESS = MmSnapshot(
    4242,
    "cat",
    (CAT, HEAP_VMA, LIBC_VMA, LIBC_DATA, SHM, VVAR, STACK_VMA, VSYSCALL),
    MmCounters(vm_rss=2060, rss_anon=1216, rss_file=832, rss_shmem=12, vm_swap=48, vm_pte=40),
)


def text(rows: tuple[Row, ...]) -> list[str]:
    """The rows as plain strings, without the blanks at their ends."""
    return [plain(row).rstrip() for row in rows]


def drawn(lines: Lines) -> list[str]:
    """Every row of the drawing, likewise."""
    return text(tuple(lines.row(index) for index in range(len(lines))))
