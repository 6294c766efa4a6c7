"""Models ipc/shm.c (6.18): System V shared memory."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT, PAGE_SIZE, page_up
from memtui.sim.kernel import hugetlb
from memtui.sim.kernel.file_table import forget_if_unused, iput, open_inode
from memtui.sim.kernel.fs import Inode, OpenFile
from memtui.sim.kernel.gup import populate
from memtui.sim.kernel.mman import MAP_FIXED, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE
from memtui.sim.kernel.mmap import do_mmap
from memtui.sim.kernel.munmap import complete, gather
from memtui.sim.kernel.outcome import Errno, system_call
from memtui.sim.kernel.shmem import kernel_inode
from memtui.sim.kernel.task import CAP_IPC_LOCK
from memtui.sim.kernel.vm_flags import VM_LOCKED
from memtui.sim.kernel.vma import Vma

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.mm import Mm
    from memtui.sim.kernel.task import Task

IPC_PRIVATE: Final = 0
IPC_CREAT: Final = 0o1000
IPC_EXCL: Final = 0o2000
IPC_RMID: Final = 0
IPC_SET: Final = 1
IPC_STAT: Final = 2
SHM_LOCK: Final = 11
SHM_UNLOCK: Final = 12
SHM_HUGETLB: Final = 0o4000
SHM_NORESERVE: Final = 0o10000
SHM_RDONLY: Final = 0o10000
SHM_RND: Final = 0o20000
SHM_REMAP: Final = 0o40000
SHM_EXEC: Final = 0o100000


@dataclass(slots=True, eq=False)
class ShmSegment:
    """One System V segment."""

    shmid: int
    key: int
    size: int
    """Bytes, as asked for."""
    inode: Inode
    attaches: list[OpenFile] = field(default_factory=list)
    """One open file an shmat(); each counts its VMAs."""
    removed: bool = False
    """IPC_RMID was called (SHM_DEST): it lives until the last detach."""

    @property
    def nattch(self) -> int:
        """VMAs that map it, in every process."""
        return sum(file.users for file in self.attaches)

    def detached(self, kernel: "Kernel", file: OpenFile) -> None:
        """shm_close(): one VMA is gone."""
        if file.users == 0:
            self.attaches.remove(file)
        if self.removed and not self.attaches:
            destroy(kernel, self)


def destroy(kernel: "Kernel", segment: ShmSegment) -> None:
    """shm_destroy(): no name and no attach is left."""
    kernel.shm_segments.pop(segment.shmid, None)
    iput(kernel, segment.inode)


@system_call
def sys_shmget(kernel: "Kernel", task: "Task", key: int, size: int, flags: int) -> int:
    """shmget(2): the shmid; `size` in bytes."""
    key &= 0xFFFF_FFFF
    if key != IPC_PRIVATE:
        for segment in kernel.shm_segments.values():
            if segment.key == key and not segment.removed:
                return _existing(task, segment, size, flags)
        if not flags & IPC_CREAT:
            raise Errno("ENOENT", "no segment has this key")
    return _new_segment(kernel, task, key, size, flags)


def _existing(task: "Task", segment: ShmSegment, size: int, flags: int) -> int:
    if flags & IPC_CREAT and flags & IPC_EXCL:
        raise Errno("EEXIST", "the key is taken")
    if size > segment.size:
        raise Errno("EINVAL", "the segment is smaller")
    task.mm.note("the key has this segment already")
    return segment.shmid


def _new_segment(kernel: "Kernel", task: "Task", key: int, size: int, flags: int) -> int:
    if not 1 <= size <= (1 << 64) - 1 - (1 << 24):
        raise Errno("EINVAL", "a size of 0, or above SHMMAX")
    if page_up(size) >= 1 << 64:
        raise Errno("ENOSPC", "the size overflows")
    if flags & SHM_HUGETLB:
        return _add(kernel, key, size, _huge_inode(kernel, task, key, size, flags))
    noreserve = bool(flags & SHM_NORESERVE) and kernel.sysctl["overcommit_memory"] != 2
    inode = kernel_inode(kernel, task, f"/SYSV{key:08x}", size, noreserve=noreserve)
    inode.users += 1
    task.mm.note("the whole segment is charged now" if not noreserve else "pages are charged as they are touched")
    return _add(kernel, key, size, inode)


def _huge_inode(kernel: "Kernel", task: "Task", key: int, size: int, flags: int) -> Inode:
    shift = hugetlb.size_shift(flags)
    if not task.capable(CAP_IPC_LOCK):
        raise Errno("EPERM", "SHM_HUGETLB needs CAP_IPC_LOCK, or the group of vm.hugetlb_shm_group")
    if not flags & SHM_NORESERVE:
        raise Errno("ENOMEM", "the pool of huge pages is empty")
    inode = hugetlb.file_setup(kernel, f"/SYSV{key:08x}", hugetlb.align(size, shift), shift).inode
    inode.noreserve = True
    task.mm.note("nothing is reserved; each touch is SIGBUS while the pool is empty")
    return inode


def _add(kernel: "Kernel", key: int, size: int, inode: Inode) -> int:
    """A segment for an object that somebody holds; gives its shmid."""
    shmid = kernel.next_shmid
    kernel.next_shmid += 1
    kernel.shm_segments[shmid] = ShmSegment(shmid, key, size, inode)
    return shmid


@system_call
def sys_shmat(kernel: "Kernel", task: "Task", shmid: int, addr: int, flags: int) -> int:
    """shmat(2): the address of the attach."""
    if shmid < 0:
        raise Errno("EINVAL", "a negative shmid")
    map_flags = MAP_SHARED
    if addr:
        if addr % PAGE_SIZE:
            if not flags & SHM_RND:
                raise Errno("EINVAL", "the address is not a multiple of SHMLBA")
            addr -= addr % PAGE_SIZE
            if not addr and flags & SHM_REMAP:
                raise Errno("EINVAL", "SHM_REMAP at address 0")
        map_flags |= MAP_FIXED
    elif flags & SHM_REMAP:
        raise Errno("EINVAL", "SHM_REMAP without an address")
    segment = kernel.shm_segments.get(shmid)
    if segment is None:
        raise Errno("EINVAL", "no such segment")
    prot = PROT_READ | (0 if flags & SHM_RDONLY else PROT_WRITE) | (PROT_EXEC if flags & SHM_EXEC else 0)
    return _attach(kernel, task, segment, addr, prot, map_flags, remap=bool(flags & SHM_REMAP))


def _attach(
    kernel: "Kernel", task: "Task", segment: ShmSegment, addr: int, prot: int, flags: int, *, remap: bool
) -> int:
    mm, size = task.mm, segment.inode.size
    file = open_inode(segment.inode, writable=bool(prot & PROT_WRITE))
    file.close_hook = file.odd_address_hook = True
    file.shmid = segment.shmid
    segment.attaches.append(file)
    file.users += 1
    try:
        if addr and not remap:
            if addr + size < addr:
                raise Errno("EINVAL", "the range overflows")
            if mm.tree.intersection(addr, addr + size):
                raise Errno("EINVAL", "something is mapped there, and SHM_REMAP is not given")
        place, vm_flags = do_mmap(kernel, task, file, addr, size, prot, flags, 0)
        if vm_flags & VM_LOCKED:
            populate(kernel, task, place, place + page_up(size), ignore_errors=True)
    finally:
        file.users -= 1
        if file.users == 0:
            segment.attaches.remove(file)
            iput(kernel, segment.inode)
            if segment.removed and not segment.attaches:
                destroy(kernel, segment)
    return place


@system_call
def sys_shmdt(kernel: "Kernel", task: "Task", addr: int) -> int:
    """shmdt(2): detach the segment that was attached at `addr`, and all pieces of it."""
    if addr % PAGE_SIZE:
        raise Errno("EINVAL", "the address is not a multiple of the page size")
    mm = task.mm
    found, size = None, 0
    vma = mm.tree.find(addr)
    while vma is not None:
        here = _is_piece(vma, addr, found)
        if here and found is None:
            assert vma.file is not None
            found, size = vma.file, page_up(vma.file.inode.size)
            _detach(kernel, mm, vma)
        elif found is not None and vma.end - addr > size:
            break
        elif here:
            _detach(kernel, mm, vma)
        vma = mm.tree.find(vma.end)
    if found is None:
        raise Errno("EINVAL", "no segment is attached at this address")
    mm.note("detached with all its pieces")
    return 0


def _detach(kernel: "Kernel", mm: "Mm", vma: Vma) -> None:
    """Unmap a piece; nobody looks at whether that worked."""
    try:
        complete(kernel, mm, gather(kernel, mm, vma.start, vma.end))
    except Errno as failure:
        mm.note(f"a piece stays: {failure.why}")


def _is_piece(vma: Vma, addr: int, found: OpenFile | None) -> bool:
    """Whether the VMA lies where an attach at `addr` would have it."""
    file = vma.file
    if file is None or file.shmid < 0 or (found is not None and file is not found):
        return False
    return (vma.start - addr) >> PAGE_SHIFT == vma.pgoff


@system_call
def sys_shmctl(kernel: "Kernel", task: "Task", shmid: int, command: int, buf: int = 0) -> int:
    """shmctl(2): IPC_RMID, SHM_LOCK and SHM_UNLOCK; the other commands leave memory as it is."""
    segment = kernel.shm_segments.get(shmid)
    if segment is None:
        raise Errno("EINVAL", "no such segment")
    if command == IPC_RMID:
        segment.removed = True
        segment.key = IPC_PRIVATE
        if segment.attaches:
            task.mm.note("it lives on until the last detach")
        else:
            task.mm.note("destroyed: nobody has it attached")
            destroy(kernel, segment)
            forget_if_unused(kernel, segment.inode)
    elif command in (SHM_LOCK, SHM_UNLOCK):
        _lock(kernel, task, segment, locked=command == SHM_LOCK)
    elif command not in (IPC_SET, IPC_STAT):
        raise Errno("EINVAL", "an unknown command")
    else:
        task.mm.note("this command frees and maps nothing")
    return 0


def _lock(kernel: "Kernel", task: "Task", segment: ShmSegment, *, locked: bool) -> None:
    """shmem_lock(): whether reclaim may take its pages; RLIMIT_MEMLOCK is of all that the user locked so."""
    inode = segment.inode
    if locked and not task.capable(CAP_IPC_LOCK):
        if not task.rlimits["MEMLOCK"]:
            raise Errno("EPERM", "RLIMIT_MEMLOCK is 0")
        others = sum(other.inode.size_pages for other in kernel.shm_segments.values() if other.inode.shm_locked)
        if not inode.shm_locked and others + inode.size_pages > task.rlimits["MEMLOCK"] >> PAGE_SHIFT:
            raise Errno("ENOMEM", "RLIMIT_MEMLOCK: too much shared memory would be locked")
    inode.shm_locked = locked
    inode.pages.look_again(0, inode.size_pages)
    task.mm.note("its pages stay in memory from now on" if locked else "reclaim may take its pages again")
