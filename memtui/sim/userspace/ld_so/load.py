"""Models _dl_map_object() and _dl_map_object_from_fd() of elf/dl-load.c (glibc 2.36): brings one library in."""

from typing import Final

from memtui.model.address import PAGE_SIZE, page_down
from memtui.model.elf import ET_DYN, ElfImage
from memtui.model.elf_dynamic import DF_1_PIE, Dynamic
from memtui.sim.userspace.ld_so.errors import LoadError, NotFound
from memtui.sim.userspace.ld_so.link_map import LinkMap, Namespace, add_name, new_object
from memtui.sim.userspace.ld_so.map_segments import map_segments, total_size
from memtui.sim.userspace.ld_so.open_verify import PHDR, Opened, open_verify
from memtui.sim.userspace.ld_so.search import find, not_found
from memtui.sim.userspace.ld_so.tokens import expanded

PROT_ALL_GROWSDOWN: Final = 7 | 0x0100_0000


def map_object(space: Namespace, name: str, loader: LinkMap | None, *, fakes_missing: bool = False) -> LinkMap:
    """The object of that name: one that is loaded already, or a new one.

    Args:
        space: of the process.
        name: what is asked for.
        loader: who asks.
        fakes_missing: give an object without contents for what is not found.

    Raises:
        LoadError: it cannot be found or loaded.
    """
    known = _already_loaded(space, name)
    if known is not None:
        return known
    space.calls.tell(f"{loader.name or space.program if loader is not None else space.program} asks for {name}.")
    space.other_class = False
    try:
        opened, path = _open(space, name, loader)
    except NotFound:
        if not fakes_missing:
            raise
        return _faked(space, name, loader)
    return _map_from_fd(space, name, opened, path, loader)


def _faked(space: Namespace, name: str, loader: LinkMap | None) -> LinkMap:
    """What stands in the list for a library that is nowhere."""
    space.malloc.string(name)
    made = new_object(space, name, name, ElfImage(name, ET_DYN, 0, ()), loader)
    made.faked = True
    space.loaded.append(made)
    return made


def map_program(space: Namespace, name: str) -> LinkMap:
    """The program that was given to the dynamic linker on its command line.

    Raises:
        LoadError: it cannot be found or loaded.
    """
    opened, path = _open(space, name, None)
    image = _image(space, name, opened)
    # Its name is forgotten, as the kernel does not tell it either.
    space.malloc.malloc(space.glibc.audit_state)
    made = new_object(space, path, "", image, None)
    made.name, made.names, made.is_program = "", [""], True
    _bring_in(space, name, made, opened)
    return made


def _already_loaded(space: Namespace, name: str) -> LinkMap | None:
    for map_ in space.loaded:
        if map_.faked:
            continue
        if map_.is_called(name):
            return map_
        if not map_.soname_added and map_.image.soname == name:
            add_name(space, map_, name)
            map_.soname_added = True
            return map_
    return None


def _open(space: Namespace, name: str, loader: LinkMap | None) -> tuple[Opened, str]:
    if "/" not in name:
        found = find(space, name, loader)
        if found is None:
            raise not_found(space, name)
        return found
    path, copy = expanded(space, loader, name) if loader is not None else (name, space.malloc.string(name))
    opened = open_verify(space, path)
    if opened is None:
        space.malloc.free(copy)
        raise not_found(space, name)
    return opened, path


def _map_from_fd(space: Namespace, name: str, opened: Opened, path: str, loader: LinkMap | None) -> LinkMap:
    calls = space.calls
    facts = calls.fstat(opened.fd, old=space.glibc.fstat)
    for map_ in space.loaded:
        if map_.file_id == facts.file_id:
            calls.close(opened.fd)
            space.malloc.free_last()
            add_name(space, map_, name)
            return map_
    made = new_object(space, path, name, _image(space, name, opened), loader)
    made.file_id = facts.file_id
    _bring_in(space, name, made, opened)
    return made


def _image(space: Namespace, name: str, opened: Opened) -> ElfImage:
    image = space.calls.image(opened.fd)
    if image is None:
        space.calls.close(opened.fd)
        raise LoadError(name, "object file has no loadable segments")
    return image


def _bring_in(space: Namespace, name: str, made: LinkMap, opened: Opened) -> None:
    image, calls = made.image, space.calls
    if not opened.headers_read:
        calls.pread64(opened.fd, opened.phnum * PHDR, opened.phoff)
    problem = _problem(made) or map_segments(calls, made, opened.fd)
    program = not problem and made.dynamic.flags_1 & DF_1_PIE and not made.is_program
    if problem or program:
        calls.close(opened.fd)
        if program:
            calls.munmap(made.addr + page_down(image.loads[0].vaddr), total_size(image.loads))
        space.malloc.free_last()
        raise LoadError(name, problem or "cannot dynamically load position-independent executable")
    if not _headers_mapped(image):
        space.malloc.malloc(image.phnum * PHDR)
    if image.execstack and not space.executable_stack:
        calls.mprotect(space.stack_end & -PAGE_SIZE, PAGE_SIZE, PROT_ALL_GROWSDOWN)
        space.executable_stack = True
    calls.close(opened.fd)
    space.loaded.append(made)


def _problem(made: LinkMap) -> str:
    """Why an object is not mapped at all, or ""."""
    image = made.image
    if any((load.vaddr - load.offset) % PAGE_SIZE for load in image.loads):
        return "ELF load command address/offset not page-aligned"
    if not image.loads:
        return "object file has no loadable segments"
    if image.e_type != ET_DYN and not made.is_program:
        return "cannot dynamically load executable"
    if image.e_type == ET_DYN and made.dynamic == Dynamic():
        return "object file has no dynamic section"
    return ""


def _headers_mapped(image: ElfImage) -> bool:
    """Whether some segment holds the program headers."""
    end = image.phoff + image.phnum * PHDR
    return any(
        load.offset // PAGE_SIZE * PAGE_SIZE <= image.phoff and end <= load.offset + load.filesz for load in image.loads
    )
