"""Steps about descriptors of any kind: which number refers to what."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from memtui.sim.descriptors import KINDS, PAIRS, open_unknown, open_unsimulated
from memtui.sim.kernel import file, memfd
from memtui.sim.kernel.file_table import fput
from memtui.sim.kernel.mman import MAP_ANONYMOUS
from memtui.sim.process import Process
from memtui.sim.syscall_table import TABLE, arguments, numbers
from memtui.sim.world import Effect, Handler, World
from memtui.trace.constants import FCNTL, value_of
from memtui.trace.line import Arg, Array, Call, Fd, Flags, Number, Result

UNSIMULATED: Final = "a terminal, pipe or socket: nothing is simulated of it"
_SEALS: Final = {number: name for name, number in FCNTL.items()}
_AS_RECORDED: Final = "as recorded: it depends on what is not simulated"
_O_RDWR_CREAT: Final = file.O_RDWR | file.O_CREAT


def as_recorded(result: Result) -> Effect:
    """What the log says, where nothing is predicted."""
    return Effect(result.value, result.errno, _AS_RECORDED, recorded=True)


def move_descriptor(world: World, process: Process, fd: int, to: int | None) -> None:
    """Give the open file `fd` another number, or close it."""
    files = process.task.files
    opened = files.open.pop(fd)
    cloexec = fd in files.close_on_exec
    files.close_on_exec.discard(fd)
    if to is None:
        fput(world.kernel, opened)
        return
    old = files.open.pop(to, None)
    files.open[to] = opened
    files.close_on_exec.discard(to)
    if cloexec:
        files.close_on_exec.add(to)
    if old is not None:
        fput(world.kernel, old)


def _maker(name: str) -> Handler:
    """A call whose descriptors are of no file."""

    def handler(world: World, process: Process, call: Call) -> Effect:
        recorded = call.result
        if recorded is not None and recorded.errno:
            return as_recorded(recorded)
        cloexec = any("CLOEXEC" in flag for arg in call.args if isinstance(arg, Flags) for flag in arg.names)
        told: list[int | None] = [None if recorded is None else recorded.value]
        if name in PAIRS:
            told = _pair(call.args[PAIRS[name] :])
        made = [open_unsimulated(process.task, name, cloexec=cloexec) for _ in told]
        for fd, number in reversed(list(zip(made, told, strict=True))):
            if number is not None and number != fd:
                move_descriptor(world, process, fd, number)
        if recorded is not None:
            return as_recorded(recorded)
        return Effect(0 if name in PAIRS else made[0], why=UNSIMULATED)

    return handler


def _pair(args: tuple[Arg, ...]) -> list[int | None]:
    """The two descriptors that strace prints in an argument: `[3, 4]`."""
    items = args[0].items if args and isinstance(args[0], Array) else ()
    told = [item.value if isinstance(item, Number) else item.number for item in items if isinstance(item, Number | Fd)]
    return [told[0], told[1]] if len(told) == 2 else [None, None]


def _dup(world: World, process: Process, call: Call) -> Effect:
    """dup(fd), dup2(fd, new), dup3(fd, new, flags), fcntl(fd, F_DUPFD, lowest)."""
    if call.result is not None and call.result.errno:
        return as_recorded(call.result)
    count = {"dup": 1, "fcntl": 1}.get(call.name, 2)
    fd, *new = numbers(call, count, world.variables)
    files = process.task.files
    if fd not in files.open:
        if call.result is None:
            return Effect(-1, "EBADF", f"EBADF: descriptor {fd} is not open")
        open_unknown(process.task, fd)
    cloexec = any("CLOEXEC" in flag for arg in call.args if isinstance(arg, Flags) for flag in arg.names)
    if new and new[0] == fd:
        return Effect(fd, why="the same descriptor")
    target = new[0] if new else _lowest(world, process, call)
    if call.result is not None and call.result.value is not None:
        target = call.result.value
    outcome = file.sys_dup2(world.kernel, process.task, fd, target, file.O_CLOEXEC if cloexec else 0)
    return Effect(target, outcome.errno, "another descriptor of the same open file")


def _lowest(world: World, process: Process, call: Call) -> int:
    """The lowest free descriptor; for fcntl from its third argument on."""
    fd = process.task.files.first
    if call.name == "fcntl" and len(call.args) > 2:
        fd = value_of(call.args[2], world.variables)
    while fd in process.task.files.open:
        fd += 1
    return fd


def _fcntl(world: World, process: Process, call: Call) -> Effect:
    """Duplicates a descriptor, says whether execve closes it, or seals a memfd; all else has no effect here."""
    command = call.args[1] if len(call.args) > 1 else None
    name = command.names[0] if isinstance(command, Flags) and command.names else ""
    if isinstance(command, Number) or name in FCNTL:
        name = _SEALS.get(value_of(command, world.variables), "") if command is not None else ""
    if name:
        sealed = _seals(world, process, call, name)
        if sealed is not None:
            return sealed
    if name.startswith("F_DUPFD"):
        return _dup(world, process, call)
    if name == "F_SETFD" and (call.result is None or not call.result.errno):
        files, fd = process.task.files, numbers(call, 1, world.variables)[0]
        flags = call.args[2] if len(call.args) > 2 else None
        files.close_on_exec.discard(fd)
        if isinstance(flags, Flags) and "FD_CLOEXEC" in flags.names and fd in files.open:
            files.close_on_exec.add(fd)
    return Effect(None if call.result is None else call.result.value, why="no effect on memory", recorded=True)


def _seals(world: World, process: Process, call: Call, name: str) -> Effect | None:
    """F_ADD_SEALS, F_GET_SEALS; None for other commands, and for a descriptor of which only the log knows."""
    opened = process.task.files.open.get(numbers(call, 1, world.variables)[0])
    sealable = opened is not None and (opened.inode.shmem or opened.inode.huge_shift)
    if name not in FCNTL or (call.result is not None and not sealable):
        return None
    if name == "F_GET_SEALS":
        outcome = memfd.sys_memfd_get_seals(world.kernel, process.task, *numbers(call, 1, world.variables))
    else:
        fd, _, seals = numbers(call, 3, world.variables)
        outcome = memfd.sys_memfd_add_seals(world.kernel, process.task, fd, seals)
    return Effect(outcome.value, outcome.errno, outcome.why)


def _close_range(world: World, process: Process, call: Call) -> Effect:
    """close_range(first, last, flags)."""
    first, last = numbers(call, 2, world.variables)
    if call.result is not None and call.result.errno:
        return as_recorded(call.result)
    chosen = [fd for fd in process.task.files.open if first <= fd <= (last & 0xFFFF_FFFF)]
    if any("CLOEXEC" in flag for arg in call.args[2:] if isinstance(arg, Flags) for flag in arg.names):
        process.task.files.close_on_exec.update(chosen)
    else:
        for fd in chosen:
            file.sys_close(world.kernel, process.task, fd)
    return Effect(0, why=f"{len(chosen)} descriptors")


def _mmap(world: World, process: Process, call: Call) -> Effect:
    """mmap: -y tells the file of its descriptor, which may have been opened before the log begins."""
    entry = TABLE["mmap"]
    args = arguments(call, entry.kinds, world.variables)
    if len(call.args) > 4 and isinstance(fd := call.args[4], Fd) and fd.number >= 0:
        _know(world, process, fd)
    succeeded = call.result is not None and not call.result.errno
    number, flags = args[4], args[3]
    assert isinstance(number, int)
    assert isinstance(flags, int)
    number &= 0xFFFF_FFFF
    if succeeded and not flags & MAP_ANONYMOUS and number not in process.task.files.open:
        open_unknown(process.task, number)
    outcome = entry.function(world.kernel, process.task, *args)
    return Effect(outcome.value, outcome.errno, outcome.why)


def _know(world: World, process: Process, fd: Fd) -> None:
    """Let a descriptor be the file that the log says it is."""
    opened = process.task.files.open.get(fd.number)
    if not fd.path.startswith("/") or (opened is not None and opened.inode.label == fd.path):
        return
    outcome = file.sys_open(world.kernel, process.task, fd.path.encode("utf-8", "surrogateescape"), _O_RDWR_CREAT)
    if not outcome.errno:
        move_descriptor(world, process, outcome.value, fd.number)


HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {
        **{name: _maker(name) for name in KINDS},
        **dict.fromkeys(("dup", "dup2", "dup3"), _dup),
        "fcntl": _fcntl,
        "close_range": _close_range,
        "mmap": _mmap,
    }
)
