"""Memory cgroups, v1 and v2: who is in one, the room it leaves, the total that its OOM points are measured against."""

import os
from collections.abc import Iterator
from typing import Final, NamedTuple

from memtui.live.mounts import Mount, parse_mountinfo
from memtui.live.procfs import Procfs
from memtui.live.status import parse_stat
from memtui.model.address import PAGE_SHIFT
from memtui.model.cgroup import GroupRoom
from memtui.model.errors import NotSupported, SourceError
from memtui.model.oom import OomDomain
from memtui.model.system import SystemSnapshot

UNLIMITED: Final = (1 << 63) - (1 << PAGE_SHIFT)
"""Bytes: PAGE_COUNTER_MAX as cgroup v1 prints it (include/linux/page_counter.h)."""


class MemoryCgroup(NamedTuple):
    """One group of the hierarchy that has the memory controller."""

    name: str
    """Relative to the mount, without a leading slash; "" is the root."""
    path: str
    """The full path of its folder."""
    version: int
    """1 or 2."""


def find_cgroup(procfs: Procfs, name: str) -> MemoryCgroup:
    """The memory cgroup `name`, relative to its mount, with or without a leading slash.

    Raises:
        NotSupported: it exists, but memory is not controlled there.
        SourceError: there is none; the message names the mounts looked at.
    """
    relative = name.strip("/")
    if ".." in relative.split("/"):
        raise SourceError(f"cgroup {name!r} leaves its mount", hint="a name relative to the mount, without ..")
    mounts = parse_mountinfo(procfs.read("self/mountinfo"))
    uncontrolled = None
    for mount in (*filter(_is_v1, mounts), *filter(_is_v2, mounts)):
        folder = f"{mount.point}/{relative}".rstrip("/")
        if not os.path.isdir(folder):
            continue
        version = 1 if _is_v1(mount) else 2
        controlled = "memory.limit_in_bytes" if version == 1 else "memory.max"
        is_root = version == 2 and not relative and _controls_memory(folder)
        if is_root or os.path.exists(f"{folder}/{controlled}"):
            return MemoryCgroup(relative, folder, version)
        uncontrolled = folder
    if uncontrolled is not None:
        raise NotSupported(
            f"cgroup {uncontrolled} has no memory controller", hint="enable it in cgroup.subtree_control above"
        )
    looked = sorted({mount.point for mount in mounts if _is_v1(mount) or _is_v2(mount)})
    raise SourceError(f"no memory cgroup {name!r}: looked below {', '.join(looked) or 'no mount, none is mounted'}")


def read_domain(group: MemoryCgroup, system: SystemSnapshot) -> OomDomain:
    """What badness points are measured against when this group runs out of memory.

    Source: mem_cgroup_get_max of mm/memcontrol.c, constrained_alloc of mm/oom_kill.c (6.18): the limit, and unless the
    group's swappiness is 0 what swap allows beyond it, at most all swap there is; at least one page.

    Raises:
        SourceError: meminfo, or a file of the group, cannot be read.
    """
    total, swap = system.totalpages, system.meminfo.get("SwapTotal")
    if total is None or swap is None:
        raise SourceError("RAM and swap are unknown", hint=system.unknown.get("meminfo", ""))
    files = Procfs(group.path)
    label = f"/{group.name}"
    names = _V1 if group.version == 1 else _V2
    limit = UNLIMITED if group.version == 2 and not group.name else _limit(files, names.limit)
    if limit >= UNLIMITED:
        return OomDomain(label, total, f"RAM + swap: {names.limit} is unlimited")
    if not _swappiness(group, files, system):
        return OomDomain(label, max(limit >> PAGE_SHIFT, 1), f"{names.limit}; swappiness 0 leaves swap out")
    room = _limit(files, names.swap, missing=UNLIMITED) - (limit if group.version == 1 else 0)
    pages = (limit >> PAGE_SHIFT) + min(max(room, 0) >> PAGE_SHIFT, swap >> (PAGE_SHIFT - 10))
    return OomDomain(label, max(pages, 1), names.why)


def members(procfs: Procfs, group: MemoryCgroup) -> list[int]:
    """The processes of the group and of the groups below it, in the kernel's order as far as it can be seen.

    The kernel walks parents before children and children in the order they were made, which their inode numbers
    follow. Inside a group it walks in the order of joining, as cgroup.procs of v2 lists them; v1 lists them by number.
    It walks main threads: who has only others here, because they were moved alone, is no candidate here. Of a main
    thread that has exited v1 tells no group: it is taken to have been where its others are.

    Raises:
        SourceError: the group cannot be read (any more).
    """
    files = Procfs(group.path)
    pids = [int(line) for line in files.read("cgroup.procs").split()]
    if group.version == 1 and pids:
        threads = {int(line) for line in files.read("tasks").split()}
        pids = [pid for pid in pids if pid in threads or _main_exited(procfs, pid)]
    for path in _children(group.path):
        try:
            name = f"{group.name}/{os.path.basename(path)}"
            pids += members(procfs, group._replace(name=name.lstrip("/"), path=path))
        except SourceError:
            # Removed meanwhile, or a threaded group, whose processes the group above lists.
            continue
    # Processes outside our pid namespace are listed as 0.
    return [pid for pid in pids if pid]


def _main_exited(procfs: Procfs, pid: int) -> bool:
    """Whether only other threads of a process run: `tasks` lists those that do."""
    try:
        return parse_stat(procfs.read(f"{pid}/stat")).state in "ZX"
    except SourceError:
        return False


class GroupReader:
    """The memory cgroups that limit a process: its own and those above it, found again when it moves.

    Args:
        procfs: the tree to read.
        pid: of the process; None: `group` is asked for.
        group: the lowest one, if it does not depend on a process.
    """

    def __init__(self, procfs: Procfs, pid: int | None, group: MemoryCgroup | None = None) -> None:
        self._procfs, self._pid = procfs, pid
        self._text = b""
        """What said in which groups the process is."""
        self._groups = () if group is None else tuple(_up_from(group))
        self._last: GroupRoom | None = None
        self.tightest: MemoryCgroup | None = None
        """The group that was told of last."""

    def read(self) -> GroupRoom | None:
        """Of the one with the least room; None: none has a limit, or none can be seen. The same object if it is so."""
        if self._pid is not None:
            try:
                text = self._procfs.read(f"{self._pid}/cgroup")
            except SourceError:
                text = b""
            if text != self._text:
                self._text, group = text, _group_in(self._procfs, text)
                self._groups = () if group is None else tuple(_up_from(group))
        rooms = [(room, group) for group in self._groups if (room := _room(group)) is not None]
        now, self.tightest = min(rooms, key=lambda pair: pair[0].limit - pair[0].usage, default=(None, None))
        if now != self._last:
            self._last = now
        return self._last


def _group_in(procfs: Procfs, text: bytes) -> MemoryCgroup | None:
    """The memory cgroup of a /proc/PID/cgroup; None: it lies outside of what is mounted here."""
    mounts = parse_mountinfo(procfs.read("self/mountinfo"))
    lines = [line.split(":", 2) for line in text.decode(errors="surrogateescape").splitlines()]
    v1 = (path for _, controllers, path in lines if "memory" in controllers.split(","))
    v2 = (path for _, controllers, path in lines if not controllers)
    for paths, is_it, version in ((v1, _is_v1, 1), (v2, _is_v2, 2)):
        path, mount = next(paths, None), next(filter(is_it, mounts), None)
        if path is None or mount is None or ".." in path.split("/"):
            continue
        name = path.removeprefix(mount.root).strip("/")
        folder = f"{mount.point}/{name}".rstrip("/")
        if os.path.exists(f"{folder}/{(_V1 if version == 1 else _V2).usage}"):
            return MemoryCgroup(name, folder, version)
    return None


def _up_from(group: MemoryCgroup) -> Iterator[MemoryCgroup]:
    """The group and those above it, but the root, which has no limit."""
    while group.name:
        yield group
        above = group.name.rpartition("/")[0]
        group = group._replace(name=above, path=os.path.dirname(group.path))


def _room(group: MemoryCgroup) -> GroupRoom | None:
    files, names = Procfs(group.path), _V1 if group.version == 1 else _V2
    try:
        limit, usage = _limit(files, names.limit), int(files.read(names.usage))
    except SourceError:
        return None
    return None if limit >= UNLIMITED else GroupRoom(f"/{group.name}", usage >> 10, limit >> 10)


class _Names(NamedTuple):
    usage: str
    limit: str
    swap: str
    why: str


_V1: Final = _Names(
    "memory.usage_in_bytes",
    "memory.limit_in_bytes",
    "memory.memsw.limit_in_bytes",
    "memory.limit_in_bytes + the swap that memory.memsw.limit_in_bytes leaves, at most all",
)
_V2: Final = _Names("memory.current", "memory.max", "memory.swap.max", "memory.max + memory.swap.max, at most all swap")


def _is_v1(mount: Mount) -> bool:
    return mount.fs_type == "cgroup" and "memory" in mount.options


def _is_v2(mount: Mount) -> bool:
    return mount.fs_type == "cgroup2"


def _controls_memory(folder: str) -> bool:
    return b"memory" in Procfs(folder).read("cgroup.controllers").split()


def _limit(files: Procfs, name: str, *, missing: int | None = None) -> int:
    """Bytes; `missing` if the kernel has no such file (swap accounting is off)."""
    if missing is not None and not os.path.exists(files.path(name)):
        return missing
    text = files.read(name).strip()
    return UNLIMITED if text == b"max" else int(text)


def _swappiness(group: MemoryCgroup, files: Procfs, system: SystemSnapshot) -> int:
    if group.version == 1:
        return int(files.read("memory.swappiness"))
    return system.sysctl.get("swappiness", 1)


def _children(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            folders = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return [entry.path for entry in sorted(folders, key=lambda entry: entry.inode())]
