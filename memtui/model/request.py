"""Everything a source can be asked for. A closed union: a source says in `accepts` what it understands."""

from typing import NamedTuple


class Refresh(NamedTuple):
    """Look again (live), or give the current picture (simulated)."""

    whole: bool = True
    """False: if it is the first look at very many VMAs, only at as many as are soon there (`MmSnapshot.read_to`)."""


class Focus(NamedTuple):
    """Show another process."""

    pid: int


class Step(NamedTuple):
    """Go `steps` steps forward; stops at the end."""

    steps: int = 1


class Back(NamedTuple):
    """Go `steps` steps back; stops at the start."""

    steps: int = 1


class Seek(NamedTuple):
    """Go to the state after step `number`; 0 is before the first, beyond the end is the end."""

    number: int


class Inject(NamedTuple):
    """Run one line of the trace language now, as the step behind the cursor."""

    line: str


class ShowHeap(NamedTuple):
    """Have the heap in this picture and those that follow, or leave it out again.

    A large heap is read piece by piece: as long as `HeapView.progress` is not None the same request goes on with it.
    """

    wanted: bool = True


class Peek(NamedTuple):
    """Read the page at `page` of the process in focus, now and with every further picture; None: no more."""

    page: int | None


class Examine(NamedTuple):
    """Look at the pages around `address` one by one, now and with every further picture; None: no more."""

    address: int | None


class Measure(NamedTuple):
    """Read what is too dear to be read at each look: the smaps figures of every VMA."""


class ShowSharing(NamedTuple):
    """Have what the machine's processes share in this picture and those that follow, or leave it out again."""

    wanted: bool = True


class ShowOldRule(NamedTuple):
    """Have what the OOM killer before 2.6.36 would read of each process in this picture and those that follow."""

    wanted: bool = True


class RankGroup(NamedTuple):
    """Rank only the processes of the memory cgroup that leaves the process in focus the least room, or all again."""

    wanted: bool = True


class WatchFile(NamedTuple):
    """Tell what of the file `path` is in the page cache, with every picture; asked again: no more."""

    path: str


class SetOomScoreAdj(NamedTuple):
    """Write oom_score_adj of `pid`: the one thing that memtui ever writes to the kernel."""

    pid: int
    value: int


Request = (
    Refresh
    | Focus
    | Step
    | Back
    | Seek
    | Inject
    | ShowHeap
    | Peek
    | Examine
    | Measure
    | ShowSharing
    | ShowOldRule
    | RankGroup
    | WatchFile
    | SetOomScoreAdj
)
