"""The ELF files of a process in the JSON that --print json writes."""

from typing import Any

from memtui.model.elf_objects import ObjectMap
from memtui.model.elf_order import Library, libraries
from memtui.model.vma import Vma


def elf_document(objects: ObjectMap) -> dict[str, Any]:
    """What "elf" has: the loaded objects in the order of loading, and the files of which nothing is known."""
    return {
        "order_from": objects.order_from,
        "objects": [_library(library) for library in libraries(objects)],
        "unknown": {key.name: why for key, why in objects.unknown.items()},
    }


def _library(library: Library) -> dict[str, Any]:
    found = library.object
    return {
        "name": found.name,
        "path": found.key.name,
        "start": f"{found.start:#x}",
        "bias": None if found.bias is None else f"{found.bias:#x}",
        "build_id": found.image.build_id.hex() or None,
        "soname": found.image.soname,
        "needs": {name: None if other is None else other.key.name for name, other in library.needs},
        "needed_by": [other.key.name for other in library.needed_by],
    }


def vma_elf(vma: Vma, objects: ObjectMap) -> dict[str, Any] | None:
    """What "elf" of a VMA has: whose it is, and which sections it has; None: no ELF file's."""
    found = objects.object_at(vma, vma.start)
    sections = objects.sections(vma)
    if found is None and not sections:
        return None
    return {
        "object": None if found is None else found.key.name,
        "loaded": found is not None and found.bias is not None,
        "sections": [section.name for section in sections],
    }
