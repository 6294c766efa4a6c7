"""The running kernel as the judge: a runner process does the calls, its address space is read from outside."""

import contextlib
import ctypes
import errno
import functools
import os
import re
import resource
import select
import shutil
import signal
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from types import TracebackType
from typing import Final

from memtui.model.address import page_down, page_up
from tests.oracle.mm_machine import Machine
from tests.oracle.mm_ops import RLIMITS, WORD, Area, Arg, Key, Op, Path, Picture, Result, told_flags

SLOTS: Final = 6
"""Processes that one series may have."""
COUNTERS: Final = (
    "VmPeak", "VmSize", "VmLck", "RssAnon", "RssShmem", "VmData", "VmStk", "VmExe", "VmLib", "VmPTE",
    "VmSwap",
)  # fmt: skip
FLAGS: Final = [
    "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-fno-pic", "-no-pie", "-mno-sse",
    "-fno-asynchronous-unwind-tables", "-O1",
]  # fmt: skip
CAP_SYS_RAWIO, CAP_SYS_ADMIN, CAP_IPC_LOCK = 1 << 17, 1 << 21, 1 << 14

_NUMBERS: Final[Mapping[str, int]] = {
    "mmap": 9, "mprotect": 10, "munmap": 11, "brk": 12, "mremap": 25, "msync": 26, "mincore": 27, "madvise": 28,
    "shmget": 29, "shmat": 30, "shmctl": 31, "dup": 32, "close": 3, "open": 257, "pwrite64": 18, "shmdt": 67,
    "ftruncate": 77, "unlink": 87, "mlock": 149, "munlock": 150, "mlockall": 151, "munlockall": 152,
    "fallocate": 285, "setrlimit": 302, "memfd_create": 319, "add_seals": 72, "personality": 135, "prctl": 157,
    "remap_file_pages": 216,
    "mlock2": 325, "pkey_mprotect": 329,
    "pkey_alloc": 330, "pkey_free": 331, "mseal": 462,
    "pread64": 17, "fsync": 74, "fadvise64": 221,
}  # fmt: skip
_SOURCE: Final = FilePath(__file__).with_name("runner.c")
ANSWER_SECONDS: Final = 120
"""How long a call may take: far beyond any of them, even on a machine that has much else to do."""
_F_ADD_SEALS: Final = 1033
_LEGACY: Final = "/proc/sys/vm/legacy_va_layout"
_KHUGEPAGED: Final = FilePath("/sys/kernel/mm/transparent_hugepage/khugepaged/pages_collapsed")
_COMPAT_LAYOUT: Final = 0x0200000
"""ADDR_COMPAT_LAYOUT of personality(2)."""
_SYSCALL, _TOUCH, _FORK, _EXIT, _KEEP_CAPS, _PKEY_SET = range(6)
_COMMAND: Final = struct.Struct("<4IQ6Q56s")
_REPLY: Final = struct.Struct("<q4I")
_HELLO: Final = struct.Struct("<6Q")
_AREA: Final = re.compile(rb"^([0-9a-f]+)-([0-9a-f]+) (....) ([0-9a-f]+) \S+ \d+ *(.*)$", re.MULTILINE)
_VMFLAGS: Final = re.compile(rb"^(?:ProtectionKey: +(\d+)\n)?VmFlags: (.*?) *$", re.MULTILINE)
_COUNTER: Final = re.compile(rb"^(" + b"|".join(c.encode() for c in COUNTERS) + rb"):\s*(\d+) kB", re.MULTILINE)
HUGE_PAGES: Final = "AnonHugePages"
"""Of smaps, summed up: what 2 MiB entries map of anonymous memory."""
_HUGE: Final = re.compile(rb"^AnonHugePages: +([1-9]\d*) kB", re.MULTILINE)
_BUFFER: Final = 16 << 12
"""Bytes that the runner can read or write at once."""
_VEC_BYTES: Final = 256
"""How much of mincore's answer is read."""


def missing() -> str | None:
    """Why the running kernel cannot be the judge, or None."""
    if os.uname().machine != "x86_64" or not os.uname().release.startswith("6.18."):
        return f"the kernel is {os.uname().release}, the exact profile is 6.18"
    return None if shutil.which("gcc") else "there is no gcc to build the runner with"


def build(directory: FilePath) -> FilePath:
    """Compile the runner into `directory`."""
    binary = directory / "runner"
    linked = directory / "linked"
    subprocess.run(["gcc", *FLAGS, "-o", str(linked), str(_SOURCE)], check=True, capture_output=True)
    with binary.open("wb", buffering=0) as file:  # page by page, so that its folios are of one page each
        image = linked.read_bytes()
        for at in range(0, len(image), 4096):
            file.write(image[at : at + 4096])
        os.fsync(file.fileno())
    binary.chmod(0o755)
    return binary


def _bring_in(binary: FilePath) -> None:
    """Have the runner's pages in the page cache, whatever the last series did to them, and none read ahead."""
    with binary.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        file.readall()


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


class RunnerDied(Exception):
    """A step took away what the runner lives on, or it does not answer any more."""


class Place:
    """The directories and System V keys that series use, one after the other; unlike those of other test processes."""

    def __init__(self) -> None:
        self.first_key = 0x40000000 | (os.getpid() & 0xFFFFF) << 4
        self.disk = tempfile.mkdtemp(prefix="mm-fuzz-")
        self.shm = tempfile.mkdtemp(prefix="mm-fuzz-", dir="/dev/shm")

    def __enter__(self) -> "Place":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for directory in (self.disk, self.shm):
            shutil.rmtree(directory, ignore_errors=True)

    def empty(self) -> None:
        """Remove the files of the last series."""
        for directory in (self.disk, self.shm):
            for file in FilePath(directory).iterdir():
                file.unlink()

    def path(self, path: Path) -> str:
        """Where the series' file lies."""
        return f"{ {'disk': self.disk, 'shm': self.shm}.get(path.place, path.place) }/{path.name}"

    def key(self, key: Key) -> int:
        """The key for shmget; 0 is IPC_PRIVATE."""
        return 0 if key.number < 0 else self.first_key + key.number


class Real:
    """A runner and its children: performs steps and takes pictures."""

    def __init__(
        self, binary: FilePath, place: Place, capabilities: int | None = None, *, legacy: bool = False
    ) -> None:
        self.place = place
        self._machine = Machine()
        self.legacy = legacy or FilePath(_LEGACY).read_text().strip() != "0"
        """Whether the address space is laid out from below."""
        self._segments: list[int] = []
        self._written: list[int] = []
        """Files that were written from here."""
        ends = [os.pipe() for _ in range(2 * SLOTS)]
        theirs = [fd for i in range(SLOTS) for fd in (ends[2 * i][0], ends[2 * i + 1][1])]
        self._to = [ends[2 * i][1] for i in range(SLOTS)]
        self._from = [ends[2 * i + 1][0] for i in range(SLOTS)]
        _bring_in(binary)
        self._child = subprocess.Popen(
            [str(binary), str(_COMPAT_LAYOUT if legacy else 0), *map(str, theirs)],
            pass_fds=theirs,
            env={},
            stderr=subprocess.DEVNULL,
        )
        # A page that another CPU's batch still holds is on no LRU list, and MADV_PAGEOUT passes it over.
        cpus = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(self._child.pid, {cpus[os.getpid() % len(cpus)]})
        for fd in theirs:
            os.close(fd)
        self.pids: dict[int, int] = {}
        """The live processes: slot -> pid."""
        self._files: dict[int, tuple[int, int]] = {}
        *spare, size, self.brk = _HELLO.unpack(self._read(0, _HELLO.size))
        self.spare = tuple((start, start + size) for start in spare)
        """The parts of the image that a series may change, bytes."""
        self._enter(0, self._child.pid)
        self._ask(0, _TOUCH, args=(self.spare[0][0], 1, 0))  # what it runs and needs for that is resident now
        if capabilities is not None:
            self._ask(0, _KEEP_CAPS, args=(capabilities,))

    def __enter__(self) -> "Real":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """While no other runner of this machine lives: what is inside may change how the kernel behaves."""
        with self._machine.alone():
            yield

    def close(self) -> None:
        """End every process of the series and remove its segments and files."""
        for slot in list(self.pids):
            self._leave(slot)
        for fd in (*self._to, *self._from, *self._written):
            os.close(fd)
        self._child.kill()
        self._child.wait()
        for segment in self._segments:
            _libc().shmctl(segment, 0, None)
        self.place.empty()
        self._machine.close()

    def _enter(self, slot: int, pid: int) -> None:
        self.pids[slot] = pid
        self._files[slot] = (os.open(f"/proc/{pid}/smaps", os.O_RDONLY), os.open(f"/proc/{pid}/status", os.O_RDONLY))

    def _leave(self, slot: int) -> None:
        pid = self.pids.pop(slot)
        for fd in self._files.pop(slot):
            os.close(fd)
        with contextlib.suppress(ProcessLookupError):
            gone = os.pidfd_open(pid)
            signal.pidfd_send_signal(gone, signal.SIGKILL)
            select.select([gone], [], [], 10)
            os.close(gone)

    def _read(self, slot: int, length: int) -> bytes:
        data = b""
        while len(data) < length:
            part = os.read(self._from[slot], length - len(data)) if self._alive(slot) else b""
            if not part:
                raise RunnerDied(f"the runner died: {self._child.poll()}")
            data += part
        return data

    def _alive(self, slot: int) -> bool:
        """Wait for an answer; False if the process ended instead."""
        process = FilePath(f"/proc/{self.pids.get(slot, self._child.pid)}")
        for _ in range(ANSWER_SECONDS):
            if select.select([self._from[slot]], [], [], 1)[0]:
                return True
            try:
                state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            except (FileNotFoundError, ProcessLookupError):
                return False
            if state == "Z":
                return False
        where = (process / "syscall").read_text()
        raise RunnerDied(f"no answer for {ANSWER_SECONDS} s: state {state}, syscall {where}")

    def _ask(
        self, slot: int, kind: int, nr: int = 0, args: tuple[int, ...] = (), text: bytes = b"", **masks: int
    ) -> tuple[int, int, int, bytes]:
        padded = [arg & 0xFFFFFFFFFFFFFFFF for arg in args] + [0] * (6 - len(args))
        length, out, given = masks.get("length", 0), masks.get("out", 0), masks.get("given", 0)
        os.write(self._to[slot], _COMMAND.pack(kind, length, out, given, nr, *padded, text))
        value, number, code, size, _ = _REPLY.unpack(self._read(slot, _REPLY.size))
        return value, number, code, self._read(slot, size) if size else b""

    def perform(self, op: Op, args: tuple[Arg, ...]) -> Result:
        """Do one step; `args` are the step's with every reference resolved."""
        numbers = tuple(
            self.place.key(arg) if isinstance(arg, Key) else arg if isinstance(arg, int) else 0 for arg in args
        )
        if op.name == "touch":
            value, number, code, _ = self._ask(op.proc, _TOUCH, args=numbers)
            return Result(value, signal=f"{signal.Signals(number).name}/{code}" if number else "")
        if op.name == "process_madvise":
            slot, start, length, advice, flags = numbers
            fd = self._ask(op.proc, _SYSCALL, 434, (self.pids.get(slot, -1), 0))[0]
            vector = struct.pack("<2Q", start & WORD - 1, length & WORD - 1)
            value = self._ask(op.proc, _SYSCALL, 440, (fd, 0, 1, advice, flags), vector, given=2)[0]
            self._ask(op.proc, _SYSCALL, _NUMBERS["close"], (fd,))
            return _result(value)
        if op.name == "pkey_set":
            return _result(self._ask(op.proc, _PKEY_SET, args=numbers)[0])
        if op.name in ("fork", "clone"):
            flags = signal.SIGCHLD | (numbers[1] if op.name == "clone" else 0)
            value, *_ = self._ask(op.proc, _FORK, args=(numbers[0], flags))
            if value > 0:
                self._enter(numbers[0], value)
            return _result(min(value, 1))
        if op.name == "exit_group":
            self._leave(op.proc)
            return Result(0)
        result = self._system_call(op, args, numbers)
        if op.name == "shmget" and result.value >= 0:
            self._segments.append(result.value)
        return result

    def _system_call(self, op: Op, args: tuple[Arg, ...], numbers: tuple[int, ...]) -> Result:
        nr = _NUMBERS[op.name]
        text = b""
        masks = {}
        if isinstance(args[0] if args else None, Path | str):
            first = args[0]
            text = (self.place.path(first) if isinstance(first, Path) else str(first)).encode()
            masks = {"given": 1}
        if op.name == "open":
            return _result(self._ask(op.proc, _SYSCALL, nr, (-100, 0, numbers[1], 0o600), text, given=2)[0])
        if op.name == "setrlimit":
            _, hard = resource.prlimit(self.pids[op.proc], numbers[0])
            text = struct.pack("<QQ", numbers[1] & 0xFFFFFFFFFFFFFFFF, hard & 0xFFFFFFFFFFFFFFFF)
            return _result(self._ask(op.proc, _SYSCALL, nr, (0, numbers[0], 0, 0), text, given=4)[0])
        if op.name == "add_seals":
            return _result(self._ask(op.proc, _SYSCALL, nr, (numbers[0], _F_ADD_SEALS, numbers[1]))[0])
        if op.name == "mincore":
            length = min(page_up(numbers[1] & 0xFFFFFFFF) >> 12, _VEC_BYTES)
            value, _, _, data = self._ask(op.proc, _SYSCALL, nr, (*numbers, 0), out=4, length=length)
            return _result(value)._replace(data=data if not value else b"")
        if op.name == "pwrite64" and numbers[1] > _BUFFER:
            return self._write_for(op.proc, *numbers)
        if op.name in ("pwrite64", "pread64"):
            value, *_ = self._ask(op.proc, _SYSCALL, nr, (numbers[0], 0, *numbers[1:]), out=2)
            return _result(value)
        return _result(self._ask(op.proc, _SYSCALL, nr, numbers, text, **masks)[0])

    def _write_for(self, slot: int, fd: int, count: int, offset: int) -> Result:
        """More than the runner has a buffer for: written from here, to the same file."""
        folder = f"/proc/{self.pids[slot]}"
        try:
            flags = int(re.search(r"flags:\s*(\d+)", FilePath(f"{folder}/fdinfo/{fd}").read_text())[1], 8)  # type: ignore[index]
        except FileNotFoundError:
            return Result(-1, "EBADF")
        if flags & os.O_PATH or flags & os.O_ACCMODE == os.O_RDONLY:
            return Result(-1, "EBADF")
        # It stays open until the series ends: to close a file that was truncated to 0 makes ext4 write it out.
        own = os.open(f"{folder}/fd/{fd}", os.O_WRONLY)
        self._written.append(own)
        try:
            return Result(os.pwrite(own, bytes(count), offset))
        except OSError as error:
            return _result(-(error.errno or 0))

    def faults(self, slot: int) -> dict[str, int]:
        """Minor and major faults of a process since it began, and RssFile in pages."""
        fields = FilePath(f"/proc/{self.pids[slot]}/stat").read_text().rpartition(")")[2].split()
        shared = int(FilePath(f"/proc/{self.pids[slot]}/statm").read_text().split()[2])
        rss_shmem = int(re.search(rb"RssShmem:\s*(\d+)", os.pread(self._files[slot][1], 8192, 0))[1])  # type: ignore[index]
        return {"minflt": int(fields[7]), "majflt": int(fields[9]), "file": shared - rss_shmem // 4}

    def picture(self, slot: int) -> Picture:
        """The address space of a process now."""
        smaps, status = self._files[slot]
        os.lseek(smaps, 0, os.SEEK_SET)
        parts = []
        try:
            while part := os.read(smaps, 1 << 20):
                parts.append(part)
        except ProcessLookupError:
            raise RunnerDied(f"process {slot} of the series is gone") from None
        data = b"".join(parts)
        flags = _VMFLAGS.findall(data)
        areas = tuple(
            Area(
                int(start, 16),
                int(end, 16),
                perms.decode(),
                int(offset, 16),
                label.decode(errors="surrogateescape"),
                told_flags(bits.decode(), int(key or 0)),
            )
            for (start, end, perms, offset, label), (key, bits) in zip(_AREA.findall(data), flags, strict=True)
        )
        counters = {name.decode(): int(kib) for name, kib in _COUNTER.findall(os.pread(status, 8192, 0))}
        counters[HUGE_PAGES] = sum(map(int, _HUGE.findall(data)))
        return Picture(areas, counters)

    def guarded(self, picture: Picture) -> list[tuple[int, int]]:
        """What the runner lives on: the parts of its image that no step may take away, bytes."""
        first, last = picture.areas[0].start, self.spare[-1][1]
        edges = [first, *(edge for part in sorted(self.spare) for edge in part), last]
        pairs = list(zip(edges[::2], edges[1::2], strict=True))
        return [(page_down(start), page_up(end)) for start, end in pairs if start < end]


_ERRNO: Final = errno.errorcode | {errno.EOPNOTSUPP: "EOPNOTSUPP", errno.EAGAIN: "EAGAIN"}
"""Number -> the name that strace prints, where there are two."""


def _result(value: int) -> Result:
    return Result(-1, _ERRNO.get(-value, str(-value))) if -4096 < value < 0 else Result(value)


def collapsed() -> int:
    """How many huge pages khugepaged has made since boot."""
    return int(_KHUGEPAGED.read_text()) if _KHUGEPAGED.exists() else 0


def hard_limits() -> dict[int, int]:
    """The hard limits of RLIMITS, bytes; -1: none."""
    return {number: resource.getrlimit(number)[1] for number in RLIMITS.values()}


def capabilities() -> int:
    """The effective capabilities of this process."""
    status = FilePath("/proc/self/status").read_text()
    return int(re.search(r"^CapEff:\s*(\w+)", status, re.MULTILINE)[1], 16)  # type: ignore[index]
