"""What is in a page."""

from typing import NamedTuple


class Content(NamedTuple):
    """The bytes of one page of the process in focus."""

    page: int
    """Its address."""
    data: bytes | None
    """All of it; None: not read."""
    why: str = ""
    """Why it was not read, and what would help."""
