"""Models the search for libraries of elf/dl-load.c (glibc 2.36): RPATH, LD_LIBRARY_PATH, RUNPATH, cache, defaults."""

from collections.abc import Iterator
from typing import Final

from memtui.model.elf_dynamic import DF_1_NODEFLIB
from memtui.sim.userspace.ld_so import cache as ld_so_cache
from memtui.sim.userspace.ld_so.errors import EACCES, ENOENT, NotFound
from memtui.sim.userspace.ld_so.link_map import Directory, LinkMap, Namespace, SearchPath
from memtui.sim.userspace.ld_so.minimal_malloc import length
from memtui.sim.userspace.ld_so.open_verify import Opened, open_verify
from memtui.sim.userspace.ld_so.tokens import expanded

PATH_ELEM: Final = 40
"""sizeof (struct r_search_path_elem) without the states of its subfolders, which take 4 bytes each."""
STATE: Final = 4
PROT_READ: Final = 1
MAP_PRIVATE: Final = 2


def init_paths(space: Namespace, program: LinkMap, library_path: str) -> None:
    """_dl_init_paths(): the default folders, the program's own path, and LD_LIBRARY_PATH.

    Args:
        space: of the process.
        program: whose path is decomposed now; those of libraries are when they are needed.
        library_path: LD_LIBRARY_PATH, or what --library-path says.
    """
    caps, folders = space.hwcaps, space.system_dirs
    space.malloc.malloc(16 * len(caps.levels))
    space.malloc.malloc(caps.table)
    space.malloc.malloc(8 * (len(folders) + 1))
    rounded = (2 * PATH_ELEM - 1 + STATE * len(caps.subfolders)) // PATH_ELEM
    space.malloc.malloc(len(folders) * rounded * PATH_ELEM)
    space.default_path = SearchPath([_directory(space, name) for name in folders], forgettable=False)
    _decompose_own(space, program)
    if library_path:
        space.malloc.malloc(8 * (len(library_path.replace(";", ":").split(":")) + 1))
        dirs = _fill_in(space, program, library_path.replace(";", ":"), None)
        space.env_path = SearchPath(dirs, forgettable=False) if dirs else None


def find(space: Namespace, name: str, loader: LinkMap | None) -> tuple[Opened, str] | None:
    """The file of a library by a name without a slash, opened; None if it is nowhere.

    Raises:
        LoadError: a file of that name cannot be what it should be.
    """
    for path in _paths(space, loader):
        found = _open_path(space, path, name)
        if found is not None:
            return found
    found = _from_cache(space, name, loader)
    if found is not None:
        return found
    user = loader or (space.loaded[0] if space.loaded else None)
    if space.default_path is None or (user is not None and user.dynamic.flags_1 & DF_1_NODEFLIB):
        return None
    return _open_path(space, space.default_path, name)


def _paths(space: Namespace, loader: LinkMap | None) -> Iterator[SearchPath]:
    """The paths before the cache, in their order; each is made when its turn comes."""
    main = space.loaded[0] if space.loaded else None
    if loader is None or loader.dynamic.runpath is None:
        user, did_main = loader, False
        while user is not None:
            _decompose_own(space, user)
            if user.rpath is not None:
                yield user.rpath
                did_main |= user is main
            user = user.loader
        if main is not None and not did_main:
            _decompose_own(space, main)
            if main.rpath is not None:
                yield main.rpath
    if space.env_path is not None:
        yield space.env_path
    if loader is not None:
        _decompose_own(space, loader)
        if loader.runpath is not None:
            yield loader.runpath


def _decompose_own(space: Namespace, map_: LinkMap) -> None:
    """cache_rpath(): DT_RUNPATH of an object, or DT_RPATH if it has none, as a search path."""
    if map_.paths_known:
        return
    map_.paths_known = True
    text = map_.dynamic.runpath if map_.dynamic.runpath is not None else map_.dynamic.rpath
    if not text or map_.name in space.inhibit_rpath:
        return
    copy = space.malloc.string(text)
    result = space.malloc.malloc(8 * (text.count(":") + 2))
    dirs = _fill_in(space, map_, text, map_.name)
    space.malloc.free(copy)
    if not dirs:
        space.malloc.free(result)
    elif map_.dynamic.runpath is not None:
        map_.runpath = SearchPath(dirs)
    else:
        map_.rpath = SearchPath(dirs)


def _fill_in(space: Namespace, map_: LinkMap, text: str, where: str | None) -> list[Directory]:
    """fillin_rpath()."""
    dirs: list[Directory] = []
    for part in text.split(":"):
        name, copy = "", 0
        if part:
            name, copy = expanded(space, map_, part)
            if not name:
                space.malloc.free(copy)
                continue
            name = name.rstrip("/") + "/"
        known = space.all_dirs.get(name)
        if known is None:
            where_length = 0 if where is None else length(where)
            states = STATE * len(space.hwcaps.subfolders)
            space.malloc.malloc(PATH_ELEM + states + where_length + length(name))
            known = _directory(space, name)
        if known not in dirs:
            dirs.append(known)
        space.malloc.free(copy)
    return dirs


def _directory(space: Namespace, name: str) -> Directory:
    usual = None if name.startswith("/") else True
    made = space.all_dirs[name] = Directory(name, [usual] * len(space.hwcaps.subfolders))
    return made


def _open_path(space: Namespace, path: SearchPath, name: str) -> tuple[Opened, str] | None:
    """open_path(): the first folder, with its subfolders, that has the file."""
    found_any = False
    for folder in path.dirs:
        here_any = False
        for number, subfolder in enumerate(space.hwcaps.subfolders):
            if folder.exists[number] is False:
                continue
            file = folder.name + subfolder + name
            opened = open_verify(space, file)
            if folder.exists[number] is None:
                folder.exists[number] = opened is not None or _is_dir(space, folder.name + subfolder)
            here_any |= bool(folder.exists[number])
            if opened is not None:
                space.malloc.string(file)
                return opened, file
        if here_any and space.errno not in (ENOENT, EACCES):
            return None
        found_any |= here_any
    if not found_any and path.forgettable:
        path.dirs = []
    return None


def _is_dir(space: Namespace, folder: str) -> bool:
    facts = space.calls.stat(folder.rstrip("/"), space.stat_buffer)
    if isinstance(facts, int):
        space.errno = -facts
        return False
    return facts.is_dir


def _from_cache(space: Namespace, name: str, loader: LinkMap | None) -> tuple[Opened, str] | None:
    """_dl_load_cache_lookup() and what is done with its answer."""
    if space.inhibit_cache:
        return None
    if not space.cache_tried:
        space.cache_tried = True
        space.calls.tell(f"{ld_so_cache.PATH} tells where the libraries of the usual folders are.")
        space.cache = _map_cache(space)
    if space.cache is None:
        return None
    caps = space.hwcaps
    file, ranked = space.cache.find(name, caps.levels, caps.platform, caps.hwcap)
    if ranked and not space.cache.ranked:
        space.cache.ranked = True
        space.malloc.malloc(4 * len(space.cache.levels))
    if file is None:
        return None
    copy = space.malloc.string(file)
    user = loader or space.loaded[0]
    if user.dynamic.flags_1 & DF_1_NODEFLIB and file.startswith(tuple(space.system_dirs)):
        space.malloc.free(copy)
        return None
    opened = open_verify(space, file)
    if opened is None:
        space.malloc.free(copy)
        return None
    return opened, file


def _map_cache(space: Namespace) -> ld_so_cache.Cache | None:
    whole = map_file(space, ld_so_cache.PATH, PROT_READ)
    if whole is None:
        return None
    data, address = whole
    cache = ld_so_cache.Cache(data, address)
    if not cache.readable:
        space.calls.munmap(address, len(data))
        return None
    return cache


def map_file(space: Namespace, path: str, prot: int) -> tuple[bytes, int] | None:
    """_dl_sysdep_read_whole_file(): the contents of a file and where they are mapped; None if there is nothing."""
    fd = space.calls.open(path)
    if fd < 0:
        return None
    size = space.calls.fstat(fd, old=space.glibc.fstat).size
    address = space.calls.mmap(0, size, prot, MAP_PRIVATE, fd, 0) if size else -1
    data = space.calls.contents(fd)
    space.calls.close(fd)
    return None if address < 0 else (data, address)


def not_found(space: Namespace, name: str) -> NotFound:
    """What is said of a library that is nowhere."""
    if space.other_class:
        return NotFound(name, "wrong ELF class: ELFCLASS32")
    return NotFound(name, "cannot open shared object file", space.errno)
