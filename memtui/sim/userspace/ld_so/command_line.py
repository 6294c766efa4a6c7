"""The dynamic linker run as a command: its options (dl_main() of elf/rtld.c, glibc 2.36), and the environment."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from memtui.sim.userspace.ld_so.errors import NotModelled

_WITH_VALUE: Final = frozenset({"--library-path", "--inhibit-rpath", "--preload", "--argv0"})
_UNKNOWN_VARIABLES: Final = ("LD_AUDIT", "LD_DEBUG", "LD_PROFILE", "LD_TRACE_LOADED_OBJECTS", "LD_SHOW_AUXV")


class Options(NamedTuple):
    """What the command line and the environment ask for."""

    program: str = ""
    """To be loaded by the dynamic linker itself; "" if the kernel has done it."""
    argv0: str = ""
    library_path: str = ""
    preload: str = ""
    """LD_PRELOAD."""
    preload_option: str = ""
    """--preload."""
    inhibit_cache: bool = False
    inhibit_rpath: frozenset[str] = frozenset()
    bind_now: bool = False
    tunables: str = ""
    """The whole GLIBC_TUNABLES=... entry, of which a copy is made."""


def from_environ(environ: Sequence[str]) -> Options:
    """process_envvars().

    Raises:
        NotModelled: a variable changes what cannot be shown here.
    """
    found: Mapping[str, str] = {
        name: value for name, equals, value in (text.partition("=") for text in environ) if equals
    }
    for name in _UNKNOWN_VARIABLES:
        if found.get(name):
            raise NotModelled(f"{name} is set")
    tunables = found.get("GLIBC_TUNABLES")
    return Options(
        library_path=found.get("LD_LIBRARY_PATH", ""),
        preload=found.get("LD_PRELOAD", ""),
        bind_now=bool(found.get("LD_BIND_NOW")),
        tunables="" if tunables is None else f"GLIBC_TUNABLES={tunables}",
    )


def parse_options(argv: Sequence[str], options: Options) -> Options:
    """The options of `ld.so [OPTION]... PROGRAM [ARGUMENT]...` on top of the environment's.

    Raises:
        NotModelled: an option that does something else than running a program, or no program at all.
    """
    rest = list(argv[1:])
    while rest and rest[0].startswith("--"):
        name = rest.pop(0)
        if name == "--":
            break
        if name == "--inhibit-cache":
            options = options._replace(inhibit_cache=True)
        elif name in _WITH_VALUE and rest:
            options = _with_value(options, name, rest.pop(0))
        else:
            raise NotModelled(f"the option {name}")
    if not rest:
        raise NotModelled("there is no program to run")
    return options._replace(program=rest[0], argv0=options.argv0 or rest[0])


def _with_value(options: Options, name: str, value: str) -> Options:
    match name:
        case "--library-path":
            return options._replace(library_path=value)
        case "--inhibit-rpath":
            return options._replace(inhibit_rpath=frozenset(value.split(":")))
        case "--preload":
            return options._replace(preload_option=value)
        case _:
            return options._replace(argv0=value)
