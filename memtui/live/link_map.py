"""The dynamic linker's own list of what it loaded, read from the process's memory (struct r_debug, elf/link.h)."""

import os
import struct
from typing import Final

from memtui.live.procfs import Procfs
from memtui.model.elf_objects import LoadedObject
from memtui.model.errors import NotSupported, SourceError

_DT_NULL: Final = 0
_DT_DEBUG: Final = 21
_DYN: Final = struct.Struct("<qQ")
_TAGS_MOST: Final = 1 << 12
_ENTRIES_MOST: Final = 1 << 14
_POINTER: Final = struct.Struct("<Q")
_LINK_MAP: Final = struct.Struct("<4Q")
"""l_addr, l_name, l_ld, l_next."""
_R_MAP: Final = 8
"""Where r_map stands in struct r_debug."""


def read_link_map(procfs: Procfs, pid: int, program: LoadedObject | None) -> tuple[int, ...]:
    """l_addr of each entry, in order: the bias of the program, of the vdso, of each library.

    Raises:
        AccessDenied: the memory of the process may not be read.
        NotSupported: there is no such list: a static program, or one that the dynamic linker has not begun with.
        SourceError: it is damaged.
    """
    dynamic = None if program is None else program.image.dynamic
    if program is None or program.bias is None or dynamic is None:
        raise NotSupported("the program is static: it has no link_map")
    with procfs.opened(f"{pid}/mem") as fd:
        debug = _debug(fd, program.bias + dynamic)
        (entry,) = _read(fd, debug + _R_MAP, _POINTER) if debug else (0,)
        if not entry:
            raise NotSupported("the program has no link_map yet")
        biases: list[int] = []
        seen = set()
        while entry:
            if entry in seen or len(biases) == _ENTRIES_MOST:
                raise SourceError("the link_map is damaged: it does not end")
            seen.add(entry)
            l_addr, _name, _ld, entry = _read(fd, entry, _LINK_MAP)
            biases.append(l_addr)
    return tuple(biases)


def _debug(fd: int, address: int) -> int:
    """DT_DEBUG, which the dynamic linker sets; 0 if there is none.

    Read tag by tag, because what lies behind the last one may be pages that nobody has touched.
    """
    for place in range(address, address + _TAGS_MOST * _DYN.size, _DYN.size):
        data = _bytes(fd, place, _DYN.size)
        tag, value = _DYN.unpack(data) if len(data) == _DYN.size else (_DT_NULL, 0)
        if tag == _DT_NULL:
            break
        if tag == _DT_DEBUG:
            return int(value)
    return 0


def _read(fd: int, address: int, form: struct.Struct) -> tuple[int, ...]:
    data = _bytes(fd, address, form.size)
    if len(data) < form.size:
        raise SourceError("the link_map is damaged: it points to nowhere")
    return form.unpack(data)


def _bytes(fd: int, address: int, size: int) -> bytes:
    """What can be read from there."""
    return b"" if address >> 63 else os.pread(fd, size, address)
