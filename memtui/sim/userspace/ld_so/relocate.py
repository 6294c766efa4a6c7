"""Models elf/dl-reloc.c (glibc 2.36): which memory changes its protection for the sake of relocations."""

from typing import Final

from memtui.model.address import page_down, page_up
from memtui.model.elf import PF_W
from memtui.sim.userspace.ld_so.calls import LoaderCalls
from memtui.sim.userspace.ld_so.link_map import LinkMap
from memtui.sim.userspace.ld_so.map_segments import PROT_WRITE, prot_of

PROT_READ: Final = 1


def open_text(calls: LoaderCalls, map_: LinkMap) -> list[tuple[int, int, int]]:
    """DT_TEXTREL: make read-only segments writable; what must be undone, last first: address, length, protection."""
    opened: list[tuple[int, int, int]] = []
    for load in map_.image.loads if map_.dynamic.textrel else ():
        if not load.flags & PF_W:
            start = map_.addr + page_down(load.vaddr)
            length = page_up(load.vaddr + load.memsz) - page_down(load.vaddr)
            calls.mprotect(start, length, prot_of(load) | PROT_WRITE)
            opened.insert(0, (start, length, prot_of(load)))
    return opened


def protect_relro(calls: LoaderCalls, map_: LinkMap) -> None:
    """_dl_protect_relro(): whole pages only, the end is rounded down."""
    if map_.image.relro is None or not map_.image.relro[1]:
        return
    vaddr, memsz = map_.image.relro
    start, end = page_down(map_.addr + vaddr), page_down(map_.addr + vaddr + memsz)
    if start != end:
        calls.mprotect(start, end - start, PROT_READ)
