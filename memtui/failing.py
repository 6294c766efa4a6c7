"""What goes wrong is said in one line on stderr, and by the exit status."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from memtui.model.errors import MemtuiError

_NOT_WRITTEN: Final = frozenset({errno.ENOSPC, errno.EIO, errno.EBADF, errno.EDQUOT, errno.EFBIG})
"""Why stdout may take no more."""


@contextmanager
def failing() -> Iterator[None]:
    """Around all that the program does.

    Raises:
        SystemExit: 1, a source that cannot be had or a stdout that takes no more; 141, a reader that went away.
    """
    try:
        yield
    except MemtuiError as error:
        complain(str(error))
        sys.exit(1)
    except BrokenPipeError:
        # The reader (head, less) has what it wants; keep the interpreter from flushing into the closed pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        if error.errno not in _NOT_WRITTEN or error.filename is not None:
            raise
        complain(f"stdout: {error.strerror}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def complain(text: str) -> None:
    """One line, whatever the text has in it."""
    if sys.stderr is not None:
        line = text.encode("utf-8", "backslashreplace").decode().replace("\n", "\\n")
        sys.stderr.write(f"memtui: {line}\n")
