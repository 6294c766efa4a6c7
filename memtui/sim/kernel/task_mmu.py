"""Models fs/proc/task_mmu.c (6.18): what maps, smaps and status tell of an address space."""

from typing import TYPE_CHECKING

from memtui.model.address import PAGE_SHIFT, page_down, page_up
from memtui.model.mm import MmCounters
from memtui.model.vma import VmaKind
from memtui.sim.kernel.fs import SHMEM_DEV
from memtui.sim.kernel.vm_flags import VM_SEALED, codes, perms

if TYPE_CHECKING:
    from memtui.sim.kernel.fs import OpenFile
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.mm import Mm
    from memtui.sim.kernel.vma import Vma

HEAP = "[heap]"
STACK = "[stack]"


def label(mm: "Mm", vma: "Vma") -> str:
    """The last column of maps; "" if there is none."""
    if vma.file is not None:
        return vma.file.label
    if vma.name:
        return vma.name
    if vma.start < mm.brk and vma.end > mm.start_brk:
        return HEAP
    if vma.start <= mm.start_stack <= vma.end:
        return STACK
    return ""


def kind(mm: "Mm", vma: "Vma") -> VmaKind:
    """What the screens call it."""
    if vma.file is not None:
        return _file_kind(vma.file)
    if vma.name:
        return VmaKind.SPECIAL
    text = label(mm, vma)
    return {HEAP: VmaKind.HEAP, STACK: VmaKind.STACK}.get(text, VmaKind.ANON)


def _file_kind(file: "OpenFile") -> VmaKind:
    inode = file.inode
    if inode.huge_shift and file.shmid < 0 and not inode.label.startswith("/memfd:"):
        return VmaKind.HUGETLB
    if not inode.shmem and not inode.huge_shift:
        return VmaKind.DEVICE if inode.zero_device else VmaKind.FILE
    if file.shmid >= 0:
        return VmaKind.SYSV
    if inode.dev != SHMEM_DEV:
        return VmaKind.SHMEM
    return VmaKind.MEMFD if inode.label.startswith("/memfd:") else VmaKind.SHARED_ANON


def permissions(vma: "Vma") -> str:
    """The second column of maps: "rw-p"."""
    return perms(vma.flags)


def offset(vma: "Vma") -> int:
    """The third column, bytes: 0 without a file."""
    return vma.pgoff << PAGE_SHIFT if vma.file is not None else 0


def device(vma: "Vma") -> tuple[int, int]:
    """Major and minor number; (0, 0) without a file."""
    return vma.file.inode.dev if vma.file is not None else (0, 0)


def inode_number(vma: "Vma") -> int:
    """The inode's number; a System V segment shows its shmid. 0 without a file."""
    if vma.file is None:
        return 0
    return vma.file.shmid if vma.file.shmid >= 0 else vma.file.inode.number


def vm_flags(kernel: "Kernel", vma: "Vma") -> tuple[str, ...]:
    """The letters of VmFlags."""
    hidden = 0 if kernel.profile.sealed_shows else VM_SEALED
    return codes(vma.flags & ~hidden)


def counters(mm: "Mm") -> MmCounters:
    """The memory lines of status, KiB (task_mem)."""
    text = (page_up(mm.end_code) - page_down(mm.start_code)) >> PAGE_SHIFT
    text = min(text, mm.exec_vm)
    return MmCounters(
        vm_peak=max(mm.hiwater_vm, mm.total_vm) * 4,
        vm_size=mm.total_vm * 4,
        vm_lck=mm.locked_vm * 4 % (1 << 64),
        vm_pin=0,
        vm_hwm=max(mm.hiwater_rss, mm.rss) * 4,
        vm_rss=mm.rss * 4,
        rss_anon=mm.rss_anon * 4,
        rss_file=mm.rss_file * 4,
        rss_shmem=mm.rss_shmem * 4,
        vm_data=mm.data_vm * 4,
        vm_stk=mm.stack_vm * 4,
        vm_exe=text * 4,
        vm_lib=(mm.exec_vm - text) * 4,
        vm_pte=mm.pages.tables * 4,
        vm_swap=mm.swap_pages * 4,
        hugetlb_pages=0,
    )
