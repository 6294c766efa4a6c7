"""Models arch/x86/mm/fault.c (6.18): the CPU reads, writes or executes memory, and what it may not is a signal."""

from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT, PAGE_SIZE, TASK_SIZE, page_down, page_up
from memtui.sim.kernel.memory import MAPERR, fault_range
from memtui.sim.kernel.outcome import Errno, Fault, Outcome
from memtui.sim.kernel.page_leaf import ANON, ENTRIES, PMD_SHIFT, WRITTEN
from memtui.sim.kernel.pkeys import denied, permitted
from memtui.sim.kernel.stack import expand_downwards
from memtui.sim.kernel.vm_flags import VM_ACCESS_FLAGS, VM_EXEC, VM_GROWSDOWN, VM_WRITE
from memtui.sim.kernel.vma import Vma

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task

NO_FAULT: Final = "no page fault: all of it was mapped"
ACCERR: Final = "SIGSEGV SEGV_ACCERR"
_LAST: Final = ENTRIES - 1
_NOT_CANONICAL: Final = 1 << 47


def access(
    kernel: "Kernel",
    task: "Task",
    addr: int,
    length: int,
    write: bool,
    exec: bool = False,
) -> Outcome:
    """The CPU reads, writes or executes every page of [addr, addr + length).

    Returns:
        The pages reached; with `signal` set if one of them could not be.
    """
    if task.exited:
        return Outcome(-1, "", "the process is dead", "SIGKILL")
    task.mm.why.clear()
    minor, major = task.min_flt, task.maj_flt
    outcome = _access(kernel, task, addr, length, write, exec)
    told = _faults_told(task.min_flt - minor, task.maj_flt - major)
    why = "; ".join(part for part in (outcome.why, "" if outcome.signal and told == NO_FAULT else told) if part)
    return kernel.finished(task, outcome._replace(why=why))


def _faults_told(minor: int, major: int) -> str:
    if not minor and not major:
        return NO_FAULT
    parts = [f"{minor:,} minor"] if minor else []
    parts += [f"{major:,} major, which waited for a disk"] if major else []
    return f"page faults: {', '.join(parts)}"


def hits(task: "Task", addr: int) -> bool:
    """A write to one byte, if the page table holds a page of the task's own for it: the CPU does without the kernel."""
    mm = task.mm
    leaf = dict.get(mm.pages.leaves, addr >> PMD_SHIFT)  # a table in a run of equal ones is taken out by a fault
    if leaf is None or leaf.owners > 1 or task.dying or task.exited:
        return False
    entry = addr >> PAGE_SHIFT & _LAST
    if leaf.state[entry] != ANON or entry in leaf.frames or leaf.slots:
        return False
    if leaf.folio is not None and leaf.folio[entry] > WRITTEN:
        return False
    vma = mm.tree.find(addr)
    if vma is None or vma.start > addr or not vma.flags & VM_WRITE:
        return False
    if task.pkru and not permitted(task, vma.flags, write=True):
        return False
    if leaf.old is not None:
        leaf.old[entry] = 0
    return True


def _access(kernel: "Kernel", task: "Task", addr: int, length: int, write: bool, exec: bool) -> Outcome:
    mm = task.mm
    at, end = page_down(addr), page_up(addr + max(length, 1))
    first = at
    try:
        while at < end:
            vma = _accessible_vma(kernel, task, at, write=write, exec=exec)
            if exec and not vma.flags & VM_EXEC:
                fault_range(kernel, task, vma, at, at + PAGE_SIZE, write=False)
                raise Fault(ACCERR, at, "the mapping does not allow execution")
            at = fault_range(kernel, task, vma, at, min(end, vma.end), write=write)
    except Fault as fault:
        return Outcome(max(fault.address - first, 0) >> PAGE_SHIFT, "", fault.why, fault.signal)
    return Outcome((end - first) >> PAGE_SHIFT, "", "; ".join(mm.why))


def _accessible_vma(kernel: "Kernel", task: "Task", at: int, *, write: bool, exec: bool = False) -> Vma:
    """lock_mm_and_find_vma() and access_error() of arch/x86/mm/fault.c.

    To fetch an instruction counts as reading here: only once the page is there does its entry forbid execution.
    """
    if _NOT_CANONICAL <= at < (1 << 64) - _NOT_CANONICAL:
        raise Fault("SIGSEGV SI_KERNEL", at, "not a canonical address: the CPU refuses it before any page table")
    vma = task.mm.tree.find(at) if at < TASK_SIZE else None
    if vma is None:
        raise Fault(MAPERR, at, "nothing is mapped there")
    if vma.start > at:
        if not vma.flags & VM_GROWSDOWN:
            raise Fault(MAPERR, at, "nothing is mapped there")
        try:
            vma = expand_downwards(kernel, task, vma, at)
        except Errno as failure:
            raise Fault(MAPERR, at, f"the stack cannot grow: {failure.why}") from None
    if not exec and not permitted(task, vma.flags, write=write):
        raise denied(task, vma, at)
    if not vma.flags & (VM_WRITE if write else VM_ACCESS_FLAGS):
        raise Fault(ACCERR, at, "the mapping does not allow it")
    return vma


def clear_user(kernel: "Kernel", task: "Task", addr: int, length: int) -> bool:
    """Write zeros from the kernel's side; False if something of it cannot be written."""
    return not length or not _access(kernel, task, addr, length, write=True, exec=False).signal
