"""What can go wrong with a source, and what the user can do about it.

MemtuiError
Cancelled
SourceError
ProcessGone
AccessDenied
NotSupported
ParseError
"""

from typing import Final


class MemtuiError(Exception):
    """A failure with one line for the user: what, where, and what would help."""

    def __init__(self, what: str, *, hint: str = "") -> None:
        self.what = what
        self.hint = hint
        super().__init__(f"{what} ({hint})" if hint else what)


class Cancelled(MemtuiError):
    """The user stopped slow work. No failure of the source: nothing that goes on without a figure goes on with this."""


class SourceError(MemtuiError):
    """The source cannot give what was asked."""


class ProcessGone(SourceError):
    """No such process, or it exited while it was looked at."""


class AccessDenied(SourceError):
    """The kernel refuses; the hint names what would grant it."""


class NotSupported(SourceError):
    """This kernel, process or source has no such thing (kernel threads have no address space)."""


LONGEST: Final = 400
"""Characters of what is wrong with a file."""


class ParseError(SourceError):
    """A file is not what it should be. `line` and `column` count from 1; 0 when there is none."""

    def __init__(self, what: str, *, file: str = "", line: int = 0, column: int = 0, hint: str = "") -> None:
        self.file, self.line, self.column = file, line, column
        if len(what) > LONGEST:  # it quotes the file
            what = what[:LONGEST] + "..."
        place = ":".join(str(part) for part in (file, line, column) if part)
        super().__init__(f"{place}: {what}" if place else what, hint=hint)
