"""Lines of the trace language that keys build."""

from memtui.model.address import page_down
from memtui.model.vma import Vma


class Allocations:
    """Names for the allocations that the user makes, so that they can be freed again."""

    def __init__(self) -> None:
        self._names = 0
        self._live: list[tuple[str, int]] = []

    def malloc_line(self, size: str) -> tuple[str, str]:
        """A name that was not used before, and the line that allocates `size`, as typed: "100K"."""
        self._names += 1
        name = f"m{self._names}"
        return name, f"{name} = malloc({size})"

    def made(self, name: str, step: int) -> None:
        """The line ran, as the step of this number."""
        self._live.append((name, step))

    def latest(self, cursor: int) -> str | None:
        """The name of the latest allocation that is not freed, `cursor` steps having run."""
        return next((name for name, step in reversed(self._live) if step <= cursor), None)

    def freed(self, name: str) -> None:
        """It was freed."""
        self._live = [entry for entry in self._live if entry[0] != name]


def touch_line(address: int) -> str:
    """The line that writes to the page of the byte `address`."""
    return f"touch({page_down(address):#x}, 1, WRITE)"


def mmap_line(size: str) -> str:
    """The line that maps `size`, as typed, of private anonymous memory."""
    return f"mmap(NULL, {size}, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)"


def munmap_line(vma: Vma) -> str:
    """The line that unmaps all of a VMA."""
    return f"munmap({vma.start:#x}, {vma.size})"
