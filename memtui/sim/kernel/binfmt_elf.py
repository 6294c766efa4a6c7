"""Models fs/binfmt_elf.c (6.18): how the segments of a program and of its interpreter become mappings."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from memtui.model.address import PAGE_SIZE, TASK_SIZE, page_down, page_up
from memtui.model.elf import ET_DYN, ET_EXEC, PF_R, PF_W, PF_X, ElfImage, Segment
from memtui.sim.kernel.outcome import Errno

ELF_ET_DYN_BASE: Final = TASK_SIZE // 3 * 2
"""Where a position-independent program starts before alignment: 0x555555554aaa."""
_PROT: Final = ((PF_R, 1), (PF_W, 2), (PF_X, 4))
MAP_PRIVATE: Final = 0x2
MAP_FIXED: Final = 0x10
MAP_FIXED_NOREPLACE: Final = 0x100000
_WORD: Final = (1 << 64) - 1
"""The kernel adds and subtracts addresses modulo 2^64, which damaged headers show."""


class ImageMapper(Protocol):
    """What exec needs of mm/: bound to one open file and one mm. Addresses and lengths in bytes.

    All but clear_user and vm_munmap raise `Errno` when they fail.
    """

    def vm_mmap(self, addr: int, length: int, prot: int, flags: int, offset: int) -> int:
        """Map the file; gives the address."""
        ...

    def vm_munmap(self, addr: int, length: int) -> None:
        """Unmap."""
        ...

    def vm_brk_flags(self, addr: int, length: int, *, executable: bool) -> None:
        """Map anonymous memory at `addr` as brk does."""
        ...

    def clear_user(self, addr: int, length: int) -> bool:
        """Write zeros; False if the page cannot be written."""
        ...


class LoadedImage(NamedTuple):
    """Where an image lies; all addresses in bytes, load_bias already added."""

    load_bias: int
    entry: int
    start_code: int
    end_code: int
    start_data: int
    end_data: int
    end: int
    """Behind the highest memsz, not rounded."""


def segment_prot(segment: Segment) -> int:
    """PROT_* of the mapping."""
    return sum(prot for flag, prot in _PROT if segment.flags & flag)


def total_mapping_size(loads: Sequence[Segment]) -> int:
    """Bytes from the page of the lowest segment to the highest end."""
    first = min((page_down(load.vaddr) for load in loads), default=0)
    return max((load.vaddr + load.memsz & _WORD for load in loads), default=0) - first & _WORD


def maximum_alignment(loads: Sequence[Segment]) -> int:
    """The largest p_align that is a power of two, at least a page."""
    aligns = [load.align for load in loads if load.align & (load.align - 1) == 0]
    return page_up(max([PAGE_SIZE, *aligns]))


def load_program(image: ElfImage, mapper: ImageMapper, rnd: int = 0) -> LoadedImage:
    """Map the program as load_elf_binary() does, without its interpreter.

    Args:
        image: the program.
        mapper: its file, and the new mm.
        rnd: what ASLR adds to the base of a position-independent program, bytes in whole pages.

    Raises:
        Errno: a mapping failed; the kernel kills the process then.
    """
    flags, bias = 0, 0
    if image.e_type == ET_EXEC:
        flags = MAP_FIXED_NOREPLACE
    elif not image.loads:
        pass  # nothing to place: the bias is reckoned at the first segment
    elif image.interp is not None:
        flags = MAP_FIXED_NOREPLACE
        bias = ELF_ET_DYN_BASE + rnd & -maximum_alignment(image.loads)
    elif maximum_alignment(image.loads) > PAGE_SIZE:
        flags = MAP_FIXED_NOREPLACE
        bias = _search_aligned(image, mapper)
    if image.e_type == ET_DYN and image.loads:
        bias = page_down(bias - image.loads[0].vaddr & _WORD)
    loaded = _load_segments(image, mapper, bias, flags)
    if image.interp is None and loaded.entry >= TASK_SIZE:
        raise Errno("EINVAL", f"the entry point {loaded.entry:#x} is outside of the address space")
    return loaded


def load_interpreter(image: ElfImage, mapper: ImageMapper) -> LoadedImage:
    """Map the interpreter as load_elf_interp() does: without a hint, so top-down below what is there.

    Raises:
        Errno: a mapping failed; the kernel kills the process then.
    """
    if not total_mapping_size(image.loads):
        raise Errno("EINVAL", "the interpreter has nothing to map")
    if image.e_type == ET_EXEC:
        loaded = _load_segments(image, mapper, 0, MAP_FIXED)
    else:
        loaded = _load_segments(image, mapper, -image.loads[0].vaddr & _WORD, 0)
    if loaded.entry >= TASK_SIZE:
        raise Errno("EINVAL", f"the interpreter's entry point {loaded.entry:#x} is outside of the address space")
    return loaded


def start_brk(image: ElfImage, loaded: LoadedImage) -> int:
    """The break that the program starts with, before randomization moves it; bytes.

    A program without an interpreter that can lie anywhere lies among the mappings, so its heap goes to where a
    program would have been.
    """
    if image.e_type == ET_DYN and image.interp is None:
        return page_up(ELF_ET_DYN_BASE)
    return page_up(loaded.end)


def _search_aligned(image: ElfImage, mapper: ImageMapper) -> int:
    """A place for a static position-independent program that wants more than page alignment."""
    total = total_mapping_size(image.loads)
    if not total:
        raise Errno("EINVAL", "there is nothing to map")
    place = _elf_load(image.loads[0], mapper, 0, 0, total)
    mapper.vm_munmap(place, total)
    return place & -maximum_alignment(image.loads)


def _load_segments(image: ElfImage, mapper: ImageMapper, bias: int, first_flags: int) -> LoadedImage:
    flags = first_flags
    total = total_mapping_size(image.loads) if image.e_type == ET_DYN else 0
    if image.e_type == ET_DYN and image.loads and not total:
        raise Errno("EINVAL", "there is nothing to map")
    for number, load in enumerate(image.loads):
        place = _elf_load(load, mapper, bias + load.vaddr & _WORD, flags, total)
        if number == 0 and image.e_type == ET_DYN:
            bias = bias + place - page_down(bias + load.vaddr & _WORD) & _WORD
        _check_size(load)
        flags, total = MAP_FIXED, 0
    return _loaded(image, bias)


def _check_size(load: Segment) -> None:
    """What load_elf_binary() checks once the segment is mapped.

    Raises:
        Errno: it would overflow the address space, or has more in the file than in memory.
    """
    if load.vaddr >= TASK_SIZE or load.memsz > TASK_SIZE or TASK_SIZE - load.memsz < load.vaddr:
        raise Errno("EINVAL", f"a segment of {load.memsz:#x} bytes at {load.vaddr:#x} leaves the address space")
    if load.filesz > load.memsz:
        raise Errno("EINVAL", f"a segment has {load.filesz:#x} bytes in the file but {load.memsz:#x} in memory")


def _elf_load(load: Segment, mapper: ImageMapper, addr: int, flags: int, total: int) -> int:
    """elf_load(): one segment with its zeroed tail and its bss; the address of its first page."""
    prot = segment_prot(load)
    in_page = load.vaddr % PAGE_SIZE
    if load.filesz:
        place = _elf_map(load, mapper, page_down(addr), prot, MAP_PRIVATE | flags, total)
    else:
        place = page_down(addr)
    if load.memsz > load.filesz:
        zero_start = place + in_page + load.filesz & _WORD
        if load.filesz and zero_start % PAGE_SIZE:
            cleared = mapper.clear_user(zero_start, page_up(zero_start) - zero_start)
            if not cleared and load.flags & PF_W:
                raise Errno("EFAULT", "the bss begins in a page that the file does not have")
        start, end = page_up(zero_start) if load.filesz else place, page_up(place + in_page + load.memsz & _WORD)
        length = (end & _WORD) - (start & _WORD) & _WORD
        if length:
            mapper.vm_brk_flags(start & _WORD, length, executable=bool(load.flags & PF_X))
    if place >= TASK_SIZE:
        raise Errno("EINVAL", f"a segment would lie at {place:#x}, outside of the address space")
    return place


def _elf_map(load: Segment, mapper: ImageMapper, addr: int, prot: int, flags: int, total: int) -> int:
    """elf_map(): the first mapping takes the room of the whole image, and its tail is given back at once."""
    in_page = load.vaddr % PAGE_SIZE
    size = page_up(load.filesz + in_page & _WORD) & _WORD
    if not size:
        return addr
    whole = page_up(total) & _WORD
    place = mapper.vm_mmap(addr, whole or size, prot, flags, load.offset - in_page & _WORD)
    if whole > size:
        mapper.vm_munmap(place + size, whole - size)
    return place


def _loaded(image: ElfImage, bias: int) -> LoadedImage:
    code = [load for load in image.loads if load.flags & PF_X]
    return LoadedImage(
        load_bias=bias,
        entry=bias + image.entry & _WORD,
        start_code=bias + min((load.vaddr for load in code), default=0),
        end_code=bias + max((load.vaddr + load.filesz for load in code), default=0),
        start_data=bias + max((load.vaddr for load in image.loads), default=0),
        end_data=bias + max((load.vaddr + load.filesz for load in image.loads), default=0),
        end=bias + max((load.vaddr + load.memsz for load in image.loads), default=0),
    )
