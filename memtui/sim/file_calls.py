"""Steps about files and segments: their results depend on what lies outside a simulation of memory.

Which files exist, how long they are, which descriptors and segment ids are taken: where a log tells, the log is
right, and the simulated files follow it. Without a log the simulated kernel decides.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from memtui.sim.kernel import file, memfd, read_write, shm, truncate
from memtui.sim.kernel.file_table import fput
from memtui.sim.kernel.outcome import Outcome
from memtui.sim.process import Process
from memtui.sim.syscall_table import Argument, SysCall, arguments, numbers
from memtui.sim.world import Effect, Handler, World
from memtui.trace.line import Call, Result

O_CREAT: Final = 0o100
_AS_RECORDED: Final = "as recorded: it depends on what is not simulated"
_STANDARD: Final = frozenset({0, 1, 2})
"""Descriptors that a process starts with; what they are is not simulated."""

_OPENERS: Final[Mapping[str, SysCall]] = MappingProxyType(
    {
        "open": SysCall(file.sys_open, "sn?n"),
        "openat": SysCall(file.sys_openat, "nsn?n"),
        "creat": SysCall(file.sys_creat, "sn"),
        "shm_open": SysCall(file.sys_open, "snn"),
        "memfd_create": SysCall(memfd.sys_memfd_create, "sn"),
        "dup": SysCall(file.sys_dup, "n"),
    }
)
"""Calls that give a descriptor."""
_USERS: Final[Mapping[str, SysCall]] = MappingProxyType(
    {
        "close": SysCall(file.sys_close, "n"),
        "dup2": SysCall(file.sys_dup2, "nn"),
        "dup3": SysCall(file.sys_dup2, "nnn"),
        "read": SysCall(read_write.sys_read, "n.n"),
        "write": SysCall(read_write.sys_write, "n.n"),
        "pread64": SysCall(read_write.sys_pread64, "n.nn"),
        "pwrite64": SysCall(read_write.sys_pwrite64, "n.nn"),
        "lseek": SysCall(read_write.sys_lseek, "nnn"),
        "ftruncate": SysCall(truncate.sys_ftruncate, "nn"),
        "fallocate": SysCall(truncate.sys_fallocate, "nnnn"),
        "fsync": SysCall(read_write.sys_fsync, "n"),
        "fdatasync": SysCall(read_write.sys_fsync, "n"),
    }
)
"""Calls on a descriptor."""


def _opener(name: str, entry: SysCall) -> Handler:
    def handler(world: World, process: Process, call: Call) -> Effect:
        args = arguments(call, entry.kinds, world.variables)
        if name == "shm_open" and isinstance(args[0], bytes):
            args[0] = _shm_path(args[0])
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
        opened = task.files.open.pop(outcome.value)
        cloexec = outcome.value in task.files.close_on_exec
        task.files.close_on_exec.discard(outcome.value)
        if recorded.errno or recorded.value is None:
            fput(world.kernel, opened)
        else:
            old = task.files.open.pop(recorded.value, None)
            task.files.open[recorded.value] = opened
            if cloexec:
                task.files.close_on_exec.add(recorded.value)
            if old is not None:
                fput(world.kernel, old)
    return _recorded(recorded)


def _user(entry: SysCall) -> Handler:
    def handler(world: World, process: Process, call: Call) -> Effect:
        args = arguments(call, entry.kinds, world.variables)
        fd = args[0]
        if fd in _STANDARD and fd not in process.task.files.open:
            count = args[1] if entry.function is read_write.sys_write else 0
            assert isinstance(count, int)
            return (
                _recorded(call.result) if call.result else Effect(count, why="a terminal: nothing is simulated of it")
            )
        outcome = entry.function(world.kernel, process.task, *args)
        if call.result is None or _agree(outcome, call.result):
            return Effect(outcome.value, outcome.errno, outcome.why)
        return _recorded(call.result)

    return handler


def _unlinker(*, posix_shm: bool) -> Handler:
    def handler(world: World, process: Process, call: Call) -> Effect:
        (path,) = arguments(call, "s", world.variables)
        assert isinstance(path, bytes)
        outcome = file.sys_unlink(world.kernel, process.task, _shm_path(path) if posix_shm else path)
        if call.result is None or _agree(outcome, call.result):
            return Effect(outcome.value, outcome.errno, outcome.why)
        return _recorded(call.result)

    return handler


def _shmget(world: World, process: Process, call: Call) -> Effect:
    """The log's segment id becomes another name for the simulated segment."""
    outcome = shm.sys_shmget(world.kernel, process.task, *numbers(call, 3, world.variables))
    if call.result is None or call.result.value is None or _agree(outcome, call.result):
        return Effect(outcome.value, outcome.errno, outcome.why)
    if not outcome.errno and not call.result.errno:
        world.segments[call.result.value] = outcome.value
    return _recorded(call.result)


def _shmat(world: World, process: Process, call: Call) -> Effect:
    segment, address, flags = numbers(call, 3, world.variables)
    outcome = shm.sys_shmat(world.kernel, process.task, world.segments.get(segment, segment), address, flags)
    return Effect(outcome.value, outcome.errno, outcome.why)


def _shmctl(world: World, process: Process, call: Call) -> Effect:
    segment, command = numbers(call, 2, world.variables)
    outcome = shm.sys_shmctl(world.kernel, process.task, world.segments.get(segment, segment), command)
    if call.result is None or _agree(outcome, call.result):
        return Effect(outcome.value, outcome.errno, outcome.why)
    return _recorded(call.result)


def _sync(world: World, process: Process, call: Call) -> Effect:
    return Effect(0, why="what is dirty is not simulated")


def _agree(outcome: Outcome, recorded: Result) -> bool:
    if recorded.value is None:
        return True
    return (outcome.value, outcome.errno) == (recorded.value, recorded.errno)


def _recorded(result: Result) -> Effect:
    return Effect(result.value, result.errno, _AS_RECORDED, recorded=True)


def _shm_path(name: bytes) -> bytes:
    """Where glibc keeps POSIX shared memory."""
    return b"/dev/shm/" + name.lstrip(b"/")


_CREATORS: Final[frozenset[Callable[..., Outcome]]] = frozenset({file.sys_open, file.sys_openat})
HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {
        **{name: _opener(name, entry) for name, entry in _OPENERS.items()},
        **{name: _user(entry) for name, entry in _USERS.items()},
        "unlink": _unlinker(posix_shm=False),
        "shm_unlink": _unlinker(posix_shm=True),
        "shmget": _shmget,
        "shmat": _shmat,
        "shmctl": _shmctl,
        "sync": _sync,
    }
)
