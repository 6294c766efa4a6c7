"""Models mm/memfd.c (6.18)."""

from typing import TYPE_CHECKING, Final

from memtui.sim.kernel import hugetlb
from memtui.sim.kernel.file import install
from memtui.sim.kernel.file_table import open_inode
from memtui.sim.kernel.fs import F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE, Inode
from memtui.sim.kernel.outcome import Errno, system_call
from memtui.sim.kernel.shmem import kernel_inode
from memtui.sim.kernel.vm_flags import VM_MAYWRITE, VM_SHARED

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task

MFD_CLOEXEC: Final = 1
MFD_ALLOW_SEALING: Final = 2
MFD_HUGETLB: Final = 4
MFD_NOEXEC_SEAL: Final = 8
MFD_EXEC: Final = 16
MFD_HUGE_MASK: Final = 0x3F << 26
MFD_NAME_MAX: Final = 249
F_SEAL_EXEC: Final = 0x20
_ALL_SEALS: Final = 0x3F
_KNOWN: Final = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_NOEXEC_SEAL | MFD_EXEC


@system_call
def sys_memfd_create(kernel: "Kernel", task: "Task", name: bytes | str, flags: int) -> int:
    """memfd_create(2): a descriptor of an empty object that only descriptors and mappings keep."""
    if flags & ~(_KNOWN | (MFD_HUGE_MASK if flags & MFD_HUGETLB else 0)):
        raise Errno("EINVAL", "an unknown flag")
    if flags & MFD_EXEC and flags & MFD_NOEXEC_SEAL:
        raise Errno("EINVAL", "MFD_EXEC and MFD_NOEXEC_SEAL together")
    text = name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")
    if len(text.encode("utf-8", "surrogateescape")) > MFD_NAME_MAX:
        raise Errno("EINVAL", "the name is too long")
    if flags & MFD_HUGETLB:
        file = hugetlb.file_setup(kernel, f"/memfd:{text}", 0, hugetlb.size_shift(flags, "ENODEV"))
    else:
        file = open_inode(kernel_inode(kernel, task, f"/memfd:{text}", 0, noreserve=True))
    inode = file.inode
    inode.seals = F_SEAL_SEAL
    if flags & MFD_ALLOW_SEALING:
        inode.seals = 0
    if flags & MFD_NOEXEC_SEAL:
        inode.seals = F_SEAL_EXEC
    task.mm.note("an empty object; its pages are charged as they are touched")
    return install(task, file, cloexec=bool(flags & MFD_CLOEXEC))


@system_call
def sys_memfd_add_seals(kernel: "Kernel", task: "Task", fd: int, seals: int) -> int:
    """fcntl(fd, F_ADD_SEALS, seals)."""
    file = task.files.get(fd)
    inode = file.inode
    if not file.writable:
        raise Errno("EPERM", "the descriptor is not open for writing")
    if seals & ~_ALL_SEALS:
        raise Errno("EINVAL", "an unknown seal")
    if not (inode.shmem or inode.huge_shift) or not inode.mappable:
        raise Errno("EINVAL", "not a memfd")
    if inode.seals & F_SEAL_SEAL:
        raise Errno("EPERM", "sealed against sealing")
    if seals & F_SEAL_EXEC and not inode.seals & F_SEAL_EXEC:
        seals |= F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE  # a program that never changes
    if seals & F_SEAL_WRITE and not inode.seals & F_SEAL_WRITE and _is_mapped_writable(kernel, inode):
        raise Errno("EBUSY", "a shared mapping may write to it")
    inode.seals |= seals
    task.mm.note("sealed for good")
    return 0


@system_call
def sys_memfd_get_seals(kernel: "Kernel", task: "Task", fd: int) -> int:
    """fcntl(fd, F_GET_SEALS): its F_SEAL_* bits."""
    inode = task.files.get(fd).inode
    if not (inode.shmem or inode.huge_shift) or not inode.mappable:
        raise Errno("EINVAL", "not a memfd")
    task.mm.note("what it was sealed against")
    return inode.seals


def _is_mapped_writable(kernel: "Kernel", inode: Inode) -> bool:
    """i_mmap_writable; costs a walk over every address space."""
    writable = VM_SHARED | VM_MAYWRITE
    return any(
        vma.file is not None and vma.file.inode is inode and vma.flags & writable == writable
        for task in kernel.tasks.values()
        for vma in task.mm.tree
    )
