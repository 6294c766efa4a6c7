"""Where the main arena of a process lies: by the symbols of its libc, or by its shape."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from memtui.live.heap_layout import (
    BEHIND,
    FLAGS,
    HEAP_MAX,
    LAYOUTS,
    NBINS,
    TCACHE_BINS,
    Layout,
    Version,
    layout_of,
    version_in,
)
from memtui.live.heap_memory import WORD, ProcessMemory, TornError
from memtui.live.heap_space import Space
from memtui.live.heap_symbols import ElfFile, debug_symbols, opened_elf
from memtui.live.procfs import Procfs
from memtui.model.address import PAGE_SIZE
from memtui.model.errors import NotSupported
from memtui.model.vma import Vma, VmaKind

_LINKED: Final = 120
"""Of the 127 bins, those that must be linked to themselves or to chunks."""
_ARENA_TEST: Final = 8
"""malloc_par.arena_test as it is set at the start (NARENAS_FROM_NCORES)."""
_LARGEST: Final = 4 << 20
"""No tcache serves larger requests."""
_TRIES: Final = 3
"""Searches of a process that goes on meanwhile."""
_THREADS: Final = 1 << 22
"""More threads than any machine runs (PID_MAX_LIMIT)."""
_DATA: Final = 8 << 20
"""Bytes of a file's writable memory that are searched at most."""


class Found(NamedTuple):
    """The main arena of a process."""

    layout: Layout
    version: Version | None
    main_arena: int
    mp: int | None
    """malloc_par; None: not found."""
    how: str
    """ "debug symbols", "its shape"."""
    libc: str
    """The file that holds the allocator."""


class Libc(NamedTuple):
    """The file with glibc's allocator, as far as the process has it mapped."""

    path: str
    """As maps has it."""
    file: str
    """Through which it can be opened here."""
    bias: int
    """Added to the file's addresses."""
    data: tuple[Vma, ...]
    """Where its variables lie."""


def libc_of(procfs: Procfs, folder: str, vmas: Sequence[Vma]) -> Libc | None:
    """The libc that is mapped; for a program without one, the program itself."""
    named = [vma for vma in vmas if _is_libc(vma.name)]
    if not named:
        exe = next((vma for vma in vmas if vma.kind is VmaKind.FILE and vma.path), None)
        named = [] if exe is None else [vma for vma in vmas if vma.name == exe.name]
        if any(vma.name.rsplit("/", 1)[-1].startswith(("ld-", "ld.so")) for vma in vmas):
            return None
    if not named:
        return None
    file = f"{procfs.path(folder)}/root{named[0].path}"
    with opened_elf(file) as elf:
        bias = named[0].start - (0 if elf is None else elf.first_vaddr)
    last = named[-1]
    data = [vma for vma in named if vma.perms.startswith("rw-p")]
    # Behind the file's pages lies its bss.
    data += [vma for vma in vmas if vma.start == last.end and vma.kind is VmaKind.ANON and vma.perms == "rw-p"]
    return Libc(named[0].name, file, bias, tuple(data))


def find(memory: ProcessMemory, libc: Libc, space: Space) -> Found:
    """The main arena.

    Raises:
        NotSupported: there is none, or its version is not known.
    """
    with opened_elf(libc.file) as elf:
        version = None if elf is None else version_in(elf.data[:])
        symbols = {} if elf is None else _symbols(elf)
    layout = None if version is None else layout_of(version)
    if version is not None and layout is None:
        newer = version >= BEHIND
        raise NotSupported(
            f"the heap of glibc {version[0]}.{version[1]} is laid out in {'a newer' if newer else 'an older'} way",
            hint="2.26 to 2.44 can be read",
        )
    layouts = LAYOUTS if layout is None else (layout,)
    if "main_arena" in symbols and layout is not None:
        address = libc.bias + symbols["main_arena"]
        mp = libc.bias + symbols["mp_"] if "mp_" in symbols else None
        return Found(layout, version, address, mp, "debug symbols", libc.path)
    for _ in range(_TRIES):
        found = list(_by_shape(memory, libc, space, layouts, version))
        if found:
            # Versions differ in little: the one whose other parts are found too.
            return max(found, key=lambda one: _agrees(memory, one))
    raise NotSupported(f"no arena of glibc is found in {libc.path}")


def _by_shape(
    memory: ProcessMemory, libc: Libc, space: Space, layouts: Sequence[Layout], version: Version | None
) -> Iterator[Found]:
    """One arena for each layout that fits."""
    for layout in layouts:
        address = _arena_in(memory, libc, layout, space)
        if address is not None:
            mp = _mp(memory, libc, layout, space)
            yield Found(layout, version, address, mp, "its shape", libc.path)


def _arena_in(memory: ProcessMemory, libc: Libc, layout: Layout, space: Space) -> int | None:
    for start, words in _data(memory, libc):
        for at in range(len(words) - layout.size // WORD + 1):
            if _is_arena(words, at, start + at * WORD, layout, space):
                return start + at * WORD
    return None


def _agrees(memory: ProcessMemory, found: Found) -> tuple[bool, bool, Version]:
    """How well a layout fits: mp_ is found, and the first chunk has the size of the tcache's structure."""
    if found.mp is None:
        return False, False, found.layout.since
    try:
        base = memory.words(found.mp + found.layout.sbrk_base, 1)[0] + 15 & ~15
        first = memory.words(base + 8, 1)[0] & ~FLAGS
    except TornError:
        return True, False, found.layout.since
    return True, first == found.layout.tcache_chunk, found.layout.since


def _symbols(elf: ElfFile) -> dict[str, int]:
    names = ("main_arena", "mp_")
    return dict(elf.symbols(names)) or dict(debug_symbols(elf.build_id, names))


def _data(memory: ProcessMemory, libc: Libc) -> Iterator[tuple[int, "memoryview[int]"]]:
    """The writable memory of a file, pieces without a gap joined."""
    start = end = 0
    for vma in (*libc.data, None):
        if vma is not None and vma.start == end:
            end = vma.end
            continue
        if end > start:
            try:
                yield start, memory.window(start, min(end, start + _DATA))
            except TornError:
                continue
        if vma is not None:
            start, end = vma.start, vma.end


def _is_arena(words: "memoryview[int]", at: int, address: int, layout: Layout, space: Space) -> bool:
    """Whether these words can be a main arena: `next` leads to an arena, and the bins to themselves or to chunks."""
    following, _, attached, system, most = words[at + layout.next // WORD : at + layout.next // WORD + 5]
    # The bins alone look the same two words further; what lies behind them does not.
    if following != address and following % HEAP_MAX != layout.heap_info:
        return False
    if attached > _THREADS or system % WORD or system > most:
        return False
    top, first = words[at + layout.top // WORD], at + layout.bins // WORD
    links = words[first : first + 2 * (NBINS - 1)]
    if top == 0:
        # Not set up yet: it is in no bin and all alone in its ring.
        return following == address and attached == 1 and not any(links)
    head = address + layout.top
    if top != head and (top % 16 or not space.is_data(top)):
        return False
    linked = 0
    for number in range(NBINS - 1):
        own, pair = head + 16 * number, (links[2 * number], links[2 * number + 1])
        if pair == (own, own) or (own not in pair and all(link % 16 == 0 and space.is_data(link) for link in pair)):
            linked += 1
    return linked >= _LINKED


def _mp(memory: ProcessMemory, libc: Libc, layout: Layout, space: Space) -> int | None:
    """malloc_par by its shape: first as it is at the start, then with whatever knobs were turned."""
    base = layout.sbrk_base // WORD
    turned = None
    for start, words in _data(memory, libc):
        for at in range(len(words) - 17):
            bins, sbrk_base = words[at + base + 1], words[at + base]
            if not 0 < bins <= layout.tcache_slots or (sbrk_base and not space.is_data(sbrk_base)):
                continue
            if words[at + 3] == _ARENA_TEST and bins in (TCACHE_BINS, layout.tcache_slots):
                return start + at * WORD
            if turned is None and sbrk_base and _is_mp(words[at : at + base + 4], layout, base):
                turned = start + at * WORD
    return turned


def _is_mp(words: "memoryview[int]", layout: Layout, base: int) -> bool:
    """Whether the figures agree: of the tcache, whose lists go just up to its largest request, and of the mappings."""
    bins, largest, count = words[base + 1 : base + 4]
    exact = bins == max(32, largest + 23 & ~15) // 16 - 1 or (layout.counts_down and bins == TCACHE_BINS)
    of_tcache = largest <= _LARGEST and exact and count <= 0xFFFF
    mmaps, most = ((words[at // 8] >> 8 * (at % 8)) & 0xFFFF_FFFF for at in (layout.n_mmaps, layout.n_mmaps + 8))
    mapped, most_mapped = words[base - 2 : base]
    of_mappings = mmaps <= most and mapped % PAGE_SIZE == 0 and mapped <= most_mapped and bool(mmaps) == bool(mapped)
    return of_tcache and of_mappings and 0 < words[3] < _THREADS


def _is_libc(name: str) -> bool:
    file = name.rsplit("/", 1)[-1].removesuffix(" (deleted)")
    return file == "libc.so.6" or (file.startswith("libc-2.") and file.endswith(".so"))
