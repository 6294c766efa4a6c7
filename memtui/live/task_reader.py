"""Every process again and again, cheaply: what did not move is not read anew."""

import errno
import os
import resource
from operator import is_
from typing import Final, NamedTuple

from memtui.live.processes import in_order, read_task, sees_global_init
from memtui.live.procfs import Procfs
from memtui.model.errors import ProcessGone
from memtui.model.task import Task

_FILES: Final = ("statm", "oom_score")
"""Small files that move whenever the figures of a process do: its pages, and what the killer makes of them."""
_SPARE: Final = 256
"""Descriptors that are left to the rest of the program."""
_WISHED: Final = 65_536
_EVERY: Final = 64
"""A process that does not seem to move is read anew after so many looks: swap and page tables may move alone."""
_LONGEST: Final = 160
"""Bytes of such a file, at most."""


class _Known(NamedTuple):
    task: Task
    fds: tuple[int, ...]
    """Of `_FILES`, kept open: a process that took over the pid is never taken for this one."""
    said: tuple[bytes, ...]
    """What they said just before the task was read."""


class TaskReader:
    """All processes of a machine, with what is known of each kept between two looks."""

    def __init__(self, procfs: Procfs) -> None:
        self._procfs = procfs
        self._known: dict[int, _Known] = {}
        """In the order in which the processes were walked."""
        self._room = _descriptors() // len(_FILES)
        self._kept = 0
        """Processes whose files are open."""
        self._looks = 0
        self._last: tuple[Task, ...] = ()

    def read(self, pids: list[int] | None = None) -> tuple[Task, ...]:
        """In the order of the kernel's walk; what did not change, task or tuple, is the same object as before.

        Args:
            pids: in the order of the walk; None: all, by creation.
        """
        self._looks += 1
        walked = self._procfs.numbers() if pids is None else pids
        still = self._still()
        if len(still) == len(self._known) and walked == [*self._known]:
            return self._last
        self._kept = sum(bool(one.fds) for one in self._known.values())
        has_init = sees_global_init(self._procfs)
        known: dict[int, _Known] = {}
        for pid in walked:
            try:
                known[pid] = self._known[pid] if pid in still else self._one(pid, has_init=has_init)
            except ProcessGone:
                continue
        for pid, gone in self._known.items():
            if pid not in known:
                _close(gone.fds)
        self._known = known
        tasks = [one.task for one in known.values()]
        now = tuple(in_order(tasks) if pids is None else tasks)
        if len(now) != len(self._last) or not all(map(is_, now, self._last)):
            self._last = now
        return self._last

    def _still(self) -> set[int]:
        """The processes whose files say what they said: a look at most of them, so it is kept short."""
        still = set()
        turn, pread = self._looks % _EVERY, os.pread
        for pid, (_, fds, said) in self._known.items():
            if fds and pid % _EVERY != turn:
                (sizes, score), (sizes_before, score_before) = fds, said
                try:
                    if pread(sizes, _LONGEST, 0) == sizes_before and pread(score, _LONGEST, 0) == score_before:
                        still.add(pid)
                except OSError:
                    continue
        return still

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the descriptors."""
        for one in self._known.values():
            _close(one.fds)
        self._known = {}

    def _one(self, pid: int, *, has_init: bool) -> _Known:
        before = self._known.get(pid)
        said = None if before is None else _said(before.fds)
        if before is not None and said is None:
            # It exited, and another one may have its number.
            _close(self._known.pop(pid).fds)
            before = None
        if before is not None and not before.fds:
            # Who looks only once has no use for open files.
            fds = self._opened(pid)
            self._known[pid] = before = before._replace(fds=fds)
            said = _said(fds)
        task = read_task(self._procfs, pid, has_init=has_init, before=None if before is None else before.task)
        if before is None:
            return _Known(task, (), ())
        return _Known(before.task if before.task == task else task, before.fds, said or ())

    def _opened(self, pid: int) -> tuple[int, ...]:
        """(): it may not be kept open, or it is gone."""
        fds: list[int] = []
        if self._kept >= self._room:
            return ()
        try:
            fds += (os.open(self._procfs.path(f"{pid}/{name}"), os.O_RDONLY | os.O_CLOEXEC) for name in _FILES)
        except OSError as error:
            _close(tuple(fds))
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._room = self._kept
            return ()
        self._kept += 1
        return tuple(fds)


def _descriptors() -> int:
    """How many may be kept open; the soft limit is raised as far as it is ours to raise."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wished = _WISHED if hard == resource.RLIM_INFINITY else min(hard, _WISHED)
    if soft != resource.RLIM_INFINITY and soft < wished:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wished, hard))
        soft = wished
    return max(min(soft, _WISHED) - _SPARE, 0)


def _said(fds: tuple[int, ...]) -> tuple[bytes, ...] | None:
    """What the files say now; None: the process exited (ESRCH)."""
    try:
        return tuple([os.pread(fd, _LONGEST, 0) for fd in fds])
    except OSError:
        return None


def _close(fds: tuple[int, ...]) -> None:
    for fd in fds:
        os.close(fd)
