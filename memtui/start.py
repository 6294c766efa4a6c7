"""The entry point: what the user asked to see is read and drawn before anything slow is imported."""

import gc
import os
import sys


def main() -> None:
    """Run the command line; the console script. Its exit status is that of `memtui.cli.main`."""
    # What is imported and what is read first is no garbage, and looking through it takes its time: garbage is looked
    # for from when the screen stands, or a trace is replayed.
    gc.disable()
    try:
        pid = _pid(sys.argv[1:])
        if pid is not None:
            _attach(pid)
        else:
            from memtui.cli import main as run

            run()
    except KeyboardInterrupt:
        sys.exit(130)


def _attach(pid: int) -> None:
    """What has no option, and no settings, does not wait for the command line to be imported."""
    from memtui.early import look

    frame = look(pid)
    from memtui.settings import Settings, read

    if read() == Settings({}):
        from memtui.opening import open_process

        open_process(pid, frame)
    else:
        from memtui.cli import main as run

        run(frame=frame)


def _pid(argv: list[str]) -> int | None:
    """Of a call that is nothing but `memtui PID`, from a terminal."""
    words = argv[1:] if argv[:1] == ["attach"] else argv
    if len(words) != 1 or not (words[0].isascii() and words[0].isdecimal() and len(words[0]) < 10):
        return None
    return int(words[0]) if has_terminal() else None


def has_terminal() -> bool:
    """Whether there is a terminal to read keys from and to draw on."""
    return os.environ.get("TERM") != "dumb" and all(
        stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)
    )
