"""Golden calls of glibc 2.36, on a kernel that gives what it is asked for."""

import copy

import pytest

from memtui.model.address import Range
from memtui.model.heap import BinKind, ChunkState, HeapBin, HeapChunk, Thresholds
from memtui.sim.userspace.ptmalloc import HeapCorruption, Ptmalloc, Tunables, from_environ

HEAP = 0x5555_5555_9000
TOP = 0x7FFF_F7FC_0000


class Kernel:
    """A break, and mappings that follow one another downwards. It notes what it is asked."""

    def __init__(self, room: int = 1 << 30) -> None:
        self.break_ = HEAP
        self.most = HEAP + room
        self.floor = TOP
        self.calls: list[str] = []

    def brk(self, brk: int) -> int:
        if HEAP <= brk <= self.most:
            self.break_ = brk
        self.calls.append(f"brk({brk - HEAP:#x})" if brk else "brk(0)")
        return self.break_

    def mmap(self, addr: int, length: int, prot: int, flags: int, fd: int = -1, offset: int = 0) -> int:
        self.floor -= length
        self.calls.append(f"mmap({length})")
        return self.floor

    def munmap(self, addr: int, length: int) -> int:
        self.calls.append(f"munmap({length})")
        return 0

    def mremap(self, addr: int, old_len: int, new_len: int, flags: int, new_addr: int = 0) -> int:
        self.calls.append(f"mremap({old_len}, {new_len})")
        return addr

    def mprotect(self, addr: int, length: int, prot: int) -> int:
        return 0

    def madvise(self, addr: int, length: int, advice: int) -> int:
        self.calls.append(f"madvise({length}, {advice})")
        return 0

    def getrandom(self, length: int) -> int:
        self.calls.append(f"getrandom({length})")
        return length

    def sysctl(self, name: str) -> int:
        return 0


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture
def libc(kernel: Kernel) -> Ptmalloc:
    return Ptmalloc(kernel)


def test_the_first_malloc_makes_the_heap(kernel: Kernel, libc: Ptmalloc):
    assert libc.malloc(1) == HEAP + 0x2A0
    assert kernel.calls == ["getrandom(8)", "brk(0)", "brk(0x21000)"]
    assert libc.malloc_usable_size(HEAP + 0x2A0) == 24


def test_a_large_request_is_mapped_and_unmapped(kernel: Kernel, libc: Ptmalloc):
    libc.malloc(1)
    kernel.calls.clear()
    block = libc.malloc(200_000)
    assert block == TOP - 200_704 + 16
    assert libc.malloc_usable_size(block) == 200_704 - 16
    libc.free(block)
    assert kernel.calls == ["mmap(200704)", "munmap(200704)"]


def test_a_freed_mapping_raises_the_threshold(kernel: Kernel, libc: Ptmalloc):
    libc.free(libc.malloc(200_000))
    assert "mmap_threshold rises" in libc.why
    kernel.calls.clear()
    libc.malloc(199_000)
    assert [call.partition("(")[0] for call in kernel.calls] == ["brk"]


def test_the_tcache_is_last_in_first_out_and_holds_seven(libc: Ptmalloc):
    blocks = [libc.malloc(100) for _ in range(8)]
    for block in blocks:
        libc.free(block)
    assert "fastbin" in libc.why
    assert [libc.malloc(100) for _ in range(8)] == [*blocks[6::-1], blocks[7]]


def test_calloc_passes_the_tcache_by(libc: Ptmalloc):
    block = libc.malloc(100)
    libc.free(block)
    assert libc.calloc(1, 100) != block
    assert libc.malloc(100) == block


def test_free_neighbours_merge(libc: Ptmalloc):
    first, second, _ = (libc.malloc(2000) for _ in range(3))
    libc.free(first)
    libc.free(second)
    assert libc.why.startswith(f"merged with its free neighbours to {2 * 2016} bytes")
    assert libc.malloc(4000) == first


def test_realloc_grows_into_top(libc: Ptmalloc):
    block = libc.malloc(2000)
    assert libc.realloc(block, 9000) == block
    assert libc.why == "grown into top"


def test_realloc_of_a_mapping_moves_page_tables(kernel: Kernel, libc: Ptmalloc):
    block = libc.malloc(1 << 20)
    assert libc.realloc(block, 2 << 20) == block
    assert kernel.calls[-1] == f"mremap({(1 << 20) + 4096}, {(2 << 20) + 4096})"


def test_memalign_is_aligned(libc: Ptmalloc):
    for alignment in (32, 64, 4096, 65536):
        assert libc.memalign(alignment, 100) % alignment == 0


def test_the_end_of_the_heap_goes_back(kernel: Kernel, libc: Ptmalloc):
    blocks = [libc.malloc(100_000) for _ in range(5)]
    for block in reversed(blocks):
        libc.free(block)
    assert "trim_threshold" in libc.why
    # 128 KiB of top_pad stay, and what is no whole page.
    assert kernel.break_ == HEAP + 0x21000


def test_without_room_for_brk_a_mapping_becomes_the_heap():
    kernel = Kernel(room=0x21000)
    libc = Ptmalloc(kernel)
    libc.malloc(1)
    block = libc.malloc(100_000) and libc.malloc(100_000)
    assert block > HEAP + 0x21000
    assert "brk was refused" in libc.why


def test_no_memory_is_null_and_says_so():
    class Full(Kernel):
        def mmap(self, addr: int, length: int, prot: int, flags: int, fd: int = -1, offset: int = 0) -> int:
            return -12

    libc = Ptmalloc(Full(room=0))
    assert libc.malloc(100) == 0
    assert libc.why.startswith("ENOMEM")
    assert libc.malloc(1 << 63) == 0


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (lambda block: [block + 8], "free(): invalid pointer"),
        (lambda block: [block, block], "free(): double free detected in tcache 2"),
        (lambda _: [0x1000], "free(): invalid pointer"),
    ],
)
def test_what_glibc_aborts_on(libc: Ptmalloc, blocks, message: str):
    *before, last = blocks(libc.malloc(100))
    for pointer in before:
        libc.free(pointer)
    with pytest.raises(HeapCorruption) as caught:
        libc.free(last)
    assert str(caught.value) == message


def test_the_first_malloc_writes_one_page(kernel: Kernel):
    accessed: list[tuple[int, int, bool]] = []
    Ptmalloc(kernel, lambda *access: accessed.append(access)).malloc(1)
    assert accessed == [(HEAP, 4096, True)]


def test_freeing_null_does_nothing(kernel: Kernel, libc: Ptmalloc):
    libc.free(0)
    assert kernel.calls == []


def test_a_view_of_the_heap_shows_each_chunk_once(kernel: Kernel, libc: Ptmalloc):
    used, cached, freed, _ = libc.malloc(100), libc.malloc(200), libc.malloc(3000), libc.malloc(10)
    fast = [libc.malloc(24) for _ in range(8)]
    mapped = libc.malloc(500_000)
    for block in (cached, freed, *fast):
        libc.free(block)
    view = libc.heap_view()
    (arena,) = view.arenas
    assert arena.regions == (Range(HEAP, kernel.break_),)
    assert sum(chunk.size for chunk in arena.chunks) == arena.system_mem == kernel.break_ - HEAP
    states = {chunk.user: chunk.state for chunk in arena.chunks}
    assert (states[used], states[cached], states[freed]) == (ChunkState.USED, ChunkState.TCACHE, ChunkState.FREE)
    assert states[HEAP + 16] is ChunkState.TCACHE_STRUCT
    assert states[arena.top + 16] is ChunkState.TOP
    assert arena.bins == (
        HeapBin(BinKind.FAST, 32, (fast[7] - 16,)),
        HeapBin(BinKind.UNSORTED, 0, (freed - 16,), 1),
    )
    assert view.tcache == (
        HeapBin(BinKind.TCACHE, 32, tuple(block - 16 for block in fast[6::-1])),
        HeapBin(BinKind.TCACHE, 208, (cached - 16,)),
    )
    assert view.mmapped == (HeapChunk(mapped - 16, 503_808, ChunkState.MMAPPED),)
    assert view.thresholds == Thresholds(128 << 10, 128 << 10, 128 << 10, dynamic=True)


def test_a_heap_that_was_never_used_has_no_arena(libc: Ptmalloc):
    assert libc.heap_view().arenas == ()


def test_a_foreign_break_leaves_fenceposts(kernel: Kernel, libc: Ptmalloc):
    libc.malloc(1)
    assert libc.sbrk(100) == HEAP + 0x21000
    block = libc.malloc(200_000 - (128 << 10)) and libc.malloc(120_000)
    assert block > HEAP + 0x21000
    assert "somebody else moved the break" in libc.why
    (arena,) = libc.heap_view().arenas
    posts = [chunk for chunk in arena.chunks if chunk.state is ChunkState.FENCEPOST]
    assert [post.end for post in posts] == [HEAP + 0x21000 - 16, HEAP + 0x21000]
    assert len(arena.regions) == 2
    assert kernel.break_ % 4096 == 0


def test_brk_called_by_the_program_is_remembered(kernel: Kernel, libc: Ptmalloc):
    libc.malloc(1)
    libc.brk_moved(kernel.brk(HEAP + 0x30000))
    assert libc.sbrk(0) == HEAP + 0x30000


def test_the_break_taken_from_under_the_heap(kernel: Kernel, libc: Ptmalloc):
    libc.malloc(1)
    libc.sbrk(-0x1000)
    libc.malloc(100_000)
    with pytest.raises(HeapCorruption, match="break adjusted to free malloc space"):
        libc.malloc(100_000)


def test_top_of_exactly_32_bytes_makes_trim_grow_the_heap(kernel: Kernel, libc: Ptmalloc):
    libc.malloc(1)
    libc.malloc(libc.heap_view().arenas[0].top_size - 32 - 8)
    assert libc.heap_view().arenas[0].top_size == 32
    assert libc.malloc_trim(0) == 1
    assert kernel.break_ == HEAP + 0x22000


def test_trim_drops_the_pages_inside_free_chunks(kernel: Kernel, libc: Ptmalloc):
    block, _ = libc.malloc(20_000), libc.malloc(10)
    libc.free(block)
    kernel.calls.clear()
    libc.malloc_trim(1 << 20)
    assert kernel.calls == ["madvise(16384, 4)"]


@pytest.mark.parametrize(
    ("tunables", "calls"),
    [
        (Tunables(top_pad=0), "brk(0x1000)"),
        (Tunables(top_pad=1 << 20), "brk(0x101000)"),
    ],
)
def test_top_pad_decides_how_far_the_break_moves(kernel: Kernel, tunables: Tunables, calls: str):
    Ptmalloc(kernel, tunables=tunables).malloc(1)
    assert kernel.calls[-1] == calls


def test_a_threshold_that_was_set_stays(libc: Ptmalloc):
    assert libc.mallopt(-3, 150_000) == 1
    libc.free(libc.malloc(200_000))
    thresholds = libc.heap_view().thresholds
    assert (thresholds.mmap_threshold, thresholds.dynamic) == (150_000, False)


def test_mallopt_refuses_what_fastbins_cannot_hold(libc: Ptmalloc):
    assert [libc.mallopt(1, value) for value in (160, 161, -1)] == [1, 0, 0]
    assert libc.mallopt(99, 5) == 1


def test_no_mapping_when_none_may_be(kernel: Kernel, libc: Ptmalloc):
    libc.mallopt(-4, 0)
    libc.malloc(1 << 20)
    assert not any(call.startswith("mmap") for call in kernel.calls)


@pytest.mark.parametrize(
    ("alignment", "size", "error"), [(24, 8, 22), (0, 8, 22), (4, 8, 22), (16, 1 << 63, 12), (64, 8, 0)]
)
def test_posix_memalign(libc: Ptmalloc, alignment: int, size: int, error: int):
    given, pointer = libc.posix_memalign(alignment, size)
    assert given == error
    assert bool(pointer) == (error == 0)


def test_the_quirk_of_pvalloc(libc: Ptmalloc):
    """Its mask keeps the lowest bit."""
    assert libc.malloc_usable_size(libc.pvalloc(2)) == 4104
    assert libc.malloc_usable_size(libc.pvalloc(0)) == 24


def test_a_refused_mremap_copies(kernel: Kernel):
    class Refusing(Kernel):
        def mremap(self, addr: int, old_len: int, new_len: int, flags: int, new_addr: int = 0) -> int:
            return -12

    kernel = Refusing()
    libc = Ptmalloc(kernel)
    block = libc.malloc(1 << 20)
    moved = libc.realloc(block, 2 << 20)
    assert moved not in (0, block)
    assert kernel.calls[-2:] == [f"mmap({(2 << 20) + 4096})", f"munmap({(1 << 20) + 4096})"]
    # A mapping that realloc gives up moves no threshold.
    assert libc.heap_view().thresholds.mmap_threshold == 128 << 10


def test_a_large_calloc_from_new_memory_clears_only_what_top_held(kernel: Kernel):
    written: set[int] = set()
    libc = Ptmalloc(
        kernel, lambda address, length, write: written.update(range(address >> 12, (address + length) >> 12))
    )
    libc.malloc(1)
    libc.mallopt(-4, 0)
    written.clear()
    block = libc.calloc(1, 1 << 20)
    assert (block + 0x21000) >> 12 not in written
    assert (block + 0x10000) >> 12 in written


def test_a_copy_of_the_allocator_goes_its_own_way(kernel: Kernel, libc: Ptmalloc):
    """What fork needs: the child's allocator has the same state."""
    block = libc.malloc(100)
    child = copy.deepcopy(libc)
    libc.free(block)
    assert libc.malloc(100) == block
    assert child.malloc(100) == block + 112


@pytest.mark.parametrize(("size", "asked"), [(1 << 40, ["mmap", "brk", "mmap"]), ((1 << 63) - 1, ["mmap", "mmap"])])
def test_what_nobody_can_have_is_asked_for_as_libc_does(size: int, asked: list[str]):
    """A size that is negative as C's long is never asked of brk."""

    class Full(Kernel):
        def mmap(self, addr: int, length: int, prot: int, flags: int, fd: int = -1, offset: int = 0) -> int:
            self.calls.append("mmap()")
            return -12

    kernel = Full()
    libc = Ptmalloc(kernel)
    libc.malloc(1)
    kernel.calls.clear()
    assert libc.malloc(size) == 0
    assert [call.partition("(")[0] for call in kernel.calls] == asked


@pytest.mark.parametrize(
    ("environ", "tunables"),
    [
        ({}, Tunables()),
        ({"MALLOC_TOP_PAD_": "0x1000"}, Tunables(top_pad=4096)),
        ({"MALLOC_TOP_PAD_": " 010 pages"}, Tunables(top_pad=8)),
        ({"MALLOC_TOP_PAD_": "much"}, Tunables(top_pad=0)),
        ({"MALLOC_TRIM_THRESHOLD_": "-1"}, Tunables(trim_threshold=(1 << 64) - 1)),
        ({"MALLOC_PERTURB_": "256", "MALLOC_ARENA_MAX": "0"}, Tunables()),
        ({"GLIBC_TUNABLES": "glibc.malloc.mxfast=0x20::junk:glibc.rtld.nns=1"}, Tunables(mxfast=32)),
        ({"GLIBC_TUNABLES": "glibc.malloc.top_pad=1", "MALLOC_TOP_PAD_": "2"}, Tunables(top_pad=1)),
        ({"MALLOC_TOP_PAD_": "2", "GLIBC_TUNABLES": "glibc.malloc.top_pad=1"}, Tunables(top_pad=1)),
    ],
    ids=str,
)
def test_knobs_in_the_environment(environ: dict[str, str], tunables: Tunables):
    assert from_environ(environ) == tunables
