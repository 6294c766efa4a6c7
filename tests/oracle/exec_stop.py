"""Starts programs with ASLR off and tells what the kernel mapped before their first instruction.

Reads one JSON list a line from stdin: [file name, argv, environment, soft RLIMIT_STACK or null], and for execveat also
[what to open as DIRFD or null, flags of open, flags of execveat]. Answers each with one line of JSON: {"maps": text,
"start_brk": n, "start_stack": n, "RssAnon": KiB, "comm": name}, {"errno": name, "0" for AT_EXECVE_CHECK}, or
{"signal": name} for a program that exec itself killed. The program never runs: it is killed at its exec stop.
"""

import contextlib
import ctypes
import errno
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ADDR_NO_RANDOMIZE = 0x0040000
PTRACE_TRACEME = 0
SYS_EXECVEAT = 322
DIRFD = 100
LIBC = ctypes.CDLL(None, use_errno=True)
At = tuple[str | None, int, int]
Ask = Callable[..., dict[str, object]]
"""Takes what a line of stdin holds."""


def strings_of(texts: list[str]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * (len(texts) + 1))(*map(os.fsencode, texts), None)


def execute(filename: bytes, at: At | None, *strings: ctypes.Array[ctypes.c_char_p]) -> int:
    if at is None:
        return LIBC.execve(filename, *strings)  # os.execve refuses an empty argv
    path, how, flags = at
    if path is not None:
        os.dup2(os.open(path, how), DIRFD, inheritable=not how & os.O_CLOEXEC)
    return LIBC.syscall(SYS_EXECVEAT, DIRFD, filename, *strings, flags)


def start(filename: str, argv: list[str], env: dict[str, str], stack: int | None, at: At | None, answer: int) -> None:
    """The child's side: becomes the program, or writes why not."""
    try:
        if stack is not None:
            resource.setrlimit(resource.RLIMIT_STACK, (stack, resource.getrlimit(resource.RLIMIT_STACK)[1]))
        LIBC.personality(ADDR_NO_RANDOMIZE)
        LIBC.ptrace(PTRACE_TRACEME, 0, 0, 0)
        strings = strings_of(argv), strings_of([f"{name}={value}" for name, value in env.items()])
        done = execute(os.fsencode(filename), at, *strings)
        os.write(answer, b"0" if done == 0 else errno.errorcode[ctypes.get_errno()].encode())
    finally:
        os._exit(127)


def look(pid: int) -> dict[str, object]:
    proc = Path("/proc") / str(pid)
    fields = (proc / "stat").read_text().rpartition(")")[2].split()
    status = dict(line.split(":\t", 1) for line in (proc / "status").read_text().splitlines())
    return {
        "maps": (proc / "maps").read_text(errors="surrogateescape"),
        "start_stack": int(fields[28 - 3]),
        "start_brk": int(fields[47 - 3]),
        "RssAnon": int(status["RssAnon"].split()[0]),
        "comm": (proc / "comm").read_text(errors="surrogateescape").rstrip("\n"),
    }


def attempt(
    filename: str, argv: list[str], env: dict[str, str], stack: int | None, at: At | None = None
) -> dict[str, object]:
    reading, writing = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        start(filename, argv, env, stack, at, writing)
    os.close(writing)
    _, status = os.waitpid(pid, 0)
    with os.fdopen(reading) as stream:
        failed = stream.read()
    if failed:
        return {"errno": failed}
    if os.WIFSIGNALED(status):
        return {"signal": signal.Signals(os.WTERMSIG(status)).name}
    try:
        stopped = signal.Signals(os.WSTOPSIG(status))
        return look(pid) if stopped is signal.SIGTRAP else {"signal": stopped.name}
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@contextlib.contextmanager
def asking() -> Iterator[Ask]:
    """This file as a process of its own: starts programs up to their exec stop, tells what the kernel shows then."""
    child = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(*question: object) -> dict[str, object]:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps(question) + "\n")
        child.stdin.flush()
        return json.loads(child.stdout.readline())

    yield ask
    child.communicate()


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(attempt(*json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
