"""States of a machine within a bound of memory, so that going back does not mean starting from the beginning."""

import copyreg
import io
import pickle
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import MISSING, fields
from typing import Any, Final, NamedTuple

from memtui.model.elf import ElfImage
from memtui.model.garbage import collector_at_rest
from memtui.model.host import Host, MachineFacts
from memtui.sim.births import Births
from memtui.sim.kernel.fs import Inode
from memtui.sim.kernel.page_set import CachedPages, PageSet
from memtui.sim.kernel.profile import Profile
from memtui.sim.machine import Machine
from memtui.sim.machine_options import MachineOptions
from memtui.sim.overlap import Overlaps
from memtui.trace.line import Statement

SPACING: Final = 512
"""Steps from one checkpoint to the next, at least: running them takes about as long as three checkpoints."""
BYTES_A_STEP: Final = 500
"""A large state is kept more rarely: after as many steps as cost a few times what keeping it costs."""
EXTRA: Final = 4
"""Checkpoints in front of places that somebody went to."""
RECENT: Final = 8
"""States that are kept besides, at the last places."""
RECENT_SPACING: Final = 16
"""Steps between these, at least."""
RECENT_BYTES_A_STEP: Final = 1500
"""Of a large one, as many as cost what keeping it costs."""
BUDGET: Final = 64 << 20
"""Bytes of all checkpoints. Beyond, every second one goes, and the others come half as often."""


class Steps(list[Statement]):
    """The steps of a trace. They may change, but then all states behind the change are forgotten."""


CONSTANT_TYPES: Final = (Steps, ElfImage, MachineFacts, MachineOptions, Profile, Births, Overlaps)
"""Values that are never changed, so that all states share them."""


class _Checkpoint(NamedTuple):
    position: int
    state: bytes


class Checkpoints:
    """Pickled machines by position. What never changes (host, program, ELF files) is not copied."""

    def __init__(self, host: Host) -> None:
        """Make an empty store for machines on one host."""
        self._constants = _Constants((type(host), *CONSTANT_TYPES))
        self._kept: list[_Checkpoint] = []
        self._extra: deque[int] = deque()
        self._spacing = SPACING
        self._due = 0
        self._bytes = 0

    def pass_by(self, machine: Machine) -> None:
        """Keep the machine's state, if it is far enough from the last one. O(size of the state) when it is kept."""
        if machine.position < self._due:
            return
        last = self._kept[-1].position if self._kept else 0
        if machine.position <= last:
            self._due = last + self._spacing
            return
        size = self._add(machine)
        if self._bytes > BUDGET:
            self._thin_out()
        self._due = machine.position + max(self._spacing, size // BYTES_A_STEP)

    def keep(self, machine: Machine) -> None:
        """Keep the machine's state though it is not due: somebody looks at the steps behind it."""
        if machine.position - self.nearest(machine.position) < self._spacing:
            return
        self._add(machine)
        self._extra.append(machine.position)
        if len(self._extra) > EXTRA:
            gone = self._extra.popleft()
            self._keep([kept for kept in self._kept if kept.position != gone])

    def saved(self, machine: Machine) -> bytes:
        """The machine's state, for `loaded`; it is not kept here. O(size of the state)."""
        return self._constants.dump(machine)

    def loaded(self, state: bytes) -> Machine:
        """A machine in a state that was saved."""
        machine = self._constants.load(state)
        assert isinstance(machine, Machine)
        return machine

    def _add(self, machine: Machine) -> int:
        state = self.saved(machine)
        insort(self._kept, _Checkpoint(machine.position, state))
        self._bytes += len(state)
        return len(state)

    def nearest(self, position: int) -> int:
        """Where the last checkpoint at or before `position` stands; 0 if there is none."""
        at = bisect_right(self._kept, position, key=lambda kept: kept.position)
        return self._kept[at - 1].position if at else 0

    def restore(self, position: int) -> Machine:
        """A machine as it was at the checkpoint at `position`.

        Raises:
            KeyError: there is none.
        """
        at = bisect_right(self._kept, position, key=lambda kept: kept.position) - 1
        if at < 0 or self._kept[at].position != position:
            raise KeyError(position)
        return self.loaded(self._kept[at].state)

    def forget_behind(self, position: int) -> None:
        """Drop what lies behind `position`: the program has changed there."""
        self._due = 0
        self._keep([kept for kept in self._kept if kept.position <= position])

    @property
    def size(self) -> int:
        """Bytes in use."""
        return self._bytes

    def _thin_out(self) -> None:
        self._spacing *= 2
        self._keep(self._kept[1::2])

    def _keep(self, kept: list[_Checkpoint]) -> None:
        self._kept = kept
        self._bytes = sum(len(one.state) for one in kept)
        self._due = max((kept[-1].position if kept else 0) + self._spacing, self._due if kept else 0)


class RecentStates:
    """States at the last few places, for whoever goes back a few steps again and again."""

    def __init__(self, states: Checkpoints) -> None:
        """Keep what `states` saves."""
        self._states = states
        self._kept: deque[_Checkpoint] = deque(maxlen=RECENT)
        self._due = 0

    def pass_by(self, machine: Machine) -> None:
        """Keep the machine's state, if it is some steps behind the last one: a large one after more of them."""
        if machine.position >= self._due:
            self.keep(machine.position, self._states.saved(machine))

    def keep(self, position: int, state: bytes) -> None:
        """Keep the state at `position`, behind all others."""
        self._kept.append(_Checkpoint(position, state))
        self._due = position + max(RECENT_SPACING, len(state) // RECENT_BYTES_A_STEP)

    def nearest(self, position: int) -> tuple[int, bytes]:
        """The last place at or before `position`, and the state there; place 0 if there is none."""
        return next((kept for kept in reversed(self._kept) if kept.position <= position), (0, b""))

    def forget_behind(self, position: int) -> None:
        """Drop what lies behind `position`: the program has changed there."""
        while self._kept and self._kept[-1].position > position:
            self._kept.pop()
        self._due = 0


class _Constants:
    """Pickles objects with references to those of constant types, which stay what they are."""

    def __init__(self, types: Iterable[type]) -> None:
        self._table: dict[type, Callable[[Any], Any]] = {
            **copyreg.dispatch_table,
            **dict.fromkeys((PageSet, CachedPages), _reduced_pages),
            Inode: _reduced_inode,
            **dict.fromkeys(types, self._reduce),
        }
        self._objects: list[object] = []
        self._classes: dict[tuple[str, str], Any] = {}
        """What states name, by module and name: looked up once, not once a state."""
        self._numbers: dict[int, int] = {}

    def dump(self, machine: Machine) -> bytes:
        stream = io.BytesIO()
        pickler = pickle.Pickler(stream, pickle.HIGHEST_PROTOCOL)
        pickler.dispatch_table = self._table
        with collector_at_rest():
            pickler.dump(machine)
        return stream.getvalue()

    def load(self, state: bytes) -> object:
        with collector_at_rest():
            return _Unpickler(state, self._objects, self._classes).load()

    def _reduce(self, constant: object) -> tuple[Callable[[int], object], tuple[int]]:
        number = self._numbers.get(id(constant))
        if number is None:
            number = self._numbers[id(constant)] = len(self._objects)
            self._objects.append(constant)
        return _constant, (number,)


def _reduced_pages(pages: PageSet) -> str | tuple[object, ...]:
    """Most sets of pages are empty: a new one stands for each."""
    return (type(pages), ()) if _is_empty(pages) else pages.__reduce_ex__(pickle.HIGHEST_PROTOCOL)


def _is_empty(pages: PageSet) -> bool:
    return not pages.count and not (
        isinstance(pages, CachedPages) and (pages.changed or pages.large or pages.readahead)
    )


def _reduced_inode(inode: Inode) -> tuple[object, ...]:
    """Of most files most fields are as of a new one: only the others are kept."""
    told = {}
    for name, usual in _USUAL:
        value = getattr(inode, name)
        if value is not usual and value != usual and not (isinstance(value, PageSet) and _is_empty(value)):
            told[name] = value
    return Inode, tuple([getattr(inode, name) for name in _GIVEN]), (None, told)


_GIVEN: Final = tuple(one.name for one in fields(Inode) if one.default is one.default_factory is MISSING)
_NEW: Final = Inode(*(None for _ in _GIVEN))  # type: ignore[arg-type]
_USUAL: Final = tuple((one.name, getattr(_NEW, one.name)) for one in fields(Inode) if one.name not in _GIVEN)
"""What the other fields of a file are at first."""


def _constant(number: int) -> object:
    """Stands in a pickle for a constant; `_Unpickler` puts its own look-up in the place of this function."""
    raise LookupError(number)


class _Unpickler(pickle.Unpickler):
    def __init__(self, state: bytes, constants: list[object], known: dict[tuple[str, str], Any]) -> None:
        super().__init__(io.BytesIO(state))
        self._constants = constants
        self._known = known

    def find_class(self, module: str, name: str, /) -> Any:
        if name == _constant.__name__ and module == __name__:
            return self._constants.__getitem__
        found = self._known.get((module, name))
        if found is None:
            found = self._known[module, name] = super().find_class(module, name)
        return found
