"""Which loaded object needs which, and in what order the dynamic linker loaded them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from memtui.model.elf_objects import VDSO, LoadedObject, ObjectMap


class Library(NamedTuple):
    """A loaded object among the others."""

    object: LoadedObject
    needs: tuple[tuple[str, LoadedObject | None], ...]
    """DT_NEEDED in order, each with the object that it led to; None: none that is loaded has this name."""
    needed_by: tuple[LoadedObject, ...]
    """In the order of loading."""


def in_order(objects: ObjectMap, exe: str | None, link_map: Sequence[int] | None, why_not: str = "") -> ObjectMap:
    """The same with the order of loading.

    Args:
        objects: what is mapped.
        exe: path of the program.
        link_map: l_addr of each entry of the dynamic linker's list; None: it could not be read.
        why_not: why it could not.
    """
    loaded = [one for one in objects.objects if one.bias is not None]
    if link_map:
        by_bias = {one.bias: one for one in reversed(loaded)}
        listed = list(dict.fromkeys(by_bias[bias] for bias in link_map if bias in by_bias))
        source = "the dynamic linker's link_map"
    else:
        listed = breadth_first(loaded, exe)
        source = "DT_NEEDED breadth first from the program" + (f" ({why_not})" if why_not else "")
    chosen = set(listed)
    rest = sorted((one for one in loaded if one not in chosen), key=lambda one: (one.name == VDSO, -one.start))
    return replace(objects, order=(*listed, *rest), order_from=source)


def breadth_first(loaded: Sequence[LoadedObject], exe: str | None) -> list[LoadedObject]:
    """The program, what it needs in the order of its DT_NEEDED, what these need, ... (_dl_map_object_deps)."""
    program = main_program(loaded, exe)
    names = _by_name(loaded)
    found = {} if program is None else {program: None}
    queue = list(found)
    for one in queue:
        for name in one.image.needed:
            other = names.get(name)
            if other is not None and other not in found:
                found[other] = None
                queue.append(other)
    return queue


def main_program(loaded: Sequence[LoadedObject], exe: str | None) -> LoadedObject | None:
    """The object of the program; if ld.so was run by hand, what it was given."""
    named = next((one for one in loaded if exe is not None and one.key.name == exe), None)
    if named is not None and (named.image.interp or named.image.needed or len(loaded) < 2):
        return named
    needed = {name for one in loaded for name in one.image.needed}
    return next((one for one in loaded if one.image.needed and one.image.name not in needed), named)


def libraries(objects: ObjectMap) -> tuple[Library, ...]:
    """Every loaded object in the order of loading, with what it needs and who needs it."""
    names = _by_name(objects.order)
    needed_by: dict[LoadedObject, list[LoadedObject]] = {one: [] for one in objects.order}
    needs = {one: tuple((name, names.get(name)) for name in one.image.needed) for one in objects.order}
    for one in objects.order:
        for other in dict.fromkeys(other for _, other in needs[one] if other is not None):
            needed_by[other].append(one)
    return tuple(Library(one, needs[one], tuple(needed_by[one])) for one in objects.order)


def _by_name(loaded: Iterable[LoadedObject]) -> Mapping[str, LoadedObject]:
    """By soname, by path and by the end of the path; of two the one that was loaded first."""
    names: dict[str, LoadedObject] = {}
    for one in loaded:
        for name in (one.image.soname, one.key.name.removesuffix(" (deleted)"), one.name):
            if name:
                names.setdefault(name, one)
    return names
