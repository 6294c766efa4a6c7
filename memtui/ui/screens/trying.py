"""The keys that try something on a simulated process: each builds a line of the trace language and runs it."""

from collections.abc import Callable

from memtui.model.request import Inject
from memtui.model.snapshot import Snapshot
from memtui.model.vma import Vma
from memtui.ui.inject import Allocations, mmap_line, munmap_line, touch_line
from memtui.ui.screens.waiting import WaitingScreen


class TryingScreen(WaitingScreen):
    """What the lines name comes from the cursor, or from the user."""

    def __init__(self) -> None:
        super().__init__()
        self._allocations = Allocations()

    @property
    def under_cursor(self) -> Vma | None:
        """The VMA that the cursor is on."""
        raise NotImplementedError

    def run_line(self, line: str, then: Callable[[Snapshot, int], None] | None = None) -> None:
        """Run a line as the next step; `then` hears which number it got."""

        def ran(now: Snapshot) -> None:
            number = now.steps.cursor if now.steps is not None else 0
            self.inserted(number)
            if then is not None:
                then(now, number)

        self.ask(Inject(line), ran)

    def action_malloc(self) -> None:
        """Allocate."""
        self.prompt("malloc how much?", self._malloc, value="100K")

    def _malloc(self, size: str) -> None:
        name, line = self._allocations.malloc_line(size)
        self.run_line(line, lambda now, number: self._allocations.made(name, number))

    def action_free(self) -> None:
        """Free the latest allocation of `malloc`."""
        log = self.trace
        name = self._allocations.latest(log.cursor) if log is not None else None
        if name is None:
            self.notify("nothing to free: m allocates first", markup=False)
        else:
            self._allocations.freed(name)
            self.run_line(f"free({name})")

    def action_touch(self) -> None:
        """Write to the page under the cursor."""
        if self.address is not None:
            self.run_line(touch_line(self.address))

    def action_mmap(self) -> None:
        """Map anonymous memory."""
        self.prompt("mmap how much?", lambda size: self.run_line(mmap_line(size)), value="1M")

    def action_munmap(self) -> None:
        """Unmap the VMA under the cursor."""
        vma = self.under_cursor
        if vma is None:
            self.notify("nothing to unmap: the cursor is on no VMA", timeout=3)
        else:
            self.run_line(munmap_line(vma))

    def action_fork(self) -> None:
        """Fork."""
        self.run_line("fork()")

    def action_exit(self) -> None:
        """End the process."""
        self.run_line("exit_group(0)")

    def action_inject(self) -> None:
        """Run a line of the trace language."""
        self.prompt(
            "run", self.run_line, hint="mmap(NULL, 64K, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)"
        )
