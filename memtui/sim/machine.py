"""The simulated machine: owns the parts, and runs one step of a trace after the other."""

from collections.abc import MutableSequence

from memtui.model.errors import ParseError
from memtui.model.event import Event, EventKind
from memtui.model.host import Host
from memtui.model.step import StepRecord
from memtui.sim import (
    cgroup_files,
    descriptor_calls,
    execve,
    file_calls,
    kernel_calls,
    library,
    life_calls,
    memory_calls,
    paths,
    pidfd_calls,
    proc_files,
    process_calls,
)
from memtui.sim.aslr import Aslr
from memtui.sim.births import Births
from memtui.sim.gap_note import gap_note
from memtui.sim.kernel.check import check
from memtui.sim.kernel.kernel import Kernel
from memtui.sim.kernel.kernel_step import begin_step, end_step
from memtui.sim.kernel.profile import profile_for
from memtui.sim.linking import plan, told
from memtui.sim.machine_options import machine_options
from memtui.sim.order_note import order_note
from memtui.sim.overlap import Overlaps
from memtui.sim.prediction import adopt, divergence
from memtui.sim.process import Process
from memtui.sim.syscall_table import TABLE
from memtui.sim.world import Effect, Handlers, World
from memtui.trace.constants import EXECS
from memtui.trace.line import Call, Echo, Exited, Mode, NotUnderstood, Result, Signal, Statement
from memtui.trace.printer import reprint

_HANDLERS: Handlers = {
    **kernel_calls.HANDLERS,
    **file_calls.HANDLERS,
    **descriptor_calls.HANDLERS,
    **pidfd_calls.HANDLERS,
    **paths.HANDLERS,
    **cgroup_files.HANDLERS,
    **library.HANDLERS,
    **memory_calls.HANDLERS,
    **life_calls.HANDLERS,
    **process_calls.HANDLERS,
    **dict.fromkeys(EXECS, execve.handler),
}


class Machine:
    """Runs the statements of `program`; the list may be changed behind `position`."""

    def __init__(
        self, host: Host, program: MutableSequence[Statement], file: str = "", *, recorded: bool = False
    ) -> None:
        """Set up the machine that the first statement states, or a copy of the host.

        Args:
            host: the real machine, or a recorded one.
            program: the statements; more may be inserted behind `position` as long as the machine runs, and the machine
                itself inserts those that it makes.
            file: where they come from, for messages.
            recorded: whether they are the log of a real program, which does not tell what it wrote to.

        Raises:
            ParseError: machine(...) is wrong.
        """
        self.position = 0
        """Steps that have run."""
        self.current: Process | None = None
        """Whom the last step was about."""
        self.events: tuple[Event, ...] = ()
        """Of the last step."""
        self._program = program
        self._file = file
        self.world = self._world(host)
        self.world.recorded = recorded
        self.world.births = Births(program)
        self.world.overlaps = Overlaps(program)

    def step(self) -> StepRecord:
        """Run the next statement.

        Raises:
            ParseError: it cannot be run, because an argument has no value; nothing has changed then.
            IndexError: there is no next one.
        """
        statement = self._program[self.position]
        self.world.step = self.position + 1
        begin_step(self.world.kernel)
        known, current = len(self.world.processes), self.current
        try:
            record = self._run(statement)
        except ParseError as error:
            if not self.world.recorded:
                for process in [*self.world.processes.values()][known:]:
                    self.world.forget(process)
                self.current = current
                raise self._placed(error, statement) from error
            record = self._not_understood(statement, error.what)
        self.position += 1
        self.events = record.events
        return record

    def has_process(self, pid: int) -> bool:
        """Whether there is, or was, a process of this number."""
        return pid in self.world.processes

    def check(self) -> None:
        """Every invariant of the kernel's state.

        Raises:
            AssertionError: one does not hold.
        """
        found = check(self.world.kernel)
        if found:
            raise AssertionError("; ".join(found))

    def _world(self, host: Host) -> World:
        first = self._program[0] if self._program else None
        call = first.what if first is not None and isinstance(first.what, Call) else None
        stated = call if call is not None and call.name == "machine" else None
        try:
            options = machine_options(stated, host.machine())
        except ParseError as error:
            raise self._placed(error, first) from error
        kernel = Kernel(options.facts, profile_for(options.facts.release), host.file)
        return World(
            kernel, host, options, None if options.aslr is None else Aslr(options.aslr, kernel.profile.brk_range)
        )

    def _placed(self, error: ParseError, statement: Statement | None) -> ParseError:
        if error.line or statement is None or not statement.line:
            return error
        return ParseError(error.what, file=self._file, line=statement.line, column=error.column, hint=error.hint)

    def _run(self, statement: Statement) -> StepRecord:
        what = statement.what
        if isinstance(what, Call) and what.name == "machine":
            return self._record(statement, 0, reprint(statement), Effect(None, why=_described(self.world)))
        if isinstance(what, NotUnderstood):
            return self._not_understood(statement, what.why)
        process = process_calls.process_of(self.world, self._program, self.position)
        self.current = process
        match what:
            case Call():
                return self._call(statement, what, process)
            case Echo():
                effect = proc_files.write(self.world, process, what)
                return self._record(statement, process.pid, statement.raw, effect)
            case Signal():
                return self._record(statement, process.pid, statement.raw, Effect(None))
            case Exited():
                effect = process_calls.exited(self.world, process, what)
                return self._record(statement, process.pid, statement.raw, effect)
            case Mode():
                return self._record(statement, process.pid, statement.raw, process_calls.mode(process, what))

    def _not_understood(self, statement: Statement, why: str) -> StepRecord:
        event = Event(EventKind.NO_EFFECT, f"not understood: {why}")
        return self._record(statement, statement.pid or 0, statement.raw, Effect(None, why=event.text, events=(event,)))

    def _call(self, statement: Statement, call: Call, process: Process) -> StepRecord:
        handler = _HANDLERS.get(call.name)
        if handler is None and statement.made:
            effect = Effect(None, recorded=True)
        elif statement.inside:
            effect = Effect(None, why=f"made by the {statement.inside} around it, which makes its own", recorded=True)
        elif handler is None:
            why = "the simulator gives this call no effect"
            event = Event(EventKind.NO_EFFECT, f"{call.name}: {why}")
            effect = Effect(None, why=why, events=(event,), recorded=True)
        elif process.ended or (process.foreign and call.name not in EXECS):
            event = Event(EventKind.NO_EFFECT, f"process {process.pid} {process.ended or process.foreign}")
            effect = Effect(None, why=event.text, events=(event,), recorded=True)
        else:
            program = process.program
            effect = handler(self.world, process, call)
            if process.task.killed:
                effect = effect._replace(value=None, errno="", recorded=False)
            events = self._compared(statement, call, process, effect)
            effect = effect if events is effect.events else effect._replace(events=events)
            if process.program is not program:
                effect = self._with_linker(statement, process, effect)
        text = reprint(statement, _shown(call, effect), self.world.variables)
        if call.bind:
            self._bind(call, effect)
        return self._record(statement, process.pid, text, effect)

    def _with_linker(self, statement: Statement, process: Process, effect: Effect) -> Effect:
        """Put the dynamic linker's calls behind an execve, unless the trace tells them itself."""
        if told(self._program, self.position + 1, statement.pid):
            return effect
        steps, note = plan(self.world, process, statement.pid)
        self._program[self.position + 1 : self.position + 1] = steps
        return effect._replace(events=(*effect.events, Event(EventKind.NOTE, note))) if note else effect

    def _compared(self, statement: Statement, call: Call, process: Process, effect: Effect) -> tuple[Event, ...]:
        """The call's events, what its recorded result says, which is made true, and what the log leaves open."""
        events = effect.events
        if effect.errno:
            events = (*events, Event(EventKind.FAILURE, f"{call.name}: {effect.why or effect.errno}"))
        difference = divergence(call, effect)
        if difference is not None:
            done = adopt(self.world, process, call, effect)
            events = (*events, difference, *((Event(EventKind.NOTE, done),) if done else ()))
        process.settled |= call.name in TABLE and call.name != "brk"
        for note in order_note(self.world, process, statement), gap_note(self.world, process, call, effect):
            if note:
                events = (*events, Event(EventKind.NOTE, note))
        return events

    def _bind(self, call: Call, effect: Effect) -> None:
        value = effect.value if effect.bound is None else effect.bound
        if value is None and call.result is not None:
            value = call.result.value
        if value is not None:
            self.world.variables[call.bind] = value

    def _record(self, statement: Statement, pid: int, text: str, effect: Effect) -> StepRecord:
        return StepRecord(
            number=self.position + 1,
            text=text,
            pid=pid,
            done=True,
            made=statement.made,
            narration=statement.narration,
            chapter=statement.chapter,
            why=effect.why,
            events=(*effect.events, *self._happened()),
            line=statement.line,
            calls=effect.calls,
        )

    def _happened(self) -> tuple[Event, ...]:
        """What the kernel did besides the call; whom it killed runs no more."""
        events = end_step(self.world.kernel)
        for process in self.world.processes.values() if events else ():
            if process.task.killed and not process.ended:
                process.ended = f"was killed by {process.task.killed}"
        return events


def _shown(call: Call, effect: Effect) -> Result | None:
    """The result that is printed: the predicted one, or the recorded one where nothing is predicted."""
    if effect.recorded:
        return call.result
    return Result(-1 if effect.errno else effect.value, effect.errno)


def _described(world: World) -> str:
    facts = world.kernel.facts
    ram, swap = facts.totalram_pages >> 8, facts.total_swap_pages >> 8
    aslr = "addresses are not randomized" if world.aslr is None else f"addresses are random, seed {world.options.aslr}"
    return f"{ram:,} MiB of RAM, {swap:,} MiB of swap, Linux {facts.release}, {world.options.allocator}; {aslr}"
