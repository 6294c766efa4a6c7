"""Models elf/dl-hwcaps.c, sysdeps/x86/cpu-features.c and get-isa-level.h (glibc 2.36): subfolders by CPU."""

from collections.abc import Sequence
from typing import Final, NamedTuple

PREFIX: Final = "glibc-hwcaps/"
_BASELINE: Final = frozenset(["cmov", "cx8", "fpu", "fxsr", "mmx", "sse", "sse2"])
_LEVELS: Final = (
    ("x86-64-v2", frozenset(["cx16", "lahf_lm", "popcnt", "pni", "ssse3", "sse4_1", "sse4_2"])),
    ("x86-64-v3", frozenset(["avx", "avx2", "f16c", "fma", "abm", "movbe"])),
    ("x86-64-v4", frozenset(["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"])),
)
"""What each level adds, by the names of /proc/cpuinfo (abm: LZCNT, pni: SSE3)."""
_AVX512_1: Final = frozenset(["avx512cd", "avx512bw", "avx512dq", "avx512vl"])
_HASWELL: Final = frozenset(["avx2", "fma", "bmi1", "bmi2", "abm", "movbe", "popcnt"])
HWCAP_X86_64: Final = 1 << 1
HWCAP_X86_AVX512_1: Final = 1 << 2
PAIR: Final = 16
"""sizeof (struct r_strlenpair), and of struct dl_hwcaps_priority."""


class Hwcaps(NamedTuple):
    """What _dl_important_hwcaps() makes of the CPU."""

    levels: tuple[str, ...]
    """Active subfolders of glibc-hwcaps, best first."""
    platform: str
    """What $PLATFORM stands for."""
    hwcap: int
    """GLRO(dl_hwcap), as far as it counts."""
    subfolders: tuple[str, ...]
    """In the order in which each folder of a search path is tried, each with its slash; "" is the folder itself."""
    table: int
    """Bytes of the table of these names."""


def hwcaps(vendor: str, flags: frozenset[str], *, legacy: bool) -> Hwcaps:
    """The subfolders that this CPU is good for.

    Args:
        vendor: as in /proc/cpuinfo.
        flags: the same.
        legacy: whether there are still subfolders by platform (up to 2.36).
    """
    levels = active_levels(flags)
    platform, hwcap = "x86_64", HWCAP_X86_64
    if vendor == "GenuineIntel":
        if flags >= _AVX512_1 and "avx512er" not in flags:
            hwcap |= HWCAP_X86_AVX512_1
        if {"avx512cd", "avx512er", "avx512pf"} <= flags:
            platform = "xeon_phi"
        elif flags >= _HASWELL:
            platform = "haswell"
    named = [f"{PREFIX}{level}/" for level in levels]
    length = sum(len(name) for name in named)
    if not legacy:
        return Hwcaps(levels, platform, hwcap, (*named, ""), PAIR * (len(named) + 1) + length)
    words = ["x86_64", *(["avx512_1"] if hwcap & HWCAP_X86_AVX512_1 else []), platform, "tls"]
    combined = _power_set(words)
    size = PAIR * (len(named) + len(combined)) + length + _strings(words)
    return Hwcaps(levels, platform, hwcap, (*named, *combined), size)


def active_levels(flags: frozenset[str]) -> tuple[str, ...]:
    """The levels of the x86-64 psABI that a CPU reaches, best first, without the baseline."""
    found: list[str] = []
    if flags >= _BASELINE:
        for name, needed in _LEVELS:
            if not needed <= flags:
                break
            found.insert(0, name)
    return tuple(found)


def _power_set(words: Sequence[str]) -> list[str]:
    """Every combination, the one with all words first; the last word stands in front."""
    numbers = range((1 << len(words)) - 1, -1, -1)
    return [
        "".join(f"{word}/" for bit, word in reversed([*enumerate(words)]) if number >> bit & 1) for number in numbers
    ]


def _strings(words: Sequence[str]) -> int:
    """Bytes of the strings that hold all combinations of three words or more."""
    total = 2 * (len(words[0]) + len(words[-1]) + 2) + sum(len(word) + 1 for word in words[1:-1])
    return total << (len(words) - 3)
