"""Models show_smap of fs/proc/task_mmu.c, read backwards: the figures of each VMA."""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from memtui.model.errors import NotSupported
from memtui.model.vma import SMAPS_NAMES, Smaps

_FIGURE: Final = re.compile(rb"(\w+): +(\d+)")
_KEPT: Final = 2048
"""Blocks whose text is kept, 1.5 MiB at most."""
_FIELDS: Final = {name.encode(): field for name, field in SMAPS_NAMES.items()}


class Block(NamedTuple):
    """What smaps says of one VMA besides its line of maps."""

    smaps: Smaps
    vm_flags: tuple[str, ...]
    """Two-letter codes in the kernel's order."""


class SmapsParser:
    """Parses smaps again and again: figures that are as before are the same objects as before.

    Most VMAs of a large process share their figures with others (one page each, nothing at all), so the text of a
    block is looked up before it is parsed.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Block] = {}
        self._flags: dict[bytes, tuple[str, ...]] = {}

    def parse(self, pieces: Iterable[bytes]) -> Iterator[tuple[bytes, Block]]:
        """The blocks as they come, each with its first line, newline included: the VMA's line of maps.

        Args:
            pieces: of the text, which is never in memory as a whole: it has 750 bytes for each VMA. A block that is cut
                off at the end is left out.

        Raises:
            NotSupported: the blocks have no VmFlags line (before 3.8).
        """
        known: dict[bytes, Block] = {}
        text, none = b"", True
        for piece in pieces:
            text += piece
            position = 0
            while (header := text.find(b"\n", position)) >= 0:
                flags = text.find(b"\nVmFlags:", header)
                end = text.find(b"\n", flags + 1)
                if flags < 0 or end < 0:
                    break
                body = text[header + 1 : end]
                block = known.get(body) or self._known.get(body) or self._block(body)
                if len(known) < _KEPT:
                    known[body] = block
                yield text[position : header + 1], block
                none, position = False, end + 1
            text = text[position:]
        if text and none:
            raise NotSupported("smaps of this kernel has no VmFlags line (before 3.8)")
        self._known = known

    def _block(self, body: bytes) -> Block:
        figures, _, flags = body.rpartition(b"VmFlags:")
        fields = {_FIELDS[name]: int(value) for name, value in _FIGURE.findall(figures) if name in _FIELDS}
        codes = self._flags.setdefault(flags, tuple(flags.decode("ascii").split()))
        return Block(Smaps(**fields), codes)


def parse_rollup(text: bytes) -> dict[str, int]:
    """The sums of /proc/PID/smaps_rollup: the kernel's spelling ("Pss_Anon") -> KiB."""
    return {name.decode(): int(value) for name, value in _FIGURE.findall(text)}
