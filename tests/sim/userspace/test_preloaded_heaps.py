"""What must hold for every heap of jemalloc and tcmalloc, whatever was called."""

import copy
import pickle

import pytest

from memtui.model.heap import ArenaView, ChunkState, HeapView
from memtui.sim.userspace.allocator import HeapCorruption
from memtui.sim.userspace.jemalloc import Jemalloc
from memtui.sim.userspace.tcmalloc import Tcmalloc
from tests.oracle.malloc_series import Kind, Op, series
from tests.sim.userspace.test_heap_view import Kernel

Preloaded = Jemalloc | Tcmalloc


class Machine(Kernel):
    """The same, with mappings at multiples of 2 MiB and settings to read."""

    def mmap(self, addr: int, length: int, prot: int, flags: int, fd: int = -1, offset: int = 0) -> int:
        if length > 1 << 40:
            return -12
        self.floor = (self.floor - length) & -(2 << 20)
        return self.floor

    def read_link(self, path: str) -> int:
        return -2

    def read_file(self, path: str, length: int, flags: str) -> bytes:
        return b"0"

    def sched_getaffinity(self) -> int:
        return 2


def perform(malloc: Preloaded, slots: dict[int, int], op: Op) -> None:
    match op.kind:
        case Kind.FREE:
            malloc.free(slots.pop(op.slot, 0))
        case Kind.REALLOC:
            moved = malloc.realloc(slots.get(op.slot, 0), op.a)
            slots[op.slot] = moved if moved or not op.a else slots.get(op.slot, 0)
        case Kind.CALLOC:
            slots[op.slot] = malloc.calloc(op.a, op.b)
        case Kind.MEMALIGN | Kind.POSIX_MEMALIGN:
            slots[op.slot] = malloc.memalign(op.a, op.b)
        case _:
            slots[op.slot] = malloc.malloc(op.a)


def check(view: HeapView, malloc: Preloaded, blocks: set[int]) -> None:
    """The program's blocks are those in use, and each region is covered by its chunks."""
    chunks = [chunk for arena in view.arenas for chunk in arena.chunks]
    used = {chunk.user: chunk.size for chunk in chunks if chunk.state is ChunkState.USED}
    assert set(used) == blocks
    assert {block: malloc.malloc_usable_size(block) for block in blocks} == used
    cached = [block for cache in view.caches for held in cache.bins for block in held.chunks]
    assert sorted(cached) == sorted(chunk.address for chunk in chunks if chunk.state is ChunkState.TCACHE)
    for arena in view.arenas:
        check_arena(arena)


def check_arena(arena: ArenaView) -> None:
    position = {region.start: region.end for region in arena.regions}
    for chunk in arena.chunks:
        end = position.pop(chunk.address)
        if chunk.end < end:
            position[chunk.end] = end
    assert not position
    free = [block for held in arena.bins for block in held.chunks]
    assert sorted(free) == [chunk.address for chunk in arena.chunks if chunk.state is ChunkState.FREE]


@pytest.mark.parametrize("mix", ["small", "mixed", "huge", "align"])
@pytest.mark.parametrize("allocator", [Jemalloc, Tcmalloc])
def test_every_chunk_is_in_one_place(allocator: type[Preloaded], mix: str):
    malloc = allocator(Machine())
    slots: dict[int, int] = {}
    for number, op in enumerate(series(7, mix, 400)):
        perform(malloc, slots, op)
        if number % 40 == 0:
            check(malloc.heap_view(), malloc, {block for block in slots.values() if block})


@pytest.mark.parametrize("allocator", [Jemalloc, Tcmalloc])
def test_each_thread_has_a_cache_and_leaves_nothing_in_it(allocator: type[Preloaded]):
    malloc = allocator(Machine())
    first = malloc.malloc(100)
    malloc.thread_start(2)
    malloc.run_as(2)
    blocks = [malloc.malloc(100) for _ in range(50)]
    for block in blocks[:25]:
        malloc.free(block)
    assert {cache.name for cache in malloc.heap_view().caches} == {"thread 0", "thread 2"}
    check(malloc.heap_view(), malloc, {first, *blocks[25:]})
    malloc.thread_exit(2)
    malloc.run_as(0)
    for block in blocks[25:]:
        malloc.free(block)
    check(malloc.heap_view(), malloc, {first})
    assert [cache.name for cache in malloc.heap_view().caches] == ["thread 0"]


@pytest.mark.parametrize("allocator", [Jemalloc, Tcmalloc])
def test_a_copy_goes_on_by_itself(allocator: type[Preloaded]):
    malloc = allocator(Machine())
    block = malloc.malloc(1000)
    copies = copy.deepcopy(malloc), pickle.loads(pickle.dumps(malloc))
    malloc.free(block)
    for other in copies:
        second = other.malloc(1000)
        check(other.heap_view(), other, {block, second})
    check(malloc.heap_view(), malloc, set())


@pytest.mark.parametrize("allocator", [Jemalloc, Tcmalloc])
def test_what_is_no_block_is_refused(allocator: type[Preloaded]):
    malloc = allocator(Machine())
    malloc.malloc(100)
    with pytest.raises(HeapCorruption):
        malloc.free(0x1234_5678_0000)


@pytest.mark.parametrize("allocator", [Jemalloc, Tcmalloc])
def test_requests_that_no_machine_can_serve(allocator: type[Preloaded]):
    malloc = allocator(Machine())
    assert [malloc.malloc(1 << 62), malloc.malloc((1 << 64) - 1), malloc.calloc(1 << 40, 1 << 40)] == [0, 0, 0]
    assert malloc.why.startswith("ENOMEM")
    assert malloc.posix_memalign(3, 8) == (22, 0)
    assert malloc.malloc(100)
