"""The allocators that a simulated program may run with.

Few run with another one than the machine's glibc: the others are imported by those.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from memtui.sim.kernel.kernel import Kernel
from memtui.sim.userspace.allocator import Allocator
from memtui.sim.userspace.ptmalloc import Ptmalloc, from_environ, profile_of
from memtui.sim.userspace.ptmalloc.memory import Accessed
from memtui.sim.userspace.syscalls import Syscalls

MakeAllocator = Callable[[Kernel, Syscalls, Accessed, Mapping[str, str], int], Allocator]
"""Makes the allocator of a program.

Takes its kernel, its system calls, who is told of accesses, its environment, the tid of its first thread.
"""
_LIBRARIES: Final = (("libjemalloc", "jemalloc"), ("libtcmalloc", "tcmalloc"))
"""How the names of libraries begin that bring an allocator along."""


def ptmalloc(kernel: Kernel, syscalls: Syscalls, accessed: Accessed, environ: Mapping[str, str], tid: int) -> Allocator:
    """The machine's glibc."""
    profile = profile_of(kernel.facts.libc_version)
    return Ptmalloc(syscalls, accessed, from_environ(environ), profile, kernel.facts.nr_cpus, tid)


def jemalloc(_: Kernel, syscalls: Syscalls, accessed: Accessed, environ: Mapping[str, str], tid: int) -> Allocator:
    """Jemalloc 5.3.0 with its default options."""
    from memtui.sim.userspace.jemalloc import Jemalloc

    return Jemalloc(syscalls, accessed, tid=tid)


def tcmalloc(_: Kernel, syscalls: Syscalls, accessed: Accessed, environ: Mapping[str, str], tid: int) -> Allocator:
    """Gperftools 2.10 with its default options."""
    from memtui.sim.userspace.tcmalloc import Tcmalloc

    return Tcmalloc(syscalls, accessed, tid=tid)


def _unless_preloaded(
    usual: MakeAllocator,
    kernel: Kernel,
    syscalls: Syscalls,
    accessed: Accessed,
    environ: Mapping[str, str],
    tid: int,
) -> Allocator:
    """The allocator of the first library in LD_PRELOAD that brings one, or the machine's."""
    chosen = _ALLOCATORS.get(_preloaded(environ.get("LD_PRELOAD", "")), usual)
    return chosen(kernel, syscalls, accessed, environ, tid)


def _preloaded(libraries: str) -> str:
    for path in libraries.replace(":", " ").split():
        file = path.rpartition("/")[2]
        for start, name in _LIBRARIES:
            if file.startswith(start):
                return name
    return ""


_ALLOCATORS: Final[Mapping[str, MakeAllocator]] = MappingProxyType(
    {"ptmalloc": ptmalloc, "jemalloc": jemalloc, "tcmalloc": tcmalloc}
)
ALLOCATORS: Final[Mapping[str, MakeAllocator]] = MappingProxyType(
    {name: partial(_unless_preloaded, make) for name, make in _ALLOCATORS.items()}
)
"""By the name that machine(allocator=...) states. A program's LD_PRELOAD goes before it."""
