"""Models include/linux/mm.h (6.18): the bits of vm_flags and the letters that smaps prints for them."""

from functools import cache
from typing import Final

VM_READ: Final = 1 << 0
VM_WRITE: Final = 1 << 1
VM_EXEC: Final = 1 << 2
VM_SHARED: Final = 1 << 3
VM_MAYREAD: Final = 1 << 4
VM_MAYWRITE: Final = 1 << 5
VM_MAYEXEC: Final = 1 << 6
VM_MAYSHARE: Final = 1 << 7
VM_GROWSDOWN: Final = 1 << 8
VM_UFFD_MISSING: Final = 1 << 9
VM_PFNMAP: Final = 1 << 10
VM_MAYBE_GUARD: Final = 1 << 11
VM_UFFD_WP: Final = 1 << 12
VM_LOCKED: Final = 1 << 13
VM_IO: Final = 1 << 14
VM_SEQ_READ: Final = 1 << 15
VM_RAND_READ: Final = 1 << 16
VM_DONTCOPY: Final = 1 << 17
VM_DONTEXPAND: Final = 1 << 18
VM_LOCKONFAULT: Final = 1 << 19
VM_ACCOUNT: Final = 1 << 20
VM_NORESERVE: Final = 1 << 21
VM_HUGETLB: Final = 1 << 22
VM_SYNC: Final = 1 << 23
VM_WIPEONFORK: Final = 1 << 25
VM_DONTDUMP: Final = 1 << 26
VM_SOFTDIRTY: Final = 1 << 27
VM_MIXEDMAP: Final = 1 << 28
VM_HUGEPAGE: Final = 1 << 29
VM_NOHUGEPAGE: Final = 1 << 30
VM_MERGEABLE: Final = 1 << 31
VM_PKEY_SHIFT: Final = 32
VM_PKEY_MASK: Final = 0xF << VM_PKEY_SHIFT
"""The protection key, which VmFlags does not print."""
VM_DROPPABLE: Final = 1 << 40
VM_SEALED: Final = 1 << 42

VM_ACCESS_FLAGS: Final = VM_READ | VM_WRITE | VM_EXEC
VM_MAY_ALL: Final = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC
VM_LOCKED_MASK: Final = VM_LOCKED | VM_LOCKONFAULT
VM_SPECIAL: Final = VM_IO | VM_DONTEXPAND | VM_PFNMAP | VM_MIXEDMAP
"""A VMA with one of these never merges and cannot be locked."""
NOT_COMPATIBLE_WITH_KSM: Final = VM_SHARED | VM_MAYSHARE | VM_SPECIAL | VM_HUGETLB | VM_DROPPABLE
"""KSM cannot merge the pages of a VMA with one of these (vma_ksm_compatible)."""
VM_STICKY: Final = VM_SOFTDIRTY | VM_MAYBE_GUARD
"""Not compared when VMAs merge, and kept by the one that results."""
VM_COPY_ON_FORK: Final = VM_PFNMAP | VM_MIXEDMAP | VM_UFFD_WP | VM_MAYBE_GUARD
"""fork copies the page tables of such a VMA even if it has no anon_vma."""
VM_DATA_DEFAULT_FLAGS: Final = VM_READ | VM_WRITE | VM_MAY_ALL
VM_STACK_FLAGS: Final = VM_DATA_DEFAULT_FLAGS | VM_GROWSDOWN | VM_ACCOUNT

VM_FLAG_CODES: Final[tuple[tuple[int, str], ...]] = (
    (VM_READ, "rd"),
    (VM_WRITE, "wr"),
    (VM_EXEC, "ex"),
    (VM_SHARED, "sh"),
    (VM_MAYREAD, "mr"),
    (VM_MAYWRITE, "mw"),
    (VM_MAYEXEC, "me"),
    (VM_MAYSHARE, "ms"),
    (VM_GROWSDOWN, "gd"),
    (VM_UFFD_MISSING, "um"),
    (VM_PFNMAP, "pf"),
    (VM_MAYBE_GUARD, "gu"),
    (VM_UFFD_WP, "uw"),
    (VM_LOCKED, "lo"),
    (VM_IO, "io"),
    (VM_SEQ_READ, "sr"),
    (VM_RAND_READ, "rr"),
    (VM_DONTCOPY, "dc"),
    (VM_DONTEXPAND, "de"),
    (VM_LOCKONFAULT, "lf"),
    (VM_ACCOUNT, "ac"),
    (VM_NORESERVE, "nr"),
    (VM_HUGETLB, "ht"),
    (VM_SYNC, "sf"),
    (VM_WIPEONFORK, "wf"),
    (VM_DONTDUMP, "dd"),
    (VM_SOFTDIRTY, "sd"),
    (VM_MIXEDMAP, "mm"),
    (VM_HUGEPAGE, "hg"),
    (VM_NOHUGEPAGE, "nh"),
    (VM_MERGEABLE, "mg"),
    (VM_DROPPABLE, "dp"),
    (VM_SEALED, "sl"),
)
"""Bit -> the letters of VmFlags, in the order in which smaps prints them (fs/proc/task_mmu.c)."""


@cache
def codes(flags: int) -> tuple[str, ...]:
    """The letters of VmFlags for these bits."""
    return tuple(code for bit, code in VM_FLAG_CODES if flags & bit)


def pkey(flags: int) -> int:
    """vma_pkey(): the protection key, 0 to 15."""
    return (flags & VM_PKEY_MASK) >> VM_PKEY_SHIFT


@cache
def perms(flags: int) -> str:
    """The four letters of maps: "rw-p"; the last one tells VM_MAYSHARE."""
    return (
        ("r" if flags & VM_READ else "-")
        + ("w" if flags & VM_WRITE else "-")
        + ("x" if flags & VM_EXEC else "-")
        + ("s" if flags & VM_MAYSHARE else "p")
    )


def is_exec_mapping(flags: int) -> bool:
    """Counted in exec_vm (mm/vma.h)."""
    return flags & (VM_EXEC | VM_WRITE | VM_GROWSDOWN) == VM_EXEC


def is_stack_mapping(flags: int) -> bool:
    """Counted in stack_vm."""
    return bool(flags & VM_GROWSDOWN)


def is_data_mapping(flags: int) -> bool:
    """Counted in data_vm, and limited by RLIMIT_DATA."""
    return flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN) == VM_WRITE
