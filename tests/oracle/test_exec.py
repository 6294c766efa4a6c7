"""Predicts what the running kernel maps for the programs of this machine, before their first instruction.

MEMTUI_EXEC_PROGRAMS=all compares every program, a number that many.
"""

import os
import platform
import random
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from memtui.draw.maps_text import maps_text
from memtui.elf_reader import read_elf
from memtui.live.host import LiveHost
from memtui.model.elf import ElfImage
from memtui.model.host import MachineFacts
from memtui.sim.export import Exporter
from memtui.sim.machine import Machine
from memtui.trace.line import Array, Call, Flags, Number, Statement, Text
from memtui.trace.parser import parse_line
from memtui.trace.printer import format_call
from tests.oracle.exec_stop import DIRFD, Ask, At

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(not platform.release().startswith("6.18"), reason="predicted exactly is Linux 6.18"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="x86-64 only"),
]
FOLDERS = ("/usr/bin", "/usr/sbin", "/bin", "/sbin")
SEED = 618
AT_EXECVE_CHECK = 0x10000
PT_GNU_STACK = bytes.fromhex("51e57464")


class Asked(LiveHost):
    """This machine with another stack limit."""

    def __init__(self, stack: int | None) -> None:
        super().__init__(read_elf)
        self.stack = stack

    def machine(self) -> MachineFacts:
        facts = super().machine()
        if self.stack is None:
            return facts
        limits = {**facts.rlimits, "STACK": self.stack}
        return MachineFacts(**{name: getattr(facts, name) for name in facts.__slots__} | {"rlimits": limits})


def programs() -> dict[str, ElfImage]:
    """The x86-64 programs of the usual folders by their own paths, but those that always get ASLR."""
    found = {os.path.realpath(path) for folder in FOLDERS for path in Path(folder).iterdir()}
    host = LiveHost(read_elf)
    images = {path: image for path in sorted(found) if (image := host.elf(path)) is not None}
    return {path: image for path, image in images.items() if image.loads and not image.set_id}


def chosen() -> list[str]:
    everything = list(programs())
    wanted = os.environ.get("MEMTUI_EXEC_PROGRAMS", "40")
    return everything if wanted == "all" else random.Random(SEED).sample(everything, min(int(wanted), len(everything)))


def text(value: str) -> Text:
    return Text(os.fsencode(value))


def predict(
    path: str, argv: list[str], env: dict[str, str], stack: int | None, at: At | None = None
) -> dict[str, object]:
    strings = Array(tuple(text(arg) for arg in argv))
    variables = Array(tuple(text(f"{name}={value}") for name, value in env.items()))
    call = Call("execve", (text(path), strings, variables if env else Number(0, "0")))
    before = []
    if at is not None:
        call = Call("execveat", (Number(DIRFD, "100"), *call.args, Flags((), at[2])))
        before = [] if at[0] is None else [parse_line(f'openat(AT_FDCWD, "{at[0]}", {at[1]}) = {DIRFD}')]
    machine = Machine(Asked(stack), [*before, Statement(call, format_call(call.name, call.args))])
    record = [machine.step() for _ in range(len(before) + 1)][-1]
    machine.check()
    if " = -1 " in record.text or (record.text.endswith("= 0") and at is not None and at[2] & AT_EXECVE_CHECK):
        return {"errno": record.text.removesuffix(")").rpartition(" = ")[2].removeprefix("-1 ").split()[0]}
    snapshot = Exporter("").export(machine, None)
    mm = snapshot.mm
    if mm is None:
        return {"signal": next(word.strip(":,") for word in snapshot.unknown["mm"].split() if word.startswith("SIG"))}
    return {
        "maps": maps_text(mm.vmas),
        "start_stack": mm.start_stack,
        "start_brk": mm.start_brk,
        "RssAnon": mm.counters.rss_anon,
        "comm": machine.current.task.comm if machine.current is not None else "",
    }


def test_every_program_is_mapped_as_predicted(ask: Ask):
    wrong = [path for path in chosen() if ask(path, [path], {}, None) != predict(path, [path], {}, None)]
    assert wrong == []


@pytest.mark.parametrize("stack", [16 << 10, 64 << 10, 200_000, 8 << 20, 256 << 20, 1 << 30, -1])
@pytest.mark.parametrize(
    ("argv", "env"),
    [
        (["true"], {}),
        (["true", "", "a" * 4000], {"A": "b" * 100, "EMPTY": ""}),
        (["true"] + ["x" * 5000] * 3, {"LONG": "y" * 40_000}),
    ],
)
def test_the_stack_by_its_limit_and_its_strings(ask: Ask, stack: int, argv: list[str], env: dict[str, str]):
    assert predict("/bin/true", argv, env, stack) == ask("/bin/true", argv, env, stack)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Compiles a small program with these options."""
    folder = tmp_path_factory.mktemp("programs")
    (folder / "program.c").write_text("char bss[100000], data[9000] = {1}; int main(void) { return bss[0]; }")

    def build(options: str) -> Path:
        program = folder / (options.replace("/", "") or "plain")
        subprocess.run(["gcc", *options.split(), "-o", program, folder / "program.c"], check=True)
        return program

    return build


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
@pytest.mark.parametrize(
    "options",
    [
        "",
        "-no-pie",
        "-static",
        "-static-pie",
        "-z execstack",
        "-Wl,-z,max-page-size=0x200000",
        "-static-pie -Wl,-z,max-page-size=0x200000",
        "-no-pie -Wl,-z,max-page-size=0x200000",
        "-Wl,-z,noseparate-code",
        "-Wl,-z,norelro",
    ],
)
def test_a_program_that_is_linked_unusually(ask: Ask, built: Callable[[str], Path], options: str):
    path = str(built(options))
    assert predict(path, ["x"], {}, None) == ask(path, ["x"], {}, None)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_without_pt_gnu_stack_exec_leaves_the_stack_alone(ask: Ask, built: Callable[[str], Path]):
    path = built("-z noexecstack")
    program = bytearray(path.read_bytes())
    (offset,), (count,) = struct.unpack_from("<Q", program, 32), struct.unpack_from("<H", program, 56)
    for header in range(offset, offset + 56 * count, 56):
        if program[header : header + 4] == PT_GNU_STACK:
            program[header : header + 4] = bytes(4)
    path.write_bytes(program)
    assert read_elf(str(path)).gnu_stack is False
    assert predict(str(path), ["x"], {}, None) == ask(str(path), ["x"], {}, None)


def test_a_script_is_run_by_the_program_that_it_names(ask: Ask, tmp_path: Path):
    script = tmp_path / "script"
    script.write_text("#! /bin/sh -e\nexit\n")
    script.chmod(0o755)
    real = ask(str(script), ["x", "one", "two"], {"A": "b"}, None)
    assert predict(str(script), ["x", "one", "two"], {"A": "b"}, None) == real


def test_ld_so_run_directly_has_its_heap_elsewhere(ask: Ask):
    path = next(image.interp for image in programs().values() if image.interp)
    assert ask(path, [path], {}, None) == predict(path, [path], {}, None)
