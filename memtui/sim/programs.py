"""Which files an execve maps: path look-up, scripts, the ELF interpreter (fs/exec.c, fs/binfmt_elf.c, 6.18)."""

import posixpath
from collections.abc import Sequence
from typing import Final

from memtui.model.elf import ElfImage
from memtui.sim.kernel.binfmt_script import BINPRM_BUF_SIZE, load_script
from memtui.sim.kernel.exec import Program
from memtui.sim.kernel.exec_stack import ExecOffsets
from memtui.sim.kernel.fs import Inode
from memtui.sim.kernel.outcome import Errno
from memtui.sim.paths import joined
from memtui.sim.process import Process
from memtui.sim.world import World

NO_OFFSETS: Final = ExecOffsets()
SCRIPT_LEVELS: Final = 5
"""Scripts that may run one another (exec_binprm)."""
PATH_MAX: Final = 4096
NAME_MAX: Final = 255
_EHDR: Final = 64
"""sizeof(Elf64_Ehdr)."""


def find_program(
    world: World, process: Process, filename: bytes, argv: Sequence[bytes], envp: Sequence[bytes]
) -> Program:
    """What an execve is to start.

    Args:
        world: its host has the files.
        process: calls execve; relative paths start at its working directory.
        filename: as passed to execve.
        argv: the same.
        envp: the same.

    Raises:
        Errno: as execve fails, but E2BIG, which `do_execve` finds.
    """
    path = open_exec(world, process, filename)
    name, scripts = filename, list[tuple[bytes, ...]]()
    while script := load_script(world.host.read(path, 0, BINPRM_BUF_SIZE)):
        argument = () if script.argument is None else (script.argument,)
        scripts.append((script.interpreter, *argument, name))
        name = script.interpreter
        path = _open_inner(world, process, name)
        if len(scripts) > SCRIPT_LEVELS:
            raise Errno("ELOOP", f"more than {SCRIPT_LEVELS} scripts run one another")
    image = world.host.elf(path)
    file = world.inode(path)
    if image is None or file is None:
        raise Errno("ENOEXEC", f"{path} is no x86-64 program")
    if image.interp_errno:
        raise Errno(image.interp_errno, f"{path} names no interpreter that can be read")
    interpreter, interpreter_file = _interpreter(world, process, image)
    offsets = world.aslr.offsets() if world.aslr is not None else NO_OFFSETS
    return Program(filename, argv, envp, image, file, interpreter, interpreter_file, offsets, scripts)


def _interpreter(world: World, process: Process, image: ElfImage) -> tuple[ElfImage | None, Inode | None]:
    """What PT_INTERP names."""
    if image.interp is None:
        return None, None
    path = _open_inner(world, process, image.interp.encode("utf-8", "surrogateescape"))
    facts, found, file = world.host.file(path), world.host.elf(path), world.inode(path)
    if facts is not None and facts.size < _EHDR:
        raise Errno("EIO", f"{image.path} needs {path}: it is too short")
    if found is None or file is None:
        raise Errno("ELIBBAD", f"{image.path} needs {path}: it is no x86-64 ELF file")
    return found, file


def _open_inner(world: World, process: Process, name: bytes) -> str:
    """Look up what a file names: here an empty path is the working directory."""
    return open_exec(world, process, name or b".")


def open_exec(world: World, process: Process, name: bytes) -> str:
    """Look a file up that is to be executed (do_open_execat).

    Returns:
        Its path, absolute where the working directory is known.

    Raises:
        Errno: ENOENT, ENOTDIR, ENAMETOOLONG, EACCES.
    """
    shown = name.decode("utf-8", "surrogateescape")
    if not name:
        raise Errno("ENOENT", "an empty path")
    if len(name) >= PATH_MAX or any(len(part) > NAME_MAX for part in name.split(b"/")):
        raise Errno("ENAMETOOLONG", f"a name of more than {NAME_MAX} bytes, or a path of {PATH_MAX} or more")
    path = joined(process.directory, name).decode("utf-8", "surrogateescape")
    facts = world.host.file(path)
    if facts is None:
        above = posixpath.dirname(path)
        while above and above != posixpath.dirname(above) and world.host.file(above) is None:
            above = posixpath.dirname(above)
        there = world.host.file(above) if above else None
        if there is not None and not there.is_dir:
            raise Errno("ENOTDIR", f"{above} is no folder")
        raise Errno("ENOENT", f"there is no {shown} on this machine")
    if name.endswith(b"/") and not facts.is_dir:
        raise Errno("ENOTDIR", f"{path} is no folder")
    if facts.is_dir or not facts.mode & 0o111:
        raise Errno("EACCES", f"{path} is no file that can be executed")
    return path
