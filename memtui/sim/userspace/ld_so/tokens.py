"""Models the dynamic string tokens of elf/dl-load.c (glibc 2.36): $ORIGIN, $LIB and $PLATFORM."""

import re
from typing import Final

from memtui.sim.userspace.ld_so.link_map import LinkMap, Namespace, program_origin
from memtui.sim.userspace.ld_so.minimal_malloc import length

_TOKEN: Final = re.compile(r"\$(?:\{(ORIGIN|LIB|PLATFORM)\}|(ORIGIN|LIB|PLATFORM)(?![A-Za-z0-9_]))")


def has_tokens(text: str) -> bool:
    """Whether there is anything to replace."""
    return _TOKEN.search(text) is not None


def substitute(space: Namespace, map_: LinkMap, text: str) -> str:
    """_dl_dst_substitute()."""
    return _TOKEN.sub(lambda match: _value(space, map_, match[1] or match[2]), text)


def _value(space: Namespace, map_: LinkMap, token: str) -> str:
    match token:
        case "ORIGIN":
            return program_origin(space, map_)
        case "LIB":
            return space.lib
        case _:
            return space.hwcaps.platform


def expanded(space: Namespace, map_: LinkMap, text: str) -> tuple[str, int]:
    """expand_dynamic_string_token(): a copy with the tokens replaced, and its address."""
    count = len(_TOKEN.findall(text))
    if not count:
        return text, space.malloc.string(text)
    longest = max(length(value) - 1 for value in (program_origin(space, map_), space.hwcaps.platform, space.lib))
    address = space.malloc.malloc(length(text) + count * max(longest - 4, 0))
    return substitute(space, map_, text), address
