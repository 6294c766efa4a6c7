"""One process, read again and again: its VMAs with figures and residence, its counters."""

import time
from collections.abc import Sequence
from itertools import zip_longest
from typing import Final

from memtui.live.maps import FileSystems, MapsParser
from memtui.live.mounts import parse_mountinfo
from memtui.live.pace import SMALL_SHARE, Pace, uncollected
from memtui.live.processes import mm_folder, out_of_sight
from memtui.live.procfs import Procfs
from memtui.live.residence import ResidenceReader
from memtui.live.smaps import SmapsParser, with_block
from memtui.live.status import Stat, parse_stat, parse_status, printable
from memtui.model.errors import AccessDenied, NotSupported, ProcessGone, SourceError
from memtui.model.mm import MmCounters, MmSnapshot
from memtui.model.pages import Residence
from memtui.model.vma import Vma, VmaKind

_SHMEM_KINDS: Final = frozenset({VmaKind.SHMEM, VmaKind.SHARED_ANON, VmaKind.SYSV, VmaKind.MEMFD})
_KIND: Final = Vma._fields.index("kind")
_TORN: Final = "VMAs changed while they were read"
_LONGEST: Final = 5.0
"""Seconds after which the map is read again, however long that takes."""
_SMAPS_LONGEST: Final = 30.0
"""The same for smaps."""
_MANY: Final = 5_000
"""VMAs of which the first picture comes without the figures of smaps, and if it need not be whole without most."""
_AT_FIRST: Final = 2
"""Pieces of maps that such a picture is made of, of 64 KiB at most each: they come from the lowest addresses on, where
program and heap mostly lie."""
_LARGE: Final = 256 << 10
"""KiB in memory from which on smaps is read only when asked for: it walks a VMA at one go, and the process cannot map
or unmap meanwhile."""


class AddressSpaceReader:
    """Reads the process that `pid` named first: a later process of the same number is not taken for it."""

    def __init__(self, procfs: Procfs, pid: int, *, smaps: bool = True) -> None:
        self._procfs = procfs
        self._pid = pid
        self._smaps_wanted = smaps
        self._first: Stat | None = None
        self._last: MmSnapshot | None = None
        self._maps, self._smaps, self._residence = MapsParser(), SmapsParser(), ResidenceReader(procfs)
        self._pace, self._smaps_pace = Pace(longest=_LONGEST), Pace(longest=_SMAPS_LONGEST, share=SMALL_SHARE)
        self._vmas: Sequence[Vma] = ()
        """Of the lines of `_maps`, with what was measured of each."""
        self._notes: dict[str, str] = {}
        """What the last reading of the pages could not tell."""
        self._hidden = 0
        """KiB of shared memory on swap that no run shows."""
        self._read_to: int | None = None
        """Where the map ends that is known so far; None: it is whole."""
        self._mountinfo: bytes | None = None
        self._systems = FileSystems()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._pid

    def read(self, *, measure: bool = False, whole: bool = True) -> MmSnapshot:
        """The address space now; VMAs, and the whole, are the same objects as before if nothing changed.

        Args:
            measure: read what is dear too (smaps), and now, however long that takes.
            whole: False: the first time only the beginning of very many VMAs.

        Raises:
            ProcessGone: no such process, it exited, or its number belongs to another one now.
            NotSupported: a kernel thread.
            AccessDenied: maps may not be read.
        """
        stat = self._living()
        try:
            return self._read(stat, measure=measure, whole=whole)
        except ProcessGone as error:
            raise ProcessGone(f"{self._name(stat)} has exited") from error
        except AccessDenied as error:
            raise AccessDenied(f"{self._name(stat)}: {error.what}", hint=error.hint) from error

    def _living(self) -> Stat:
        before = None if self._first is None else self._name(self._first)
        try:
            stat = parse_stat(self._procfs.read(f"{self._pid}/stat"))
        except ProcessGone as error:
            if not self._procfs.mounted:
                raise NotSupported(f"no proc file system is mounted at {self._procfs.root}") from error
            if before:
                raise ProcessGone(f"{before} has exited") from error
            raise ProcessGone(f"no process {self._pid}", hint=out_of_sight(self._procfs)) from error
        if self._first is not None and self._first.start_time != stat.start_time:
            raise ProcessGone(f"{before} has exited; {printable(stat.comm)} has its number now")
        if stat.is_kernel_thread:
            raise NotSupported(f"{self._name(stat)} is a kernel thread: it has no address space")
        if stat.state in "ZX" and stat.threads <= 1:
            raise ProcessGone(f"{self._name(stat)} has exited: a zombie has no memory")
        self._first = stat
        return stat

    def _name(self, stat: Stat) -> str:
        return f"process {self._pid} ({printable(stat.comm)})"

    def _read(self, stat: Stat, *, measure: bool, whole: bool) -> MmSnapshot:
        folder = mm_folder(self._procfs, stat)
        own = stat if folder == str(self._pid) else parse_stat(self._procfs.read(f"{folder}/stat"))
        unknown: dict[str, str] = {"brk": "the kernel does not tell the brk of another process, only where [heap] ends"}
        counters = parse_status(self._procfs.read(f"{folder}/status")).counters
        vmas = self._measured(folder, counters, unknown, measure=measure, whole=whole)
        for field, value in (("start_brk", own.start_brk), ("start_stack", own.start_stack)):
            if value is None:
                unknown[field] = "stat shows it only to who may read maps"
        mm = MmSnapshot(
            pid=self._pid,
            comm=stat.comm,
            vmas=vmas,
            counters=counters,
            start_brk=own.start_brk,
            start_stack=own.start_stack,
            cmdline=self._cmdline(folder, unknown),
            exe=self._exe(folder, unknown),
            unknown=unknown,
            read_to=self._read_to,
        )
        self._last = _same_or_new(self._last, mm)
        return self._last

    def _measured(
        self, folder: str, counters: MmCounters, unknown: dict[str, str], *, measure: bool, whole: bool
    ) -> tuple[Vma, ...]:
        """The very tuple as before if nothing changed, or if it is not yet time to look."""
        last = self._last
        if last is not None and not measure and not self._pace.due:
            unknown |= self._notes
            if self._pace.why_old:
                unknown["maps"] = self._pace.why_old
            return last.vmas
        began = time.monotonic()
        with uncollected():
            self._vmas = self._mapped(folder, whole=whole or last is not None)
        cost = time.monotonic() - began
        self._notes = {}
        self._vmas = self._with_smaps(folder, self._vmas, counters, self._notes, measure=measure)
        if self._notes.get("smaps", "").endswith(_TORN) and self._smaps_pace.cheap:
            # The process was just mapping something.
            self._notes = {}
            self._vmas = self._with_smaps(folder, self._mapped(folder), counters, self._notes, measure=True)
        began = time.monotonic()
        with uncollected():
            self._vmas = self._with_runs(folder, self._vmas, self._notes)
        # The first whole reading parses everything, and says nothing about the next.
        self._pace.spent(0.0 if last is None or last.read_to is not None else cost + time.monotonic() - began)
        unknown |= self._notes
        return tuple(self._vmas)

    def _mapped(self, folder: str, *, whole: bool = True) -> Sequence[Vma]:
        """The VMAs of maps; those whose line is as before with what was measured of them."""
        name = f"{folder}/maps"
        known = self._maps.pieces
        is_cut = False
        if whole:
            read = zip_longest(self._procfs.pieces_filled(name), known)
            # The objects as before: the memory of what is read anew is free again at once.
            pieces = [before if piece == before else piece for piece, before in read if piece]
        else:
            pieces, is_cut = self._beginning(name)
        vmas = self._vmas
        if pieces != known:
            vmas = self._maps.parse(pieces, self._file_systems(folder), vmas, file=self._procfs.path(name))
        self._read_to = vmas[-1].end if is_cut else None
        return vmas

    def _beginning(self, name: str) -> tuple[list[bytes], bool]:
        """All pieces, or of very many VMAs the first ones, and whether they are cut off there."""
        pieces, lines = list[bytes](), 0
        for piece in self._procfs.pieces_filled(name):
            pieces.append(piece)
            lines += piece.count(b"\n")
            if lines > _MANY:
                return pieces[:_AT_FIRST], len(pieces) > _AT_FIRST
        return pieces, False

    def _file_systems(self, folder: str) -> FileSystems:
        """Of the mounts that the process sees; of ours if it does not let them be read."""
        try:
            text = self._procfs.read(f"{folder}/mountinfo")
        except (AccessDenied, NotSupported):
            text = self._procfs.read("self/mountinfo")
        if text != self._mountinfo:
            self._mountinfo, self._systems = text, FileSystems.of(parse_mountinfo(text))
        return self._systems

    def _with_smaps(
        self, folder: str, vmas: Sequence[Vma], counters: MmCounters, notes: dict[str, str], *, measure: bool
    ) -> Sequence[Vma]:
        if not self._smaps_wanted:
            notes["smaps"] = "not asked for"
            return vmas
        if not measure and counters.vm_rss is not None and counters.vm_rss > _LARGE:
            why = f"read only when asked for (x): it walks {counters.vm_rss >> 10:,} MiB, which the process waits for"
            notes["smaps"] = self._smaps_pace.why_old if self._smaps_pace.used else why
            return vmas
        begins = self._last is None or self._last.read_to is not None
        if not measure and (self._read_to is not None or (begins and len(vmas) > _MANY)):
            notes["smaps"] = "read with the next look: the first picture of so many VMAs does not wait for it"
            return vmas
        if not measure and not self._smaps_pace.due:
            if self._smaps_pace.why_old:
                notes["smaps"] = self._smaps_pace.why_old
            return vmas
        try:
            with self._smaps_pace.measured(), uncollected():
                pieces = self._procfs.pieces_filled(f"{folder}/smaps")
                now, torn = self._smaps.attach(pieces, self._maps.lines, vmas)
        except (AccessDenied, NotSupported) as error:
            notes["smaps"] = str(error)
            return vmas if all(vma.smaps is None for vma in vmas) else tuple(with_block(vma, None) for vma in vmas)
        if torn:
            notes["smaps"] = f"{torn} of {len(vmas)} {_TORN}"
        return now

    def _with_runs(self, folder: str, vmas: Sequence[Vma], notes: dict[str, str]) -> tuple[Vma, ...]:
        reading = self._residence.read(folder, vmas)
        if self._last is None or reading.vmas is not self._last.vmas:
            self._hidden = _hidden_swap(reading.vmas)
        told = [reading.unknown] if reading.unknown else []
        if self._hidden:
            told.append(f"{self._hidden} KiB of shared memory are on swap, which pagemap does not show")
        if told:
            notes["runs"] = "; ".join(told)
        return reading.vmas

    def _cmdline(self, folder: str, unknown: dict[str, str]) -> tuple[str, ...]:
        try:
            text = self._procfs.read(f"{folder}/cmdline")
        except AccessDenied as error:
            unknown["cmdline"] = str(error)
            return ()
        return tuple(text.decode(errors="surrogateescape").removesuffix("\0").split("\0")) if text else ()

    def _exe(self, folder: str, unknown: dict[str, str]) -> str | None:
        try:
            return self._procfs.readlink(f"{folder}/exe")
        except SourceError as error:
            unknown["exe"] = str(error)
            return None


def _hidden_swap(vmas: Sequence[Vma]) -> int:
    """KiB that smaps counts as swapped in shared memory and that no run shows."""
    hidden = 0
    for vma in [vma for vma in vmas if vma[_KIND] in _SHMEM_KINDS]:
        if vma.smaps is not None and vma.smaps.swap:
            shown = sum(run.pages for run in vma.runs or () if run.residence is Residence.SWAPPED)
            hidden += max(vma.smaps.swap - 4 * shown, 0)
    return hidden


def _same_or_new(old: MmSnapshot | None, new: MmSnapshot) -> MmSnapshot:
    """`old` if nothing changed."""
    return old if old is not None and old.vmas is new.vmas and _facts(old) == _facts(new) else new


def _facts(mm: MmSnapshot) -> tuple[object, ...]:
    return mm.comm, mm.counters, mm.start_brk, mm.start_stack, mm.cmdline, mm.exe, mm.unknown
