"""What a memory cgroup with a limit has taken of it."""

from typing import NamedTuple


class GroupRoom(NamedTuple):
    """A memory cgroup with a limit."""

    name: str
    """Relative to its mount, with a leading slash."""
    usage: int
    """KiB that are charged to it and the groups below: memory.current, v1 memory.usage_in_bytes."""
    limit: int
    """KiB: memory.max, v1 memory.limit_in_bytes."""
