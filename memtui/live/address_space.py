"""One process, read again and again: its VMAs with figures and residence, its counters."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from memtui.live.file_cache import FileCacheReader
from memtui.live.maps import FileSystems, MapsParser
from memtui.live.mounts import parse_mountinfo
from memtui.live.pace import Pace
from memtui.live.processes import mm_folder
from memtui.live.procfs import Procfs
from memtui.live.residence import ResidenceReader, Runs
from memtui.live.smaps import Block, SmapsParser
from memtui.live.status import Stat, parse_stat, parse_status, printable
from memtui.model.errors import AccessDenied, NotSupported, ProcessGone, SourceError
from memtui.model.mm import MmSnapshot
from memtui.model.pages import Residence
from memtui.model.vma import Vma, VmaKind

_SHMEM_KINDS: Final = frozenset({VmaKind.SHMEM, VmaKind.SHARED_ANON, VmaKind.SYSV, VmaKind.MEMFD})


class AddressSpaceReader:
    """Reads the process that `pid` named first: a later process of the same number is not taken for it."""

    def __init__(self, procfs: Procfs, pid: int, *, smaps: bool = True) -> None:
        self._procfs = procfs
        self._pid = pid
        self._smaps_wanted = smaps
        self._first: Stat | None = None
        self._last: MmSnapshot | None = None
        self._vmas: dict[bytes, Vma] = {}
        self._maps, self._smaps, self._residence = MapsParser(), SmapsParser(), ResidenceReader(procfs)
        self._files = FileCacheReader(procfs)
        self._smaps_pace, self._runs_pace = Pace(), Pace()
        self._mountinfo: bytes | None = None
        self._systems = FileSystems()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._pid

    def read(self) -> MmSnapshot:
        """The address space now; VMAs, and the whole, are the same objects as before if nothing changed.

        Raises:
            ProcessGone: no such process, it exited, or its number belongs to another one now.
            NotSupported: a kernel thread.
            AccessDenied: maps may not be read.
        """
        stat = self._living()
        try:
            return self._read(stat)
        except ProcessGone as error:
            raise ProcessGone(f"{self._name(stat)} has exited") from error
        except AccessDenied as error:
            raise AccessDenied(f"{self._name(stat)}: {error.what}", hint=error.hint) from error

    def _living(self) -> Stat:
        before = None if self._first is None else self._name(self._first)
        try:
            stat = parse_stat(self._procfs.read(f"{self._pid}/stat"))
        except ProcessGone as error:
            raise ProcessGone(f"{before} has exited" if before else f"no process {self._pid}") from error
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

    def _read(self, stat: Stat) -> MmSnapshot:
        folder = mm_folder(self._procfs, stat)
        unknown: dict[str, str] = {"brk": "the kernel does not tell the brk of another process, only where [heap] ends"}
        name = f"{folder}/maps"
        text = self._procfs.read_filled(name)
        lines = self._maps.parse(text, self._file_systems(folder), file=self._procfs.path(name))
        vmas = self._with_smaps(folder, lines, unknown)
        vmas = self._with_runs(folder, vmas, unknown)
        self._vmas = dict(zip(lines, vmas, strict=True))
        for field, value in (("start_brk", stat.start_brk), ("start_stack", stat.start_stack)):
            if value is None:
                unknown[field] = "stat shows it only to who may read maps"
        mm = MmSnapshot(
            pid=self._pid,
            comm=stat.comm,
            vmas=tuple(vmas),
            counters=parse_status(self._procfs.read(f"{folder}/status")).counters,
            start_brk=stat.start_brk,
            start_stack=stat.start_stack,
            cmdline=self._cmdline(folder, unknown),
            exe=self._exe(folder, unknown),
            unknown=unknown,
            files=self._last.files if self._last is not None else (),
        )
        same = _same_or_new(self._last, mm)
        files = self._files.read(folder, same.vmas)
        self._last = same if files is same.files else replace(same, files=files)
        return self._last

    def _file_systems(self, folder: str) -> FileSystems:
        """Of the mounts that the process sees; of ours if it does not let them be read."""
        try:
            text = self._procfs.read(f"{folder}/mountinfo")
        except (AccessDenied, NotSupported):
            text = self._procfs.read("self/mountinfo")
        if text != self._mountinfo:
            self._mountinfo, self._systems = text, FileSystems.of(parse_mountinfo(text))
        return self._systems

    def _with_smaps(self, folder: str, lines: dict[bytes, Vma], unknown: dict[str, str]) -> list[Vma]:
        if not self._smaps_wanted:
            unknown["smaps"] = "not asked for"
            return [_attached(self._vmas.get(line), vma, None) for line, vma in lines.items()]
        if not self._smaps_pace.due:
            unknown["smaps"] = self._smaps_pace.why_old
            return [_kept(self._vmas.get(line), vma) for line, vma in lines.items()]
        blocks: dict[bytes, Block] = {}
        try:
            with self._smaps_pace.measured():
                blocks = self._smaps.parse(self._procfs.read_filled(f"{folder}/smaps"))
        except (AccessDenied, NotSupported) as error:
            unknown["smaps"] = str(error)
        else:
            torn = sum(line not in blocks for line in lines)
            if torn:
                unknown["smaps"] = f"{torn} of {len(lines)} VMAs changed while they were read"
        return [_attached(self._vmas.get(line), vma, blocks.get(line)) for line, vma in lines.items()]

    def _with_runs(self, folder: str, vmas: Sequence[Vma], unknown: dict[str, str]) -> list[Vma]:
        if not self._runs_pace.due:
            unknown["runs"] = self._runs_pace.why_old
            return list(vmas)
        with self._runs_pace.measured():
            reading = self._residence.read(folder, vmas)
        result = [_with(vma, runs) for vma, runs in zip(vmas, reading.runs, strict=True)]
        swapped = _hidden_swap(result)
        notes = [reading.unknown] if reading.unknown else []
        if swapped:
            notes.append(f"{swapped} KiB of shared memory are on swap, which pagemap does not show")
        if notes:
            unknown["runs"] = "; ".join(notes)
        return result

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


def _attached(old: Vma | None, vma: Vma, block: Block | None) -> Vma:
    """The VMA with the figures of its block; the old one if that has the same."""
    smaps, vm_flags = (None, None) if block is None else block
    # A huge page memfd has the label of any memfd: the flag tells it.
    kind = VmaKind.HUGETLB if vm_flags is not None and "ht" in vm_flags else vma.kind
    if old is not None and (old.smaps, old.vm_flags, old.kind) == (smaps, vm_flags, kind):
        return old
    return vma._replace(smaps=smaps, vm_flags=vm_flags, kind=kind)


def _kept(old: Vma | None, vma: Vma) -> Vma:
    return vma if old is None else old


def _with(vma: Vma, runs: Runs | None) -> Vma:
    return vma if vma.runs == runs else vma._replace(runs=runs)


def _hidden_swap(vmas: Sequence[Vma]) -> int:
    """KiB that smaps counts as swapped in shared memory and that no run shows."""
    hidden = 0
    for vma in vmas:
        if vma.kind in _SHMEM_KINDS and vma.smaps is not None and vma.smaps.swap:
            shown = sum(run.pages for run in vma.runs or () if run.residence is Residence.SWAPPED)
            hidden += max(vma.smaps.swap - 4 * shown, 0)
    return hidden


def _same_or_new(old: MmSnapshot | None, new: MmSnapshot) -> MmSnapshot:
    """`old` if nothing changed; else `new`, with the old tuple of VMAs if those did not."""
    if (
        old is None
        or len(old.vmas) != len(new.vmas)
        or any(a is not b for a, b in zip(old.vmas, new.vmas, strict=True))
    ):
        return new
    kept = MmSnapshot(
        new.pid,
        new.comm,
        old.vmas,
        new.counters,
        new.start_brk,
        new.brk,
        new.start_stack,
        new.cmdline,
        new.exe,
        new.unknown,
        files=new.files,
    )
    return old if _facts(old) == _facts(kept) else kept


def _facts(mm: MmSnapshot) -> tuple[object, ...]:
    return mm.comm, mm.counters, mm.start_brk, mm.start_stack, mm.cmdline, mm.exe, mm.unknown, mm.files
