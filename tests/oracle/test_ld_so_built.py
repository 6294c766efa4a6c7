"""Holds the dynamic linker's system calls, line by line as strace prints them, against programs built to be awkward."""

import os
import platform
import random
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from memtui.model.host import FileFacts
from memtui.model.request import Seek
from memtui.sim.source import SimSource
from memtui.trace.parser import parse
from tests.oracle.ld_so_built import Workshop, comparable
from tests.oracle.ld_so_predicted import Remembering

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(not platform.release().startswith("6.18"), reason="predicted exactly is Linux 6.18"),
    pytest.mark.skipif(platform.libc_ver() != ("glibc", "2.36"), reason="predicted exactly is glibc 2.36"),
    pytest.mark.skipif(
        any(shutil.which(tool) is None for tool in ("gcc", "strace", "setarch")),
        reason="gcc, strace or setarch is not installed",
    ),
]
PRELOAD = "/etc/ld.so.preload"
LD_SO = "/lib64/ld-linux-x86-64.so.2"
NOTE_GNU_STACK = bytes.fromhex("51e57464")
SEEDS = int(os.environ.get("MEMTUI_LD_SO_SEEDS", "8"))


def header(ident: bytes, e_type: int = 3, machine: int = 62, version: int = 1) -> bytes:
    """The start of an ELF file that has no program headers."""
    return (b"\x7fELF" + ident).ljust(16, b"\0") + struct.pack("<HHI", e_type, machine, version) + bytes(100)


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


Check = Callable[..., list[str]]


@pytest.fixture
def check(shop: Workshop) -> Check:
    """Compares the log of a program with what is predicted; gives the lines."""

    def compare(*argv: str, **env: str) -> list[str]:
        mine = [record.text for record in shop.predicted(argv, env)]
        real = shop.strace(argv, env)
        assert mine
        assert comparable(mine) == comparable(real[: len(mine)])
        if mine[-1].startswith("exit_group"):
            assert real[len(mine)].startswith("+++ exited")
        return mine

    return compare


def found(lines: list[str], name: str) -> str:
    """The path at which a library was opened."""
    return next(line.split('"')[1] for line in lines if f'/{name}"' in line and line.split()[-1].isdecimal())


def test_without_any_library_of_its_own(shop: Workshop, check: Check):
    shop.program("plain")
    assert check("./plain")[0].startswith("brk(NULL)")


@pytest.mark.parametrize("kind", ["--disable-new-dtags", "--enable-new-dtags"])
@pytest.mark.parametrize(
    "path", ["$ORIGIN/a", "${ORIGIN}/a/", "$ORIGIN/nowhere:$ORIGIN/a:/tmp//", "a", "$LIB:$PLATFORM:$ORIGIN/a"]
)
def test_rpath_and_runpath(shop: Workshop, check: Check, kind: str, path: str):
    shop.library("a/libone.so")
    shop.program("prog", f"-Wl,{kind},-rpath,{path}", ["a/libone.so"])
    assert found(check("./prog"), "libone.so").endswith("a/libone.so")


@pytest.mark.parametrize("kind", ["--disable-new-dtags", "--enable-new-dtags"])
def test_the_path_of_who_loads_counts_for_what_it_loads_only_as_rpath(shop: Workshop, check: Check, kind: str):
    shop.library("b/libtwo.so")
    shop.library("a/libone.so", needs=["b/libtwo.so"])
    shop.program("prog", f"-Wl,{kind},-rpath,$ORIGIN/a:$ORIGIN/b", ["a/libone.so"])
    lines = check("./prog")
    assert ("exit_group(127)" in lines[-1]) == (kind == "--enable-new-dtags")


def test_a_library_with_runpath_does_not_use_the_rpath_of_its_loaders(shop: Workshop, check: Check):
    shop.library("c/libthree.so")
    shop.library("b/libtwo.so", "-Wl,--enable-new-dtags,-rpath,$ORIGIN/../c", "", ["c/libthree.so"])
    shop.library("a/libone.so", "-Wl,--disable-new-dtags,-rpath,$ORIGIN/../b", "", ["b/libtwo.so"])
    shop.program("prog", "-Wl,--disable-new-dtags,-rpath,$ORIGIN/a", ["a/libone.so"])
    assert found(check("./prog"), "libthree.so").endswith("b/../c/libthree.so")


LIBRARY_PATHS = [
    *("a", "a:", ":a", "a;b", "nowhere:a/", "{}/a", "{}/b:{}/a/./", "prog:a", ":", "a::b", "$ORIGIN/a", "a:a:./a"),
    *("${ORIGIN}/a:$ORIGIN", "$LIB", "$ORIGIN/$LIB", "$PLATFORM", "$PLATFORMX:a", "$$ORIGIN/a", "$ORIGIN$ORIGIN/a:a"),
    *("x" * 300 + ":a", "loop:a", "a:/etc/passwd:b", "/"),
]


@pytest.mark.parametrize("path", LIBRARY_PATHS)
def test_ld_library_path(shop: Workshop, check: Check, path: str):
    shop.library("a/libone.so")
    shop.library("b/libother.so")
    shop.program("prog", "", ["a/libone.so"])
    (shop.folder / "loop").symlink_to("loop")
    path = path.replace("{}", str(shop.folder))
    check("./prog", LD_LIBRARY_PATH=path)
    check(LD_SO, "--library-path", path, "./prog")


@pytest.mark.parametrize(
    "folder", ["glibc-hwcaps/x86-64-v2", "glibc-hwcaps/x86-64-v3", "tls", "x86_64", "haswell", "tls/x86_64"]
)
def test_subfolders_for_certain_cpus(shop: Workshop, check: Check, folder: str):
    shop.library("a/libone.so")
    shop.library(f"a/{folder}/libone.so")
    (shop.folder / "a/glibc-hwcaps/x86-64-v4").mkdir(parents=True)
    shop.program("prog", "-Wl,-rpath,$ORIGIN/a", ["a/libone.so"])
    assert folder in found(check("./prog"), "libone.so")


@pytest.mark.parametrize("where", ["", "-Wl,-rpath,$ORIGIN/a", "-Wl,-rpath,/nowhere"])
def test_a_missing_library_stops_it(shop: Workshop, check: Check, where: str):
    gone = shop.library("a/libgone.so")
    shop.library("libone.so", needs=["a/libgone.so"])
    shop.program("prog", where, ["a/libgone.so", "libone.so"])
    gone.unlink()
    assert "exit_group(127)" in check("./prog", LD_LIBRARY_PATH=str(shop.folder))[-1]


def test_a_missing_library_that_is_needed_by_its_path(shop: Workshop, check: Check):
    shop.library("libgone.so", "-Wl,-soname,./sub/libgone.so")
    shop.program("prog", "", ["libgone.so"])
    assert "exit_group(127)" in check("./prog")[-1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "file too short"),
        (b"\x7fELF\2\1\1", "file too short"),
        (b"#!/bin/sh\n" + bytes(100), "invalid ELF header"),
        (b"\x7fELF\1\1\1" + bytes(100), "wrong ELF class"),
        (header(b"\2\2\1"), "encoding not littl"),
        (header(b"\2\1\7"), "version ident"),
        (header(b"\2\1\1\x09"), "OS ABI invalid"),
        (header(b"\2\1\1\0\1"), "ABI version invalid"),
        (header(b"\2\1\1\3\x7f"), "ABI version invalid"),
        (header(b"\2\1\1\0\0\1"), "nonzero padding"),
        (header(b"\2\7\7", machine=0), "cannot open"),
        (header(b"\2\1\1", 3, 183, 1), "cannot open"),
        (header(b"\2\1\1", 1, 62, 1), "only ET_DYN"),
        (header(b"\2\1\1", 3, 62, 2), "file version"),
        (header(b"\2\1\1", 3, 62, 1), "phentsize"),
    ],
)
def test_a_file_that_is_no_library(shop: Workshop, check: Check, content: bytes, words: str):
    library = shop.library("a/libbad.so")
    shop.program("prog", "-Wl,-rpath,$ORIGIN/a", ["a/libbad.so"])
    library.write_bytes(content)
    lines = check("./prog")
    assert words in "".join(lines[-2:])
    assert "exit_group(127)" in lines[-1]


def test_a_directory_in_the_place_of_a_library(shop: Workshop, check: Check):
    library = shop.library("a/libbad.so")
    shop.program("prog", "-Wl,-rpath,$ORIGIN/a", ["a/libbad.so"])
    library.unlink()
    library.mkdir()
    check("./prog")


def test_a_program_in_the_place_of_a_library(shop: Workshop, check: Check):
    shop.library("a/libbad.so")
    shop.program("prog", "-Wl,-rpath,$ORIGIN/a", ["a/libbad.so"])
    shop.program("a/libbad.so")
    assert "dynamically load position" in check("./prog")[-2]


def test_a_diamond_is_loaded_once(shop: Workshop, check: Check):
    shop.library("libd.so")
    shop.library("libb.so", needs=["libd.so"])
    shop.library("libc1.so", needs=["libd.so", "libb.so"])
    shop.program("prog", "", ["libb.so", "libc1.so", "libd.so"])
    lines = check("./prog", LD_LIBRARY_PATH=".")
    assert sum('libd.so"' in line and line.endswith("= 3") for line in lines) == 1


@pytest.mark.parametrize("link", ["symlink", "hard"])
def test_one_file_by_two_names(shop: Workshop, check: Check, link: str):
    first = shop.library("libfirst.so", "-Wl,-soname,libfirst.so")
    shop.library("libsecond.so")
    shop.program("prog", "-Wl,-rpath,.", ["libfirst.so", "libsecond.so"])
    (shop.folder / "libsecond.so").unlink()
    if link == "hard":
        os.link(first, shop.folder / "libsecond.so")
    else:
        (shop.folder / "libsecond.so").symlink_to("libfirst.so")
    check("./prog")


def test_a_soname_that_is_not_the_file_name(shop: Workshop, check: Check):
    shop.library("libreal.so", "-Wl,-soname,libcalled.so")
    shop.library("libuser.so", needs=["libreal.so"])
    (shop.folder / "libcalled.so").symlink_to("libreal.so")
    shop.program("prog", "", ["libuser.so", "libreal.so"])
    check("./prog", LD_LIBRARY_PATH=".", LD_PRELOAD="./libreal.so")


@pytest.mark.parametrize(
    "options",
    [
        "-Wl,-z,max-page-size=0x200000",
        "-Wl,-z,max-page-size=0x10000",
        "-Wl,-z,max-page-size=0x200000 -Wl,-z,noseparate-code",
        "-Wl,-z,noseparate-code",
        "-Wl,-z,separate-code",
        "-Wl,-z,norelro",
        "-Wl,-z,relro,-z,lazy",
        "-Wl,-z,relro,-z,now",
        "-Wl,-z,execstack",
        "-Wl,-z,noexecstack",
        "-Wl,-z,nodelete,-z,initfirst",
        "-Wl,-Bsymbolic",
        "-Wl,--hash-style=sysv",
        "-Wl,--section-start=.data=0x40000",
        "-Wl,-Ttext-segment=0x100000",
        "-Wl,-z,pack-relative-relocs",
    ],
)
def test_a_library_that_is_linked_unusually(shop: Workshop, check: Check, options: str):
    sources = ["int x;", "char bss[100000], data[5000] = {1};", "char bss[10]; int data = 1;"]
    names = [shop.library(f"lib{number}.so", options, source).name for number, source in enumerate(sources)]
    shop.program("prog", "-Wl,-rpath,.", names)
    check("./prog")


@pytest.mark.parametrize(
    "options",
    [
        "-no-pie",
        "-pie -Wl,-z,now",
        "-Wl,-z,norelro",
        "-Wl,-z,execstack",
        "-Wl,-z,noseparate-code",
        "-Wl,-z,max-page-size=0x200000",
        "-no-pie -Wl,-z,max-page-size=0x200000",
        "-no-pie -Wl,-z,text",
        "-no-pie -Wl,--section-start=.data=0x800000",
        "-Wl,-z,nodefaultlib",
        "-nostdlib -Wl,-e,main",
    ],
)
def test_a_program_that_is_linked_unusually(shop: Workshop, check: Check, options: str):
    shop.library("libone.so", "-nostdlib")
    shop.program("prog", f"{options} -Wl,-rpath,.", ["libone.so"])
    check("./prog")


def test_a_segment_in_the_other_half_of_the_address_space(shop: Workshop, check: Check):
    library = shop.library("libone.so")
    shop.program("prog", "-Wl,-rpath,.", ["libone.so"])
    data = bytearray(library.read_bytes())
    (offset,), (count,) = struct.unpack_from("<Q", data, 32), struct.unpack_from("<H", data, 56)
    loads = [at for at in range(offset, offset + 56 * count, 56) if data[at : at + 4] == b"\1\0\0\0"]
    for vaddr in (1 << 63, (1 << 64) - 0x200000, 1 << 47):
        struct.pack_into("<Q", data, loads[-1] + 16, vaddr + struct.unpack_from("<Q", data, loads[-1] + 16)[0] % 4096)
        library.write_bytes(data)
        assert "exit_group(127)" in check("./prog")[-1]


@pytest.mark.parametrize("who", ["program", "library"])
def test_without_pt_gnu_stack(shop: Workshop, check: Check, who: str):
    paths = {"library": shop.library("libone.so"), "program": shop.program("prog", "-Wl,-rpath,.", ["libone.so"])}
    data = bytearray(paths[who].read_bytes())
    (offset,), (count,) = struct.unpack_from("<Q", data, 32), struct.unpack_from("<H", data, 56)
    for header in range(offset, offset + 56 * count, 56):
        if data[header : header + 4] == NOTE_GNU_STACK:
            data[header : header + 4] = bytes(4)
    paths[who].write_bytes(data)
    check("./prog")


def test_thread_local_storage_of_every_alignment(shop: Workshop, check: Check):
    names = []
    for number, align in enumerate([1, 8, 64, 4096, 16, 32, 2]):
        names.append(f"libtls{number}.so")
        aligned = f"__attribute__((aligned({align})))"
        source = f"__thread char t[{number * 37 + 5}] {aligned} = {{1}}; char *f(void) {{ return t; }}"
        shop.library(names[-1], "", source)
    source = "__thread char big[20000]; int main(void) { return big[3]; }"
    for count in (1, 4, len(names)):
        shop.program("prog", "-Wl,-rpath,.", names[:count], source)
        check("./prog")


def test_text_relocations(shop: Workshop, check: Check):
    source = 'asm(".text\\n.globl f\\nf: .quad f\\n");'
    shop.library("libtext.so", "-Wl,-z,notext", source)
    shop.program("prog", "-Wl,-rpath,.", ["libtext.so"])
    assert sum(line.startswith("mprotect") for line in check("./prog")) >= 4


@pytest.mark.parametrize(
    "preload",
    [
        *("./libp.so", "libp.so:nowhere.so", "libc.so.6", "nowhere.so", ":./libp.so::libone.so", "./libp.so ./libp.so"),
        *("$ORIGIN/libp.so", "linux-vdso.so.1 ld-linux-x86-64.so.2", "/etc/passwd:/tmp", " : ", "$LIB/libp.so"),
    ],
)
def test_ld_preload(shop: Workshop, check: Check, preload: str):
    shop.library("libp.so")
    shop.library("libone.so")
    shop.program("prog", "-Wl,-rpath,$ORIGIN", ["libone.so"])
    check("./prog", LD_PRELOAD=preload)
    check(LD_SO, "--preload", preload, "./prog")


class Preloading(Remembering):
    """This machine with an /etc/ld.so.preload."""

    def __init__(self, listed: Path) -> None:
        super().__init__()
        self.listed = str(listed)

    def file(self, path: str) -> FileFacts | None:
        return super().file(self.listed if path == PRELOAD else path)

    def read(self, path: str, offset: int, length: int) -> bytes:
        return super().read(self.listed if path == PRELOAD else path, offset, length)


@pytest.mark.parametrize(
    "text", ["{}/libp.so\n", "# nothing\n", "nowhere.so {}/libp.so:libone.so # libc.so.6\n\t{}/libp.so", " ", "libp.so"]
)
def test_etc_ld_so_preload(shop: Workshop, text: str):
    """The file lies in a copy of /etc, which only the program sees."""
    etc = shop.folder / "etc"
    etc.mkdir()
    shutil.copy("/etc/ld.so.cache", etc)
    listed = etc / "ld.so.preload"
    listed.write_text(text.replace("{}", str(shop.folder)))
    seen = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc && exec "$@"', str(etc)]
    done = subprocess.run([*seen, "true"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"a mount namespace is refused: {done.stderr.decode().strip()}")
    shop.library("libp.so")
    shop.library("libone.so")
    shop.program("prog", "-Wl,-rpath,$ORIGIN", ["libone.so"])
    for env in ({}, {"LD_PRELOAD": "./libp.so"}, {"LD_TRACE_LOADED_OBJECTS": "1"}):
        mine = [record.text for record in shop.predicted(["./prog"], env, Preloading(listed))]
        real = shop.strace(["./prog"], env, seen)
        assert comparable(mine) == comparable(real[: len(mine)])


@pytest.mark.parametrize("defined", ["", "OTHER { g; };"])
def test_a_version_that_is_missing(shop: Workshop, check: Check, defined: str):
    script = shop.folder / "map"
    script.write_text("ONE { f; }; OTHER { g; };")
    source = "int f(void) { return 1; } int g(void) { return 2; }"
    shop.library("libv.so", f"-Wl,--version-script={script}", source)
    shop.program("prog", "-Wl,-rpath,.", ["libv.so"], "int f(void), g(void); int main(void) { return f() + g(); }")
    script.write_text(defined or "{ *; };")
    shop.library("libv.so", f"-Wl,--version-script={script}", source)
    lines = check("./prog")
    assert ("exit_group(1)" in lines[-1]) == bool(defined)


@pytest.mark.parametrize("kind", ["-f", "-F"])
@pytest.mark.parametrize("there", [True, False])
def test_filters(shop: Workshop, check: Check, kind: str, there: bool):
    filtee = shop.library("libfiltee.so")
    shop.library("libfilter.so", f"-Wl,{kind},libfiltee.so")
    shop.library("liblast.so", needs=["libfilter.so"])
    shop.program("prog", "", ["liblast.so", "libfilter.so"])
    if not there:
        filtee.unlink()
    check("./prog", LD_LIBRARY_PATH=".")


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--argv0", "other"],
        ["--library-path", "a"],
        ["--preload", "./a/libone.so"],
        ["--inhibit-cache"],
        ["--inhibit-rpath", ""],
    ],
)
def test_ld_so_run_directly(shop: Workshop, check: Check, options: list[str]):
    shop.library("a/libone.so")
    shop.program("prog", "-Wl,-rpath,$ORIGIN/a", ["a/libone.so"])
    check(LD_SO, *options, "./prog", "argument")
    check(LD_SO, *options, str(shop.folder / "prog"))


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("options", [["--list"], ["--verify"], ["--library-path", "b", "--list", "--argv0", "other"]])
def test_ld_so_that_only_lists_or_verifies(shop: Workshop, check: Check, options: list[str], there: bool):
    one = shop.library("a/libone.so")
    shop.library("b/libone.so")
    shop.program("prog", "-Wl,-rpath,$ORIGIN/a", ["a/libone.so"])
    shop.program("static", "-static")
    shop.program("static-pie", "-static-pie")
    shop.program("bare", "-nostdlib -Wl,-e,main")
    if not there:
        one.unlink()
    for program in ("./prog", "./static", "./static-pie", "./bare", "./libc", "/bin/ls", "/nowhere", "a/libone.so"):
        check(LD_SO, *options, program)


@pytest.mark.parametrize("missing", ["", "libone.so", "libtwo.so", "libone.so libtwo.so"])
@pytest.mark.parametrize("traced", ["1", "", "2"])
def test_ldd(shop: Workshop, check: Check, traced: str, missing: str):
    shop.library("libtwo.so", "-Wl,-soname,./libtwo.so")
    shop.library("libone.so", needs=["libtwo.so"])
    shop.program("prog", "", ["libone.so", "libtwo.so"])
    for name in missing.split():
        (shop.folder / name).unlink()
    env = {"LD_TRACE_LOADED_OBJECTS": traced, "LD_LIBRARY_PATH": "."}
    lines = check("./prog", **env) + check(LD_SO, "./prog", **env)
    assert any("not found" in line for line in lines) == bool(missing)
    check("./prog", LD_PRELOAD="./libone.so nowhere.so", **env)


def test_ldd_of_a_library_of_the_wrong_version(shop: Workshop, check: Check):
    script = shop.folder / "map"
    script.write_text("ONE { f; };")
    source = "int f(void) { return 1; }"
    shop.library("libv.so", f"-Wl,--version-script={script}", source)
    shop.program("prog", "-Wl,-rpath,.", ["libv.so"], "int f(void); int main(void) { return f(); }")
    script.write_text("OTHER { f; };")
    shop.library("libv.so", f"-Wl,--version-script={script}", source)
    check("./prog", LD_TRACE_LOADED_OBJECTS="1")
    check(LD_SO, "--list", "./prog")


def test_ld_so_run_directly_with_what_it_does_not_understand(shop: Workshop, check: Check):
    shop.program("prog")
    for options in ([], ["--argv0"], ["--"], ["--unknown", "./prog"], ["--list"], ["--library-path", "./prog"]):
        assert "exit_group(1)" in check(LD_SO, *options)[-1]


@pytest.mark.parametrize("asked", ["LD_AUDIT=x", "LD_DEBUG=libs", "GLIBC_TUNABLES=glibc.rtld.nns=8", "LD_SHOW_AUXV=1"])
def test_what_is_not_simulated_says_so(shop: Workshop, asked: str):
    text = f'execve("{shop.program("prog")}", ["prog"], ["{asked}"])\n'
    steps = SimSource(parse(text, "test.trace"), Remembering(), "test").apply(Seek(1 << 62)).steps
    assert steps is not None
    assert [step.text[:6] for step in steps.steps] == ["execve"]
    said = "".join(event.text for event in steps.steps[0].events)
    assert "not simulated to its end" in said
    assert asked.partition("=")[0] in said or "glibc.rtld." in said


def test_libraries_needed_by_their_paths(shop: Workshop, check: Check):
    shop.library("abs/libabs.so", f"-Wl,-soname,{shop.folder}/abs/libabs.so")
    shop.library("abs/libsub.so", "-Wl,-soname,abs/libsub.so")
    shop.library("abs/liborg.so", "-Wl,-soname,$ORIGIN/abs/liborg.so")
    shop.program("prog", "", ["abs/libabs.so", "abs/libsub.so", "abs/liborg.so"])
    check("./prog")
    shop.program("nodeflib", "-Wl,-z,nodefaultlib", ["abs/libabs.so"])
    assert "exit_group(127)" in check("./nodeflib")[-1]
    check("./nodeflib", LD_LIBRARY_PATH="/lib/x86_64-linux-gnu")


def test_ld_so_run_directly_with_what_it_cannot_run(shop: Workshop, check: Check):
    (shop.folder / "text").write_text("no program" * 20)
    check(LD_SO, "./text")
    check(LD_SO, "./nowhere")
    check(LD_SO, "nowhere")


def test_a_script_is_run_by_its_interpreter(shop: Workshop, check: Check):
    shop.program("prog")
    script = shop.folder / "script"
    script.write_text(f"#!{shop.folder}/prog\n")
    script.chmod(0o755)
    check("./script", "one")


@pytest.mark.parametrize("variable", ["LD_BIND_NOW=1", "GLIBC_TUNABLES=glibc.malloc.check=0", "LD_WARN=", "LANG=C"])
def test_variables(shop: Workshop, check: Check, variable: str):
    shop.library("libone.so")
    shop.program("prog", "-Wl,-rpath,.", ["libone.so"])
    name, _, value = variable.partition("=")
    check("./prog", **{name: value})


def test_relative_paths_start_where_the_trace_has_gone_to(shop: Workshop):
    shop.library("a/libone.so")
    shop.program("a/prog", "-Wl,-rpath,.", ["a/libone.so"])
    program = f'chdir("{shop.folder}/a")\nexecve("./prog", ["./prog"], 0)\n'
    source = SimSource(parse(program, "test.trace"), Remembering(), "test")
    steps = source.apply(Seek(1 << 62)).steps
    assert steps is not None
    made = [step.text for step in steps.steps if step.made]
    real = Workshop(shop.folder / "a").strace(["./prog"], {})
    assert comparable(made) == comparable(real[: len(made)])


def test_many_libraries(shop: Workshop, check: Check):
    names = [f"lib{'x' * (number % 23)}{number}.so" for number in range(30)]
    for number, name in enumerate(names):
        shop.library(name, "-nostdlib", needs=names[max(0, number - 3) : number])
    shop.program("prog", "-Wl,-rpath,$ORIGIN", names[::-2])
    check("./prog")


OPTIONS = [
    "", "", "", "-Wl,-z,norelro", "-Wl,-z,now", "-Wl,-z,noseparate-code", "-Wl,-z,max-page-size=0x10000", "-nostdlib",
    "-Wl,-z,execstack", "-Wl,-soname,./{name}", "-Wl,--enable-new-dtags,-rpath,{path}",
    "-Wl,--disable-new-dtags,-rpath,{path}",
    "-Wl,-z,nodefaultlib", "-Wl,--hash-style=sysv",
]  # fmt: skip
PATHS = [
    "$ORIGIN",
    "$ORIGIN/../b",
    "a:b",
    "/nowhere:$ORIGIN/../c",
    "${ORIGIN}/../$PLATFORM:$ORIGIN/../a",
    "b/",
    "",
    "c:c",
]


def _random_source(rng: random.Random) -> str:
    parts = [f"char bss[{rng.choice([1, 100, 5000, 70000])}];", f"char data[{rng.choice([1, 3000, 9000])}] = {{1}};"]
    if rng.random() < 0.4:
        align = rng.choice([1, 4, 16, 64, 256])
        parts.append(f"static __thread char tls[{rng.randrange(1, 3000)}] __attribute__((aligned({align})));")
        parts.append("char *where(void) { return tls; }")
    return " ".join(parts)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_families(shop: Workshop, check: Check, seed: int):
    rng = random.Random(seed)
    libraries: list[str] = []
    for number in range(rng.randrange(2, 9)):
        name = f"lib{number}{'y' * rng.randrange(12)}.so"
        path = f"{rng.choice('abc')}/{name}"
        options = rng.choice(OPTIONS).format(name=name, path=rng.choice(PATHS))
        shop.library(path, options, _random_source(rng), rng.sample(libraries, min(len(libraries), rng.randrange(4))))
        libraries.append(path)
    options = rng.choice(OPTIONS[:6] + OPTIONS[-4:]).format(name="prog", path=rng.choice(PATHS))
    shop.program("a/prog", options.replace("-nostdlib", ""), rng.sample(libraries, rng.randrange(1, len(libraries))))
    for path in rng.sample(libraries, len(libraries) // 3):
        target = shop.folder / rng.choice("abc") / Path(path).name
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            target.symlink_to(shop.folder / path)
    env = {}
    if rng.random() < 0.8:
        env["LD_LIBRARY_PATH"] = ":".join(rng.sample(["a", "b", "c", str(shop.folder), "/nowhere"], 3))
    if rng.random() < 0.3:
        env["LD_PRELOAD"] = rng.choice(libraries)
    check("a/prog", **env)
    check(LD_SO, "a/prog", **env)
