"""Models elf/rtld.c (glibc 2.36): the order of the dynamic linker's work, up to the first constructor."""

from typing import Final

from memtui.model.address import page_down, page_up
from memtui.model.elf import ElfImage
from memtui.model.elf_dynamic import Dynamic
from memtui.sim.userspace.ld_so.calls import LoaderCalls, Started
from memtui.sim.userspace.ld_so.command_line import Mode, Options, from_environ, parse_options
from memtui.sim.userspace.ld_so.deps import map_object_deps, sort_maps
from memtui.sim.userspace.ld_so.errors import LoadError, NotModelled, UsageError
from memtui.sim.userspace.ld_so.glibc import Glibc
from memtui.sim.userspace.ld_so.hwcaps import Hwcaps
from memtui.sim.userspace.ld_so.link_map import LinkMap, Namespace, new_special_object
from memtui.sim.userspace.ld_so.listing import list_objects
from memtui.sim.userspace.ld_so.load import map_program
from memtui.sim.userspace.ld_so.messages import fatal
from memtui.sim.userspace.ld_so.minimal_malloc import MinimalMalloc, length
from memtui.sim.userspace.ld_so.preload import preload
from memtui.sim.userspace.ld_so.relocate import open_text, protect_relro
from memtui.sim.userspace.ld_so.search import init_paths
from memtui.sim.userspace.ld_so.symbols import UniqueSymbols
from memtui.sim.userspace.ld_so.system_dirs import system_dirs
from memtui.sim.userspace.ld_so.tls import init_tls
from memtui.sim.userspace.ld_so.versions import check_versions

LIBC_SONAME: Final = "libc.so.6"
VDSO_SONAME: Final = "linux-vdso.so.1"
VDSO_VERSIONS: Final = 2
"""The highest version index of the vdso: LINUX_2.6."""
FAILED: Final = 127


def run(calls: LoaderCalls, started: Started, glibc: Glibc, caps: Hwcaps) -> None:
    """All system calls from the dynamic linker's first instruction to the first constructor, or to its exit.

    Args:
        calls: makes them.
        started: what the kernel has left on the stack.
        glibc: the version.
        caps: what the CPU is good for.

    Raises:
        NotModelled: it is asked for something that is not simulated; calls may have been made by then.
    """
    options = from_environ(started.environ)
    direct = started.image is started.interpreter
    if direct:
        try:
            options = parse_options(started.argv, options)
        except UsageError as error:
            _usage(calls, started.argv[0] if started.argv else "", error)
            return
    space = _namespace(calls, started, glibc, caps, options)
    try:
        _main(space, started, options, direct=direct)
    except LoadError as error:
        if options.mode is Mode.VERIFY:
            calls.exit_group(1)
            return
        calls.writev(fatal(space.program, error))
        calls.exit_group(FAILED)


def _usage(calls: LoaderCalls, program: str, error: UsageError) -> None:
    """_dl_usage() of elf/dl-usage.c."""
    calls.brk(0)
    calls.writev([program, *error.parts])
    calls.writev(["Try '", program, " --help' for more information.\n"])
    calls.exit_group(1)


def _namespace(calls: LoaderCalls, started: Started, glibc: Glibc, caps: Hwcaps, options: Options) -> Namespace:
    own = started.interpreter.loads[-1]
    malloc = MinimalMalloc(calls, started.interpreter_addr + own.vaddr + own.memsz)
    return Namespace(
        calls=calls,
        malloc=malloc,
        glibc=glibc,
        hwcaps=caps,
        program=options.program or (started.argv[0] if started.argv else ""),
        stack_end=started.stack_end,
        exe=started.path,
        system_dirs=system_dirs(calls, started.interpreter),
        inhibit_cache=options.inhibit_cache,
        inhibit_rpath=options.inhibit_rpath,
        executable_stack=started.image.execstack,
    )


def _main(space: Namespace, started: Started, options: Options, *, direct: bool) -> None:
    """dl_main()."""
    calls, malloc = space.calls, space.malloc
    if options.tunables:
        malloc.malloc(length(options.tunables) + 1)
    calls.tell("The kernel has started the dynamic linker, which asks first where the break is.")
    calls.brk(0)
    program = _load_program(space, options) if direct else _known_program(space, started)
    if options.mode is Mode.VERIFY:
        calls.tell("--verify asks no more than whether it can be loaded, and names a dynamic linker.")
        calls.exit_group(1 if program.image.dynamic is None else 0 if program.image.interp is not None else 2)
        return
    rtld = _own_map(started, program, direct=direct)
    vdso = new_special_object(space, _vdso(started.vdso)) if started.vdso else None
    init_paths(space, program, options.library_path)
    space.loaded = [program, rtld, *([vdso] if vdso is not None else [])]
    if program.image.dynamic is None:
        raise NotModelled("it crashes where a program has no dynamic section")
    preloads = preload(space, program, options)
    scope = map_object_deps(space, program, preloads, rtld, fakes_missing=options.mode is Mode.TRACE)
    maps = _chain(space.loaded, scope, rtld, vdso)
    if not check_versions(space, maps) and options.mode is Mode.NORMAL:
        calls.exit_group(1)
        return
    calls.tell("Memory for thread-local variables, with the descriptor of the first thread behind them.")
    init_tls(space, maps)
    if options.mode is not Mode.NORMAL:
        list_objects(calls, maps, with_program=options.lists_program)
        return
    _relocate_all(space, scope, program, rtld, bind_now=options.bind_now)
    if rtld in scope:
        malloc.malloc(space.glibc.find_object * _found_objects(maps, program))
        calls.tell("Last it relocates itself, as libraries refer to it.")
        protect_relro(calls, rtld)
    if any(map_.image.soname == LIBC_SONAME for map_ in scope):
        calls.tell("libc starts: the limit of the stack is what the stacks of new threads get.")
        calls.stack_limit()
    if space.cache is not None:
        calls.tell("All libraries are there; constructors and the program come next.")
        calls.munmap(space.cache.address, space.cache.size)


def _known_program(space: Namespace, started: Started) -> LinkMap:
    """The program that the kernel has mapped."""
    image = started.image
    program = LinkMap("", [""], image, image.linking or Dynamic(), started.addr, is_program=True)
    return new_special_object(space, program)


def _load_program(space: Namespace, options: Options) -> LinkMap:
    program = map_program(space, options.program)
    space.program = options.argv0
    space.loaded.clear()
    return program


def _own_map(started: Started, program: LinkMap, *, direct: bool) -> LinkMap:
    """The dynamic linker itself: known by the name in PT_INTERP, or by that on the command line, and by its SONAME."""
    image = started.interpreter
    first = program.image.interp or (started.argv[0] if direct else "")
    names = [first, *([image.soname] if image.soname is not None and image.soname != first else [])]
    name = started.argv[0] if direct else first
    return LinkMap(name, names, image, image.linking or Dynamic(), started.interpreter_addr)


def _vdso(addr: int) -> LinkMap:
    image = ElfImage(VDSO_SONAME, 3, 0, ())
    return LinkMap(VDSO_SONAME, [VDSO_SONAME], image, Dynamic(version_index=VDSO_VERSIONS), addr)


def _chain(loaded: list[LinkMap], scope: list[LinkMap], rtld: LinkMap, vdso: LinkMap | None) -> list[LinkMap]:
    """The list of all objects, with the dynamic linker where the search list has it, or not at all."""
    chain = [map_ for map_ in loaded if map_ is not rtld]
    if rtld in scope:
        place = chain.index(scope[scope.index(rtld) - 1]) + 1
        if vdso is not None and chain[place : place + 1] == [vdso]:
            place += 1
        chain.insert(place, rtld)
    return chain


def _relocate_all(space: Namespace, scope: list[LinkMap], program: LinkMap, rtld: LinkMap, *, bind_now: bool) -> None:
    """Relocate all but the dynamic linker, each after what it depends on."""
    unique = UniqueSymbols(space, scope)
    for map_ in reversed(sort_maps(scope, program)):
        if map_ is rtld:
            continue
        if map_.image.relro is not None or map_.dynamic.textrel:
            name = map_.name or space.program
            space.calls.tell(f"{name} is relocated; what only relocations write is read-only from now on (RELRO).")
        opened = open_text(space.calls, map_)
        unique.relocate(map_, lazy=not (bind_now or map_.dynamic.bind_now))
        for start, size, prot in opened:
            space.calls.mprotect(start, size, prot)
        protect_relro(space.calls, map_)


def _found_objects(maps: list[LinkMap], program: LinkMap) -> int:
    """Entries of _dl_find_object(): the program counts only if it has gaps, then each of its segments."""
    loads = program.image.loads
    ends = [page_up(load.vaddr + load.memsz) for load in loads]
    gaps = any(end != page_down(load.vaddr) for end, load in zip(ends, loads[1:], strict=False))
    return len(maps) - 1 + (len(loads) if gaps else 0)
