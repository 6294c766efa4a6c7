"""The user-space side of a simulated process: its allocator, above nothing but system calls."""

import copy
from collections.abc import Mapping
from typing import Any, Final, SupportsIndex

from memtui.model.address import PAGE_SIZE
from memtui.sim.allocators import MakeAllocator
from memtui.sim.blocks import Blocks
from memtui.sim.kernel.exec import Program
from memtui.sim.kernel.fault import access, hits
from memtui.sim.kernel.kernel import Kernel
from memtui.sim.kernel.mm import Mm
from memtui.sim.kernel.task import FileTable, Task
from memtui.sim.settings import setting
from memtui.sim.syscall_table import ULONG_MAX, run
from memtui.sim.userspace.allocator import Allocator
from memtui.trace.constants import ERRNO_NUMBERS
from memtui.trace.printer import format_syscall

GRND_NONBLOCK: Final = 1
PATH_MAX: Final = 4096
FIRST_FD: Final = 3
"""The lowest descriptor that is free when a program starts."""


class NotedCalls:
    """System calls of one task for what runs above them (`Syscalls`); each is noted as strace would print it."""

    def __init__(self, kernel: Kernel, task: Task) -> None:
        self.kernel = kernel
        self.task = task
        self.fault = ""
        """Why the CPU could not reach memory that was accessed, or ""."""
        self._noted: list[str] = []

    def take(self) -> tuple[str, ...]:
        """The calls since the last time."""
        noted = tuple(self._noted)
        self._noted.clear()
        return noted

    def accessed(self, address: int, length: int, write: bool) -> None:
        """The program itself reads or writes memory: its pages become resident."""
        if write and length <= PAGE_SIZE - address % PAGE_SIZE and hits(self.task, address):
            return
        outcome = access(self.kernel, self.task, address, length, write)
        if outcome.signal and not self.fault:
            self.fault = outcome.why

    def brk(self, brk: int) -> int:
        """The break after the call, bytes."""
        return self._call("brk", brk)

    def mmap(self, addr: int, length: int, prot: int, flags: int, fd: int = -1, offset: int = 0) -> int:
        """The address of the new mapping, or a negative errno."""
        return self._call("mmap", addr, length, prot, flags, fd, offset)

    def munmap(self, addr: int, length: int) -> int:
        """0, or a negative errno."""
        return self._call("munmap", addr, length)

    def mprotect(self, addr: int, length: int, prot: int) -> int:
        """0, or a negative errno."""
        return self._call("mprotect", addr, length, prot)

    def mremap(self, addr: int, old_len: int, new_len: int, flags: int, new_addr: int = 0) -> int:
        """The address of the mapping after the call, or a negative errno."""
        return self._call("mremap", addr, old_len, new_len, flags, new_addr)

    def madvise(self, addr: int, length: int, advice: int) -> int:
        """0, or a negative errno."""
        return self._call("madvise", addr, length, advice)

    def getrandom(self, length: int) -> int:
        """`length`. The bytes themselves are never needed, so there are none to show."""
        self._noted.append(format_syscall("getrandom", ["...", length, GRND_NONBLOCK], length))
        return length

    def sysctl(self, name: str) -> int:
        """What /proc/sys/vm/`name` says."""
        return self.kernel.sysctl[name]

    def read_link(self, path: str) -> int:
        """ENOENT: the simulated machine has no such configuration files."""
        self._noted.append(format_syscall("readlink", [path.encode(), "...", PATH_MAX], -1, "ENOENT"))
        return -ERRNO_NUMBERS["ENOENT"]

    def read_file(self, path: str, length: int, flags: str) -> bytes:
        """The first `length` bytes of one of the machine's settings; nothing of another file."""
        data = setting(self.kernel, path)[:length]
        if not data:
            self._noted.append(format_syscall("openat", ["AT_FDCWD", path.encode(), flags], -1, "ENOENT"))
            return b""
        self._noted += (
            format_syscall("openat", ["AT_FDCWD", path.encode(), flags], FIRST_FD),
            format_syscall("read", [FIRST_FD, data, length], len(data)),
            format_syscall("close", [FIRST_FD], 0),
        )
        return data

    def sched_getaffinity(self) -> int:
        """Every CPU of the machine."""
        count = self.kernel.facts.nr_cpus
        listed = " ".join(str(cpu) for cpu in range(count))
        self._noted.append(format_syscall("sched_getaffinity", [0, 128, f"[{listed}]"], 32))
        return count

    def _call(self, name: str, *args: int) -> int:
        outcome = run(self.kernel, self.task, name, *(arg & ULONG_MAX for arg in args))
        self._noted.append(format_syscall(name, args, outcome.value, outcome.errno))
        return -ERRNO_NUMBERS[outcome.errno] if outcome.errno else outcome.value


class Process:
    """A task of the simulated kernel with the program that runs in it."""

    def __init__(self, kernel: Kernel, task: Task, make_allocator: MakeAllocator) -> None:
        self.task = task
        self.thread = task.pid
        """Whose thread-local storage its code uses: its own, or that of the caller of vfork."""
        self.ended = ""
        """How it ended, in words; "" while it runs."""
        self.foreign = ""
        """Why what it does is not simulated, though it runs; or ""."""
        self.missing = ""
        """Why its map lacks something that only the real process had; or ""."""
        self.calls = NotedCalls(kernel, task)
        self.aliases: dict[int, int] = {}
        """Pointers as a log has them -> what the simulated allocator gave instead."""
        self.program: Program | None = None
        """What exec started; None: the trace does not tell."""
        self.settled = False
        """Whether the program has changed its address space since exec."""
        self.mapped_slid = False
        """Whether an ltrace log has told where its mappings go."""
        self.directory = ""
        """Where relative paths start; "": where memtui runs, for all that the trace tells."""
        self.blocks = Blocks()
        self._kernel = kernel
        self._make_allocator = make_allocator
        self._allocator: Allocator | None = None
        self._brk_told: int | None = None
        """Where libc's brk() found the break before the allocator was first used."""
        self._called_brk = False

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        """Of a process that is gone with its memory a checkpoint has little: a long log has hundreds of them."""
        task = self.task
        if not self.ended or not task.exited or task.mm.users:
            return super().__reduce_ex__(protocol)
        told = (task.pid, task.tgid, task.comm, task.killed, self.ended, self.foreign)
        return _gone, (self._kernel, self._make_allocator, *told)

    @property
    def allocator(self) -> Allocator:
        """The program's; made when it is first used, for the log of strace alone never uses it."""
        if self._allocator is None:
            self._allocator = self._make_allocator(
                self._kernel, self.calls, self.calls.accessed, self._environ(), self.thread
            )
            if self._brk_told is not None:
                self._allocator.brk_moved(self._brk_told)
        return self._allocator

    def brk_moved(self, brk: int) -> None:
        """The program itself called brk(), and this is the break now.

        The first call of a dynamic program is ld.so's, of which libc does not know (elf/dl-sysdep.c).
        """
        first, self._called_brk = not self._called_brk, True
        if first and self.program is not None and self.program.interpreter is not None:
            return
        self._tell_brk(brk)

    def brk_adopted(self, brk: int) -> None:
        """The break is not where the last brk() was predicted to find it, but here: libc knows that too, if it knew."""
        if self._brk_told is not None:
            self._tell_brk(brk)

    def _tell_brk(self, brk: int) -> None:
        self._brk_told = brk
        if self._allocator is not None:
            self._allocator.brk_moved(brk)

    @property
    def pid(self) -> int:
        """As the kernel knows it."""
        return self.task.pid

    def end_thread(self) -> None:
        """A thread of a program that goes on: libc gives back what it cached."""
        if self.thread == self.pid and not self.ended:
            self.allocator.thread_exit(self.thread)

    def pointer(self, address: int) -> int:
        """What the allocator calls the memory that a log calls `address`."""
        return self.aliases.get(address, address)

    def start_program(self, program: Program | None) -> None:
        """A new program runs, or one that is not known: its allocator knows nothing yet."""
        self.program, self.settled = program, False
        self.foreign = self.missing = ""
        self.mapped_slid = False
        self.calls = NotedCalls(self._kernel, self.task)
        self._allocator, self._brk_told, self._called_brk = None, None, False
        self.thread = self.pid
        self.aliases = {}
        self.blocks = Blocks()

    def forget_heap(self) -> None:
        """The allocator begins anew."""
        self._allocator, self._brk_told = None, None
        self.blocks = Blocks()

    def child(self, task: Task) -> "Process":
        """The program in a task that fork or clone made: with an allocator of the same state, or the same one."""
        process = Process(self._kernel, task, self._make_allocator)
        process.aliases = dict(self.aliases)
        process.foreign, process.missing = self.foreign, self.missing
        process.program, process.settled, process.directory = self.program, self.settled, self.directory
        if task.mm is self.task.mm:
            process.calls, process.aliases, process._allocator = self.calls, self.aliases, self.allocator
            process.blocks = self.blocks
            if task.tgid == self.task.tgid:
                self.allocator.thread_start(task.pid)
            else:
                process.thread = self.thread
        else:
            process.thread = self.thread
            if self._allocator is not None:
                process._allocator = copy.deepcopy(self._allocator, {id(self.calls): process.calls})
                process._allocator.forked(self.thread)
                process.blocks = self.blocks.copy()
        process._brk_told, process._called_brk = self._brk_told, self._called_brk
        return process

    def release(self) -> None:
        """The program has ended: nobody asks its allocator any more."""
        self._allocator = None
        self.aliases = {}

    def _environ(self) -> Mapping[str, str]:
        """What the environment of the program sets, as far as the trace tells it; none for a set-id program."""
        envp = () if self.program is None or self.program.image.set_id else self.program.envp
        pairs = (text.decode("utf-8", "surrogateescape").partition("=") for text in envp)
        return {name: value for name, _, value in pairs}


def _gone(
    kernel: Kernel, make_allocator: MakeAllocator, pid: int, tgid: int, comm: str, killed: str, ended: str, foreign: str
) -> Process:
    """A process that has ended, of which nothing else is asked any more."""
    task = Task(pid, _NO_MEMORY, tgid, comm=comm, files=_NO_FILES, rlimits={}, exited=True, killed=killed)
    process = Process(kernel, task, make_allocator)
    process.ended, process.foreign = ended, foreign
    return process


_NO_MEMORY: Final = Mm(users=0)
_NO_FILES: Final = FileTable(users=0)
