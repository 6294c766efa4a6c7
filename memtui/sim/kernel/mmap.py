"""Models mmap(2) and do_mmap() (mm/mmap.c, 6.18)."""

from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT, PAGE_SIZE, page_down, page_up
from memtui.sim.kernel import hugetlb
from memtui.sim.kernel.file_table import fput
from memtui.sim.kernel.fs import OpenFile
from memtui.sim.kernel.gup import populate
from memtui.sim.kernel.limits import can_do_mlock, may_lock
from memtui.sim.kernel.mman import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_HUGETLB,
    MAP_LOCKED,
    MAP_NONBLOCK,
    MAP_NORESERVE,
    MAP_POPULATE,
)
from memtui.sim.kernel.mmap_flags import anonymous_flags, file_flags, flag_bits
from memtui.sim.kernel.mmap_region import mmap_region
from memtui.sim.kernel.outcome import Errno, system_call
from memtui.sim.kernel.overcommit import OVERCOMMIT_NEVER
from memtui.sim.kernel.personality import implied_prot
from memtui.sim.kernel.pkeys import mmap_pkey, pkey_bits
from memtui.sim.kernel.unmapped_area import Wanted, get_unmapped_area
from memtui.sim.kernel.vm_flags import (
    VM_ACCESS_FLAGS,
    VM_LOCKED,
    VM_MAY_ALL,
    VM_NORESERVE,
    VM_SHARED,
)

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task

PGOFF_MASK: Final = (1 << 64) - 1


@system_call
def sys_mmap(
    kernel: "Kernel", task: "Task", addr: int, length: int, prot: int, flags: int, fd: int, offset: int
) -> int:
    """mmap(2): addresses, length and offset in bytes."""
    if offset % PAGE_SIZE:
        raise Errno("EINVAL", "the offset is not a multiple of the page size")
    file = None
    if not flags & MAP_ANONYMOUS:
        file = task.files.get(fd)
        if file.path_only:
            raise Errno("EBADF", "the descriptor was opened with O_PATH")
        if file.inode.huge_shift:
            length = hugetlb.align(length, file.inode.huge_shift)
        elif flags & MAP_HUGETLB:
            raise Errno("EINVAL", "MAP_HUGETLB on a file that is not on hugetlbfs")
    elif flags & MAP_HUGETLB:
        return _huge(kernel, task, addr, length, prot, flags, offset >> PAGE_SHIFT)
    return vm_mmap(kernel, task, file, addr, length, prot, flags, offset >> PAGE_SHIFT)


def _huge(kernel: "Kernel", task: "Task", addr: int, length: int, prot: int, flags: int, pgoff: int) -> int:
    """MAP_HUGETLB without a file: an object of its own for each mapping."""
    shift = hugetlb.size_shift(flags)
    length = hugetlb.align(length, shift)
    file = hugetlb.file_setup(kernel, hugetlb.ANON_LABEL, length, shift)
    file.users += 1
    try:
        return vm_mmap(kernel, task, file, addr, length, prot, flags, pgoff)
    finally:
        fput(kernel, file)


def vm_mmap(
    kernel: "Kernel", task: "Task", file: OpenFile | None, addr: int, length: int, prot: int, flags: int, pgoff: int
) -> int:
    """vm_mmap_pgoff(): map, then fault in what MAP_POPULATE and VM_LOCKED ask for; gives the address.

    Raises:
        Errno: as mmap(2).
    """
    place, vm_flags = do_mmap(kernel, task, file, addr, length, prot, flags, pgoff)
    wants = flags & (MAP_POPULATE | MAP_NONBLOCK) == MAP_POPULATE
    if wants or vm_flags & VM_LOCKED:
        populate(kernel, task, place, place + page_up(length), ignore_errors=True)
    return place


def do_mmap(
    kernel: "Kernel", task: "Task", file: OpenFile | None, addr: int, length: int, prot: int, flags: int, pgoff: int
) -> tuple[int, int]:
    """The checks of mmap in the kernel's order, then the mapping; gives its address and VM_* bits."""
    mm = task.mm
    if file is None or not file.inode.noexec:
        prot = implied_prot(task, prot)
    if flags & MAP_FIXED_NOREPLACE:
        # A kernel that does not know the flag takes the address for a hint.
        flags = flags | MAP_FIXED if kernel.profile.noreplace else flags & ~MAP_FIXED_NOREPLACE
    if not flags & MAP_FIXED:
        addr = _round_hint(kernel, addr)
    else:
        mm.note("MAP_FIXED: at the address itself")
    length = _checked_length(kernel, task, length, pgoff)
    vm_flags = prot & VM_ACCESS_FLAGS | pkey_bits(mmap_pkey(kernel, task, prot))
    vm_flags |= flag_bits(flags) | mm.def_flags | VM_MAY_ALL
    addr = get_unmapped_area(kernel, task, Wanted(addr, length, flags, file, pgoff))
    if flags & MAP_FIXED_NOREPLACE and mm.tree.intersection(addr, addr + length):
        raise Errno("EEXIST", "MAP_FIXED_NOREPLACE, and something is mapped there")
    if flags & MAP_LOCKED and not can_do_mlock(task):
        raise Errno("EPERM", "MAP_LOCKED, and RLIMIT_MEMLOCK is 0")
    if not may_lock(task, vm_flags, length):
        raise Errno("EAGAIN", "RLIMIT_MEMLOCK: too much would be locked")
    if file is not None:
        vm_flags = file_flags(file, prot, flags, vm_flags, pgoff, length)
    else:
        vm_flags = anonymous_flags(kernel, flags, vm_flags)
        pgoff = 0 if vm_flags & VM_SHARED else addr >> PAGE_SHIFT
    huge = file is not None and file.inode.huge_shift
    if flags & MAP_NORESERVE and (huge or kernel.sysctl["overcommit_memory"] != OVERCOMMIT_NEVER):
        vm_flags |= VM_NORESERVE
    vma = mmap_region(kernel, task, file, addr, length, vm_flags, pgoff)
    return addr, vma.flags | vm_flags & VM_LOCKED


def _checked_length(kernel: "Kernel", task: "Task", length: int, pgoff: int) -> int:
    """The length in whole pages, bytes."""
    if not length:
        raise Errno("EINVAL", "the length is 0")
    length = page_up(length) & PGOFF_MASK
    if not length:
        raise Errno("ENOMEM", "the length overflows")
    if pgoff + (length >> PAGE_SHIFT) > PGOFF_MASK:
        raise Errno("EOVERFLOW", "offset and length overflow")
    count, limit = task.mm.map_count, kernel.sysctl["max_map_count"]
    if count > limit:
        raise Errno("ENOMEM", f"{count} VMAs, and vm.max_map_count is {limit}")
    return length


def _round_hint(kernel: "Kernel", addr: int) -> int:
    """round_hint_to_min()."""
    addr = page_down(addr)
    lowest = page_up(kernel.mmap_min_addr)
    return lowest if 0 < addr < lowest else addr
