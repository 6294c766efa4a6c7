"""Models elf/dl-version.c (glibc 2.36): whether each library has the versions that are asked of it."""

from collections.abc import Iterator, Sequence
from typing import Final

from memtui.model.elf_dynamic import Required
from memtui.sim.userspace.ld_so.link_map import LinkMap, Namespace
from memtui.sim.userspace.ld_so.minimal_malloc import length

FOUND_VERSION: Final = 24
"""sizeof (struct r_found_version)."""


def check_versions(space: Namespace, maps: Sequence[LinkMap]) -> bool:
    """_dl_check_all_versions(): whether all are there; what is not there is said on stderr."""
    complete = True
    for map_ in maps:
        for required in map_.dynamic.required:
            needed = next((other for other in maps if other.is_called(required.file)), None)
            for about, text, fatal in _problems(map_, required, needed, space.program):
                space.malloc.malloc(length(about) + length(text))
                space.calls.writev([space.program, ": ", about, ": ", text, "\n"])
                complete &= not fatal
        if map_.dynamic.version_index:
            space.malloc.malloc(FOUND_VERSION * (map_.dynamic.version_index + 1))
    return complete


def _problems(
    map_: LinkMap, required: Required, needed: LinkMap | None, program: str
) -> Iterator[tuple[str, str, bool]]:
    """match_symbol() for each version: the object at fault, what is said, and whether it is fatal."""
    if needed is None or needed.faked:
        return
    for version, weak in required.versions:
        user = map_.name or program
        if not needed.dynamic.defined:
            yield needed.name, f"no version information available (required by {user})", False
        elif version not in needed.dynamic.defined:
            kind = "weak version" if weak else "version"
            yield needed.name, f"{kind} `{version}' not found (required by {user})", not weak
