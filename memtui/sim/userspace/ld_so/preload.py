"""Models the preloading of elf/rtld.c (glibc 2.36): LD_PRELOAD, --preload and /etc/ld.so.preload."""

import re
from typing import Final

from memtui.sim.userspace.ld_so.command_line import Options
from memtui.sim.userspace.ld_so.errors import ENOENT, LoadError
from memtui.sim.userspace.ld_so.link_map import LinkMap, Namespace
from memtui.sim.userspace.ld_so.load import map_object
from memtui.sim.userspace.ld_so.minimal_malloc import length
from memtui.sim.userspace.ld_so.search import map_file

FILE: Final = "/etc/ld.so.preload"
PROT_READ_WRITE: Final = 3


def preload(space: Namespace, program: LinkMap, options: Options) -> list[LinkMap]:
    """Load what is asked for before the program's own dependencies; gives what is new."""
    before = len(space.loaded)
    space.preloading = True
    for text, where in ((options.preload, "LD_PRELOAD"), (options.preload_option, "--preload")):
        for name in re.split("[ :]", text):
            if name:
                _preload_one(space, program, name, where)
    space.preloading = False
    space.calls.tell(f"Libraries to be loaded before all others may be listed in {FILE}.")
    if not space.calls.readable(FILE):
        space.errno = ENOENT
    else:
        whole = map_file(space, FILE, PROT_READ_WRITE)
        if whole is not None:
            data, address = whole
            text = re.sub(r"#[^\n]*", " ", data.decode("utf-8", "surrogateescape"))
            for name in re.split(r"[ \t\n:]+", text):
                if name:
                    _preload_one(space, program, name, FILE)
            space.calls.munmap(address, len(data))
    return space.loaded[before:]


def _preload_one(space: Namespace, program: LinkMap, name: str, where: str) -> None:
    try:
        map_object(space, name, program)
    except LoadError as error:
        space.malloc.malloc(length(error.name) + length(error.text))
        parts = (
            "ERROR: ld.so: object '",
            name,
            "' from ",
            where,
            " cannot be preloaded (",
            error.text,
            "): ignored.\n",
        )
        space.calls.writev(parts)
