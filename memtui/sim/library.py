"""Steps of user space: the allocator's functions, and the CPU's accesses to memory."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from memtui.model.event import Event, EventKind
from memtui.sim.kernel.fault import access
from memtui.sim.process import Process
from memtui.sim.syscall_table import ULONG_MAX, numbers
from memtui.sim.userspace.allocator import HeapCorruption
from memtui.sim.world import Effect, Handler, World
from memtui.trace.line import Call

READ: Final = 1
WRITE: Final = 2
EXEC: Final = 4
_EINVAL: Final = 22
_ENOMEM: Final = 12


def _library(body: Handler) -> Handler:
    """A function of the allocator: what it found wrong or could not reach ends the process."""

    def handler(world: World, process: Process, call: Call) -> Effect:
        process.blocks.version += 1
        process.allocator.run_as(process.thread)
        try:
            effect = body(world, process, call)
        except HeapCorruption as problem:
            if call.result is not None:
                why = f"{problem}: memory that the simulated allocator did not give"
                return Effect(None, why=why, events=(Event(EventKind.NO_EFFECT, why),), recorded=True)
            return _killed(world, process, f"SIGABRT: {problem}")
        if process.calls.fault:
            return _killed(world, process, process.calls.fault)
        return effect

    return handler


def _killed(world: World, process: Process, why: str) -> Effect:
    """A signal ends the process, as it does by default."""
    calls = process.calls.take()
    world.end(process, f"was killed by {why.split()[0].rstrip(':')}")
    return Effect(None, why=why, events=(Event(EventKind.SIGNAL, why),), calls=calls)


def _allocation(give: Callable[[Process, list[int]], int], count: int) -> Handler:
    """A function that returns memory."""

    def body(world: World, process: Process, call: Call) -> Effect:
        sizes = [number & ULONG_MAX for number in numbers(call, count, world.variables)]
        pointer = give(process, sizes)
        if call.name == "realloc":
            process.blocks.resized(process.pointer(sizes[0]), pointer, world.step, sizes[1])
        else:
            requested = sizes[0] * sizes[1] if call.name == "calloc" else sizes[-1]
            process.blocks.given(pointer, world.step, requested)
        why = process.allocator.why
        events = () if pointer or call.name == "realloc" else (Event(EventKind.FAILURE, f"{call.name}: {why}"),)
        return Effect(pointer, why=why, events=events, calls=process.calls.take())

    return _library(body)


def _realloc(process: Process, args: list[int]) -> int:
    return process.allocator.realloc(process.pointer(args[0]), args[1])


def _free(world: World, process: Process, call: Call) -> Effect:
    (pointer,) = numbers(call, 1, world.variables)
    process.allocator.free(process.pointer(pointer))
    process.blocks.taken(process.pointer(pointer))
    process.aliases.pop(pointer, None)
    return Effect(None, why=process.allocator.why, calls=process.calls.take())


def _posix_memalign(world: World, process: Process, call: Call) -> Effect:
    """The pointer goes to memory that the simulator does not hold, so a name binds the pointer, not the 0."""
    _, alignment, size = numbers(call, 3, world.variables)
    if not alignment or alignment % 8 or alignment & (alignment - 1):
        return Effect(_EINVAL, why="the alignment must be a power of two and a multiple of 8")
    pointer = process.allocator.memalign(alignment, size)
    process.blocks.given(pointer, world.step, size)
    status = 0 if pointer else _ENOMEM
    return Effect(status, why=process.allocator.why, calls=process.calls.take(), bound=pointer)


def _mallopt(world: World, process: Process, call: Call) -> Effect:
    option, value = numbers(call, 2, world.variables)
    result = process.allocator.mallopt(option, value)
    return Effect(result, why=process.allocator.why, calls=process.calls.take())


def _malloc_trim(world: World, process: Process, call: Call) -> Effect:
    (pad,) = numbers(call, 1, world.variables)
    result = process.allocator.malloc_trim(pad)
    return Effect(result, why=process.allocator.why, calls=process.calls.take())


def _touch(world: World, process: Process, call: Call) -> Effect:
    """touch(addr, length, READ|WRITE|EXEC)."""
    address, length, kind = (number & ULONG_MAX for number in numbers(call, 3, world.variables))
    outcome = access(world.kernel, process.task, address, length, write=kind == WRITE, exec=kind == EXEC)
    return _killed(world, process, outcome.why) if outcome.signal else Effect(0, why=outcome.why)


HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {
        "malloc": _allocation(lambda process, args: process.allocator.malloc(*args), 1),
        "calloc": _allocation(lambda process, args: process.allocator.calloc(*args), 2),
        "realloc": _allocation(_realloc, 2),
        "memalign": _allocation(lambda process, args: process.allocator.memalign(*args), 2),
        "aligned_alloc": _allocation(lambda process, args: process.allocator.aligned_alloc(*args), 2),
        "posix_memalign": _library(_posix_memalign),
        "free": _library(_free),
        "mallopt": _library(_mallopt),
        "malloc_trim": _library(_malloc_trim),
        "touch": _touch,
    }
)
