"""The built-in demos: one story a .trace file, and the recorded machine that they run on."""

import re
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType
from typing import Final

from memtui.model.elf import ET_DYN, ElfImage, Tls
from memtui.model.host import FileFacts, MachineFacts
from memtui.scenarios import elf_headers, linked

_SUMMARIES: Final = MappingProxyType(
    {
        "exec": "a program starts: each segment becomes a VMA, then the dynamic linker brings the libraries",
        "first-malloc": "the first malloc moves the break, and the kernel makes a heap",
        "brk-and-mmap": "the heap grows by brk, large blocks come by mmap, and where the border lies",
        "free-and-trim": "what free gives back to the kernel, and what it keeps",
        "allocators": "the same calls under glibc's malloc, jemalloc and tcmalloc, side by side",
        "demand-paging": "16 MiB asked for, and pages that come only when they are touched",
        "exit": "exit gives everything back, whoever forgot to free it; what files keep stays",
        "oom": "memory runs out, and the process with the most of it dies",
        "oom-then-and-now": "one out of memory, judged by today's rule and by that of 2.6.32",
        "oom-vip": "oom_score_adj and oom_adj: who is exempt, and who goes first",
        "oom-cgroup": "a memory cgroup runs out, on a machine with plenty of memory",
        "overcommit": "the same promises under the three modes of vm.overcommit_memory",
        "shared-file": "two processes map a file, and its pages are in memory once",
        "copy-on-write": "a write to a private mapping, or after a fork, copies the page",
        "anonymous": "memory without a file: how it comes, and the few ways it goes",
        "shared-anonymous": "memory that a parent and its child share without a file",
        "drop-caches": "what echo N > drop_caches frees, with sync and without",
        "tmpfs": "files that live in memory: no sync, no dropping, but swap",
        "shm-leak": "shared memory that outlives every process",
        "kswapd": "watermarks, the LRU lists, and what reclaim takes first",
        "swappiness": "anonymous memory against page cache, at 0, 60, 100 and 200",
        "tour": "the whole story in one sitting: from exec to out of memory",
    }
)
_CHAPTERS: Final = MappingProxyType(
    {
        "1  From exec to exit": (
            "exec",
            "first-malloc",
            "brk-and-mmap",
            "allocators",
            "demand-paging",
            "free-and-trim",
            "exit",
        ),
        "2  Out of memory": ("oom", "oom-then-and-now", "oom-vip", "oom-cgroup", "overcommit"),
        "3  Where pages live": ("shared-file", "copy-on-write", "anonymous", "shared-anonymous"),
        "4  How memory comes back": ("drop-caches", "tmpfs", "shm-leak", "kswapd", "swappiness"),
        "All of it": ("tour",),
    }
)
_NAMES: Final = tuple(_SUMMARIES)

_LIB: Final = "/usr/lib/x86_64-linux-gnu/"
_LINKS: Final = MappingProxyType(
    {
        "/lib64/ld-linux-x86-64.so.2": f"{_LIB}ld-linux-x86-64.so.2",
        "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2": f"{_LIB}ld-linux-x86-64.so.2",
        "/lib/x86_64-linux-gnu/libc.so.6": f"{_LIB}libc.so.6",
    }
)


def scenario_names() -> tuple[str, ...]:
    """The names, in the order in which they are offered."""
    return _NAMES


def scenario_summary(name: str) -> str:
    """What it shows, in a few words."""
    return _SUMMARIES[name]


def scenario_chapters() -> Mapping[str, tuple[str, ...]]:
    """The headings under which the scenarios stand, and their names, in the order of the story."""
    return {title: tuple(name for name in names if name in _SUMMARIES) for title, names in _CHAPTERS.items()}


def scenario_story(name: str) -> str:
    """What it tells: the titles of its parts, each with the first sentence under it; a paragraph a line.

    Raises:
        KeyError: there is no such scenario.
    """
    text = re.sub(r"\n# ", " ", re.sub(r"^(##.*)\n+# ", r"\1: ", scenario_text(name), flags=re.MULTILINE))
    parts = (line.removeprefix("## ") for line in text.splitlines() if line.startswith("## "))
    return "\n".join(re.sub(r"(: .*?\.) .*", r"\1", part) for part in parts)


def scenario_text(name: str) -> str:
    """The text of the trace.

    Raises:
        KeyError: there is no such scenario.
    """
    if name not in _NAMES:
        raise KeyError(name)
    return resources.files(__name__).joinpath(f"{name}.trace").read_text(encoding="utf-8")


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
