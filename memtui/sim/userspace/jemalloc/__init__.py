"""jemalloc as a model (libjemalloc.so.2 of jemalloc 5.3.0)."""

from memtui.sim.userspace.jemalloc.malloc import Jemalloc

__all__ = ["Jemalloc"]
