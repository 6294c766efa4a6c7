"""The allocators that a simulated program may run with."""

from collections.abc import Callable, Mapping
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


def ptmalloc(kernel: Kernel, syscalls: Syscalls, accessed: Accessed, environ: Mapping[str, str], tid: int) -> Allocator:
    """The machine's glibc."""
    profile = profile_of(kernel.facts.libc_version)
    return Ptmalloc(syscalls, accessed, from_environ(environ), profile, kernel.facts.nr_cpus, tid)


ALLOCATORS: Final[Mapping[str, MakeAllocator]] = MappingProxyType({"ptmalloc": ptmalloc})
"""By the name that machine(allocator=...) states."""
