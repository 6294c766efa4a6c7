"""Models show_smap of fs/proc/task_mmu.c, read backwards: the figures of each VMA."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import add, is_
from typing import Final, NamedTuple

from memtui.live.joined import meaning_of
from memtui.model.errors import NotSupported
from memtui.model.vma import SMAPS_NAMES, Smaps, Vma, VmaKind

_FIGURE: Final = re.compile(rb"(\w+): +(\d+)")
_KEPT: Final = 2048
"""Blocks whose text is kept, 1.5 MiB at most."""
_FLAGS: Final = b"\nVmFlags:"
_NO_BLOCK: Final = (None, None, False)
_SMAPS: Final = Vma._fields.index("smaps")
_new: Final = tuple.__new__
_FIELDS: Final = {f"{name}:".encode(): field for name, field in SMAPS_NAMES.items()}


class Block(NamedTuple):
    """What smaps says of one VMA besides its line of maps."""

    smaps: Smaps
    vm_flags: tuple[str, ...]
    """Two-letter codes in the kernel's order."""
    huge: bool
    """Whether it is of hugetlb."""


class Attached(NamedTuple):
    """VMAs with their blocks."""

    vmas: Sequence[Vma]
    """The very tuple that was given if no figure changed."""
    torn: int
    """VMAs that have none: they changed between the reading of maps and that of smaps."""


class _Piece(NamedTuple):
    """A piece of the text, all of whose blocks have their VMAs."""

    digest: int
    """Its hash, 64 bits with a key that nobody knows: the text of 60,000 VMAs would be 45 MiB."""
    place: int
    """Of its first VMA."""
    vmas: int


class _Layout(NamedTuple):
    """Where the figures stand among the words of a block; all blocks of a kernel have the same."""

    words: int
    names: tuple[tuple[int, bytes], ...]
    """Place and word of each name; its figure follows it."""
    fields: tuple[str, ...]


class SmapsParser:
    """Parses smaps again and again: figures that are as before are the same objects as before.

    A piece of the text that is as before is not even cut into blocks. Most VMAs of a large process share their figures
    with others (one page each, nothing at all), so a block is looked up before it is parsed.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Block] = {}
        self._flags: dict[bytes, tuple[str, ...]] = {}
        self._pieces: list[_Piece | None] = []
        self._layout = _Layout(0, (), ())
        self._figures = 0
        """Bytes from the end of the first line of a block to its VmFlags line."""

    def attach(self, pieces: Iterable[bytes], lines: Iterator[bytes], vmas: Sequence[Vma]) -> Attached:
        """Give the VMAs their blocks. Both texts ascend by address; a block that is cut off at the end is left out.

        Args:
            pieces: of the text, which is never in memory as a whole: it has 750 bytes for each VMA.
            lines: of maps, without their newlines.
            vmas: of these lines; those that have figures have them of the last call.

        Raises:
            NotSupported: the blocks have no VmFlags line (before 3.8).
        """
        going = _Attaching(lines, vmas)
        before, attached = iter(self._pieces), list[_Piece | None]()
        text, none = b"", True
        for piece in pieces:
            known, digest, place = next(before, None), hash(piece), going.place
            if known is not None and known[:2] == (digest, place) and not text and going.keep(known.vmas):
                attached.append(known)
                none = False
                continue
            starts, strays = not text, going.strays
            text += piece
            blocks, end = self._blocks(text)
            going.put(blocks)
            none = none and not blocks
            text = text[end:]
            stands_alone = starts and not text and going.strays == strays
            attached.append(_Piece(digest, place, going.place - place) if stands_alone else None)
        if text and none:
            raise NotSupported("smaps of this kernel has no VmFlags line (before 3.8)")
        self._pieces = attached
        return going.ended()

    def _blocks(self, text: bytes) -> tuple[list[tuple[bytes, Block]], int]:
        """Each with its first line, the VMA's line of maps; and the place behind the last one."""
        found, position = [], 0
        while (header := text.find(b"\n", position)) >= 0:
            # The figures of one kernel are as long in every block: the flags mostly stand where they stood.
            if not text.startswith(_FLAGS, header + self._figures):
                self._figures = max(text.find(_FLAGS, header) - header, 0)
            end = text.find(b"\n", header + self._figures + 1)
            if not self._figures or end < 0:
                break
            body = text[header + 1 : end]
            block = self._known.get(body)
            if block is None:
                if len(self._known) >= _KEPT:
                    self._known.clear()
                self._known[body] = block = self._block(body)
            found.append((text[position:header], block))
            position = end + 1
        return found, position

    def _block(self, body: bytes) -> Block:
        figures, _, flags = body.rpartition(b"VmFlags:")
        words = figures.split()
        layout = self._layout
        if len(words) != layout.words or any(words[place] != name for place, name in layout.names):
            names = tuple((place, word) for place, word in enumerate(words) if word in _FIELDS)
            self._layout = layout = _Layout(len(words), names, tuple(_FIELDS[name] for _, name in names))
        values = [int(words[place + 1]) for place, _ in layout.names]
        smaps = (
            Smaps(*values) if layout.fields == Smaps._fields else Smaps(**dict(zip(layout.fields, values, strict=True)))
        )
        codes = self._flags.setdefault(flags, tuple(flags.decode("ascii").split()))
        return Block(smaps, codes, "ht" in codes)


class _Attaching:
    """The VMAs of maps in their order, each given its block or none."""

    def __init__(self, lines: Iterator[bytes], vmas: Sequence[Vma]) -> None:
        self._lines, self._vmas = lines, vmas
        self._bare = [place for place, vma in enumerate(vmas) if vma[_SMAPS] is None]
        """Places of VMAs that have nothing yet."""
        self._line = next(lines, None)
        self._now: list[Vma] = []
        self.place = 0
        """Of the next VMA; those between the ones done and this one keep what they have."""
        self._torn = 0
        self.strays = 0
        """VMAs without a block, and blocks without a VMA."""

    def keep(self, count: int) -> bool:
        """As many have what they had; False, and nothing is done, if one of them has nothing."""
        end = self.place + count
        bare = self._bare
        if end > len(self._vmas) or (bare and bisect_left(bare, self.place) != bisect_left(bare, end)):
            return False
        self.place = end
        return True

    def put(self, blocks: Iterable[tuple[bytes, Block]]) -> None:
        """The next blocks."""
        self._catch_up()
        now, vmas, lines = self._now, self._vmas, self._lines
        for head, block in blocks:
            if self._line == head or self._reach(head):
                now.append(with_block(vmas[len(now)], block))
                self._line = next(lines, None)
        self.place = len(now)

    def _catch_up(self) -> None:
        done = len(self._now)
        if done < self.place:
            self._now += self._vmas[done : self.place]
            self._line = next(islice(self._lines, self.place - done - 1, None), None)

    def _reach(self, head: bytes) -> bool:
        """VMAs before this line have no block; False: the line has no VMA."""
        start = int(head.partition(b"-")[0], 16)
        while self._line is not None and self._line != head and self._vmas[len(self._now)].start <= start:
            self._none()
        if self._line == head:
            return True
        self.strays += 1
        return False

    def ended(self) -> Attached:
        """There is no block any more."""
        if self.place == len(self._vmas) and not self._now:
            return Attached(self._vmas, 0)
        self._catch_up()
        while self._line is not None:
            self._none()
        same = all(map(is_, self._now, self._vmas))
        return Attached(self._vmas if same else tuple(self._now), self._torn)

    def _none(self) -> None:
        self._now.append(with_block(self._vmas[len(self._now)], None))
        self._torn += 1
        self.strays += 1
        self._line = next(self._lines, None)


def with_block(vma: Vma, block: Block | None) -> Vma:
    """The VMA with the figures of its block; the same object if it has them.

    Its runs stay unless the flags say that its pages mean something else.
    """
    smaps, vm_flags, huge = block or _NO_BLOCK
    if vma[8] == vm_flags and vma[9] == smaps:
        return vma
    # A huge page memfd has the label of any memfd: the flag tells it.
    kind = VmaKind.HUGETLB if huge else vma[7]
    now = _new(Vma, add(vma[:7], (kind, vm_flags, smaps, vma[10])))
    return now if vma.runs is None or meaning_of(now) == meaning_of(vma) else now._replace(runs=None)


def parse_rollup(text: bytes) -> dict[str, int]:
    """The sums of /proc/PID/smaps_rollup: the kernel's spelling ("Pss_Anon") -> KiB."""
    return {name.decode(): int(value) for name, value in _FIGURE.findall(text)}
