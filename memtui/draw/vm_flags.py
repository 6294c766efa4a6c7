"""The two-letter codes of VmFlags in words (show_smap_vma_flags, fs/proc/task_mmu.c, 6.18)."""

from collections.abc import Mapping
from typing import Final

VM_FLAGS: Final[Mapping[str, str]] = {
    "rd": "readable",
    "wr": "writable",
    "ex": "executable",
    "sh": "shared",
    "mr": "may read",
    "mw": "may write",
    "me": "may execute",
    "ms": "may share",
    "gd": "grows down",
    "um": "userfaultfd, missing pages",
    "pf": "page frame numbers only",
    "gu": "has guard markers",
    "uw": "userfaultfd, write-protected",
    "lo": "locked",
    "io": "device memory",
    "sr": "read in sequence",
    "rr": "read at random",
    "dc": "not copied on fork",
    "de": "not expanded by mremap",
    "lf": "locked on fault",
    "ac": "counted by overcommit",
    "nr": "no reserve",
    "ht": "huge page table",
    "sf": "synchronous faults",
    "ar": "architecture's own",
    "wf": "wiped on fork",
    "dd": "not in core dumps",
    "sd": "soft-dirty",
    "mm": "mixed map",
    "hg": "huge pages wanted",
    "nh": "no huge pages",
    "mg": "mergeable by KSM",
    "ui": "userfaultfd, minor faults",
    "ss": "shadow stack",
    "dp": "dropped under pressure",
    "sl": "sealed",
}
"""Code -> meaning."""
