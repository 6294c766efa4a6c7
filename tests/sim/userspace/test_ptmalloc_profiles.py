"""Each difference between the versions of glibc, by itself."""

import pytest

from memtui.sim.userspace.ptmalloc import PROFILES, Ptmalloc, Tunables, profile_of
from tests.sim.userspace.plain_kernel import HEAP, TOP, PlainKernel

MIB = 1 << 20


class Libc(Ptmalloc):
    """Of a version, above a kernel of its own."""

    def __init__(self, version: str, tunables: Tunables | None = None) -> None:
        self.kernel = PlainKernel()
        super().__init__(self.kernel, tunables=tunables or Tunables(), profile=PROFILES[version])


def test_a_version_has_the_profile_of_the_newest_before_it():
    assert [profile_of(version).version for version in ("2.19", "2.28", "2.31", "2.36", "2.39", "2.44")] == [
        "2.23",
        "2.23",
        "2.31",
        "2.36",
        "2.36",
        "2.43",
    ]


@pytest.mark.parametrize(
    ("version", "first", "later"),
    [("2.23", 0x10, 0x10), ("2.31", 0x2A0, 0x2A0), ("2.36", 0x2A0, 0x2A0), ("2.42", 0x310, 0x10), ("2.43", 0x10, 0x10)],
)
def test_where_the_first_block_lies_tells_the_tcache(version: str, first: int, later: int):
    """`later` is of a first request that the tcache could not serve: since 2.42 that does not make it."""
    assert Libc(version).malloc(100) == HEAP + first
    assert Libc(version).malloc(5000) == HEAP + later


@pytest.mark.parametrize(
    ("version", "start"), [("2.23", 0x8C0), ("2.31", 0xB60), ("2.36", 0xB70), ("2.42", 0xBE0), ("2.43", 0x880)]
)
def test_where_a_threads_first_block_lies(version: str, start: int):
    libc = Libc(version)
    libc.malloc(1)
    libc.thread_start(1)
    libc.run_as(1)
    assert libc.malloc(100) == TOP - 128 * MIB + start
    noreserve = any("noreserve" in call for call in libc.kernel.calls)
    assert noreserve == (version in ("2.23", "2.31", "2.36"))


@pytest.mark.parametrize(("version", "drawn"), [("2.31", False), ("2.36", True), ("2.41", True), ("2.42", False)])
def test_the_key_of_the_tcache(version: str, drawn: bool):
    libc = Libc(version)
    libc.malloc(1)
    assert ("getrandom(8)" in libc.kernel.calls) is drawn


@pytest.mark.parametrize(("version", "reused"), [("2.36", False), ("2.41", True), ("2.42", True)])
def test_calloc_and_memalign_from_the_tcache(version: str, reused: bool):
    libc = Libc(version)
    block = libc.malloc(100)
    libc.free(block)
    assert (libc.calloc(1, 100) == block) is reused
    # Cached again, at an alignment of 32 that it happens to have.
    aligned = next(place for place in (libc.malloc(200) for _ in range(4)) if place % 32 == 0)
    libc.free(aligned)
    assert (libc.memalign(32, 200) == aligned) is reused


@pytest.mark.parametrize(("version", "cached"), [("2.36", True), ("2.41", True), ("2.42", False), ("2.43", True)])
def test_the_largest_size_of_the_tcache(version: str, cached: bool):
    libc = Libc(version)
    block, _ = libc.malloc(1032), libc.malloc(1032)
    libc.malloc(20)
    libc.free(block)
    assert ("into the tcache" in libc.why) is cached


@pytest.mark.parametrize(("version", "most"), [("2.23", 0), ("2.31", 7), ("2.42", 7), ("2.43", 16)])
def test_how_many_the_tcache_takes(version: str, most: int):
    libc = Libc(version)
    blocks = [libc.malloc(200) for _ in range(20)]
    whys = []
    for block in blocks:
        libc.free(block)
        whys.append(libc.why.partition("; then: ")[2] or libc.why)
    assert sum(why.startswith("into the tcache") for why in whys) == most


@pytest.mark.parametrize(("version", "bin_"), [("2.36", "the unsorted bin"), ("2.41", "its small bin")])
def test_where_a_small_free_chunk_goes(version: str, bin_: str):
    libc = Libc(version, Tunables(tcache_count=0))
    block, _ = libc.malloc(500), libc.malloc(20)
    libc.free(block)
    assert libc.why.startswith(f"into {bin_}: 512 bytes")


@pytest.mark.parametrize(("version", "bin_"), [("2.42", "fastbin of 32"), ("2.43", "its small bin")])
def test_fastbins_until_2_42(version: str, bin_: str):
    libc = Libc(version, Tunables(tcache_count=0))
    block, _ = libc.malloc(20), libc.malloc(20)
    libc.free(block)
    assert bin_ in libc.why


@pytest.mark.parametrize(("version", "cached"), [("2.36", True), ("2.41", True), ("2.42", False)])
def test_what_realloc_leaves_over(version: str, cached: bool):
    libc = Libc(version)
    block, _ = libc.malloc(500), libc.malloc(20)
    rest = libc.realloc(block, 300) + 320
    assert libc.malloc(184) == rest
    assert libc.why.startswith("tcache hit") is cached


def test_what_lies_before_an_aligned_block_is_merged_since_2_39():
    """The tail of an aligned block that ends at top belongs to top again; before it went into the tcache."""
    for version, tail in (("2.36", False), ("2.41", True), ("2.43", True)):
        libc = Libc(version)
        libc.malloc(20)
        block = libc.memalign(256, 100)
        assert (libc.malloc(2000) == block + 112) is tail, version


@pytest.mark.parametrize(("version", "kept"), [("2.36", False), ("2.41", True), ("2.42", True), ("2.43", False)])
def test_realloc_leaves_a_mapping_alone_since_2_38(version: str, kept: bool):
    libc = Libc(version)
    block = libc.malloc(200_000)
    libc.realloc(block, 197_500)
    assert libc.why.startswith("the block stays as it is") is kept


@pytest.mark.parametrize(("version", "length"), [("2.31", 0x115000), ("2.36", 0x200000), ("2.41", 0x115000)])
def test_what_is_mapped_when_brk_is_refused(version: str, length: int):
    """2.35 to 2.37 round up to whole MiB; the others to pages, and ask for a MiB at least."""
    libc = Libc(version, Tunables(mmap_max=0))
    libc.malloc(1)
    libc.kernel.most = libc.kernel.break_
    libc.malloc(1_000_000)
    assert libc.kernel.take()[-1] == f"mmap({length:#x}, 3)"


@pytest.mark.parametrize(("version", "head"), [("2.42", 16), ("2.43", 24)])
def test_what_of_a_mapping_can_be_used(version: str, head: int):
    libc = Libc(version)
    assert libc.malloc_usable_size(libc.malloc(200_000)) == 0x31000 - head


def test_aligned_alloc_refuses_what_is_no_power_of_two_since_2_38():
    assert Libc("2.36").aligned_alloc(48, 100)
    assert not Libc("2.41").aligned_alloc(48, 100)


def test_a_program_without_threads_stays_in_the_main_arena_since_2_27():
    for version, arenas in (("2.23", 2), ("2.36", 1)):
        libc = Libc(version)
        libc.malloc(1)
        libc.kernel.most, libc.kernel.largest = libc.kernel.break_, 128 * MIB
        assert libc.malloc(1 << 40) == 0
        assert len(libc.heap_view().arenas) == arenas, version


def test_a_first_calloc_is_a_malloc_until_2_33():
    """It clears what was asked for, though it is a fresh mapping."""
    for version, written in (("2.31", True), ("2.36", False)):
        touched: list[int] = []
        kernel = PlainKernel()
        libc = Ptmalloc(
            kernel, lambda _, length, write, to=touched: to.append(length * write), profile=PROFILES[version]
        )
        libc.calloc(1, MIB)
        assert (MIB in touched) is written, version


def test_lists_of_ranges_since_2_42():
    """Once tcache_max is raised; they give the smallest that is large enough, since 2.43 only an exact fit."""
    for version, fits in (("2.42", True), ("2.43", False)):
        libc = Libc(version, Tunables(tcache_max=10_000))
        libc.free(libc.malloc(20))
        small, large, _ = libc.malloc(3000), libc.malloc(3500), libc.malloc(20)
        libc.free(large)
        libc.free(small)
        assert (libc.malloc(3200) == large) is fits, version
        assert libc.malloc(3000) == small, version
