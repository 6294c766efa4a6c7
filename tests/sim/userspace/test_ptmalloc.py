"""Golden calls of glibc 2.36, on a kernel that gives what it is asked for."""

import pytest

from memtui.sim.userspace.ptmalloc import HeapCorruption, Ptmalloc

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
