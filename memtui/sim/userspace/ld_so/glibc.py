"""What differs between builds and versions of glibc, as data."""

import re
from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True)
class Glibc:
    """Sizes in bytes; the defaults are those of 2.36 for x86-64."""

    exact: bool = True
    """Held against an installed library of this version."""
    link_map: int = 1192
    """struct link_map."""
    audit_state: int = 256
    """Room for auditing in the link maps of the program and the vdso: DL_NNS times 16."""
    find_object: int = 32
    """struct dl_find_object_internal."""
    legacy_hwcaps: bool = True
    """Subfolders named by platform and hwcap, such as tls/haswell/x86_64."""
    fstat: bool = False
    """fstat(2) in place of newfstatat(2)."""
    pthread: int = 2368
    """struct pthread, the thread control block."""
    tid: int = 0x2D0
    robust_head: int = 0x2E0
    rseq_area: int = 0x920
    """Offsets in struct pthread."""
    tls_surplus: int = 1664
    """Static TLS kept for libraries that are loaded later."""
    stat_buffer: int = 0xEE0
    """From the stack pointer at the start down to the struct stat of a search, without what alloca() put between."""
    read_buffer: int = 0x168
    """From that struct stat up to where the start of a file is read to."""
    preload_stat_buffer: int = 0x1AC0
    """The same while LD_PRELOAD is worked off: its names are copied to the stack."""


GLIBC_2_36: Final = Glibc()
_NEWER: Final = (
    ((2, 37), {"legacy_hwcaps": False}),
    ((2, 39), {"link_map": 1208, "fstat": True}),
    ((2, 42), {"find_object": 40}),
)


def glibc_for(version: str) -> Glibc:
    """The data of a version such as "2.36"; of one that was never measured, those of its nearest neighbour."""
    match = re.match(r"(\d+)\.(\d+)", version)
    if match is None:
        return replace(GLIBC_2_36, exact=False)
    number = (int(match[1]), int(match[2]))
    found = replace(GLIBC_2_36, exact=number == (2, 36), fstat=number <= (2, 32))
    for since, changes in _NEWER:
        if number >= since:
            found = replace(found, **changes)
    return found
