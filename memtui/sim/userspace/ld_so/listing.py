"""Models what dl_main() of elf/rtld.c (glibc 2.36) prints for --list and ldd instead of running the program."""

from collections.abc import Sequence
from typing import Final

from memtui.model.address import page_down
from memtui.model.elf_dynamic import DT_NEEDED
from memtui.sim.userspace.ld_so.calls import LoaderCalls
from memtui.sim.userspace.ld_so.link_map import LinkMap

STDOUT: Final = 1


def list_objects(calls: LoaderCalls, maps: Sequence[LinkMap], *, with_program: bool) -> None:
    """Say where each object is, and exit.

    Args:
        calls: makes the system calls.
        maps: all objects in their order, the program first.
        with_program: whether the program, which has no name here, is listed too.
    """
    calls.tell("The program is not run: its libraries are listed, each with the address of its first byte.")
    if not any(dependency.tag == DT_NEEDED for dependency in maps[0].dynamic.dependencies):
        calls.writev(["\tstatically linked\n"], fd=STDOUT)
        calls.exit_group(0)
        return
    for map_ in maps if with_program else maps[1:]:
        asked = map_.names[0]
        if map_.faked:
            parts = ["\t", asked, " => not found\n"]
        else:
            place = [" => ", map_.name] if map_.name != asked else []
            parts = ["\t", asked, *place, " (0x", f"{_start(map_):016x}", ")\n"]
        calls.writev(parts, fd=STDOUT)
    calls.exit_group(0)


def _start(map_: LinkMap) -> int:
    """l_map_start."""
    loads = map_.image.loads
    return map_.addr + (page_down(loads[0].vaddr) if loads else 0)
