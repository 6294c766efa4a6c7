"""gperftools' tcmalloc as a model (libtcmalloc_minimal.so.4 of gperftools 2.10)."""

from memtui.sim.userspace.tcmalloc.malloc import Tcmalloc

__all__ = ["Tcmalloc"]
