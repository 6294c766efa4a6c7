"""Models elf/dl-deps.c and elf/dl-sort-maps.c (glibc 2.36): what a program depends on, and in which order."""

from collections.abc import Sequence
from typing import Final

from memtui.model.elf_dynamic import DT_AUXILIARY, DT_NEEDED
from memtui.sim.userspace.ld_so.errors import LoadError
from memtui.sim.userspace.ld_so.link_map import LinkMap, Namespace
from memtui.sim.userspace.ld_so.load import map_object
from memtui.sim.userspace.ld_so.minimal_malloc import length
from memtui.sim.userspace.ld_so.tokens import has_tokens, substitute

LIST: Final = 24
"""sizeof (struct list)."""


def map_object_deps(
    space: Namespace, program: LinkMap, preloads: Sequence[LinkMap], rtld: LinkMap, *, fakes_missing: bool = False
) -> list[LinkMap]:
    """_dl_map_object_deps(): load everything, breadth first.

    Args:
        space: of the process.
        program: whose dependencies are loaded.
        preloads: stand between the program and its dependencies.
        rtld: the dynamic linker itself, whose own dependencies are not listed.
        fakes_missing: libraries that are not found are only listed (trace_mode).

    Returns:
        The search list: where symbols are looked up, in order.

    Raises:
        LoadError: a library is missing or broken.
    """
    known = [program, *preloads]
    if preloads:
        space.alloca(8 * len(preloads))
    space.alloca(LIST * (len(known) + 1))
    done: set[int] = set()
    failure = None
    space.errno = 0
    while failure is None:
        map_ = next((each for each in known if id(each) not in done), None)
        if map_ is None:
            break
        done.add(id(map_))
        try:
            needed = _load_needed(space, map_, known, fakes_missing=fakes_missing)
        except LoadError as error:
            failure = error
            break
        if map_ is not program and map_ is not rtld and map_.needed is None:
            space.malloc.malloc(8 * (2 * (len(needed) + 1) + 1))
            map_.needed = needed
    space.malloc.malloc(8 * (2 * len(known) + 1))
    if failure is not None:
        raise failure
    return [map_ for map_ in known if not map_.faked]


def _load_needed(space: Namespace, map_: LinkMap, known: list[LinkMap], *, fakes_missing: bool) -> list[LinkMap]:
    """Load what one object asks for."""
    needed: list[LinkMap] = []
    for dependency in map_.dynamic.dependencies:
        name = dependency.name
        if has_tokens(name):
            name = substitute(space, map_, name)
        try:
            found = map_object(space, name, map_, fakes_missing=fakes_missing)
        except LoadError as error:
            space.malloc.malloc(length(error.name) + length(error.text))
            if dependency.tag != DT_AUXILIARY:
                raise
            continue
        needed.append(found)
        if dependency.tag == DT_NEEDED:
            if found not in known:
                known.append(found)
                space.alloca(LIST)
        else:
            _put_before(space, found, known, map_)
    return needed


def _put_before(space: Namespace, filter_: LinkMap, known: list[LinkMap], map_: LinkMap) -> None:
    """A filter stands before the object that names it, unless it stands further ahead already.

    The list of all objects follows.
    """
    place = known.index(map_)
    if filter_ in known[:place]:
        return
    if filter_ in known:
        known.remove(filter_)
    known.insert(place, filter_)
    if filter_ is not map_ and map_ in space.loaded:
        space.loaded.remove(filter_)
        space.loaded.insert(space.loaded.index(map_), filter_)


def sort_maps(maps: Sequence[LinkMap], program: LinkMap) -> list[LinkMap]:
    """_dl_sort_maps_dfs(): each object before what it depends on, the program first.

    Args:
        maps: the search list.
        program: depends on all, and is not followed from others.
    """
    done: list[LinkMap] = []
    visited: set[int] = set()
    for start in reversed([program, *(map_ for map_ in maps if map_ is not program)]):
        _visit(start, program, visited, done)
    return done[::-1]


def _visit(start: LinkMap, program: LinkMap, visited: set[int], done: list[LinkMap]) -> None:
    """dfs_traversal() without recursion: `done` gets each object behind what it depends on."""
    if id(start) in visited:
        return
    visited.add(id(start))
    stack = [(start, iter(start.needed or ()))]
    while stack:
        map_, following = stack[-1]
        child = next((each for each in following if id(each) not in visited and each is not program), None)
        if child is None:
            done.append(map_)
            stack.pop()
        else:
            visited.add(id(child))
            stack.append((child, iter(child.needed or ())))
