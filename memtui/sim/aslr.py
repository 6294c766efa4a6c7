"""Random offsets of exec, from a seed: the same seed gives the same addresses."""

from random import Random
from typing import Final

from memtui.model.address import PAGE_SIZE
from memtui.sim.kernel.exec_stack import ExecOffsets, StackOffsets

MMAP_RND_BITS: Final = 28
"""vm.mmap_rnd_bits of x86-64: pages."""
STACK_RND_BITS: Final = 22
"""STACK_RND_MASK of x86-64: pages."""
STACK_POINTER: Final = 8192
"""arch_align_stack: bytes."""


class Aslr:
    """One stream of offsets for all programs that a machine starts."""

    def __init__(self, seed: int, brk_range: int) -> None:
        self._brk_range = brk_range
        self._random = Random(seed)

    def offsets(self) -> ExecOffsets:
        """The offsets of the next program (fs/binfmt_elf.c, fs/exec.c, arch/x86/mm/mmap.c; 6.18)."""
        pages = self._random.getrandbits
        return ExecOffsets(
            randomize=True,
            mmap_pages=pages(MMAP_RND_BITS),
            image=pages(MMAP_RND_BITS) * PAGE_SIZE,
            stack=StackOffsets(pages(STACK_RND_BITS) * PAGE_SIZE, self._random.randrange(STACK_POINTER)),
            brk=self._random.randrange(self._brk_range // PAGE_SIZE) * PAGE_SIZE,
        )
