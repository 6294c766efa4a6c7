"""The dynamic linker run as a command: its options (dl_main() of elf/rtld.c, glibc 2.36), and the environment."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final, NamedTuple

from memtui.sim.userspace.ld_so.errors import NotModelled, UsageError

_WITH_VALUE: Final = frozenset({"--library-path", "--inhibit-rpath", "--preload", "--argv0"})
_UNKNOWN_OPTIONS: Final = frozenset({"--help", "--version", "--list-tunables", "--list-diagnostics"})
_UNKNOWN_WITH_VALUE: Final = frozenset({"--audit", "--glibc-hwcaps-prepend", "--glibc-hwcaps-mask"})
_UNKNOWN_TUNABLES: Final = ("glibc.rtld.", "glibc.cpu.hwcap", "glibc.pthread.rseq")
_UNKNOWN_VARIABLES: Final = ("LD_AUDIT", "LD_DEBUG", "LD_PROFILE", "LD_SHOW_AUXV", "LD_HWCAP_MASK")
_UNKNOWN_TO_LDD: Final = ("LD_VERBOSE", "LD_WARN")
"""What ldd -v, -d and -r set: versions and undefined symbols are listed too."""
_TRACE: Final = "LD_TRACE_LOADED_OBJECTS"


class Mode(Enum):
    """enum rtld_mode."""

    NORMAL = "normal"
    LIST = "--list"
    """Load the program and its libraries, say where they are, and exit."""
    VERIFY = "--verify"
    """Load the program alone and exit: can it be run?"""
    TRACE = _TRACE
    """As LIST, but libraries may be missing: ldd."""


_MODES: Final = {mode.value: mode for mode in (Mode.LIST, Mode.VERIFY)}


class Options(NamedTuple):
    """What the command line and the environment ask for."""

    mode: Mode = Mode.NORMAL
    lists_program: bool = False
    """Mode TRACE begins its list with the program itself."""
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
    mode = Mode.TRACE if _TRACE in found else Mode.NORMAL
    for name in _UNKNOWN_TO_LDD:
        if mode is Mode.TRACE and found.get(name):
            raise NotModelled(f"{_TRACE} and {name} are set")
    tunables = found.get("GLIBC_TUNABLES")
    for name in _UNKNOWN_TUNABLES:
        if tunables is not None and name in tunables:
            raise NotModelled(f"a tunable {name}... is set")
    return Options(
        mode=mode,
        lists_program=found.get(_TRACE, "").strip() not in {"", "0", "1"},
        library_path=found.get("LD_LIBRARY_PATH", ""),
        preload=found.get("LD_PRELOAD", ""),
        bind_now=bool(found.get("LD_BIND_NOW")),
        tunables="" if tunables is None else f"GLIBC_TUNABLES={tunables}",
    )


def parse_options(argv: Sequence[str], options: Options) -> Options:
    """The options of `ld.so [OPTION]... PROGRAM [ARGUMENT]...` on top of the environment's.

    Raises:
        NotModelled: an option that does something else than running or listing a program.
        UsageError: an option that there is not, or no program at all.
    """
    rest = list(argv[1:])
    while rest and rest[0].startswith("--"):
        name = rest.pop(0)
        if name in _MODES:
            options = options._replace(mode=_MODES[name])
        elif name == "--inhibit-cache":
            options = options._replace(inhibit_cache=True)
        elif name in _WITH_VALUE and rest:
            options = _with_value(options, name, rest.pop(0))
        elif name in _UNKNOWN_OPTIONS or (name in _UNKNOWN_WITH_VALUE and rest):
            raise NotModelled(f"the option {name}")
        else:
            raise UsageError([": unrecognized option '", name, "'\n"])
    if not rest:
        raise UsageError([": missing program name\n"])
    if options.mode is Mode.LIST and len(rest) > 1:
        raise NotModelled("--list is to look symbols up")
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
