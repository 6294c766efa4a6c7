"""tmpfs mounts and shared memory segments of the machine: Models ipc/shm.c and mm/shmem.c as they show themselves."""

import os
import stat
from collections.abc import Iterator
from typing import Final

from memtui.live.cached_pages import OPEN_FLAGS, CachedPages, why_not
from memtui.live.mappers import MEMFD, Mappers, read_mappers
from memtui.live.mounts import parse_mountinfo
from memtui.live.pace import Pace
from memtui.live.procfs import Procfs
from memtui.model.address import PAGE_SIZE
from memtui.model.errors import SourceError
from memtui.model.sharing import FileId, Segment, SegmentKind, Sharing, TmpfsMount

_MEMORY: Final = frozenset({"tmpfs", "devtmpfs", "ramfs", "hugetlbfs"})
"""File systems whose files are memory."""
_SHM: Final = "/dev/shm"
_DEST: Final = 0o1000
"""SHM_DEST: removed, to go with its last attachment."""
_MOST: Final = 2000
"""Files of /dev/shm that are looked at."""
_BLOCK: Final = 512


class SharingReader:
    """Reads at a pace: every process is looked at. The same object as before if nothing changed."""

    def __init__(self, procfs: Procfs) -> None:
        self._procfs = procfs
        self._cached = CachedPages()
        self._pace = Pace()
        self._last: Sharing | None = None

    def read(self) -> Sharing:
        """All of it, or what was read last if it is not yet time."""
        if self._last is not None and not self._pace.due:
            return self._last
        with self._pace.measured():
            now = self._read()
        if self._last is None or _facts(now) != _facts(self._last):
            self._last = now
        return self._last

    def _read(self) -> Sharing:
        unknown: dict[str, str] = {}
        mappers = read_mappers(self._procfs)
        if mappers.denied:
            unknown["users"] = (
                f"processes whose maps may not be read: {mappers.denied}; what only they use has no figure "
                "(needs CAP_SYS_PTRACE or root)"
            )
        segments = [*self._sysv(unknown), *self._files(mappers, unknown)]
        segments.sort(key=lambda segment: (not segment.orphaned, -(segment.resident or segment.size)))
        return Sharing(tuple(segments), tuple(self._mounts(unknown)), mappers.mapped, unknown)

    def _sysv(self, unknown: dict[str, str]) -> Iterator[Segment]:
        """Lines of /proc/sysvipc/shm; its columns have names, and those of memory came with 2.6.34."""
        try:
            head, *lines = self._procfs.read("sysvipc/shm").decode().splitlines()
        except (SourceError, ValueError) as error:
            unknown["sysv"] = str(error) or "an empty file"
            return
        names = head.split()
        for line in lines:
            row = dict(zip(names, line.split(), strict=False))
            figures = {name: int(row[name]) if name in row else None for name in ("rss", "swap", "nattch", "uid")}
            yield Segment(
                SegmentKind.SYSV,
                f"id {row['shmid']}, key {int(row['key']) & 0xFFFF_FFFF:#x}",
                int(row["size"]),
                figures["rss"],
                figures["swap"],
                figures["nattch"],
                figures["uid"],
                removed=bool(int(row["perms"], 8) & _DEST),
            )

    def _files(self, mappers: Mappers, unknown: dict[str, str]) -> Iterator[Segment]:
        """What lies in /dev/shm, and what processes hold that has no name."""
        seen: set[FileId] = set()
        for path in self._named(unknown):
            segment = self._segment(path, path, mappers, seen)
            if segment is not None:
                yield segment
        for file, place in mappers.places.items():
            if file not in seen:
                segment = self._segment(self._procfs.path(place.path), place.name, mappers, seen)
                if segment is not None:
                    yield segment

    def _named(self, unknown: dict[str, str]) -> Iterator[str]:
        found = 0
        for folder, folders, names in os.walk(_SHM, onerror=lambda error: _note(unknown, error)):
            folders.sort()
            for name in sorted(names):
                found += 1
                if found > _MOST:
                    unknown["posix"] = f"{_SHM} has more than {_MOST} files: the rest is left out"
                    return
                yield f"{folder}/{name}"

    def _segment(self, path: str, name: str, mappers: Mappers, seen: set[FileId]) -> Segment | None:
        """None: it is gone, no file, or known already."""
        try:
            facts = os.stat(path, follow_symlinks=not path.startswith(_SHM))
        except OSError:
            return None
        file = (os.major(facts.st_dev), os.minor(facts.st_dev)), facts.st_ino
        if file in seen or not stat.S_ISREG(facts.st_mode):
            return None
        seen.add(file)
        is_memfd = name.startswith(MEMFD)
        users = {*mappers.mapped.get(file, ()), *mappers.opened.get(file, ())}
        resident, swapped, why = self._pages(path, facts.st_blocks * _BLOCK)
        return Segment(
            SegmentKind.MEMFD if is_memfd else SegmentKind.POSIX,
            name.removesuffix(" (deleted)").removeprefix("/" if is_memfd else ""),
            facts.st_size,
            resident,
            swapped,
            None if mappers.denied and not users else len(users),
            facts.st_uid,
            removed=is_memfd or name.endswith(" (deleted)"),
            why=why,
        )

    def _pages(self, path: str, allocated: int) -> tuple[int | None, int | None, str]:
        """Bytes in memory and on swap: what is allocated is in one of the two."""
        try:
            fd = os.open(path, OPEN_FLAGS)
        except OSError as error:
            return None, None, f"it cannot be opened: {error.strerror}"
        try:
            resident = min(self._cached.of(fd).cached * PAGE_SIZE, allocated)
        except OSError as error:
            return None, None, why_not(error)
        finally:
            os.close(fd)
        return resident, allocated - resident, ""

    def _mounts(self, unknown: dict[str, str]) -> Iterator[TmpfsMount]:
        try:
            mounts = parse_mountinfo(self._procfs.read("self/mountinfo"))
        except SourceError as error:
            unknown["mounts"] = str(error)
            return
        seen = set()
        for mount in mounts:
            if mount.fs_type not in _MEMORY or mount.dev in seen:
                continue
            seen.add(mount.dev)
            try:
                over = os.stat(mount.point).st_dev
                if mount.dev != (os.major(over), os.minor(over)):
                    yield TmpfsMount(mount.point, mount.fs_type, None, None, None, "hidden by a mount")
                    continue
                facts = os.statvfs(mount.point)
            except OSError as error:
                yield TmpfsMount(mount.point, mount.fs_type, None, None, None, f"{error.strerror}")
                continue
            size = facts.f_blocks * facts.f_frsize
            used = (facts.f_blocks - facts.f_bfree) * facts.f_frsize
            why = "ramfs counts nothing" if mount.fs_type == "ramfs" else ""
            counted = bool(size)
            files = facts.f_files - facts.f_ffree if facts.f_files else None
            yield TmpfsMount(mount.point, mount.fs_type, size or None, used if counted else None, files, why)


def _note(unknown: dict[str, str], error: OSError) -> None:
    unknown.setdefault("posix", f"{error.filename}: {error.strerror}")


def _facts(sharing: Sharing) -> tuple[object, ...]:
    return sharing.segments, sharing.mounts, sharing.mappers, sharing.unknown
