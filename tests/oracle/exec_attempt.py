"""Starts files as programs with ASLR off and tells what came of it before their first instruction.

Reads one JSON string a line from stdin: a path. Answers each with one line of JSON: {"errno": name}, {"signal": name}
for a program that exec itself killed, or {"maps": text, "start_brk": n}. The program never runs.
"""

import ctypes
import errno
import json
import os
import signal
import sys
from pathlib import Path

ADDR_NO_RANDOMIZE = 0x0040000
PTRACE_TRACEME = 0
LIBC = ctypes.CDLL(None, use_errno=True)


def start(path: str, answer: int) -> None:
    """The child's side: becomes the program, or writes why not."""
    try:
        LIBC.personality(ADDR_NO_RANDOMIZE)
        LIBC.ptrace(PTRACE_TRACEME, 0, 0, 0)
        os.execve(path, ["x"], {})
    except OSError as error:
        os.write(answer, errno.errorcode[error.errno or 0].encode())
    finally:
        os._exit(127)


def attempt(path: str) -> dict[str, object]:
    reading, writing = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        start(path, writing)
    os.close(writing)
    _, status = os.waitpid(pid, 0)
    with os.fdopen(reading) as stream:
        failed = stream.read()
    if failed:
        return {"errno": failed}
    if os.WIFSIGNALED(status):
        return {"signal": signal.Signals(os.WTERMSIG(status)).name}
    try:
        if os.WSTOPSIG(status) != signal.SIGTRAP:
            return {"signal": signal.Signals(os.WSTOPSIG(status)).name}
        proc = Path("/proc") / str(pid)
        fields = (proc / "stat").read_text().rpartition(")")[2].split()
        return {"maps": (proc / "maps").read_text(errors="surrogateescape"), "start_brk": int(fields[47 - 3])}
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(attempt(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
