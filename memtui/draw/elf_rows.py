"""What an address and a VMA are in the ELF file that is mapped there."""

from collections.abc import Iterator
from typing import Final

from memtui.draw.fit import safe, shorten
from memtui.draw.sizes import human
from memtui.model.address import Range
from memtui.model.elf import PF_R, PF_W, PF_X, Section
from memtui.model.elf_knowledge import ElfKnowledge, Nearest
from memtui.model.elf_objects import ObjectMap, Place, place_of
from memtui.model.vma import Vma

_BUILD_ID: Final = 13
_FLAGS: Final = ((PF_R, "r"), (PF_W, "w"), (PF_X, "x"))


def elf_facts(vma: Vma, address: int | None, elf: ElfKnowledge) -> Iterator[tuple[str, str]]:
    """The fields of the detail pane: key and value. Nothing for memory that no ELF file has a part in."""
    why = elf.objects.why_not(vma)
    if why is not None:
        yield "object", f"— {safe(why)}"
        return
    if elf.state and vma.inode:
        yield "object", f"— {elf.state}"
        return
    at = vma.start if address is None else address
    found = elf.objects.object_at(vma, at)
    if found is not None and found.bias is None:
        yield "object", f"{safe(found.name)} · an ELF file that is mapped as data, not loaded"
    place = elf.objects.place(vma, at)
    if place is not None:
        yield from _place(place, elf, known=address is not None)
    sections = elf.objects.sections(vma)
    if sections:
        yield "sections", " ".join(safe(section.name) for section in sections)
    elif found is not None and "sections" in found.image.unknown:
        yield "sections", f"— {found.image.unknown['sections']}"


def _place(place: Place, elf: ElfKnowledge, *, known: bool) -> Iterator[tuple[str, str]]:
    found = place.object
    if known:
        yield "symbol", _symbol(elf.symbol(place))
    yield "part", _part(place)
    yield "segment", _segment(place)
    if found.bias is not None:
        words = [safe(found.name), f"loaded at {found.start:x}", f"bias {found.bias:#x}"]
        if found.image.build_id:
            words.append(f"build id {shorten(found.image.build_id.hex(), _BUILD_ID)}")
        yield "object", " · ".join(words)


def _segment(place: Place) -> str:
    if place.segment is None:
        return f"none: the rest of a segment's page · {place.vaddr:#x} in the file's addresses"
    header = place.object.image.segments[place.segment]
    flags = "".join(letter if header.flags & flag else "-" for flag, letter in _FLAGS)
    return f"LOAD {place.segment} {flags} · {place.vaddr:#x} in the file's addresses"


def _part(place: Place) -> str:
    words: list[str] = [place.part.value]
    if place.section is not None:
        words.insert(0, f"{safe(place.section.name)}+{place.vaddr - place.section.addr:#x}")
    if place.relro:
        words.append("RELRO: read-only once relocated")
    return " · ".join(words)


def _symbol(symbol: Nearest | str) -> str:
    if isinstance(symbol, str):
        return f"— {safe(symbol)}"
    words = [safe(str(symbol))]
    if symbol.size:
        inside = symbol.offset < symbol.size
        words.append(f"of {human(symbol.size)}" if inside else f"{human(symbol.offset - symbol.size)} behind its end")
    words.append("of its debug file" if symbol.origin.startswith("/") else safe(symbol.origin))
    return " · ".join(words)


def piece_label(vma: Vma, objects: ObjectMap) -> str:
    """What of an ELF file the VMA is, in a word or two: ".text +4", "RELRO", ".bss"; "" for all else."""
    sections = objects.sections(vma)
    if not sections:
        return ""
    found = objects.object_at(vma, vma.start)
    if found is not None and all(place_of(found, section.addr).relro for section in sections):
        return "RELRO"
    largest = max(sections, key=lambda section: _shared(section, vma, objects))
    return safe(largest.name) + (f" +{len(sections) - 1}" if len(sections) > 1 else "")


def _shared(section: Section, vma: Vma, objects: ObjectMap) -> int:
    """Bytes of the section in the VMA."""
    found = objects.by_vma.get(vma.start)
    if found is None or found.bias is None:
        return section.size
    shared = Range(section.addr, section.end).intersect(Range(vma.start - found.bias, vma.end - found.bias))
    return 0 if shared is None else shared.size


def owner_name(vma: Vma, objects: ObjectMap) -> str:
    """Whose bss anonymous memory begins with; "" if nobody's."""
    found = objects.object_at(vma, vma.start) if not vma.inode and not vma.name else None
    return "" if found is None else safe(found.name)
