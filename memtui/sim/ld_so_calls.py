"""System calls of the dynamic linker: made on a simulated task, and noted as strace would print them."""

from collections.abc import Sequence
from typing import Final

from memtui.model.elf import ElfImage
from memtui.model.host import FileFacts, Host
from memtui.sim.kernel.file import sys_close, sys_openat
from memtui.sim.kernel.kernel import Kernel
from memtui.sim.kernel.outcome import Errno
from memtui.sim.kernel.task import RLIM_INFINITY, Task
from memtui.sim.namei import Walk
from memtui.sim.paths import joined
from memtui.sim.process import NotedCalls
from memtui.sim.userspace.ld_so import Stat
from memtui.trace.constants import ARCH, AT_FDCWD, ERRNO_NUMBERS, RLIMIT
from memtui.trace.printer import format_syscall, quote

O_RDONLY_CLOEXEC: Final = 0o2000000
R_OK: Final = 4
AT_EMPTY_PATH: Final = 0x1000
ROBUST_LIST_HEAD: Final = 24
RSEQ_LENGTH: Final = 32
RSEQ_SIGNATURE: Final = 0x53053053
STDERR: Final = 2
KIB: Final = 1024
_MODE_BITS: Final = ((0o4000, "S_ISUID"), (0o2000, "S_ISGID"), (0o1000, "S_ISVTX"))
_Arg = int | str | bytes


class LinkerCalls(NotedCalls):
    """The dynamic linker's `LoaderCalls`.

    Args:
        kernel: runs the calls on memory.
        task: makes them.
        host: has the files.
        directory: where relative paths start; "": where memtui runs.
    """

    def __init__(self, kernel: Kernel, task: Task, host: Host, directory: str = "") -> None:
        super().__init__(kernel, task)
        self._host = host
        self._directory = directory
        self._open: dict[int, str] = {}
        """Path by descriptor."""
        self._positions: dict[int, int] = {}
        self.told: dict[int, str] = {}
        """What was told, by the number of the call that it is about."""

    def tell(self, text: str) -> None:
        """What the next call begins, in a sentence for the reader."""
        number = len(self._noted)
        self.told[number] = f"{self.told[number]} {text}" if number in self.told else text

    def open(self, path: str) -> int:
        """The descriptor, or a negative errno."""
        errno = "" if self._file(path) is not None else self._why_not(path)
        args: list[_Arg] = [AT_FDCWD, _encoded(path), O_RDONLY_CLOEXEC]
        if errno:
            return self._noted_result("openat", args, -1, errno)
        place = self._place(path)
        fd = sys_openat(self.kernel, self.task, AT_FDCWD, place, O_RDONLY_CLOEXEC).value
        self._open[fd], self._positions[fd] = place, 0
        return self._noted_result("openat", args, fd)

    def read(self, fd: int, length: int, buffer: int) -> bytes | int:
        """What comes next, or a negative errno."""
        facts = self._facts(fd)
        if facts.is_dir:
            return self._noted_result("read", [fd, buffer, length], -1, "EISDIR")
        data = self._host.read(self._open[fd], self._positions[fd], length)
        self._positions[fd] += len(data)
        self._noted_result("read", [fd, quote(data), length], len(data))
        return data

    def pread64(self, fd: int, length: int, offset: int) -> bytes:
        """What is there."""
        data = self._host.read(self._open[fd], offset, length)
        self._noted_result("pread64", [fd, quote(data), length, offset], len(data))
        return data

    def fstat(self, fd: int, *, old: bool) -> Stat:
        """Of an open file, by newfstatat or by the older call."""
        facts = self._facts(fd)
        if old:
            self._noted_result("fstat", [fd, _stat_text(facts)], 0)
        else:
            self._noted_result("newfstatat", [fd, b"", _stat_text(facts), AT_EMPTY_PATH], 0)
        return _stat(facts)

    def stat(self, path: str, buffer: int) -> Stat | int:
        """Of a path, or a negative errno."""
        facts = self._file(path)
        if facts is None:
            args: list[_Arg] = [AT_FDCWD, _encoded(path), buffer, 0]
            return self._noted_result("newfstatat", args, -1, self._why_not(path))
        self._noted_result("newfstatat", [AT_FDCWD, _encoded(path), _stat_text(facts), 0], 0)
        return _stat(facts)

    def close(self, fd: int) -> None:
        """The descriptor is free again."""
        sys_close(self.kernel, self.task, fd)
        del self._open[fd]
        self._noted_result("close", [fd], 0)

    def readable(self, path: str) -> bool:
        """access(path, R_OK) == 0."""
        there = self._file(path) is not None
        self._noted_result("access", [_encoded(path), R_OK], 0 if there else -1, "" if there else self._why_not(path))
        return there

    def readlink(self, path: str, target: str, length: int) -> None:
        """Of a link that leads to `target`."""
        data = _encoded(target)
        self._noted_result("readlink", [_encoded(path), quote(data), length], len(data))

    def getcwd(self, length: int) -> str:
        """Where the simulation started."""
        cwd = self._directory or self.kernel.facts.cwd
        self._noted_result("getcwd", [_encoded(cwd), length], len(_encoded(cwd)) + 1)
        return cwd

    def set_fs(self, address: int) -> None:
        """Where thread-local storage is."""
        self._noted_result("arch_prctl", [ARCH["ARCH_SET_FS"], address], 0)

    def set_tid_address(self, address: int) -> None:
        """Gives the thread's number."""
        self._noted_result("set_tid_address", [address], self.task.pid)

    def set_robust_list(self, address: int) -> None:
        """Mutexes to be released when the thread dies."""
        self._noted_result("set_robust_list", [address, ROBUST_LIST_HEAD], 0)

    def rseq(self, address: int) -> None:
        """Restartable sequences."""
        self._noted_result("rseq", [address, RSEQ_LENGTH, 0, RSEQ_SIGNATURE], 0)

    def stack_limit(self) -> None:
        """Soft and hard RLIMIT_STACK."""
        hard = self.kernel.facts.hard_stack_limit
        limits = f"{{rlim_cur={_limit(self.task.rlimit('STACK'))}, rlim_max={_limit(hard)}}}"
        self._noted_result("prlimit64", [0, RLIMIT["RLIMIT_STACK"], "NULL", limits], 0)

    def writev(self, parts: Sequence[str], fd: int = STDERR) -> None:
        """To stderr or stdout."""
        data = [_encoded(part) for part in parts]
        vectors = ", ".join(f"{{iov_base={quote(part)}, iov_len={len(part)}}}" for part in data)
        self._noted_result("writev", [fd, f"[{vectors}]", len(data)], sum(map(len, data)))

    def exit_group(self, status: int) -> None:
        """Does not return."""
        self._noted.append(format_syscall("exit_group", [status], None))

    def image(self, fd: int) -> ElfImage | None:
        """What the ELF file behind a descriptor says of itself."""
        return self._host.elf(self._open[fd])

    def contents(self, fd: int) -> bytes:
        """All bytes of the file behind a descriptor."""
        return self._host.read(self._open[fd], 0, self._facts(fd).size)

    def bytes_at(self, image: ElfImage, vaddr: int, length: int) -> bytes:
        """Bytes of an image by their virtual address, as they are in the file."""
        for load in image.loads:
            if load.vaddr <= vaddr < load.vaddr + load.filesz:
                size = min(length, load.vaddr + load.filesz - vaddr)
                return self._host.read(image.path, load.offset + vaddr - load.vaddr, size)
        return b""

    def _place(self, path: str) -> str:
        """Where a path leads, from the root if that is known."""
        return joined(self._directory, _encoded(path)).decode("utf-8", "surrogateescape")

    def _file(self, path: str) -> FileFacts | None:
        return self._host.file(path if path.startswith("/") else self._place(path))

    def _facts(self, fd: int) -> FileFacts:
        facts = self._host.file(self._open[fd])
        assert facts is not None
        return facts

    def _why_not(self, path: str) -> str:
        """The errno of a file that is not there."""
        walk = Walk(self._host)
        try:
            found = walk.to(self._directory or self.kernel.facts.cwd, _encoded(path or "."))
        except Errno as failure:
            return failure.name
        return walk.missing(found).name

    def _noted_result(self, name: str, args: Sequence[_Arg], value: int, errno: str = "") -> int:
        """Note a call; its result, or a negative errno."""
        self._noted.append(format_syscall(name, args, value, errno))
        return -ERRNO_NUMBERS[errno] if errno else value


def _encoded(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _stat(facts: FileFacts) -> Stat:
    return Stat((facts.dev, facts.inode), facts.size, facts.is_dir)


def _stat_text(facts: FileFacts) -> str:
    """A struct stat as strace shortens it."""
    kind = "S_IFDIR" if facts.is_dir else "S_IFREG"
    special = "".join(f"|{name}" for bit, name in _MODE_BITS if facts.mode & bit)
    return f"{{st_mode={kind}{special}|0{facts.mode & 0o777:03o}, st_size={facts.size}, ...}}"


def _limit(number: int) -> str:
    """A limit in bytes as strace prints it."""
    if number < 0 or number == RLIM_INFINITY:
        return "RLIM64_INFINITY"
    return f"{number // KIB}*1024" if number > KIB and number % KIB == 0 else str(number)
