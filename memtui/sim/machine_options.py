"""What machine(...), the first line of a trace, may state."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from memtui.model.address import PAGE_SHIFT
from memtui.model.errors import ParseError
from memtui.model.host import SIZED, MachineFacts
from memtui.sim.allocators import ALLOCATORS
from memtui.sim.kernel.swapfile import DEVICES
from memtui.sim.userspace.ptmalloc import PROFILES
from memtui.trace.constants import value_of
from memtui.trace.line import Arg, Call, Keyword, Text


@dataclass(frozen=True, slots=True)
class MachineOptions:
    """The machine that a trace runs on, and how its programs start."""

    facts: MachineFacts
    allocator: str = "ptmalloc"
    aslr: int | None = None
    """Seed of the random offsets; None: addresses are not randomized."""


def machine_options(call: Call | None, facts: MachineFacts) -> MachineOptions:
    """`facts` with what machine(...) states put in their place; what it does not state stays.

    Args:
        call: machine(...), or None for a trace without it.
        facts: of the host.

    Raises:
        ParseError: an unknown key, or a value that the key cannot have; without file and line.
    """
    options = MachineOptions(facts)
    for arg in call.args if call is not None else ():
        if not isinstance(arg, Keyword) or arg.name not in _KEYS:
            name = arg.name if isinstance(arg, Keyword) else "a value without a key"
            raise ParseError(f"machine: {name}: expected one of {', '.join(_KEYS)}")
        options = _KEYS[arg.name](options, arg.name, arg.value)
    return options


_Setter = Callable[[MachineOptions, str, Arg], MachineOptions]


def _ram(options: MachineOptions, key: str, arg: Arg) -> MachineOptions:
    pages = _size(key, arg) >> PAGE_SHIFT
    if not pages:
        raise ParseError("machine: ram: expected at least one page")
    sysctl = {name: value for name, value in options.facts.sysctl.items() if name not in SIZED}
    return replace(options, facts=replace(options.facts, totalram_pages=pages, sysctl=MappingProxyType(sysctl)))


def _swap(options: MachineOptions, key: str, arg: Arg) -> MachineOptions:
    return replace(options, facts=replace(options.facts, total_swap_pages=_size(key, arg) >> PAGE_SHIFT))


def _swap_device(options: MachineOptions, key: str, arg: Arg) -> MachineOptions:
    device = _text(key, arg, " or ".join(f'"{device}"' for device in DEVICES))
    if device not in DEVICES:
        raise ParseError(f'machine: swap_device: expected one of {", ".join(DEVICES)}, not "{device}"')
    return replace(options, facts=replace(options.facts, swap_device=device))


def _kernel(options: MachineOptions, key: str, arg: Arg) -> MachineOptions:
    release = _text(key, arg, 'a release such as "6.18"')
    if not release.split(".")[0].isdecimal():
        raise ParseError(f'machine: kernel: expected a release such as "6.18", not "{release}"')
    return replace(options, facts=replace(options.facts, release=release))


def _allocator(options: MachineOptions, key: str, arg: Arg) -> MachineOptions:
    name = _text(key, arg, " or ".join(f'"{name}"' for name in ALLOCATORS))
    if name not in ALLOCATORS:
        raise ParseError(f'machine: allocator: expected one of {", ".join(ALLOCATORS)}, not "{name}"')
    return replace(options, allocator=name)


def _glibc(options: MachineOptions, key: str, arg: Arg) -> MachineOptions:
    version = _text(key, arg, f"one of {', '.join(PROFILES)}")
    if version not in PROFILES:
        raise ParseError(f'machine: glibc: expected one of {", ".join(PROFILES)}, not "{version}"')
    return replace(options, facts=replace(options.facts, libc_version=version))


def _aslr(options: MachineOptions, key: str, arg: Arg) -> MachineOptions:
    return replace(options, aslr=_size(key, arg))


def _stack(options: MachineOptions, key: str, arg: Arg) -> MachineOptions:
    limit = -1 if isinstance(arg, Text) and arg.value == b"unlimited" else _size(key, arg)
    limits = {**options.facts.rlimits, "STACK": limit}
    return replace(options, facts=replace(options.facts, rlimits=MappingProxyType(limits)))


def _cpus(options: MachineOptions, key: str, arg: Arg) -> MachineOptions:
    cpus = _size(key, arg)
    if not cpus:
        raise ParseError("machine: cpus: expected at least 1")
    return replace(options, facts=replace(options.facts, nr_cpus=cpus))


def _cache(options: MachineOptions, key: str, arg: Arg) -> MachineOptions:
    state = _text(key, arg, '"cold" or "warm"')
    if state not in ("cold", "warm"):
        raise ParseError(f'machine: cache: expected "cold" or "warm", not "{state}"')
    return replace(options, facts=replace(options.facts, cold_cache=state == "cold"))


def _pkeys(options: MachineOptions, key: str, arg: Arg) -> MachineOptions:
    flags = options.facts.cpu_flags | {"ospke"} if _size(key, arg) else options.facts.cpu_flags - {"ospke"}
    return replace(options, facts=replace(options.facts, cpu_flags=flags))


_KEYS: Final[Mapping[str, _Setter]] = MappingProxyType(
    {
        "ram": _ram,
        "swap": _swap,
        "kernel": _kernel,
        "allocator": _allocator,
        "glibc": _glibc,
        "aslr": _aslr,
        "stack": _stack,
        "cpus": _cpus,
        "cache": _cache,
        "pkeys": _pkeys,
        "swap_device": _swap_device,
    }
)


def _size(key: str, arg: Arg) -> int:
    try:
        size = value_of(arg, {})
    except ParseError:
        size = -1
    if size < 0:
        raise ParseError(f"machine: {key}: expected a number such as 64M")
    return size


def _text(key: str, arg: Arg, expected: str) -> str:
    if not isinstance(arg, Text):
        raise ParseError(f"machine: {key}: expected {expected}")
    return arg.value.decode("utf-8", "replace")
