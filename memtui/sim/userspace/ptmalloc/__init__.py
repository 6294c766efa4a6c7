"""glibc's allocator as a model (glibc 2.36, malloc/malloc.c)."""

from memtui.sim.userspace.ptmalloc.environ import from_environ
from memtui.sim.userspace.ptmalloc.errors import HeapCorruption
from memtui.sim.userspace.ptmalloc.malloc import Ptmalloc
from memtui.sim.userspace.ptmalloc.profile import PROFILES, Profile, profile_of
from memtui.sim.userspace.ptmalloc.tunables import Tunables

__all__ = [
    "PROFILES",
    "HeapCorruption",
    "Profile",
    "Ptmalloc",
    "Tunables",
    "from_environ",
    "profile_of",
]
