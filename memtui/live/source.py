"""The running kernel as a source of snapshots."""

import time
from typing import TYPE_CHECKING, Final

from memtui.live.address_space import AddressSpaceReader
from memtui.live.cgroup import GroupReader, MemoryCgroup, find_cgroup, members, read_domain
from memtui.live.content import read_content
from memtui.live.extras import Extras
from memtui.live.meminfo import SystemReader
from memtui.live.pace import SMALL_SHARE, Pace
from memtui.live.processes import mm_thread, out_of_sight
from memtui.live.procfs import Procfs
from memtui.live.status import printable
from memtui.live.task_reader import TaskReader
from memtui.model.content import Content
from memtui.model.errors import AccessDenied, Cancelled, NotSupported, ProcessGone, SourceError
from memtui.model.mm import MmSnapshot
from memtui.model.oom import OOM_SCORE_ADJ_MAX, OOM_SCORE_ADJ_MIN, OomDomain
from memtui.model.progress import Progress, Watcher, unwatched
from memtui.model.request import (
    Examine,
    Focus,
    Measure,
    Peek,
    RankGroup,
    Refresh,
    Request,
    SetOomScoreAdj,
    ShowHeap,
    ShowOldRule,
    ShowSharing,
    WatchFile,
)
from memtui.model.snapshot import NO_LEGACY, Snapshot
from memtui.model.system import SystemSnapshot
from memtui.model.task import Task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memtui.live.shared_memory import SharingReader
    from memtui.model.oom_legacy import LegacyTask

_ACCEPTS: Final[frozenset[type[Request]]] = frozenset(
    {
        Refresh,
        Focus,
        Peek,
        Examine,
        Measure,
        RankGroup,
        SetOomScoreAdj,
        ShowHeap,
        ShowSharing,
        ShowOldRule,
        WatchFile,
    }
)

_LONGEST: Final = 5.0
"""Seconds after which the processes are read again, however long that takes."""


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
        self._system = SystemReader(self._procfs)
        self._sharing: SharingReader | None = None
        """None: nobody wants to know."""
        self._task_reader = TaskReader(self._procfs)
        self._out_of_sight = out_of_sight(self._procfs)
        self._old_rule = self._ranks_group = False
        self._legacy: Mapping[int, LegacyTask] = NO_LEGACY
        self._files: tuple[str, ...] = ()
        """Files that were asked for by their path."""
        self._tasks: tuple[Task, ...] = ()
        self._domain: OomDomain | None = None
        self._tasks_pace = Pace(longest=_LONGEST, share=SMALL_SHARE)
        self._peek: int | None = None
        self._closed = False
        self.watch: Watcher = unwatched
        """Hears of every file that is read; what it raises ends the reading, and the picture stays the one before."""
        self._procfs.heed = lambda path: self.watch(Progress(f"reading {path}"))
        self._extras = None if pid is None else Extras(self._procfs, pid)
        self._group = GroupReader(self._procfs, pid, self._cgroup)

    @property
    def accepts(self) -> frozenset[type[Request]]:
        """What one can ask of a running kernel."""
        return _ACCEPTS

    def apply(self, request: Request) -> Snapshot:
        """Do what is asked and look.

        Raises:
            ProcessGone, AccessDenied, NotSupported: of the process in focus (see `AddressSpaceReader.read`). After a
                Focus that fails the former process stays in focus.
            SourceError: oom_score_adj could not be written, or the cgroup is gone.
            Cancelled: whoever watches has ended it; what was wanted for the first time is wanted no more.
        """
        if self._closed:
            raise SourceError("this source is closed")
        began = time.monotonic()
        try:
            mm = self._asked(request)
            return self._snapshot(mm, began)
        except Cancelled:
            if isinstance(request, ShowHeap | ShowSharing | ShowOldRule):
                self._want(request._replace(wanted=False))  # else the next look would take as long
            raise

    def _asked(self, request: Request) -> MmSnapshot | None:
        """Do what is asked, and look at the process in focus."""
        match request:
            case Refresh() | Measure():
                pass
            case Focus(pid=pid):
                return self._focus(pid)
            case SetOomScoreAdj():
                self._set_oom_score_adj(request)
            case Peek() | Examine() | ShowHeap() | ShowSharing() | ShowOldRule() | RankGroup() | WatchFile():
                self._want(request)
            case _:
                raise NotSupported(
                    f"a live process has no {type(request).__name__.lower()}", hint="only a simulation has steps"
                )
        if self._reader is None or self._extras is None:
            return None
        self._extras.watch(self._files)
        whole = not isinstance(request, Refresh) or request.whole
        return self._extras.added(self._reader.read(measure=isinstance(request, Measure), whole=whole))

    def _want(self, request: Request) -> None:
        """What is to be in the pictures from now on."""
        match request:
            case Peek(page=page):
                self._peek = page
            case Examine(address=address) if self._extras is not None:
                self._extras.address = address
            case ShowHeap(wanted=wanted) if self._extras is not None:
                self._extras.want_heap(wanted=wanted)
            case ShowSharing(wanted=wanted):
                self._want_sharing(wanted=wanted)
            case ShowOldRule(wanted=wanted):
                self._old_rule, self._tasks_pace = wanted, Pace(longest=_LONGEST, share=SMALL_SHARE)
            case RankGroup(wanted=wanted):
                if self._cgroup is not None or (wanted and self._group.tightest is None):
                    raise NotSupported(
                        "the processes of one cgroup are ranked already"
                        if self._cgroup is not None
                        else "no memory cgroup with a limit holds this process: when memory runs out, all are ranked"
                    )
                self._ranks_group = wanted
            case WatchFile(path=path):
                others = tuple(file for file in self._files if file != path)
                self._files = others if path in self._files else (*self._files, path)

    def _want_sharing(self, *, wanted: bool) -> None:
        from memtui.live.shared_memory import SharingReader

        self._sharing = (self._sharing or SharingReader(self._procfs)) if wanted else None

    def _focus(self, pid: int) -> MmSnapshot:
        """Another process; the former one stays if this one cannot be had."""
        reader, extras = self._reader_of(pid), Extras(self._procfs, pid)
        extras.want_heap(wanted=self._extras is not None and self._extras.wants_heap)
        extras.watch(self._files)
        mm = extras.added(reader.read())
        if self._extras is not None:
            self._extras.close()
        self._reader, self._extras, self._peek = reader, extras, None
        self._group = GroupReader(self._procfs, pid)
        return mm

    def close(self) -> None:
        """Let go of a reading of the heap that is under way; nothing else is held open between requests."""
        if self._extras is not None:
            self._extras.close()
        self._task_reader.close()
        self._closed = True

    def _reader_of(self, pid: int) -> AddressSpaceReader:
        return AddressSpaceReader(self._procfs, pid, smaps=self._smaps)

    def _snapshot(self, mm: MmSnapshot | None, began: float) -> Snapshot:
        unknown: dict[str, str] = {}
        system = self._system.read()
        if mm is None:
            unknown["mm"] = "no process is chosen"
        read = self._tasks_pace.due
        if read:
            with self._tasks_pace.measured():
                self._tasks = self._read_tasks()
                self._legacy = self._read_legacy() if self._old_rule else NO_LEGACY
        notes = [note for note in (self._out_of_sight, "" if read else self._tasks_pace.why_old) if note]
        if notes:
            unknown["tasks"] = "; ".join(notes)
        group = self._group.read()
        self._domain = self._read_domain(system)
        if self._domain is None:
            unknown["domain"] = system.unknown.get("meminfo", "RAM and swap are unknown")
        return Snapshot(
            source="live",
            title=self._title(mm),
            system=system,
            tasks=self._tasks,
            domain=self._domain,
            legacy=self._legacy,
            group=group,
            mm=mm,
            sharing=None if self._sharing is None else self._sharing.read(),
            content=self._content(mm),
            cost_ms=(time.monotonic() - began) * 1000,
            unknown=unknown,
        )

    def _content(self, mm: MmSnapshot | None) -> Content | None:
        if mm is None or self._peek is None:
            return None
        return read_content(self._procfs, str(mm_thread(self._procfs, mm.pid)), self._peek)

    def _title(self, mm: MmSnapshot | None) -> str:
        if mm is not None:
            return f"{mm.pid} {printable(mm.comm)}"
        return "all processes" if self._cgroup is None else f"cgroup /{self._cgroup.name}"

    def _read_tasks(self) -> tuple[Task, ...]:
        pids = None if self._cgroup is None else members(self._procfs, self._cgroup)
        return self._task_reader.read(pids)

    def _read_legacy(self) -> "Mapping[int, LegacyTask]":
        from memtui.live.old_rule import read_legacy

        return read_legacy(self._procfs, self._tasks)

    def _read_domain(self, system: SystemSnapshot) -> OomDomain | None:
        limiting = self._group.tightest if self._ranks_group else None
        if self._cgroup is not None:
            domain = read_domain(self._cgroup, system)
        elif limiting is not None:
            domain = read_domain(limiting, system)._replace(members=tuple(members(self._procfs, limiting)))
        elif system.totalpages is None:
            return None
        else:
            domain = OomDomain(None, system.totalpages, "RAM + swap")
        return self._domain if domain == self._domain else domain

    def _set_oom_score_adj(self, request: SetOomScoreAdj) -> None:
        """Models oom_score_adj_write and __set_oom_adj of fs/proc/base.c."""
        if not OOM_SCORE_ADJ_MIN <= request.value <= OOM_SCORE_ADJ_MAX:
            raise SourceError(f"oom_score_adj {request.value} is out of range", hint="-1000 to 1000")
        hint = (
            "its user or root may raise it, and lower it to what it was set to with CAP_SYS_RESOURCE, at first 0; "
            "any lower needs that capability"
        )
        self._tasks_pace = Pace(longest=_LONGEST, share=SMALL_SHARE)
        try:
            self._procfs.write(f"{request.pid}/oom_score_adj", str(request.value), hint=hint)
        except ProcessGone as error:
            raise ProcessGone(f"no process {request.pid}") from error
        except AccessDenied as error:
            raise AccessDenied(f"process {request.pid}: {error.what}", hint=hint) from error
