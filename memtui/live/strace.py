"""Runs a program under strace, in the user's own terminal, and gives the log."""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple

from memtui.model.errors import AccessDenied, NotSupported, SourceError

ADDR_NO_RANDOMIZE: Final = 0x0040000
"""include/uapi/linux/personality.h."""
PER_QUERY: Final = 0xFFFF_FFFF
STRING_LIMIT: Final = 256
"""Bytes of a string that the log holds (-s)."""
LOG_LIMIT: Final = 1 << 30
"""Bytes of a log that can be replayed."""
_OPTIONS: Final = ("-f", "-s", str(STRING_LIMIT), "-e", "abbrev=!execve,execveat")
"""Follow children; print argv and environment whole, for the size of the stack depends on them."""
_PROBE: Final = 10.0
"""Seconds that strace may take to trace nothing."""


class Recorded(NamedTuple):
    """A program that has run."""

    log: bytes
    """What strace -f -o wrote."""
    status: int
    """The program's exit status, 128 + N if signal N killed it."""


def record(command: Sequence[str], *, aslr: bool = False, output: int | None = None) -> Recorded:
    """Run a command to its end under strace, following its children.

    Its stdin, stdout and stderr are ours, and what the terminal sends (Ctrl-C) is the command's to heed.

    Args:
        command: program and arguments.
        aslr: leave address space randomization on; the model cannot predict random addresses.
        output: descriptor that takes the place of its stdout; None: our own.

    Raises:
        SourceError: there is no such program, or its log is too long.
        NotSupported: strace is not installed.
        AccessDenied: ptrace or personality is refused.
    """
    strace = shutil.which("strace")
    if strace is None:
        raise NotSupported("strace is not installed", hint="install the package strace, or memtui sim FILE with a log")
    if shutil.which(command[0]) is None:
        raise SourceError(f"{command[0]}: no such program")
    _probe(strace)
    with tempfile.TemporaryDirectory(prefix="memtui-") as folder, _fixed_addresses(aslr=aslr):
        log = Path(folder) / "strace.log"
        status = _run([strace, *_OPTIONS, "-o", str(log), "--", *command], output)
        return Recorded(_read(log), status)


def _probe(strace: str) -> None:
    """Let strace trace a program that does nothing.

    Raises:
        AccessDenied: it cannot; with what it says.
    """
    whole = [strace, "-o", os.devnull, "--", shutil.which("true") or "/bin/true"]
    try:
        done = subprocess.run(whole, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROBE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AccessDenied(f"strace cannot be started: {error}") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or [f"it exited with {done.returncode}"]
        raise AccessDenied(f"strace cannot trace: {said[0].removeprefix('strace: ')}", hint=_what_grants_ptrace())


def _what_grants_ptrace() -> str:
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    with contextlib.suppress(OSError):
        if scope.read_text().strip() in {"2", "3"}:
            return f"{scope} forbids it: 1 or 0 there, or root, grants it"
    return "ptrace is refused: in a container, --cap-add=SYS_PTRACE or another seccomp profile grants it"


@contextlib.contextmanager
def _fixed_addresses(*, aslr: bool) -> Iterator[None]:
    """Turn randomization off for what is started inside: the personality is inherited.

    Raises:
        AccessDenied: it cannot be turned off.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    before = libc.personality(PER_QUERY)
    if aslr or before < 0:
        yield
        return
    if libc.personality(before | ADDR_NO_RANDOMIZE) < 0:
        hint = "a container's seccomp filter does that; --aslr runs it with random addresses"
        raise AccessDenied(f"randomization cannot be turned off: {os.strerror(ctypes.get_errno())}", hint=hint)
    try:
        yield
    finally:
        libc.personality(before)


def _run(command: Sequence[str], output: int | None) -> int:
    """Wait for a command as a shell does: what interrupts it does not interrupt us."""
    with _signals_passed_on() as pass_to:
        try:
            child = subprocess.Popen(command, stdout=output)
        except OSError as error:
            raise AccessDenied(f"strace cannot be started: {error.strerror}") from error
        pass_to.append(child.pid)
        status = child.wait()
    return 128 - status if status < 0 else status


@contextlib.contextmanager
def _signals_passed_on() -> Iterator[list[int]]:
    """Ctrl-C reaches the command by the terminal; what ends us is told to it, for strace heeds no signal."""
    straces: list[int] = []

    def ignored(number: int, frame: FrameType | None) -> None:
        """Not SIG_IGN, which the command would inherit."""

    def told(number: int, frame: FrameType | None) -> None:
        for pid in [child for strace in straces for child in _children(strace)]:
            with contextlib.suppress(OSError):
                os.kill(pid, number)

    handlers = {signal.SIGINT: ignored, signal.SIGQUIT: ignored, signal.SIGTERM: told, signal.SIGHUP: told}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield straces
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _read(log: Path) -> bytes:
    try:
        if log.stat().st_size > LOG_LIMIT:
            hint = "record with strace -f -e trace=%memory,%process,%file,%desc -o FILE, then memtui sim FILE"
            raise SourceError(f"the log is longer than {LOG_LIMIT >> 30} GiB", hint=hint)
        return log.read_bytes()
    except OSError as error:
        raise SourceError(f"strace left no log: {error.strerror}") from error
