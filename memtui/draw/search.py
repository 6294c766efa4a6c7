"""What / looks for: a part of a VMA's name, permissions, a kind, a residence, a range, or an address."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from memtui.draw.labels import vma_label
from memtui.model.mm import MmSnapshot
from memtui.model.pages import Residence
from memtui.model.vma import Vma, VmaKind

HINT: Final = "name, address, symbol, FROM-TO, rw?p, w+x, kind:heap, in:anon"
"""What can be typed, in one line."""

Test = Callable[[Vma], bool]

_PERMS: Final = re.compile(r"[r?-][w?-][x?-][ps?]")
_RANGE: Final = re.compile(r"(?:0x)?([0-9a-f]+)-(?:0x)?([0-9a-f]+)", re.IGNORECASE)
_WORD: Final = 1 << 64


def find(mm: MmSnapshot, wanted: str, here: int, *, direction: int = 1) -> int | None:
    """The address that `wanted` names; of several VMAs the next one from `here`, round the end.

    Args:
        mm: where to look.
        wanted: as typed. Patterns come before names, names before hex addresses.
        here: the byte to go on from.
        direction: 1 towards higher addresses, -1 towards lower ones.
    """
    test = pattern(wanted) or _by_name(wanted)
    found = [vma.start for vma in mm.vmas if test(vma)]
    if found:
        return _next(found, mm.vmas, here, direction)
    return _address(wanted)


def matches(mm: MmSnapshot, wanted: str) -> int:
    """How many VMAs it names."""
    test = pattern(wanted) or _by_name(wanted)
    return sum(map(test, mm.vmas))


def pattern(wanted: str) -> Test | None:
    """The test that a pattern stands for; None: it is none, but a name or an address."""
    text = wanted.strip()
    if _PERMS.fullmatch(text):
        return lambda vma: all(mine in ("?", theirs) for mine, theirs in zip(text, vma.perms, strict=True))
    if text.casefold() == "w+x":
        return is_writable_code
    key, colon, value = text.casefold().partition(":")
    if colon and key == "kind":
        kinds = {kind for kind in VmaKind if value and kind.value.startswith(value.replace(" ", "_"))}
        return lambda vma: vma.kind in kinds
    if colon and key == "in":
        residences = {each for each in Residence if value and each.value.startswith(value.replace(" ", "_"))}
        return lambda vma: any(run.residence in residences for run in vma.runs or ())
    span = _RANGE.fullmatch(text)
    if span is not None:
        low, high = int(span[1], 16), int(span[2], 16)
        return lambda vma: vma.start < high and low < vma.end
    return None


def is_writable_code(vma: Vma) -> bool:
    """Whether it can be written and executed at once: what W^X forbids."""
    return vma.perms[1:3] == "wx"


def _by_name(wanted: str) -> Test:
    text = wanted.strip().casefold()
    return lambda vma: bool(text) and (text in vma.name.casefold() or text == vma_label(vma).casefold())


def _next(starts: Sequence[int], vmas: Sequence[Vma], here: int, direction: int) -> int:
    """From the VMA that holds `here`, not from the byte, so that the same one is not found again going down."""
    if direction > 0:
        return next((start for start in starts if start > here), starts[0])
    base = max((vma.start for vma in vmas if vma.start <= here), default=here)
    return next((start for start in reversed(starts) if start < base), starts[-1])


def _address(wanted: str) -> int | None:
    try:
        address = int(wanted, 16)
    except ValueError:
        return None
    return address if 0 <= address < _WORD else None
