"""`memtui run -- CMD`: the program keeps its terminal, and what it did is replayed."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
REPOSITORY = Path(__file__).resolve().parents[2]
LIMIT = 60


def memtui(*argv: str, env: dict[str, str] | None = None, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "memtui", *argv],
        cwd=REPOSITORY,
        env={**os.environ, **(env or {})},
        input=stdin,
        capture_output=True,
        check=False,
        timeout=LIMIT,
    )


def leftovers() -> set[str]:
    return {path.name for path in Path("/tmp").glob("memtui-*")}


def test_the_trace_goes_to_stdout_and_the_programs_output_does_not():
    done = memtui("run", "--print", "trace", "--", "echo", "hello")
    assert done.returncode == 0
    assert done.stderr == b"hello\n"
    text = done.stdout.decode()
    assert re.match(r'execve\("\S*/echo", \["echo", "hello"\], \[/\* \d+ vars \*/\]\) += 0\n', text)
    assert "exit_group(0)" in text
    assert str(Path.home()) not in text.splitlines()[0]


def test_the_programs_exit_status_is_passed_on():
    assert memtui("run", "--print", "summary", "--", "sh", "-c", "exit 7").returncode == 7
    assert memtui("run", "--print", "summary", "--", "sh", "-c", "kill -TERM $$").returncode == 128 + signal.SIGTERM


def test_the_program_reads_our_stdin():
    done = memtui("run", "--print", "summary", "--", "cat", stdin=b"read me")
    assert done.stderr == b"read me"


def test_addresses_are_predicted():
    done = memtui("run", "--print", "json", "--", "sh", "-c", "ls / | sort >/dev/null")
    document = json.loads(done.stdout)
    assert document["steps"]["divergences"] == 0
    assert len(document["steps"]["list"]) > 100


def test_a_map_in_the_middle():
    done = memtui("run", "--print", "maps", "--at", "1", "--", "true")
    assert done.returncode == 0
    assert "[stack]" in done.stdout.decode()


def test_the_map_without_a_step_is_the_one_before_the_end():
    done = memtui("run", "--print", "maps", "--", "true")
    assert done.returncode == 0
    assert "[stack]" in done.stdout.decode()
    assert re.fullmatch(r"memtui: the program has ended: this is the map at step \d+\n", done.stderr.decode())


def test_options_of_the_program_are_its_own():
    done = memtui("run", "--print", "summary", "env", "--help")
    assert b"Usage: env" in done.stderr


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("run", "--print", "maps", "--", "no-such-program"), "no-such-program: no such program"),
        (("run", "--print", "maps", "--", "/etc"), "no such program"),
    ],
)
def test_what_cannot_be_started_is_one_line(argv: tuple[str, ...], words: str):
    done = memtui(*argv)
    assert done.returncode == 1
    assert done.stdout == b""
    assert words in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_strace_missing_is_one_line(tmp_path: Path):
    (tmp_path / "true").symlink_to(shutil.which("true") or "/bin/true")
    done = memtui("run", "--print", "maps", "--", "true", env={"PATH": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr.decode().startswith("memtui: strace is not installed (install the package strace")
    assert done.stderr.count(b"\n") == 1


def test_ptrace_refused_is_one_line(tmp_path: Path):
    refusing = tmp_path / "strace"
    refusing.write_text("#!/bin/sh\necho 'strace: PTRACE_TRACEME: Operation not permitted' >&2\nexit 1\n")
    refusing.chmod(0o755)
    done = memtui("run", "--print", "maps", "--", "true", env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert done.returncode == 1
    said = done.stderr.decode()
    assert said.startswith("memtui: strace cannot trace: PTRACE_TRACEME: Operation not permitted (")
    assert said.count("\n") == 1


def test_the_screen_needs_a_terminal_before_the_program_runs(tmp_path: Path):
    done = memtui("run", "--", "touch", str(tmp_path / "ran"))
    assert done.returncode == 2
    assert not (tmp_path / "ran").exists()


def test_no_log_is_left_even_when_it_is_ended(tmp_path: Path):
    before = leftovers()
    whole = [sys.executable, "-m", "memtui", "run", "--print", "summary", "--", "sh", "-c", "echo up; exec sleep 100"]
    with subprocess.Popen(whole, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stderr is not None
        assert run.stderr.readline() == b"up\n"
        wait_for(lambda: b"sleep" in b"".join(commands_below(run.pid)))
        run.send_signal(signal.SIGTERM)
        run.wait(LIMIT)
        assert run.returncode == 128 + signal.SIGTERM
    assert leftovers() <= before


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def commands_below(pid: int) -> list[bytes]:
    """The command lines of the processes below one, strace's own left out."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        found = [Path(f"/proc/{child}/cmdline").read_bytes() for child in children]
    except OSError:
        return []
    own = [line for line in found if b"strace" not in line.split(b"\0")[0]]
    return own + [line for child in children for line in commands_below(int(child))]


def test_on_a_terminal_the_screen_opens_behind_the_programs_output(tmp_path: Path):
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(REPOSITORY)
        os.environ.update(TERM="xterm-256color", COLUMNS="120", LINES="40")
        os.execv(sys.executable, [sys.executable, "-m", "memtui", "run", "--", "echo", "hello from it"])
    seen = b""
    try:
        deadline = time.monotonic() + LIMIT
        asked = False
        while time.monotonic() < deadline:
            try:
                data = os.read(terminal, 65536)
            except OSError:
                break
            if not data:
                break
            seen += data
            if not asked and b"brk(NULL)" in seen:
                os.write(terminal, b"q")
                asked = True
        assert asked, seen[-2000:]
    finally:
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
    assert seen.index(b"hello from it") < seen.index(b"brk(NULL)")
    assert os.waitstatus_to_exitcode(status) == 0
