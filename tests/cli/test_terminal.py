"""The screen on real pseudo terminals: kinds of terminals, signals, sizes. Nothing is left behind on any of them."""

import os
import re
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Mapping
from fcntl import ioctl
from pathlib import Path

import pytest

from memtui.early import look, rows
from tests.bench.terminal import Terminal, memtui

LIMIT = 60.0


def resize(terminal: Terminal, width: int, height: int) -> None:
    ioctl(terminal.fd, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def until(happened: Callable[[], bool], terminal: Terminal) -> None:
    end = time.monotonic() + LIMIT
    while not happened():
        assert time.monotonic() < end, terminal.text[-2000:]
        terminal.read(0.02)


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., Terminal]:
    """`start(*argv, **environ)`: memtui, whose screen stands; the tour was seen, and the settings are the default."""
    for folder in ("memtui", ".config"):
        (tmp_path / folder).mkdir()
    (tmp_path / "memtui" / "tour-seen").touch()

    def started(*argv: str, width: int = 120, height: int = 40, environ: Mapping[str, str] = {}) -> Terminal:
        own = {"TERM": "xterm-256color", "XDG_STATE_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / ".config")}
        terminal = Terminal(memtui(*argv), width=width, height=height, environ={**own, **environ})
        terminal.before = termios.tcgetattr(terminal.fd)
        terminal.until(lambda text: "quit" in text or "too small" in text, limit=LIMIT)
        return terminal

    return started


def ended(terminal: Terminal) -> int:
    """The exit status of a program that ends by itself and has given the terminal back."""
    try:
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            terminal.read(0.5)
        pytest.fail("it went on")
    except EOFError:
        pass
    _, status = os.waitpid(terminal.pid, 0)
    for on, off in ((b"?1049h", b"?1049l"), (b"?25l", b"?25h"), (b"?1000h", b"?1000l"), (b"?2004h", b"?2004l")):
        assert terminal.output.rfind(b"\x1b[" + off) > terminal.output.rfind(b"\x1b[" + on)
    assert termios.tcgetattr(terminal.fd) == terminal.before
    assert b"Traceback" not in terminal.output
    os.close(terminal.fd)
    return os.waitstatus_to_exitcode(status)


@pytest.mark.parametrize(
    ("environ", "colours"),
    [
        ({"TERM": "linux"}, r"[34]\d|9\d|10\d"),
        ({"TERM": "screen"}, r"[34]\d|9\d|10\d"),
        ({"TERM": "xterm-16color"}, r"[34]\d|9\d|10\d"),
        ({"TERM": "tmux-256color"}, r"[34]8;5;\d+"),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, r"[34]8;2;\d+;\d+;\d+"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, None),
        ({"TERM": "linux", "NO_COLOR": "1"}, None),
    ],
)
def test_each_terminal_gets_the_colours_that_it_has(
    start: Callable[..., Terminal], environ: Mapping[str, str], colours: str | None
):
    terminal = start("sim", environ=environ)
    os.write(terminal.fd, b"q")
    assert ended(terminal) == 0
    known = r"[0-4]|7|9|22|39|49" if colours is None else rf"[0-4]|7|9|22|{colours}"
    for codes in re.findall(rb"\x1b\[([\d;]*)m", terminal.output):
        assert re.fullmatch(rf"(({known})(;|$))*", codes.decode()), codes


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_that_ends_it_gives_the_terminal_back(start: Callable[..., Terminal], number: signal.Signals):
    terminal = start("sim")
    os.kill(terminal.pid, number)
    assert ended(terminal) == 128 + number


@pytest.mark.parametrize("how", ["signal", "key"])
def test_stopped_and_continued_it_draws_all_anew(start: Callable[..., Terminal], how: str):
    terminal = start("sim")
    if how == "key":
        os.write(terminal.fd, b"\x1a")
    else:
        os.kill(terminal.pid, signal.SIGTSTP)
    until(lambda: state_of(terminal.pid) == "T", terminal)
    terminal.settle(0.1)
    assert terminal.output.rfind(b"\x1b[?1049l") > terminal.output.rfind(b"\x1b[?1049h")
    terminal.output = b""
    os.kill(terminal.pid, signal.SIGCONT)
    until(lambda: "quit" in terminal.text and "Steps" in terminal.text, terminal)
    os.write(terminal.fd, b"q")
    assert ended(terminal) == 0


def test_a_sigcont_without_a_stop_changes_nothing(start: Callable[..., Terminal]):
    terminal = start("sim")
    for _ in range(3):
        os.kill(terminal.pid, signal.SIGCONT)
        terminal.settle(0.1)
    os.write(terminal.fd, b"q")
    assert ended(terminal) == 0


def test_a_storm_of_sizes(start: Callable[..., Terminal]):
    terminal = start("sim")
    for nth in range(100):
        resize(terminal, 20 + nth * 13 % 280, 5 + nth * 7 % 95)
        terminal.read(0.002)
    resize(terminal, 120, 40)
    terminal.settle(0.3)
    terminal.output = b""
    os.kill(terminal.pid, signal.SIGCONT)
    until(lambda: "quit" in terminal.text and "Steps" in terminal.text, terminal)
    os.write(terminal.fd, b"q")
    assert ended(terminal) == 0


@pytest.mark.parametrize(("width", "height"), [(20, 5), (39, 12), (40, 11), (1, 1)])
def test_a_terminal_that_is_too_small_is_told_so(start: Callable[..., Terminal], width: int, height: int):
    terminal = start("sim") if width < 20 else start("sim", width=width, height=height)
    resize(terminal, width, height)
    terminal.settle(0.2)
    resize(terminal, 120, 40)
    terminal.output = b""
    until(lambda: "Steps" in terminal.text, terminal)
    os.write(terminal.fd, b"q")
    assert ended(terminal) == 0


def test_a_process_is_on_the_terminal_before_the_screen_is(start: Callable[..., Terminal]):
    terminal = start(str(os.getpid()))
    os.write(terminal.fd, b"q")
    assert ended(terminal) == 0
    assert terminal.output.index(b"[heap]") < terminal.output.index(b"\x1b[?1000h")


@pytest.mark.parametrize("redirection", ["2>/dev/null", "2>&-"])
def test_the_screen_is_on_the_terminal_wherever_stderr_goes(redirection: str):
    line = f"exec {sys.executable} -m memtui {os.getpid()} {redirection}"
    with Terminal(["sh", "-c", line]) as terminal:
        terminal.until(lambda text: "quit" in text, limit=LIMIT)


def test_what_goes_wrong_behind_the_plain_frame_is_said_on_the_terminal_that_was(start, tmp_path: Path):
    config = tmp_path / ".config" / "memtui"
    config.mkdir()
    (config / "config.toml").write_text("interval = 0\n")
    terminal = Terminal(
        memtui(str(os.getpid())), environ={"XDG_CONFIG_HOME": str(tmp_path / ".config"), "TERM": "xterm"}
    )
    until(lambda: b"is to be 0.1 seconds or more" in terminal.output, terminal)
    said = terminal.output.index(b"is to be 0.1 seconds")
    assert terminal.output.rfind(b"\x1b[?1049l", 0, said) > terminal.output.rfind(b"\x1b[?1049h", 0, said)
    with terminal:
        pass


def test_the_first_rows_are_those_of_maps():
    lines = Path("/proc/self/maps").read_text().splitlines()
    drawn = rows(7, "a\tname", lines, 100, len(lines) + 3)
    assert drawn[0] == " memtui  live  7 a\tname"
    for line, row in zip(reversed(lines), drawn[2:], strict=True):
        start, end = (int(part, 16) for part in line.split()[0].split("-"))
        assert row.startswith(f" {line.partition('-')[0]:>12} ┤ ")
        assert row.endswith(f" {(end - start) >> 10:,} KiB {line.split()[1]}")
    low = rows(7, "x", lines, 60, 12)
    assert len(low) == 11
    assert any("[heap]" in row for row in low)
    assert len(rows(7, "x", lines, 1, 1)) == 2


def test_a_process_that_cannot_be_read_has_no_early_frame(capfd: pytest.CaptureFixture[str]):
    assert look(1 << 22) is None
    assert capfd.readouterr().out == ""
