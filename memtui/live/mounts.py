"""Models show_mountinfo of fs/proc_namespace.c: which file system lies where."""

import re
from typing import NamedTuple

_OCTAL = re.compile(rb"\\([0-7]{3})")


class Mount(NamedTuple):
    """One line of mountinfo."""

    dev: tuple[int, int]
    """Major and minor of the file system's device, as maps prints them too."""
    point: str
    """Where it is mounted."""
    fs_type: str
    options: frozenset[str]
    """Of the file system (not of this mount): names the controllers of a cgroup v1 hierarchy."""
    root: str
    """The folder of the file system that is mounted."""


def parse_mountinfo(text: bytes) -> tuple[Mount, ...]:
    """Every mount in the order of the file; a line of another form is left out.

    Source: Documentation/filesystems/proc.rst, 3.5.
    """
    mounts = []
    for line in text.split(b"\n"):
        left, dash, right = line.partition(b" - ")
        place, kind = left.split(b" "), right.split(b" ")
        if dash and len(place) >= 5 and len(kind) >= 3:
            major, _, minor = place[2].partition(b":")
            options = frozenset(kind[2].decode(errors="surrogateescape").split(","))
            dev = int(major), int(minor)
            mounts.append(Mount(dev, _unescaped(place[4]), _unescaped(kind[0]), options, _unescaped(place[3])))
    return tuple(mounts)


def mount_of(mounts: tuple[Mount, ...], path: str) -> Mount | None:
    """The mount that holds the absolute `path`: the longest mount point above it, the last one on a tie."""
    above = [mount for mount in mounts if path == mount.point or path.startswith(mount.point.rstrip("/") + "/")]
    return max(reversed(above), key=lambda mount: len(mount.point), default=None)


def _unescaped(field: bytes) -> str:
    return _OCTAL.sub(lambda match: bytes((int(match[1], 8),)), field).decode(errors="surrogateescape")
