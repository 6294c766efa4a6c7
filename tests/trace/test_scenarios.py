"""The built-in scenarios: complete, narrated, and on a machine of their own."""

from importlib import resources
from typing import TYPE_CHECKING

import pytest

from memtui.model.address import page_up
from memtui.model.elf import PF_W
from memtui.scenarios import scenario_chapters, scenario_names, scenario_story, scenario_text
from memtui.scenarios.host import ScenarioHost
from memtui.trace.constants import value_of
from memtui.trace.line import Call, Keyword, Text
from memtui.trace.parser import Trace, parse

if TYPE_CHECKING:
    from memtui.model.host import Host


SELF_EXPLAINING = {
    "prctl", "fork", "open", "close", "mmap", "munmap", "write", "touch", "shmat", "shmctl", "ftruncate", "shm_open",
    "sync", "exit_group", "pread64", "read", "shm_unlink",
}  # fmt: skip
"""Calls that may go without a comment beside a narrated one."""


@pytest.fixture(params=scenario_names())
def scenario(request: pytest.FixtureRequest) -> Trace:
    return parse(scenario_text(request.param), f"{request.param}.trace")


def test_every_file_is_offered() -> None:
    files = {file.name for file in resources.files("memtui.scenarios").iterdir() if file.name.endswith(".trace")}
    assert files == {f"{name}.trace" for name in scenario_names()}


def test_an_unknown_name() -> None:
    with pytest.raises(KeyError):
        scenario_text("no-such-story")


def test_it_states_its_machine(scenario: Trace) -> None:
    machine = scenario.statements[0].what
    assert isinstance(machine, Call)
    assert machine.name == "machine"
    stated = {arg.name: arg for arg in machine.args if isinstance(arg, Keyword)}
    assert value_of(stated["ram"], {}) in (64 << 20, 256 << 20)
    assert {"ram", "swap", "kernel"} <= stated.keys()
    programs = [one.what for one in scenario.statements if isinstance(one.what, Call) and one.what.name == "execve"]
    assert {program.args[0] for program in programs} <= {Text(b"/demo/hello"), Text(b"/demo/linked")}


def test_it_is_narrated_and_ends(scenario: Trace) -> None:
    assert scenario.warnings == ()
    assert scenario.statements[0].chapter
    silent = [one.what for one in scenario.statements if not one.narration and not one.chapter]
    told = {one.name for one in silent if isinstance(one, Call)} - SELF_EXPLAINING
    assert told == set()
    last = scenario.statements[-1].what
    assert isinstance(last, Call)
    assert last.name == "exit_group"


def test_it_records_no_results(scenario: Trace) -> None:
    calls = [one.what for one in scenario.statements if isinstance(one.what, Call)]
    assert {call.name for call in calls if call.result} <= {"fork"}  # whose pid later lines name


def test_narration_fits_the_step_pane(scenario: Trace) -> None:
    lines = [line for one in scenario.statements for line in one.narration.splitlines()]
    assert max(len(line) for line in lines) <= 116


def test_the_host_has_all_that_the_demo_needs() -> None:
    host: Host = ScenarioHost()
    demo = host.elf("/demo/hello")
    assert demo is not None
    assert demo.interp is not None
    loader = host.elf(demo.interp)
    assert loader is not None
    libc = host.elf("/lib/x86_64-linux-gnu/libc.so.6")
    assert libc is not None
    assert libc.soname in demo.needed
    assert libc.needed == (loader.soname,)
    for image in (demo, loader, libc):
        facts = host.file(image.path)
        assert facts is not None
        assert all(segment.offset + segment.filesz <= facts.size for segment in image.loads)
        assert [segment.vaddr for segment in image.loads] == sorted(segment.vaddr for segment in image.loads)
        assert image.loads[-1].flags & PF_W
    assert host.elf("/bin/nothing") is None
    assert host.file("/etc/ld.so.preload") is None


def test_the_demo_is_laid_out_as_the_narration_says() -> None:
    """The break starts behind five pages: 0x555555559000 without randomization; libc spans 1,974,096 bytes."""
    host = ScenarioHost()
    demo, libc = host.elf("/demo/hello"), host.elf("/usr/lib/x86_64-linux-gnu/libc.so.6")
    assert demo is not None
    assert libc is not None
    assert 0x555555554000 + page_up(demo.loads[-1].vaddr + demo.loads[-1].memsz) == 0x555555559000
    assert libc.loads[-1].vaddr + libc.loads[-1].memsz == 1974096


def test_the_machine_is_the_same_everywhere() -> None:
    facts = ScenarioHost().machine()
    assert facts == ScenarioHost().machine()
    assert facts.totalram_pages == 65536
    assert facts.rlimits["STACK"] == 8 << 20


def test_every_scenario_stands_under_one_chapter_and_has_a_story() -> None:
    chapters = scenario_chapters()
    assert sorted(name for names in chapters.values() for name in names) == sorted(scenario_names())
    for name in scenario_names():
        lines = scenario_story(name).splitlines()
        assert len(lines) >= 2, name
        assert all(line and not line.startswith("#") for line in lines), name
