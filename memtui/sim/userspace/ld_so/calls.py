"""All that the dynamic linker sees of the world."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from memtui.model.elf import ElfImage
from memtui.sim.userspace.syscalls import Syscalls


class Stat(NamedTuple):
    """struct stat, as far as it is looked at."""

    file_id: tuple[tuple[int, int], int]
    """Device and inode."""
    size: int
    """Bytes."""
    is_dir: bool


class Started(NamedTuple):
    """What the kernel tells of the program that it started: the auxiliary vector and what it points to."""

    image: ElfImage
    """The program (AT_PHDR)."""
    addr: int
    """Its load bias."""
    path: str
    """Its file (/proc/self/exe)."""
    interpreter: ElfImage
    interpreter_addr: int
    """AT_BASE, or the load bias of the program if that is the dynamic linker itself."""
    argv: Sequence[str]
    environ: Sequence[str]
    """NAME=value."""
    stack_end: int
    """The stack pointer of the first instruction."""
    vdso: int
    """AT_SYSINFO_EHDR; 0: there is none."""


class LoaderCalls(Syscalls, Protocol):
    """System calls of the task in which the dynamic linker runs; a negative number is an errno."""

    def tell(self, text: str) -> None:
        """What the next call begins, in a sentence for the reader."""
        ...

    def open(self, path: str) -> int:
        """openat(AT_FDCWD, path, O_RDONLY|O_CLOEXEC): the descriptor."""
        ...

    def read(self, fd: int, length: int, buffer: int) -> bytes | int:
        """Up to `length` bytes from where the last read ended; they go to `buffer`."""
        ...

    def pread64(self, fd: int, length: int, offset: int) -> bytes:
        """Up to `length` bytes from byte `offset` on."""
        ...

    def fstat(self, fd: int, *, old: bool) -> Stat:
        """Of an open file, by newfstatat with AT_EMPTY_PATH, or by the older call."""
        ...

    def stat(self, path: str, buffer: int) -> Stat | int:
        """newfstatat(AT_FDCWD, path, buffer, 0)."""
        ...

    def close(self, fd: int) -> None:
        """Free a descriptor."""
        ...

    def readable(self, path: str) -> bool:
        """access(path, R_OK) == 0."""
        ...

    def readlink(self, path: str, target: str, length: int) -> None:
        """Of a link that leads to `target`."""
        ...

    def getcwd(self, length: int) -> str:
        """The working directory."""
        ...

    def set_fs(self, address: int) -> None:
        """arch_prctl(ARCH_SET_FS, address)."""
        ...

    def set_tid_address(self, address: int) -> None:
        """The thread's number."""
        ...

    def set_robust_list(self, address: int) -> None:
        """Where mutexes are listed that are released when the thread dies."""
        ...

    def rseq(self, address: int) -> None:
        """Restartable sequences."""
        ...

    def stack_limit(self) -> None:
        """prlimit64(0, RLIMIT_STACK, NULL, ...)."""
        ...

    def writev(self, parts: Sequence[str], fd: int = 2) -> None:
        """To stderr or stdout, each part as one vector."""
        ...

    def exit_group(self, status: int) -> None:
        """The end of the process."""
        ...

    def image(self, fd: int) -> ElfImage | None:
        """What the ELF file behind a descriptor says of itself once it is mapped; None if nothing can be read."""
        ...

    def contents(self, fd: int) -> bytes:
        """All bytes of the file behind a descriptor, as a mapping shows them."""
        ...

    def bytes_at(self, image: ElfImage, vaddr: int, length: int) -> bytes:
        """Bytes of a mapped image by their virtual address, as they are in the file."""
        ...
