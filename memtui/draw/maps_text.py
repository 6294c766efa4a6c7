"""A map in the format of /proc/PID/maps (show_map_vma, fs/proc/task_mmu.c)."""

from collections.abc import Iterable

from memtui.model.vma import Vma

_PADDED = 72
"""Columns that the kernel pads to before a label (seq_setwidth: 25 + sizeof(void *) * 6 - 1); then one space more."""


def maps_line(vma: Vma) -> str:
    """One line without its newline, byte for byte as the kernel prints it (encode with surrogateescape)."""
    major, minor = vma.dev
    fields = (
        f"{vma.start:08x}-{vma.end:08x} {vma.perms} {vma.offset:08x} {major:02x}:{minor:02x} {vma.inode}"
        # The kernel leaves a space behind the inode even when no label follows.
        " "
    )
    return f"{fields.ljust(_PADDED)} {vma.name}" if vma.name else fields


def maps_text(vmas: Iterable[Vma]) -> str:
    """The whole file."""
    return "".join(maps_line(vma) + "\n" for vma in vmas)
