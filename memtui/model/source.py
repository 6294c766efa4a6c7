"""What every source of snapshots looks like."""

from typing import Protocol

from memtui.model.request import Request
from memtui.model.snapshot import Snapshot


class Source(Protocol):
    """A live process, a simulation, a recording. Called from one thread at a time."""

    @property
    def accepts(self) -> frozenset[type[Request]]:
        """The requests that `apply` understands; the keys of others are greyed."""
        ...

    def apply(self, request: Request) -> Snapshot:
        """Do what is asked and give the picture after it.

        Raises:
            SourceError: it cannot be had; the source stays usable and the last picture stays true as of then.
        """
        ...

    def close(self) -> None:
        """Let go of descriptors and threads; further calls of apply are an error."""
        ...
