"""Steps about files and segments: their results depend on what lies outside a simulation of memory.

Which files exist, how long they are, which descriptors and segment ids are taken: where a log tells, the log is
right, and the simulated files follow it. Without a log the simulated kernel decides.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from memtui.sim.descriptor_calls import UNSIMULATED, as_recorded, move_descriptor
from memtui.sim.descriptors import is_unsimulated
from memtui.sim.kernel import fadvise, fallocate, file, memfd, read_write, shm, truncate
from memtui.sim.kernel.outcome import Outcome
from memtui.sim.paths import BY_PATH, absolute
from memtui.sim.process import Process
from memtui.sim.syscall_table import Argument, SysCall, arguments, numbers
from memtui.sim.world import Effect, Handler, World
from memtui.trace.line import Call, Result

O_CREAT: Final = 0o100

_OPENERS: Final[Mapping[str, SysCall]] = MappingProxyType(
    {
        "open": SysCall(file.sys_open, "sn?n"),
        "openat": SysCall(file.sys_openat, "nsn?n"),
        "creat": SysCall(file.sys_creat, "sn"),
        "shm_open": SysCall(file.sys_open, "snn"),
        "memfd_create": SysCall(memfd.sys_memfd_create, "sn"),
    }
)
"""Calls that give a descriptor."""
_USERS: Final[Mapping[str, SysCall]] = MappingProxyType(
    {
        "close": SysCall(file.sys_close, "n"),
        "read": SysCall(read_write.sys_read, "n.n"),
        "write": SysCall(read_write.sys_write, "n.n"),
        "pread64": SysCall(read_write.sys_pread64, "n.nn"),
        "pwrite64": SysCall(read_write.sys_pwrite64, "n.nn"),
        "lseek": SysCall(read_write.sys_lseek, "nnn"),
        "ftruncate": SysCall(truncate.sys_ftruncate, "nn"),
        "fallocate": SysCall(fallocate.sys_fallocate, "nnnn"),
        "fsync": SysCall(read_write.sys_fsync, "n"),
        "fadvise64": SysCall(fadvise.sys_fadvise64, "nnnn"),
        "fdatasync": SysCall(read_write.sys_fsync, "n"),
    }
)
"""Calls on a descriptor."""


def _opener(name: str, entry: SysCall) -> Handler:
    def handler(world: World, process: Process, call: Call) -> Effect:
        args = arguments(call, entry.kinds, world.variables)
        if name == "shm_open" and isinstance(args[0], bytes):
            args[0] = _shm_path(args[0])
        elif name in BY_PATH:
            args[BY_PATH[name][0]] = absolute(world, process, call)
        outcome = entry.function(world.kernel, process.task, *args)
        if call.result is None or _agree(outcome, call.result):
            return Effect(outcome.value, outcome.errno, outcome.why)
        return _follow(world, process, entry, args, outcome, call.result)

    return handler


def _follow(
    world: World, process: Process, entry: SysCall, args: list[Argument], outcome: Outcome, recorded: Result
) -> Effect:
    """Make the log's descriptor refer to what was opened; a file that only the log knows is made, empty."""
    task = process.task
    if outcome.errno and not recorded.errno and entry.function in _CREATORS:
        place = 1 if entry.function is file.sys_openat else 0
        path = args[place]
        assert isinstance(path, bytes)
        outcome = file.sys_open(world.kernel, task, path, O_CREAT)
    if not outcome.errno:
        move_descriptor(world, process, outcome.value, None if recorded.errno else recorded.value)
    return as_recorded(recorded)


def _user(entry: SysCall) -> Handler:
    def handler(world: World, process: Process, call: Call) -> Effect:
        args = arguments(call, entry.kinds, world.variables)
        opened = process.task.files.open.get(args[0]) if isinstance(args[0], int) else None
        if opened is not None and is_unsimulated(opened) and entry.function is not file.sys_close:
            return _unsimulated(call, args)
        outcome = entry.function(world.kernel, process.task, *args)
        if call.result is None or _agree(outcome, call.result):
            return Effect(outcome.value, outcome.errno, outcome.why)
        return as_recorded(call.result)

    return handler


def _unsimulated(call: Call, args: list[Argument]) -> Effect:
    """A write takes all; what a read gives is not known."""
    if call.result is not None:
        return as_recorded(call.result)
    count = args[1] if call.name in {"write", "pwrite64"} else None
    assert count is None or isinstance(count, int)
    return Effect(count, why=UNSIMULATED)


def _unlinker(*, posix_shm: bool) -> Handler:
    def handler(world: World, process: Process, call: Call) -> Effect:
        if posix_shm:
            (path,) = arguments(call, "s", world.variables)
            assert isinstance(path, bytes)
            path = _shm_path(path)
        else:
            path = absolute(world, process, call)
        outcome = file.sys_unlink(world.kernel, process.task, path)
        if call.result is None or _agree(outcome, call.result):
            return Effect(outcome.value, outcome.errno, outcome.why)
        return as_recorded(call.result)

    return handler


def _shmget(world: World, process: Process, call: Call) -> Effect:
    """The log's segment id becomes another name for the simulated segment."""
    outcome = shm.sys_shmget(world.kernel, process.task, *numbers(call, 3, world.variables))
    if call.result is None or call.result.value is None or _agree(outcome, call.result):
        known = {*world.segments.values(), *world.nameless_segments}
        if world.recorded and call.result is None and not outcome.errno and outcome.value not in known:
            world.nameless_segments.append(outcome.value)
        return Effect(outcome.value, outcome.errno, outcome.why)
    if not outcome.errno and not call.result.errno:
        world.segments[call.result.value] = outcome.value
    return as_recorded(call.result)


def _shmat(world: World, process: Process, call: Call) -> Effect:
    segment, address, flags = numbers(call, 3, world.variables)
    outcome = shm.sys_shmat(world.kernel, process.task, _simulated(world, segment), address, flags)
    return Effect(outcome.value, outcome.errno, outcome.why)


def _shmctl(world: World, process: Process, call: Call) -> Effect:
    segment, command = numbers(call, 2, world.variables)
    outcome = shm.sys_shmctl(world.kernel, process.task, _simulated(world, segment), command)
    if call.result is None or _agree(outcome, call.result):
        return Effect(outcome.value, outcome.errno, outcome.why)
    return as_recorded(call.result)


def _simulated(world: World, segment: int) -> int:
    """The simulated segment that a log means: one that nobody has named yet, the oldest, if the id is none known."""
    nameless = world.nameless_segments
    if segment in nameless:
        nameless.remove(segment)
    elif nameless and segment not in world.segments and segment not in world.kernel.shm_segments:
        world.segments[segment] = nameless.pop(0)
    return world.segments.get(segment, segment)


def _sync(world: World, process: Process, call: Call) -> Effect:
    outcome = read_write.sys_sync(world.kernel, process.task)
    return Effect(0, why=outcome.why)


def _agree(outcome: Outcome, recorded: Result) -> bool:
    if recorded.value is None:
        return True
    return (outcome.value, outcome.errno) == (recorded.value, recorded.errno)


def _shm_path(name: bytes) -> bytes:
    """Where glibc keeps POSIX shared memory."""
    return b"/dev/shm/" + name.lstrip(b"/")


_CREATORS: Final[frozenset[Callable[..., Outcome]]] = frozenset({file.sys_open, file.sys_openat})
HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {
        **{name: _opener(name, entry) for name, entry in _OPENERS.items()},
        **{name: _user(entry) for name, entry in _USERS.items()},
        **dict.fromkeys(("unlink", "unlinkat"), _unlinker(posix_shm=False)),
        "shm_unlink": _unlinker(posix_shm=True),
        "shmget": _shmget,
        "shmat": _shmat,
        "shmctl": _shmctl,
        "sync": _sync,
    }
)
