"""A child tells where its symbols are; the screen's look-ups must say the same, of the live child and simulated."""

import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from memtui import elf_reader
from memtui.live.elf_files import LiveElf, own_vdso
from memtui.live.host import LiveHost
from memtui.live.source import LiveSource
from memtui.model.elf_objects import ObjectMap, Part, Place
from memtui.model.elf_order import libraries
from memtui.model.elf_source import ElfSource
from memtui.model.mm import MmSnapshot
from memtui.model.request import Refresh
from memtui.model.vma import Vma
from memtui.sim.elf_files import SimElf
from memtui.sim.export import Exporter
from memtui.sim.machine import Machine
from memtui.trace.parser import parse

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="x86-64 only"),
    pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed"),
]
SOURCE = Path(__file__).with_name("elf_child.c")
LIBRARY = "int from_library[5000]; int in_library_data[99] = {1}; int library_function(int x) { return x + 1; }"
LIBC_NAMES = ("malloc", "printf", "environ", "stdout", "qsort", "_IO_2_1_stdin_", "main_arena")
VARIANTS = {
    "pie": "-DWITH_LIBRARY",
    "no-pie": "-DWITH_LIBRARY -no-pie",
    "static": "-static",
    "static-pie": "-static-pie",
    "one-segment-less": "-DWITH_LIBRARY -Wl,-z,noseparate-code",
    "large-pages": "-DWITH_LIBRARY -Wl,-z,max-page-size=0x200000",
    "now": "-DWITH_LIBRARY -Wl,-z,now",
    "no-relro": "-DWITH_LIBRARY -Wl,-z,norelro",
    "stripped": "-DWITH_LIBRARY -rdynamic -s",
    "far": "-DWITH_LIBRARY -no-pie -Wl,-Ttext-segment=0x10000000",
}
PARTS = {
    "in_bss": Part.BSS,
    "small_bss": Part.BSS,
    "local_bss": Part.BSS,
    "in_data": Part.DATA,
    "local_data": Part.DATA,
    "in_rodata": Part.RODATA,
    "global_function": Part.TEXT,
    "local_function": Part.TEXT,
    "library_function": Part.TEXT,
    "malloc": Part.TEXT,
    "printf": Part.TEXT,
}


class Program(NamedTuple):
    path: Path
    library: Path


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Program]:
    folder = tmp_path_factory.mktemp("elf")
    (folder / "library.c").write_text(LIBRARY)
    library = folder / "libown.so"
    soname = "-Wl,-soname,libown.so.7"
    subprocess.run(["gcc", "-shared", "-fPIC", soname, "-o", library, folder / "library.c"], check=True)
    (folder / "libown.so.7").symlink_to(library)

    def built(options: str) -> Program:
        path = folder / re.sub(r"\W+", "_", options)
        with_library = [str(library), f"-Wl,-rpath,{folder}"] if "WITH_LIBRARY" in options else []
        command = ["gcc", "-O0", "-o", path, SOURCE, *with_library, *options.split()]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        return Program(path, library)

    return built


class Told(NamedTuple):
    """A running child and what it said."""

    pid: int
    addresses: dict[str, int]


@contextmanager
def running(program: Path, *names: str, aslr: bool = True) -> Iterator[Told]:
    wrapper = [] if aslr else ["setarch", "-R"]
    command = [*wrapper, str(program), *names]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={}) as child:
        assert child.stdout is not None
        lines = list(iter(child.stdout.readline, "end\n"))
        assert child.stdin is not None
        try:
            yield Told(child.pid, {name: int(value, 16) for name, value in map(str.split, lines) if int(value, 16)})
        finally:
            child.stdin.close()
            child.wait()


def vma_at(mm: MmSnapshot, address: int) -> Vma:
    return next(vma for vma in mm.vmas if vma.start <= address < vma.end)


def named(elf: ElfSource, mm: MmSnapshot, objects: ObjectMap, address: int) -> tuple[Place, str]:
    place = objects.place(vma_at(mm, address), address)
    assert place is not None, hex(address)
    symbol = elf.symbols(mm, place.object).nearest(place.vaddr, low=place.section.addr if place.section else 0)
    assert symbol is not None
    return place, symbol.name


def check(elf: ElfSource, mm: MmSnapshot, told: dict[str, int], *, stripped: bool = False) -> int:
    objects = elf.objects(mm)
    for text, address in told.items():
        name = re.sub(r"^&|\[\d+\]$", "", text)
        place, symbol = named(elf, mm, objects, address)
        if stripped and name.startswith("local_"):
            continue
        found = elf.symbols(mm, place.object).find(name)
        inside = text.endswith("]") and symbol.partition("@")[0] == name
        assert inside or (found is not None and found.value == place.vaddr), (text, symbol, place)
        if name in PARTS:
            assert place.part is PARTS[name], (text, place)
    return len(told)


def live_mm(pid: int) -> MmSnapshot:
    mm = LiveSource(pid, smaps=False).apply(Refresh()).mm
    assert mm is not None
    return mm


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_live_child_and_the_look_ups_agree(build: Callable[[str], Program], variant: str):
    program = build(VARIANTS[variant])
    with running(program.path, *LIBC_NAMES) as told:
        mm = live_mm(told.pid)
        elf = LiveElf(elf_reader)
        assert check(elf, mm, told.addresses, stripped=variant == "stripped") >= 13
        objects = elf.objects(mm)
        address = told.addresses["&in_relro[0]"]
        relro = objects.place(vma_at(mm, address), address)
        assert relro is not None
        assert relro.relro == (vma_at(mm, address).perms == "r--p") == (variant != "no-relro")
        if "WITH_LIBRARY" in VARIANTS[variant]:
            names = [one.name for one in objects.order]
            assert objects.order_from == "the dynamic linker's link_map"
            assert [name for name in names if name != "[vdso]"] == [
                program.path.name, "libown.so", "libc.so.6", "ld-linux-x86-64.so.2",
            ]  # fmt: skip
            by_name = {library.object.name: library for library in libraries(objects)}
            assert [one.name for one in by_name["libc.so.6"].needed_by] == [program.path.name]
            assert [one.name for one in by_name["libown.so"].needed_by] == [program.path.name]
            assert [one.name for one in by_name["ld-linux-x86-64.so.2"].needed_by] == ["libc.so.6"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_simulated_program_and_its_look_ups_agree(build: Callable[[str], Program], variant: str):
    program = build(VARIANTS[variant])
    with running(program.path, aslr=False) as told:
        own = {name: address for name, address in told.addresses.items() if "library" not in name}
    host = LiveHost(elf_reader.read_elf)
    machine = Machine(host, list(parse(f'execve("{program.path}", ["x"], [])', "test").statements), "test")
    machine.step()
    mm = Exporter("").export(machine, None).mm
    assert mm is not None
    elf = SimElf(host, elf_reader, own_vdso)
    assert check(elf, mm, own, stripped=variant == "stripped") >= 13
    vdso = next(one for one in elf.objects(mm).objects if one.name == "[vdso]")
    assert elf.symbols(mm, vdso).find("__vdso_clock_gettime") is not None


def stripped_of_root(elf: LiveElf, monkeypatch: pytest.MonkeyPatch) -> None:
    """As without the right to /proc/PID/map_files."""
    monkeypatch.setattr(elf, "_path", elf._path_by_name)


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_file_that_is_not_there_any_more_is_not_taken_for_another(
    build: Callable[[str], Program], how: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    program = build(VARIANTS["pie"])
    path = tmp_path / "mapped"
    path.write_bytes(program.path.read_bytes())
    path.chmod(0o755)
    with running(path) as told:
        before = live_mm(told.pid)
        path.unlink()
        if how == "replaced":
            path.write_bytes(b"another file")
        direct = LiveElf(elf_reader)
        mm = live_mm(told.pid)
        if any(one.name == "mapped" for one in direct.objects(mm).objects):
            # root reaches the mapped file itself
            assert check(direct, mm, told.addresses) >= 13
        elf = LiveElf(elf_reader)
        stripped_of_root(elf, monkeypatch)
        reasons = [why for key, why in elf.objects(mm).unknown.items() if key.name.startswith(str(path))]
        assert reasons == ["its file was deleted since it was mapped"]
        if how == "replaced":
            # The map was read before the file went.
            elf = LiveElf(elf_reader)
            stripped_of_root(elf, monkeypatch)
            (why,) = (why for key, why in elf.objects(before).unknown.items() if key.name == str(path))
            assert why.startswith("another file (inode")
