"""What a simulation has behind it: the steps that ran, and pictures of them within a bound."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from memtui.model.event import EventKind
from memtui.model.snapshot import Snapshot
from memtui.model.step import StepLog, StepRecord
from memtui.trace.line import Statement

HISTORY_VMAS: Final = 2_000_000
"""VMAs in all pictures that are kept; at 8 bytes each that is 16 MB."""
HISTORY_PICTURES: Final = 1024


class RanSteps:
    """The records of all steps that ever ran, with running totals; a machine that starts anew repeats them."""

    def __init__(self, program: Sequence[Statement], title: str) -> None:
        self._title = title
        self._records: list[StepRecord] = []
        self._divergences = [0]
        self._without_effect = [0]
        self._program = program
        self._pending: tuple[StepRecord, ...] | None = None
        """As the steps are listed before they run; None: not up to date."""

    def add(self, record: StepRecord) -> None:
        """Note a step, unless it is a repetition."""
        if record.number != len(self._records) + 1:
            return
        kinds = [event.kind for event in record.events] if record.events else []
        self._records.append(record)
        self._divergences.append(self._divergences[-1] + kinds.count(EventKind.DIVERGENCE))
        self._without_effect.append(self._without_effect[-1] + kinds.count(EventKind.NO_EFFECT))

    def grown(self, program: Sequence[Statement]) -> None:
        """The machine has put steps of its own behind the one that ran last."""
        self._program, self._pending = program, None

    def forget_behind(self, number: int, program: Sequence[Statement]) -> None:
        """Steps behind `number` will run differently: `program` has changed there."""
        del self._records[number:]
        del self._divergences[number + 1 :]
        del self._without_effect[number + 1 :]
        self._program, self._pending = program, None

    def log(self, cursor: int) -> StepLog:
        """The list of steps, of which `cursor` have run."""
        if self._pending is None:
            self._pending = _pending(self._program)
        return StepLog(
            steps=(*self._records[:cursor], *self._pending[cursor:]),
            cursor=cursor,
            divergences=self._divergences[cursor],
            without_effect=self._without_effect[cursor],
            title=self._title,
        )


def _pending(program: Sequence[Statement]) -> tuple[StepRecord, ...]:
    """The steps as they are listed before they run."""
    return tuple(
        StepRecord(
            number=number,
            text=statement.raw,
            pid=statement.pid or 0,
            made=statement.made,
            narration=statement.narration,
            chapter=statement.chapter,
            line=statement.line,
        )
        for number, statement in enumerate(program, 1)
    )


class Pictures:
    """Snapshots by the step that they show, without their step lists; the one used longest ago goes first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Snapshot] = OrderedDict()
        self._vmas = 0

    def get(self, number: int) -> Snapshot | None:
        """The picture after step `number`, if it is kept."""
        if number in self._kept:
            self._kept.move_to_end(number)
        return self._kept.get(number)

    def put(self, number: int, picture: Snapshot) -> None:
        """Keep a picture, and drop others when there are too many."""
        self._drop(number)
        self._kept[number] = picture
        self._vmas += _weight(picture)
        while len(self._kept) > 1 and (self._vmas > HISTORY_VMAS or len(self._kept) > HISTORY_PICTURES):
            self._drop(next(iter(self._kept)))

    def forget_behind(self, number: int) -> None:
        """Drop what lies behind step `number`."""
        for later in [kept for kept in self._kept if kept > number]:
            self._drop(later)

    def clear(self) -> None:
        """Drop all."""
        self._kept.clear()
        self._vmas = 0

    def _drop(self, number: int) -> None:
        old = self._kept.pop(number, None)
        if old is not None:
            self._vmas -= _weight(old)


def _weight(picture: Snapshot) -> int:
    return len(picture.mm.vmas) if picture.mm is not None else 0
