"""Predicted results against recorded ones, and what is done where they differ."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from memtui.model.event import Event, EventKind
from memtui.sim import library
from memtui.sim.kernel.mman import MAP_FIXED, MAP_FIXED_NOREPLACE, MREMAP_FIXED, MREMAP_MAYMOVE
from memtui.sim.kernel.shm import sys_shmat
from memtui.sim.process import Process
from memtui.sim.slide import slide_base, slide_heap, slide_mapped, slide_mappings, slide_program
from memtui.sim.syscall_table import TABLE, arguments, numbers, run
from memtui.sim.world import Effect, World
from memtui.trace.line import Call, Result
from memtui.trace.printer import format_result

POINTERS: Final = frozenset({"malloc", "calloc", "realloc", "memalign", "aligned_alloc"})


def divergence(call: Call, effect: Effect) -> Event | None:
    """The event for a recorded result that is not the predicted one; None if they agree or cannot be compared."""
    recorded = call.result
    if recorded is None or effect.recorded or _agree(recorded, effect):
        return None
    expected = format_result(call.name, Result(recorded.value, recorded.errno))
    predicted = format_result(call.name, Result(effect.value, effect.errno))
    return Event(EventKind.DIVERGENCE, f"recorded {expected}, predicted {predicted}", expected, predicted)


def _agree(recorded: Result, effect: Effect) -> bool:
    if recorded.value is None or effect.value is None:
        return recorded.value is None or not recorded.errno
    return (recorded.value, recorded.errno) == (effect.value, effect.errno)


def adopt(world: World, process: Process, call: Call, effect: Effect) -> str:
    """Make the recorded result true as far as that can be done, so that the rest of the log makes sense.

    Returns:
        What was done beyond that, in a sentence, or "".
    """
    adopter = _ADOPTERS.get(call.name)
    if adopter is None or call.result is None or call.result.value is None:
        return ""
    return adopter(world, process, call, effect, call.result)


def _numbers(world: World, call: Call) -> list[int]:
    return [arg for arg in arguments(call, TABLE[call.name].kinds, world.variables) if isinstance(arg, int)]


_Adopter = Callable[[World, Process, Call, Effect, Result], str]


def _adopt_mmap(world: World, process: Process, call: Call, effect: Effect, recorded: Result) -> str:
    args = _numbers(world, call)
    if not effect.errno and not recorded.errno and effect.value is not None and recorded.value is not None:
        moved = slide_mappings(world, process, args, effect.value, recorded.value)
        if moved:
            run(world.kernel, process.task, "mmap", *args)
            return moved
    if not effect.errno and effect.value is not None:
        run(world.kernel, process.task, "munmap", effect.value, args[1])
        if recorded.value is not None and (moved := slide_base(world, process, args, effect.value, recorded.value)):
            made = run(world.kernel, process.task, "mmap", *args).value
            if made == recorded.value:
                return moved
            run(world.kernel, process.task, "munmap", made, args[1])
    if not recorded.errno and recorded.value is not None:
        flags = args[3] & ~MAP_FIXED_NOREPLACE | MAP_FIXED
        run(world.kernel, process.task, "mmap", recorded.value, args[1], args[2], flags, *args[4:])
    return ""


def _adopt_mprotect(world: World, process: Process, call: Call, effect: Effect, recorded: Result) -> str:
    args = _numbers(world, call)
    moved = slide_program(world, process, args[0], args[1]) if effect.errno and not recorded.errno else ""
    if moved:
        run(world.kernel, process.task, "mprotect", *args)
    return moved


def _adopt_mremap(world: World, process: Process, call: Call, effect: Effect, recorded: Result) -> str:
    """The mapping moves on to where the log has it; a recorded failure cannot be undone and stays done."""
    args = _numbers(world, call)
    if not recorded.errno and recorded.value is not None:
        start, length = (args[0], args[1]) if effect.errno else (effect.value or 0, args[2])
        flags = MREMAP_MAYMOVE | MREMAP_FIXED
        run(world.kernel, process.task, "mremap", start, length, args[2], flags, recorded.value)
    return ""


def _adopt_brk(world: World, process: Process, call: Call, effect: Effect, recorded: Result) -> str:
    """The break goes to where the log has it; an empty heap moves there as a whole."""
    mm = process.task.mm
    assert recorded.value is not None
    if mm.brk == mm.start_brk:
        mm.start_brk = mm.brk = recorded.value
    else:
        run(world.kernel, process.task, "brk", recorded.value)
    process.brk_adopted(mm.brk)
    return ""


def _adopt_shmat(world: World, process: Process, call: Call, effect: Effect, recorded: Result) -> str:
    if not effect.errno and effect.value is not None:
        run(world.kernel, process.task, "shmdt", effect.value)
    if not recorded.errno and recorded.value is not None:
        segment, _, flags = numbers(call, 3, world.variables)
        sys_shmat(world.kernel, process.task, world.segments.get(segment, segment), recorded.value, flags)
    return ""


def _adopt_pointer(world: World, process: Process, call: Call, effect: Effect, recorded: Result) -> str:
    """The allocator's state is its own; the log's pointer is another name for what it gave."""
    if not recorded.value or not effect.value:
        return ""
    if moved := slide_mapped(world, process, effect.value, recorded.value):
        return moved
    moved = slide_heap(world, process, effect.value, recorded.value)
    given = library.HANDLERS[call.name](world, process, call).value if moved else effect.value
    if given and given != recorded.value:
        process.aliases[recorded.value] = given
    return moved


_ADOPTERS: Final[Mapping[str, _Adopter]] = MappingProxyType(
    {
        "mmap": _adopt_mmap,
        "mprotect": _adopt_mprotect,
        "mremap": _adopt_mremap,
        "brk": _adopt_brk,
        "shmat": _adopt_shmat,
        **dict.fromkeys(POINTERS, _adopt_pointer),
    }
)
