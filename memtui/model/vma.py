"""One virtual memory area, as /proc/PID/maps and smaps tell it."""

from enum import StrEnum
from typing import NamedTuple

from memtui.model.address import PAGE_SHIFT
from memtui.model.pages import PageRun


class VmaKind(StrEnum):
    """What a VMA is for; decided by its label, its device and its position."""

    HEAP = "heap"
    STACK = "stack"
    ANON = "anon"
    """Private anonymous memory without a label (mmapped chunks, bss, thread stacks)."""
    FILE = "file"
    """A file that lies on a disk."""
    SHMEM = "shmem"
    """A file on tmpfs, POSIX shm included."""
    SHARED_ANON = "shared_anon"
    """MAP_SHARED|MAP_ANONYMOUS: "/dev/zero (deleted)"."""
    SYSV = "sysv"
    MEMFD = "memfd"
    HUGETLB = "hugetlb"
    DEVICE = "device"
    SPECIAL = "special"
    """[vdso], [vvar], [vvar_vclock], [vsyscall], [uprobes]."""


class Smaps(NamedTuple):
    """The figures of one smaps block, KiB. None: this kernel does not print the line.

    Field names are the kernel's, spelled in snake case (fs/proc/task_mmu.c, 6.18).
    """

    size: int
    kernel_page_size: int | None = None
    mmu_page_size: int | None = None
    rss: int | None = None
    pss: int | None = None
    pss_dirty: int | None = None
    shared_clean: int | None = None
    shared_dirty: int | None = None
    private_clean: int | None = None
    private_dirty: int | None = None
    referenced: int | None = None
    anonymous: int | None = None
    ksm: int | None = None
    lazy_free: int | None = None
    anon_huge_pages: int | None = None
    shmem_pmd_mapped: int | None = None
    file_pmd_mapped: int | None = None
    shared_hugetlb: int | None = None
    private_hugetlb: int | None = None
    swap: int | None = None
    swap_pss: int | None = None
    locked: int | None = None
    thp_eligible: int | None = None
    """0 or 1, not KiB."""
    protection_key: int | None = None
    """A number, not KiB."""


SMAPS_NAMES: dict[str, str] = {
    "Size": "size",
    "KernelPageSize": "kernel_page_size",
    "MMUPageSize": "mmu_page_size",
    "Rss": "rss",
    "Pss": "pss",
    "Pss_Dirty": "pss_dirty",
    "Shared_Clean": "shared_clean",
    "Shared_Dirty": "shared_dirty",
    "Private_Clean": "private_clean",
    "Private_Dirty": "private_dirty",
    "Referenced": "referenced",
    "Anonymous": "anonymous",
    "KSM": "ksm",
    "LazyFree": "lazy_free",
    "AnonHugePages": "anon_huge_pages",
    "ShmemPmdMapped": "shmem_pmd_mapped",
    "FilePmdMapped": "file_pmd_mapped",
    "Shared_Hugetlb": "shared_hugetlb",
    "Private_Hugetlb": "private_hugetlb",
    "Swap": "swap",
    "SwapPss": "swap_pss",
    "Locked": "locked",
    "THPeligible": "thp_eligible",
    "ProtectionKey": "protection_key",
}
"""The kernel's spelling of each smaps line -> the field of `Smaps`, in the kernel's order."""


class Vma(NamedTuple):
    """One line of /proc/PID/maps with what is known of its pages."""

    start: int
    end: int
    perms: str
    """Four letters as maps prints them: "rw-p"."""
    offset: int
    """Bytes into the file."""
    dev: tuple[int, int]
    """Major, minor; (0, 0) for anonymous memory."""
    inode: int
    name: str
    """The label just as maps prints it, "" if none: newlines stay escaped as \\012, " (deleted)" is part of it,
    bytes that are not UTF-8 are lone surrogates (errors="surrogateescape")."""
    kind: VmaKind
    vm_flags: tuple[str, ...] | None = None
    """The two-letter codes of VmFlags in the kernel's order."""
    smaps: Smaps | None = None
    runs: tuple[PageRun, ...] | None = None
    """Every page that is not absent, by ascending address; None: not measured."""

    @property
    def size(self) -> int:
        """Bytes."""
        return self.end - self.start

    @property
    def pages(self) -> int:
        """Pages, touched or not."""
        return (self.end - self.start) >> PAGE_SHIFT

    @property
    def deleted(self) -> bool:
        """Whether the mapped file has no name any more."""
        return self.name.endswith(" (deleted)")

    @property
    def path(self) -> str | None:
        """The file's path with the newlines put back and " (deleted)" taken off; None if no file is mapped."""
        if self.kind is VmaKind.SPECIAL or not self.name.startswith("/"):
            return None
        return self.name.removesuffix(" (deleted)").replace("\\012", "\n")
