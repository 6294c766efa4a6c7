"""The VMAs of a process, asked by address."""

from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter
from typing import Final

from memtui.model.vma import Vma, VmaKind

_START: Final = itemgetter(0)


class Space:
    """The VMAs of one process, asked by address."""

    def __init__(self, vmas: Sequence[Vma]) -> None:
        self.vmas = vmas

    def vma(self, address: int) -> Vma | None:
        """The VMA that holds a byte."""
        nth = bisect_right(self.vmas, address, key=_START) - 1
        return self.vmas[nth] if nth >= 0 and address < self.vmas[nth].end else None

    def is_data(self, address: int) -> bool:
        """Whether a byte is private memory that the program may write and that no file is behind."""
        vma = self.vma(address)
        return vma is not None and is_anonymous(vma)

    def room(self, address: int) -> int:
        """The first byte behind the mappings that an address lies in, which may be several VMAs without a gap."""
        nth = bisect_right(self.vmas, address, key=_START) - 1
        if nth < 0 or address >= self.vmas[nth].end:
            return address
        while nth + 1 < len(self.vmas) and self.vmas[nth + 1].start == self.vmas[nth].end:
            if not is_anonymous(self.vmas[nth + 1]) or self.vmas[nth].kind is not self.vmas[nth + 1].kind:
                break
            nth += 1
        return self.vmas[nth].end


def is_anonymous(vma: Vma) -> bool:
    """Whether an allocator may have its memory there: private, writable, without a file."""
    return vma.kind in (VmaKind.HEAP, VmaKind.ANON) and vma.perms.startswith("rw-p")
