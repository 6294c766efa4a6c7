"""Descriptors of what is no file: terminals, pipes, sockets, epoll and their like take up numbers, and no more.

Which number the next open() gets depends on all of them, and a later mmap names its file by that number.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from memtui.sim.kernel.file import install
from memtui.sim.kernel.file_table import open_inode
from memtui.sim.kernel.fs import Inode, OpenFile
from memtui.sim.kernel.task import Task

STANDARD: Final = 3
"""Descriptors that a process starts with: 0, 1, 2."""
TERMINAL: Final = "devpts"
_ANONYMOUS: Final = (
    "epoll_create", "epoll_create1", "eventfd", "eventfd2", "timerfd_create", "signalfd", "signalfd4", "inotify_init",
    "inotify_init1", "fanotify_init", "pidfd_open", "userfaultfd", "perf_event_open", "io_uring_setup",
)  # fmt: skip
KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("pipe", "pipe2"), "pipefs"),
        **dict.fromkeys(("socket", "socketpair", "accept", "accept4"), "sockfs"),
        **dict.fromkeys(_ANONYMOUS, "anon_inodefs"),
    }
)
"""Call -> the file system that its descriptors lie on."""
PAIRS: Final[Mapping[str, int]] = MappingProxyType({"pipe": 0, "pipe2": 0, "socketpair": 3})
"""Calls that give two descriptors -> the argument that strace prints them in."""
_UNSIMULATED: Final = frozenset({TERMINAL, *KINDS.values()})


def open_standard(task: Task) -> None:
    """Give a process the three descriptors that it starts with."""
    task.files.first = 0
    terminal = open_inode(_inode(TERMINAL, "/dev/pts/0"))
    for _ in range(STANDARD):
        install(task, terminal)


def open_unsimulated(task: Task, name: str, *, cloexec: bool) -> int:
    """The lowest free descriptor, of what the call `name` makes."""
    return install(task, open_inode(_inode(KINDS[name], f"anon_inode:[{name}]")), cloexec=cloexec)


def open_unknown(task: Task, fd: int) -> None:
    """Let `fd` be a file that was opened before the log begins."""
    file = open_inode(_inode("", f"[descriptor {fd}: opened before the log begins]"))
    file.inode.mappable = True
    file.users += 1
    task.files.open[fd] = file


def is_unsimulated(file: OpenFile) -> bool:
    """Whether reading and writing it means nothing to the page cache."""
    return file.inode.fs_type in _UNSIMULATED


def _inode(fs_type: str, label: str) -> Inode:
    return Inode(number=0, dev=(0, 0), fs_type=fs_type, label=label, mappable=False, regular=False)
