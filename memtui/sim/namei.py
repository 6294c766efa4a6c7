"""Models the walk of fs/namei.c (6.18) to a file that is to be executed, through links and those of /proc that jump."""

import posixpath
import re
from typing import Final

from memtui.model.host import FileFacts, Host
from memtui.sim.kernel.outcome import Errno
from memtui.sim.process import Process
from memtui.sim.world import World

PATH_MAX: Final = 4096
NAME_MAX: Final = 255
MAXSYMLINKS: Final = 40
"""Links that one path may lead through (include/linux/namei.h)."""
_JUMP: Final = re.compile(r"/proc/(\d{1,10})(?:/task/\d+)?/(?:(exe|cwd|root)|fd/(\d{1,10}))")


_OWN: Final = re.compile(r"/proc/(\d{1,10})(?![^/])")


class Walk:
    """One look-up among the files of a host.

    Args:
        host: has the files.
        proc: the links of /proc that lead to what simulated processes have open; None: those are the host's own.
    """

    def __init__(self, host: Host, proc: "ProcLinks | None" = None) -> None:
        self._host = host
        self._proc = proc
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

    def facts(self, path: str) -> FileFacts | None:
        """What the host says of a path without links."""
        return self._host.file(path if self._proc is None else self._proc.path(path))

    def missing(self, path: str) -> Errno:
        """Why there is no file at a path without links: ENOENT, or ENOTDIR."""
        above = posixpath.dirname(path)
        while above not in {"", "/"} and self.facts(above) is None:
            above = posixpath.dirname(above)
        facts = self.facts(above) if above else None
        if facts is not None and not facts.is_dir:
            return Errno("ENOTDIR", f"{above} is no folder")
        return Errno("ENOENT", f"there is no {path} on this machine")

    def _next(self, path: str, *, follow: bool) -> tuple[str, list[str]]:
        """Where a name leads: the file itself, or the directory that its link starts at and the link's names."""
        jump = None if self._proc is None else self._proc.jump(path)
        target = "" if jump is not None else self._link(path)
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

    def _link(self, path: str) -> str:
        return ("" if self._proc is None else self._proc.link(path)) or self._host.link(path)

    def _need_directory(self, path: str) -> None:
        facts = self.facts(path)
        if facts is None:
            raise self.missing(path)
        if not facts.is_dir:
            raise Errno("ENOTDIR", f"{path} is no folder")


class ProcLinks:
    """/proc as a simulated process sees it.

    Args:
        world: has the processes.
        process: whose /proc/self it is.
    """

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._task = process.task

    def link(self, path: str) -> str:
        """Where /proc/self leads; "" for all other paths."""
        tgid, pid = self._task.tgid, self._task.pid
        return {"/proc/self": f"{tgid}", "/proc/thread-self": f"{tgid}/task/{pid}"}.get(path, "")

    def jump(self, path: str) -> str | None:
        """The links of /proc/PID of a simulated process (proc_pid_get_link); None: it is none of them."""
        match = _JUMP.fullmatch(path)
        process = self._world.processes.get(int(match[1])) if match is not None else None
        if match is None or process is None:
            return None
        if process.ended:
            raise Errno("ENOENT", f"process {process.pid} has ended")
        if match[3] is not None:
            opened = process.task.files.open.get(int(match[3]))
            if opened is None:
                raise Errno("ENOENT", f"descriptor {match[3]} is not open")
            return opened.label
        return {"exe": process.task.mm.exe, "cwd": working_directory(self._world, process)}.get(match[2], "/")

    def path(self, path: str) -> str:
        """Where the host has the like: /proc/PID of a simulated process looks like its own."""
        match = _OWN.match(path)
        if match is None or int(match[1]) not in self._world.processes:
            return path
        return f"/proc/self{path[match.end() :]}"


def working_directory(world: World, process: Process) -> str:
    """Where relative paths start; where memtui runs if the trace does not tell."""
    return process.directory or world.kernel.facts.cwd
