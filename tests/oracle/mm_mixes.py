"""Which kinds of steps a series has, and how often each comes."""

from collections.abc import Mapping
from typing import Final

Weights = Mapping[str, int]

MIXES: Final[Mapping[str, Weights]] = {
    "anon": {"mmap": 20, "munmap": 8, "mprotect": 14, "touch": 14, "mremap": 8, "brk": 4, "madvise": 3},
    "fixed": {"mmap_fixed": 22, "munmap": 7, "mprotect": 14, "touch": 14, "mremap": 9, "madvise": 4, "mlock": 2},
    "files": {
        "open": 6, "close": 2, "memfd": 1, "seals": 1, "dup": 3, "ftruncate": 4, "mmap_file": 20, "munmap": 6,
        "mprotect": 9, "touch": 12, "mremap": 8, "madvise": 6, "msync": 2, "unlink": 1, "pwrite": 2, "mincore": 1,
        "fallocate": 1, "blocks": 2, "remap": 2,
    },
    "folios": {
        "open": 3, "zero_range": 2, "ftruncate": 3, "pwrite_large": 8, "pwrite": 2, "mmap_file": 18, "mmap_fixed": 4,
        "munmap": 5,
        "mprotect": 4, "touch": 26, "madvise": 6, "pread": 3, "fsync": 2, "msync": 1, "fallocate": 1, "mremap": 2,
    },
    "faults": {
        "mmap_fixed": 14, "mmap_huge": 3, "mmap_shared": 4, "mmap_file": 6, "open": 2, "pwrite_large": 3, "munmap": 6,
        "mprotect": 8, "touch": 34, "madvise": 8, "memfd": 1, "mlock": 2, "brk": 2, "mremap": 4, "grow": 2,
    },
    "swap": {
        "mmap_fixed": 12, "mmap_shared": 4, "munmap": 5, "mprotect": 5, "touch": 30, "pageout": 14, "madvise": 4,
        "mremap": 5, "mlock": 1, "memfd": 1, "mmap_file": 2,
    },
    "shared": {
        "mmap_shared": 12, "memfd": 4, "seals": 2, "mmap_file": 10, "ftruncate": 3, "munmap": 6, "mprotect": 8,
        "touch": 12, "mremap": 9, "madvise": 5, "mlock": 2, "open": 2, "dup": 1, "fork": 1, "exit": 1, "remap": 5,
    },
    "sysv": {
        "remap": 2, "shmget": 4, "shmat": 12, "shmdt": 5, "shmctl": 2, "munmap": 4, "mprotect": 9, "touch": 9,
        "mremap": 8,
        "madvise": 4, "mlock": 2, "mmap_fixed": 4, "fork": 1, "exit": 1,
    },
    "fork": {
        "fork": 4, "exit": 3, "mmap_fixed": 14, "mmap": 6, "munmap": 5, "mprotect": 10, "touch": 14, "mremap": 9,
        "brk": 4, "madvise": 6, "mlock": 3, "mmap_shared": 2, "mlockall": 1,
    },
    "hints": {
        "mmap_hint": 24, "mmap_fixed": 6, "munmap": 8, "mremap": 5, "touch": 5, "mmap_file": 6, "open": 3, "brk": 2,
    },
    "huge": {
        "mmap_huge": 18, "munmap": 8, "mremap": 9, "touch": 6, "mprotect": 6, "mmap_file": 5, "open": 2, "madvise": 4,
        "memfd": 1, "mmap": 4,
    },
    "locks": {
        "mlock": 12, "munlock": 6, "mlockall": 2, "munlockall": 1, "mmap_locked": 8, "mmap_fixed": 8, "munmap": 4,
        "mprotect": 8, "touch": 5, "mremap": 7, "brk": 4, "madvise": 6, "mmap_file": 2, "open": 1, "fork": 1, "exit": 1,
    },
    "advice": {
        "mincore": 2, "madvise": 22, "process_madvise": 4, "mmap_fixed": 12, "mmap_shared": 3, "mmap_file": 5,
        "open": 2, "memfd": 1, "touch": 10, "munmap": 4, "mprotect": 6, "mremap": 5, "fork": 1, "exit": 1, "mlock": 1,
    },
    "limits": {
        "setrlimit": 6, "mmap": 8, "mmap_fixed": 6, "mmap_huge": 3, "brk": 8, "mprotect": 8, "mremap": 8, "touch": 6,
        "munmap": 5, "mlock": 5, "mmap_locked": 4, "grow": 5, "fork": 1, "exit": 1, "mlockall": 1,
    },
    "brk": {
        "brk": 20, "mmap_heap": 8, "munmap": 5, "mprotect": 5, "touch": 7, "mremap": 3, "fork": 1, "exit": 1,
        "mlock": 2,
    },
    "stack": {
        "grow": 14, "mmap_down": 10, "touch": 8, "munmap": 5, "mprotect": 7, "mmap_hint": 5, "setrlimit": 2,
        "mremap": 4, "madvise": 3, "mlock": 2, "fork": 1, "exit": 1,
    },
    "errors": {
        "wrong": 30, "mmap": 5, "mmap_fixed": 4, "mmap_file": 3, "open": 3, "touch": 4, "munmap": 3, "mprotect": 4,
        "mremap": 4, "memfd": 1, "shmget": 1, "shmat": 2,
    },
    "seal": {
        "mseal": 4, "mmap_fixed": 14, "munmap": 8, "mprotect": 10, "mremap": 9, "madvise": 8, "touch": 5, "brk": 2,
        "mlock": 2, "shmget": 1, "shmat": 2, "fork": 1,
    },
    "pkeys": {
        "personality": 1, "pkey_alloc": 4, "pkey_free": 2, "pkey_set": 4, "pkey_mprotect": 16, "mprotect": 12,
        "mmap_exec": 8, "mmap_fixed": 10, "touch": 16, "munmap": 4, "mremap": 6, "mlock": 4, "mmap_locked": 2,
        "madvise": 6, "fork": 2, "exit": 1, "mlockall": 1, "munlockall": 1, "brk": 2, "mmap_file": 2, "open": 1,
    },
    "mremap": {
        "mremap": 24, "mmap_fixed": 10, "mmap": 4, "mmap_shared": 3, "mmap_file": 4, "open": 1, "touch": 10,
        "munmap": 4, "mprotect": 5, "madvise": 2, "mlock": 1, "shmget": 1, "shmat": 2, "fork": 1, "exit": 1,
    },
    "options": {
        "prctl": 8, "mmap": 10, "mmap_fixed": 14, "mmap_huge": 4, "mmap_shared": 2, "mmap_file": 4, "open": 2,
        "munmap": 6, "mprotect": 14, "mremap": 8, "touch": 14, "madvise": 12, "brk": 5, "shmget": 1, "shmat": 2,
        "fork": 2, "exit": 1, "tables_map": 3, "tables_touch": 5, "tables_advise": 3, "personality": 1,
    },
    "hugetlb": {
        "hugetlb_map": 18, "hugetlb_memfd": 4, "hugetlb_truncate": 4, "hugetlb_file": 14, "hugetlb_segment": 1,
        "shmat": 2, "tables_map": 4, "tables_touch": 10, "tables_unmap": 8, "tables_protect": 8, "tables_move": 12,
        "tables_advise": 14, "tables_lock": 5, "madvise": 6, "munmap": 3, "mprotect": 3, "mremap": 4, "msync": 1,
        "mincore": 1, "seals": 1, "fallocate": 2, "pwrite": 1, "pread": 1, "dup": 1, "fork": 2, "exit": 1,
        "mlockall": 1, "munlockall": 1,
    },
    "thp": {
        "tables_map": 12, "tables_touch": 20, "tables_unmap": 6, "tables_protect": 7, "folios_move": 12,
        "folios_touch": 24, "folios_part": 20, "folios_advise": 14, "tables_lock": 2, "fork": 7, "exit": 5, "touch": 6,
        "munmap": 4, "given_up": 4,
    },
    "lazy": {
        "mmap_fixed": 10, "touch": 24, "given_up": 24, "fork": 8, "exit": 7, "mremap": 6, "munmap": 4, "mprotect": 3,
        "mlock": 2, "munlock": 2, "madvise": 3, "folios_part": 3, "tables_map": 2, "folios_advise": 3,
    },
    "tables": {
        "tables_map": 14, "tables_touch": 30, "tables_unmap": 7, "tables_protect": 8, "tables_move": 14,
        "tables_advise": 22, "tables_lock": 4, "fork": 2, "exit": 2, "touch": 4,
    },
}  # fmt: skip
"""How often each kind of step comes in a series, by the name of the mix. "all" has every kind."""

COUNTED: Final = frozenset({"folios", "faults", "swap"})
"""Mixes in which page faults are counted: nothing forks there, so that the runner itself has none."""
UNPRIVILEGED: Final = frozenset({"limits", "locks", "errors"})
"""Mixes of which every other series runs without CAP_IPC_LOCK, CAP_SYS_ADMIN and CAP_SYS_RAWIO."""


def weights(mix: str) -> Weights:
    """The weights of a mix."""
    if mix != "all":
        return MIXES[mix]
    total: dict[str, int] = {}
    for each in MIXES.values():
        for name, weight in each.items():
            total[name] = total.get(name, 0) + weight
    return total
