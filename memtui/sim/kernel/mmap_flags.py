"""Models the middle of do_mmap() (mm/mmap.c, 6.18): what each kind of mapping checks, and its vm_flags."""

from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT
from memtui.sim.kernel.fs import DAX_TYPES, F_SEAL_FUTURE_WRITE, F_SEAL_WRITE, MAX_LFS_FILESIZE, OpenFile
from memtui.sim.kernel.mman import (
    LEGACY_MAP_MASK,
    MAP_DROPPABLE,
    MAP_GROWSDOWN,
    MAP_HUGETLB,
    MAP_LOCKED,
    MAP_PRIVATE,
    MAP_SHARED,
    MAP_SHARED_VALIDATE,
    MAP_STACK,
    MAP_SYNC,
    MAP_TYPE,
    PROT_WRITE,
)
from memtui.sim.kernel.outcome import Errno
from memtui.sim.kernel.vm_flags import (
    VM_DONTDUMP,
    VM_DROPPABLE,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_LOCKED,
    VM_MAYEXEC,
    VM_MAYSHARE,
    VM_MAYWRITE,
    VM_NOHUGEPAGE,
    VM_NORESERVE,
    VM_SHARED,
    VM_SYNC,
    VM_WIPEONFORK,
    VM_WRITE,
)

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel

ULONG_MAX: Final = (1 << 64) - 1


def flag_bits(flags: int) -> int:
    """calc_vm_flag_bits(): what MAP_* sets in vm_flags."""
    return (
        (VM_GROWSDOWN if flags & MAP_GROWSDOWN else 0)
        | (VM_LOCKED if flags & MAP_LOCKED else 0)
        | (VM_SYNC if flags & MAP_SYNC else 0)
        | (VM_NOHUGEPAGE if flags & MAP_STACK else 0)
    )


def file_flags(file: OpenFile, prot: int, flags: int, vm_flags: int, pgoff: int, length: int) -> int:
    """The checks of a mapping of a file, and its VM_* bits."""
    largest = MAX_LFS_FILESIZE if file.inode.regular else ULONG_MAX
    if length > largest or pgoff > (largest - length) >> PAGE_SHIFT:
        raise Errno("EOVERFLOW", "beyond the largest offset of such a file")
    kind = flags & MAP_TYPE
    if kind in (MAP_SHARED, MAP_SHARED_VALIDATE):
        vm_flags = _shared_file_flags(file, prot, flags, vm_flags)
    elif kind != MAP_PRIVATE:
        raise Errno("EINVAL", "neither MAP_SHARED nor MAP_PRIVATE")
    if not file.readable:
        raise Errno("EACCES", "a mapping needs a descriptor that is open for reading")
    if file.inode.noexec:
        if vm_flags & VM_EXEC:
            raise Errno("EPERM", "the file lies on a mount with the option noexec")
        vm_flags &= ~VM_MAYEXEC
    if not file.inode.mappable:
        raise Errno("ENODEV", "such a file cannot be mapped")
    if vm_flags & VM_GROWSDOWN:
        raise Errno("EINVAL", "MAP_GROWSDOWN on a file")
    return _seal_flags(file, vm_flags)


def _shared_file_flags(file: OpenFile, prot: int, flags: int, vm_flags: int) -> int:
    syncs = file.inode.fs_type in DAX_TYPES and not file.inode.is_dir
    known = LEGACY_MAP_MASK | (MAP_SYNC if syncs else 0)
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


def anonymous_flags(kernel: "Kernel", flags: int, vm_flags: int) -> int:
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
