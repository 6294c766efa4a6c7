"""The running kernel as a source of snapshots."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from memtui.live.address_space import AddressSpaceReader
from memtui.live.cgroup import MemoryCgroup, find_cgroup, members, read_domain
from memtui.live.content import read_content
from memtui.live.heap_labels import HeapLabels
from memtui.live.meminfo import read_system
from memtui.live.pace import Pace
from memtui.live.processes import read_tasks
from memtui.live.procfs import Procfs
from memtui.live.status import printable
from memtui.model.content import Content
from memtui.model.errors import AccessDenied, NotSupported, ProcessGone, SourceError
from memtui.model.mm import MmSnapshot
from memtui.model.oom import OOM_SCORE_ADJ_MAX, OOM_SCORE_ADJ_MIN, OomDomain
from memtui.model.request import Focus, Peek, Refresh, Request, SetOomScoreAdj, ShowHeap
from memtui.model.snapshot import Snapshot
from memtui.model.system import SystemSnapshot
from memtui.model.task import Task

if TYPE_CHECKING:
    from memtui.live.heap import HeapReader

_ACCEPTS: Final[frozenset[type[Request]]] = frozenset({Refresh, Focus, Peek, SetOomScoreAdj, ShowHeap})


class LiveSource:
    """Reads the machine and one process at each request. Nothing is stopped; the one write is oom_score_adj.

    Args:
        pid: the process in focus; None: only the machine and its tasks, until a Focus.
        procfs: the tree to read.
        cgroup: the memory cgroup whose tasks are ranked; None: all.
        smaps: whether to read the figures of each VMA, the dearest reading.

    Raises:
        SourceError: there is no such cgroup.
    """

    def __init__(
        self, pid: int | None, *, procfs: Procfs | None = None, cgroup: str | None = None, smaps: bool = True
    ) -> None:
        self._procfs = procfs or Procfs()
        self._smaps = smaps
        self._cgroup: MemoryCgroup | None = None if cgroup is None else find_cgroup(self._procfs, cgroup)
        self._reader = None if pid is None else self._reader_of(pid)
        self._system: SystemSnapshot | None = None
        self._tasks: tuple[Task, ...] = ()
        self._domain: OomDomain | None = None
        self._tasks_pace = Pace()
        self._peek: int | None = None
        self._closed = False
        self._heap: HeapReader | None = None
        """Of the process in focus; None: the heap is not asked for."""
        self._with_heap: tuple[MmSnapshot, MmSnapshot] | None = None
        """What was given last without the heap, and with it."""
        self._labels: HeapLabels | None = None
        self._labelled: tuple[MmSnapshot, MmSnapshot] | None = None
        """The same for the labels."""

    @property
    def accepts(self) -> frozenset[type[Request]]:
        """Refresh, Focus, Peek, ShowHeap and SetOomScoreAdj."""
        return _ACCEPTS

    def apply(self, request: Request) -> Snapshot:
        """Do what is asked and look.

        Raises:
            ProcessGone, AccessDenied, NotSupported: of the process in focus (see `AddressSpaceReader.read`). After a
                Focus that fails the former process stays in focus.
            SourceError: oom_score_adj could not be written, or the cgroup is gone.
        """
        if self._closed:
            raise SourceError("this source is closed")
        began = time.monotonic()
        match request:
            case Peek(page=page):
                self._peek = page
                mm = None if self._reader is None else self._reader.read()
            case Refresh():
                mm = None if self._reader is None else self._reader.read()
            case Focus(pid=pid):
                reader = self._reader_of(pid)
                mm = reader.read()
                self._reader, self._peek = reader, None
                if self._heap is not None:
                    self._want_heap(wanted=False)
                    self._want_heap(wanted=True)
            case ShowHeap(wanted=wanted):
                self._want_heap(wanted=wanted)
                mm = None if self._reader is None else self._reader.read()
            case SetOomScoreAdj():
                self._set_oom_score_adj(request)
                mm = None if self._reader is None else self._reader.read()
            case _:
                raise NotSupported(
                    f"a live process has no {type(request).__name__.lower()}", hint="only a simulation has steps"
                )
        return self._snapshot(None if mm is None else self._with_labels(self._heap_added(mm)), began)

    def close(self) -> None:
        """Let go of a reading of the heap that is under way; nothing else is held open between requests."""
        self._want_heap(wanted=False)
        self._closed = True

    def _reader_of(self, pid: int) -> AddressSpaceReader:
        return AddressSpaceReader(self._procfs, pid, smaps=self._smaps)

    def _want_heap(self, *, wanted: bool) -> None:
        if not wanted:
            if self._heap is not None:
                self._heap.close()
            self._heap = self._with_heap = None
        elif self._heap is None and self._reader is not None:
            from memtui.live.heap import HeapReader

            self._heap = HeapReader(self._procfs, self._reader.pid)

    def _heap_added(self, mm: MmSnapshot) -> MmSnapshot:
        """The same with its heap, if that is asked for; the same object as before if neither changed."""
        if self._heap is None:
            return mm
        heap, why = None, ""
        try:
            heap = self._heap.read(mm)
        except ProcessGone:
            raise
        except SourceError as error:
            why = str(error)
        before = self._with_heap
        if (
            before is None
            or before[0] is not mm
            or before[1].heap is not heap
            or before[1].unknown.get("heap", "") != why
        ):
            unknown = {**mm.unknown, "heap": why} if why else mm.unknown
            self._with_heap = before = mm, replace(mm, heap=heap, unknown=unknown)
        return before[1]

    def _with_labels(self, mm: MmSnapshot) -> MmSnapshot:
        """The same with the names of what lies in its anonymous VMAs."""
        if self._labels is None or self._labels.pid != mm.pid:
            self._labels = HeapLabels(self._procfs, mm.pid)
        labels = self._labels.of(mm)
        if not labels:
            return mm
        before = self._labelled
        if before is None or before[0] is not mm or before[1].labels is not labels:
            self._labelled = before = mm, replace(mm, labels=labels)
        return before[1]

    def _snapshot(self, mm: MmSnapshot | None, began: float) -> Snapshot:
        unknown: dict[str, str] = {}
        self._system = read_system(self._procfs, self._system)
        if mm is None:
            unknown["mm"] = "no process is chosen"
        if self._tasks_pace.due:
            with self._tasks_pace.measured():
                self._tasks = self._read_tasks()
        else:
            unknown["tasks"] = self._tasks_pace.why_old
        self._domain = self._read_domain(self._system)
        if self._domain is None:
            unknown["domain"] = self._system.unknown.get("meminfo", "RAM and swap are unknown")
        return Snapshot(
            source="live",
            title=self._title(mm),
            system=self._system,
            tasks=self._tasks,
            domain=self._domain,
            mm=mm,
            content=self._content(mm),
            cost_ms=(time.monotonic() - began) * 1000,
            unknown=unknown,
        )

    def _content(self, mm: MmSnapshot | None) -> Content | None:
        if mm is None or self._peek is None:
            return None
        return read_content(self._procfs, str(mm.pid), self._peek)

    def _title(self, mm: MmSnapshot | None) -> str:
        if mm is not None:
            return f"{mm.pid} {printable(mm.comm)}"
        return "all processes" if self._cgroup is None else f"cgroup /{self._cgroup.name}"

    def _read_tasks(self) -> tuple[Task, ...]:
        pids = None if self._cgroup is None else members(self._cgroup)
        tasks = read_tasks(self._procfs, pids, self._tasks)
        unchanged = len(tasks) == len(self._tasks) and all(a is b for a, b in zip(tasks, self._tasks, strict=True))
        return self._tasks if unchanged else tasks

    def _read_domain(self, system: SystemSnapshot) -> OomDomain | None:
        if self._cgroup is not None:
            domain = read_domain(self._cgroup, system)
        elif system.totalpages is None:
            return None
        else:
            domain = OomDomain(None, system.totalpages, "RAM + swap")
        return self._domain if domain == self._domain else domain

    def _set_oom_score_adj(self, request: SetOomScoreAdj) -> None:
        """Models oom_score_adj_write and __set_oom_adj of fs/proc/base.c."""
        if not OOM_SCORE_ADJ_MIN <= request.value <= OOM_SCORE_ADJ_MAX:
            raise SourceError(f"oom_score_adj {request.value} is out of range", hint="-1000 to 1000")
        hint = "the user of the process or root may raise it, lowering it needs CAP_SYS_RESOURCE"
        self._tasks_pace = Pace()
        try:
            self._procfs.write(f"{request.pid}/oom_score_adj", str(request.value), hint=hint)
        except ProcessGone as error:
            raise ProcessGone(f"no process {request.pid}") from error
        except AccessDenied as error:
            raise AccessDenied(f"process {request.pid}: {error.what}", hint=hint) from error
