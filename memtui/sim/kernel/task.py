"""Models struct task_struct (include/linux/sched.h) with what memory management reads of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from memtui.sim.kernel.fs import OpenFile
from memtui.sim.kernel.mm import Mm
from memtui.sim.kernel.outcome import Errno

RLIM_INFINITY: Final = (1 << 64) - 1
RLIMIT_NUMBERS: Final[Mapping[int, str]] = MappingProxyType({2: "DATA", 3: "STACK", 7: "NOFILE", 8: "MEMLOCK", 9: "AS"})
"""include/uapi/asm-generic/resource.h: those that the simulator heeds."""
DEFAULT_RLIMITS: Final[Mapping[str, int]] = MappingProxyType(
    {"DATA": RLIM_INFINITY, "STACK": 8 << 20, "NOFILE": 1 << 20, "MEMLOCK": RLIM_INFINITY, "AS": RLIM_INFINITY}
)
CAP_IPC_LOCK: Final = "ipc_lock"
CAP_SYS_ADMIN: Final = "sys_admin"
CAP_SYS_RAWIO: Final = "sys_rawio"
CAP_SYS_RESOURCE: Final = "sys_resource"


@dataclass(slots=True, eq=False)
class FileTable:
    """struct files_struct: descriptor -> open file."""

    open: dict[int, OpenFile] = field(default_factory=dict)
    users: int = 1
    close_on_exec: set[int] = field(default_factory=set)
    """Descriptors that execve closes."""
    first: int = 3
    """Descriptors below are taken by files that are not simulated."""

    def copy(self) -> "FileTable":
        """dup_fd(): another table of the same open files, whose users it does not count."""
        return FileTable(dict(self.open), close_on_exec=set(self.close_on_exec), first=self.first)

    def lowest_free(self) -> int:
        """The descriptor that the next open() gets."""
        fd = self.first
        while fd in self.open:
            fd += 1
        return fd

    def get(self, fd: int) -> OpenFile:
        """fget(): the open file behind a descriptor.

        Raises:
            Errno: EBADF.
        """
        file = self.open.get(as_int(fd))
        if file is None:
            raise Errno("EBADF", f"descriptor {as_int(fd)} is not open")
        return file


@dataclass(slots=True, eq=False)
class Task:
    """One task (a thread; a process is the task with tgid == pid and those that share its mm)."""

    pid: int
    mm: Mm
    tgid: int = 0
    ppid: int = 0
    comm: str = ""
    uid: int = 0
    files: FileTable = field(default_factory=FileTable)
    rlimits: dict[str, int] = field(default_factory=lambda: dict(DEFAULT_RLIMITS))
    """Name -> soft limit, bytes; RLIM_INFINITY: none."""
    caps: frozenset[str] = frozenset()
    oom_score_adj: int = 0
    nice: int = 0
    started: int = 0
    """Seconds after the start of the machine."""
    cpu_seconds: int = 0
    in_vfork: bool = False
    """Runs on its parent's mm until it execs or exits."""
    cmdline: tuple[str, ...] = ()
    exited: bool = False
    dying: bool = False
    """The OOM killer took it while it runs: it exits at the end of the call, and may take all free pages until then."""
    killed: str = ""
    """Who killed it, or ""."""
    min_flt: int = 0
    """Page faults without I/O."""
    populates: bool = False
    """It is in MADV_POPULATE_READ or MADV_POPULATE_WRITE."""
    fills: bool = False
    """The kernel faults pages in on its behalf, without writing to them."""
    maj_flt: int = 0
    """Page faults that waited for a disk."""
    personality: int = 0
    """What personality(2) set; ADDR_NO_RANDOMIZE does not matter here."""
    pkru: int = 0
    """The register of this thread: two bits a protection key, PKEY_DISABLE_ACCESS and PKEY_DISABLE_WRITE."""
    oom_score_adj_min: int = 0
    """Lowering oom_score_adj below it needs CAP_SYS_RESOURCE."""

    def capable(self, capability: str) -> bool:
        """Whether the task has a capability."""
        return capability in self.caps

    def rlimit(self, name: str) -> int:
        """The soft limit, bytes."""
        return self.rlimits[name]


def as_int(number: int) -> int:
    """The low 32 bits as a C int: what a descriptor argument is."""
    number &= 0xFFFF_FFFF
    return number - (1 << 32) if number >> 31 else number
