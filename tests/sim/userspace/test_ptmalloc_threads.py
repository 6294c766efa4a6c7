"""Thread arenas of glibc 2.36, golden: which arena, where, and by which calls."""

import copy

import pytest

from memtui.model.heap import ChunkState
from memtui.sim.userspace.ptmalloc import Ptmalloc, Tunables
from tests.sim.userspace.plain_kernel import HEAP, TOP, PlainKernel

MIB = 1 << 20
SECOND = TOP - 64 * MIB
"""TOP is aligned to 64 MiB, so the upper half of the first reservation is kept for later."""
FIRST = TOP - 128 * MIB


@pytest.fixture
def kernel() -> PlainKernel:
    return PlainKernel()


@pytest.fixture
def libc(kernel: PlainKernel) -> Ptmalloc:
    libc = Ptmalloc(kernel)
    libc.malloc(1)
    for tid in range(1, 4):
        libc.thread_start(tid)
    kernel.take()
    return libc


def test_a_threads_first_malloc_makes_an_arena(kernel: PlainKernel, libc: Ptmalloc):
    libc.run_as(1)
    assert libc.malloc(100) == FIRST + 0xB70
    assert kernel.take() == ["mmap(0x8000000, 0 noreserve)", "munmap(0x4000000)", f"mprotect({FIRST:#x}, 0x21000, 3)"]
    assert libc.why.startswith(f"first the tcache itself: the thread gets an arena of its own, {FIRST + 48:#x}; ")


def test_the_next_arena_takes_what_was_cut_off(kernel: PlainKernel, libc: Ptmalloc):
    libc.run_as(1)
    libc.malloc(100)
    kernel.take()
    libc.run_as(2)
    assert libc.malloc(100) == SECOND + 0xB70
    assert kernel.take()[0] == "mmap(0x4000000, 0 noreserve)"


def test_a_heap_grows_by_just_what_is_missing(kernel: PlainKernel, libc: Ptmalloc):
    libc.run_as(1)
    libc.malloc(100)
    kernel.take()
    libc.malloc(120_000)
    libc.malloc(30_000)
    assert kernel.take() == [f"mprotect({FIRST + 0x21000:#x}, 0x5000, 3)"]


def test_main_keeps_its_arena(kernel: PlainKernel, libc: Ptmalloc):
    assert libc.malloc(100) == HEAP + 0x2C0
    assert kernel.take() == []


def test_a_block_goes_back_to_the_arena_that_it_came_from(libc: Ptmalloc):
    libc.run_as(1)
    block, after = libc.malloc(5000), libc.malloc(5000)
    libc.run_as(2)
    libc.malloc(1)
    libc.free(block)
    libc.run_as(1)
    assert libc.malloc(5000) == block
    assert after == block + 5008


def test_each_thread_has_a_tcache_of_its_own(libc: Ptmalloc):
    libc.run_as(1)
    block = libc.malloc(100)
    libc.run_as(2)
    libc.free(block)
    libc.run_as(1)
    assert libc.malloc(100) != block
    libc.run_as(2)
    assert libc.malloc(100) == block
    assert libc.why.startswith("tcache hit")


def test_an_arena_that_nobody_uses_is_taken_over(kernel: PlainKernel, libc: Ptmalloc):
    libc.run_as(1)
    block = libc.malloc(100)
    libc.free(block)
    libc.thread_exit(1)
    kernel.take()
    libc.run_as(2)
    libc.malloc(100)
    assert kernel.take() == []
    assert "takes over the arena" in libc.why


def test_the_end_of_a_thread_frees_what_it_cached(libc: Ptmalloc):
    libc.run_as(1)
    for block in [libc.malloc(1000) for _ in range(7)]:
        libc.free(block)
    libc.thread_exit(1)
    assert libc.why == "the thread ended: 8 chunks of its tcache are freed"
    _, arena = libc.heap_view().arenas
    assert {chunk.state for chunk in arena.chunks} == {ChunkState.TOP}


def test_past_the_limit_arenas_are_shared_in_turn(kernel: PlainKernel):
    libc = Ptmalloc(kernel, tunables=Tunables(arena_max=2))
    libc.malloc(1)
    places = []
    for tid in range(1, 5):
        libc.thread_start(tid)
        libc.run_as(tid)
        places.append(libc.malloc(100) < TOP - 128 * MIB)
    # A new one; then main, the new one, main: round robin from the main arena.
    assert places == [False, True, False, True]


def test_eight_arenas_a_cpu(kernel: PlainKernel):
    libc = Ptmalloc(kernel, cpus=1)
    libc.malloc(1)
    for tid in range(1, 12):
        libc.thread_start(tid)
        libc.run_as(tid)
        libc.malloc(1)
    # With arena_test at 8 the limit is only worked out at the ninth arena.
    assert len(libc.heap_view().arenas) == 9


def test_a_full_heap_is_followed_by_another(kernel: PlainKernel):
    libc = Ptmalloc(kernel, tunables=Tunables(tcache_count=0))
    libc.malloc(1)
    libc.thread_start(1)
    libc.run_as(1)
    held = [libc.malloc(100_000) for _ in range(671)]
    assert {block >> 26 for block in held} == {FIRST >> 26, SECOND >> 26}
    kernel.take()
    for block in reversed(held):
        libc.free(block)
    assert "munmap(0x4000000)" in kernel.take()
    (region,) = libc.heap_view().arenas[1].regions
    assert region.start >> 26 == FIRST >> 26


def test_without_overcommit_a_heap_shrinks_by_a_new_mapping():
    kernel = PlainKernel(overcommit_memory=2)
    libc = Ptmalloc(kernel)
    libc.malloc(1)
    libc.thread_start(1)
    libc.run_as(1)
    blocks = [libc.malloc(100_000) for _ in range(5)]
    kernel.take()
    for block in reversed(blocks):
        libc.free(block)
    shrunk = kernel.take()
    assert shrunk[0] == "overcommit_memory"
    assert all(call.endswith("fixed)") for call in shrunk[1:])


def test_a_thread_without_memory_tries_the_main_arena(kernel: PlainKernel, libc: Ptmalloc):
    libc.run_as(1)
    libc.malloc(1)
    kernel.largest = 4096
    block = libc.malloc(64 * MIB)
    assert HEAP < block < HEAP + 256 * MIB
    assert libc.why.startswith(f"{FIRST + 48:#x} had no memory, so the main arena is tried; ")


def test_a_child_may_take_every_arena_over(libc: Ptmalloc):
    libc.run_as(1)
    libc.malloc(1)
    child = copy.deepcopy(libc)
    child.forked(1)
    child.thread_start(9)
    child.run_as(9)
    # The main arena is the only one besides the forking thread's.
    assert HEAP < child.malloc(100) < TOP - 128 * MIB
    assert "takes over the arena main" in child.why


def test_the_view_tells_arenas_and_caches_apart(libc: Ptmalloc):
    libc.run_as(2)
    libc.free(libc.malloc(100))
    view = libc.heap_view()
    assert [(arena.name, arena.address) for arena in view.arenas] == [("main", 0), (f"{FIRST + 48:#x}", FIRST + 48)]
    assert [(cache.name, cache.address) for cache in view.caches] == [("main", HEAP + 16), ("thread 2", FIRST + 0x8E0)]
    assert [held.chunks for held in view.caches[1].bins] == [(FIRST + 0xB60,)]
