"""Steps of the kernel's own threads: memtui's kswapd()."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from memtui.sim.kernel.mmzone import recount
from memtui.sim.kernel.vmscan import balanced, wakeup_kswapd
from memtui.sim.process import Process
from memtui.sim.world import Effect, Handler, World
from memtui.trace.line import Call


def _kswapd(world: World, process: Process, call: Call) -> Effect:
    """Wake kswapd as if an allocation had found too little; it reclaims only while no zone is above high."""
    kernel = world.kernel
    recount(kernel)
    if balanced(kernel):
        zone = next(zone for zone in reversed(kernel.zones) if zone.above(zone.high))
        why = f"zone {zone.name} has {zone.free:,} free pages, above high ({zone.high:,}): kswapd sleeps again at once"
        return Effect(0, why=why)
    kernel.kswapd_failures = 0
    wakeup_kswapd(kernel, "by kswapd()")
    return Effect(0, why="kswapd ran until a zone was above its high watermark, or nothing more could be freed")


HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType({"kswapd": _kswapd})
