"""Models mm/memfd.c (6.18)."""

from typing import TYPE_CHECKING, Final

from memtui.sim.kernel.file import install
from memtui.sim.kernel.file_table import open_inode
from memtui.sim.kernel.fs import F_SEAL_SEAL
from memtui.sim.kernel.outcome import Errno, system_call
from memtui.sim.kernel.shmem import kernel_inode

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task

MFD_CLOEXEC: Final = 1
MFD_ALLOW_SEALING: Final = 2
MFD_HUGETLB: Final = 4
MFD_NOEXEC_SEAL: Final = 8
MFD_EXEC: Final = 16
MFD_NAME_MAX: Final = 249
F_SEAL_EXEC: Final = 0x20
_KNOWN: Final = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_NOEXEC_SEAL | MFD_EXEC


@system_call
def sys_memfd_create(kernel: "Kernel", task: "Task", name: bytes | str, flags: int) -> int:
    """memfd_create(2): a descriptor of an empty object that only descriptors and mappings keep."""
    if flags & ~_KNOWN and not flags & MFD_HUGETLB:
        raise Errno("EINVAL", "an unknown flag")
    if flags & MFD_EXEC and flags & MFD_NOEXEC_SEAL:
        raise Errno("EINVAL", "MFD_EXEC and MFD_NOEXEC_SEAL together")
    if flags & MFD_HUGETLB:
        raise Errno("ENOMEM", "the pool of huge pages is empty")
    text = name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")
    if len(text.encode("utf-8", "surrogateescape")) > MFD_NAME_MAX:
        raise Errno("EINVAL", "the name is too long")
    inode = kernel_inode(kernel, task, f"/memfd:{text}", 0, noreserve=True)
    inode.seals = F_SEAL_SEAL
    if flags & MFD_ALLOW_SEALING:
        inode.seals = 0
    if flags & MFD_NOEXEC_SEAL:
        inode.seals = F_SEAL_EXEC
    return install(task, open_inode(inode), cloexec=bool(flags & MFD_CLOEXEC))


@system_call
def sys_memfd_add_seals(kernel: "Kernel", task: "Task", fd: int, seals: int) -> int:
    """fcntl(fd, F_ADD_SEALS, seals)."""
    inode = task.files.get(fd).inode
    if not inode.shmem:
        raise Errno("EINVAL", "not a memfd")
    if inode.seals & F_SEAL_SEAL:
        raise Errno("EPERM", "sealed against sealing")
    inode.seals |= seals
    return 0
