"""How the dynamic linker gives up."""

from collections.abc import Sequence
from typing import Final

ENOENT: Final = 2
EACCES: Final = 13


class LoadError(Exception):
    """_dl_signal_error(): what it says of which object, and the errno that belongs to it (0: none)."""

    def __init__(self, name: str, text: str, errno: int = 0) -> None:
        self.name = name
        self.text = text
        self.errno = errno
        super().__init__(f"{name}: {text}")


class NotModelled(Exception):
    """The program asks the dynamic linker for something that is not simulated; the text says for what."""


class NotFound(LoadError):
    """There is no file of that name, or none for this machine."""


class UsageError(Exception):
    """The dynamic linker's own command line is wrong; the argument is what it says of it, in pieces."""

    def __init__(self, parts: Sequence[str]) -> None:
        self.parts = parts
        super().__init__("".join(parts))
