"""Memory that outlives its processes or is shared by them: tmpfs, shared memory segments, and who maps which file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

FileId = tuple[tuple[int, int], int]
"""Major and minor of the device, and inode: what a file is, whatever it is called."""


class SegmentKind(StrEnum):
    """How it was made."""

    SYSV = "sysv"
    """shmget(2)."""
    POSIX = "posix"
    """A file in /dev/shm: shm_open(3)."""
    MEMFD = "memfd"
    """memfd_create(2): no name in any folder."""


class Segment(NamedTuple):
    """One object of shared memory. Sizes in bytes; None: not told, `why` says why."""

    kind: SegmentKind
    name: str
    """ "id 3, key 0x51", "/dev/shm/cache", "memfd:pool"."""
    size: int
    resident: int | None = None
    swapped: int | None = None
    attached: int | None = None
    """SysV: attachments; else processes that map it, or have it open."""
    uid: int | None = None
    """Of the owner."""
    removed: bool = False
    """It has no name or key any more, and goes with its last attachment."""
    why: str = ""

    @property
    def orphaned(self) -> bool | None:
        """Whether nobody uses it, and still it stays until somebody removes it."""
        return None if self.attached is None else self.attached == 0 and not self.removed


class TmpfsMount(NamedTuple):
    """A file system whose files are memory. Bytes; None: without limit, or not told."""

    point: str
    fs_type: str
    size: int | None
    used: int | None
    files: int | None
    """Inodes in use."""
    why: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Sharing:
    """The whole machine's, as far as one may look."""

    segments: tuple[Segment, ...] = ()
    """Those that nobody uses first, then the largest."""
    mounts: tuple[TmpfsMount, ...] = ()
    mappers: Mapping[FileId, tuple[int, ...]] = field(default_factory=dict)
    """Which processes map a file, by pid."""
    unknown: Mapping[str, str] = field(default_factory=dict)
    """What could not be had -> why."""
