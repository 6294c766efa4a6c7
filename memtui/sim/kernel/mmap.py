"""Models do_mmap() (mm/mmap.c) and mmap_region() (mm/vma.c), 6.18."""

from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT, PAGE_SIZE, page_down, page_up
from memtui.sim.kernel.fs import DAX_TYPES, F_SEAL_FUTURE_WRITE, F_SEAL_WRITE, OpenFile
from memtui.sim.kernel.limits import can_do_mlock, check_expand, may_lock
from memtui.sim.kernel.memory import populate
from memtui.sim.kernel.mman import (
    LEGACY_MAP_MASK,
    MAP_ANONYMOUS,
    MAP_DROPPABLE,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_GROWSDOWN,
    MAP_HUGE_SHIFT,
    MAP_HUGETLB,
    MAP_LOCKED,
    MAP_NONBLOCK,
    MAP_NORESERVE,
    MAP_POPULATE,
    MAP_PRIVATE,
    MAP_SHARED,
    MAP_SHARED_VALIDATE,
    MAP_STACK,
    MAP_SYNC,
    MAP_TYPE,
    PROT_WRITE,
)
from memtui.sim.kernel.munmap import complete, gather
from memtui.sim.kernel.outcome import Errno, system_call
from memtui.sim.kernel.overcommit import OVERCOMMIT_NEVER, acct_memory
from memtui.sim.kernel.shmem import zero_setup
from memtui.sim.kernel.unmapped_area import Wanted, get_unmapped_area
from memtui.sim.kernel.vm_flags import (
    VM_ACCESS_FLAGS,
    VM_ACCOUNT,
    VM_DONTDUMP,
    VM_DROPPABLE,
    VM_GROWSDOWN,
    VM_LOCKED,
    VM_LOCKED_MASK,
    VM_MAY_ALL,
    VM_MAYSHARE,
    VM_MAYWRITE,
    VM_NOHUGEPAGE,
    VM_NORESERVE,
    VM_SHARED,
    VM_SPECIAL,
    VM_SYNC,
    VM_WIPEONFORK,
    VM_WRITE,
)
from memtui.sim.kernel.vma import Joined, Vma
from memtui.sim.kernel.vma_merge import merge_new

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task

MAX_LFS_FILESIZE: Final = (1 << 63) - 1
PGOFF_MASK: Final = (1 << 64) - 1
_HUGE_SIZES: Final = (0, 21, 30)
"""log2 of the huge page sizes that x86-64 has; 0 is the default."""


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
        if flags & MAP_HUGETLB:
            raise Errno("EINVAL", "MAP_HUGETLB on a file that is not on hugetlbfs")
    elif flags & MAP_HUGETLB:
        _no_huge_pool(flags, length)
    return vm_mmap(kernel, task, file, addr, length, prot, flags, offset >> PAGE_SHIFT)


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
    if not length:
        raise Errno("EINVAL", "the length is 0")
    if flags & MAP_FIXED_NOREPLACE:
        flags |= MAP_FIXED
    if not flags & MAP_FIXED:
        addr = _round_hint(kernel, addr)
    length = page_up(length) & PGOFF_MASK
    if not length:
        raise Errno("ENOMEM", "the length overflows")
    if pgoff + (length >> PAGE_SHIFT) > PGOFF_MASK:
        raise Errno("EOVERFLOW", "offset and length overflow")
    limit = kernel.sysctl["max_map_count"]
    if mm.map_count > limit:
        raise Errno("ENOMEM", f"{mm.map_count} VMAs, and vm.max_map_count is {limit}")
    vm_flags = prot & VM_ACCESS_FLAGS | flag_bits(flags) | mm.def_flags | VM_MAY_ALL
    addr = get_unmapped_area(kernel, task, Wanted(addr, length, flags, file, pgoff))
    if flags & MAP_FIXED_NOREPLACE and kernel.profile.noreplace and mm.tree.intersection(addr, addr + length):
        raise Errno("EEXIST", "MAP_FIXED_NOREPLACE, and something is mapped there")
    if flags & MAP_LOCKED and not can_do_mlock(task):
        raise Errno("EPERM", "MAP_LOCKED, and RLIMIT_MEMLOCK is 0")
    if not may_lock(task, vm_flags, length):
        raise Errno("EAGAIN", "RLIMIT_MEMLOCK: too much would be locked")
    if file is not None:
        vm_flags = _file_flags(file, prot, flags, vm_flags, pgoff, length)
    else:
        vm_flags = _anonymous_flags(kernel, flags, vm_flags)
        pgoff = 0 if vm_flags & VM_SHARED else addr >> PAGE_SHIFT
    if flags & MAP_NORESERVE and kernel.sysctl["overcommit_memory"] != OVERCOMMIT_NEVER:
        vm_flags |= VM_NORESERVE
    vma = mmap_region(kernel, task, file, addr, length, vm_flags, pgoff)
    return addr, vma.flags | vm_flags & VM_LOCKED


def flag_bits(flags: int) -> int:
    """calc_vm_flag_bits(): what MAP_* sets in vm_flags."""
    return (
        (VM_GROWSDOWN if flags & MAP_GROWSDOWN else 0)
        | (VM_LOCKED if flags & MAP_LOCKED else 0)
        | (VM_SYNC if flags & MAP_SYNC else 0)
        | (VM_NOHUGEPAGE if flags & MAP_STACK else 0)
    )


def mmap_region(
    kernel: "Kernel", task: "Task", file: OpenFile | None, addr: int, length: int, flags: int, pgoff: int
) -> Vma:
    """Put the mapping in: unmap what it replaces, check limits, charge, merge or make a VMA.

    Raises:
        Errno: ENOMEM, EPERM (a sealed VMA below it); VMAs may have been cut at its edges then.
    """
    mm, end, pages = task.mm, addr + length, length >> PAGE_SHIFT
    if file is not None and flags & (VM_SHARED | VM_MAYWRITE) == VM_SHARED | VM_MAYWRITE:
        _check_write_seal(file)
    if flags & VM_DROPPABLE:
        flags &= ~VM_LOCKED_MASK  # though do_mmap() still populates it
    old = gather(kernel, mm, addr, end)
    check_expand(task, flags, pages - sum(vma.pages for vma in old))
    if file is not None and flags & VM_SYNC and file.inode.fs_type in DAX_TYPES:
        raise Errno("EOPNOTSUPP", "MAP_SYNC, and the file is not on persistent memory")
    replaced = sum(vma.pages for vma in old if vma.flags & VM_ACCOUNT)
    if flags & (VM_NORESERVE | VM_SHARED | VM_WRITE) == VM_WRITE:
        if pages != replaced:
            acct_memory(kernel, task, mm, pages - replaced)
        kernel.committed += replaced  # what complete() gives back
        flags |= VM_ACCOUNT
    complete(kernel, mm, old)
    if old:
        mm.note(f"{len(old)} VMAs were replaced")
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
        if vma.flags & VM_SPECIAL:
            return mm.update(vma, vma.flagged(vma.flags & ~VM_LOCKED_MASK))
        mm.locked_vm += pages
    return vma


def _file_flags(file: OpenFile, prot: int, flags: int, vm_flags: int, pgoff: int, length: int) -> int:
    """The checks of a mapping of a file, and its VM_* bits."""
    if length > MAX_LFS_FILESIZE or pgoff > (MAX_LFS_FILESIZE - length) >> PAGE_SHIFT:
        raise Errno("EOVERFLOW", "beyond the largest file size")
    kind = flags & MAP_TYPE
    if kind in (MAP_SHARED, MAP_SHARED_VALIDATE):
        vm_flags = _shared_file_flags(file, prot, flags, vm_flags)
    elif kind != MAP_PRIVATE:
        raise Errno("EINVAL", "neither MAP_SHARED nor MAP_PRIVATE")
    if not file.readable:
        raise Errno("EACCES", "a mapping needs a descriptor that is open for reading")
    if not file.inode.mappable:
        raise Errno("ENODEV", "such a file cannot be mapped")
    if vm_flags & VM_GROWSDOWN:
        raise Errno("EINVAL", "MAP_GROWSDOWN on a file")
    return _seal_flags(file, vm_flags)


def _shared_file_flags(file: OpenFile, prot: int, flags: int, vm_flags: int) -> int:
    known = LEGACY_MAP_MASK | (MAP_SYNC if file.inode.fs_type in DAX_TYPES else 0)
    if flags & MAP_TYPE == MAP_SHARED_VALIDATE and flags & ~known:
        raise Errno("EOPNOTSUPP", "a flag that MAP_SHARED_VALIDATE does not know")
    if prot & PROT_WRITE and not file.writable:
        raise Errno("EACCES", "a shared writable mapping needs a descriptor that is open for writing")
    vm_flags |= VM_SHARED | VM_MAYSHARE
    if not file.writable:
        vm_flags &= ~(VM_MAYWRITE | VM_SHARED)
    return vm_flags


def _seal_flags(file: OpenFile, vm_flags: int) -> int:
    """memfd_check_seals_mmap()."""
    seals = file.inode.seals
    if not seals & (F_SEAL_FUTURE_WRITE | F_SEAL_WRITE) or not vm_flags & VM_SHARED:
        return vm_flags
    if vm_flags & VM_WRITE:
        raise Errno("EPERM", "the memfd is sealed against writing")
    return vm_flags & ~VM_MAYWRITE


def _check_write_seal(file: OpenFile) -> None:
    """mapping_map_writable()."""
    if file.inode.seals & F_SEAL_WRITE:
        raise Errno("EPERM", "the memfd is sealed against writing")


def _anonymous_flags(kernel: "Kernel", flags: int, vm_flags: int) -> int:
    """The checks of an anonymous mapping, and its VM_* bits."""
    kind = flags & MAP_TYPE
    if kind == MAP_SHARED:
        if vm_flags & VM_GROWSDOWN:
            raise Errno("EINVAL", "MAP_GROWSDOWN on shared memory")
        return vm_flags | VM_SHARED | VM_MAYSHARE
    if kind == MAP_DROPPABLE and kernel.profile.map_droppable:
        if flags & (MAP_LOCKED | MAP_HUGETLB) or vm_flags & VM_GROWSDOWN:
            raise Errno("EINVAL", "droppable memory cannot be locked, huge, or a stack")
        return vm_flags | VM_DROPPABLE | VM_NORESERVE | VM_WIPEONFORK | VM_DONTDUMP
    if kind != MAP_PRIVATE:
        raise Errno("EINVAL", "neither MAP_SHARED nor MAP_PRIVATE")
    return vm_flags


def _round_hint(kernel: "Kernel", addr: int) -> int:
    """round_hint_to_min()."""
    addr = page_down(addr)
    lowest = page_up(kernel.mmap_min_addr)
    return lowest if 0 < addr < lowest else addr


def _no_huge_pool(flags: int, length: int) -> None:
    """MAP_HUGETLB on a machine whose pool of huge pages is empty."""
    if flags >> MAP_HUGE_SHIFT & 0x3F not in _HUGE_SIZES:
        raise Errno("EINVAL", "no such huge page size")
    if not length:
        raise Errno("EINVAL", "the length is 0")
    if flags & MAP_TYPE not in (MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE) or flags & MAP_GROWSDOWN:
        raise Errno("EINVAL", "no such kind of mapping of huge pages")
    raise Errno("ENOMEM", "MAP_HUGETLB, and the pool of huge pages is empty")
