"""What glibc aborts on."""

from memtui.sim.userspace.allocator import HeapCorruption

__all__ = ["HeapCorruption"]
