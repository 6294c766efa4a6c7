"""From calls of a trace to the system calls of the simulated kernel."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from memtui.model.errors import ParseError
from memtui.sim.kernel import mlock
from memtui.sim.kernel.brk import sys_brk
from memtui.sim.kernel.kernel import Kernel
from memtui.sim.kernel.madvise import sys_madvise
from memtui.sim.kernel.mincore import sys_mincore
from memtui.sim.kernel.mmap import sys_mmap
from memtui.sim.kernel.mprotect import sys_mprotect, sys_pkey_mprotect
from memtui.sim.kernel.mremap import sys_mremap
from memtui.sim.kernel.mseal import sys_mseal
from memtui.sim.kernel.msync import sys_msync
from memtui.sim.kernel.munmap import sys_munmap
from memtui.sim.kernel.outcome import Outcome
from memtui.sim.kernel.pkeys import pkey_set, sys_pkey_alloc, sys_pkey_free
from memtui.sim.kernel.remap_file_pages import sys_remap_file_pages
from memtui.sim.kernel.shm import sys_shmdt
from memtui.sim.kernel.task import Task
from memtui.trace.constants import value_of
from memtui.trace.line import Arg, Call, Number, Text

Argument = int | bytes
ULONG_MAX: Final = (1 << 64) - 1


class SysCall(NamedTuple):
    """A system call of the kernel, and what it takes of the arguments that a trace has."""

    function: Callable[..., Outcome]
    kinds: str
    """One letter an argument: u an unsigned long, n a signed number, s a string, . left out; behind `?` they may be
    missing."""


TABLE: Final[Mapping[str, SysCall]] = MappingProxyType(
    {
        "brk": SysCall(sys_brk, "u"),
        "mmap": SysCall(sys_mmap, "uuuuuu"),
        "munmap": SysCall(sys_munmap, "uu"),
        "mprotect": SysCall(sys_mprotect, "uuu"),
        "mremap": SysCall(sys_mremap, "uuuu?u"),
        "pkey_mprotect": SysCall(sys_pkey_mprotect, "uuuu"),
        "pkey_alloc": SysCall(sys_pkey_alloc, "uu"),
        "pkey_free": SysCall(sys_pkey_free, "u"),
        "pkey_set": SysCall(pkey_set, "uu"),
        "madvise": SysCall(sys_madvise, "uuu"),
        "mlock": SysCall(mlock.sys_mlock, "uu"),
        "mlock2": SysCall(mlock.sys_mlock2, "uuu"),
        "munlock": SysCall(mlock.sys_munlock, "uu"),
        "mlockall": SysCall(mlock.sys_mlockall, "u"),
        "munlockall": SysCall(mlock.sys_munlockall, ""),
        "mseal": SysCall(sys_mseal, "uuu"),
        "remap_file_pages": SysCall(sys_remap_file_pages, "uuuuu"),
        "msync": SysCall(sys_msync, "uuu"),
        "mincore": SysCall(sys_mincore, "uu."),
        "shmdt": SysCall(sys_shmdt, "u"),
    }
)
"""Calls that are run as they are written."""


def run(kernel: Kernel, task: Task, name: str, *args: Argument) -> Outcome:
    """Run a system call by name, with the arguments that its function takes."""
    return TABLE[name].function(kernel, task, *args)


def arguments(call: Call, kinds: str, variables: Mapping[str, int]) -> list[Argument]:
    """The values of a call's arguments that `kinds` asks for.

    Raises:
        ParseError: one is missing, or is not of its kind.
    """
    needed, _, optional = kinds.partition("?")
    if len(call.args) < len(needed):
        raise ParseError(f"{call.name}: expected {len(needed)} arguments, not {len(call.args)}")
    wanted = zip(needed + optional, call.args, strict=False)
    return [_argument(call.name, kind, arg, variables) for kind, arg in wanted if kind != "."]


def numbers(call: Call, count: int, variables: Mapping[str, int]) -> list[int]:
    """The first `count` arguments as numbers.

    Raises:
        ParseError: one is missing or has no value.
    """
    if len(call.args) < count:
        raise ParseError(f"{call.name}: expected {count} arguments, not {len(call.args)}")
    return [value_of(arg, variables) for arg in call.args[:count]]


def _argument(name: str, kind: str, arg: Arg, variables: Mapping[str, int]) -> Argument:
    if type(arg) is Number and kind in "un":
        return arg.value & ULONG_MAX if kind == "u" else arg.value
    if kind == "u":
        return value_of(arg, variables) & ULONG_MAX
    if kind == "n":
        return value_of(arg, variables)
    if isinstance(arg, Text):
        return arg.value
    if isinstance(arg, Number) and not arg.value:
        return b""
    raise ParseError(f"{name}: expected a string")
