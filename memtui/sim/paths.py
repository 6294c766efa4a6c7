"""Paths that a trace names, from the root: strace prints them as the program gave them."""

import posixpath
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from memtui.sim.process import Process
from memtui.sim.syscall_table import arguments
from memtui.sim.world import Effect, Handler, World
from memtui.trace.constants import value_of
from memtui.trace.line import Arg, Call, Fd

BY_PATH: Final[Mapping[str, tuple[int, int | None]]] = MappingProxyType(
    {"open": (0, None), "openat": (1, 0), "creat": (0, None), "unlink": (0, None), "unlinkat": (1, 0)}
)
"""Call -> the places of its path and of the directory that a relative path starts at; None: the working directory."""


def absolute(world: World, process: Process, call: Call) -> bytes:
    """The path that a call names, from the root; from where memtui runs if the trace does not tell where it starts."""
    path_place, directory_place = BY_PATH[call.name]
    path = arguments(call, "." * path_place + "s", world.variables)[0]
    assert isinstance(path, bytes)
    if path.startswith(b"/") or not path:
        return path
    start = process.directory
    if directory_place is not None:
        start = _directory(world, process, call.args[directory_place]) or start
    return joined(start, path)


def _directory(world: World, process: Process, arg: Arg) -> str:
    """The path of an openat()'s first argument; "" if it is not known."""
    if isinstance(arg, Fd) and arg.path:
        return arg.path
    fd = value_of(arg, world.variables)
    opened = process.task.files.open.get(fd)
    return opened.inode.label if opened is not None and opened.inode.is_dir else ""


def joined(start: str, path: bytes) -> bytes:
    """A path from a directory on; as it is when that is not known."""
    if not start:
        return path
    return posixpath.normpath(posixpath.join(start.encode("utf-8", "surrogateescape"), path))


def _change_directory(world: World, process: Process, call: Call) -> Effect:
    """chdir(path), fchdir(fd): where relative paths start from now on."""
    failed = call.result is not None and call.result.errno
    if call.args and not failed:
        if call.name == "fchdir":
            process.directory = _directory(world, process, call.args[0]) or process.directory
        else:
            path = arguments(call, "s", world.variables)[0]
            assert isinstance(path, bytes)
            there = joined(process.directory, path).decode("utf-8", "surrogateescape")
            facts = world.host.file(there)
            if facts is None and call.result is None:
                return Effect(-1, "ENOENT", f"ENOENT: there is no {there}")
            process.directory = (facts.path if facts is not None else "") or there
    return Effect(0 if call.result is None else call.result.value, why="relative paths start there", recorded=True)


HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(dict.fromkeys(("chdir", "fchdir"), _change_directory))
