"""The heap of a child that sleeps, as it is read from outside, equals what the child's own libc says of it."""

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from memtui.live import heap_symbols
from memtui.live.heap import HeapReader
from memtui.live.procfs import Procfs
from memtui.live.source import LiveSource
from memtui.model.errors import AccessDenied
from memtui.model.heap import ArenaView, BinKind, ChunkState, HeapView
from memtui.model.heap_table import ChunkTable
from memtui.model.request import Refresh
from tests.oracle.heap_child import Bin, Told, build, libc_version, parse, read, running

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc is installed"),
    pytest.mark.skipif(
        not (2, 30) <= libc_version() < (2, 42), reason="the child knows the tcache of glibc 2.30 to 2.41"
    ),
]

NOBODY = 65534
MIXES = ("small", "mixed", "large", "align", "sbrk")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("heap-child"))


def check_sums(arena: ArenaView) -> None:
    """Chunk follows upon chunk, and all of them add up."""
    chunks = ChunkTable.of(arena.chunks)
    for before, after in pairwise(chunks):
        assert before.end <= after.address
        assert not (before.end == after.address and {before.state, after.state} <= {ChunkState.FREE, ChunkState.TOP})
    assert sum(chunk.size for chunk in chunks) == sum(region.size for region in arena.regions)
    binned = Counter(chunk for held in arena.bins if held.kind is not BinKind.FAST for chunk in held.chunks)
    assert binned == Counter(chunk.address for chunk in chunks if chunk.state is ChunkState.FREE)


def bins_of(arena: ArenaView) -> Counter[Bin]:
    """As malloc_info writes them: the one before a free chunk is in use, so that its size field has the bit."""
    sizes = {chunk.address: chunk.size | 1 for chunk in arena.chunks}
    lists = [[sizes[chunk] for chunk in held.chunks] for held in arena.bins if held.kind is not BinKind.FAST]
    return Counter(Bin(min(held), max(held), sum(held), len(held)) for held in lists)


def total(heap: HeapView, *states: ChunkState) -> tuple[int, int]:
    """Chunks and bytes."""
    found = [chunk for arena in heap.arenas for chunk in arena.chunks if chunk.state in states]
    return len(found), sum(chunk.size for chunk in found)


def compare(heap: HeapView, told: Told, *, threads: int) -> None:
    assert heap.torn == ()
    for arena in heap.arenas:
        check_sums(arena)
    arena, ordblks, smblks, hblks, hblkhd, _, fordblks = told.info
    assert sum(one.system_mem for one in heap.arenas) == arena
    assert len(heap.mmapped) == hblks
    assert sum(chunk.size + chunk.address % 4096 for chunk in heap.mmapped) == hblkhd
    free = total(heap, ChunkState.FREE, ChunkState.TOP)
    fast = total(heap, ChunkState.FASTBIN)
    assert (free[0], fast[0], free[1] + fast[1]) == (ordblks, smblks, fordblks)
    assert Counter(one.system_mem for one in heap.arenas) == Counter(told.systems)
    by_system = sorted((sorted(bins_of(one).items()), one.system_mem) for one in heap.arenas)
    assert by_system == sorted((sorted(bins.items()), size) for bins, size in zip(told.bins, told.systems, strict=True))
    compare_tcaches(heap, told)
    compare_blocks(heap, told, threads=threads)


def compare_tcaches(heap: HeapView, told: Told) -> None:
    read_counts = Counter(
        tuple({held.size: len(held.chunks) for held in cache.bins}.get(32 + 16 * number, 0) for number in range(64))
        for cache in heap.caches
    )
    assert not told.tcaches or read_counts == Counter(told.tcaches)
    assert {cache.found for cache in heap.caches} == {""}
    cached = Counter(chunk for cache in heap.caches for held in cache.bins for chunk in held.chunks)
    states = [chunk.address for arena in heap.arenas for chunk in arena.chunks if chunk.state is ChunkState.TCACHE]
    assert cached == Counter(states)


def compare_blocks(heap: HeapView, told: Told, *, threads: int) -> None:
    used = {chunk.user: chunk.size - 8 for one in heap.arenas for chunk in one.chunks if chunk.state is ChunkState.USED}
    used |= {chunk.user: chunk.size - 16 for chunk in heap.mmapped if chunk.state is ChunkState.MMAPPED}
    others = {block: size for block, size in used.items() if block not in told.blocks}
    assert {block: used.get(block) for block in told.blocks} == told.blocks
    # What pthread_create allocates for each thread, its dynamic thread vector; and before main, in a static program.
    assert len(others) == threads - 1 or (not told.tcaches and sum(others.values()) < 4096)


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("seed", range(6))
def test_one_thread(program: Path, mix: str, seed: int):
    with running(program, seed, mix, 500 + 700 * seed, 1) as (pid, text):
        compare(read(pid), parse(text), threads=1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("threads", [2, 5])
def test_threads(program: Path, threads: int, seed: int):
    with running(program, seed, MIXES[seed], 2000, threads) as (pid, text):
        heap = read(pid)
        compare(heap, parse(text), threads=threads)
        assert len(heap.arenas) == threads
        assert {cache.name for cache in heap.caches} >= {"main"}


@pytest.mark.parametrize(
    "tunables",
    [
        "glibc.malloc.tcache_count=0",
        "glibc.malloc.tcache_count=20",
        "glibc.malloc.mxfast=0",
        "glibc.malloc.mmap_threshold=4096",
        "glibc.malloc.mmap_threshold=600",
        "glibc.malloc.arena_max=2",
        "glibc.malloc.arena_max=1",
    ],
)
def test_tunables(program: Path, tunables: str):
    # Where a tcache is not what lies before its thread's first block, the child cannot tell its counts.
    untold = ("untold",) if any(name in tunables for name in ("arena_max", "mmap_threshold=600")) else ()
    with running(program, 11, "mixed", 3000, 3, *untold, tunables=tunables) as (pid, text):
        heap = read(pid)
        compare(heap, parse(text), threads=3)
        assert len(heap.caches) == 3


def test_without_debug_symbols(program: Path, monkeypatch: pytest.MonkeyPatch):
    with running(program, 5, "mixed", 3000, 2) as (pid, text):
        monkeypatch.setattr(heap_symbols, "DEBUG_FOLDERS", ())
        heap = read(pid)
        compare(heap, parse(text), threads=2)
        assert "found by its shape" in heap.notes[0]


@pytest.mark.parametrize("options", [(), ("-s",)], ids=["symbols", "stripped"])
def test_a_static_program(tmp_path: Path, options: tuple[str, ...]):
    program = build(tmp_path, "-static", *options)
    with running(program, 3, "mixed", 2000, 1) as (pid, text):
        heap = read(pid)
        # libc allocates before the program does: the child cannot tell its tcache.
        told = parse(text)._replace(tcaches=())
        compare(heap, told, threads=1)
        assert [cache.name for cache in heap.caches] == ["main"]
    program.unlink()


def test_a_program_that_never_allocated(tmp_path: Path):
    source = tmp_path / "idle.c"
    source.write_text(
        '#include <unistd.h>\nint main() { write(1, "ready\\n", 6); char c; return (int)read(0, &c, 1); }'
    )
    program = tmp_path / "idle"
    subprocess.run(["gcc", "-w", "-o", str(program), str(source)], check=True)
    with running(program) as (pid, _):
        heap = read(pid)
    assert (heap.arenas, len(heap.mmapped), heap.torn) == ((), 0, ())


@pytest.fixture
def busy(program: Path) -> Iterator[int]:
    with running(program, 1, "mixed", 0, 4) as (pid, _):
        yield pid


def test_a_busy_process_is_read_without_harm_and_marked(busy: int):
    torn = 0
    for _ in range(12):
        heap = read(busy)
        torn += bool(heap.torn)
        assert heap.arenas
        for arena in heap.arenas:
            assert arena.system_mem > 0
            held = {chunk.address: chunk.size for chunk in arena.chunks}
            assert len(held) == len(arena.chunks)
    assert torn
    os.kill(busy, signal.SIGSTOP)
    heap = read(busy)
    # A thread may stand in the middle of an operation; chunks and sums are whole all the same.
    for arena in heap.arenas:
        assert sum(chunk.size for chunk in arena.chunks) == sum(region.size for region in arena.regions)


def as_nobody(act: Callable[[], str]) -> str:
    """What it returns in a child that has another user."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            os.write(writer, act().encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as stream:
        text = stream.read()
    _, status = os.waitpid(pid, 0)
    assert status == 0
    return text


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_another_user_is_told_in_one_line(program: Path):
    with running(program, 1, "small", 300, 1) as (pid, _):
        mm = LiveSource(pid, smaps=False).apply(Refresh()).mm
        assert mm is not None

        def look() -> str:
            try:
                HeapReader(Procfs(), pid).read(mm)
            except AccessDenied as error:
                return str(error)
            return "not denied"

        said = as_nobody(look)
    assert said == f"/proc/{pid}/mem is denied (needs the user of the process, CAP_SYS_PTRACE or root)"


def test_the_heap_of_python():
    with running(
        Path(sys.executable), "-c", "x=[str(i) * 80 for i in range(9999)]; print('ready', flush=True); input()"
    ) as (
        pid,
        _,
    ):
        heap = read(pid)
    assert heap.torn == ()
    assert heap.allocator.startswith("ptmalloc")
    for arena in heap.arenas:
        check_sums(arena)
        assert arena.name != "main" or arena.system_mem == sum(region.size for region in arena.regions)
