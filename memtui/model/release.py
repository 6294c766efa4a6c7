"""Kernel releases ("6.18.44-generic") as numbers."""

import re


def version_of(release: str) -> tuple[int, int, int]:
    """Of "6.18.44-x" 6, 18 and 44; a third number that is not there is 0.

    Raises:
        ValueError: there is no version number in `release`.
    """
    match = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", release)
    if match is None:
        raise ValueError(f"not a kernel release: {release!r}")
    return int(match[1]), int(match[2]), int(match[3] or 0)


def at_least(release: str, *version: int) -> bool:
    """Whether a kernel is of this version or newer; a release that says nothing is taken for a new one."""
    try:
        return version_of(release) >= version
    except ValueError:
        return True
