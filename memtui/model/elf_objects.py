"""Which ELF files an address space has loaded, and what each of its addresses is in them. Pure: values over values."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter
from typing import Final, NamedTuple

from memtui.model.address import Range, page_down, page_up
from memtui.model.elf import (
    ET_EXEC,
    PF_W,
    PF_X,
    SHF_EXECINSTR,
    SHF_TLS,
    SHF_WRITE,
    SHT_NOBITS,
    ElfImage,
    Section,
    Segment,
)
from memtui.model.errors import SourceError
from memtui.model.vma import Vma, VmaKind

VDSO: Final = "[vdso]"
MAPPABLE: Final = frozenset({VmaKind.FILE, VmaKind.SHMEM, VmaKind.MEMFD})
"""VMAs of these kinds may hold a program."""


class Part(StrEnum):
    """What the bytes of a loaded object are for."""

    HEADERS = "ELF headers"
    TEXT = "code"
    PLT = "PLT"
    GOT = "GOT"
    DATA = "data"
    BSS = "bss"
    RODATA = "read-only data"
    LINKING = "tables of the dynamic linker"
    UNWIND = "tables to unwind the stack"
    TLS = "first values of thread-local variables"
    PADDING = "between sections"


class FileKey(NamedTuple):
    """The file of a VMA."""

    dev: tuple[int, int]
    inode: int
    name: str

    @classmethod
    def of(cls, vma: Vma) -> "FileKey":
        """The file that a VMA maps."""
        return cls(vma.dev, vma.inode, vma.name)


@dataclass(frozen=True, slots=True, eq=False)
class LoadedObject:
    """An ELF file that is mapped."""

    key: FileKey
    image: ElfImage
    bias: int | None
    """What is added to the addresses of the file, bytes; None: the file is mapped as data, not loaded."""
    vmas: tuple[Vma, ...]
    """That map the file, by ascending address; what is behind its bss is anonymous and not here."""

    @property
    def name(self) -> str:
        """The end of its path."""
        return self.key.name.removesuffix(" (deleted)").rsplit("/", 1)[-1]

    @property
    def start(self) -> int:
        """The first byte that is mapped."""
        return self.vmas[0].start

    @property
    def bss(self) -> Iterator[Range]:
        """The pages behind the file's, which are anonymous, segment by segment."""
        bias = self.bias
        if bias is None:
            return
        for load in self.image.loads:
            end = page_up(load.vaddr + load.filesz) if load.filesz else page_down(load.vaddr)
            if end < page_up(load.vaddr + load.memsz):
                yield Range(bias + end, bias + page_up(load.vaddr + load.memsz))

    def vaddr(self, vma: Vma, address: int) -> int | None:
        """The address before relocation of a byte in one of its VMAs; None: the byte is in no segment."""
        if self.bias is not None:
            return address - self.bias
        offset = vma.offset + address - vma.start
        for load in self.image.loads:
            if load.offset <= offset < load.offset + load.filesz:
                return offset - load.offset + load.vaddr
        return None


class Place(NamedTuple):
    """What an address is."""

    object: LoadedObject
    vaddr: int
    """The address before relocation: what nm and readelf print."""
    segment: int | None
    """Number of the PT_LOAD among all program headers; None: none holds it, the rest of its page does."""
    section: Section | None
    part: Part
    relro: bool
    """Whether the dynamic linker makes it read-only once it is relocated."""


@dataclass(frozen=True, slots=True, eq=False)
class ObjectMap:
    """The ELF files of one address space."""

    objects: tuple[LoadedObject, ...] = ()
    """By ascending address."""
    order: tuple[LoadedObject, ...] = ()
    """The loaded ones as the dynamic linker loaded them."""
    order_from: str = ""
    """Where that order comes from, in words."""
    unknown: Mapping[FileKey, str] = field(default_factory=dict)
    """Files that are no ELF files, or that could not be read -> why."""
    by_vma: Mapping[int, LoadedObject] = field(default_factory=dict)
    """Start of a VMA -> the object that it is a piece of."""
    bss: Sequence[tuple[Range, LoadedObject]] = ()
    """By ascending address."""

    def object_at(self, vma: Vma, address: int) -> LoadedObject | None:
        """The object that a byte of the VMA belongs to."""
        if vma.inode or vma.kind is VmaKind.SPECIAL:
            found = self.by_vma.get(vma.start)
            # A newer picture may have another file there.
            return found if found is not None and found.key == FileKey.of(vma) else None
        nth = bisect_right(self.bss, address, key=lambda entry: entry[0].start) - 1
        return self.bss[nth][1] if nth >= 0 and self.bss[nth][0].contains(address) else None

    def place(self, vma: Vma, address: int) -> Place | None:
        """What the byte `address` of the VMA is; None: nothing of an ELF file. O(log objects + sections)."""
        found = self.object_at(vma, address)
        vaddr = None if found is None else found.vaddr(vma, address)
        return None if found is None or vaddr is None else place_of(found, vaddr)

    def sections(self, vma: Vma) -> tuple[Section, ...]:
        """The sections that have a byte in the VMA, by ascending address; the .bss of anonymous memory too."""
        found: dict[Section, None] = {}
        for piece, start, end in self._pieces(vma):
            for section in piece.image.sections:
                if section.in_memory and section.addr < end and start < section.end:
                    found[section] = None
        return tuple(sorted(found, key=attrgetter("addr")))

    def _pieces(self, vma: Vma) -> Iterator[tuple[LoadedObject, int, int]]:
        """The objects in the VMA, each with the addresses before relocation from where up to where."""
        piece = self.object_at(vma, vma.start)
        if piece is not None and piece.bias is not None and (vma.inode or vma.kind is VmaKind.SPECIAL):
            yield piece, vma.start - piece.bias, vma.end - piece.bias
        if not vma.inode and vma.kind is not VmaKind.SPECIAL:
            for place, owner in self.bss:
                shared = place.intersect(Range(vma.start, vma.end))
                if shared is not None and owner.bias is not None:
                    yield owner, shared.start - owner.bias, shared.end - owner.bias

    def why_not(self, vma: Vma) -> str | None:
        """Why nothing is known of the file of a VMA, or None."""
        return self.unknown.get(FileKey.of(vma))


def place_of(found: LoadedObject, vaddr: int) -> Place:
    """What an address before relocation is in its file."""
    image = found.image
    section = next((s for s in image.sections if s.in_memory and s.addr <= vaddr < s.end), None)
    number, load = _load_at(image, vaddr)
    return Place(found, vaddr, number, section, _part(image, section, load, vaddr), _in_relro(image, vaddr))


def _load_at(image: ElfImage, vaddr: int) -> tuple[int | None, Segment | None]:
    for number, header in enumerate(image.segments):
        if header.type == "PT_LOAD" and header.vaddr <= vaddr < header.vaddr + header.memsz:
            return number, Segment(*header[1:])
    load = next((load for load in image.loads if load.vaddr <= vaddr < load.vaddr + load.memsz), None)
    return None, load


def _in_relro(image: ElfImage, vaddr: int) -> bool:
    """_dl_protect_relro (elf/dl-reloc.c, glibc 2.36): both ends rounded down."""
    if image.relro is None:
        return False
    start, size = image.relro
    return page_down(start) <= vaddr < page_down(start + size)


def _part(image: ElfImage, section: Section | None, load: Segment | None, vaddr: int) -> Part:
    if section is not None:
        return section_part(section)
    if load is None:
        return Part.PADDING
    offset = vaddr - load.vaddr + load.offset
    if offset < 64 or image.phoff <= offset < image.phoff + 56 * image.phnum:
        return Part.HEADERS
    if image.sections:
        return Part.PADDING
    if load.flags & PF_X:
        return Part.TEXT
    if not load.flags & PF_W:
        return Part.RODATA
    return Part.DATA if vaddr < load.vaddr + load.filesz else Part.BSS


_LINKING: Final = (
    ".dynsym",
    ".dynstr",
    ".dynamic",
    ".interp",
    ".hash",
    ".gnu.hash",
    ".gnu.version",
    ".rel",
    ".gnu.lib",
)
_UNWIND: Final = (".eh_frame", ".gcc_except_table", ".sframe")


def section_part(section: Section) -> Part:
    """What a section in memory is for: by its name where that decides, else by its flags."""
    name, flags = section.name, section.flags
    by_name = ((_LINKING, Part.LINKING), (_UNWIND, Part.UNWIND), ((".got",), Part.GOT), ((".plt",), Part.PLT))
    for prefixes, part in by_name:
        if name.startswith(prefixes):
            return part
    by_flag = (
        (flags & SHF_TLS, Part.TLS),
        (section.type == SHT_NOBITS, Part.BSS),
        (flags & SHF_EXECINSTR, Part.TEXT),
        (flags & SHF_WRITE, Part.DATA),
    )
    return next((part for found, part in by_flag if found), Part.RODATA)


# Finding the objects


def object_map(vmas: Sequence[Vma], image_of: Callable[[Vma], ElfImage]) -> ObjectMap:
    """The ELF files that the VMAs map, without their order.

    Args:
        vmas: by ascending address.
        image_of: reads the file of a VMA; raises `SourceError` with the reason if it cannot.
    """
    files: dict[FileKey, list[Vma]] = {}
    for vma in vmas:
        if (vma.inode and vma.kind in MAPPABLE) or vma.name == VDSO:
            files.setdefault(FileKey.of(vma), []).append(vma)
    objects: list[LoadedObject] = []
    unknown: dict[FileKey, str] = {}
    for key, pieces in files.items():
        try:
            objects += instances(key, image_of(pieces[0]), pieces)
        except SourceError as error:
            unknown[key] = error.what
    objects.sort(key=attrgetter("start"))
    return ObjectMap(
        objects=tuple(objects),
        unknown=unknown,
        by_vma={vma.start: one for one in objects for vma in one.vmas},
        bss=sorted(((place, one) for one in objects for place in one.bss), key=lambda entry: entry[0].start),
    )


def instances(key: FileKey, image: ElfImage, vmas: Sequence[Vma]) -> Iterator[LoadedObject]:
    """Each time that the file is loaded, and what of it is mapped as data.

    A VMA alone may fit several segments, as two of them may share a page of the file: the bias that most VMAs agree
    on is taken.
    """
    votes = Counter(bias for vma in vmas for bias in _biases(vma, image))
    pieces: dict[int | None, list[Vma]] = {}
    for vma in vmas:
        best = max(_biases(vma, image), key=lambda bias: (votes[bias], -bias), default=None)
        pieces.setdefault(best, []).append(vma)
    data = pieces.pop(None, [])
    for bias, parts in pieces.items():
        assert bias is not None
        if _is_loaded(image, bias, parts):
            yield LoadedObject(key, image, bias, tuple(parts))
        else:
            data += parts
    if data:
        yield LoadedObject(key, image, None, tuple(sorted(data)))


def _biases(vma: Vma, image: ElfImage) -> set[int]:
    """Each bias with which a segment would lie where the VMA is."""
    found = {
        vma.start - page_down(load.vaddr) - (vma.offset - page_down(load.offset)) for load in _loads_at(vma, image)
    }
    return found & {0} if image.e_type == ET_EXEC else found


def _loads_at(vma: Vma, image: ElfImage) -> Iterator[Segment]:
    for load in image.loads:
        if load.filesz and page_down(load.offset) <= vma.offset < page_up(load.offset + load.filesz):
            yield load


def _is_loaded(image: ElfImage, bias: int, vmas: Iterable[Vma]) -> bool:
    """Whether the VMAs are those of a program and not of a reader: code that can be run, or two segments."""
    found = set()
    for vma in vmas:
        for number, load in enumerate(image.loads):
            if load.filesz and page_down(bias + load.vaddr) <= vma.start < page_up(bias + load.vaddr + load.filesz):
                if load.flags & PF_X and "x" in vma.perms:
                    return True
                found.add((number, vma.start))
    return len({number for number, _ in found}) > 1 and len({start for _, start in found}) > 1
