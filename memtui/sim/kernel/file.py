"""Models open, close, read, write and their relatives (fs/open.c, fs/read_write.c, 6.18): descriptors and sizes.

Contents do not exist here: a file is a size and the set of its pages that are in memory.
"""

from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT, page_up
from memtui.sim.kernel.file_table import forget_if_unused, fput, open_inode
from memtui.sim.kernel.fs import SHMEM_TYPES, Inode, OpenFile
from memtui.sim.kernel.outcome import Errno, system_call
from memtui.sim.kernel.pagemap import warm
from memtui.sim.kernel.task import as_int
from memtui.sim.kernel.truncate import resize

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task

AT_FDCWD: Final = -100
O_WRONLY: Final = 1
O_RDWR: Final = 2
O_ACCMODE: Final = 3
O_CREAT: Final = 0o100
O_EXCL: Final = 0o200
O_TRUNC: Final = 0o1000
O_APPEND: Final = 0o2000
O_DIRECTORY: Final = 0o200000
O_CLOEXEC: Final = 0o2000000
O_PATH: Final = 0o10000000
ZERO_PATH: Final = "/dev/zero"
_TMPFS_ROOTS: Final = ("/dev/shm/", "/run/shm/")
_NOT_MAPPABLE: Final = frozenset({"proc", "sysfs", "cgroup", "cgroup2", "debugfs", "tracefs", "devtmpfs"})
"""File systems whose files have no mmap, but a few devices."""


@system_call
def sys_open(kernel: "Kernel", task: "Task", path: bytes | str, flags: int, mode: int = 0) -> int:
    """open(2): the lowest free descriptor from 3 on."""
    return _open(kernel, task, path, flags)


@system_call
def sys_openat(kernel: "Kernel", task: "Task", dirfd: int, path: bytes | str, flags: int, mode: int = 0) -> int:
    """openat(2); relative paths are taken from the working directory of the trace."""
    return _open(kernel, task, path, flags)


@system_call
def sys_creat(kernel: "Kernel", task: "Task", path: bytes | str, mode: int = 0) -> int:
    """creat(2)."""
    return _open(kernel, task, path, O_CREAT | O_WRONLY | O_TRUNC)


def install(task: "Task", file: OpenFile, *, cloexec: bool = False) -> int:
    """fd_install(): the lowest free descriptor now refers to `file`."""
    fd = task.files.lowest_free()
    if cloexec:
        task.files.close_on_exec.add(fd)
    task.files.open[fd] = file
    file.users += 1
    return fd


def inode_at(kernel: "Kernel", path: str) -> Inode | None:
    """The file at a path: one that the simulation knows, or one that the machine has."""
    inode = kernel.paths.get(path)
    if inode is not None:
        return inode if inode.nlink else None
    facts = kernel.host_file(path)
    if facts is None:
        return _zero_device(kernel) if path == ZERO_PATH else None
    inode = Inode(
        number=facts.inode,
        dev=facts.dev,
        fs_type=facts.fs_type,
        label=facts.path or path,
        size=facts.size,
        blocks_below=page_up(facts.size) >> PAGE_SHIFT,
        is_dir=facts.is_dir,
        mappable=path == ZERO_PATH or (not facts.is_dir and facts.fs_type not in _NOT_MAPPABLE),
        regular=not facts.is_dir and facts.fs_type != "devtmpfs",
        zero_device=path == ZERO_PATH,
        shmem=facts.fs_type in SHMEM_TYPES and path != ZERO_PATH,
        noexec=facts.noexec,
    )
    kernel.paths[path] = kernel.add_inode(inode)
    warm(kernel, inode)
    return inode


def _zero_device(kernel: "Kernel") -> Inode:
    inode = Inode(kernel.new_inode_number(), (0, 5), "devtmpfs", ZERO_PATH, regular=False, zero_device=True)
    kernel.paths[ZERO_PATH] = kernel.add_inode(inode)
    return inode


def _open(kernel: "Kernel", task: "Task", name: bytes | str, flags: int) -> int:
    path = name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")
    inode = inode_at(kernel, path)
    if inode is None:
        if not flags & O_CREAT:
            raise Errno("ENOENT", f"there is no {path}")
        inode = _create(kernel, path)
    elif flags & O_CREAT and flags & O_EXCL:
        raise Errno("EEXIST", f"{path} exists")
    wants = flags & O_ACCMODE
    if inode.is_dir and (wants or flags & O_CREAT):
        raise Errno("EISDIR", f"{path} is a directory")
    if flags & O_DIRECTORY and not inode.is_dir:
        raise Errno("ENOTDIR", f"{path} is no directory")
    file = open_inode(inode, readable=wants != O_WRONLY, writable=wants in (O_WRONLY, O_RDWR))
    file.append = bool(flags & O_APPEND)
    file.path_only = bool(flags & O_PATH)
    file.odd_address_hook = inode.zero_device
    if flags & O_TRUNC and not inode.zero_device and not file.path_only:  # even with O_RDONLY
        resize(kernel, inode, 0)
    task.mm.note("the lowest free descriptor, of an open file of its own")
    return install(task, file, cloexec=bool(flags & O_CLOEXEC))


def _create(kernel: "Kernel", path: str) -> Inode:
    """A new empty file, on the file system of its directory."""
    directory = path.rpartition("/")[0] or "/"
    facts = kernel.host_file(directory)
    fs_type = kernel.facts.root_fs if facts is None else facts.fs_type
    if path.startswith(_TMPFS_ROOTS):
        fs_type = "tmpfs"
    inode = Inode(
        number=kernel.new_inode_number(),
        dev=(0, 0) if facts is None else facts.dev,
        fs_type=fs_type,
        label=path,
        shmem=fs_type in SHMEM_TYPES,
        noexec=facts is not None and facts.noexec,
    )
    kernel.paths[path] = kernel.add_inode(inode)
    return inode


@system_call
def sys_close(kernel: "Kernel", task: "Task", fd: int) -> int:
    """close(2)."""
    file, fd = task.files.get(fd), as_int(fd)
    del task.files.open[fd]
    task.files.close_on_exec.discard(fd)
    fput(kernel, file)
    last = "nobody has the open file any more" if not file.users else "the open file lives on: others have it"
    task.mm.note(last)
    return 0


@system_call
def sys_dup(kernel: "Kernel", task: "Task", fd: int) -> int:
    """dup(2): one more descriptor of the same open file."""
    task.mm.note("the lowest free descriptor, of the same open file")
    return install(task, task.files.get(fd))


@system_call
def sys_dup2(kernel: "Kernel", task: "Task", fd: int, new: int, flags: int = 0) -> int:
    """dup2(2), dup3(2)."""
    file, fd, new = task.files.get(fd), as_int(fd), as_int(new)
    if fd != new:
        old = task.files.open.get(new)
        task.files.open[new] = file
        file.users += 1
        task.files.close_on_exec.discard(new)
        if flags & O_CLOEXEC:
            task.files.close_on_exec.add(new)
        if old is not None:
            fput(kernel, old)
    return new


@system_call
def sys_unlink(kernel: "Kernel", task: "Task", path: bytes | str) -> int:
    """unlink(2): the pages stay until the last descriptor and mapping are gone."""
    name = path if isinstance(path, str) else path.decode("utf-8", "surrogateescape")
    inode = inode_at(kernel, name)
    if inode is None:
        raise Errno("ENOENT", f"there is no {name}")
    if inode.is_dir:
        raise Errno("EISDIR", f"{name} is a directory")
    inode.nlink = 0
    task.mm.note("the name is gone; the pages go with the last descriptor and mapping")
    forget_if_unused(kernel, inode)
    return 0
