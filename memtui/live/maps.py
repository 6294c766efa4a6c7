"""Models show_map_vma of fs/proc/task_mmu.c, read backwards: the lines of /proc/PID/maps as VMAs."""

import re
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from typing import Any, Final, NamedTuple

from memtui.live.mounts import Mount
from memtui.model.errors import ParseError
from memtui.model.vma import Vma, VmaKind

_SYSV: Final = re.compile(r"/SYSV[0-9a-f]{8} \(deleted\)")
_NO_FILE: Final = ((0, 0), 0)
_NO_MORE: Final = (b"", None)


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
    return _parse(line, systems, {})


def _parse(line: bytes, systems: FileSystems, rests: dict[bytes, tuple[Any, ...]]) -> Vma:
    """Thousands of lines may differ in their addresses alone: what stands behind those is parsed once."""
    place, _, rest = line.partition(b" ")
    start, _, end = place.partition(b"-")
    fields = rests.get(rest)
    if fields is None:
        rests[rest] = fields = _fields(rest, systems)
    return Vma(int(start, 16), int(end, 16), *fields)


def _fields(rest: bytes, systems: FileSystems) -> tuple[Any, ...]:
    perms, offset, dev, inode, *label = rest.split(b" ", 4)
    major, _, minor = dev.partition(b":")
    name = label[0].lstrip(b" ").decode(errors="surrogateescape") if label else ""
    file = (int(major, 16), int(minor, 16)), int(inode)
    return perms.decode("ascii"), int(offset, 16), *file, name, kind_of(name, *file, systems)


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
    """Parses maps again and again: a line that is as before gives the same `Vma` object as before."""

    def __init__(self) -> None:
        self._systems = FileSystems()
        self.pieces: Sequence[bytes] = ()
        """What was parsed last."""

    def parse(
        self, pieces: Sequence[bytes], systems: FileSystems, before: Sequence[Vma] = (), *, file: str = "maps"
    ) -> list[Vma]:
        """The VMAs in the order of the file, one a line.

        Args:
            pieces: of the text of the file, that a line may reach over.
            systems: what device numbers mean.
            before: what the last call gave, as measured since then.
            file: the name for an error.

        Raises:
            ParseError: a line has another form, named with `file` and its number.
        """
        known = zip(self.lines, before if systems == self._systems else (), strict=False)
        vmas = list(_merged(lines_of(pieces), known, systems, file))
        self.pieces, self._systems = pieces, systems
        return vmas

    @property
    def lines(self) -> Iterator[bytes]:
        """Of the last text, each with its newline."""
        return lines_of(self.pieces)


def lines_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """One at a time: there are tens of thousands. What stands behind the last newline is left out."""
    rest = b""
    for piece in pieces:
        for line in BytesIO(rest + piece):
            if line.endswith(b"\n"):
                yield line
        rest = b"" if piece.endswith(b"\n") else line


def _merged(
    lines: Iterator[bytes], known: Iterator[tuple[bytes, Vma]], systems: FileSystems, file: str
) -> Iterator[Vma]:
    """Both by ascending address."""
    rests: dict[bytes, tuple[Any, ...]] = {}
    known_line, vma = next(known, _NO_MORE)
    for number, line in enumerate(lines, 1):
        if line != known_line:
            try:
                parsed = _parse(line[:-1], systems, rests)
            except ValueError as error:
                raise ParseError("not a line of maps", file=file, line=number) from error
            while vma is not None and vma.start < parsed.start:
                known_line, vma = next(known, _NO_MORE)
            if line != known_line:
                yield parsed
                continue
        assert vma is not None
        yield vma
        known_line, vma = next(known, _NO_MORE)
