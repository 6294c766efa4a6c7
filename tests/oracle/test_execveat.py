"""execveat in all its forms, links, noexec mounts, and which of several reasons to fail comes first."""

import itertools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oracle.exec_stop import Ask, At
from tests.oracle.test_exec import AT_EXECVE_CHECK, predict, pytestmark

__all__ = ["pytestmark"]

NOFOLLOW, EMPTY_PATH = 0x100, 0x1000
FLAGS = (0, NOFOLLOW, EMPTY_PATH, NOFOLLOW | EMPTY_PATH, AT_EXECVE_CHECK, AT_EXECVE_CHECK | EMPTY_PATH, 0x400)
ARGV = ["x", "one"]


def script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs, scripts and links of every kind."""
    top = tmp_path_factory.mktemp("execveat")
    (top / "true").write_bytes(Path("/bin/true").read_bytes())
    (top / "true").chmod(0o755)
    (top / "plain").write_text("")
    script(top / "script", "#!/bin/sh -e\n")
    script(top / "second", f"#!{top}/script\n")
    (top / "inner").mkdir()
    (top / "inner" / "up").symlink_to("../true")
    (top / "link").symlink_to("true")
    (top / "dirlink").symlink_to("inner")
    (top / "loop").symlink_to("loop")
    (top / "ping").symlink_to("pong")
    (top / "pong").symlink_to("ping")
    (top / "gone").symlink_to("none")
    script(top / "of a loop", f"#!{top}/loop\n")
    last = "true"
    for number in range(42):
        (top / f"hop{number}").symlink_to(last)
        last = f"hop{number}"
    return top


def both(ask: Ask, name: str, at: At | None) -> tuple[dict[str, object], dict[str, object]]:
    return predict(name, ARGV, {"A": "b"}, None, at), ask(name, ARGV, {"A": "b"}, None, at)


def test_every_descriptor_name_and_flag(ask: Ask, folder: Path):
    opened = (
        *((str(folder / name), os.O_RDONLY) for name in ("", "true", "script", "plain", "link", "inner")),
        *((str(folder / name), os.O_PATH | os.O_CLOEXEC) for name in ("", "true", "script", "second")),
        ("/bin/true", os.O_RDONLY | os.O_CLOEXEC),
        (None, 0),
    )
    names = ("", "true", "script", "link", "inner/up", "../none", "/bin/true", "loop", "dirlink/up", "plain", ".")
    wrong = []
    for (path, how), name, flags in itertools.product(opened, names, FLAGS):
        predicted, real = both(ask, name, (path, how, flags))
        if predicted != real:
            wrong.append((path, how, name, hex(flags), predicted, real))
    assert wrong == []


def test_links(ask: Ask, folder: Path):
    names = ("loop", "ping", "gone", "link", "dirlink/up", "of a loop", "hop38", "hop39", "hop40", "hop41", "loop/x")
    ends = ("", "/", "/.", "/..")
    wrong = []
    for name, end in itertools.product(names, ends):
        predicted, real = both(ask, f"{folder}/{name}{end}", None)
        if predicted != real:
            wrong.append((name, end, predicted, real))
    assert wrong == []


def test_the_links_of_proc_are_those_of_the_process(ask: Ask, folder: Path):
    names = ("/dev/fd/100", "/proc/self/fd/100", "/proc/thread-self/fd/100", "/proc/self/fd/101", "/dev/fd/100/true")
    for name in names:
        for path, how in ((folder / "true", os.O_RDONLY), (folder / "script", os.O_PATH), (folder, os.O_RDONLY)):
            predicted, real = both(ask, name, (str(path), how, 0))
            assert predicted == real, (name, path)


def test_which_reason_is_found_first(ask: Ask, folder: Path, tmp_path: Path):
    missing = script(tmp_path / "missing", "#!/nowhere/sh\n")
    damaged = script(tmp_path / "damaged", "nothing\n")
    long_line = script(tmp_path / "long", "#!/nowhere/sh " + "a" * 200 + "\n")
    huge = ["a" * 131_072]
    edge = ["a" * 131_071] * 3
    for stack, argv in itertools.product((1 << 19, 8 << 20), (huge, edge, ["x"], ["y" * 130_900])):
        for path in (missing, damaged, long_line, folder / "loop", folder / "none", folder / "plain", "/bin/true"):
            assert predict(str(path), argv, {}, stack) == ask(str(path), argv, {}, stack), (path, stack, len(argv))


@pytest.fixture
def noexec(tmp_path: Path) -> Iterator[Path]:
    point = tmp_path / "noexec"
    point.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec", "memtui-test", point], capture_output=True)
    if done.returncode:
        pytest.skip(f"mounting is refused: {done.stderr.decode().strip()}")
    try:
        yield point
    finally:
        subprocess.run(["umount", point], check=True)


def test_a_mount_with_noexec(ask: Ask, noexec: Path, tmp_path: Path):
    program = noexec / "true"
    program.write_bytes(Path("/bin/true").read_bytes())
    program.chmod(0o755)
    (tmp_path / "link").symlink_to(program)
    outside = script(tmp_path / "outside", f"#!{program}\n")
    inside = script(noexec / "inside", "#!/bin/sh\n")
    for path in (program, tmp_path / "link", outside, inside):
        predicted, real = both(ask, str(path), None)
        assert predicted == real == {"errno": "EACCES"}, path
    through = (str(program), os.O_RDONLY, EMPTY_PATH)
    assert both(ask, "", through) == ({"errno": "EACCES"},) * 2
