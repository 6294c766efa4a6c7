"""The knobs of the allocator (glibc 2.36: struct malloc_par, elf/dl-tunables.list, mallopt)."""

from dataclasses import dataclass
from typing import Final

from memtui.sim.userspace.ptmalloc.profile import Profile, TcacheLayout
from memtui.sim.userspace.ptmalloc.sizes import (
    MALLOC_ALIGNMENT,
    MAX_FAST_SIZE,
    MINSIZE,
    SIZE_MAX,
    SIZE_SZ,
    request2size,
)

DEFAULT_MMAP_THRESHOLD: Final = 128 << 10
DEFAULT_MMAP_THRESHOLD_MAX: Final = 32 << 20
_MALLOPT: Final = {
    1: "mxfast",
    -1: "trim_threshold",
    -2: "top_pad",
    -3: "mmap_threshold",
    -4: "mmap_max",
    -6: "perturb",
    -7: "arena_test",
    -8: "arena_max",
}
"""M_MXFAST, M_TRIM_THRESHOLD and so on."""
_MAX_TCACHE_SIZE: Final = 1032
_MAX_RANGED_SIZE: Final = (4 << 20) - 1 - SIZE_SZ
"""The same with the lists of ranges: a chunk below 4 MiB."""
_MAX_TCACHE_COUNT: Final = 65535


@dataclass(frozen=True, slots=True)
class Tunables:
    """glibc.malloc.* at the program's start; None: not set, which for four of them leaves the thresholds dynamic.

    Bytes, but for the counts.
    """

    trim_threshold: int | None = None
    top_pad: int | None = None
    mmap_threshold: int | None = None
    mmap_max: int | None = None
    """How many chunks may have mappings of their own."""
    mxfast: int | None = None
    """Largest request that fastbins serve."""
    perturb: int = 0
    """Not 0: blocks are overwritten when they are given and freed, which touches their pages."""
    tcache_count: int | None = None
    tcache_max: int | None = None
    """Largest request that the tcache serves."""
    tcache_unsorted_limit: int = 0
    arena_test: int = 8
    arena_max: int = 0


DEFAULT: Final = Tunables()
"""Nothing set."""


class Parameters:
    """mp_ and global_max_fast: the knobs as they stand now."""

    def __init__(self, tunables: Tunables, profile: Profile) -> None:
        self._profile = profile
        layout = profile.tcache or TcacheLayout()
        self.trim_threshold = DEFAULT_MMAP_THRESHOLD
        self.top_pad = 128 << 10
        self.mmap_threshold = DEFAULT_MMAP_THRESHOLD
        self.n_mmaps_max = 65536
        self.no_dyn_threshold = False
        """Whether a freed mapping leaves the thresholds as they are."""
        self.max_fast = 128 if profile.fastbins else 0
        """Largest chunk size of the fastbins."""
        self.perturb_byte = tunables.perturb
        self.tcache_count = layout.count
        self.tcache_largest = layout.largest
        """Largest chunk size of the tcache's lists of one size each."""
        self.tcache_limit = layout.limit
        """malloc and free ask the tcache for chunk sizes below this."""
        self.tcache_unsorted_limit = tunables.tcache_unsorted_limit
        self.arena_test = tunables.arena_test
        self.arena_max = tunables.arena_max
        self._start_with(tunables)

    def _start_with(self, tunables: Tunables) -> None:
        for name in ("top_pad", "mmap_threshold", "trim_threshold"):
            value = getattr(tunables, name)
            if value is not None:
                self.set_size(name, value)
        if tunables.mmap_max is not None:
            self.set_mmaps_max(tunables.mmap_max)
        if tunables.mxfast is not None and self._profile.fastbins:
            self.set_mxfast(tunables.mxfast)
        if tunables.tcache_count is not None and 0 <= tunables.tcache_count <= _MAX_TCACHE_COUNT:
            self.tcache_count = tunables.tcache_count
        if tunables.tcache_max is not None:
            self._set_tcache_max(tunables.tcache_max, self._profile.tcache or TcacheLayout())

    def _set_tcache_max(self, value: int, layout: TcacheLayout) -> None:
        """The largest request that the tcache serves; one that is too large is ignored."""
        most = _MAX_RANGED_SIZE if layout.lists_of_ranges else _MAX_TCACHE_SIZE
        if not 0 <= value <= most:
            return
        size = request2size(value)
        self.tcache_limit = size + (layout.limit - layout.largest if layout.limit > layout.largest else 0)
        self.tcache_largest = min(size, layout.largest)

    def mallopt(self, option: int, value: int) -> tuple[str, bool]:
        """Set the knob M_...; gives its name, and whether the value was taken."""
        name = _MALLOPT.get(option, "an option without effect on addresses")
        if name == "mxfast":
            return name, not self._profile.fastbins or self.set_mxfast(value)
        if name == "mmap_threshold" and value & SIZE_MAX > self._profile.mmap_threshold_max:
            return name, False
        if name == "mmap_max":
            self.set_mmaps_max(value)
        elif name == "perturb":
            self.perturb_byte = value
        elif name in ("arena_test", "arena_max"):
            if value > 0:
                setattr(self, name, value)
        elif option in _MALLOPT:
            self.set_size(name, value)
        return name, True

    def set_size(self, name: str, value: int) -> None:
        """trim_threshold, top_pad or mmap_threshold; a negative value becomes a huge one, as in C."""
        setattr(self, name, value & SIZE_MAX)
        self.no_dyn_threshold = True

    def set_mmaps_max(self, value: int) -> None:
        """How many mapped chunks there may be; an int, so that a negative value forbids them."""
        self.n_mmaps_max = value
        self.no_dyn_threshold = True

    def set_mxfast(self, value: int) -> bool:
        """Largest request that fastbins serve; False: refused, over 160 bytes."""
        if not 0 <= value <= MAX_FAST_SIZE:
            return False
        self.max_fast = (
            (value + SIZE_SZ) & -MALLOC_ALIGNMENT if value > MALLOC_ALIGNMENT - 1 - SIZE_SZ else MINSIZE // 2
        )
        return True
