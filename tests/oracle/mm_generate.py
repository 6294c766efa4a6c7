"""Makes series of calls: seeded, and aimed at what the address space looks like at each moment."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tests.oracle import mm_steps_map as maps
from tests.oracle import mm_steps_process as process
from tests.oracle import mm_steps_range as ranges
from tests.oracle import mm_steps_tables as tables
from tests.oracle.mm_mixes import weights
from tests.oracle.mm_ops import Op, Picture, Result
from tests.oracle.mm_scene import Made, Scene
from tests.oracle.mm_steps_wrong import wrong

KINDS: Final[Mapping[str, Callable[[Scene], Made | None]]] = {
    "mmap": maps.mmap, "mmap_fixed": maps.mmap_fixed, "mmap_exec": maps.mmap_exec,
    "mmap_shared": maps.mmap_shared, "mmap_huge": maps.mmap_huge,
    "mmap_hint": maps.mmap_hint, "mmap_locked": maps.mmap_locked, "mmap_down": maps.mmap_down,
    "mmap_heap": maps.mmap_heap, "mmap_file": maps.mmap_file,
    "open": process.open_file, "memfd": process.memfd, "close": process.close, "dup": process.dup,
    "seals": process.add_seals, "ftruncate": process.ftruncate, "fallocate": process.fallocate,
    "blocks": process.fallocate_blocks, "zero_range": process.zero_range,
    "pwrite": process.pwrite, "pwrite_large": process.pwrite_large, "pread": process.pread, "fsync": process.fsync,
    "unlink": process.unlink,
    "brk": process.brk, "setrlimit": process.setrlimit, "fork": process.fork, "exit": process.leave,
    "shmget": process.shmget, "shmat": process.shmat, "shmdt": process.shmdt, "shmctl": process.shmctl,
    "personality": process.personality, "prctl": process.prctl,
    "pkey_alloc": process.pkey_alloc, "pkey_free": process.pkey_free, "pkey_set": process.pkey_set,
    "pkey_mprotect": ranges.pkey_mprotect,
    "munmap": ranges.munmap, "mprotect": ranges.mprotect, "mremap": ranges.mremap, "madvise": ranges.madvise,
    "process_madvise": ranges.process_madvise,
    "mlock": ranges.mlock, "munlock": ranges.munlock, "mlockall": ranges.mlockall, "munlockall": ranges.munlockall,
    "msync": ranges.msync, "mincore": ranges.mincore, "remap": ranges.remap_file_pages, "mseal": ranges.mseal,
    "touch": ranges.touch,
    "pageout": ranges.pageout,
    "given_up": ranges.given_up,
    "grow": ranges.grow, "wrong": wrong,
    "tables_map": tables.tables_map, "tables_touch": tables.tables_touch, "tables_unmap": tables.tables_unmap,
    "tables_protect": tables.tables_protect, "tables_move": tables.tables_move, "tables_advise": tables.tables_advise,
    "tables_lock": tables.tables_lock, "hugetlb_map": tables.hugetlb_map, "hugetlb_memfd": tables.hugetlb_memfd,
    "hugetlb_truncate": tables.hugetlb_truncate, "hugetlb_file": tables.hugetlb_file,
    "hugetlb_segment": tables.hugetlb_segment, "folios_move": tables.folios_move,
    "folios_advise": tables.folios_advise, "folios_touch": tables.folios_touch, "folios_part": tables.folios_part,
}  # fmt: skip
"""Kind of step -> what makes one; None: this moment has nothing for it."""


class Generator:
    """Chooses the next step from the pictures so far. Same seed, same kernel: same series."""

    def __init__(self, seed: str, mix: str, guarded: Sequence[tuple[int, int]], hard: Mapping[int, int]) -> None:
        self._rng = random.Random(seed)
        chosen = weights(mix)
        self._kinds, self._weights = list(chosen), list(chosen.values())
        self._scene = Scene(self._rng, guarded, hard)
        self._next = 1

    def see(self, slot: int, picture: Picture) -> None:
        """Tell the generator what a process looks like now."""
        if slot in self._scene.processes:
            self._scene.processes[slot].space.picture = picture

    def done(self, op: Op, result: Result) -> None:
        """Tell the generator what a step gave."""
        self._scene.done(op, result)

    def next(self) -> Op:
        """The next step."""
        scene = self._scene
        while True:
            slots = list(scene.processes)
            scene.slot = self._rng.choice(slots) if self._rng.random() < 0.7 else slots[-1]
            made = KINDS[self._rng.choices(self._kinds, self._weights)[0]](scene)
            if made is not None:
                op = Op(self._next, scene.slot, *made)
                self._next += 1
                return op
