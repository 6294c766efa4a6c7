"""Models the zones of mm/page_alloc.c and mm/mm_init.c (6.18): sizes, watermarks and reserves.

Which zone a page lies in is not simulated page by page: pages are taken from the highest zone that may give one, and
given back to the highest zone that lent one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING, Final

from memtui.model.system import Zone as Shown
from memtui.sim.kernel.profile import Profile
from memtui.sim.kernel.vmstat import page_states

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel

_DMA_PAGES: Final = 3840
"""Managed pages of the first 16 MiB on a PC: the rest belongs to firmware and kernel."""
_DMA32_PAGES: Final = (3 << 18) - (16 << 8)
"""RAM between 16 MiB and the hole for devices below 4 GiB."""
LOWMEM_RESERVE_RATIO: Final[Mapping[str, int]] = {"DMA": 256, "DMA32": 256, "Normal": 32}
"""sysctl_lowmem_reserve_ratio."""
_PAGEBLOCK: Final = 512
"""Pages of 2 MiB."""
_TABLES: Final = 3
"""Tables that a page may need: PTE, PMD, PUD."""
_THP_BLOCKS: Final = 11
"""Pageblocks a zone that khugepaged wants kept free: 2 + MIGRATE_PCPTYPES squared."""


@dataclass(slots=True)
class Zone:
    """struct zone. All sizes in pages."""

    name: str
    managed: int
    min: int = 0
    low: int = 0
    high: int = 0
    reserves: tuple[int, ...] = ()
    """lowmem_reserve: what an allocation that could use zone j must leave here."""
    used: int = 0

    @property
    def free(self) -> int:
        """NR_FREE_PAGES of the zone."""
        return self.managed - self.used

    def above(self, mark: int) -> int:
        """Pages that an allocation which may use every zone can take here above a watermark (zone_watermark_ok)."""
        return max(self.free - mark - self.reserves[-1], 0)

    def shown(self) -> Shown:
        """For the screen."""
        return Shown(self.name, self.managed, self.free, self.min, self.low, self.high, self.reserves)


def zones_of(totalram_pages: int) -> list[Zone]:
    """The zones that a PC of so much RAM has."""
    left, zones = totalram_pages, []
    for name, most in (("DMA", _DMA_PAGES), ("DMA32", _DMA32_PAGES), ("Normal", left)):
        pages = min(left, most)
        if pages:
            zones.append(Zone(name, pages))
            left -= pages
    return zones


def default_min_free_kbytes(managed: Sequence[int], profile: Profile, scale_factor: int, *, thp: bool) -> int:
    """calculate_min_free_kbytes(), and what set_recommended_min_free_kbytes() of mm/khugepaged.c makes of it.

    Args:
        managed: pages of each zone.
        profile: whether huge pages exist.
        scale_factor: vm.watermark_scale_factor.
        thp: transparent huge pages are not "never".
    """
    total = sum(managed)
    kbytes = min(max(isqrt(total * 4 * 16), 128), profile.min_free_kbytes_limit)
    if not thp or not profile.thp:
        return kbytes
    zones = [Zone(str(number), pages) for number, pages in enumerate(managed)]
    set_watermarks(zones, kbytes, scale_factor, profile)
    spare = sum(max(zone.managed - zone.high, 0) for zone in zones)  # nr_free_buffer_pages()
    return max(kbytes, min(_THP_BLOCKS * _PAGEBLOCK * len(zones), spare // 20) * 4)


def set_watermarks(zones: Sequence[Zone], min_free_kbytes: int, scale_factor: int, profile: Profile) -> None:
    """__setup_per_zone_wmarks() and setup_per_zone_lowmem_reserve()."""
    total = sum(zone.managed for zone in zones)
    for at, zone in enumerate(zones):
        zone.min = min_free_kbytes // 4 * zone.managed // max(total, 1)
        step = zone.min // 4
        if profile.watermark_scale:
            step = max(step, zone.managed * scale_factor // 10000)
        zone.low, zone.high = zone.min + step, zone.min + 2 * step
        zone.reserves = _reserves(zones, at)


def _reserves(zones: Sequence[Zone], at: int) -> tuple[int, ...]:
    zone, above, reserves = zones[at], 0, [0] * (at + 1)
    for higher in zones[at + 1 :]:
        above += higher.managed
        reserves.append(above // LOWMEM_RESERVE_RATIO.get(zone.name, 32) if zone.managed else 0)
    return tuple(reserves)


def totalreserve_pages(zones: Sequence[Zone]) -> int:
    """calculate_totalreserve_pages(): what no user of memory can count on."""
    return sum(min(zone.high + max(zone.reserves), zone.managed) for zone in zones)


def setup_zones(kernel: "Kernel") -> list[Zone]:
    """The zones of the machine, all free, with their watermarks."""
    zones = zones_of(kernel.totalram_pages)
    set_marks(kernel, zones)
    return zones


def set_marks(kernel: "Kernel", zones: list[Zone]) -> None:
    """Follow vm.min_free_kbytes and vm.watermark_scale_factor; the former has a default if nobody set it."""
    scale = kernel.sysctl["watermark_scale_factor"]
    kernel.sysctl.setdefault(
        "min_free_kbytes",
        default_min_free_kbytes(
            [zone.managed for zone in zones], kernel.profile, scale, thp=kernel.facts.thp_enabled != "never"
        ),
    )
    set_watermarks(zones, kernel.sysctl["min_free_kbytes"], scale, kernel.profile)


def recount(kernel: "Kernel") -> int:
    """Bring the zones in line with what is allocated; free pages of the machine."""
    states = page_states(kernel)
    zones = kernel.zones
    more = states.used - sum([zone.used for zone in zones])
    if more > 0:
        _take(zones, more)
    elif more:
        _give_back(zones, -more)
    return kernel.totalram_pages - states.used


def _take(zones: list[Zone], pages: int) -> None:
    """get_page_from_freelist(): the highest zone first, all of them down to LOW, then to MIN, then all there is."""
    for mark in ("low", "min", ""):
        for zone in reversed(zones):
            taken = min(pages, zone.above(getattr(zone, mark)) if mark else zone.free)
            zone.used += taken
            pages -= taken
    if zones:
        zones[-1].used += pages


def _give_back(zones: list[Zone], pages: int) -> None:
    for zone in reversed(zones):
        given = min(pages, zone.used)
        zone.used -= given
        pages -= given


def room(kernel: "Kernel", mark: str) -> int:
    """Pages that can be taken before no zone is above the watermark "min", "low" or "high"; as of the last recount.

    Page tables that come with a page are not asked for: where the watermarks do not leave as many, they are left here.
    """
    marks: list[int] = [getattr(zone, mark) for zone in kernel.zones]
    spare = max(_TABLES - sum(marks), 0)
    return max(sum(zone.above(least) for zone, least in zip(kernel.zones, marks, strict=True)) - spare, 0)
