"""How much of a mapped file is in the page cache, whoever brought it there."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from memtui.model.sharing import FileId


class FileCache(NamedTuple):
    """One file. Pages; None: not told, `why` says why."""

    path: str
    """As maps prints it."""
    start: int | None
    """Where its first VMA begins, bytes; None: the process does not map it."""
    size: int | None = None
    cached: int | None = None
    dirty: int | None = None
    writeback: int | None = None
    evicted: int | None = None
    """Dropped since it was cached, as far as the kernel remembers."""
    why: str = ""
    file: "FileId | None" = None
    asked: bool = False
    """Whether the user asked for it by its path."""
