"""How the sources are made: the part of the composition root that joins `live`, `sim` and `trace`.

Each function imports what it runs, so that none makes the start of another slower.
"""

import glob
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from memtui.model.errors import ParseError, SourceError
from memtui.model.garbage import LONG
from memtui.model.progress import Watcher, unwatched
from memtui.model.request import Seek

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memtui.model.elf_source import ElfSource
    from memtui.model.host import Host
    from memtui.model.source import Source
    from memtui.model.task import Task
    from memtui.trace.parser import Trace

DEFAULT_SCENARIO: Final = "first-malloc"
ENDING: Final = 1 << 62
"""Beyond the last step of any trace."""
SLOW: Final = 1 << 20
"""Bytes of a log from which on reading it takes so long that one wants to see how far it has come."""
LARGEST: Final = 1 << 30
"""Bytes of a log, at most."""


def live(process: str) -> "Source":
    """A live process, by PID or name."""
    from memtui.live.processes import resolve

    return live_process(resolve(process))


def live_process(pid: int) -> "Source":
    """The live process of this number."""
    from memtui.live.source import LiveSource

    return LiveSource(pid)


def processes() -> "Sequence[Task]":
    """All that run now.

    Raises:
        SourceError: they cannot be read.
    """
    from memtui.live.processes import read_tasks
    from memtui.live.procfs import Procfs

    return read_tasks(Procfs())


def commands(pids: "Sequence[int]") -> "Mapping[int, str]":
    """The command line of each that has one that may be read."""
    from memtui.live.processes import read_commands
    from memtui.live.procfs import Procfs

    return read_commands(Procfs(), pids)


def simulation(name: str, watch: Watcher = unwatched, *, at: int = 0) -> "Source":
    """A scenario or a trace file.

    Args:
        name: of the scenario, or path.
        watch: told how far the work has come.
        at: the step that will be shown.

    Raises:
        SourceError: it cannot be had.
    """
    from memtui.scenarios import scenario_names, scenario_text
    from memtui.scenarios.host import ScenarioHost
    from memtui.trace.parser import parse

    if name in scenario_names():
        return _replay(parse(scenario_text(name), f"{name}.trace"), name, ScenarioHost(), watch, at=at)
    path = Path(name)
    return _replay(parse(_read_trace(path), name, watch), path.name, this_host(), watch, at=at)


def replay_of_run(log: bytes, title: str, watch: Watcher = unwatched, *, at: int = 0) -> "Source":
    """What a command did that has just run in our own environment.

    Args:
        log: what strace wrote.
        title: the command.
        watch: told how far the work has come.
        at: the step that will be shown.

    Raises:
        ParseError: the log cannot be read.
    """
    from memtui.trace.decode import decode
    from memtui.trace.environment import with_environment
    from memtui.trace.parser import parse

    environ = [name + b"=" + value for name, value in os.environb.items()]
    trace = with_environment(parse(decode(log, title), title, watch), environ)
    return _replay(trace, title, this_host(), watch, at=at)


def _replay(trace: "Trace", title: str, host: "Host", watch: Watcher, *, at: int) -> "Source":
    """A source of a trace. A long log runs to its end once, so that any step of it can be shown at once."""
    from memtui.sim.source import SimSource

    source = SimSource(trace, host, title)
    source.watch = watch
    if len(trace.statements) >= LONG:
        source.apply(Seek(ENDING))
        source.apply(Seek(at))
    source.watch = unwatched
    return source


def is_slow(name: str) -> bool:
    """Whether a path leads to a file so large that reading it takes its time."""
    try:
        return Path(name).stat().st_size >= SLOW
    except (OSError, ValueError):
        return False


def _read_trace(path: Path) -> str:
    from memtui.trace.decode import decode

    try:
        return decode(_bytes_of(path), str(path))
    except IsADirectoryError as error:
        raise ParseError("is a directory, not a trace", file=str(path)) from error
    except FileNotFoundError as error:
        from memtui.scenarios import scenario_names

        hint = "the scenarios are " + ", ".join(scenario_names())
        if any(file.suffix[1:].isdecimal() for file in path.parent.glob(f"{glob.escape(path.name)}.*")):
            hint = f"strace -ff wrote a file for each process: strace-log-merge {path} > LOG, if they have times (-ttt)"
        raise SourceError(f"{path}: no such file or scenario", hint=hint) from error
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error


def _bytes_of(path: Path) -> bytes:
    """All of a file or a pipe; a pipe that nobody writes to is empty.

    Raises:
        ParseError: a device, or more than `LARGEST` bytes.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(fd, "rb") as file:
        if stat.S_ISCHR(os.fstat(fd).st_mode) or stat.S_ISBLK(os.fstat(fd).st_mode):
            raise ParseError("is a device, not a trace", file=str(path))
        os.set_blocking(fd, True)
        text = file.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise ParseError(f"is larger than {LARGEST >> 20} MiB", file=str(path))
    return text


def this_host() -> "Host":
    """This machine, for the simulator."""
    from memtui.elf_reader import read_elf
    from memtui.live.host import LiveHost

    return LiveHost(read_elf)


def elf_of(source: "Source") -> "ElfSource | None":
    """Where the ELF knowledge of a source comes from: the files of the process, or of the machine that is simulated."""
    from memtui import elf_reader
    from memtui.live.elf_files import LiveElf, own_vdso
    from memtui.live.host import LiveHost
    from memtui.live.source import LiveSource

    if isinstance(source, LiveSource):
        return LiveElf(elf_reader)
    from memtui.sim.elf_files import SimElf
    from memtui.sim.source import SimSource

    if not isinstance(source, SimSource):
        return None
    return SimElf(source.host, elf_reader, own_vdso) if isinstance(source.host, LiveHost) else SimElf(source.host)
