"""A preloaded allocator in a process of its own, and its model above the simulated kernel, from before its start."""

import re
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final

from memtui.elf_reader import read_elf
from memtui.live.address_space import AddressSpaceReader
from memtui.live.host import LiveHost
from memtui.live.procfs import Procfs
from memtui.model.mm import MmSnapshot
from memtui.model.pages import Residence
from memtui.sim.kernel import import_mm
from memtui.sim.kernel.kernel import Kernel
from memtui.sim.kernel.profile import profile_for
from memtui.sim.process import NotedCalls
from memtui.sim.userspace.jemalloc import Jemalloc
from memtui.sim.userspace.tcmalloc import Tcmalloc
from tests.oracle.malloc_blocks import Blocks, new_pages, new_simulated_pages, packed, spans
from tests.oracle.malloc_pair import MMAP_BASE
from tests.oracle.malloc_series import WORD, Kind, Op
from tests.oracle.mm_machine import Machine

TCMALLOC: Final = "libtcmalloc_minimal.so.4"
_BUFFER: Final = re.compile(r", 0x7ff[^,]*,(?= 4096\) = -1 ENOENT)")
_FOLDERS: Final = ("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib")
_OPEN: Final = re.compile(r"^open\(")
JEMALLOC: Final = "libjemalloc.so.2"
CONF: Final = "MALLOC_CONF=dirty_decay_ms:100000000"
"""A day: no time passes in a simulation, so nothing decays there."""
_CALLS: Final = "brk,mmap,munmap,mremap,madvise,mprotect,readlink,open,openat,read,close,sched_getaffinity,write"


def build(directory: Path) -> Path:
    """The compiled driver."""
    program = directory / "preload_driver"
    source = Path(__file__).with_name("preload_driver.c")
    subprocess.run(["gcc", "-O1", "-o", program, source], check=True, capture_output=True)
    return program


def installed(library: str) -> bool:
    """Whether the dynamic linker finds the library."""
    return any((Path(folder) / library).exists() for folder in _FOLDERS)


class Real:
    """The driver, stopped before any constructor has run. Under strace if a log is given."""

    def __init__(self, program: Path, library: str, ops: list[Op], log: Path | None = None) -> None:
        self._log = log
        self._ops = ops
        self._machine = Machine()
        strace = shutil.which("strace") or "strace"
        preload = f"LD_PRELOAD={library}"
        run = (
            [strace, "-qq", "-E", preload, "-E", CONF, "-o", log, "-e", f"trace={_CALLS}"]
            if log
            else ["env", preload, CONF]
        )
        self._process = subprocess.Popen([*run, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self.pid, self.tsd = struct.unpack("<2Q", self._stdout.read(16))
        self.before = self.look()

    def __enter__(self) -> "Real":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # The driver ends when its input does.
        self._process.communicate()
        self._machine.close()

    def _send(self, data: bytes) -> None:
        self._stdin.write(data)
        self._stdin.flush()

    def start(self) -> None:
        """The constructors run."""
        self._send(b"c" + packed(self._ops))
        assert self._stdout.read(1) == b"r"

    def run(self) -> Iterator[tuple[int, ...]]:
        """What each call gave: result, usable size, break."""
        self._send(b"g")
        return struct.iter_unpack("<3Q", self._stdout.read(24 * len(self._ops)))

    def look(self) -> MmSnapshot:
        """The address space as it is now."""
        return AddressSpaceReader(Procfs(), self.pid).read()

    def pages(self) -> dict[int, Residence]:
        """The pages of the heap and of anonymous mappings that are new since the start."""
        return new_pages(self.look(), spans(self.before))

    def system_calls(self) -> list[str]:
        """Those of the start and of the series, once it is over."""
        assert self._log is not None
        lines = [" ".join(line.split()) for line in self._log.read_text().splitlines()]
        writes = [number for number, line in enumerate(lines) if line.startswith("write(1, ")]
        first, ready, last = writes[0], writes[1], writes[-1]
        # The driver's own reads of its input.
        kept = lines[first + 1 : ready] + lines[ready + 1 : last]
        # jemalloc calls the older open, which is the same thing.
        kept = [_OPEN.sub("openat(AT_FDCWD, ", line) for line in kept]
        return [_BUFFER.sub(", ...,", line) for line in kept if not line.startswith("read(0, ")]


class Model:
    """The allocator's model above the simulated kernel."""

    def __init__(self, real: Real, library: str) -> None:
        host = LiveHost(read_elf)
        facts = host.machine()
        self.kernel = Kernel(facts, profile_for(facts.release), host.file)
        self.task = import_mm.load(self.kernel, real.before, MMAP_BASE)
        self.calls = NotedCalls(self.kernel, self.task)
        self.malloc = (
            Jemalloc(self.calls, self._accessed, real.tsd)
            if library == JEMALLOC
            else Tcmalloc(self.calls, self._accessed)
        )
        self._before = spans(real.before)
        self._blocks = Blocks(self.malloc)

    def _accessed(self, address: int, length: int, write: bool) -> None:
        self.calls.accessed(address, length, write)
        assert not self.calls.fault, self.calls.fault

    def perform(self, op: Op) -> tuple[int, int, int]:
        """One call: result, usable size, break."""
        result = self._blocks.allocate(op) if op.allocates else self._other(op)
        block = self._blocks.at(op.slot) if op.allocates else 0
        return result & WORD, self.malloc.malloc_usable_size(block), self.malloc.sbrk(0)

    def _other(self, op: Op) -> int:
        match op.kind:
            case Kind.TRIM:
                return self.malloc.malloc_trim(op.a)
            case Kind.MALLOPT:
                return self.malloc.mallopt(op.a, op.b)
            case _:
                return self.malloc.sbrk(op.a)

    def pages(self) -> dict[int, Residence]:
        """As `Real.pages`."""
        return new_simulated_pages(self.task, self._before)

    def system_calls(self) -> list[str]:
        """What was asked of the kernel, as strace would print it."""
        return [" ".join(line.split()) for line in self.calls.take()]
