"""A map in the format of /proc/PID/smaps (show_smap, fs/proc/task_mmu.c)."""

from collections.abc import Iterable

from memtui.draw.maps_text import maps_line
from memtui.model.vma import SMAPS_NAMES, Smaps, Vma

_NOT_KIB = frozenset({"THPeligible", "ProtectionKey"})


def smaps_lines(smaps: Smaps) -> list[str]:
    """The figures in the kernel's order and columns; a figure that is not known has no line."""
    lines = []
    for name, field in SMAPS_NAMES.items():
        value = getattr(smaps, field)
        if value is not None:
            # Names are padded to 16 columns and figures to 8; Private_Hugetlb needs 17 and gets 7.
            text = f"{name + ':':<16}".ljust(17 if len(name) > 14 else 16)
            lines.append(f"{text}{value:>{24 - len(text)}}" + ("" if name in _NOT_KIB else " kB"))
    return lines


def smaps_text(vmas: Iterable[Vma]) -> str:
    """The whole file, as far as the figures are known."""
    lines = []
    for vma in vmas:
        lines.append(maps_line(vma))
        if vma.smaps is not None:
            lines += smaps_lines(vma.smaps)
        if vma.vm_flags is not None:
            lines.append("VmFlags: " + "".join(flag + " " for flag in vma.vm_flags))
    return "".join(line + "\n" for line in lines)
