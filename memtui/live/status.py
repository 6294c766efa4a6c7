"""Models fs/proc/array.c, read backwards: /proc/PID/stat and /proc/PID/status."""

from typing import Final, NamedTuple

from memtui.model.errors import SourceError
from memtui.model.mm import COUNTER_NAMES, NOT_COUNTED, MmCounters

PF_KTHREAD: Final = 0x0020_0000
"""Flag of a kernel thread (include/linux/sched.h)."""
CAP_SYS_ADMIN: Final = 1 << 21
"""Bit of CapEff (include/uapi/linux/capability.h)."""

_COUNTERS: Final = {f"{name}:".encode(): field for name, field in COUNTER_NAMES.items()}
_FIRST_COUNTER: Final = b"\nVm"
_BEHIND_COUNTERS: Final = b"\nThreads:"
"""task_mem prints its lines together; some that have another form may stand between them and this one."""


def printable(comm: str) -> str:
    """A comm for a line of text: it may hold newlines, escapes and bytes that are not UTF-8, shown as "?"."""
    return "".join(letter if letter.isprintable() else "?" for letter in comm)


class Stat(NamedTuple):
    """The fields of /proc/PID/stat that memtui uses (do_task_stat)."""

    pid: int
    comm: str
    """As the process set it: any byte but NUL; bytes that are not UTF-8 are lone surrogates."""
    state: str
    ppid: int
    flags: int
    nice: int
    threads: int
    start_time: int
    """Clock ticks since boot; with the pid it names a process for good."""
    start_stack: int | None
    """Byte; None if the reader may not know it."""
    start_brk: int | None

    @property
    def is_kernel_thread(self) -> bool:
        """Whether it has no address space of its own."""
        return bool(self.flags & PF_KTHREAD)


class Status(NamedTuple):
    """The fields of /proc/PID/status that memtui uses (proc_pid_status)."""

    uid: int | None
    """The real user id."""
    vm_pmd: int
    """KiB of PMD tables, which kernels 4.0 to 4.14 tell apart from VmPTE; 0 in others."""
    sys_admin: bool | None
    """CAP_SYS_ADMIN is in effect; None: not told."""
    counters: MmCounters
    """All None when the task has no mm (kernel thread, exited)."""


def parse_stat(text: bytes) -> Stat:
    """Parse the one line. The comm may hold anything, ") " and newlines too: it ends at the last parenthesis.

    Raises:
        SourceError: the text has another form.
    """
    pid, _, rest = text.partition(b" (")
    comm, _, tail = rest.rpartition(b") ")
    fields = tail.split()
    try:
        # fields[0] is field 3 of the manual page proc(5).
        return Stat(
            pid=int(pid),
            comm=comm.decode(errors="surrogateescape"),
            state=fields[0].decode("ascii"),
            ppid=int(fields[1]),
            flags=int(fields[6]),
            nice=int(fields[16]),
            threads=int(fields[17]),
            start_time=int(fields[19]),
            # do_task_stat prints 0 for an address that the reader may not know.
            start_stack=int(fields[25]) or None,
            start_brk=int(fields[44]) or None,
        )
    except (ValueError, IndexError) as error:
        raise SourceError(f"a stat file has another form: {text[:60]!r}") from error


def parse_status(text: bytes) -> Status:
    """Parse the lines that matter; a line that the kernel does not print gives None.

    The kernel escapes newlines in the name of a process, so that a line starts where it seems to.
    """
    _, found, ids = text.partition(b"\nUid:")
    uid = int(ids.split(None, 1)[0]) if found else None
    capabilities = parse_capabilities(text)
    sys_admin = None if capabilities is None else bool(capabilities & CAP_SYS_ADMIN)
    begin = text.find(_FIRST_COUNTER)
    if begin < 0:
        return Status(uid, 0, sys_admin, NOT_COUNTED)
    words = iter(text[begin : text.find(_BEHIND_COUNTERS, begin)].split())
    # A number that follows a name: "VmPeak:", "1234", "kB".
    figures = {_COUNTERS[word]: int(next(words)) for word in words if word in _COUNTERS}
    _, found, pmd = text.partition(b"\nVmPMD:")
    return Status(uid, int(pmd.split(None, 1)[0]) if found else 0, sys_admin, MmCounters(**figures))


def parse_cpu_ticks(text: bytes) -> int:
    """Utime + stime of the thread group, from stat: clock ticks.

    Raises:
        SourceError: the text has another form.
    """
    fields = text.rpartition(b") ")[2].split()
    try:
        return int(fields[11]) + int(fields[12])
    except (ValueError, IndexError) as error:
        raise SourceError(f"a stat file has another form: {text[:60]!r}") from error


def parse_capabilities(text: bytes) -> int | None:
    """CapEff of status, a bit each; None if the line is missing."""
    _, found, rest = text.partition(b"\nCapEff:")
    return int(rest.split(None, 1)[0], 16) if found else None
