"""ltrace -S: system calls that stand between the two halves of the allocator's function that makes them."""

from collections.abc import Sequence
from typing import Final

from memtui.trace.line import Call, Statement

ALLOCATOR: Final = frozenset(
    {"malloc", "calloc", "realloc", "free", "memalign", "aligned_alloc", "posix_memalign", "mallopt", "malloc_trim"}
)


def with_makers(statements: Sequence[Statement]) -> list[Statement]:
    """Name the function of each call that an open function of the same process makes. O(statements)."""
    named = list(statements)
    for index, statement in enumerate(statements):
        call = statement.what
        if not isinstance(call, Call) or call.name not in ALLOCATOR or not statement.opened:
            continue
        for before in range(index - 1, -1, -1):
            if statements[before].line < statement.opened:
                break
            if statements[before].pid == statement.pid and isinstance(statements[before].what, Call):
                named[before] = statements[before]._replace(inside=call.name)
    return named
