"""The dynamic linker of glibc 2.36 (elf/rtld.c), above nothing but system calls and the files that they open."""

from memtui.sim.userspace.ld_so.calls import LoaderCalls, Started, Stat
from memtui.sim.userspace.ld_so.errors import NotModelled
from memtui.sim.userspace.ld_so.rtld import run

__all__ = ["LoaderCalls", "NotModelled", "Started", "Stat", "run"]
