"""Machine to Snapshot: the only door out of a simulation."""

from collections import OrderedDict
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from memtui.model.cgroup import GroupRoom
from memtui.model.heap import HeapView
from memtui.model.mm import MmSnapshot
from memtui.model.oom import OomDomain
from memtui.model.oom_legacy import LegacyTask
from memtui.model.sharing import Sharing
from memtui.model.snapshot import Snapshot
from memtui.model.system import SystemSnapshot
from memtui.model.task import Task
from memtui.sim.kernel.kernel import Kernel
from memtui.sim.kernel.memcontrol import group_of, total_pages, usage
from memtui.sim.kernel.oom_kill import figures, legacy_figures, processes
from memtui.sim.kernel.task_mmu import counters
from memtui.sim.machine import Machine
from memtui.sim.meminfo import meminfo
from memtui.sim.process import Process
from memtui.sim.sharing_export import sharing
from memtui.sim.vma_export import VmaExports

if TYPE_CHECKING:
    from memtui.sim.blocks import Blocks

SPACES: Final = 8
"""Address spaces whose pictures are kept to be used again."""
_NOT_SIMULATED = MappingProxyType(
    {
        "files": "of a simulation the map shows what is cached of each file where it is mapped",
        "smaps": "who else maps a file's page, and what was accessed, is not simulated",
    }
)
_NOT_COUNTED = MappingProxyType({"kernel": "what the kernel itself holds (slab, stacks) is not simulated"})
_APPROXIMATE = MappingProxyType(
    {
        "lru": "which pages reclaim takes: the rules are the kernel's, but nothing else runs meanwhile",
        "swap": "which slot a page gets: on a running kernel each CPU fills a cluster of its own",
        "zones": "the zone of a page is not tracked: the highest zone gives first and gets back first",
    }
)
_NOT_CHARGED: Final = "approximate: kernel stacks and slab, charged too, are not simulated"
_COMPARED: Final = ("release", "meminfo", "sysctl", "zones", "vmstat", "swaps")


class Exporter:
    """Makes pictures of a machine, and of the next one when the trace is run again.

    Parts that did not change since the last picture are the same objects as in it.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._vmas: OrderedDict[int, VmaExports] = OrderedDict()
        """By process: a machine that is restored has other address spaces with the same content."""
        self._system: SystemSnapshot | None = None
        self._legacy: dict[int, LegacyTask] = {}
        self._tasks: tuple[Task, ...] = ()
        self._domain: OomDomain | None = None
        self._heap: tuple[Blocks, int, HeapView] | None = None
        """The last one, and of what and when."""
        self._sharing: Sharing | None = None
        self.heap_wanted = False
        """Whether pictures have the heap, which costs as much as there are chunks."""
        self.sharing_wanted = False
        """Whether they tell who shares what, which costs as much as there are VMAs."""

    def export(self, machine: Machine, focus: int | None) -> Snapshot:
        """The picture of the machine as it stands.

        Args:
            machine: the machine.
            focus: pid of the process to show; None: the one that the last step was about.
        """
        kernel = machine.world.kernel
        process = machine.world.processes.get(focus) if focus is not None else machine.current
        why = _why_no_mm(process, focus)
        mm = self._mm_of(kernel, process) if process is not None and not why else None
        return Snapshot(
            source="sim",
            title=self._title,
            system=self._system_of(kernel),
            tasks=self._tasks_of(kernel),
            domain=self._domain_of(kernel, process),
            legacy=self._legacy_of(kernel),
            group=_room_of(kernel, process),
            mm=mm,
            events=machine.events,
            unknown={"mm": why} if why else {},
            sharing=self._sharing_of(kernel) if self.sharing_wanted else None,
        )

    def _system_of(self, kernel: Kernel) -> SystemSnapshot:
        old = self._system
        zones = tuple(zone.shown() for zone in kernel.zones)
        new = SystemSnapshot(
            kernel.facts.release,
            MappingProxyType(meminfo(kernel)),
            MappingProxyType(dict(kernel.sysctl)),
            zones=zones,
            vmstat=MappingProxyType({name: count for name, count in kernel.vmevents.items() if count}),
            swaps=kernel.swap.shown(),
            approximate=_APPROXIMATE,
            unknown=_NOT_COUNTED,
        )
        if old is None or any(getattr(old, name) != getattr(new, name) for name in _COMPARED):
            self._system = old = new
        return old

    def _sharing_of(self, kernel: Kernel) -> Sharing:
        old, new = self._sharing, sharing(kernel)
        if old is None or (old.segments, old.mounts, old.mappers) != (new.segments, new.mounts, new.mappers):
            self._sharing = old = new
        return old

    def _legacy_of(self, kernel: Kernel) -> dict[int, LegacyTask]:
        legacy = {task.pid: legacy_figures(kernel, task) for task in processes(kernel)}
        if legacy != self._legacy:
            self._legacy = legacy
        return self._legacy

    def _tasks_of(self, kernel: Kernel) -> tuple[Task, ...]:
        tasks = tuple(figures(kernel, task) for task in kernel.tasks.values() if task.pid == task.tgid)
        if tasks != self._tasks:
            self._tasks = tasks
        return self._tasks

    def _domain_of(self, kernel: Kernel, process: Process | None) -> OomDomain:
        """The memory cgroup with a limit that the process shown is in, else the machine."""
        domain = OomDomain(None, kernel.totalram_pages + kernel.total_swap_pages, "RAM + swap")
        group = group_of(kernel, process.task) if process is not None else None
        if group is not None and group.limit is not None:
            pages, why = total_pages(kernel, group)
            members = tuple(task.pid for task in group.members if task.pid == task.tgid)
            domain = OomDomain(group.name, pages, f"{why}; {_NOT_CHARGED}", members)
        if domain != self._domain or self._domain is None:
            self._domain = domain
        return self._domain

    def _mm_of(self, kernel: Kernel, process: Process) -> MmSnapshot:
        task = process.task
        mm = task.mm
        exports = self._vmas.setdefault(task.tgid, VmaExports(kernel))
        exports.kernel = kernel
        self._vmas.move_to_end(task.tgid)
        if len(self._vmas) > SPACES:
            self._vmas.popitem(last=False)
        return MmSnapshot(
            pid=task.pid,
            comm=task.comm,
            vmas=exports.update(mm),
            counters=counters(mm),
            start_brk=mm.start_brk,
            brk=mm.brk,
            start_stack=mm.start_stack,
            cmdline=task.cmdline,
            exe=mm.exe or None,
            unknown={**_NOT_SIMULATED, "vmas": process.missing} if process.missing else _NOT_SIMULATED,
            heap=self._heap_of(process) if self.heap_wanted else None,
        )

    def _heap_of(self, process: Process) -> HeapView:
        """The same object as long as the allocator was not called."""
        blocks, known = process.blocks, self._heap
        if known is not None and known[0] is blocks and known[1] == blocks.version:
            return known[2]
        view = replace(process.allocator.heap_view(), owners=MappingProxyType(dict(blocks.owners)))
        self._heap = blocks, blocks.version, view
        return view


def _room_of(kernel: Kernel, process: Process | None) -> GroupRoom | None:
    """Of the memory cgroup with a limit that the process is in."""
    group = group_of(kernel, process.task) if process is not None else None
    if group is None or group.limit is None:
        return None
    return GroupRoom(f"/{group.name}", usage(kernel, group) << 2, group.limit << 2)


def _why_no_mm(process: Process | None, focus: int | None) -> str:
    """Why there is no address space to show, or ""."""
    if process is None:
        return "no process has started yet" if focus is None else f"there is no process {focus} at this step"
    why = process.ended or process.foreign
    return f"process {process.pid} {why}" if why else ""
