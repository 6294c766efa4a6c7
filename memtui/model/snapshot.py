"""The one frozen picture that a source hands to the screen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from memtui.model.oom import rank

if TYPE_CHECKING:
    from memtui.model.cgroup import GroupRoom
    from memtui.model.content import Content
    from memtui.model.event import Event
    from memtui.model.mm import MmSnapshot
    from memtui.model.oom import OomDomain, Verdict
    from memtui.model.oom_legacy import LegacyTask
    from memtui.model.sharing import Sharing
    from memtui.model.step import StepLog
    from memtui.model.system import SystemSnapshot
    from memtui.model.task import Task

NO_LEGACY: Final["Mapping[int, LegacyTask]"] = MappingProxyType({})
"""Always the same object, so that nothing is drawn again for it."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Compared by identity: a part that did not change is the same object as before."""

    source: str
    """ "live" or "sim"."""
    title: str
    """What is looked at: "4242 postgres", "first-malloc"."""
    system: "SystemSnapshot"
    tasks: "tuple[Task, ...]" = ()
    """Every process, in the order of the kernel's walk (creation)."""
    domain: "OomDomain | None" = None
    """Whom the OOM ranking is about; None: the machine's total is unknown."""
    mm: "MmSnapshot | None" = None
    """The process in focus; None: none chosen, or it has no address space (see unknown["mm"])."""
    steps: "StepLog | None" = None
    """None for a live source."""
    events: "tuple[Event, ...]" = ()
    """Of the step that led here."""
    stale: str | None = None
    """Why this picture is no longer current ("process 4242 exited"), or None."""
    cost_ms: float | None = None
    """What taking it cost."""
    unknown: Mapping[str, str] = field(default_factory=dict)
    """What could not be had -> why."""
    sharing: "Sharing | None" = None
    """What processes share; None: nobody asked (`request.ShowSharing`), or unknown["sharing"] says why."""
    content: "Content | None" = None
    """The bytes of the page that was asked for (`request.Peek`)."""
    legacy: "Mapping[int, LegacyTask]" = field(default_factory=lambda: NO_LEGACY)
    """By pid, what badness() of 2.6.32 would read; empty: nobody asked (`request.ShowOldRule`)."""
    group: "GroupRoom | None" = None
    """The memory cgroup with the least room among that of the process in focus, or the one that is ranked, and those
    above it; None: none has a limit, or none can be seen."""

    @property
    def candidates(self) -> "tuple[Task, ...]":
        """The tasks among which the killer chooses in `domain`, in the order of its walk."""
        members = self.domain.members if self.domain is not None else None
        if members is None:
            return self.tasks
        known = {task.pid: task for task in self.tasks}
        return tuple(known[pid] for pid in members if pid in known)

    @property
    def ranking(self) -> "tuple[Verdict, ...]":
        """The candidates by this kernel's rule, the first to die first; empty: there is no total to measure against."""
        totalpages = self.system.totalpages
        if self.domain is None or not totalpages or self.domain.pages <= 0:
            return ()
        return rank(self.candidates, self.domain.pages, totalpages, self.system.oom_rule)
