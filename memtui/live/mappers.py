"""Which processes map a file or have it open: the maps and descriptors of every process."""

import os
import re
from typing import Final, NamedTuple

from memtui.live.procfs import Procfs
from memtui.model.errors import AccessDenied, SourceError
from memtui.model.sharing import FileId

_LINE: Final = re.compile(
    rb"^([0-9a-f]+-[0-9a-f]+) \S+ [0-9a-f]+ ([0-9a-f]+):([0-9a-f]+) ([1-9]\d*) +([^\n]+)", re.MULTILINE
)
MEMFD: Final = "/memfd:"


class Place(NamedTuple):
    """Where an object without a name can be opened."""

    name: str
    """As maps or the link prints it: "/memfd:x (deleted)"."""
    path: str
    """Below the root of the proc file system: "42/fd/3", "42/map_files/...-..."."""


class Mappers(NamedTuple):
    """What the processes use."""

    mapped: dict[FileId, tuple[int, ...]]
    opened: dict[FileId, tuple[int, ...]]
    """Of memfds and of what lies, or lay, in /dev/shm."""
    places: dict[FileId, Place]
    """Of the same."""
    denied: int
    """Processes that do not let themselves be looked at."""


def read_mappers(procfs: Procfs) -> Mappers:
    """Every process that may be looked at, ourselves too; one that exits meanwhile is left out."""
    mapped: dict[FileId, list[int]] = {}
    opened: dict[FileId, list[int]] = {}
    places: dict[FileId, Place] = {}
    denied = 0
    for pid in procfs.numbers():
        try:
            text = procfs.read(f"{pid}/maps")
        except AccessDenied:
            denied += 1
            continue
        except SourceError:
            continue
        for place, major, minor, inode, name in _LINE.findall(text):
            file = (int(major, 16), int(minor, 16)), int(inode)
            _add(mapped, file, pid)
            if _is_shm(name.decode(errors="replace")):
                spelled = name.decode(errors="surrogateescape")
                places.setdefault(file, Place(spelled, f"{pid}/map_files/{_short(place)}"))
        _descriptors(procfs, pid, opened, places)
    return Mappers(_frozen(mapped), _frozen(opened), places, denied)


def _descriptors(procfs: Procfs, pid: int, opened: dict[FileId, list[int]], places: dict[FileId, Place]) -> None:
    try:
        numbers = procfs.numbers(f"{pid}/fd")
    except SourceError:
        return
    for number in numbers:
        try:
            name = os.readlink(procfs.path(f"{pid}/fd/{number}"))
            if not _is_shm(name):
                continue
            facts = os.stat(procfs.path(f"{pid}/fd/{number}"))
        except OSError:
            continue
        file = (os.major(facts.st_dev), os.minor(facts.st_dev)), facts.st_ino
        _add(opened, file, pid)
        # A descriptor may be opened again by its owner too, map_files by root alone.
        places[file] = Place(name, f"{pid}/fd/{number}")


def _is_shm(name: str) -> bool:
    return name.startswith((MEMFD, "/dev/shm/"))


def _short(place: bytes) -> str:
    """As map_files names it: without the zeros that maps puts before a low address."""
    start, _, end = place.decode("ascii").partition("-")
    return f"{int(start, 16):x}-{int(end, 16):x}"


def _add(files: dict[FileId, list[int]], file: FileId, pid: int) -> None:
    pids = files.setdefault(file, [])
    if not pids or pids[-1] != pid:
        pids.append(pid)


def _frozen(files: dict[FileId, list[int]]) -> dict[FileId, tuple[int, ...]]:
    return {file: tuple(pids) for file, pids in files.items()}
