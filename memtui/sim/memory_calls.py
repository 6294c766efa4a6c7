"""Steps of the kernel's own threads, memtui's kswapd(), and names that processes give themselves."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from memtui.model.errors import ParseError
from memtui.sim.kernel.mmzone import recount
from memtui.sim.kernel.personality import sys_personality
from memtui.sim.kernel.prctl import OF_MEMORY, PR_SET_NAME, sys_prctl
from memtui.sim.kernel.vmscan import balanced, wakeup_kswapd
from memtui.sim.process import Process
from memtui.sim.syscall_table import numbers
from memtui.sim.world import Effect, Handler, World
from memtui.trace.constants import value_of
from memtui.trace.line import Call, Text


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


def _prctl(world: World, process: Process, call: Call) -> Effect:
    """prctl(2): what the OOM killer's report calls the process, and options of memory; others change nothing in it."""
    name = next((arg.value for arg in call.args[1:2] if isinstance(arg, Text)), None)
    option = _option(call, world)
    if option is not None and option in OF_MEMORY:
        args = [arg.value if isinstance(arg, Text) else value_of(arg, world.variables) for arg in call.args[1:]]
        outcome = sys_prctl(world.kernel, process.task, option, *args)
        return Effect(outcome.value, outcome.errno, outcome.why)
    if name is None or option != PR_SET_NAME:
        return Effect(0, why="this option changes nothing in memory", recorded=call.result is not None)
    outcome = sys_prctl(world.kernel, process.task, PR_SET_NAME, name)
    return Effect(outcome.value, outcome.errno, f"the process is called {process.task.comm} from now on")


def _option(call: Call, world: World) -> int | None:
    """The first argument; None if it is a name that stands for no option of memory."""
    try:
        return numbers(call, 1, world.variables)[0]
    except ParseError:
        return None


def _personality(world: World, process: Process, call: Call) -> Effect:
    """personality(persona); what it was before is as recorded: the log may have begun with any."""
    outcome = sys_personality(world.kernel, process.task, *numbers(call, 1, world.variables))
    return Effect(outcome.value, outcome.errno, outcome.why, recorded=call.result is not None)


HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {"kswapd": _kswapd, "prctl": _prctl, "personality": _personality}
)
