"""Steps that make processes, end them, or set their limits; and which process a line of a trace is about."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from memtui.model.event import Event, EventKind
from memtui.sim.kernel import fork, resource
from memtui.sim.kernel.mman import CLONE_VFORK, CLONE_VM
from memtui.sim.kernel.rmap import anon_vma_prepare
from memtui.sim.kernel.vm_flags import VM_SHARED, VM_WRITE
from memtui.sim.process import Process
from memtui.sim.syscall_table import numbers
from memtui.sim.world import Effect, Handler, World
from memtui.trace.constants import value_of
from memtui.trace.line import Arg, Call, Exited, Flags, Keyword, Mode, Statement, Struct

if TYPE_CHECKING:
    from memtui.sim.kernel.outcome import Outcome

FORKS: Final = frozenset({"fork", "vfork", "clone", "clone3"})


def process_of(world: World, program: Sequence[Statement], position: int) -> Process:
    """The process that a statement is about.

    A child's first lines may stand before the line in which its parent learns of it: then the fork takes place
    now. A process of which the trace does not tell the origin starts with an empty address space.
    """
    pid = program[position].pid
    if pid is None:
        return world.first or world.start(None)
    process = world.processes.get(pid)
    if process is not None and not process.ended:
        return process
    birth = world.births.still_to_come(program[position])
    if birth is not None and world.processes:
        return _born_early(world, birth, pid)
    return process or world.start(pid)


def _born_early(world: World, birth: Statement, pid: int) -> Process:
    parent, call = world.processes.get(birth.pid or 0) or world.first, birth.what
    if parent is None or not isinstance(call, Call):
        return world.start(pid)
    outcome = _clone(world, parent, call, pid)
    if outcome.errno:
        return world.start(pid)
    world.born_early.add(pid)
    return world.child(parent, outcome.value)


def _fork(world: World, process: Process, call: Call) -> Effect:
    """fork, vfork, clone, clone3: a pid cannot be predicted, so the child gets the one that the log has for it."""
    if call.result is not None and call.result.errno:
        return Effect(-1, call.result.errno, "as recorded: no child", recorded=True)
    child = call.child or (call.result.value if call.result is not None else None)
    if child in world.born_early:
        world.born_early.remove(child)
        return Effect(child, why="the child ran already")
    outcome = _clone(world, process, call, child or 0)
    if not outcome.errno:
        world.child(process, outcome.value)
    return Effect(outcome.value, outcome.errno, outcome.why)


def _clone(world: World, process: Process, call: Call, pid: int) -> "Outcome":
    flags = clone_flags(world, call)
    if world.recorded and not flags & CLONE_VM:
        _assume_written(world, process)
    return fork.sys_clone(world.kernel, process.task, flags, pid)


def _assume_written(world: World, process: Process) -> None:
    """Give each writable private mapping an anon_vma, so that in the child none of them merges with new memory.

    A log does not tell what its program wrote to; by the time of a fork that is most likely some of each.
    """
    mm = process.task.mm
    for vma in list(mm.tree):
        current = mm.tree.find(vma.start)
        if current is not None and current.flags & VM_WRITE and not current.flags & VM_SHARED and not current.name:
            anon_vma_prepare(world.kernel, mm, current)


def clone_flags(world: World, call: Call) -> int:
    """CLONE_* of a call, by its name and arguments."""
    if call.name == "vfork":
        return CLONE_VFORK | CLONE_VM
    flags = next((flags for arg in call.args if (flags := _flags_in(arg)) is not None), None)
    return 0 if flags is None else value_of(flags, world.variables)


def _flags_in(arg: Arg) -> Arg | None:
    match arg:
        case Keyword(name="flags", value=value):
            return value
        case Struct(fields=fields):
            return dict(fields).get("flags")
        case Flags():
            return arg
    return None


def _exit(world: World, process: Process, call: Call) -> Effect:
    """Exit ends a thread, exit_group the process; neither returns."""
    status = numbers(call, 1, world.variables)[0] if call.args else 0
    how = f"exited with status {status & 0xFF}"
    alone = not any(
        other.task.tgid == process.task.tgid and other is not process and not other.ended
        for other in world.processes.values()
    )
    if call.name == "exit" and not alone:
        process.end_thread()
        world.end_thread(process, how)
        return Effect(None, why="the thread ended; the others go on in the same address space")
    world.end(process, how)
    return Effect(None, why="every page, page table and VMA of the process is freed")


def exited(world: World, process: Process, what: Exited) -> Effect:
    """`+++ exited with 0 +++`: nothing is left to do, unless the trace did not tell the cause."""
    if process.ended or what.text.startswith("superseded"):
        return Effect(None)
    world.end_thread(process, what.text)
    return Effect(None, why="the trace tells only the end, so its memory is freed now")


def mode(process: Process, what: Mode) -> Effect:
    """`[ Process PID=7 runs in 32 bit mode. ]`, which strace says behind the execve that changed it."""
    process.foreign = "" if what.bits == 64 else f"runs in {what.bits} bit mode, which is not simulated"
    if not process.foreign:
        return Effect(None, why="its calls are those of x86-64 again")
    return Effect(None, why=process.foreign, events=(Event(EventKind.NO_EFFECT, process.foreign),))


def _set_limit(world: World, process: Process, call: Call) -> Effect:
    """prlimit64(pid, resource, {rlim_cur=..., rlim_max=...}|NULL, old), setrlimit(resource, {...})."""
    place = 2 if call.name == "prlimit64" else 1
    args = numbers(call, place, world.variables)
    if call.result is not None and call.result.errno:
        return Effect(-1, call.result.errno, "as recorded: the limit stays", recorded=True)
    new = call.args[place] if len(call.args) > place else None
    limits = [value_of(arg, world.variables) for _, arg in new.fields[:2]] if isinstance(new, Struct) else []
    run: Callable[..., Outcome] = resource.sys_prlimit64 if call.name == "prlimit64" else resource.sys_setrlimit
    if not limits and call.name == "setrlimit":
        return Effect(None, why="the new limit is not told", recorded=True)
    outcome = run(world.kernel, process.task, *args, *limits)
    return Effect(outcome.value, outcome.errno, outcome.why, recorded=bool(outcome.errno))


HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {
        **dict.fromkeys(FORKS, _fork),
        "exit": _exit,
        "exit_group": _exit,
        "prlimit64": _set_limit,
        "setrlimit": _set_limit,
    }
)
