"""The command line as a user calls it: what it prints, where its errors go, and how fast it starts."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


def memtui(*args: str, cwd: Path | None = None, **kwargs) -> subprocess.CompletedProcess[bytes]:
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run([sys.executable, "-m", "memtui", *args], capture_output=True, cwd=cwd, env=env, **kwargs)


def one_line_error(done: subprocess.CompletedProcess[bytes]) -> str:
    """The only line on stderr, of a call that failed with status 1 and printed nothing."""
    assert done.returncode == 1, done
    assert done.stdout == b""
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("memtui: ")
    return lines[0]


def test_help_names_the_commands_that_work():
    done = memtui("--help")
    assert done.returncode == 0
    text = done.stdout.decode()
    for command in ("attach", "sim", "run", "oom"):
        assert f"\n  {command} " in text
    for later in ("record", "open"):
        assert f"\n  {later} " not in text


@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        ["sim", "--print", "trace"],
        ["sim", "--print", "json"],
        ["sim", "--print", "summary"],
        ["attach", "self", "--print", "maps"],
        ["attach", "self", "--print", "smaps"],
        ["attach", "self", "--print", "summary"],
        ["attach", "self", "--print", "json"],
        ["oom", "--print", "json"],
        ["oom", "--print", "summary"],
    ],
)
def test_printing_never_imports_textual(argv: list[str]):
    code = (
        "import os, sys\n"
        "from memtui.cli import main\n"
        "argv = [str(os.getpid()) if a == 'self' else a for a in sys.argv[1:]]\n"
        "try:\n    main(argv)\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "loaded = sorted(m for m in sys.modules if m.split('.')[0] in ('textual', 'rich', 'numpy'))\n"
        "assert not loaded, loaded\n"
    )
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, env=env)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout


@pytest.mark.parametrize("how", [("attach",), ()])
def test_maps_are_byte_for_byte(sleeper: subprocess.Popen[bytes], how: tuple[str, ...]):
    done = memtui(*how, str(sleeper.pid), "--print", "maps")
    assert done.stdout == Path(f"/proc/{sleeper.pid}/maps").read_bytes()
    assert done.returncode == 0


MOVED_BY_OTHERS = re.compile(rb"^(Pss|Shared_|Private_|Referenced)[^\n]*\n", re.MULTILINE)
"""Figures that change when another process, such as memtui itself, maps the same library."""


def test_smaps_have_the_kernels_lines(sleeper: subprocess.Popen[bytes]):
    done = memtui(str(sleeper.pid), "--print", "smaps")
    expected = Path(f"/proc/{sleeper.pid}/smaps").read_bytes()
    assert MOVED_BY_OTHERS.sub(b"", done.stdout) == MOVED_BY_OTHERS.sub(b"", expected)
    assert [line.split()[0] for line in done.stdout.splitlines()] == [line.split()[0] for line in expected.splitlines()]


def test_json_of_a_process(sleeper: subprocess.Popen[bytes]):
    document = json.loads(memtui(str(sleeper.pid), "--print", "json").stdout)
    lines = Path(f"/proc/{sleeper.pid}/maps").read_text().splitlines()
    assert [f"{int(v['start'], 16):08x}-{int(v['end'], 16):08x} {v['perms']}" for v in document["vmas"]] == [
        " ".join(line.split(" ")[:2]) for line in lines
    ]


def test_oom_scores_are_computed_and_agree(sleeper: subprocess.Popen[bytes]):
    document = json.loads(memtui("oom", "--print", "json").stdout)
    rows = {row["pid"]: row for row in document["tasks"]}
    row = rows[sleeper.pid]
    assert row["oom_score"] == row["kernel_oom_score"] == int(Path(f"/proc/{sleeper.pid}/oom_score").read_text())
    points = [row["points"] for row in document["tasks"] if row["points"] is not None]
    assert points == sorted(points, reverse=True)


def test_a_dead_process(sleeper: subprocess.Popen[bytes]):
    assert "4194303" in one_line_error(memtui("attach", "4194303", "--print", "maps"))


def test_a_name_that_nobody_has():
    assert "no-such-name" in one_line_error(memtui("attach", "no-such-name", "--print", "maps"))


@pytest.mark.skipif(not Path("/proc/2/maps").exists(), reason="no kernel thread in this pid namespace")
def test_a_kernel_thread_has_no_address_space():
    assert "address space" in one_line_error(memtui("attach", "2", "--print", "maps"))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be someone else")
def test_denied_says_what_would_grant_it(sleeper: subprocess.Popen[bytes]):
    # Everything is imported before the rights go: nobody may not even be able to read this Python.
    code = (
        "import os, sys\n"
        "from memtui.cli import main\n"
        "sys.stdout = open(os.devnull, 'w')\n"
        "try:\n    main([str(os.getpid()), '--print', 'maps'])\nexcept SystemExit:\n    pass\n"
        "sys.stdout = sys.__stdout__\n"
        "os.setgroups([])\nos.setgid(65534)\nos.setuid(65534)\n"
        "main(sys.argv[1:])\n"
    )
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    argv = [sys.executable, "-c", code, str(sleeper.pid), "--print", "maps"]
    error = one_line_error(subprocess.run(argv, capture_output=True, env=env))
    assert str(sleeper.pid) in error
    assert "CAP_SYS_PTRACE" in error


def test_bad_files_are_refused_in_one_line(tmp_path: Path):
    (tmp_path / "empty.trace").write_bytes(b"")
    (tmp_path / "binary.trace").write_bytes(b"\x7fELF\0\0\0\1")
    (tmp_path / "wrong.trace").write_text("machine(ram=256M)\nmmap(NULL, 4096\n")
    assert "no such file or scenario" in one_line_error(memtui("sim", "nowhere.trace", "--print", "trace"))
    (tmp_path / "log.4711").write_text("brk(NULL) = 0x555555555000\n")
    assert "strace-log-merge" in one_line_error(memtui("sim", str(tmp_path / "log"), "--print", "trace"))
    assert "is a directory" in one_line_error(memtui("sim", str(tmp_path), "--print", "trace"))
    assert "empty.trace" in one_line_error(memtui("sim", "empty.trace", "--print", "trace", cwd=tmp_path))
    assert "binary.trace" in one_line_error(memtui("sim", "binary.trace", "--print", "trace", cwd=tmp_path))
    assert "wrong.trace:2:" in one_line_error(memtui("sim", "wrong.trace", "--print", "trace", cwd=tmp_path))


@pytest.mark.parametrize(
    "argv",
    [
        ["nonsense"],
        ["attach"],
        ["attach", "1", "--print", "trace"],
        ["sim", "--at", "-1", "--print", "trace"],
        ["sim", "--size", "0x5", "--print", "svg"],
        ["sim", "--print", "maps", "--why"],
        ["--nope"],
        ["-5"],
        ["--theme"],
        ["--interval", "nan"],
        ["attach", "1", "--interval", "inf"],
        ["attach", "1", "--interval", "0"],
        ["attach", "1", "2"],
        ["run"],
        ["sim", "--print", "nope"],
        ["oom", "--cgroup"],
    ],
)
def test_a_wrong_call_has_status_2(argv: list[str]):
    done = memtui(*argv)
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.startswith(b"memtui: ")
    assert done.stderr.count(b"\n") == 1


def test_sim_stops_at_a_step():
    whole = memtui("sim", "first-malloc", "--print", "trace").stdout.splitlines()
    part = memtui("sim", "first-malloc", "--print", "trace", "--at", "2").stdout.splitlines()
    assert part == whole[:2]
    assert len(whole) > 2


def test_a_reader_that_goes_away_is_no_error(sleeper: subprocess.Popen[bytes]):
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    line = f"{sys.executable} -m memtui {sleeper.pid} --print smaps | head -1"
    done = subprocess.run(["sh", "-c", line], capture_output=True, env=env)
    assert done.stderr == b""


@pytest.mark.parametrize("argv", [[], ["sim"], ["oom"]])
def test_the_screen_needs_a_terminal(argv: list[str]):
    done = memtui(*argv, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert b"needs a terminal" in done.stderr


@pytest.mark.parametrize("name", ["", "0", "1099511627776", "9" * 30, "1.5", "a b", "\u0663"])
def test_what_is_no_process_is_one_line(name: str):
    assert "no process" in one_line_error(memtui("attach", name, "--print", "maps"))


def test_options_before_the_command_are_the_commands_too():
    before = memtui("--theme", "paper", "sim", "--print", "svg", "--size", "60x20")
    assert before.stdout == memtui("sim", "--print", "svg", "--size", "60x20", "--theme", "paper").stdout
    assert "no theme named nope" in one_line_error(memtui("--theme", "nope", "sim", "--print", "svg"))


@pytest.mark.parametrize("argv", ["--help", "sim --print trace", "sim --print svg"])
@pytest.mark.parametrize(("redirection", "status"), [(">/dev/full", 1), (">&-", 1), ("| true", 0)])
def test_where_nothing_can_be_written(argv: str, redirection: str, status: int):
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    line = f"{sys.executable} -m memtui {argv} {redirection}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, env=env)
    if argv == "--help" and redirection == ">&-":
        status = 0  # click prints nothing then
    assert done.returncode == status, done
    assert done.stdout == b""
    assert done.stderr.count(b"\n") == (1 if status else 0), done.stderr


def test_no_stdin_is_no_terminal():
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(["sh", "-c", f"{sys.executable} -m memtui 1 <&-"], capture_output=True, env=env)
    assert done.returncode == 2
    assert b"needs a terminal" in done.stderr


def test_an_unknown_theme_is_named_with_those_there_are():
    error = one_line_error(memtui("sim", "--theme", "nope", "--print", "svg"))
    assert "nope" in error
    assert "ink" in error


def test_a_broken_theme_is_reported_and_the_default_used(tmp_path: Path):
    folder = tmp_path / "memtui" / "themes"
    folder.mkdir(parents=True)
    (folder / "bad.toml").write_text("roles = 5\n")
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "XDG_CONFIG_HOME": str(tmp_path)}
    argv = [sys.executable, "-m", "memtui", "sim", "--print", "svg"]
    done = subprocess.run(argv, capture_output=True, env=env)
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1
    assert b"bad.toml" in done.stderr
    assert done.stdout == memtui("sim", "--print", "svg").stdout


def test_json_names_the_elf_files(sleeper: subprocess.Popen[bytes]):
    document = json.loads(memtui("attach", str(sleeper.pid), "--print", "json").stdout)
    objects = document["elf"]["objects"]
    assert objects[0]["path"] == document["process"]["exe"]
    libc = next(one for one in objects if one["soname"] == "libc.so.6")
    assert libc["needed_by"]
    assert libc["path"] in objects[0]["needs"].values() or objects[0]["path"] not in libc["needed_by"]
    text = next(vma for vma in document["vmas"] if vma["path"] == libc["path"] and "x" in vma["perms"])
    assert text["elf"]["object"] == libc["path"]
    assert ".text" in text["elf"]["sections"]
    assert next(vma for vma in document["vmas"] if vma["kind"] == "stack")["elf"] is None


def test_a_device_and_a_pipe_without_a_writer_are_refused(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for name, words in (("/dev/zero", "is a device"), (str(tmp_path / "pipe"), "empty")):
        result = memtui("sim", name, "--print", "summary")
        assert result.returncode == 1
        assert words in result.stderr.decode()
        assert result.stderr.count(b"\n") == 1


def test_keys_to_press_are_named_as_the_help_writes_them_and_a_wrong_one_is_told():
    picture = memtui("sim", "--print", "svg", "--size", "80x24", "--press", "Tab Esc ctrl+p question_mark").stdout
    assert picture.startswith(b"<svg")
    wrong = memtui("sim", "--print", "svg", "--press", "u entr")
    assert wrong.returncode == 2
    assert wrong.stderr.count(b"\n") == 1
    assert b"there is no key 'entr'" in wrong.stderr
