"""What differs between versions of glibc, each difference by its name."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Profile:
    """The allocator of one version; sizes in bytes."""

    version: str
    heap_info: int = 48
    """What lies at the start of a thread's heap (32 until 2.34)."""
    malloc_state: int = 2200
    """An arena's own state, which lies behind the first heap_info."""
    heap_noreserve: bool = True
    """Whether threads' heaps are MAP_NORESERVE (until 2.36)."""


GLIBC_2_36: Final = Profile("2.36")

PROFILES: Final[Mapping[str, Profile]] = MappingProxyType({profile.version: profile for profile in (GLIBC_2_36,)})
"""By version."""


def profile_of(version: str) -> Profile:
    """The profile of a version, or of the newest one before it that is known; the oldest one if there is none."""
    wanted = _numbers(version)
    known = [profile for profile in PROFILES.values() if _numbers(profile.version) <= wanted]
    return known[-1] if known else next(iter(PROFILES.values()))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
