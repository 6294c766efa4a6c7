"""Which allocator a process uses, as far as its maps and the symbols of its files tell."""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from memtui.live.heap_symbols import opened_elf
from memtui.live.procfs import Procfs
from memtui.model.vma import Vma, VmaKind

_LIBRARIES: Final[Mapping[str, str]] = {
    "libjemalloc": "jemalloc",
    "libtcmalloc": "tcmalloc",
    "libmimalloc": "mimalloc",
    "libsnmalloc": "snmalloc",
    "libhoard": "Hoard",
    "libscudo": "Scudo",
    "ld-musl-": "musl's malloc",
    "libc.musl-": "musl's malloc",
    "libasan": "AddressSanitizer's malloc",
}
"""Beginning of a library's name -> the allocator that takes malloc over with it."""
_SYMBOLS: Final[Mapping[str, str]] = {
    "mallocx": "jemalloc",
    "je_mallocx": "jemalloc",
    "_rjem_mallocx": "jemalloc",
    "tc_malloc": "tcmalloc",
    "TCMallocInternalMalloc": "tcmalloc",
    "mi_malloc": "mimalloc",
    "__malloc_donate": "musl's malloc",
    "__asan_init": "AddressSanitizer's malloc",
}
"""Symbol of a program -> the allocator that is linked into it."""
_RUNTIMES: Final[Mapping[str, str]] = {
    "runtime.mheap_": "Go's heap",
    "_ZN2v87Isolate10GetCurrentEv": "V8's heap",
    "node_module_register": "V8's heap",
    "ruby_xmalloc": "Ruby's heap",
}
_RUNTIME_LIBRARIES: Final[Mapping[str, str]] = {
    "libjvm.so": "the JVM's heap",
    "libv8": "V8's heap",
    "libnode.so": "V8's heap",
    "libmonosgen": "Mono's heap",
    "libcoreclr.so": ".NET's heap",
    "libruby": "Ruby's heap",
    "libmozjs": "SpiderMonkey's heap",
}
_PYTHON: Final = re.compile(r"^(?:lib)?python(\d+)\.(\d+)")


class Allocators(NamedTuple):
    """What gives a process its memory."""

    name: str
    """Of the allocator behind malloc: "ptmalloc (glibc)", "jemalloc", "unknown"."""
    where: str = ""
    """The file that tells so."""
    runtimes: tuple[str, ...] = ()
    """Heaps beside malloc's: "the JVM's heap (libjvm.so)"."""
    python: tuple[int, int] | None = None
    """Version of CPython, if the process runs it."""

    @property
    def is_glibc(self) -> bool:
        """Whether malloc is glibc's own, or may be."""
        return self.name in ("ptmalloc (glibc)", "unknown")

    @property
    def in_words(self) -> str:
        """With the file: jemalloc (libjemalloc.so.2)."""
        return f"{self.name} ({self.where})" if self.where else self.name


def identify(procfs: Procfs, folder: str, vmas: Sequence[Vma]) -> Allocators:
    """Look at the names of the mapped files, then into the program.

    Reads no memory of the process, only its files; a program without symbols tells nothing.
    """
    files = _files(vmas)
    names = [path.rsplit("/", 1)[-1] for path in files]
    program = _program_names(procfs, folder, files)
    runtimes = [
        f"{heap} ({name})" for name in names for start, heap in _RUNTIME_LIBRARIES.items() if name.startswith(start)
    ]
    runtimes += [heap for symbol, heap in _RUNTIMES.items() if symbol in program]
    python = next((match for name in names if (match := _PYTHON.match(name))), None)
    found = _malloc(names, program)
    return Allocators(
        *found,
        runtimes=tuple(dict.fromkeys(runtimes)),
        python=None if python is None else (int(python[1]), int(python[2])),
    )


def _malloc(names: Sequence[str], program: frozenset[str]) -> tuple[str, str]:
    for name in names:
        for start, allocator in _LIBRARIES.items():
            if name.startswith(start):
                return allocator, name
    for symbol, allocator in _SYMBOLS.items():
        if symbol in program:
            return allocator, f"{symbol} in {names[0]}"
    glibc = next((name for name in names if name == "libc.so.6" or name.startswith("libc-2.")), None)
    if glibc is not None:
        return "ptmalloc (glibc)", glibc
    if "main_arena" in program or "__libc_malloc" in program:
        return "ptmalloc (glibc)", names[0]
    if "runtime.mheap_" in program:
        return "Go's heap", names[0]
    return "unknown", ""


def _files(vmas: Sequence[Vma]) -> list[str]:
    """The mapped files by ascending address, which has the program first unless it is placed like a library."""
    return list(dict.fromkeys(vma.path for vma in vmas if vma.kind is VmaKind.FILE and vma.path))


def _program_names(procfs: Procfs, folder: str, files: Sequence[str]) -> frozenset[str]:
    with opened_elf(procfs.path(f"{folder}/exe")) as elf:
        if elf is not None:
            return elf.names((*_SYMBOLS, *_RUNTIMES, "main_arena", "__libc_malloc"))
    if not files:
        return frozenset()
    with opened_elf(f"{procfs.path(folder)}/root{files[0]}") as elf:
        return frozenset() if elf is None else elf.names((*_SYMBOLS, *_RUNTIMES, "main_arena", "__libc_malloc"))
