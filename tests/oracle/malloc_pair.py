"""The installed libc in a process of its own, and the model above the simulated kernel, which starts from there."""

import os
import re
import shutil
import struct
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final

from memtui.elf_reader import read_elf
from memtui.live.address_space import AddressSpaceReader
from memtui.live.host import LiveHost
from memtui.live.procfs import Procfs
from memtui.model.address import PAGE_SIZE, page_up
from memtui.model.mm import MmSnapshot
from memtui.model.pages import Residence
from memtui.sim.kernel import import_mm
from memtui.sim.kernel.kernel import Kernel
from memtui.sim.kernel.profile import profile_for
from memtui.sim.kernel.resource import sys_setrlimit
from memtui.sim.kernel.task import RLIM_INFINITY
from memtui.sim.process import NotedCalls
from memtui.sim.userspace.ptmalloc import Profile, Ptmalloc, Tunables
from memtui.sim.userspace.ptmalloc.profile import GLIBC_2_36
from tests.oracle.malloc_blocks import Blocks, new_pages, new_simulated_pages, packed, spans
from tests.oracle.malloc_series import WORD, Kind, Op
from tests.oracle.mm_machine import Machine

MMAP_BASE: Final = 0x7FFF_F7FF_F000
"""With ASLR off and a stack limit of 8 MiB."""
_EAGAIN: Final = 11
_RLIMIT_DATA: Final = 2
_RLIMIT_AS: Final = 9
_CALLS: Final = "brk,mmap,munmap,mprotect,mremap,madvise,getrandom,write"
_FIXED_NOREPLACE: Final = 0x10_0022
"""With MAP_PRIVATE and MAP_ANONYMOUS."""
_ENVIRON: Final = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
_MADVISE: Final = re.compile(r"madvise\((0x[0-9a-f]+),")
_RANDOM: Final = re.compile(r'getrandom\("[^"]*"')


def build(directory: Path, libc: Path | None = None) -> Path:
    """The compiled driver; of another glibc if its directory is given, with libc.so.6 and ld-linux-x86-64.so.2."""
    program = directory / "driver"
    source = Path(__file__).with_name("malloc_driver.c")
    linked = []
    if libc is not None:
        loader = libc / "ld-linux-x86-64.so.2"
        libraries = [libc / name for name in ("libc.so.6", "libpthread.so.0") if (libc / name).exists()]
        linked = [f"-Wl,--dynamic-linker={loader},-rpath={libc}", "-nodefaultlibs", *libraries, loader, "-lgcc"]
    subprocess.run(["gcc", "-O1", "-pthread", "-o", program, source, *linked], check=True, capture_output=True)
    return program


class Real:
    """The driver, stopped before its first call, then after its last. Under strace if a log is given."""

    def __init__(
        self, program: Path, ops: list[Op], environ: Mapping[str, str] | None = None, log: Path | None = None
    ) -> None:
        self._log = log
        self._count = len(ops)
        self._moves = any(op.kind is Kind.CHILD for op in ops)
        self._machine = Machine()
        traced = [shutil.which("strace") or "strace", "-qq", "-f", "-o", log, "-e", f"trace={_CALLS}"] if log else []
        self._process = subprocess.Popen(
            [*traced, program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**_ENVIRON, **(environ or {})},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._send(packed(ops))
        (self.pid,) = struct.unpack("<I", self._stdout.read(4))
        self.before = self.look()

    def __enter__(self) -> "Real":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # The driver ends when its input does; a child of its own ends with it.
        if self._process.returncode is None:
            self._process.communicate()
        self._machine.close()

    def _send(self, data: bytes) -> None:
        self._stdin.write(data)
        self._stdin.flush()

    def run(self) -> Iterator[tuple[int, ...]]:
        """What each call gave: result, usable size, break."""
        self._send(b"g")
        return struct.iter_unpack("<3Q", self._stdout.read(24 * self._count))

    def last_words(self) -> str:
        """What libc said when a call of the series aborted."""
        _, said = self._process.communicate()
        return said.decode().strip()

    @property
    def last_pid(self) -> int:
        """The last child, if the series went on in one."""
        pid = self.pid
        while self._moves and (children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
            pid = int(children[0])
        return pid

    def look(self) -> MmSnapshot:
        """The address space as it is now."""
        return AddressSpaceReader(Procfs(), self.last_pid).read()

    def pages(self) -> dict[int, Residence]:
        """The pages of the heap and of anonymous mappings that are new since the start."""
        return new_pages(self.look(), spans(self.before))

    def shared_with_a_child(self, pages: Iterable[int]) -> set[int]:
        """Those of the pages that are present and not exclusively mapped."""
        shared = set()
        with open(f"/proc/{self.pid}/pagemap", "rb") as pagemap:
            for page in pages:
                pagemap.seek(page // PAGE_SIZE * 8)
                (entry,) = struct.unpack("<Q", pagemap.read(8))
                if entry >> 63 and not entry >> 56 & 1:
                    shared.add(page)
        return shared

    def system_calls(self) -> list[str]:
        """Those of the series, once it is over, without what is random."""
        assert self._log is not None
        lines = [" ".join(line.split()[1:]) for line in self._log.read_text().splitlines()]
        first, last, *_ = [number for number, line in enumerate(lines) if line.startswith("write(")]
        return [_RANDOM.sub("getrandom(...", line) for line in lines[first + 1 : last] if not self._of_a_stack(line)]

    def _of_a_stack(self, line: str) -> bool:
        """Until 2.33 a thread that ends gives back its stack, though it is the program's own."""
        match = _MADVISE.match(line)
        return match is not None and any(vma.start <= int(match[1], 16) < vma.end for vma in self.before.vmas)


class Model:
    """The allocator's model above the simulated kernel."""

    def __init__(self, real: Real, tunables: Tunables | None = None, profile: Profile = GLIBC_2_36) -> None:
        host = LiveHost(read_elf)
        facts = host.machine()
        self.kernel = Kernel(facts, profile_for(facts.release), host.file)
        self.task = import_mm.load(self.kernel, real.before, MMAP_BASE)
        self.calls = NotedCalls(self.kernel, self.task)
        self.malloc = Ptmalloc(self.calls, self._accessed, tunables or Tunables(), profile, facts.nr_cpus)
        self.written: set[int] = set()
        """Pages written since the last fork."""
        self.at_fork: set[int] = set()
        """Pages that were there at the last fork."""
        self._before = spans(real.before)
        self._blocks = Blocks(self.malloc)
        self._obstacle = 0
        self._dtvs: dict[int, int] = {}
        """What pthread_create allocated for each thread."""

    def _accessed(self, address: int, length: int, write: bool) -> None:
        self.calls.accessed(address, length, write)
        assert not self.calls.fault
        if write:
            self.written.update(range(address & -PAGE_SIZE, page_up(address + length), PAGE_SIZE))

    def perform(self, op: Op) -> tuple[int, int, int]:
        """One call: result, usable size, break."""
        self.malloc.run_as(op.thread)
        result = self._blocks.allocate(op) if op.allocates else self._other(op)
        block = self._blocks.at(op.slot) if op.allocates else 0
        return result & WORD, self.malloc.malloc_usable_size(block), self.malloc.sbrk(0)

    def _other(self, op: Op) -> int:
        match op.kind:
            case Kind.TRIM:
                return self.malloc.malloc_trim(op.a)
            case Kind.MALLOPT:
                return self.malloc.mallopt(_int(op.a), _int(op.b))
            case Kind.SBRK:
                return self.malloc.sbrk(op.a)
            case Kind.FREE_AT:
                self.malloc.free(self._blocks.at(op.slot) + op.a)
                return 0
            case Kind.START:
                # allocate_dtv of elf/dl-tls.c: one module and 14 spare entries, and two more.
                self.malloc.thread_start(op.slot)
                self._dtvs[op.slot] = self.malloc.calloc(17, 16)
                return 0 if self._dtvs[op.slot] else _EAGAIN
            case Kind.JOIN:
                self.malloc.thread_exit(op.slot)
                self.malloc.free(self._dtvs.pop(op.slot))
                return 0
            case _:
                return self._around(op)

    def _around(self, op: Op) -> int:
        """What the program does beside allocating."""
        match op.kind:
            case Kind.BLOCK:
                at = page_up(self.malloc.sbrk(0)) + op.a
                self._obstacle = max(-1, self.calls.mmap(at, PAGE_SIZE, 0, _FIXED_NOREPLACE)) & WORD
                return self._obstacle
            case Kind.CLEAR:
                return max(-1, self.calls.munmap(self._obstacle, PAGE_SIZE))
            case Kind.FORK:
                self.at_fork, self.written = set(self.pages()), set()
                return 0
            case Kind.CHILD:
                self.malloc.forked(0)
                return 0
            case Kind.LIMIT:
                return self._limit(_RLIMIT_AS, self.task.mm.total_vm, op.a)
            case _:
                return self._limit(_RLIMIT_DATA, self.task.mm.data_vm, op.a)

    def _limit(self, resource: int, pages: int, more: int) -> int:
        most = pages * PAGE_SIZE + more if more else RLIM_INFINITY
        return sys_setrlimit(self.kernel, self.task, resource, most, RLIM_INFINITY).value

    def pages(self) -> dict[int, Residence]:
        """As `Real.pages`."""
        return new_simulated_pages(self.task, self._before)

    def system_calls(self) -> list[str]:
        """What was asked of the kernel, as strace would print it."""
        lines = [" ".join(line.split()) for line in self.calls.take()]
        return [re.sub(r'getrandom\("?\.\.\."?', "getrandom(...", line) for line in lines]


def _int(word: int) -> int:
    """The low half as C's int."""
    return ((word + (1 << 31)) & 0xFFFF_FFFF) - (1 << 31)
