"""Steps that are system calls on memory: run as they are written."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from memtui.sim.kernel.mman import MREMAP_DONTUNMAP, MREMAP_MAYMOVE
from memtui.sim.process import Process
from memtui.sim.syscall_table import TABLE, arguments
from memtui.sim.world import Effect, Handler, World
from memtui.trace.line import Call


def _handler(name: str) -> Handler:
    entry = TABLE[name]

    def handler(world: World, process: Process, call: Call) -> Effect:
        outcome = entry.function(world.kernel, process.task, *arguments(call, entry.kinds, world.variables))
        return Effect(outcome.value, outcome.errno, outcome.why)

    return handler


def _brk(world: World, process: Process, call: Call) -> Effect:
    """Libc remembers the break, so its allocator goes on from there."""
    effect = _handler("brk")(world, process, call)
    if effect.value is not None:
        process.brk_moved(effect.value)
    return effect


def _mremap(world: World, process: Process, call: Call) -> Effect:
    """mremap: of MREMAP_DONTUNMAP alone strace leaves out the new address, which is a hint; the result tells it."""
    args = arguments(call, TABLE["mremap"].kinds, world.variables)
    hidden = len(args) == 4 and args[3] == MREMAP_MAYMOVE | MREMAP_DONTUNMAP
    if hidden and call.result is not None and call.result.errno:
        why = "as recorded: strace leaves out the hint, which decides"
        return Effect(call.result.value, call.result.errno, why, recorded=True)
    told = call.result.value if hidden and call.result is not None and not call.result.errno else None
    outcome = TABLE["mremap"].function(world.kernel, process.task, *args, *([] if told is None else [told]))
    why = outcome.why if told is None else f"{outcome.why}; strace leaves out the hint, so its result stands for it"
    return Effect(outcome.value, outcome.errno, why)


HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {**{name: _handler(name) for name in TABLE}, "brk": _brk, "mremap": _mremap}
)
