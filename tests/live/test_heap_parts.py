"""The parts of the live heap reader that need no process: layouts, walks over made-up memory, symbols, allocators."""

import ctypes
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Mapping
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE
from pathlib import Path

import pytest

from memtui.live.heap_allocators import identify
from memtui.live.heap_layout import LAYOUTS, layout_of, version_in
from memtui.live.heap_mapped import mapped_chunks
from memtui.live.heap_memory import ProcessMemory, TornError
from memtui.live.heap_symbols import ElfFile, opened_elf
from memtui.live.heap_threads import Thread, pointers
from memtui.live.heap_walk import RegionWalk, beginnings
from memtui.live.procfs import Procfs
from memtui.model.address import PAGE_SIZE, Range
from memtui.model.vma import Vma, VmaKind

BASE = 0x10000
MAP_FIXED = 0x10


class FakeMemory(ProcessMemory):
    """Bytes at an address."""

    def __init__(self, data: bytes, base: int = BASE) -> None:
        super().__init__(1, None, None)
        self.data, self.base = data, base

    def _some(self, buffer: "memoryview[int]", address: int) -> int:
        at = address - self.base
        piece = self.data[at : at + len(buffer)] if at >= 0 else b""
        if not piece:
            raise OSError(5, "not mapped")
        buffer[: len(piece)] = piece
        return len(piece)


def chunks(*heads: tuple[int, int]) -> bytes:
    """Chunks of (prev_size, size field), zeros within, one after the other."""
    return b"".join(struct.pack("<QQ", *head) + bytes(max((head[1] & ~7) - 16, 0)) for head in heads)


def walked(data: bytes, top: int) -> RegionWalk:
    walk = RegionWalk(BASE, BASE + top, BASE + len(data))
    for _ in walk.follow(FakeMemory(data)):
        pass
    return walk


def test_a_chain_is_followed_to_top():
    data = chunks((0, 0x21), (0, 0x51), (0x50, 0x30), (0, 0x1001))
    walk = walked(data, 0xA0)
    assert (walk.problem, walk.end) == ("", BASE + 0xA0)
    assert list(walk.words) == [0x21, 0x51, 0x30]
    # The third says that the second is free.
    assert list(walk.free) == [1]


def test_fenceposts_end_a_region():
    for last in (0x11, 0x01):
        data = chunks((0, 0x41), (0, 0x11)) + struct.pack("<QQ", 0, last) + bytes(64)
        walk = walked(data, len(data) - 16)
        assert (walk.problem, walk.fenceposts, walk.end) == ("", 2, BASE + 0x60)


@pytest.mark.parametrize(
    ("heads", "problem"),
    [
        (((0, 0x21), (0, 0x3)), "size field"),
        (((0, 0x21), (0, 0x19)), "size field"),
        (((0, 0x21), (0x40, 0x50)), "prev_size"),
        (((0, 0x21), (0, 0x10001)), "beyond top"),
    ],
)
def test_what_is_torn_stops_the_walk(heads: tuple[tuple[int, int], ...], problem: str):
    data = chunks(*heads)[:0x200].ljust(0x200, b"\0")
    walk = walked(data, 0x1E0)
    assert walk.problem
    assert problem in walk.problem
    assert walk.end <= BASE + 0x10000 + 0x20


def test_the_beginning_of_a_later_region_is_found():
    junk = bytes(range(1, 200)) * 3
    junk += bytes(-len(junk) % 16)
    data = junk + chunks((0, 0x31), (0, 0x41), (0, 0x21)) + struct.pack("<QQ", 0, 0x1001)
    found = next(beginnings(FakeMemory(data), BASE, BASE + len(data), BASE + len(data) - 16))
    assert found == BASE + len(junk)


def test_mapped_chunks_are_recognised_wherever_memalign_put_them():
    plain = struct.pack("<QQ", 0, 0x2002).ljust(0x2000, b"\0")
    lead = 2032
    moved = struct.pack("<QQ", 0, 0x3002).ljust(lead, b"\0") + struct.pack("<QQ", lead, 0x3000 - lead | 2)
    moved = moved.ljust(0x3000, b"\0")
    far = bytes(8176) + struct.pack("<QQ", 8176, 0x4000 - 8176 | 2)
    far = far.ljust(0x4000, b"\0")
    other = b"\xee" * 4096
    data = plain + other + moved + far
    vma = Vma(BASE, BASE + len(data), "rw-p", 0, (0, 0), 0, "", VmaKind.ANON)
    found = mapped_chunks(FakeMemory(data), [vma], [], 3, 0x9000)
    assert [(chunk.address - BASE, chunk.size) for chunk in found] == [
        (0, 0x2000),
        (0x3000 + lead, 0x3000 - lead),
        (0x6000 + 8176, 0x4000 - 8176),
    ]
    # What is known to be something else is left out.
    kept = mapped_chunks(FakeMemory(data), [vma], [Range(BASE, BASE + 0x3000)], 3, 0x9000)
    assert len(kept) == 2


def test_reads_fail_in_words():
    memory = FakeMemory(bytes(32))
    assert memory.read(BASE, 32) == bytes(32)
    with pytest.raises(TornError, match="is not mapped"):
        memory.read(BASE + 16, 32)


@pytest.mark.parametrize(
    ("version", "top", "size", "tcache"),
    [
        # offsetof(struct malloc_state, top), sizeof(struct malloc_state), the chunk of tcache_perthread_struct
        ((2, 26), 0x58, 2192, 0x250),
        ((2, 28), 0x60, 2200, 0x250),
        ((2, 31), 0x60, 2200, 0x290),
        ((2, 36), 0x60, 2200, 0x290),
        ((2, 41), 0x60, 2200, 0x290),
        ((2, 42), 0x60, 2200, 0x300),
    ],
)
def test_layouts(version: tuple[int, int], top: int, size: int, tcache: int):
    layout = layout_of(version)
    assert layout is not None
    assert (layout.top, layout.size, layout.tcache_chunk) == (top, size, tcache)
    assert layout.safe_linking == (version >= (2, 32))


def test_versions_that_are_not_known_have_no_layout():
    assert layout_of((2, 25)) is layout_of((2, 45)) is layout_of((3, 0)) is None
    assert [layout.since for layout in LAYOUTS] == sorted(layout.since for layout in LAYOUTS)
    assert version_in(b"x GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n") == (2, 36)
    assert version_in(b"musl libc") is None


def test_links_are_decoded():
    layout = layout_of((2, 36))
    assert layout is not None
    at, to = 0x5555_5555_92A0, 0x5555_5555_9300
    assert layout.follow(to ^ (at >> 12), at) == to


def test_symbols_are_those_of_nm():
    nm = shutil.which("nm")
    library = next(
        (line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libc.so.6" in line), ""
    )
    if nm is None or not library:
        pytest.skip("no nm, or another libc")
    listed = {}
    for line in subprocess.run([nm, "-D", library], stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines():
        fields = line.split()
        if len(fields) == 3 and "@@" in fields[2]:
            listed[fields[2].partition("@@")[0]] = int(fields[0], 16)
    names = ("malloc", "free", "mallinfo2", "no_such_symbol")
    with opened_elf(library) as elf:
        assert elf is not None
        assert elf.symbols(names) == {name: listed[name] for name in names[:3]}
        assert elf.names(("malloc", "no_such_symbol")) == {"malloc"}


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"\x7fELF\x02" + b"\xff" * 100, b"#!/bin/sh"])
def test_what_is_no_elf_file_has_no_symbols(data: bytes):
    elf = ElfFile(data)
    assert (elf.build_id, dict(elf.symbols(("malloc",)))) == (None, {})


def file_vma(number: int, path: str) -> Vma:
    return Vma(number << 20, (number << 20) + 4096, "r-xp", 0, (8, 1), number, path, VmaKind.FILE)


ALLOCATORS: Mapping[str, tuple[str, ...]] = {
    "ptmalloc (glibc)": ("/bin/x", "/lib/libc.so.6"),
    "jemalloc": ("/bin/x", "/lib/libjemalloc.so.2", "/lib/libc.so.6"),
    "tcmalloc": ("/bin/x", "/lib/libtcmalloc_minimal.so.4", "/lib/libc.so.6"),
    "mimalloc": ("/bin/x", "/lib/libmimalloc.so.2.0", "/lib/libc.so.6"),
    "musl's malloc": ("/bin/x", "/lib/ld-musl-x86_64.so.1"),
    "unknown": ("/bin/x",),
}


@pytest.mark.parametrize("name", ALLOCATORS)
def test_allocators_by_their_libraries(name: str, tmp_path: Path):
    vmas = [file_vma(number, path) for number, path in enumerate(ALLOCATORS[name], 1)]
    found = identify(Procfs(str(tmp_path)), "1", vmas)
    assert found.name == name
    assert found.is_glibc == (name in ("ptmalloc (glibc)", "unknown"))


def test_runtimes_are_named(tmp_path: Path):
    vmas = [file_vma(1, "/bin/java"), file_vma(2, "/lib/libjvm.so"), file_vma(3, "/lib/libc.so.6")]
    found = identify(Procfs(str(tmp_path)), "1", vmas)
    assert found.runtimes == ("the JVM's heap (libjvm.so)",)
    assert found.in_words == "ptmalloc (glibc) (libc.so.6)"


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc is installed")
def test_an_allocator_in_the_program_is_told_by_its_symbols(tmp_path: Path):
    (tmp_path / "x.c").write_text("void mallocx(void) {} int main(void) { return 0; }")
    subprocess.run(["gcc", "-o", str(tmp_path / "x"), str(tmp_path / "x.c")], check=True)
    (tmp_path / "proc/1").mkdir(parents=True)
    (tmp_path / "proc/1/exe").symlink_to(tmp_path / "x")
    found = identify(Procfs(str(tmp_path / "proc")), "1", [file_vma(1, "/x"), file_vma(2, "/lib/libc.so.6")])
    assert found.in_words == "jemalloc (mallocx in x)"


def test_the_version_of_python_is_told():
    with open("/proc/self/maps", encoding="utf-8") as stream:
        assert "python" in stream.read() or sys.executable
    found = identify(Procfs(), "self", [file_vma(1, "/usr/bin/python3.11"), file_vma(2, "/lib/libc.so.6")])
    assert found.python == (3, 11)


def test_what_lies_below_a_control_block_is_read_only_where_it_is_there():
    """Here shared memory whose pages nobody has made yet: to read it would make them."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype, libc.mmap.argtypes = ctypes.c_void_p, [ctypes.c_void_p, *[ctypes.c_long] * 5]
    shared = os.memfd_create("below")
    os.ftruncate(shared, 16 * PAGE_SIZE)
    start = libc.mmap(None, 17 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    assert libc.mmap(start, 16 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, shared, 0) == start
    block = start + 16 * PAGE_SIZE + 64
    ctypes.c_uint64.from_address(block - 8).value = 0x1234
    with ProcessMemory.opened(Procfs(), str(os.getpid())) as memory:
        assert pointers(memory, [Thread(1, block)], {0x1234}, lambda word: 1) == {1: 0x1234}
    assert os.fstat(shared).st_blocks == 0
    libc.munmap(ctypes.c_void_p(start), 17 * PAGE_SIZE)
    os.close(shared)
