"""Models show_map_vma of fs/proc/task_mmu.c, read backwards: the lines of /proc/PID/maps as VMAs."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from memtui.live.mounts import Mount
from memtui.model.errors import ParseError
from memtui.model.vma import Vma, VmaKind

_SYSV: Final = re.compile(r"/SYSV[0-9a-f]{8} \(deleted\)")
_NO_FILE: Final = ((0, 0), 0)
_KEPT: Final = 16_384
"""Different ends of lines that are kept: each offset into a file is one."""
_new: Final = tuple.__new__
"""What the class of a NamedTuple does, without its checks: one for each VMA."""


class FileSystems(NamedTuple):
    """The device numbers that decide what kind of memory a mapped file is."""

    visible: frozenset[tuple[int, int]] = frozenset()
    """Of every mount. The kernel's own tmpfs, which holds memfd, SysV and shared anonymous memory, is never mounted,
    so that a file on a disk that is called "/memfd:x" cannot be taken for one."""
    shmem: frozenset[tuple[int, int]] = frozenset()
    """tmpfs and devtmpfs."""
    hugetlb: frozenset[tuple[int, int]] = frozenset()

    @classmethod
    def of(cls, mounts: tuple[Mount, ...]) -> "FileSystems":
        """Sort the devices of a mountinfo."""
        return cls(
            frozenset(mount.dev for mount in mounts),
            frozenset(mount.dev for mount in mounts if mount.fs_type in ("tmpfs", "devtmpfs")),
            frozenset(mount.dev for mount in mounts if mount.fs_type == "hugetlbfs"),
        )


def parse_line(line: bytes, systems: FileSystems) -> Vma:
    r"""One line without its newline; every field stays as printed, so that the line can be made again from them.

    A label never starts with a space (d_path, arch_vma_name and the anonymous names all start with another
    character), so the padding before it ends where the label starts. Newlines in a path are "\012" in the file.

    Raises:
        ValueError: it is no such line.
    """
    place, _, rest = line.partition(b" ")
    start, _, end = place.partition(b"-")
    return Vma(int(start, 16), int(end, 16), *_fields(rest, systems))


def _fields(rest: bytes, systems: FileSystems) -> tuple[Any, ...]:
    """What stands behind the addresses of a line; nothing is measured yet."""
    perms, offset, dev, inode, *label = rest.split(b" ", 4)
    major, _, minor = dev.partition(b":")
    name = label[0].lstrip(b" ").decode(errors="surrogateescape") if label else ""
    file = (int(major, 16), int(minor, 16)), int(inode)
    return perms.decode("ascii"), int(offset, 16), *file, name, kind_of(name, *file, systems), None, None, None


def kind_of(name: str, dev: tuple[int, int], inode: int, systems: FileSystems) -> VmaKind:
    """What the VMA is for. The device decides where the label alone could be forged by a file's name."""
    if (dev, inode) == _NO_FILE:
        return _kind_of_label(name)
    if dev in systems.hugetlb:
        return VmaKind.HUGETLB
    if dev in systems.shmem:
        is_node = name.startswith("/dev/") and not name.startswith("/dev/shm/")
        return VmaKind.DEVICE if is_node else VmaKind.SHMEM
    if dev in systems.visible:
        return VmaKind.FILE
    return _kind_of_unmounted(name)


def _kind_of_label(name: str) -> VmaKind:
    if not name or name.startswith("[anon:"):
        return VmaKind.ANON
    if name.startswith("[stack"):
        return VmaKind.STACK
    return VmaKind.HEAP if name == "[heap]" else VmaKind.SPECIAL


def _kind_of_unmounted(name: str) -> VmaKind:
    """A file on a file system that is mounted nowhere: the kernel's own, or one of another mount namespace."""
    if name == "/dev/zero (deleted)" or name.startswith("[anon_shmem:"):
        return VmaKind.SHARED_ANON
    if name.startswith("/memfd:"):
        return VmaKind.MEMFD
    if _SYSV.fullmatch(name):
        return VmaKind.SYSV
    if name.startswith("/anon_hugepage"):
        return VmaKind.HUGETLB
    if name.startswith("/dev/shm/"):
        return VmaKind.SHMEM
    return VmaKind.FILE if name.startswith("/") and not name.startswith("/dev/") else VmaKind.DEVICE


class MapsParser:
    """Parses maps again and again: a line that is as before gives the same `Vma` object as before.

    Thousands of lines may differ in their addresses alone: what stands behind those is parsed once.
    """

    def __init__(self) -> None:
        self._systems = FileSystems()
        self._rests: dict[bytes, tuple[Any, ...]] = {}
        self._end_text, self._end = b"", 0
        """Where the VMA ends that was parsed last."""
        self.pieces: Sequence[bytes] = ()
        """What was parsed last."""

    def parse(
        self, pieces: Sequence[bytes], systems: FileSystems, before: Sequence[Vma] = (), *, file: str = "maps"
    ) -> list[Vma]:
        """The VMAs in the order of the file, one a line. Only what stands behind the pieces that are as before costs.

        Args:
            pieces: of the text of the file, that a line may reach over.
            systems: what device numbers mean.
            before: what the last call gave, as measured since then.
            file: the name for an error.

        Raises:
            ParseError: a line has another form, named with `file` and its number.
        """
        if systems != self._systems:
            self.pieces, self._systems, self._rests = (), systems, {}
        equal = _equal(self.pieces, pieces)
        vmas = [*before[: sum(piece.count(b"\n") for piece in pieces[:equal])]]
        known = dict(zip(lines_of(self.pieces[equal:]), before[len(vmas) :], strict=False))
        self.pieces = ()  # of a text that cannot be parsed nothing is known
        for line in lines_of(pieces[equal:]):
            try:
                vmas.append(known.get(line) or self._parsed(line))
            except ValueError as error:
                raise ParseError("not a line of maps", file=file, line=len(vmas) + 1) from error
        self.pieces = pieces
        return vmas

    @property
    def lines(self) -> Iterator[bytes]:
        """Of the last text, without their newlines."""
        return lines_of(self.pieces)

    def _parsed(self, line: bytes) -> Vma:
        place, _, rest = line.partition(b" ")
        fields = self._rests.get(rest)
        if fields is None:
            if len(self._rests) >= _KEPT:
                self._rests.clear()
            self._rests[rest] = fields = _fields(rest, self._systems)
        begin, _, end = place.partition(b"-")
        # Most VMAs start where the one before ends: they share the number.
        start = self._end if begin == self._end_text else int(begin, 16)
        self._end_text, self._end = end, int(end, 16)
        return _new(Vma, (start, self._end, *fields))


def lines_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """One at a time: there are tens of thousands. What stands behind the last newline is left out."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines


def _equal(before: Sequence[bytes], now: Sequence[bytes]) -> int:
    """How many pieces are as before, up to one that ends with its line."""
    pairs = enumerate(zip(before, now, strict=False))
    equal = next((place for place, (old, new) in pairs if old != new), min(len(before), len(now)))
    while equal and not now[equal - 1].endswith(b"\n"):
        equal -= 1
    return equal
