"""What must hold for every heap, whatever was called."""

import random
from itertools import pairwise

import pytest

from memtui.model.heap import ArenaView, BinKind, ChunkState, HeapView
from memtui.sim.userspace.ptmalloc import Ptmalloc
from tests.oracle.malloc_series import Kind, series

HEAP = 0x5555_5555_9000


class Kernel:
    """A break that moves freely, and mappings that follow one another downwards."""

    def __init__(self) -> None:
        self.break_ = HEAP
        self.floor = 0x7FFF_F7FC_0000
        self.refuses = False

    def brk(self, brk: int) -> int:
        if HEAP <= brk < 1 << 46 and not (self.refuses and brk > self.break_):
            self.break_ = brk
        return self.break_

    def mmap(self, addr: int, length: int, prot: int, flags: int, fd: int = -1, offset: int = 0) -> int:
        if length > 1 << 30:
            return -12
        # One page stays between two mappings.
        self.floor -= length + 4096
        return self.floor

    def munmap(self, addr: int, length: int) -> int:
        return 0

    def mremap(self, addr: int, old_len: int, new_len: int, flags: int, new_addr: int = 0) -> int:
        return -12

    def mprotect(self, addr: int, length: int, prot: int) -> int:
        return 0

    def madvise(self, addr: int, length: int, advice: int) -> int:
        return 0

    def getrandom(self, length: int) -> int:
        return length

    def sysctl(self, name: str) -> int:
        return 0


def check(view: HeapView, blocks: set[int]) -> None:
    """Every chunk is in one place, and the program's blocks are those in use."""
    used = {chunk.user for chunk in view.mmapped}
    cached = [chunk for cache in view.caches for held in cache.bins for chunk in held.chunks]
    found: list[int] = []
    for arena in view.arenas:
        states = {chunk.address: chunk.state for chunk in arena.chunks}
        used |= {chunk.user for chunk in arena.chunks if chunk.state is ChunkState.USED}
        found += [at for at in states if states[at] is ChunkState.TCACHE]
        check_arena(arena)
    assert sorted(cached) == sorted(found)
    assert used == blocks


def check_arena(arena: ArenaView) -> None:
    for before, after in pairwise(arena.chunks):
        assert before.end <= after.address
        assert not (before.end == after.address and {before.state, after.state} <= {ChunkState.FREE, ChunkState.TOP})
    assert sum(chunk.size for chunk in arena.chunks) == sum(region.size for region in arena.regions)
    assert arena.regions[-1].end >= arena.top + arena.top_size
    sizes = {chunk.address: chunk.size for chunk in arena.chunks}
    for held in arena.bins:
        if held.kind in (BinKind.FAST, BinKind.SMALL):
            assert {sizes[chunk] for chunk in held.chunks} == {held.size}
        if held.kind is BinKind.LARGE:
            listed = [sizes[chunk] for chunk in held.chunks]
            assert listed == sorted(listed)
            assert listed[0] == held.size
    for kinds, state in (((BinKind.FAST,), ChunkState.FASTBIN), (tuple(BinKind)[2:], ChunkState.FREE)):
        binned = [chunk for held in arena.bins if held.kind in kinds for chunk in held.chunks]
        assert sorted(binned) == [chunk.address for chunk in arena.chunks if chunk.state is state]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("mix", ["small", "mixed", "align", "sbrk", "threads", "heaps"])
def test_every_chunk_is_in_one_place(mix: str, seed: int):
    kernel, rng = Kernel(), random.Random(seed)
    libc = Ptmalloc(kernel)
    slots: dict[int, int] = {}
    for number, (kind, slot, a, b, thread) in enumerate(series(seed, mix, 600)):
        kernel.refuses = mix == "mixed" and rng.random() < 0.3
        libc.run_as(thread)
        if kind in (Kind.START, Kind.JOIN):
            (libc.thread_start if kind is Kind.START else libc.thread_exit)(slot)
            continue
        match kind:
            case Kind.FREE:
                libc.free(slots.pop(slot, 0))
            case Kind.REALLOC:
                moved = libc.realloc(slots.get(slot, 0), a)
                slots[slot] = moved if moved or not a else slots.get(slot, 0)
            case Kind.CALLOC:
                slots[slot] = libc.calloc(a, b)
            case Kind.MEMALIGN:
                slots[slot] = libc.memalign(a, b)
            case Kind.TRIM:
                libc.malloc_trim(a)
            case Kind.SBRK:
                libc.sbrk(a)
            case _:
                slots[slot] = libc.malloc(a)
        if number % 10 == 0:
            check(libc.heap_view(), {block for block in slots.values() if block})
