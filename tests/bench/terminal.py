"""Programs in a terminal that the benches hold: what they write and when, what they cost, and keys for them."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[2]
_ANSWERS = {b"\x1b[?2026$p": b"\x1b[?2026;2$y", b"\x1b[6n": b"\x1b[1;1R", b"\x1b[c": b"\x1b[?62c"}
"""What a program asks of its terminal -> what this one says."""
_ESCAPE = re.compile(rb"\x1b(\[[0-?]*[ -/]*[@-~]|[()][0AB]|[=>78DEM]|\][^\x07\x1b]*(\x07|\x1b\\)|P[^\x1b]*\x1b\\)")
_ENVIRON = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
_UNSET = ("COLUMNS", "LINES", "NO_COLOR", "COLORTERM", "PYTHONDONTWRITEBYTECODE")
_TICK = os.sysconf("SC_CLK_TCK")


def memtui(*argv: str) -> list[str]:
    """The command that starts this checkout."""
    return [sys.executable, "-m", "memtui", *argv]


class Terminal:
    """One program in a pseudo terminal of `width` x `height` cells. Times are seconds since its start."""

    def __init__(
        self, argv: Sequence[str], *, width: int = 120, height: int = 40, environ: Mapping[str, str] = _ENVIRON
    ) -> None:
        self.output = b""
        self.before: list[object] = []
        self.began = time.perf_counter()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
            for name in _UNSET:
                os.environ.pop(name, None)
            os.environ.update({"LANG": "C.UTF-8", "PYTHONPATH": str(ROOT), **environ})
            os.execvp(argv[0], argv)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)

    def read(self, seconds: float) -> bytes:
        """What comes within this time: after the first bytes, only what is there already."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return b""
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:
            data = b""
        if not data:
            raise EOFError(self.text[-2000:])
        self.output += data
        for asked, answer in _ANSWERS.items():
            if asked in data:
                os.write(self.fd, answer)
        return data

    def until(self, shown: Callable[[str], bool], *, limit: float = 60.0) -> float:
        """Seconds since the start when the text written so far is as wanted."""
        while time.perf_counter() - self.began < limit:
            if self.read(0.5) and shown(self.text):
                return time.perf_counter() - self.began
        raise TimeoutError(self.text[-2000:])

    def settle(self, quiet: float = 0.5) -> None:
        """Until nothing was written for this long."""
        while self.read(quiet):
            pass

    def pass_by(self, seconds: float) -> None:
        """Let it run, reading what it writes."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self.read(left)

    def press(self, key: bytes, *, quiet: float = 0.03) -> float:
        """Seconds from a key to the last byte of what it changed."""
        began = last = time.perf_counter()
        os.write(self.fd, key)
        wait = 0.5
        while self.read(wait):
            last, wait = time.perf_counter(), quiet
        return last - began

    @property
    def text(self) -> str:
        """What was written, without the escapes."""
        return _ESCAPE.sub(b"", self.output).decode("utf-8", "replace")

    @property
    def cpu(self) -> float:
        """Seconds of CPU so far: its own to the nanosecond, ended children's by the clock's tick."""
        own = time.clock_gettime((~self.pid << 3) | 2)
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return own + (int(fields[13]) + int(fields[14])) / _TICK

    @property
    def peak(self) -> float:
        """MB that were resident at most."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1000
