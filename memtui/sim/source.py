"""A trace as a source: it steps forward and back, jumps, and takes new lines."""

from dataclasses import replace
from typing import Final

from memtui.model.errors import NotSupported, ParseError
from memtui.model.garbage import seldom_collected
from memtui.model.host import Host
from memtui.model.progress import BETWEEN, Progress, Watcher, unwatched
from memtui.model.request import Back, Focus, Inject, Refresh, Request, Seek, ShowHeap, ShowSharing, Step
from memtui.model.snapshot import Snapshot
from memtui.sim.checkpoints import SPACING, Checkpoints, RecentStates, Steps
from memtui.sim.export import Exporter
from memtui.sim.history import Pictures, RanSteps
from memtui.sim.linking import without_plans
from memtui.sim.machine import Machine
from memtui.sim.ordering import Ordering, differs
from memtui.trace.line import Call
from memtui.trace.parser import Trace, parse_line

TAIL: Final = 32
"""Pictures that are taken before the place that a jump leads to, so that stepping back from it is free."""
TAIL_VMAS: Final = 40_000
"""VMAs in all these pictures: of a large address space there are fewer."""
NEAR: Final = 128
"""Steps from a checkpoint that is made on the way to the place that a jump leads to."""


class SimSource:
    """Runs a trace on a simulated machine.

    Pictures of past steps are kept up to a bound; further back the trace is run again from a checkpoint, which
    gives the same state, because a machine depends on nothing but the trace and the host.
    """

    def __init__(self, trace: Trace, host: Host, title: str) -> None:
        """Set the machine up; no step runs yet.

        Raises:
            ParseError: the trace's machine(...) is wrong.
        """
        self.watch: Watcher = unwatched
        """Told of long runs; may end them."""
        self._program = Steps(trace.statements)
        self._trace = trace
        self._host = host
        self._pictures = Pictures()
        self._ran = RanSteps(self._program, title)
        self._focus: int | None = None
        self._exporter = Exporter(title)
        self._machine = self._new_machine()
        self._checkpoints = Checkpoints(host)
        self._ordering = Ordering(self._program, self._checkpoints)
        self._recent = RecentStates(self._checkpoints)
        """Kept where the order of steps is looked for: the next such place is near."""
        self._cursor = 0
        self._current = self._picture()

    @property
    def host(self) -> Host:
        """The machine that it is simulated on."""
        return self._host

    @property
    def accepts(self) -> frozenset[type[Request]]:
        """Everything but writing to a kernel."""
        return frozenset({Refresh, Step, Back, Seek, Inject, Focus, ShowHeap, ShowSharing})

    def apply(self, request: Request) -> Snapshot:
        """Move the cursor, run a line, or give the current picture.

        Raises:
            ParseError: a line is wrong; the cursor stays where it is.
            NotSupported: no such process, or a request that a simulation does not know.
        """
        match request:
            case Refresh():
                return self._current
            case Step(steps):
                return self._go(self._cursor + max(steps, 0))
            case Back(steps):
                return self._go(self._cursor - max(steps, 0))
            case Seek(number):
                return self._go(number)
            case Inject(line):
                return self._inject(line)
            case Focus(pid):
                return self._look_at(pid)
            case ShowHeap(wanted):
                return self._show(heap=wanted, sharing=self._exporter.sharing_wanted)
            case ShowSharing(wanted):
                return self._show(heap=self._exporter.heap_wanted, sharing=wanted)
            case _:
                raise NotSupported(f"a simulation has no {type(request).__name__}")

    def close(self) -> None:
        """Drop the history."""
        self._pictures.clear()
        self._checkpoints.forget_behind(0)

    def _new_machine(self) -> Machine:
        return Machine(self._host, self._program, self._trace.file, recorded=self._trace.recorded)

    def _go(self, target: int) -> Snapshot:
        target = max(target, 0)
        kept = self._pictures.get(target)
        if kept is None:
            target = self._run_to(target)
        if target == self._cursor:
            return self._current
        if kept is None:
            self._cursor, self._current = target, self._picture()
        else:
            self._cursor, self._current = target, replace(kept, steps=self._ran.log(target))
        return self._current

    def _run_to(self, target: int) -> int:
        """Bring the machine to the state after step `target`.

        Returns:
            Where it stands then: at `target`, or at the end of the trace.
        """
        self._start_before(target)
        first = self._machine.position
        with seldom_collected(min(target, len(self._program)) - first):
            self._run_from(first, target)
        return self._machine.position

    def _run_from(self, first: int, target: int) -> None:
        while (position := self._machine.position) < (end := min(target, len(self._program))):
            known = len(self._program)
            record = self._machine.step()
            if differs(record) and self._reordered(target):
                continue
            self._ran.add(record)
            if len(self._program) != known:
                self._ran.grown(self._program)
            self._checkpoints.pass_by(self._machine)
            if self._ordering.found and self._is_contested():
                self._recent.pass_by(self._machine)
            if (position - first) % BETWEEN == BETWEEN - 1:
                self.watch(Progress("replaying", position + 1, end))
            self._prepare_for_back(min(target, len(self._program)) - self._machine.position)

    def _is_contested(self) -> bool:
        """Whether the log leaves open when the next step took effect."""
        program, position = self._program, self._machine.position
        return position < len(program) and bool(self._machine.world.overlaps.rivals(program[position]))

    def _reordered(self, target: int) -> bool:
        """Give steps whose order the log leaves open another one, if that explains the result of the last step.

        The machine then stands before or behind them: far from `target`, so that pictures are taken on the way.
        """
        last = self._machine
        start = self._ordering.doubtful_from(last)
        if start is None:
            return False
        before = self._machine_at(start)
        state = self._checkpoints.saved(before)
        self._recent.forget_behind(start - 1)
        self._recent.keep(start, state)
        settled = self._ordering.settle(before, state, last.position)
        if settled is None:
            return False
        self._pictures.forget_behind(start)
        self._checkpoints.forget_behind(start)
        self._ran.forget_behind(start, self._program)
        for record in settled.records:
            self._ran.add(record)
        far = min(target, len(self._program)) - settled.machine.position > NEAR
        self._machine = settled.machine if far else self._checkpoints.loaded(state)
        return True

    def _machine_at(self, position: int) -> Machine:
        """Another machine, that has run the first `position` steps."""
        nearest, (recent, state) = self._checkpoints.nearest(position), self._recent.nearest(position)
        if nearest < recent:
            machine = self._checkpoints.loaded(state)
        else:
            machine = self._checkpoints.restore(nearest) if nearest else self._new_machine()
        while machine.position < position:
            machine.step()
        return machine

    def _prepare_for_back(self, left: int) -> None:
        """On the way to a place that lies `left` steps ahead: keep what makes stepping back from there cheap."""
        if left == NEAR:
            self._checkpoints.keep(self._machine)
        elif 0 < left < TAIL and self._pictures.get(self._machine.position) is None:
            process = self._machine.current
            vmas = process.task.mm.map_count if process is not None else 0
            if left * vmas <= TAIL_VMAS:
                self._keep_picture()

    def _start_before(self, target: int) -> None:
        """Let the machine be one from which step `target` is not far, and that has not run further."""
        nearest, position = self._checkpoints.nearest(target), self._machine.position
        if position <= target and (nearest <= position or target - position < SPACING):
            return
        self._machine = self._checkpoints.restore(nearest) if nearest else self._new_machine()

    def _keep_picture(self) -> Snapshot:
        picture = self._exporter.export(self._machine, self._focus)
        self._pictures.put(self._machine.position, picture)
        return picture

    def _picture(self) -> Snapshot:
        """The picture of the machine as it stands; also kept for stepping back."""
        return replace(self._keep_picture(), steps=self._ran.log(self._machine.position))

    def _inject(self, line: str) -> Snapshot:
        statement = parse_line(line)._replace(line=0)
        if isinstance(statement.what, Call) and statement.what.name == "machine":
            raise ParseError("machine(...) can only be the first line of a trace")
        self._run_to(self._cursor)
        if statement.pid is None and self._current.mm is not None:
            statement = statement._replace(pid=self._current.mm.pid)
        before = list(self._program)
        self._program[self._cursor :] = [statement, *without_plans(self._program[self._cursor :])]
        try:
            record = self._machine.step()
        except ParseError:
            self._program[:] = before
            raise
        self._pictures.forget_behind(self._cursor)
        self._checkpoints.forget_behind(self._cursor)
        self._recent.forget_behind(self._cursor)
        self._ran.forget_behind(self._cursor, self._program)
        self._ran.add(record)
        self._cursor += 1
        self._current = self._picture()
        return self._current

    def _show(self, *, heap: bool, sharing: bool) -> Snapshot:
        """From now on pictures have the heap, or who shares what, or not."""
        exporter = self._exporter
        if (heap, sharing) != (exporter.heap_wanted, exporter.sharing_wanted):
            self._run_to(self._cursor)
            exporter.heap_wanted, exporter.sharing_wanted = heap, sharing
            self._pictures.clear()
            self._current = self._picture()
        return self._current

    def _look_at(self, pid: int) -> Snapshot:
        self._run_to(self._cursor)
        if not self._machine.has_process(pid):
            raise NotSupported(f"there is no process {pid} at this step")
        if pid != self._focus:
            self._focus = pid
            self._pictures.clear()
            self._current = self._picture()
        return self._current
