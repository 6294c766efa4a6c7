"""What the dynamic linker will do in a program that was just started, as lines of a trace.

The address space that exec has made is known to the last byte, so the dynamic linker is run ahead, in a copy of
it: exec once more on a kernel of its own. What it did there then happens step by step in the process itself.
"""

from collections.abc import Sequence
from copy import copy
from itertools import takewhile
from typing import Final, NamedTuple

from memtui.model.elf_objects import VDSO
from memtui.sim import library
from memtui.sim.kernel.exec import Program, do_execve
from memtui.sim.kernel.exec_mm import first_task
from memtui.sim.kernel.kernel import Kernel
from memtui.sim.kernel.task import Task
from memtui.sim.kernel.vm_flags import VM_ACCOUNT
from memtui.sim.ld_so_calls import LinkerCalls
from memtui.sim.process import Process
from memtui.sim.syscall_table import TABLE
from memtui.sim.userspace.ld_so import NotModelled, Started, run
from memtui.sim.userspace.ld_so.glibc import glibc_for
from memtui.sim.userspace.ld_so.hwcaps import hwcaps
from memtui.sim.world import World
from memtui.trace.line import Call, Statement
from memtui.trace.parser import parse_line

LIBRARY_CALLS: Final = frozenset(library.HANDLERS) | {"kswapd", "sleep", "burn", "nice"}
"""Calls that are none of the kernel's."""
LINKER_SONAME: Final = "ld-linux-x86-64.so"


class Plan(NamedTuple):
    """Steps that follow an execve."""

    steps: tuple[Statement, ...] = ()
    note: str = ""
    """Why there are none, or not all, though there should be; or ""."""


def plan(world: World, process: Process, pid: int | None) -> Plan:
    """The dynamic linker's system calls in a process whose program was just started.

    Args:
        world: the machine.
        process: stands right behind its execve.
        pid: as the trace names the process.
    """
    program = process.program
    if program is None or (program.interpreter is None and not _is_linker(program)):
        return Plan()
    linker = program.interpreter or program.image
    if program.image.linking is None:
        told_of = world.host.read(program.image.path, 0, 1)  # of the recorded machine's program there is nothing more
        return Plan(note="the dynamic section cannot be read: the dynamic linker is not simulated" if told_of else "")
    if not (linker.soname or "").startswith(LINKER_SONAME):
        return Plan(note=f"{program.image.interp} is not glibc's dynamic linker: its system calls are not simulated")
    kernel, task = _ahead(world, process, program)
    facts = kernel.facts
    glibc = glibc_for(facts.libc_version)
    caps = hwcaps(facts.cpu_vendor, facts.cpu_flags, legacy=glibc.legacy_hwcaps)
    calls = LinkerCalls(kernel, task, world.host, process.directory)
    note = (
        ""
        if glibc.exact
        else f"the dynamic linker of glibc {facts.libc_version} is taken for that of a version near it"
    )
    try:
        run(calls, _started(program, task), glibc, caps)
    except NotModelled as problem:
        note = f"the dynamic linker's work is not simulated to its end: {problem}"
    texts = enumerate(calls.take())
    return Plan(tuple(_step(text, pid, calls.told.get(number, "")) for number, text in texts), note)


def told(program: Sequence[Statement], position: int, pid: int | None) -> bool:
    """Whether the trace tells itself what a process does next: its next call from `position` on is a system call."""
    for index in range(position, len(program)):
        statement = program[index]
        if statement.pid == pid and isinstance(statement.what, Call):
            return statement.what.name not in LIBRARY_CALLS
    return False


def without_plans(rest: Sequence[Statement]) -> list[Statement]:
    """The steps from one on without those that an execve among them will make anew.

    Made steps at the start stay: their execve has run.
    """
    kept = list(takewhile(lambda statement: statement.made, rest))
    return kept + [statement for statement in rest[len(kept) :] if not statement.made]


def _is_linker(program: Program) -> bool:
    """Whether the dynamic linker itself was started as a program."""
    return program.image.interp is None and (program.image.soname or "").startswith(LINKER_SONAME)


def _ahead(world: World, process: Process, program: Program) -> tuple[Kernel, Task]:
    """A kernel of its own, in which exec has just started the same program in the same way."""
    here = world.kernel
    kernel = Kernel(here.facts, here.profile, here.host_file)
    own = sum(vma.pages for vma in process.task.mm.tree if vma.flags & VM_ACCOUNT)
    kernel.sysctl, kernel.committed = dict(here.sysctl), here.committed - own
    task = first_task(kernel, pid=process.pid)
    task.rlimits, task.caps = dict(process.task.rlimits), process.task.caps
    task.personality = process.task.personality
    task.files = process.task.files.copy()
    for fd, file in task.files.open.items():
        task.files.open[fd] = alone = copy(file)
        alone.users += 1  # so that it is never closed: the inode behind it is the machine's
    do_execve(kernel, task, program)
    return kernel, task


def _started(program: Program, task: Task) -> Started:
    image, mm = program.image, task.mm
    bias = mm.entry - image.entry
    return Started(
        image=image,
        addr=bias,
        path=program.file.label,
        interpreter=program.interpreter or image,
        interpreter_addr=mm.base if program.interpreter is not None else bias,
        argv=[_decoded(text) for text in program.argv],
        environ=[_decoded(text) for text in program.envp],
        stack_end=mm.start_stack,
        vdso=next((vma.start for vma in mm.tree if vma.name == VDSO), 0),
    )


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


def _step(text: str, pid: int | None, narration: str) -> Statement:
    """A step of the trace: calls on memory compute their own result, all others have the one that was noted."""
    statement = parse_line(text)
    call = statement.what
    if isinstance(call, Call) and call.name in TABLE:
        statement = parse_line(text[: text.rindex(")") + 1])
    return statement._replace(pid=pid, made=True, line=0, narration=narration)
