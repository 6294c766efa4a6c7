"""The entry point: what the user asked to see is read and drawn before anything slow is imported."""

import gc
import os
import sys


def main() -> None:
    """Run the command line; the console script. Its exit status is that of `memtui.cli.main`."""
    # What is imported and what is read first is no garbage, and looking through it takes its time: garbage is looked
    # for from when the screen stands, or a trace is replayed.
    gc.disable()
    argv = sys.argv[1:]
    try:
        if not (len(argv) < 3 and has_terminal() and _at_once(argv)):
            from memtui.cli import main as run

            run()
    except KeyboardInterrupt:
        sys.exit(130)


def _at_once(argv: list[str]) -> bool:
    """`memtui`, `memtui PID` and `memtui sim [NAME]`: what has no option does not wait for the command line's import.

    Returns:
        Whether it was such a call. It is over.
    """
    pid = _pid(argv)
    if pid is not None:
        _attach(pid)
        return True
    is_sim = argv[:1] == ["sim"] and not argv[-1].startswith("-")
    if (argv and not is_sim) or not _without_settings():
        return False
    from memtui.opening import open_at_once, open_list

    if is_sim:
        open_at_once(*argv[1:])
    else:
        open_list()
    return True


def _attach(pid: int) -> None:
    """The process is on the terminal before there is more to wait for."""
    from memtui.early import look

    frame = look(pid)
    if _without_settings():
        from memtui.opening import open_process

        open_process(pid, frame)
    else:
        from memtui.cli import main as run

        run(frame=frame)


def _without_settings() -> bool:
    from memtui.settings import Settings, read

    return read() == Settings({})


def _pid(argv: list[str]) -> int | None:
    """Of a call that is nothing but `memtui PID`."""
    words = argv[1:] if argv[:1] == ["attach"] else argv
    if len(words) != 1 or not (words[0].isascii() and words[0].isdecimal() and len(words[0]) < 10):
        return None
    return int(words[0])


def has_terminal() -> bool:
    """Whether there is a terminal to read keys from and to draw on."""
    return os.environ.get("TERM") != "dumb" and all(
        stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)
    )
