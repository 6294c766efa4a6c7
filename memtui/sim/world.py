"""What the steps of a trace act on, and what each of them gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from memtui.model.address import PAGE_SIZE, page_up
from memtui.model.errors import ParseError
from memtui.model.event import Event
from memtui.model.host import Host
from memtui.sim.allocators import ALLOCATORS
from memtui.sim.aslr import Aslr
from memtui.sim.births import Births
from memtui.sim.descriptors import open_standard
from memtui.sim.kernel.binfmt_elf import ELF_ET_DYN_BASE
from memtui.sim.kernel.exec_mm import first_task, setup_stack
from memtui.sim.kernel.exec_stack import stack_layout
from memtui.sim.kernel.exit import do_exit
from memtui.sim.kernel.file import inode_at
from memtui.sim.kernel.fs import Inode
from memtui.sim.kernel.kernel import Kernel
from memtui.sim.kernel.outcome import Errno
from memtui.sim.kernel.task import Task
from memtui.sim.machine_options import MachineOptions
from memtui.sim.overlap import Overlaps
from memtui.sim.process import Process
from memtui.trace.line import Call


@dataclass(slots=True)
class World:
    """The simulated kernel, its host, and the programs above it."""

    kernel: Kernel
    host: Host
    options: MachineOptions
    aslr: Aslr | None = None
    processes: dict[int, Process] = field(default_factory=dict)
    """By pid, in order of creation; those that ended stay until their pid is used again."""
    step: int = 0
    """Number of the step that runs."""
    variables: dict[str, int] = field(default_factory=dict)
    """Names bound by `x = call(...)`."""
    segments: dict[int, int] = field(default_factory=dict)
    """Ids of System V segments as a log has them -> the simulated ones."""
    nameless_segments: list[int] = field(default_factory=list)
    """Simulated segments whose shmget the log tells no result of, in the order in which they were made."""

    births: Births = field(default_factory=Births)
    """The forks of the trace."""
    born_early: set[int] = field(default_factory=set)
    """Pids of children that ran, and may have ended, before the line in which their parent learns of them."""
    overlaps: Overlaps = field(default_factory=Overlaps)
    """The calls of the trace that overlap."""
    recorded: bool = False
    """Whether the steps are the log of a real program: what it wrote to its memory is not among them."""

    @property
    def first(self) -> Process | None:
        """The process that a line without a pid is about."""
        return next(iter(self.processes.values()), None)

    def start(self, pid: int | None) -> Process:
        """A process that the trace does not tell the origin of: its address space has a stack and a break.

        Raises:
            ParseError: the machine has not even room for that; without file and line.
        """
        task = first_task(self.kernel, pid=pid)
        try:
            self.lay_out(task)
        except Errno as error:
            do_exit(self.kernel, task)
            raise ParseError(f"no room for the stack of a program: {error}", hint="machine(ram=64M)") from error
        open_standard(task)
        process = self.add(Process(self.kernel, task, ALLOCATORS[self.options.allocator]))
        if self.recorded:
            process.missing = "it ran before the log begins: what it had mapped then is not known"
        return process

    def lay_out(self, task: Task) -> None:
        """Give an empty address space what every program has: a stack, and a break."""
        layout = stack_layout(b"", (), (), max(task.rlimit("STACK"), PAGE_SIZE))
        setup_stack(self.kernel, task, layout)
        task.mm.start_brk = task.mm.brk = page_up(ELF_ET_DYN_BASE)

    def add(self, process: Process) -> Process:
        """Note a new process."""
        self.processes[process.pid] = process
        return process

    def child(self, parent: Process, pid: int) -> Process:
        """Note what fork or clone made of `parent`: task `pid` of the kernel."""
        return self.add(parent.child(self.kernel.tasks[pid]))

    def end(self, process: Process, how: str) -> None:
        """The whole process ends, its threads too."""
        for other in self.processes.values():
            if other.task.tgid == process.task.tgid:
                self.end_thread(other, how)

    def end_thread(self, process: Process, how: str) -> None:
        """One task ends."""
        do_exit(self.kernel, process.task)
        process.release()
        process.ended = process.ended or how

    def end_exited(self, how: str) -> None:
        """Threads that the kernel has ended run no more."""
        for process in self.processes.values():
            if process.task.exited and not process.ended:
                self.end_thread(process, how)

    def forget(self, process: Process) -> None:
        """A process that was started for a step that cannot run has never been."""
        self.end_thread(process, "")
        self.born_early.discard(process.pid)
        del self.processes[process.pid]

    def inode(self, path: str) -> Inode | None:
        """The file at a path, links followed."""
        facts = self.host.file(path)
        return inode_at(self.kernel, facts.path or path if facts is not None else path)


class Effect(NamedTuple):
    """What a call did."""

    value: int | None
    """The result; None: the call does not return, or its result is none that the simulator could know."""
    errno: str = ""
    why: str = ""
    events: tuple[Event, ...] = ()
    calls: tuple[str, ...] = ()
    """What it did on its way, as strace prints it: the system calls of a malloc, the mappings of an execve."""
    recorded: bool = False
    """The result lies outside what is simulated: the recorded one stands, if there is one; nothing is compared."""
    bound: int | None = None
    """What `x = call(...)` binds if it is not the value."""


Handler = Callable[[World, Process, Call], Effect]
Handlers = Mapping[str, Handler]
