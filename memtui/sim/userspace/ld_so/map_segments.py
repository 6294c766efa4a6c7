"""Models elf/dl-map-segments.h (glibc 2.36): the segments of a library become mappings."""

from typing import Final

from memtui.model.address import PAGE_SIZE, page_down, page_up
from memtui.model.elf import ET_DYN, PF_R, PF_W, PF_X, Segment
from memtui.sim.userspace.ld_so.calls import LoaderCalls
from memtui.sim.userspace.ld_so.link_map import LinkMap

PROT_NONE: Final = 0
PROT_WRITE: Final = 2
_PROT: Final = ((PF_R, 1), (PF_W, PROT_WRITE), (PF_X, 4))
MAP_COPY: Final = 0x2 | 0x800
"""MAP_PRIVATE | MAP_DENYWRITE."""
MAP_FIXED: Final = 0x10
MAP_PRIVATE_ANONYMOUS: Final = 0x22
CANNOT_MAP: Final = "failed to map segment from shared object"
CANNOT_PROTECT: Final = "cannot change memory protections"
CANNOT_ZERO: Final = "cannot map zero-fill pages"
NOT_ALIGNED: Final = "ELF load command address/offset not page-aligned"


def map_segments(calls: LoaderCalls, made: LinkMap, fd: int) -> str:
    """Map all segments and set `made.addr`.

    Returns:
        What went wrong, or "".
    """
    loads = made.image.loads
    rest = loads
    if made.image.e_type == ET_DYN:
        start = _map_first(calls, loads, fd)
        if start < 0:
            return CANNOT_MAP
        made.addr = start - page_down(loads[0].vaddr)
        problem = _close_holes(calls, loads, made.addr) or _fill(calls, loads[0], made.addr)
        if problem:
            return problem
        rest = loads[1:]
    for load in rest:
        problem = _map_one(calls, load, made.addr, fd) or _fill(calls, load, made.addr)
        if problem:
            return problem
    return ""


def _map_first(calls: LoaderCalls, loads: tuple[Segment, ...], fd: int) -> int:
    """_dl_map_segment(): the first segment with room for all; aligned as the most demanding one asks for."""
    first, length = loads[0], total_size(loads)
    offset = page_down(first.offset)
    calls.tell("One mapping of the file keeps room for all segments; the first one has what it needs with that.")
    align = max((load.align for load in loads if load.align & (load.align - 1) == 0), default=0)
    if align <= PAGE_SIZE:
        return calls.mmap(page_down(first.vaddr), length, prot_of(first), MAP_COPY, fd, offset)
    room = length + align if length >= align else 2 * align
    start = calls.mmap(page_down(first.vaddr), room, PROT_NONE, MAP_PRIVATE_ANONYMOUS)
    if start < 0:
        return start
    aligned = (start + align - 1) & -align
    mapped = calls.mmap(aligned, length, prot_of(first), MAP_COPY | MAP_FIXED, fd, offset)
    if mapped < 0:
        calls.munmap(start, room)
        return mapped
    if aligned > start:
        calls.munmap(start, aligned - start)
    end = page_up(aligned + length)
    if start + room > end:
        calls.munmap(end, start + room - end)
    return aligned


def _close_holes(calls: LoaderCalls, loads: tuple[Segment, ...], addr: int) -> str:
    """What lies between two segments must not be reached."""
    ends = [page_up(load.vaddr + load.filesz) for load in loads]
    if all(end == page_down(load.vaddr) for end, load in zip(ends, loads[1:], strict=False)):
        return ""
    last = page_down(loads[-1].vaddr)
    if last < ends[0]:
        return NOT_ALIGNED
    return CANNOT_PROTECT if calls.mprotect(addr + ends[0], last - ends[0], PROT_NONE) < 0 else ""


def _map_one(calls: LoaderCalls, load: Segment, addr: int, fd: int) -> str:
    start, end = page_down(load.vaddr), page_up(load.vaddr + load.filesz)
    if end <= start:
        return ""
    flags = MAP_COPY | MAP_FIXED
    calls.tell(f"The {_kind(load)}: the segment is mapped over the room that is kept for it.")
    placed = calls.mmap(addr + start, end - start, prot_of(load), flags, fd, page_down(load.offset))
    return CANNOT_MAP if placed < 0 else ""


def _fill(calls: LoaderCalls, load: Segment, addr: int) -> str:
    """The part of a segment that is not in the file: zeros in its last page, and anonymous pages behind."""
    if load.memsz <= load.filesz:
        return ""
    zero, end = addr + load.vaddr + load.filesz, addr + load.vaddr + load.memsz
    page = min(page_up(zero), end)
    prot = prot_of(load)
    if page > zero and not prot & PROT_WRITE:
        if calls.mprotect(page_down(zero), PAGE_SIZE, prot | PROT_WRITE) < 0:
            return CANNOT_PROTECT
        calls.mprotect(page_down(zero), PAGE_SIZE, prot)
    if end > page:
        calls.tell("The bss: what of the data is not in the file is anonymous memory.")
    if end > page and calls.mmap(page, end - page, prot, MAP_PRIVATE_ANONYMOUS | MAP_FIXED) < 0:
        return CANNOT_ZERO
    return ""


def _kind(load: Segment) -> str:
    """What a segment holds, by its rights."""
    if load.flags & PF_X:
        return "code"
    return "data" if load.flags & PF_W else "constants"


def total_size(loads: tuple[Segment, ...]) -> int:
    """Bytes from the page of the first segment to the end of the last one."""
    return loads[-1].vaddr + loads[-1].memsz - page_down(loads[0].vaddr)


def prot_of(load: Segment) -> int:
    """PROT_* of a segment."""
    return sum(prot for flag, prot in _PROT if load.flags & flag)
