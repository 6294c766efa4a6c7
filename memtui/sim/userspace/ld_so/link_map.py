"""Models struct link_map (include/link.h, elf/dl-object.c; glibc 2.36): one object, and what all of them share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from memtui.model.elf import ElfImage
from memtui.model.elf_dynamic import Dynamic
from memtui.sim.userspace.ld_so.cache import Cache
from memtui.sim.userspace.ld_so.calls import LoaderCalls
from memtui.sim.userspace.ld_so.glibc import Glibc
from memtui.sim.userspace.ld_so.hwcaps import Hwcaps
from memtui.sim.userspace.ld_so.minimal_malloc import MinimalMalloc, length

LIBNAME_LIST: Final = 24
"""sizeof (struct libname_list)."""
POINTER: Final = 8


@dataclass(slots=True, eq=False)
class Directory:
    """struct r_search_path_elem: a folder of a search path, with its slash."""

    name: str
    exists: list[bool | None]
    """By subfolder; None: never looked."""


@dataclass(slots=True, eq=False)
class SearchPath:
    """struct r_search_path_struct."""

    dirs: list[Directory]
    forgettable: bool = True
    """Forgotten once none of its folders exists."""


@dataclass(slots=True, eq=False)
class LinkMap:
    """An object in memory."""

    name: str
    """l_name: the path; "" for the program."""
    names: list[str]
    """l_libname: what it was asked for by."""
    image: ElfImage
    dynamic: Dynamic
    addr: int = 0
    """Load bias, bytes."""
    is_program: bool = False
    loader: "LinkMap | None" = None
    """Who asked for it."""
    file_id: tuple[tuple[int, int], int] | None = None
    origin: str | None = None
    """$ORIGIN; None: not known yet."""
    rpath: SearchPath | None = None
    runpath: SearchPath | None = None
    paths_known: bool = False
    """Whether `rpath` and `runpath` were made from the dynamic section."""
    soname_added: bool = False
    faked: bool = False
    """l_faked: it was not found, and is only listed."""
    needed: "list[LinkMap] | None" = None
    """l_initfini of a library: what it depends on."""

    def is_called(self, name: str) -> bool:
        """_dl_name_match_p()."""
        return name == self.name or name in self.names


@dataclass(slots=True, eq=False)
class Namespace:
    """The state of the dynamic linker."""

    calls: LoaderCalls
    malloc: MinimalMalloc
    glibc: Glibc
    hwcaps: Hwcaps
    program: str
    """argv[0], for messages."""
    stack_end: int
    exe: str
    """What /proc/self/exe leads to."""
    library_path: Sequence[str] = ()
    system_dirs: Sequence[str] = ()
    """Default folders with their slashes."""
    inhibit_cache: bool = False
    inhibit_rpath: frozenset[str] = frozenset()
    loaded: list[LinkMap] = field(default_factory=list)
    """In the order of the list of objects; the program first."""
    all_dirs: dict[str, Directory] = field(default_factory=dict)
    env_path: SearchPath | None = None
    default_path: SearchPath | None = None
    cache: Cache | None = None
    cache_tried: bool = False
    executable_stack: bool = False
    on_stack: int = 0
    """Bytes of the lists of dependencies, which lie on the stack."""
    errno: int = 0
    """Of the last system call that failed, unless it was reset."""
    other_class: bool = False
    """Whether a 32-bit library was met in the search under way."""
    preloading: bool = False
    """Whether a list of names to preload lies on the stack."""

    @property
    def lib(self) -> str:
        """What $LIB stands for."""
        return self.system_dirs[0].strip("/") if self.system_dirs else "lib64"

    @property
    def read_buffer(self) -> int:
        """Where on the stack the start of a file is read to."""
        return self.stat_buffer + self.glibc.read_buffer

    @property
    def stat_buffer(self) -> int:
        """Where on the stack a search puts its struct stat."""
        if self.preloading:
            return self.stack_end - self.glibc.preload_stat_buffer
        return self.stack_end - self.glibc.stat_buffer - self.on_stack

    def alloca(self, size: int) -> None:
        """Room on the stack, as gcc rounds it."""
        self.on_stack += (size + 23) & -16


def new_object(space: Namespace, realname: str, libname: str, image: ElfImage, loader: LinkMap | None) -> LinkMap:
    """_dl_new_object() for a library.

    Args:
        space: of the process.
        realname: the path that was opened.
        libname: the name that was asked for.
        image: what the file holds.
        loader: who asked.
    """
    space.malloc.malloc(space.glibc.link_map + POINTER + LIBNAME_LIST + length(libname))
    made = LinkMap(realname, [libname], image, image.linking or Dynamic(), loader=loader)
    made.origin = _origin(space, realname)
    return made


def new_special_object(space: Namespace, made: LinkMap) -> LinkMap:
    """_dl_new_object() for the program and the vdso: without a name, but with room for auditing."""
    glibc = space.glibc
    space.malloc.malloc(glibc.link_map + glibc.audit_state + POINTER + LIBNAME_LIST + 1)
    return made


def add_name(space: Namespace, map_: LinkMap, name: str) -> None:
    """add_name_to_object()."""
    if name not in map_.names:
        space.malloc.malloc(LIBNAME_LIST + length(name))
        map_.names.append(name)


def _origin(space: Namespace, realname: str) -> str:
    """The folder of a path; of a relative one the working directory comes first."""
    folder = ""
    if realname.startswith("/"):
        space.malloc.string(realname)
    else:
        room = 128
        space.malloc.realloc(0, length(realname) + room)
        folder = space.calls.getcwd(room).rstrip("/") + "/"
    return (folder + realname).rpartition("/")[0] or "/"


def program_origin(space: Namespace, map_: LinkMap) -> str:
    """_dl_get_origin(): the folder of the program, asked of the kernel at first use."""
    if map_.origin is None:
        space.calls.readlink("/proc/self/exe", space.exe, 4096)
        folder = space.exe.rpartition("/")[0]
        map_.origin = folder or "/"
        space.malloc.malloc(length(folder + "/"))
    return map_.origin
