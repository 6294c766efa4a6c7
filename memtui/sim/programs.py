"""Which files an execve maps: scripts, the ELF interpreter; and what is found wrong first (fs/exec.c, 6.18)."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from memtui.model.elf import ElfImage
from memtui.sim.kernel.binfmt_script import BINPRM_BUF_SIZE, load_script
from memtui.sim.kernel.exec import Program, arguments_fit
from memtui.sim.kernel.exec_stack import ExecOffsets
from memtui.sim.kernel.file import AT_FDCWD
from memtui.sim.kernel.fs import Inode
from memtui.sim.kernel.outcome import Errno
from memtui.sim.namei import PATH_MAX, ProcLinks, Walk, working_directory
from memtui.sim.process import Process
from memtui.sim.world import World

NO_OFFSETS: Final = ExecOffsets()
SCRIPT_LEVELS: Final = 5
"""Scripts that may run one another (exec_binprm)."""
AT_SYMLINK_NOFOLLOW: Final = 0x100
AT_EMPTY_PATH: Final = 0x1000
AT_EXECVE_CHECK: Final = 0x10000
_EHDR: Final = 64
"""sizeof(Elf64_Ehdr)."""
_MEMFD: Final = "/memfd:"
_DELETED: Final = " (deleted)"


class ContentsUnknown(Exception):
    """The trace itself wrote the program, and files have no contents in a simulation."""


class Exec(NamedTuple):
    """The arguments of execve or execveat."""

    filename: bytes
    argv: Sequence[bytes] = ()
    envp: Sequence[bytes] = ()
    dirfd: int = AT_FDCWD
    flags: int = 0
    directory: str = ""
    """The path behind `dirfd` as the log tells it, or ""."""

    @property
    def shown(self) -> bytes:
        """bprm->filename: what the program can be found by, AT_EXECFN."""
        if self.dirfd == AT_FDCWD or self.filename.startswith(b"/"):
            return self.filename
        return b"/dev/fd/%d" % self.dirfd + (b"/" + self.filename if self.filename else b"")


def find_program(world: World, process: Process, call: Exec) -> Program | None:
    """What an execve is to start.

    Args:
        world: its host has the files.
        process: calls execve; relative paths start at its working directory.
        call: what with.

    Returns:
        None: AT_EXECVE_CHECK, and the file could be executed, whatever it holds.

    Raises:
        Errno: as execve fails, each reason at its turn.
        ContentsUnknown: whether it fails is not known.
    """
    path = _open_first(world, process, call)
    strings = call.shown, call.argv, call.envp
    arguments_fit(process.task, *strings)
    if call.flags & AT_EXECVE_CHECK:
        return None
    name, scripts = call.shown, list[tuple[bytes, ...]]()
    while script := load_script(world.host.read(path, 0, BINPRM_BUF_SIZE)):
        if not scripts and _closes(process, call):
            raise Errno("ENOENT", f"the script's interpreter cannot open descriptor {call.dirfd}: exec closes it")
        argument = () if script.argument is None else (script.argument,)
        scripts.append((script.interpreter, *argument, name))
        arguments_fit(process.task, *strings, scripts)
        name = script.interpreter
        path = open_exec(world, process, name or b".")
        if len(scripts) > SCRIPT_LEVELS:
            raise Errno("ELOOP", f"more than {SCRIPT_LEVELS} scripts run one another")
    image, file = world.host.elf(path), world.inode(path)
    if image is None or file is None:
        raise Errno("ENOEXEC", f"{path} is no x86-64 program")
    if image.interp_errno:
        raise Errno(image.interp_errno, f"{path} names no interpreter that can be read")
    interpreter, interpreter_file = _interpreter(world, process, image)
    offsets = world.aslr.offsets() if world.aslr is not None else NO_OFFSETS
    comm = b"" if call.filename or not world.kernel.profile.execve_check else _last_part(path)
    return Program(*strings, image, file, interpreter, interpreter_file, offsets, comm, scripts)


def _last_part(path: str) -> bytes:
    return path.rpartition("/")[2].encode("utf-8", "surrogateescape")


def _closes(process: Process, call: Exec) -> bool:
    """BINPRM_FLAGS_PATH_INACCESSIBLE."""
    return call.shown != call.filename and call.dirfd in process.task.files.close_on_exec


def _interpreter(world: World, process: Process, image: ElfImage) -> tuple[ElfImage | None, Inode | None]:
    """What PT_INTERP names; an empty name is the working directory."""
    if image.interp is None:
        return None, None
    path = open_exec(world, process, image.interp.encode("utf-8", "surrogateescape") or b".")
    facts, found, file = world.host.file(path), world.host.elf(path), world.inode(path)
    if facts is not None and facts.size < _EHDR:
        raise Errno("EIO", f"{image.path} needs {path}: it is too short")
    if found is None or file is None:
        raise Errno("ELIBBAD", f"{image.path} needs {path}: it is no x86-64 ELF file")
    return found, file


def _open_first(world: World, process: Process, call: Exec) -> str:
    """The file that execveat itself names: alloc_bprm()."""
    if not call.filename and not call.flags & AT_EMPTY_PATH:
        raise Errno("ENOENT", "an empty path")
    if len(call.filename) >= PATH_MAX:
        raise Errno("ENAMETOOLONG", f"a path of {PATH_MAX} or more bytes")
    known = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | (AT_EXECVE_CHECK if world.kernel.profile.execve_check else 0)
    if call.flags & ~known:
        raise Errno("EINVAL", "an unknown flag")
    start = working_directory(world, process)
    if call.dirfd != AT_FDCWD and not call.filename.startswith(b"/"):
        start = call.directory or process.task.files.get(call.dirfd).label
    if not call.filename:
        return _executable(world, Walk(world.host, ProcLinks(world, process)), start)
    if start.startswith("/") and not call.filename.startswith(b"/"):
        facts = world.host.file(start)
        if facts is not None and not facts.is_dir:
            raise Errno("ENOTDIR", f"{start} is no folder")
    return open_exec(world, process, call.filename, start, follow=not call.flags & AT_SYMLINK_NOFOLLOW)


def open_exec(world: World, process: Process, name: bytes, start: str = "", *, follow: bool = True) -> str:
    """Look a file up that is to be executed (do_open_execat).

    Args:
        world: its host has the files.
        process: calls execve.
        name: the file's; not empty.
        start: where a relative name starts; "": at the working directory.
        follow: whether a link at its end is followed.

    Returns:
        Its path without links.

    Raises:
        Errno: ENOENT, ENOTDIR, ENAMETOOLONG, ELOOP, EACCES, ETXTBSY.
        ContentsUnknown: the trace wrote it.
    """
    walk = Walk(world.host, ProcLinks(world, process))
    return _executable(world, walk, walk.to(start or working_directory(world, process), name, follow=follow))


def _executable(world: World, walk: Walk, path: str) -> str:
    facts = walk.facts(path)
    if facts is None:
        if path.startswith(_MEMFD) or path.endswith(_DELETED) or path in world.kernel.paths:
            raise ContentsUnknown(f"what {path} holds is not known")
        raise walk.missing(path)
    if facts.is_dir or not facts.mode & 0o111:
        raise Errno("EACCES", f"{path} is no file that can be executed")
    if facts.noexec:
        raise Errno("EACCES", f"{path} lies on a mount with the option noexec")
    if _written_to(world, path):
        raise Errno("ETXTBSY", f"{path} is open for writing")
    return path


def _written_to(world: World, path: str) -> bool:
    """i_writecount > 0, by the descriptors of the simulated processes."""
    inode = world.kernel.paths.get(path)
    if inode is None or not inode.users:
        return False
    tables = {id(task.files): task.files for task in world.kernel.tasks.values() if not task.exited}
    return any(file.inode is inode and file.writable for table in tables.values() for file in table.open.values())
