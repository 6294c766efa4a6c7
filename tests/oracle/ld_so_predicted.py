"""What the simulator says that the kernel and the dynamic linker do with a program."""

from collections.abc import Sequence
from functools import cache

from memtui.draw.maps_text import maps_text
from memtui.elf_reader import read_elf
from memtui.live.host import LiveHost
from memtui.model.elf import ElfImage
from memtui.model.host import FileFacts, MachineFacts
from memtui.model.step import StepRecord
from memtui.sim.aslr import Aslr
from memtui.sim.export import Exporter
from memtui.sim.kernel.exec_stack import ExecOffsets
from memtui.sim.kernel.profile import EXACT
from memtui.sim.machine import Machine
from memtui.trace.constants import ERRNO_NUMBERS, value_of
from memtui.trace.line import Arg, Array, Call, Number, Statement, Text
from memtui.trace.parser import parse_line
from memtui.trace.printer import format_call, format_syscall
from tests.oracle.ld_so_real import RealCall

COMPARED = {
    "brk": 1, "mmap": 6, "munmap": 2, "mprotect": 3, "arch_prctl": 2, "set_robust_list": 2, "rseq": 4, "access": 0,
    "openat": 0, "read": 1, "pread64": 1, "newfstatat": 0, "close": 1, "prlimit64": 2, "readlink": 0, "writev": 1,
    "exit_group": 1, "getcwd": 0, "set_tid_address": 1,
}  # fmt: skip
"""How many arguments of a call are numbers that can be predicted."""
INT_PLACES = {"mmap": (4,)}


class Remembering(LiveHost):
    """This machine, each of its files looked at once."""

    def __init__(self) -> None:
        super().__init__(read_elf)
        self.machine_facts = super().machine()
        self.images = cache(super().elf)
        self.facts = cache(super().file)
        self.bytes = cache(super().read)

    def machine(self) -> MachineFacts:
        return self.machine_facts

    def elf(self, path: str) -> ElfImage | None:
        return self.images(path)

    def file(self, path: str) -> FileFacts | None:
        return self.facts(path)

    def read(self, path: str, offset: int, length: int) -> bytes:
        return self.bytes(path, offset, length)


class Drawn(Aslr):
    """A draw that has been made."""

    def __init__(self, offsets: ExecOffsets) -> None:
        super().__init__(0, EXACT.brk_range)
        self._offsets = offsets

    def offsets(self) -> ExecOffsets:
        return self._offsets


class Predicted:
    """A simulated program, from its execve on."""

    def __init__(
        self,
        host: LiveHost,
        path: str,
        argv: Sequence[str] = (),
        env: Sequence[str] = (),
        offsets: ExecOffsets | None = None,
    ) -> None:
        strings, variables = (Array(tuple(map(_text, texts))) for texts in (argv or [path], env))
        call = Call("execve", (_text(path), strings, variables if env else Number(0, "0")))
        self.program = [Statement(call, format_call("execve", call.args))]
        self.machine = Machine(host, self.program)
        if offsets is not None:
            self.machine.world.aslr = Drawn(offsets)
        self.exec = self.machine.step()
        self.exec_maps = self.maps()

    def maps(self) -> str:
        """As in /proc/PID/maps."""
        mm = Exporter("").export(self.machine, None).mm
        return "" if mm is None else maps_text(mm.vmas)

    def run(self) -> list[StepRecord]:
        """What the dynamic linker does."""
        records = [self.machine.step() for _ in self.program[1:]]
        self.machine.check()
        return records

    def append(self, calls: Sequence[RealCall]) -> None:
        """Make calls on memory that the program or its libraries make, with their arguments only."""
        for call in calls:
            if call.name not in ("brk", "mmap", "munmap", "mprotect", "mremap", "madvise") or call.result < 0:
                continue
            opened = call.name == "mmap" and bool(call.file)
            if opened:
                fd = call.args[4]
                self._step(format_syscall("openat", [-100, call.file.encode(), 0], fd))
            count = {"brk": 1, "mmap": 6, "munmap": 2, "mremap": 5}.get(call.name, 3)
            self._step(format_call(call.name, call.args[:count]))
            if opened:
                self._step(format_syscall("close", [fd], 0))
        self.machine.check()

    def _step(self, text: str) -> None:
        self.program.append(parse_line(text))
        self.machine.step()


def numbers(record: StepRecord) -> tuple[str, tuple[int, ...], int]:
    """A predicted step as the tracer would tell it: name, arguments that are compared, result."""
    call = parse_line(record.text).what
    assert isinstance(call, Call), record.text
    args = tuple(_number(arg) for arg in call.args[: COMPARED[call.name]])
    result = call.result
    value = 0 if result is None or result.value is None else result.value
    if result is not None and result.errno:
        value = -ERRNO_NUMBERS[result.errno]
    return call.name, args, 0 if call.name == "set_tid_address" else value


def compared(call: RealCall) -> tuple[str, tuple[int, ...], int]:
    """The same of a real call."""
    args = list(call.args[: COMPARED.get(call.name, 0)])
    for place in INT_PLACES.get(call.name, ()):
        args[place] = args[place] & 0xFFFF_FFFF
    return call.name, tuple(args), 0 if call.name == "set_tid_address" else call.result


def _number(arg: Arg) -> int:
    value = value_of(arg, {})
    return value & 0xFFFF_FFFF if value < 0 else value


def _text(value: str) -> Text:
    return Text(value.encode("utf-8", "surrogateescape"))
