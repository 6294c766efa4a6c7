"""Models kernel/fork.c and dup_mmap() (mm/mmap.c), 6.18."""

from typing import TYPE_CHECKING

from memtui.sim.kernel import memcontrol
from memtui.sim.kernel.mm import Mm
from memtui.sim.kernel.mman import CLONE_FILES, CLONE_PARENT, CLONE_SIGHAND, CLONE_THREAD, CLONE_VFORK, CLONE_VM
from memtui.sim.kernel.outcome import Errno, system_call
from memtui.sim.kernel.overcommit import acct_memory, unacct_memory
from memtui.sim.kernel.page_copy import copy_page_range
from memtui.sim.kernel.prctl import inherit
from memtui.sim.kernel.task import FileTable, Task
from memtui.sim.kernel.vm_flags import VM_ACCOUNT, VM_COPY_ON_FORK, VM_DONTCOPY, VM_LOCKED_MASK, VM_WIPEONFORK
from memtui.sim.kernel.vma import Vma
from memtui.sim.kernel.vma_tree import VmaTree

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel

CSIGNAL = 0xFF


@system_call
def sys_fork(kernel: "Kernel", task: "Task", pid: int = 0) -> int:
    """fork(2): the child's pid, `pid` if it is free and not 0."""
    return clone(kernel, task, 0, pid)


@system_call
def sys_vfork(kernel: "Kernel", task: "Task", pid: int = 0) -> int:
    """vfork(2): the child runs on the parent's memory until it execs or exits."""
    return clone(kernel, task, CLONE_VFORK | CLONE_VM, pid)


@system_call
def sys_clone(kernel: "Kernel", task: "Task", flags: int, pid: int = 0) -> int:
    """clone(2) and clone3(2): only the flags matter to memory."""
    return clone(kernel, task, flags & ~CSIGNAL, pid)


def clone(kernel: "Kernel", task: Task, flags: int, pid: int = 0) -> int:
    """copy_process(): a child task in kernel.tasks; gives its pid.

    Raises:
        Errno: EINVAL for flags that contradict one another, ENOMEM by the overcommit rules.
    """
    if flags & CLONE_THREAD and not flags & CLONE_SIGHAND:
        raise Errno("EINVAL", "CLONE_THREAD without CLONE_SIGHAND")
    if flags & CLONE_SIGHAND and not flags & CLONE_VM:
        raise Errno("EINVAL", "CLONE_SIGHAND without CLONE_VM")
    if flags & CLONE_VM:
        mm = task.mm
        mm.users += 1
    else:
        mm = dup_mmap(kernel, task)
    child = Task(
        pid=kernel.new_pid(pid or None),
        mm=mm,
        ppid=task.ppid if flags & (CLONE_PARENT | CLONE_THREAD) else task.tgid,
        comm=task.comm,
        uid=task.uid,
        files=_dup_files(task, shared=bool(flags & CLONE_FILES)),
        rlimits=task.rlimits if flags & CLONE_THREAD else dict(task.rlimits),
        caps=task.caps,
        oom_score_adj=task.oom_score_adj,
        nice=task.nice,
        started=task.started if flags & CLONE_THREAD else kernel.seconds,
        in_vfork=bool(flags & CLONE_VFORK),
        cmdline=task.cmdline,
        pkru=task.pkru,
        personality=task.personality,
    )
    child.tgid = task.tgid if flags & CLONE_THREAD else child.pid
    kernel.tasks[child.pid] = child
    memcontrol.inherit(kernel, task, child)
    task.mm.note("the child runs in the same address space" if flags & CLONE_VM else "the address space was copied")
    return child.pid


def _dup_files(task: Task, *, shared: bool) -> FileTable:
    if shared:
        task.files.users += 1
        return task.files
    for file in task.files.open.values():
        file.users += 1
    return task.files.copy()


def dup_mmap(kernel: "Kernel", task: Task) -> Mm:
    """dup_mm(): a copy of the task's address space.

    Raises:
        Errno: ENOMEM by the overcommit rules; nothing is charged then.
    """
    old = task.mm
    new = Mm(
        mmap_base=old.mmap_base,
        bottom_up=old.bottom_up,
        start_brk=old.start_brk,
        brk=old.brk,
        start_stack=old.start_stack,
        start_code=old.start_code,
        end_code=old.end_code,
        start_data=old.start_data,
        end_data=old.end_data,
        pkey_allocation_map=old.pkey_allocation_map,
        swap_readahead=dict(old.swap_readahead),
        execute_only_pkey=old.execute_only_pkey,
        total_vm=old.total_vm,
        exec_vm=old.exec_vm,
        stack_vm=old.stack_vm,
        data_vm=old.data_vm,
        exe=old.exe,
        vsyscall=old.vsyscall,
    )
    inherit(old, new)
    _charge(kernel, task)
    copies = []
    for vma in old.tree:
        if vma.flags & VM_DONTCOPY:
            new.account(vma.flags, -vma.pages)
            continue
        copy = _dup_vma(kernel, vma)
        copies.append(copy)
        if copy.file is not None:
            copy.file.users += 1
        wiped = vma.flags & VM_WIPEONFORK
        if copy.anon_vma or (vma.flags & VM_COPY_ON_FORK and not wiped):
            copy_page_range(old.pages, new.pages, vma.start, vma.end)
    new.tree = VmaTree(copies)
    new.hiwater_vm, new.hiwater_rss = new.total_vm, new.rss
    return new


def _charge(kernel: "Kernel", task: Task) -> None:
    """Every accounted VMA that is copied, one after the other as dup_mmap() asks for them."""
    charged = 0
    try:
        for vma in task.mm.tree:
            if vma.flags & VM_ACCOUNT and not vma.flags & VM_DONTCOPY:
                acct_memory(kernel, task, task.mm, vma.pages)
                charged += vma.pages
    except Errno:
        unacct_memory(kernel, charged)
        raise


def _dup_vma(kernel: "Kernel", vma: Vma) -> Vma:
    anon_vma, chain = 0, 0
    if vma.anon_vma and not vma.flags & VM_WIPEONFORK:
        anon_vma, chain = kernel.new_anon_vma(), vma.chain + 1
    flags = vma.flags & ~VM_LOCKED_MASK
    return vma.flagged(flags).with_anon(anon_vma, chain)
