"""A small scripted source: ten steps of a process that grows, or a live process that does not change."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from memtui.model.address import Range
from memtui.model.content import Content
from memtui.model.errors import ParseError, SourceError
from memtui.model.event import Event, EventKind
from memtui.model.file_cache import FileCache
from memtui.model.heap import ArenaView, BinKind, ChunkState, HeapBin, HeapChunk, HeapView, Owner, Thresholds
from memtui.model.mm import MmCounters, MmSnapshot
from memtui.model.oom import OomDomain
from memtui.model.pages import Examined, PageRun, Residence
from memtui.model.progress import Progress, Watcher, unwatched
from memtui.model.request import (
    Back,
    Examine,
    Focus,
    Inject,
    Measure,
    Peek,
    RankGroup,
    Refresh,
    Request,
    Seek,
    SetOomScoreAdj,
    ShowHeap,
    ShowSharing,
    Step,
    WatchFile,
)
from memtui.model.sharing import Segment, SegmentKind, Sharing, TmpfsMount
from memtui.model.snapshot import Snapshot
from memtui.model.step import StepLog, StepRecord
from memtui.model.system import SystemSnapshot
from memtui.model.task import Task
from memtui.model.vma import Vma, VmaKind

if TYPE_CHECKING:
    from memtui.model.cgroup import GroupRoom

HEAP = 0x5555_5555_9000
PROGRAM = 0x5555_5555_4000
LIBC = 0x7FFF_F7C0_0000
STACK = 0x7FFF_FFFD_E000
STEPS = 10

SYSTEM = SystemSnapshot(
    release="6.18.44",
    meminfo={
        "MemTotal": 262144,
        "MemFree": 180000,
        "Buffers": 1000,
        "Cached": 40000,
        "Shmem": 3000,
        "AnonPages": 21000,
        "Slab": 9000,
        "PageTables": 600,
        "KernelStack": 900,
        "SwapTotal": 65536,
        "SwapFree": 65000,
        "Committed_AS": 90000,
        "CommitLimit": 196608,
        "Active(anon)": 12000,
        "Inactive(anon)": 9000,
        "Active(file)": 20000,
        "Inactive(file)": 17000,
        "Dirty": 12,
        "Writeback": 0,
    },
    sysctl={"overcommit_memory": 0, "swappiness": 60},
)
SHARING = Sharing(
    (Segment(SegmentKind.SYSV, "id 3, key 0x51", 8 << 20, 4 << 20, 0, 0, 1000),),
    (TmpfsMount("/dev/shm", "tmpfs", 1 << 30, 4 << 20, 5),),
    {((254, 0), 7): (42, 43)},
)
DOMAIN = OomDomain(None, 81920, "RAM + swap")
TASKS = tuple(
    Task(
        pid=pid,
        comm=comm,
        uid=0,
        rss_pages=rss,
        swap_pages=4,
        pgtable_pages=9,
        oom_score_adj=adj,
        kernel_oom_score=None,
        never="global init" if pid == 1 else None,
    )
    for pid, comm, rss, adj in ((1, "init", 900, 0), (42, "demo", 3000, 0), (77, "postgres", 9000, 100))
)


def vma(start: int, pages: int, name: str, perms: str, kind: VmaKind, runs: Sequence[PageRun] = ()) -> Vma:
    inode = 7 if name.startswith("/") else 0
    return Vma(start, start + (pages << 12), perms, 0, (8, 1) if inode else (0, 0), inode, name, kind, runs=tuple(runs))


def mm(step: int, pid: int = 42, comm: str = "demo") -> MmSnapshot:
    """A heap of `10 + step` pages of which `step` are touched."""
    touched = [PageRun(HEAP, step, Residence.ANON, dirty=True)] if step else []
    return MmSnapshot(
        pid,
        comm,
        (
            vma(PROGRAM, 4, "/bin/demo", "r-xp", VmaKind.FILE, [PageRun(PROGRAM, 3, Residence.PAGE_CACHE)]),
            vma(HEAP, 10 + step, "[heap]", "rw-p", VmaKind.HEAP, touched),
            vma(LIBC, 480, "/lib/libc.so.6", "r-xp", VmaKind.FILE, [PageRun(LIBC, 300, Residence.PAGE_CACHE)]),
            vma(STACK, 33, "[stack]", "rw-p", VmaKind.STACK, [PageRun(STACK + (30 << 12), 3, Residence.ANON)]),
        ),
        MmCounters(vm_rss=1300 + 4 * step, rss_anon=12 + 4 * step, rss_file=1212, rss_shmem=0, vm_pte=48, vm_swap=0),
        files=(FileCache("/bin/demo", PROGRAM, 4, 3, 0, 0, 0), FileCache("/lib/libc.so.6", LIBC, 480, 300, 0, 0, 0)),
    )


def heap(step: int) -> HeapView:
    """The tcache's own, `step` blocks of 64 bytes of which every third is in the tcache, and top."""
    end = HEAP + ((10 + step) << 12)
    chunks = [HeapChunk(HEAP, 0x290, ChunkState.TCACHE_STRUCT)]
    for number in range(step):
        state = ChunkState.TCACHE if number % 3 == 2 else ChunkState.USED
        chunks.append(HeapChunk(chunks[-1].end, 64, state))
    top = HeapChunk(chunks[-1].end, end - chunks[-1].end, ChunkState.TOP)
    cached = tuple(chunk.address for chunk in chunks if chunk.state is ChunkState.TCACHE)
    owners = {chunk.user: Owner(number, 50) for number, chunk in enumerate(chunks) if chunk.state is ChunkState.USED}
    arena = ArenaView(
        "main", (Range(HEAP, end),), (*chunks, top), (), top.address, top.size, None, end - HEAP, end - HEAP, True
    )
    tcache = (HeapBin(BinKind.TCACHE, 64, cached),) if cached else ()
    return HeapView(
        "ptmalloc (a fake)", (arena,), tcache, (), Thresholds(1 << 17, 1 << 17, 1 << 17, True), owners=owners
    )


def records(cursor: int, injected: Sequence[str]) -> tuple[StepRecord, ...]:
    texts = [f"touch({HEAP + (n << 12):#x}, 1, WRITE)" for n in range(STEPS - len(injected))]
    texts[cursor - len(injected) : cursor - len(injected)] = injected
    return tuple(
        StepRecord(
            number,
            text,
            42,
            done=number <= cursor,
            chapter={1: "The heap fills", 6: "More of it"}.get(number, ""),
            narration=f"Page {number} is written for the first time, so the kernel finds a frame for it.",
            why="a write to an absent anonymous page: do_anonymous_page",
            events=(Event(EventKind.NOTE, "minor fault"),) if number == 3 else (),
        )
        for number, text in enumerate(texts, 1)
    )


class Simulated:
    """Accepts what a simulation does; `seen` has every request in the order in which it arrived."""

    accepts: frozenset[type[Request]] = frozenset({Refresh, Step, Back, Seek, Inject, ShowHeap})

    def __init__(self, *, at: int = 0) -> None:
        self.seen: list[Request] = []
        self.closed = False
        self.cursor = at
        self.injected: list[str] = []
        self.heap_wanted = False

    def apply(self, request: Request) -> Snapshot:
        self.seen.append(request)
        match request:
            case Step(steps):
                self.cursor = min(self.cursor + steps, STEPS)
            case Back(steps):
                self.cursor = max(self.cursor - steps, 0)
            case Seek(number):
                self.cursor = min(number, STEPS)
            case ShowHeap(wanted):
                self.heap_wanted = wanted
            case Inject(line):
                if "wrong" in line:
                    raise ParseError("is no call", file="<injected>", line=1, column=1)
                self.injected.append(line)
                self.cursor = min(self.cursor + 1, STEPS)
        return self.picture()

    def picture(self) -> Snapshot:
        log = StepLog(records(self.cursor, self.injected[: self.cursor]), self.cursor)
        space = mm(self.cursor)
        if self.heap_wanted:
            space = replace(space, heap=heap(self.cursor))
        return Snapshot("sim", "demo", SYSTEM, TASKS, DOMAIN, space, log)

    def close(self) -> None:
        self.closed = True


class Live:
    """Accepts what a live source does; `fails` is raised by the next requests."""

    accepts: frozenset[type[Request]] = frozenset(
        {Refresh, Focus, Peek, Examine, Measure, RankGroup, SetOomScoreAdj, ShowHeap, ShowSharing, WatchFile}
    )

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.closed = False
        self.fails: SourceError | None = None
        self._mm = mm(3)
        self._content: Content | None = None
        self._sharing: Sharing | None = None
        self._domain = DOMAIN
        self.group: GroupRoom | None = None

    def apply(self, request: Request) -> Snapshot:
        self.seen.append(request)
        if self.fails is not None:
            raise self.fails
        if isinstance(request, ShowHeap):
            denied = {"heap": "/proc/42/mem is denied"} if request.wanted else {}
            self._mm = replace(self._mm, unknown=denied)
        if isinstance(request, Focus):
            self._mm = mm(5, request.pid, "postgres")
        if isinstance(request, Peek):
            page = request.page
            self._content = Content(page, bytes(range(256)) * 16) if page is not None else None
        if isinstance(request, Examine):
            at = request.address
            run = self._mm.vmas[0].runs[0]._replace(active=True) if self._mm.vmas[0].runs else None
            examined = None if at is None else Examined(at & -4096, (at & -4096) + 4096, (run,) if run else ())
            self._mm = replace(self._mm, examined=examined)
        if isinstance(request, ShowSharing):
            self._sharing = SHARING if request.wanted else None
        if isinstance(request, WatchFile):
            self._mm = replace(self._mm, files=(FileCache(request.path, None, 8, 3, 0, 0, 0, asked=True),))
        if isinstance(request, RankGroup):
            self._domain = OomDomain("/box", 1000, "memory.max", (TASKS[1].pid,)) if request.wanted else DOMAIN
        title = f"{self._mm.pid} {self._mm.comm}"
        parts = SYSTEM, TASKS, self._domain, self._mm
        rest = {"sharing": self._sharing, "content": self._content, "group": self.group}
        return Snapshot("live", title, *parts, cost_ms=3.2, **rest)

    def close(self) -> None:
        self.closed = True


class Slow(Simulated):
    """A request of one kind goes on, and tells how far it is, until it is stopped or let through."""

    def __init__(self, slow: Request | type[Request], progress: Progress) -> None:
        super().__init__(at=3)
        self.watch: Watcher = unwatched
        self.gate = threading.Event()
        self._slow, self._progress = slow, progress

    def apply(self, request: Request) -> Snapshot:
        while self._slow in (request, type(request)) and not self.gate.wait(0.005):
            self.watch(self._progress)
        return super().apply(request)
