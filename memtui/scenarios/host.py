"""The recorded machine that the built-in demos run on."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from memtui.model.elf import ET_DYN, ElfImage, Tls
from memtui.model.host import FileFacts, MachineFacts
from memtui.scenarios import elf_headers, linked

_LIB: Final = "/usr/lib/x86_64-linux-gnu/"
_LINKS: Final = MappingProxyType(
    {
        "/lib64/ld-linux-x86-64.so.2": f"{_LIB}ld-linux-x86-64.so.2",
        "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2": f"{_LIB}ld-linux-x86-64.so.2",
        "/lib/x86_64-linux-gnu/libc.so.6": f"{_LIB}libc.so.6",
    }
)


class ScenarioHost:
    """A recorded machine (`model.host.Host`): a small Debian 12 with the demo program /demo/hello.

    The program is a position-independent "hello, world" as gcc 12 builds it; ld.so and libc are those of
    glibc 2.36-9. Of /demo/linked, the same program, there also is what the dynamic linker reads, so that its work
    follows an execve.
    """

    def machine(self) -> MachineFacts:
        """The machine that scenarios start from before `machine(...)` changes it."""
        return MachineFacts(
            total_swap_pages=(64 << 20) >> 12,
            sysctl=MappingProxyType({"overcommit_memory": 0, "overcommit_ratio": 50, "swappiness": 60}),
            rlimits=MappingProxyType({"STACK": 8 << 20}),
        )

    def elf(self, path: str) -> ElfImage | None:
        """The demo program, ld.so or libc; None for any other path."""
        return _IMAGES.get(_LINKS.get(path, path))

    def file(self, path: str) -> FileFacts | None:
        """A file of the recorded machine, or None."""
        return _FILES.get(_LINKS.get(path, path))

    def link(self, path: str) -> str:
        """What a link of the recorded machine says, or ""."""
        return _LINKS.get(path, "")

    def read(self, path: str, offset: int, length: int) -> bytes:
        """Bytes of a file: of ld.so.cache all, of ELF files the header, of others none."""
        return _CONTENTS.get(_LINKS.get(path, path), b"")[offset : offset + length]


_HELLO: Final = ElfImage(
    path="/demo/hello",
    e_type=ET_DYN,
    entry=0x1050,
    loads=elf_headers.loads(elf_headers.HELLO),
    segments=elf_headers.HELLO,
    interp="/lib64/ld-linux-x86-64.so.2",
    relro=(0x3DD0, 0x230),
    needed=("libc.so.6",),
    phnum=13,
    phoff=64,
)
_LD_SO: Final = ElfImage(
    path=f"{_LIB}ld-linux-x86-64.so.2",
    e_type=ET_DYN,
    entry=0x1AB70,
    loads=elf_headers.loads(elf_headers.LD_SO),
    segments=elf_headers.LD_SO,
    relro=(0x31900, 0x1700),
    soname="ld-linux-x86-64.so.2",
    phnum=9,
    phoff=64,
    linking=linked.LD_SO,
)
_LIBC: Final = ElfImage(
    path=f"{_LIB}libc.so.6",
    e_type=ET_DYN,
    entry=0x27410,
    loads=elf_headers.loads(elf_headers.LIBC),
    segments=elf_headers.LIBC,
    interp="/lib64/ld-linux-x86-64.so.2",
    relro=(0x1CF8D0, 0x3730),
    tls=Tls(0x1CF8D0, 0x90, 8),
    soname="libc.so.6",
    needed=("ld-linux-x86-64.so.2",),
    phnum=14,
    phoff=64,
    linking=linked.LIBC,
)
_LINKED: Final = _HELLO._replace(path="/demo/linked", linking=linked.PROGRAM)
_IMAGES: Final = MappingProxyType({image.path: image for image in (_HELLO, _LINKED, _LD_SO, _LIBC)})
_DISK: Final = (254, 0)
_FILES: Final = MappingProxyType(
    {
        "/": FileFacts(4096, "ext4", _DISK, 2, is_dir=True, mode=0o755),
        "/demo": FileFacts(4096, "ext4", _DISK, 131073, is_dir=True, mode=0o755),
        "/demo/hello": FileFacts(15960, "ext4", _DISK, 131074, mode=0o755),
        "/demo/linked": FileFacts(15960, "ext4", _DISK, 131075, mode=0o755),
        "/data": FileFacts(4096, "ext4", _DISK, 131080, is_dir=True, mode=0o755),
        "/data/words": FileFacts(1 << 20, "ext4", _DISK, 131081),
        "/data/archive": FileFacts(64 << 20, "ext4", _DISK, 131082),
        "/etc/ld.so.cache": FileFacts(34547, "ext4", _DISK, 262145),
        _LD_SO.path: FileFacts(215000, "ext4", _DISK, 393217, mode=0o755),
        _LIBC.path: FileFacts(1926232, "ext4", _DISK, 393218, mode=0o755),
    }
)
_CONTENTS: Final[Mapping[str, bytes]] = MappingProxyType(
    {
        _LIBC.path: linked.elf_start(_LIBC, 1922136),
        "/etc/ld.so.cache": linked.ld_so_cache({"libc.so.6": "/lib/x86_64-linux-gnu/libc.so.6"}, 34547),
    }
)
