"""The allocator's knobs in a program's environment (glibc 2.36, elf/dl-tunables.c, elf/dl-tunables.list)."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from memtui.sim.userspace.ptmalloc.sizes import SIZE_MAX
from memtui.sim.userspace.ptmalloc.tunables import Tunables

_PREFIX: Final = "glibc.malloc."
_ALIASES: Final = {
    "MALLOC_TOP_PAD_": "top_pad",
    "MALLOC_PERTURB_": "perturb",
    "MALLOC_MMAP_THRESHOLD_": "mmap_threshold",
    "MALLOC_TRIM_THRESHOLD_": "trim_threshold",
    "MALLOC_MMAP_MAX_": "mmap_max",
    "MALLOC_ARENA_MAX": "arena_max",
    "MALLOC_ARENA_TEST": "arena_test",
}
_LIMITS: Final = {
    **dict.fromkeys(Tunables.__slots__, (0, SIZE_MAX)),
    "perturb": (0, 0xFF),
    "mmap_max": (0, (1 << 31) - 1),
    "arena_max": (1, SIZE_MAX),
    "arena_test": (1, SIZE_MAX),
}
_NUMBER: Final = re.compile(r"[ \t]*([-+]?)(?:0[xX]([0-9a-fA-F]*)|(0[0-7]*)|([1-9][0-9]*))")


def from_environ(environ: Mapping[str, str]) -> Tunables:
    """What GLIBC_TUNABLES and the older MALLOC_... variables set, in the order of the environment.

    A value out of its limits is ignored, and so is a MALLOC_... variable whose knob is set already. Programs that are
    set-uid or set-gid ignore nearly all of them; hugetlb is not modelled.
    """
    found: dict[str, int] = {}
    for variable, value in environ.items():
        if variable == "GLIBC_TUNABLES":
            for name, number in _assignments(value):
                _set(found, name, number)
        elif _ALIASES.get(variable, "") not in ("", *found):
            _set(found, _ALIASES[variable], value)
    return Tunables(**found)


def _assignments(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split(":"):
        name, equals, value = part.partition("=")
        if equals and name.startswith(_PREFIX):
            yield name.removeprefix(_PREFIX), value


def _set(found: dict[str, int], name: str, text: str) -> None:
    if name not in _LIMITS:
        return
    low, high = _LIMITS[name]
    value = _number(text)
    if low <= value <= high:
        found[name] = value


def _number(text: str) -> int:
    """_dl_strtoul: what stands at the start of the text, 0 if that is no number; a minus wraps round."""
    match = _NUMBER.match(text)
    if match is None:
        return 0
    sign, *digits = match.groups()
    value = next(int(found or "0", base) for found, base in zip(digits, (16, 8, 10), strict=True) if found is not None)
    if value >= SIZE_MAX:
        return SIZE_MAX
    return -value & SIZE_MAX if sign == "-" else value
