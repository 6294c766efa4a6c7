"""Models open_verify() of elf/dl-load.c (glibc 2.36): opens a file and looks whether it is an ELF file to load."""

import struct
from typing import Final, NamedTuple

from memtui.sim.userspace.ld_so.errors import ENOENT, LoadError
from memtui.sim.userspace.ld_so.link_map import Namespace

BUFFER: Final = 832
"""Bytes of a file that are read at once."""
EHDR: Final = 64
PHDR: Final = 56
EM_X86_64: Final = 62
ET_EXEC: Final = 2
ET_DYN: Final = 3
_MAGIC: Final = b"\x7fELF"
ELFCLASS64: Final = 2
ELFOSABI_SYSV: Final = 0
ELFOSABI_GNU: Final = 3
LIBC_ABI_MAX: Final = 4


class Opened(NamedTuple):
    """An ELF file that was opened."""

    fd: int
    e_type: int
    phoff: int
    phnum: int
    headers_read: bool
    """Whether the program headers lie within what was read."""


def open_verify(space: Namespace, path: str) -> Opened | None:
    """Open `path`; None if there is none, or one for another machine.

    Raises:
        LoadError: it is broken.
    """
    fd = space.calls.open(path)
    if fd < 0:
        space.errno = -fd
        return None
    space.errno = 0
    space.calls.tell("Its first bytes tell whether it fits this machine, and where its program headers are.")
    start = space.calls.read(fd, BUFFER, space.read_buffer)
    try:
        if isinstance(start, int):
            raise LoadError(path, "cannot read file data", -start)
        if len(start) < EHDR:
            _read_rest(space, fd, start)
            raise LoadError(path, "file too short")
        opened = _checked(space, path, fd, start)
    except LoadError:
        space.calls.close(fd)
        raise
    if opened is None:
        space.calls.close(fd)
        space.errno = ENOENT
    elif not opened.headers_read:
        space.calls.pread64(fd, opened.phnum * PHDR, opened.phoff)
    return opened


def _read_rest(space: Namespace, fd: int, start: bytes) -> None:
    """A file that is too short is read until nothing comes."""
    if start:
        space.calls.read(fd, BUFFER - len(start), space.read_buffer + len(start))


def _checked(space: Namespace, path: str, fd: int, start: bytes) -> Opened | None:
    """The order in which Debian's build looks: what is for another machine is passed over, whatever else is wrong."""
    if not start.startswith(_MAGIC):
        raise LoadError(path, "invalid ELF header")
    if start[4] != ELFCLASS64:
        space.other_class = True
        return None
    e_type, machine, version, _entry, phoff = struct.unpack_from("<HHIQQ", start, 16)
    phentsize, phnum = struct.unpack_from("<HH", start, 54)
    if machine != EM_X86_64:
        return None
    _check_ident(path, start)
    if version != 1:
        raise LoadError(path, "ELF file version does not match current one")
    if e_type not in (ET_DYN, ET_EXEC):
        raise LoadError(path, "only ET_DYN and ET_EXEC can be loaded")
    if phentsize != PHDR:
        raise LoadError(path, "ELF file's phentsize not the expected size")
    return Opened(fd, e_type, phoff, phnum, phoff + phnum * PHDR <= len(start))


def _check_ident(path: str, start: bytes) -> None:
    if start[5] != 1:
        raise LoadError(path, "ELF file data encoding not little-endian")
    if start[6] != 1:
        raise LoadError(path, "ELF file version ident does not match current one")
    if start[7] not in (ELFOSABI_SYSV, ELFOSABI_GNU):
        raise LoadError(path, "ELF file OS ABI invalid")
    if start[8] and not (start[7] == ELFOSABI_GNU and start[8] < LIBC_ABI_MAX):
        raise LoadError(path, "ELF file ABI version invalid")
    if any(start[9:16]):
        raise LoadError(path, "nonzero padding in e_ident")
