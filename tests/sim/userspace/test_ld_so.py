"""The dynamic linker on the recorded machine, and its parts."""

import struct
from collections.abc import Callable

import pytest

from memtui.model.elf import ElfImage, Tls
from memtui.model.elf_dynamic import Dynamic
from memtui.model.event import EventKind
from memtui.model.request import Back, Inject, Seek, Step
from memtui.model.snapshot import Snapshot
from memtui.scenarios.host import ScenarioHost
from memtui.scenarios.linked import ld_so_cache
from memtui.sim.source import SimSource
from memtui.sim.userspace.ld_so.cache import EXTENSION, Cache
from memtui.sim.userspace.ld_so.deps import sort_maps
from memtui.sim.userspace.ld_so.hwcaps import active_levels, hwcaps
from memtui.sim.userspace.ld_so.link_map import LinkMap
from memtui.sim.userspace.ld_so.minimal_malloc import MinimalMalloc
from memtui.sim.userspace.ld_so.tls import static_offset
from memtui.trace.parser import parse

START = 'execve("/demo/linked", ["linked"], 0)\n'
ENDING = 1 << 62
STEPS = 29
V3 = ScenarioHost().machine().cpu_flags


@pytest.fixture
def simulate() -> Callable[[str], SimSource]:
    return lambda text: SimSource(parse(text, "test.trace"), ScenarioHost(), "test")


@pytest.fixture
def end(simulate: Callable[[str], SimSource]) -> Callable[[str], Snapshot]:
    def run(text: str) -> Snapshot:
        source = simulate(text)
        snapshot = source.apply(Seek(ENDING))
        source._machine.check()
        return snapshot

    return run


def texts(snapshot: Snapshot) -> list[str]:
    assert snapshot.steps is not None
    return [step.text for step in snapshot.steps.steps]


def test_its_calls_are_steps_behind_execve(end):
    snapshot = end(START)
    steps = snapshot.steps.steps
    assert [step.number for step in steps] == list(range(1, STEPS + 1))
    assert [step.made for step in steps] == [False] + [True] * (STEPS - 1)
    assert all(step.done and not step.line for step in steps[1:])
    assert snapshot.steps.without_effect == snapshot.steps.divergences == 0
    assert [text.split("(")[0] for text in texts(snapshot)[1:4]] == ["brk", "mmap", "access"]
    assert texts(snapshot)[-1] == "munmap(0x7ffff7fb7000, 34547)           = 0"


def test_the_addresses_are_those_of_a_real_program(end):
    named = [(vma.start, vma.end, vma.perms) for vma in end(START).mm.vmas if vma.name.endswith("libc.so.6")]
    assert named == [
        (0x7FFFF7DD5000, 0x7FFFF7DFB000, "r--p"),
        (0x7FFFF7DFB000, 0x7FFFF7F51000, "r-xp"),
        (0x7FFFF7F51000, 0x7FFFF7FA4000, "r--p"),
        (0x7FFFF7FA4000, 0x7FFFF7FA8000, "r--p"),
        (0x7FFFF7FA8000, 0x7FFFF7FAA000, "rw-p"),
    ]


def test_what_each_part_is_for_is_told(end):
    narration = [step.narration for step in end(START).steps.steps if step.narration]
    assert narration[0].startswith("The kernel has started the dynamic linker")
    assert any(text.startswith("linked asks for libc.so.6.") for text in narration)


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("p = malloc(100)\n", True),
        ("touch(0x7ffffffdf000, 4096, READ)\n", True),
        ("echo 1 > /proc/sys/vm/overcommit_memory\n", True),
        ("brk(NULL)\n", False),
        ("getpid() = 7\n", False),
        ("echo 1 > /proc/sys/vm/overcommit_memory\nbrk(NULL)\n", False),
    ],
)
def test_a_trace_that_goes_on_with_a_system_call_tells_them_itself(end, line: str, made: bool):
    assert any(step.made for step in end(START + line).steps.steps) == made


def test_lines_of_another_process_do_not_count(end):
    logged = end(f"[pid 1] {START}[pid 2] brk(NULL)\n")
    assert sum(step.made for step in logged.steps.steps) == STEPS - 1
    assert {step.pid for step in logged.steps.steps if step.made} == {1}


def test_at_a_step_number_counts_made_steps(simulate):
    source = simulate(START + "p = malloc(100)\n")
    assert source.apply(Seek(13)).steps.steps[12].text.endswith("= 784")
    assert source.apply(Seek(STEPS)).steps.cursor == STEPS
    assert texts(source.apply(Seek(ENDING)))[-1].startswith("malloc")


def test_stepping_back_and_forth_gives_the_same(simulate, end):
    text = START + "p = malloc(100)\nexit_group(0)\n"
    whole = texts(end(text))
    source = simulate(text)
    for _ in range(10):
        source.apply(Step(3))
    source.apply(Back(25))
    source.apply(Seek(0))
    assert texts(source.apply(Seek(ENDING))) == whole
    assert len(whole) == STEPS + 2


def test_a_line_injected_before_execve_is_heeded(simulate):
    source = simulate(START)
    source.apply(Seek(ENDING))
    source.apply(Seek(0))
    source.apply(Inject("setrlimit(RLIMIT_STACK, {rlim_cur=268435456, rlim_max=RLIM64_INFINITY})"))
    lines = texts(source.apply(Seek(ENDING)))
    assert len(lines) == STEPS + 1
    assert lines[3].endswith("= 0x7fffefec0000")


def test_a_line_injected_in_between_leaves_the_rest(simulate):
    source = simulate(START)
    source.apply(Seek(5))
    source.apply(Inject("getpid() = 7"))
    lines = texts(source.apply(Seek(ENDING)))
    assert len(lines) == STEPS + 1
    assert lines[5] == "getpid() = 7"


def test_execve_from_the_prompt_is_followed_too(simulate):
    source = simulate("brk(NULL)\n")
    source.apply(Seek(1))
    source.apply(Inject('execve("/demo/linked", ["linked"], 0)'))
    assert len(texts(source.apply(Seek(ENDING)))) == STEPS + 1


@pytest.mark.parametrize("variable", ["LD_AUDIT=x", "LD_DEBUG=libs", "LD_PROFILE=x", "LD_HWCAP_MASK=0"])
def test_what_is_not_simulated_is_said(end, variable: str):
    snapshot = end(f'execve("/demo/linked", ["linked"], ["{variable}"])\n')
    assert [event.kind for event in snapshot.steps.steps[0].events] == [EventKind.NOTE]
    assert variable.split("=")[0] in snapshot.steps.steps[0].events[0].text


def test_a_missing_library_ends_the_process(end):
    snapshot = end('execve("/demo/linked", ["linked"], ["LD_PRELOAD=libnowhere.so"])\n')
    assert any("libnowhere.so" in text and text.startswith("writev") for text in texts(snapshot))
    assert snapshot.mm is not None


class Mappings:
    """Gives memory downwards from the top."""

    def __init__(self) -> None:
        self.top = 0x7000_0000
        self.lengths: list[int] = []

    def mmap(self, addr: int, length: int, prot: int, flags: int, fd: int = -1, offset: int = 0) -> int:
        self.top -= length
        self.lengths.append(length)
        return self.top


def test_minimal_malloc_uses_up_the_bss_and_takes_a_page_more_than_it_needs():
    calls = Mappings()
    malloc = MinimalMalloc(calls, 0x1F80)
    assert malloc.malloc(0x10) == 0x1F80
    assert malloc.malloc(0x70) == 0x7000_0000 - 0x2000
    assert calls.lengths == [0x2000]
    assert malloc.malloc(5000) == 0x7000_0000 - 0x2000 + 0x70
    last = malloc.malloc(16)
    malloc.free(last)
    assert malloc.malloc(16) == last
    assert malloc.malloc(0x3000) == 0x7000_0000 - 0x2000 - 0x4000


@pytest.mark.parametrize(
    ("gone", "levels"),
    [
        ("", ("x86-64-v3", "x86-64-v2")),
        ("avx2", ("x86-64-v2",)),
        ("popcnt", ()),
        ("sse2", ()),
    ],
)
def test_levels_end_where_the_cpu_ends(gone: str, levels: tuple[str, ...]):
    assert active_levels(V3 - {gone}) == levels


def test_subfolders_in_the_order_of_the_search():
    caps = hwcaps("GenuineIntel", V3, legacy=True)
    assert caps.platform == "haswell"
    assert caps.subfolders == (
        *("glibc-hwcaps/x86-64-v3/", "glibc-hwcaps/x86-64-v2/", "tls/haswell/x86_64/", "tls/haswell/", "tls/x86_64/"),
        *("tls/", "haswell/x86_64/", "haswell/", "x86_64/", ""),
    )
    assert hwcaps("AuthenticAMD", V3, legacy=True).platform == "x86_64"
    newer = hwcaps("GenuineIntel", V3, legacy=False)
    assert newer.subfolders == (*caps.subfolders[:2], "")
    assert newer.table == 94


def test_the_cache_is_searched_by_name_with_numbers_as_numbers():
    cache = Cache(ld_so_cache({"libm.so.6": "/lib/libm.so.6", "libz.so.10": "/lib/libz"}, 400), 0)
    assert cache.readable
    assert cache.find("libm.so.6", (), "", 2) == ("/lib/libm.so.6", False)
    assert cache.find("libz.so.010", (), "", 2)[0] == "/lib/libz"
    assert cache.find("libz.so.1", (), "", 2)[0] is None


def hwcaps_cache() -> bytes:
    """libm for x86-64-v3, for x86-64-v2, and for all."""
    strings = [b"libm.so.6", b"/v3", b"/v2", b"/all", b"x86-64-v2", b"x86-64-v3"]
    places, base = [], 48 + 3 * 24
    for text in strings:
        places.append(base)
        base += len(text) + 1
    entries = [(places[1], EXTENSION | 1), (places[2], EXTENSION), (places[3], 0)]
    at = (base + 3) & ~3
    body = b"".join(struct.pack("<iIIIQ", 0x303, places[0], value, 0, hwcap) for value, hwcap in entries)
    header = b"glibc-ld.so.cache1.1" + struct.pack("<IIII", 3, base - 48 - 72, 2, at)
    names = b"\0".join([*strings, b""])
    section = struct.pack("<II", 0xEAA42174, 1) + struct.pack("<IIII", 1, 0, at + 24, 8)
    return (header.ljust(48, b"\0") + body + names).ljust(at, b"\0") + section + struct.pack("<II", *places[4:])


def test_the_best_that_the_cpu_can_is_taken_from_the_cache():
    cache = Cache(hwcaps_cache(), 0)
    assert cache.levels == ("x86-64-v2", "x86-64-v3")
    assert cache.find("libm.so.6", ("x86-64-v3", "x86-64-v2"), "", 2) == ("/v3", True)
    assert cache.find("libm.so.6", ("x86-64-v2",), "", 2) == ("/v2", True)
    assert cache.find("libm.so.6", (), "", 2) == ("/all", True)


@pytest.mark.parametrize("data", [b"", b"glibc-ld.so.cache1.1", b"x" * 100, ld_so_cache({"a": "b"}, 0)[:60]])
def test_what_is_no_cache_is_told_apart(data: bytes):
    assert not Cache(data, 0).readable


@pytest.mark.parametrize(
    ("blocks", "offset", "align"),
    [
        ([], 0, 64),
        ([Tls(0, 0x90, 8)], 0x90, 64),
        ([Tls(0, 5, 1), Tls(0, 100, 4096)], 4096, 4096),
        ([Tls(0, 5, 1), Tls(0, 100, 4096), Tls(0, 16, 16)], 4096, 4096),
        ([Tls(0x10, 0x20, 0x20)], 0x30, 64),
    ],
)
def test_blocks_of_thread_local_storage(blocks: list[Tls], offset: int, align: int):
    assert static_offset(blocks) == (offset, align)


def test_dependencies_are_relocated_first():
    program, first, second, libc = (LinkMap(name, [name], ElfImage(name, 3, 0, ()), Dynamic()) for name in "pabc")
    first.needed, second.needed, libc.needed = [libc], [first, libc], []
    maps = [program, first, second, libc]
    assert [map_.name for map_ in sort_maps(maps, program)] == ["p", "b", "a", "c"]
    libc.needed = [first]
    assert sort_maps(maps, program)[0] is program
