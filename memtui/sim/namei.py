"""Models the walk of fs/namei.c (6.18) to a file that is to be executed, through links and those of /proc that jump."""

import posixpath
import re
from typing import Final

from memtui.model.host import FileFacts
from memtui.sim.kernel.outcome import Errno
from memtui.sim.process import Process
from memtui.sim.world import World

PATH_MAX: Final = 4096
NAME_MAX: Final = 255
MAXSYMLINKS: Final = 40
"""Links that one path may lead through (include/linux/namei.h)."""
_JUMP: Final = re.compile(r"/proc/(\d+)(?:/task/\d+)?/(?:(exe|cwd|root)|fd/(\d+))")


_OWN: Final = re.compile(r"/proc/(\d+)(?![^/])")


class Walk:
    """One look-up in the name of a process.

    Args:
        world: its host has the files.
        process: whose /proc/self it is.
    """

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._process = process
        self._links = 0

    def to(self, start: str, name: bytes, *, follow: bool = True) -> str:
        """The path of what a name leads to, without links.

        Args:
            start: the directory that a relative name starts at.
            name: not empty.
            follow: whether a link at the very end is followed (no AT_SYMLINK_NOFOLLOW).

        Raises:
            Errno: ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG.
        """
        text = name.decode("utf-8", "surrogateescape")
        here = "/" if text.startswith("/") else start
        parts = text.split("/")[::-1]
        while parts:
            part = parts.pop()
            if part in {"", ".", ".."}:
                if here != "/":
                    self._need_directory(here)
                here = posixpath.dirname(here) if part == ".." else here
                continue
            if len(part.encode("utf-8", "surrogateescape")) > NAME_MAX:
                self._need_directory(here)
                raise Errno("ENAMETOOLONG", f"a name of more than {NAME_MAX} bytes")
            here, further = self._next(posixpath.join(here, part), follow=follow or bool(parts))
            parts += further
        return here

    def _next(self, path: str, *, follow: bool) -> tuple[str, list[str]]:
        """Where a name leads: the file itself, or the directory that its link starts at and the link's names."""
        jump = self._jump(path)
        target = "" if jump is not None else self._proc_self(path) or self._world.host.link(path)
        if jump is None and not target:
            return path, []
        if not follow:
            raise Errno("ELOOP", f"{path} is a symbolic link, which is not to be followed")
        self._links += 1
        if self._links > MAXSYMLINKS:
            raise Errno("ELOOP", f"more than {MAXSYMLINKS} symbolic links on the way")
        if jump is not None:
            return jump, []
        return ("/" if target.startswith("/") else posixpath.dirname(path)), target.split("/")[::-1]

    def _proc_self(self, path: str) -> str:
        task = self._process.task
        return {"/proc/self": f"{task.tgid}", "/proc/thread-self": f"{task.tgid}/task/{task.pid}"}.get(path, "")

    def _jump(self, path: str) -> str | None:
        """The links of /proc/PID of a simulated process (proc_pid_get_link); None: it is none of them."""
        match = _JUMP.fullmatch(path)
        process = self._world.processes.get(int(match[1])) if match is not None else None
        if match is None or process is None:
            return None
        if match[3] is not None:
            opened = process.task.files.open.get(int(match[3]))
            if opened is None:
                raise Errno("ENOENT", f"descriptor {match[3]} is not open")
            return opened.label
        return {"exe": process.task.mm.exe or "", "cwd": working_directory(self._world, process)}.get(match[2], "/")

    def above(self, path: str) -> None:
        """Say that a file cannot be there, if what lies above it is no folder.

        Raises:
            Errno: ENOTDIR.
        """
        above = posixpath.dirname(path)
        while above not in {"", "/"} and file_facts(self._world, above) is None:
            above = posixpath.dirname(above)
        facts = file_facts(self._world, above) if above else None
        if facts is not None and not facts.is_dir:
            raise Errno("ENOTDIR", f"{above} is no folder")

    def _need_directory(self, path: str) -> None:
        facts = file_facts(self._world, path)
        if facts is not None and not facts.is_dir:
            raise Errno("ENOTDIR", f"{path} is no folder")
        if facts is None:
            self.above(path)
            raise Errno("ENOENT", f"there is no {path} on this machine")


def file_facts(world: World, path: str) -> FileFacts | None:
    """What the host says of a path; /proc/PID of a simulated process looks like its own."""
    match = _OWN.match(path)
    if match is not None and int(match[1]) in world.processes:
        path = f"/proc/self{path[match.end() :]}"
    return world.host.file(path)


def working_directory(world: World, process: Process) -> str:
    """Where relative paths start; where memtui runs if the trace does not tell."""
    return process.directory or world.kernel.facts.cwd
