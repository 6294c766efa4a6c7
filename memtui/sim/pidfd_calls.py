"""Steps that name a process by a descriptor: pidfd_open, and process_madvise, which advises its memory."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from memtui.model.errors import ParseError
from memtui.sim import descriptor_calls
from memtui.sim.kernel.madvise import sys_process_madvise
from memtui.sim.kernel.outcome import Errno
from memtui.sim.process import Process
from memtui.sim.syscall_table import ULONG_MAX
from memtui.sim.world import Effect, Handler, World
from memtui.trace.constants import value_of
from memtui.trace.line import Arg, Array, Call, Struct

_SELF: Final = frozenset({-10000, -10001})
"""PIDFD_SELF_THREAD, PIDFD_SELF_THREAD_GROUP (include/uapi/linux/pidfd.h, 6.14)."""


def _pidfd_open(world: World, process: Process, call: Call) -> Effect:
    """pidfd_open(pid, flags)."""
    pid = value_of(call.args[0], world.variables) if call.args else 0
    if call.result is None and pid not in world.kernel.tasks:
        return Effect(-1, "ESRCH", f"ESRCH: there is no process {pid}")
    effect = descriptor_calls.HANDLERS["pidfd_open"](world, process, call)
    opened = process.task.files.open.get(-1 if effect.value is None else effect.value)
    if opened is not None and not effect.errno:
        opened.pidfd = pid
        return effect._replace(why=f"a descriptor of process {pid}")
    return effect


def _process_madvise(world: World, process: Process, call: Call) -> Effect:
    """process_madvise(pidfd, [{iov_base=0x1000, iov_len=4096}], 1, MADV_COLD, 0)."""
    if len(call.args) < 5:
        raise ParseError("process_madvise: expected 5 arguments")
    fd, _, _, advice, flags = (0 if isinstance(arg, Array) else value_of(arg, world.variables) for arg in call.args)
    ranges = _ranges(world, call.args[1])
    try:
        pid = process.pid if fd in _SELF else process.task.files.get(fd).pidfd
    except Errno as failure:
        return Effect(-1, failure.name, failure.why)
    if not pid:
        return Effect(-1, "EBADF", f"EBADF: descriptor {fd} is of no process")
    outcome = sys_process_madvise(world.kernel, process.task, pid, ranges, advice & 0xFFFF_FFFF, flags & 0xFFFF_FFFF)
    return Effect(outcome.value, outcome.errno, outcome.why)


def _ranges(world: World, vector: Arg) -> list[tuple[int, int]]:
    """The iovecs: start and length, bytes.

    Raises:
        ParseError: strace cut the list, or wrote only an address.
    """
    if not isinstance(vector, Array):
        raise ParseError("process_madvise: expected the ranges, [{iov_base=0x1000, iov_len=4096}]")
    found = []
    for item in vector.items:
        fields = dict(item.fields) if isinstance(item, Struct) else {}
        if fields.keys() != {"iov_base", "iov_len"}:
            raise ParseError("process_madvise: expected {iov_base=0x1000, iov_len=4096}")
        start, length = (value_of(fields[name], world.variables) & ULONG_MAX for name in ("iov_base", "iov_len"))
        found.append((start, length))
    return found


HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {"pidfd_open": _pidfd_open, "process_madvise": _process_madvise}
)
