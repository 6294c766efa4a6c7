"""The simulated kernel under test: starts from the runner's address space and performs the same steps."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from itertools import chain
from pathlib import Path as FilePath
from typing import Final

import memtui.sim.kernel
from memtui.elf_reader import read_elf
from memtui.live.address_space import AddressSpaceReader
from memtui.live.host import LiveHost
from memtui.live.procfs import Procfs
from memtui.model.address import Range, page_up
from memtui.model.mm import COUNTER_NAMES
from memtui.model.pages import PageRun, Residence
from memtui.model.vma import VmaKind
from memtui.sim.kernel import file_table, import_mm, mincore, pkeys, task_mmu
from memtui.sim.kernel.check import check
from memtui.sim.kernel.fault import access
from memtui.sim.kernel.fs import Inode
from memtui.sim.kernel.kernel import Kernel
from memtui.sim.kernel.outcome import Outcome
from memtui.sim.kernel.page_leaf import ANON, LAZY, SHARED_BIT
from memtui.sim.kernel.profile import profile_for
from memtui.sim.kernel.task import Task
from memtui.sim.kernel.unmapped_area import TASK_UNMAPPED_BASE
from memtui.sim.kernel.vm_flags import pkey
from memtui.sim.kernel.vma import Vma
from tests.oracle.mm_ops import WORD, Area, Arg, Key, Op, Path, Picture, Result, told_flags
from tests.oracle.mm_real import CAP_IPC_LOCK, CAP_SYS_ADMIN, CAP_SYS_RAWIO, COUNTERS, HUGE_PAGES, Place, Real
from tests.oracle.mm_real import capabilities as own_capabilities

MMAP_BASE: Final = 0x7FFF_F7FF_F000
"""With ASLR off and a stack limit of 8 MiB."""
Pages = tuple[tuple[int, int, Residence], ...]
"""Start, end and residence of the pages of one address space."""
_DECIDED: Final = frozenset({Residence.ANON, Residence.ZERO, Residence.SHMEM, Residence.SWAPPED, Residence.GUARD})
VSYSCALL: Final = Area(0xFFFF_FFFF_FF60_0000, 0xFFFF_FFFF_FF60_1000, "--xp", 0, "[vsyscall]", "ex")
_NAMES: Final = {"setrlimit": "prlimit64", "add_seals": "memfd_add_seals"}
"""Steps that are called otherwise there."""
_SIGNED: Final = frozenset({"ftruncate", "fallocate", "pwrite64", "pread64", "fadvise64"})
"""Calls whose numbers are offsets: the simulated kernel takes them with their sign, all others as unsigned words."""
_CODES: Final = {"SEGV_MAPERR": 1, "SEGV_ACCERR": 2, "SEGV_PKUERR": 4, "BUS_ADRERR": 2, "SI_KERNEL": 128}


@cache
def calls() -> dict[str, Callable[..., Outcome]]:
    """Every sys_NAME of the simulated kernel, by NAME."""
    found: dict[str, Callable[..., Outcome]] = {}
    for module in pkgutil.iter_modules(memtui.sim.kernel.__path__, "memtui.sim.kernel."):
        for name, function in vars(importlib.import_module(module.name)).items():
            if name.startswith("sys_"):
                found.setdefault(name[4:], function)
    found["pkey_set"] = pkeys.pkey_set
    return found


@cache
def host() -> LiveHost:
    """This machine."""
    return LiveHost(read_elf)


class Sim:
    """A simulated kernel with the processes of one series."""

    def __init__(self, real: Real, place: Place, capabilities: int | None = None) -> None:
        self.place = place
        pid = real.pids[0]
        held = own_capabilities() if capabilities is None else capabilities
        machine = host().machine()
        facts = replace(
            machine,
            rlimits={**machine.rlimits, "STACK": 8 << 20},
            cap_ipc_lock=bool(held & CAP_IPC_LOCK),
            cap_sys_admin=bool(held & CAP_SYS_ADMIN),
            cap_sys_rawio=bool(held & CAP_SYS_RAWIO),
        )
        self.kernel = Kernel(facts, profile_for(facts.release), host().file)
        snapshot = AddressSpaceReader(Procfs(), pid).read()
        fields = FilePath(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        code = Range(int(fields[23]), int(fields[24]))
        data = Range(int(fields[42]), int(fields[43]))
        first = import_mm.load(self.kernel, snapshot, TASK_UNMAPPED_BASE if real.legacy else MMAP_BASE, code, data)
        first.mm.bottom_up = real.legacy
        first.personality = int(FilePath(f"/proc/{pid}/personality").read_text(), 16)
        for fd in range(3):
            null = Inode(0, (0, 5), "devtmpfs", "/dev/null", mappable=False)
            first.files.open[fd] = file_table.open_inode(null)
            first.files.open[fd].users += 1
        self._letters: dict[int, str] = {}
        """VM_* bits -> VmFlags."""
        self.tasks: dict[int, Task] = {0: first}
        """The live processes by slot."""

    def can(self, op: Op) -> bool:
        """Whether the simulated kernel has this call."""
        return op.name == "touch" or _NAMES.get(op.name, op.name) in calls()

    def perform(self, op: Op, args: tuple[Arg, ...]) -> Result:
        """Do one step."""
        task = self.tasks[op.proc]
        if op.name == "touch":
            return self._touch(task, args)
        outcome = self._call(calls()[_NAMES.get(op.name, op.name)], op, task, args)
        data = b""
        if op.name == "mincore" and not outcome.errno:
            start, length = (arg for arg in args if isinstance(arg, int))
            data = self._residency(task, start, length)
        return Result(-1 if outcome.errno else outcome.value, outcome.errno, data=data, why=outcome.why)

    def _residency(self, task: Task, start: int, length: int) -> bytes:
        """What mincore tells; nothing if the page cache of a disk decides."""
        span = task.mm.tree.span(start, page_up(start + length))
        if any(vma.name or (vma.file is not None and not vma.file.inode.shmem) for vma in span):
            return b""
        return mincore.residency(task, start, length)

    def _call(self, call: Callable[..., Outcome], op: Op, task: Task, args: tuple[Arg, ...]) -> Outcome:
        plain = [self._plain(arg, signed=op.name in _SIGNED) for arg in args]
        match op.name:
            case "fork" | "clone":
                slot = int(str(plain[0]))
                outcome = call(self.kernel, task, plain[1] if op.name == "clone" else 0)
                if not outcome.errno:
                    self.tasks[slot] = self.kernel.tasks[outcome.value]
                    return outcome._replace(value=1)
                return outcome
            case "exit_group":
                outcome = call(self.kernel, task, *plain)
                del self.tasks[op.proc]
                return outcome
            case "process_madvise":
                slot, start, length, advice, flags = (int(str(arg)) for arg in plain)
                pid = self.tasks[slot].pid if slot in self.tasks else -1
                return call(self.kernel, task, pid, [(start, length)], advice, flags)
            case "setrlimit":
                return call(self.kernel, task, 0, *plain)
            case _:
                return call(self.kernel, task, *plain)

    def _plain(self, arg: Arg, *, signed: bool) -> int | str:
        if isinstance(arg, Path):
            return self.place.path(arg)
        if isinstance(arg, Key):
            return self.place.key(arg)
        if not isinstance(arg, int):
            return str(arg)
        value = arg % WORD
        return value - WORD if signed and value >> 63 else value

    def _touch(self, task: Task, args: tuple[Arg, ...]) -> Result:
        address, length, mode = (arg for arg in args if isinstance(arg, int))
        outcome = access(self.kernel, task, address, length, write=mode == 1, exec=mode == 2)
        if not outcome.signal:
            return Result(outcome.value, why=outcome.why)
        name, _, code = outcome.signal.partition(" ")
        return Result(outcome.value, signal=f"{name}/{_CODES.get(code, code)}", why=outcome.why)

    def picture(self, slot: int) -> Picture:
        """The address space of a process, as smaps and status would tell it."""
        mm = self.tasks[slot].mm
        areas = tuple(
            Area(
                vma.start,
                vma.end,
                task_mmu.permissions(vma),
                task_mmu.offset(vma),
                task_mmu.label(mm, vma),
                self._letters.get(vma.flags) or self._spell(vma),
            )
            for vma in mm.tree
        )
        counters = task_mmu.counters(mm)
        told = {name: getattr(counters, COUNTER_NAMES[name]) for name in COUNTERS}
        told[HUGE_PAGES] = 4 * sum(
            mark.pages
            for vma in mm.tree
            if vma.anon_vma
            for mark in mm.pages.marks(vma.start, vma.end)
            if mark.huge and mark.state & ~SHARED_BIT in (ANON, LAZY)
        )
        return Picture((*areas, VSYSCALL), told)

    def faults(self, slot: int) -> dict[str, int]:
        """Minor and major faults of a process since the series began, and RssFile in pages."""
        task = self.tasks[slot]
        return {"minflt": task.min_flt, "majflt": task.maj_flt, "file": task.mm.rss_file}

    def _spell(self, vma: Vma) -> str:
        letters = self._letters[vma.flags] = told_flags(" ".join(task_mmu.vm_flags(self.kernel, vma)), pkey(vma.flags))
        return letters

    def problems(self) -> list[str]:
        """The broken invariants."""
        return check(self.kernel)

    def pages(self, slot: int) -> Pages:
        """Where the pages of a process live, as far as the calls alone decide it."""
        mm = self.tasks[slot].mm
        return told_pages(mm.pages.runs(vma.start, vma.end) for vma in mm.tree if not vma.name)


def real_pages(pid: int) -> Pages:
    """The same of a process of the running kernel, which pagemap tells."""
    snapshot = AddressSpaceReader(Procfs(), pid, smaps=False).read()
    return told_pages(vma.runs or () for vma in snapshot.vmas if vma.kind is not VmaKind.SPECIAL)


def told_pages(runs: Iterable[Iterable[PageRun]]) -> Pages:
    """Runs that touch are one; a file's pages are left out, since the page cache decides on them."""
    found: list[tuple[int, int, Residence]] = []
    for run in chain.from_iterable(runs):
        if run.residence in _DECIDED:
            if found and found[-1][1:] == (run.start, run.residence):
                found[-1] = (found[-1][0], run.end, run.residence)
            else:
                found.append((run.start, run.end, run.residence))
    return tuple(found)
