"""Models the mm side of fs/exec.c, mm/mmap.c and arch/x86/entry/vdso/vma.c (6.18): a new address space for exec."""

from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT, PAGE_SIZE, page_up
from memtui.sim.kernel import brk
from memtui.sim.kernel.exec_stack import StackLayout, mmap_base
from memtui.sim.kernel.exit import mmput
from memtui.sim.kernel.fault import access
from memtui.sim.kernel.mm import Mm
from memtui.sim.kernel.outcome import Errno
from memtui.sim.kernel.overcommit import acct_memory
from memtui.sim.kernel.personality import ADDR_COMPAT_LAYOUT, READ_IMPLIES_EXEC
from memtui.sim.kernel.pkeys import init_new_context
from memtui.sim.kernel.prctl import inherit
from memtui.sim.kernel.task import RLIM_INFINITY, Task
from memtui.sim.kernel.unmapped_area import TASK_UNMAPPED_BASE
from memtui.sim.kernel.vm_flags import (
    VM_DONTDUMP,
    VM_DONTEXPAND,
    VM_EXEC,
    VM_IO,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYWRITE,
    VM_PFNMAP,
    VM_READ,
    VM_STACK_FLAGS,
)
from memtui.sim.kernel.vma import Vma

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel

VVAR_FLAGS: Final = VM_READ | VM_MAYREAD | VM_IO | VM_DONTDUMP | VM_PFNMAP | VM_DONTEXPAND
"""smaps: "rd mr pf io de dd"."""
VDSO_FLAGS: Final = VM_READ | VM_EXEC | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_DONTEXPAND
"""smaps: "rd ex mr mw me de"."""


def exec_mmap(kernel: "Kernel", task: "Task", rnd_pages: int = 0, *, randomize: bool = False) -> Mm:
    """Give the task an empty address space in place of its old one, with mmap_base by RLIMIT_STACK.

    Args:
        kernel: takes the old one down if nobody else runs in it.
        task: execs.
        rnd_pages: what ASLR takes off mmap_base, pages.
        randomize: whether ASLR is on.
    """
    limit = task.rlimits["STACK"]
    legacy = bool(kernel.sysctl["legacy_va_layout"] or task.personality & ADDR_COMPAT_LAYOUT)
    task.personality &= ~READ_IMPLIES_EXEC
    base = mmap_base(-1 if limit == RLIM_INFINITY else limit, rnd_pages, randomize=randomize)
    if legacy:
        base = TASK_UNMAPPED_BASE + rnd_pages * PAGE_SIZE
    mm = Mm(mmap_base=base, bottom_up=legacy, vsyscall=kernel.facts.vsyscall)
    init_new_context(kernel, task, mm)
    inherit(task.mm, mm)
    old, task.mm = task.mm, mm
    task.in_vfork = False
    mmput(kernel, old)
    return mm


def setup_stack(kernel: "Kernel", task: "Task", layout: StackLayout, *, executable: bool = False) -> Vma:
    """setup_arg_pages(): the stack's VMA, charged, with the pages that hold strings touched.

    Args:
        kernel: charges it.
        task: owns it.
        layout: where it lies.
        executable: PT_GNU_STACK asks for it.

    Raises:
        Errno: ENOMEM by the overcommit rules, or nothing is left for its pages.
    """
    mm, start, end = task.mm, layout.start, layout.end
    pages = (end - start) >> PAGE_SHIFT
    acct_memory(kernel, task, mm, pages)
    flags = VM_STACK_FLAGS | (VM_EXEC if executable else 0)
    mm.link(Vma(start, end, flags, start >> PAGE_SHIFT, anon_vma=kernel.new_anon_vma(), chain=1))
    mm.account(flags, pages)
    mm.start_stack = layout.start_stack
    access(kernel, task, layout.strings, end - layout.strings, write=True)
    vma = mm.tree.at(start)
    if vma is None:
        raise Errno("ENOMEM", "the OOM killer took the program before it had its stack")
    return vma


def install_special_mapping(kernel: "Kernel", task: "Task", addr: int, pages: int, flags: int, name: str) -> Vma:
    """_install_special_mapping(): [vvar], [vdso]; never merges, cannot be cut.

    Args:
        kernel: unused but for symmetry with the others.
        task: owns it.
        addr: page aligned, bytes.
        pages: its size.
        flags: VVAR_FLAGS or VDSO_FLAGS.
        name: what maps prints.

    Raises:
        Errno: ENOMEM, something is mapped there.
    """
    mm = task.mm
    end = addr + pages * PAGE_SIZE
    if mm.tree.intersection(addr, end):
        raise Errno("ENOMEM", "something is mapped there")
    vma = Vma(addr, end, flags | mm.def_flags, 0, name=name)
    mm.link(vma)
    mm.account(vma.flags, pages)
    return vma


def vm_brk_flags(kernel: "Kernel", task: "Task", addr: int, length: int, *, executable: bool = False) -> None:
    """Anonymous private writable memory at a fixed free place: bss.

    Raises:
        Errno: ENOMEM.
    """
    length = page_up(length)
    if length:
        brk.brk_region(kernel, task, addr, length, VM_EXEC if executable else 0, extend=False)


def first_task(kernel: "Kernel", comm: str = "", pid: int | None = None) -> "Task":
    """A process with an empty address space: what the first execve of a trace runs in."""
    number = kernel.new_pid(pid)
    task = Task(
        pid=number,
        tgid=number,
        ppid=1,
        comm=comm,
        mm=Mm(),
        rlimits=kernel.default_rlimits(),
        caps=kernel.default_caps(),
    )
    kernel.tasks[number] = task
    exec_mmap(kernel, task)
    return task
