"""Looks for the order in which calls that overlap in a log took effect: the one that explains all their results.

The log bounds it: no call takes effect before its entry or after its exit. As they stand they are in the order of
their exits; when a result then differs, other orders within the bounds are tried.
"""

from collections.abc import MutableSequence
from math import inf
from typing import Final, NamedTuple

from memtui.model.address import page_up
from memtui.model.errors import ParseError
from memtui.model.event import EventKind
from memtui.model.garbage import collector_at_rest
from memtui.model.step import StepRecord
from memtui.sim.checkpoints import Checkpoints
from memtui.sim.kernel.mman import MAP_ANONYMOUS, MAP_FIXED, MAP_FIXED_NOREPLACE
from memtui.sim.kernel.outcome import Errno
from memtui.sim.kernel.unmapped_area import Wanted, get_unmapped_area
from memtui.sim.machine import Machine
from memtui.sim.overlap import entry, exit_line, on_the_map
from memtui.sim.syscall_table import numbers
from memtui.trace.line import Call, Statement

REACH: Final = 256
"""Steps around a difference in which its reason is looked for."""
TRIES: Final = 1000
"""Steps that are run for one search."""
FAILURES: Final = 16
"""Searches in vain, one after the other, that show that the differences of this log have other reasons."""


def differs(record: StepRecord) -> bool:
    """Whether a step's result is not the recorded one."""
    return bool(record.events) and any(event.kind is EventKind.DIVERGENCE for event in record.events)


class Settled(NamedTuple):
    """What has run in the order that was found."""

    machine: Machine
    """Stands behind the step whose result differed, or further."""
    records: list[StepRecord]
    """Of the steps from where the order is another."""


class Ordering:
    """The order of a program's steps, where the log leaves it open."""

    def __init__(self, program: MutableSequence[Statement], states: Checkpoints) -> None:
        """Take over a program.

        Args:
            program: its steps; their order changes.
            states: copies machines.
        """
        self._program = program
        self._states = states
        self._searched: set[int] = set()
        self._failures = 0
        self.found = False
        """A search has found an order: others will follow."""
        self._tries = 0
        self._first = 0
        self._records: list[StepRecord] = []
        """From position `_first` on, as they agreed so far."""
        self._start = b""
        """The state before the steps that are looked at."""

    def doubtful_from(self, machine: Machine) -> int | None:
        """The position from which on the order may be another, when the result of the last step differed.

        None: its order is certain, or it has been looked for in vain.
        """
        at = machine.position - 1
        statement = self._program[at]
        if statement.line in self._searched or self._failures >= FAILURES:
            return None
        if not on_the_map(statement) or not machine.world.overlaps.rivals(statement):
            return None
        self._searched.add(statement.line)
        start, first = at, entry(statement)
        opened = machine.world.overlaps.opened(statement)
        for index in range(at - 1, max(at - REACH, -1), -1):
            earlier = self._program[index]
            if on_the_map(earlier) and exit_line(earlier) > first:
                start, first = index, min(first, entry(earlier))
            elif 0 < earlier.line <= opened and not earlier.ahead:
                break
        return start

    def settle(self, machine: Machine, state: bytes, end: int) -> Settled | None:
        """Order the steps from a machine's position to `end`, and those that overlap them, so that all results agree.

        Args:
            machine: stands at the first, and is used up.
            state: of the machine.
            end: position behind the step whose result differed.

        Returns:
            What has run in that order; None: there is none, and the program is as it was.
        """
        self._tries, self._start = TRIES, state
        self._first, self._records = machine.position, []
        with collector_at_rest():
            settled = self._search(machine, end)
        if settled is None:
            self._failures += 1
            return None
        self._failures, self.found = 0, True
        return Settled(settled, self._records)

    def _search(self, machine: Machine, end: int) -> Machine | None:
        """A machine that has run to `end` in an order in which all results agree."""
        while machine.position < end:
            choices = [index for index in self._choices(machine) if self._possible(machine, self._program[index])]
            if len(choices) > 1 or choices != [machine.position]:
                return self._try_each(machine, choices, end)
            if not self._agrees(machine) or self._tries <= 0:
                return None
        return machine

    def _agrees(self, machine: Machine) -> bool:
        """Run the next step. What an execve brings with it is not searched: its steps are taken out again."""
        self._tries -= 1
        known, at = len(self._program), machine.position - self._first
        record = machine.step()
        self._records[at:] = [record]
        made = len(self._program) - known
        del self._program[machine.position : machine.position + made]
        return not made and not differs(record)

    def _try_each(self, machine: Machine, choices: list[int], end: int) -> Machine | None:
        here = machine.position
        for index in choices:
            if index > here:
                chosen = self._program.pop(index)
                self._program.insert(here, chosen._replace(ahead=True))
            trial = machine if index == choices[0] else self._machine_at(here)
            if self._agrees(trial) and (settled := self._search(trial, max(end, index + 1))):
                return settled
            if index > here:
                del self._program[here]
                self._program.insert(index, chosen)
            if self._tries <= 0:
                break
        return None

    def _machine_at(self, position: int) -> Machine:
        """A machine that ran the steps in the order chosen so far: they are few, and quicker to run than to keep."""
        machine = self._states.loaded(self._start)
        while machine.position < position:
            machine.step()
        return machine

    def _choices(self, machine: Machine) -> list[int]:
        """Positions of the steps that may be the next one, those first that come first as things stand.

        A step is certain to come before those that begin behind its end. Only calls on the same address space are
        worth a try.
        """
        here = machine.position
        mm = self._mm(machine, self._program[here])
        rivals = machine.world.overlaps.rivals(self._program[here]) if mm is not None else ()
        if not rivals:
            return [here]
        bound, last = inf, max(map(exit_line, rivals))
        others = list[tuple[int, Statement]]()
        for index, statement in enumerate(self._program[here : here + REACH], here):
            if not statement.line:
                continue
            leaves = exit_line(statement)
            bound = min(bound, leaves)
            if last < leaves < inf and not statement.ahead:
                break  # those behind it begin later than the rivals end
            others.append((index, statement))
        return [here] + [
            index
            for index, statement in others
            if index > here and entry(statement) < bound and self._mm(machine, statement) is mm
        ]

    @staticmethod
    def _possible(machine: Machine, statement: Statement) -> bool:
        """Whether a call could give its result if it came next, as far as that shows without running it."""
        call, process = statement.what, machine.world.processes.get(statement.pid or 0)
        if process is None or not isinstance(call, Call) or call.name != "mmap":
            return True
        recorded = None if call.result is None or call.result.errno else call.result.value
        if recorded is None or machine.world.kernel.profile.free_area_cache:  # which remembers its searches
            return True
        try:
            addr, length, _, flags = numbers(call, 4, machine.world.variables)
            if not flags & MAP_ANONYMOUS or flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) or addr:
                return True
            wanted = Wanted(0, page_up(length), flags)
            return get_unmapped_area(machine.world.kernel, process.task, wanted) == recorded
        except (ParseError, Errno):
            return True

    @staticmethod
    def _mm(machine: Machine, statement: Statement) -> object:
        """The address space that a call changes; None for other steps, and for tasks that do not run."""
        process = machine.world.processes.get(statement.pid or 0)
        if process is None or process.ended or not on_the_map(statement):
            return None
        return process.task.mm
