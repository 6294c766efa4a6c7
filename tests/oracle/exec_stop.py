"""Starts programs with ASLR off and tells what the kernel mapped before their first instruction.

Reads one JSON list a line from stdin: [file name, argv, environment, soft RLIMIT_STACK or null]. Answers each with one
line of JSON: {"maps": text, "start_brk": n, "start_stack": n, "RssAnon": KiB}, or {"error": text}. The program never
runs: it is killed at its exec stop.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path

ADDR_NO_RANDOMIZE = 0x0040000
PTRACE_TRACEME = 0
LIBC = ctypes.CDLL(None, use_errno=True)


def start(filename: str, argv: list[str], env: dict[str, str], stack: int | None) -> None:
    """The child's side: becomes the program, or exits with status 127."""
    try:
        if stack is not None:
            resource.setrlimit(resource.RLIMIT_STACK, (stack, resource.getrlimit(resource.RLIMIT_STACK)[1]))
        LIBC.personality(ADDR_NO_RANDOMIZE)
        LIBC.ptrace(PTRACE_TRACEME, 0, 0, 0)
        os.execve(filename, argv, env)
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
    }


def main() -> None:
    for line in sys.stdin:
        filename, argv, env, stack = json.loads(line)
        pid = os.fork()
        if pid == 0:
            start(filename, argv, env, stack)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            print(json.dumps({"error": f"status {status:#x}"}), flush=True)
            continue
        try:
            print(json.dumps(look(pid)), flush=True)
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
