"""Models elf/dl-tls.c and sysdeps/nptl/dl-tls_init_tp.c (glibc 2.36): TLS of the first thread, and its descriptor."""

from collections.abc import Sequence
from typing import Final

from memtui.model.elf import Tls
from memtui.sim.userspace.ld_so.link_map import LinkMap, Namespace

TCB_ALIGNMENT: Final = 64
SLOTINFO_LIST: Final = 16
SLOTINFO: Final = 16
TLS_SLOTINFO_SURPLUS: Final = 62
DTV: Final = 16
DTV_SURPLUS: Final = 14


def init_tls(space: Namespace, maps: Sequence[LinkMap]) -> None:
    """Do what elf/rtld.c calls init_tls: allocate TLS for all objects, and tell the kernel where the thread lives."""
    blocks = [tls for map_ in maps if (tls := map_.image.tls) is not None and tls.memsz]
    glibc, calls = space.glibc, space.calls
    space.malloc.malloc(SLOTINFO_LIST + (len(blocks) + 1 + TLS_SLOTINFO_SURPLUS) * SLOTINFO)
    offset, align = static_offset(blocks)
    size = _round_up(offset + glibc.tls_surplus, align) + glibc.pthread
    storage = space.malloc.malloc(size + align + 8)
    space.malloc.malloc((len(blocks) + DTV_SURPLUS + 2) * DTV)
    tcb = _round_up(storage, align) + size - glibc.pthread
    calls.set_fs(tcb)
    calls.set_tid_address(tcb + glibc.tid)
    calls.set_robust_list(tcb + glibc.robust_head)
    calls.rseq(tcb + glibc.rseq_area)


def static_offset(blocks: Sequence[Tls]) -> tuple[int, int]:
    """_dl_determine_tlsoffset(): bytes below the control block, and its alignment.

    A block may go into the gap that the alignment of an earlier one has left.
    """
    offset = top = bottom = 0
    max_align = TCB_ALIGNMENT
    for block in blocks:
        align = max(block.align, 1)
        first = -(block.vaddr & (align - 1)) & (align - 1)
        max_align = max(max_align, align)
        if bottom - top >= block.memsz:
            inside = _round_up(top + block.memsz - first, align) + first
            if inside <= bottom:
                top = inside
                continue
        placed = _round_up(offset + block.memsz - first, align) + first
        if placed > offset + block.memsz + (bottom - top):
            top, bottom = offset, placed - block.memsz
        offset = placed
    return offset, max_align


def _round_up(number: int, unit: int) -> int:
    return (number + unit - 1) // unit * unit
