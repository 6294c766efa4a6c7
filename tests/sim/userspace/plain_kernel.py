"""A kernel for allocators that does what it is told, and notes it."""

HEAP = 0x5555_5555_9000
TOP = 0x7FFF_F800_0000
ENOMEM = 12


class PlainKernel:
    """A break with room above it, and mappings that follow one another downwards."""

    def __init__(self, overcommit_memory: int = 0) -> None:
        self.break_ = HEAP
        self.floor = TOP
        self.most = HEAP + (1 << 30)
        self.largest = 1 << 40
        """Longest mapping that is given."""
        self.overcommit_memory = overcommit_memory
        self.calls: list[str] = []

    def take(self) -> list[str]:
        """The calls since the last time."""
        calls, self.calls = self.calls, []
        return calls

    def brk(self, brk: int) -> int:
        if HEAP <= brk <= self.most:
            self.break_ = brk
        self.calls.append(f"brk({brk - HEAP:#x})" if brk else "brk(0)")
        return self.break_

    def mmap(self, addr: int, length: int, prot: int, flags: int, fd: int = -1, offset: int = 0) -> int:
        noreserve, fixed = (" noreserve" if flags & 0x4000 else ""), (" fixed" if flags & 0x10 else "")
        self.calls.append(f"mmap({length:#x}, {prot}{noreserve}{fixed})")
        if length > self.largest:
            return -ENOMEM
        if addr:
            return addr
        self.floor -= length
        return self.floor

    def munmap(self, addr: int, length: int) -> int:
        self.calls.append(f"munmap({length:#x})")
        return 0

    def mprotect(self, addr: int, length: int, prot: int) -> int:
        self.calls.append(f"mprotect({addr:#x}, {length:#x}, {prot})")
        return 0

    def mremap(self, addr: int, old_len: int, new_len: int, flags: int, new_addr: int = 0) -> int:
        self.calls.append(f"mremap({old_len:#x}, {new_len:#x})")
        return addr

    def madvise(self, addr: int, length: int, advice: int) -> int:
        self.calls.append(f"madvise({addr:#x}, {length:#x}, {advice})")
        return 0

    def getrandom(self, length: int) -> int:
        self.calls.append(f"getrandom({length})")
        return length

    def sysctl(self, name: str) -> int:
        self.calls.append(name)
        return self.overcommit_memory
