"""The default folders, which a build of the dynamic linker has among its constants (elf/dl-load.c)."""

import re
from typing import Final

from memtui.model.elf import PF_R, PF_W, PF_X, ElfImage
from memtui.sim.userspace.ld_so.calls import LoaderCalls

DEBIAN: Final = ("/lib/x86_64-linux-gnu/", "/usr/lib/x86_64-linux-gnu/", "/lib/", "/usr/lib/")
_LIST: Final = re.compile(rb"\0((?:/[\w./+-]*lib[\w./+-]*/\0){2,8})")


def system_dirs(calls: LoaderCalls, interpreter: ElfImage) -> tuple[str, ...]:
    """The list that the file holds; Debian's if none can be read there."""
    for load in interpreter.loads:
        if load.flags & PF_R and not load.flags & (PF_W | PF_X):
            match = _LIST.search(calls.bytes_at(interpreter, load.vaddr, load.filesz))
            if match is not None:
                return tuple(match[1].decode("ascii").rstrip("\0").split("\0"))
    return DEBIAN
