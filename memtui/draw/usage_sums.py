"""What the VMAs of an address space add up to, by kind: of each picture only what is new in it is looked at."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from memtui.draw.kept import came_and_went
from memtui.draw.labels import vma_label
from memtui.draw.reclaim import NOTHING, Reclaimable, reclaimable_of_vma
from memtui.model.pages import Residence
from memtui.model.vma import Vma, VmaKind

SLICE: Final = 1000
"""VMAs that are looked at at one go: some milliseconds."""
IMAGES: Final = "programs, libs"
"""VMAs of files of which some part is executable."""
_FILES: Final = "mapped files"
_GROUPS: Final = {
    VmaKind.HEAP: "heap (brk)",
    VmaKind.STACK: "stack",
    VmaKind.ANON: "anonymous",
    VmaKind.FILE: _FILES,
    VmaKind.SHMEM: "shared memory",
    VmaKind.SHARED_ANON: "shared memory",
    VmaKind.SYSV: "shared memory",
    VmaKind.MEMFD: "shared memory",
    VmaKind.HUGETLB: "huge pages",
    VmaKind.DEVICE: "devices",
    VmaKind.SPECIAL: "the kernel's",
}
IN_RAM: Final = (Residence.ANON, Residence.PAGE_CACHE, Residence.SHMEM)

_NTH: Final = {residence: nth for nth, residence in enumerate(IN_RAM)}

_Key = str | tuple[tuple[int, int], int]
"""What VMAs are added up under: a kind, or a file by its device and inode."""


class Usage(NamedTuple):
    """One line: a kind, or a VMA. Pages; None: not measured."""

    name: str
    size: int
    pages: tuple[int, ...] | None
    """In RAM, for each of IN_RAM."""
    swapped: int | None
    vmas: int
    """How many."""
    example: Vma
    """The VMA, or one of the kind."""
    reclaimable: Reclaimable = NOTHING

    @property
    def resident(self) -> int | None:
        """Pages in RAM."""
        return None if self.pages is None else sum(self.pages)


class _Sum:
    """Of the VMAs under one key."""

    __slots__ = ("code", "count", "example", "freed", "measured", "pages", "size", "swapped")

    def __init__(self) -> None:
        self.count = self.size = self.measured = self.swapped = self.code = 0
        self.pages = [0] * len(IN_RAM)
        self.freed = [0] * len(NOTHING)
        self.example: Vma | None = None

    def copy(self) -> "_Sum":
        made = _Sum()
        made.add(self)
        return made

    def add(self, other: "_Sum") -> None:
        self.count += other.count
        self.size += other.size
        self.measured += other.measured
        self.pages = [one + two for one, two in zip(self.pages, other.pages, strict=True)]
        self.swapped += other.swapped
        self.code += other.code
        self.freed = [one + two for one, two in zip(self.freed, other.freed, strict=True)]
        self.example = self.example or other.example

    def note(self, vma: Vma, sign: int) -> None:
        """One VMA more (1) or less (-1)."""
        self.count += sign
        self.size += sign * vma.pages
        self.code += sign * ("x" in vma.perms)
        for nth, pages in enumerate(reclaimable_of_vma(vma)):
            if pages:
                self.freed[nth] += sign * pages
        if vma.runs is not None:
            self.measured += sign
            for run in vma.runs:
                if run.residence in _NTH:
                    self.pages[_NTH[run.residence]] += sign * run.pages
                elif run.residence is Residence.SWAPPED:
                    self.swapped += sign * run.pages
        if sign > 0:
            self.example = vma

    def usage(self, name: str) -> Usage:
        assert self.example is not None
        pages, swapped = (tuple(self.pages), self.swapped) if self.measured else (None, None)
        return Usage(name, self.size, pages, swapped, self.count, self.example, Reclaimable(*self.freed))


class UsageSums:
    """Keeps the sums of the picture before. Its first picture costs O(VMAs + runs), the next ones what changed."""

    def __init__(self) -> None:
        self._vmas: tuple[Vma, ...] = ()
        self._sums: dict[_Key, _Sum] = {}
        self._largest: dict[str, Usage] = {}
        """By kind, where it was asked for."""

    def take(self, vmas: tuple[Vma, ...]) -> Iterator[None]:
        """Add up another picture, slice by slice; until the last one the sums are those of the picture before.

        VMAs that are the same objects as before are not looked at again.
        """
        if vmas is self._vmas:
            return
        changed = came_and_went(self._vmas, vmas)
        sums = dict(self._sums)
        own: set[_Key] = set()
        for nth, (vma, sign) in enumerate(changed, 1):
            key = _key(vma)
            if key not in own:
                own.add(key)
                sums[key] = sums[key].copy() if key in sums else _Sum()
            sums[key].note(vma, sign)
            if nth % SLICE == 0:
                yield
        self._sums = {key: found for key, found in sums.items() if found.count}
        self._vmas, self._largest = vmas, {}

    def kinds(self) -> list[Usage]:
        """Every kind that there is, the one with the most pages in RAM first."""
        kinds: dict[str, _Sum] = {}
        for key, found in self._sums.items():
            kinds.setdefault(self._kind(key), _Sum()).add(found)
        return sorted((found.usage(name) for name, found in kinds.items()), key=_largest, reverse=True)

    def of_kind(self, kind: str) -> Iterator[list[Usage]]:
        """The VMAs of one kind, in the same order; slice by slice, the last list has all of them."""
        found: list[Usage] = []
        for nth, vma in enumerate(self._vmas, 1):
            if self._kind(_key(vma)) == kind:
                found.append(of_vma(vma))
            if nth % SLICE == 0:
                yield found
        yield sorted(found, key=_largest, reverse=True)

    def largest(self, kind: str) -> Usage:
        """The VMA of a kind that has the most pages in RAM; O(VMAs + runs) once for each picture."""
        if kind not in self._largest:
            of_kind = (vma for vma in self._vmas if self._kind(_key(vma)) == kind)
            self._largest[kind] = max(map(of_vma, of_kind), key=_largest)
        return self._largest[kind]

    def _kind(self, key: _Key) -> str:
        if isinstance(key, str):
            return key
        return IMAGES if self._sums[key].code else _FILES


def of_vma(vma: Vma) -> Usage:
    """One VMA."""
    found = _Sum()
    found.note(vma, 1)
    return found.usage(vma_label(vma))


def _key(vma: Vma) -> _Key:
    return (vma.dev, vma.inode) if vma.kind is VmaKind.FILE else _GROUPS[vma.kind]


def _largest(usage: Usage) -> tuple[int, int]:
    return usage.resident or 0, usage.size
