"""Lines of the trace language that keys build, and what / looks for."""

from memtui.model.mm import MmSnapshot


class Allocations:
    """Names for the allocations that `m` makes, so that `f` can free them."""

    def __init__(self) -> None:
        self._made = 0
        self._live: list[str] = []

    def malloc(self, size: str) -> str:
        """The line that allocates `size`, as typed: "100K"."""
        self._made += 1
        name = f"m{self._made}"
        self._live.append(name)
        return f"{name} = malloc({size})"

    def free(self) -> str | None:
        """The line that frees the latest allocation, or None."""
        return f"free({self._live.pop()})" if self._live else None


def find(mm: MmSnapshot, wanted: str, here: int) -> int | None:
    """The address that `wanted` names: hex digits, or part of a VMA's label; the next one above `here`, then around."""
    named = [vma.start for vma in mm.vmas if wanted.casefold() in vma.name.casefold()]
    if named:
        return next((start for start in named if start > here), named[0])
    try:
        return int(wanted, 16)
    except ValueError:
        return None
