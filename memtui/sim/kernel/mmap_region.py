"""Models mmap_region() (mm/vma.c, 6.18): putting a mapping in."""

from typing import TYPE_CHECKING

from memtui.model.address import PAGE_SHIFT
from memtui.sim.kernel import hugetlb
from memtui.sim.kernel.fs import DAX_TYPES, F_SEAL_WRITE, OpenFile
from memtui.sim.kernel.limits import check_expand
from memtui.sim.kernel.munmap import complete, gather
from memtui.sim.kernel.outcome import Errno, counted
from memtui.sim.kernel.overcommit import acct_memory, unacct_memory
from memtui.sim.kernel.prctl import check_write_exec, ksm_flag
from memtui.sim.kernel.shmem import zero_setup
from memtui.sim.kernel.vm_flags import (
    VM_ACCOUNT,
    VM_DROPPABLE,
    VM_LOCKED,
    VM_LOCKED_MASK,
    VM_MAYWRITE,
    VM_NORESERVE,
    VM_SHARED,
    VM_SPECIAL,
    VM_SYNC,
    VM_WRITE,
)
from memtui.sim.kernel.vma import Joined, Vma
from memtui.sim.kernel.vma_merge import merge_new

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task


def mmap_region(
    kernel: "Kernel", task: "Task", file: OpenFile | None, addr: int, length: int, flags: int, pgoff: int
) -> Vma:
    """Put the mapping in: unmap what it replaces, check limits, charge, merge or make a VMA.

    Raises:
        Errno: ENOMEM, EACCES (PR_SET_MDWE), EPERM (a sealed VMA below it); VMAs may have been cut at its edges then.
    """
    mm, end, pages = task.mm, addr + length, length >> PAGE_SHIFT
    check_write_exec(mm, flags, flags)
    if file is not None and flags & (VM_SHARED | VM_MAYWRITE) == VM_SHARED | VM_MAYWRITE:
        _check_write_seal(file)
    old = gather(kernel, mm, addr, end)
    check_expand(task, flags, pages - sum(vma.pages for vma in old))
    replaced = sum(vma.pages for vma in old if vma.flags & VM_ACCOUNT)
    huge = file is not None and file.inode.huge_shift
    if not huge and flags & (VM_NORESERVE | VM_SHARED | VM_WRITE) == VM_WRITE:
        if pages != replaced:
            acct_memory(kernel, task, mm, pages - replaced)
        kernel.committed += replaced  # what complete() gives back
        flags |= VM_ACCOUNT
    complete(kernel, mm, old)
    if old:
        mm.note(f"in place of {counted(len(old), 'VMA')}")
    if file is not None and flags & VM_SYNC and file.inode.fs_type in DAX_TYPES:
        unacct_memory(kernel, pages if flags & VM_ACCOUNT else 0)
        raise Errno("EOPNOTSUPP", "MAP_SYNC, and the file is not on persistent memory; what was there is unmapped")
    if file is not None and huge:
        flags |= hugetlb.map_file(file.inode, flags, pgoff, pages)
    flags |= ksm_flag(mm, flags)
    vma = merge_new(kernel, mm, Joined(addr, end, flags, pgoff, file))
    if vma is None:
        vma = _new_vma(kernel, task, file, Vma(addr, end, flags, pgoff, file))
    return _mapped(task, vma, pages)


def _new_vma(kernel: "Kernel", task: "Task", file: OpenFile | None, vma: Vma) -> Vma:
    """__mmap_new_vma(): also makes the object behind shared anonymous memory."""
    shared_zero = file is not None and file.inode.zero_device
    if vma.flags & VM_SHARED and (file is None or shared_zero):
        vma = vma._replace(file=zero_setup(kernel, task, vma.pages, noreserve=bool(vma.flags & VM_NORESERVE)))
    task.mm.link(vma)
    return vma


def _mapped(task: "Task", vma: Vma, pages: int) -> Vma:
    """__mmap_complete(): the counters."""
    mm = task.mm
    mm.account(vma.flags, pages)
    if vma.flags & VM_LOCKED:
        if vma.flags & (VM_SPECIAL | VM_DROPPABLE):  # only after the merge, and do_mmap() still populates it
            return mm.update(vma, vma.flagged(vma.flags & ~VM_LOCKED_MASK))
        mm.locked_vm += pages
    return vma


def _check_write_seal(file: OpenFile) -> None:
    """mapping_map_writable()."""
    if file.inode.seals & F_SEAL_WRITE:
        raise Errno("EPERM", "the memfd is sealed against writing")
