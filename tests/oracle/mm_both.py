"""The same series on the running kernel and on the simulated one, compared after every call."""

import traceback
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path as FilePath
from types import TracebackType
from typing import NamedTuple

from memtui.model.address import page_down, page_up
from memtui.model.pages import Residence
from tests.oracle.mm_machine import time_limit
from tests.oracle.mm_mixes import COUNTED
from tests.oracle.mm_ops import Area, Op, Path, Picture, Result, Series, lines
from tests.oracle.mm_real import HUGE_PAGES, Place, Real, RunnerDied, collapsed
from tests.oracle.mm_series import Bindings, Seed, generator, look
from tests.oracle.mm_sim import Sim, host, real_pages

REPEATED = 3
"""How often a mismatch has to come again before the calls alone are held to be its cause."""
SERIES_SECONDS = 300
"""How long a series may take: it has some hundred steps of milliseconds."""


class Mismatch(NamedTuple):
    """Where the kernels part, or the simulator does not say why."""

    seed: Seed
    series: Sequence[Op]
    """Up to and with the step that shows it."""
    kind: str
    """What differs: "result", "areas", "VmPTE", "crash", "invariant"."""
    text: str
    """The kernel's and the simulator's, line by line."""

    def trace(self) -> str:
        """The series as a .trace file, what differs as its narration."""
        said = [f"# {line}" for line in (f"{self.seed.mix}/{self.seed.number}: {self.kind}", *self.text.splitlines())]
        return "\n".join([*lines(self.series)[:-1], *said, lines(self.series)[-1]]) + "\n"


class Waits:
    """Faults that count as major although their page was there: they waited for its lock (FAULT_FLAG_TRIED in
    mm_account_fault(), mm/memory.c), which is a matter of the disk's time. pgmajfault counts no such fault.
    """

    def __init__(self, majflt: int) -> None:
        self._majflt = majflt
        self._misses = 0
        self._waits = 0

    def begin(self) -> None:
        """Before a step."""
        self._misses = _pgmajfault()

    def end(self, majflt: int) -> int:
        """After a step that brought the process to `majflt`: how many in all so far are known to be of this kind.

        Others' misses are in pgmajfault, too, so that it may be more.
        """
        self._waits += max(majflt - self._majflt - (_pgmajfault() - self._misses), 0)
        self._majflt = majflt
        return self._waits


def _pgmajfault() -> int:
    """Misses of all processes since the start."""
    text = FilePath("/proc/vmstat").read_text()
    return int(text[text.index("\npgmajfault ") + 12 :].partition("\n")[0])


class Both:
    """One series on the running and on the simulated kernel, side by side."""

    def __init__(self, binary: FilePath, place: Place, seed: Seed) -> None:
        self._seed = seed
        self._place = place
        self.real = Real(binary, place, seed.capabilities, legacy=seed.legacy)
        self.sim = Sim(self.real, place, seed.capabilities)
        self._known, self._simulated = Bindings(), Bindings()
        self._done: list[Op] = []
        self.skipped: Counter[str] = Counter()
        self._huge: set[int] = set()
        """Processes that khugepaged may work on, at a time of its own."""
        self._collapsed: set[int] = set()
        """Of these, those whose pages it has put together."""
        self._collapses = collapsed()
        self._counted = seed.mix in COUNTED
        self._before = self.real.faults(0) | {"file": 0}
        self._waits = Waits(self._before["majflt"])

    def __enter__(self) -> "Both":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.real.close()

    def fuzz(self, count: int) -> Mismatch | None:
        """Make up `count` steps and compare after each."""
        try:
            with time_limit(SERIES_SECONDS):
                return self._fuzz(count)
        except (RunnerDied, TimeoutError) as death:
            return Mismatch(self._seed, tuple(self._done), "no answer", str(death))

    def _fuzz(self, count: int) -> Mismatch | None:
        maker = generator(self.real, self._seed)
        for _ in range(count):
            op = maker.next()
            if not self.sim.can(op):
                self.skipped[op.name] += 1
                continue
            result, pictures, mismatch = self.step(op)
            if mismatch is not None:
                return mismatch
            maker.done(op, result)
            for slot, picture in pictures.items():
                maker.see(slot, picture)
        return self._pages_apart()

    def replay(self, series: Series) -> Mismatch | None:
        """Perform a known series and compare after each step."""
        with time_limit(SERIES_SECONDS):
            for op in series:
                if op.proc in self.real.pids and not (op.name in ("fork", "clone") and op.args[0] in self.real.pids):
                    mismatch = self.step(op)[2]
                    if mismatch is not None:
                        return mismatch
            return self._pages_apart()

    def file_system(self, place: str) -> str:
        """The type of the file system that "disk" or "shm" lies on."""
        facts = host().file(self._place.path(Path(place, ".")))
        return "" if facts is None else facts.fs_type

    @property
    def calls(self) -> int:
        """Steps performed and compared."""
        return len(self._done)

    def step(self, op: Op) -> tuple[Result, dict[int, Picture], Mismatch | None]:
        """Perform one step on both: the kernel's result and pictures, and where the simulator differs."""
        self._done.append(op)
        if self._counted:
            self._waits.begin()
        result = self.real.perform(op, self._known.resolve(op))
        self._known.note(op, result)
        pictures = look(self.real, op)
        if op.name in ("fork", "clone"):
            for some in (self._huge, self._collapsed):
                some.update(pictures.keys() if op.proc in some else ())
        try:
            simulated = self.sim.perform(op, self._simulated.resolve(op))
            self._simulated.note(op, simulated)
            why = difference(op, result, simulated)
            if why is None:
                why = next(filter(None, (self._apart(slot, picture) for slot, picture in pictures.items())), None)
            if why is None and self._counted and 0 in self.real.pids:
                why = self._faults_apart()
            problems = self.sim.problems()
            if why is None and not simulated.why:
                why = f"no reason for {op.name}", str(simulated)
            if why is None and problems:
                why = "invariant", "\n".join(problems)
        except TimeoutError:
            raise
        except Exception:  # noqa: BLE001 - whatever the simulator dies of is a finding
            why = "crash", traceback.format_exc(limit=-4)
        return result, pictures, None if why is None else Mismatch(self._seed, tuple(self._done), *why)

    def _apart(self, slot: int, picture: Picture) -> tuple[str, str] | None:
        if any("hg" in area.flags for area in picture.areas):
            self._huge.add(slot)
        exact = picture._replace(counters={}) if slot in self._collapsed else picture
        why = apart(exact, self.sim.picture(slot), slot)
        if why is not None and why[0] in ("RssAnon", "VmPTE", HUGE_PAGES) and self._khugepaged(slot):
            self._collapsed.add(slot)
            return None
        return why

    def _khugepaged(self, slot: int) -> bool:
        """Whether khugepaged may have put pages of the process together meanwhile."""
        return slot in self._huge and collapsed() != self._collapses

    def _faults_apart(self) -> tuple[str, str] | None:
        real, sim = self.real.faults(0), self.sim.faults(0)
        told = {name: value - self._before[name] for name, value in real.items()}
        waited = min(self._waits.end(real["majflt"]), max(told["majflt"] - sim["majflt"], 0))
        told["majflt"] -= waited
        told["minflt"] += waited
        if told == sim:
            return None
        same = told["file"] == sim["file"] and told["minflt"] + told["majflt"] == sim["minflt"] + sim["majflt"]
        return "majflt" if same else "faults", f"kernel    {told}\npredicted {sim}"

    def _pages_apart(self) -> Mismatch | None:
        """Whether each page lives where the simulator says; costs more than a step, so it is asked at the end.

        Once for each address space: to read the command line, as the reader does, faults in a page of the stack.
        """
        spaces = {self.sim.tasks[slot].mm: slot for slot in self.real.pids}
        for slot in spaces.values():
            pid = self.real.pids[slot]
            real = real_pages(pid)
            try:
                sim = self.sim.pages(slot)
            except Exception:  # noqa: BLE001 - as in `step`
                return Mismatch(self._seed, tuple(self._done), "crash", traceback.format_exc(limit=-4))
            if real != sim and not self._khugepaged(slot):
                more = [run for run in real if run not in sim]
                less = [run for run in sim if run not in real]
                rows = [f"kernel    {start:x}-{end:x} {kind}" for start, end, kind in more]
                rows += [f"predicted {start:x}-{end:x} {kind}" for start, end, kind in less]
                what = "pages" if less or not _others_read(pid, more) else "pages of the command line"
                return Mismatch(self._seed, tuple(self._done), what, "\n".join([*rows, f"in process {slot}"]))
        return None


def _others_read(pid: int, runs: Iterable[tuple[int, int, Residence]]) -> bool:
    """Whether these are zero pages where arguments and environment were: whoever lists processes faults them in."""
    fields = FilePath(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    low, high = page_down(int(fields[45])), page_up(int(fields[48]))
    return all(kind is Residence.ZERO and low <= start and end <= high for start, end, kind in runs)


def difference(op: Op, real: Result, sim: Result) -> tuple[str, str] | None:
    """What differs in the results."""
    same = (real.errno, real.signal) == (sim.errno, sim.signal)
    if sim.data and real.data != sim.data[: len(real.data)]:
        return "pages of mincore", f"kernel    {real.data.hex()}\npredicted {sim.data.hex()}"
    if same and (op.name == "shmget" or real.value == sim.value):
        return None
    return f"result of {op.name}", f"kernel    {_shown(real)}\npredicted {_shown(sim)}  {sim.why}"


def apart(real: Picture, sim: Picture, slot: int) -> tuple[str, str] | None:
    """What differs in the pictures of one process."""
    if real.areas != sim.areas:
        ours, theirs = set(sim.areas), set(real.areas)
        rows = [f"kernel    {_row(area)}" for area in real.areas if area not in ours]
        rows += [f"predicted {_row(area)}" for area in sim.areas if area not in theirs]
        return "areas", "\n".join([*rows, f"in process {slot}"])
    for name, value in real.counters.items():
        if sim.counters.get(name) != value:
            return name, f"kernel    {name} {value} kB\npredicted {name} {sim.counters.get(name)} kB\nin process {slot}"
    return None


def _shown(result: Result) -> str:
    if result.signal:
        return f"{result.signal} after {result.value} pages"
    return f"{result.value} {result.errno}" if result.errno else f"{result.value:#x}"


def _row(area: Area) -> str:
    return f"{area.start:x}-{area.end:x} {area.perms} {area.offset:08x} {area.label} [{area.flags}]"


def shrink(binary: FilePath, place: Place, found: Mismatch, limit: int = 400) -> Mismatch:
    """Take steps out while the same kind of mismatch remains.

    One that does not come again stays whole and says so: then something besides the calls has a part in it.
    """
    tries = 0

    def still(series: Sequence[Op]) -> Mismatch | None:
        nonlocal tries
        tries += 1
        try:
            with Both(binary, place, found.seed) as both:
                mismatch = both.replay(series)
        except (RunnerDied, TimeoutError):
            return None
        return mismatch if mismatch is not None and mismatch.kind == found.kind else None

    if not all(still(found.series) for _ in range(REPEATED)):
        return found._replace(kind=f"{found.kind}, not repeated")
    size = max(len(found.series) // 2, 1)
    while tries < limit:
        at, before = 0, len(found.series)
        while at < len(found.series) - 1 and tries < limit:
            shorter = still([*found.series[:at], *found.series[at + size :]])
            if shorter is not None:
                found = shorter
            else:
                at += size
        if size == 1 and len(found.series) == before:
            break
        size = max(size // 2, 1)
    return found
