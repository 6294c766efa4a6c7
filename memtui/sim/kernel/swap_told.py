"""What a step says about the pages that it brought back from swap: one sentence, however many faults there were."""

from typing import Final

_NAMED: Final = 3
"""Runs of slots that are named."""


class Told:
    """The swap-ins of one call."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._sentence = ""
        self._clear()

    def _clear(self) -> None:
        self._slots: list[tuple[int, int]] = []
        """First and last of each run."""
        self._read = self._ahead = self._found = self._kept = 0

    def run(self, slot: int, count: int, *, found: int = 0, kept: int = 0, ahead: int = 0) -> None:
        """The pages of a run of slots came back.

        Args:
            slot: the first one's number.
            count: how many.
            found: so many were in the swap cache.
            kept: so many have their slots still.
            ahead: so many were read with others, before they were asked for.
        """
        if self._slots and self._slots[-1][1] + 1 == slot:
            self._slots[-1] = self._slots[-1][0], slot + count - 1
        else:
            self._slots.append((slot, slot + count - 1))
        self._found += found
        self._read += count - found
        self._kept += kept
        self._ahead += ahead

    def begin(self, why: list[str]) -> None:
        """Another call begins if what was said of the last one is not in `why`, the rules that decided this one."""
        if self._sentence not in why:
            self._sentence = ""
            self._clear()

    def end(self, why: list[str]) -> None:
        """Put the sentence there, or in the place of the shorter one that is there."""
        before, self._sentence = self._sentence, self._told()
        if before:
            why[why.index(before)] = self._sentence
        else:
            why.append(self._sentence)

    def _told(self) -> str:
        runs = [f"{first:,}" if first == last else f"{first:,} to {last:,}" for first, last in self._slots[:_NAMED]]
        more = f" and {len(self._slots) - _NAMED:,} more runs" if len(self._slots) > _NAMED else ""
        parts = [f"{self._read:,} read from {self._device}"] if self._read else []
        parts += [f"{self._ahead:,} ahead of their use (vm.page-cluster)"] if self._ahead else []
        parts += [f"{self._found:,} found in the swap cache"] if self._found else []
        free = self._read + self._found - self._kept
        parts += [f"{self._kept:,} keep their slots"] if self._kept else []
        parts += [f"{free:,} slots are free now"] if free else []
        numbers = "slot" if runs == [str(self._slots[0][0])] else "slots"
        return f"swap-in of {numbers} {', '.join(runs)}{more}: {', '.join(parts)}"
