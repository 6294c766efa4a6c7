"""Models the history of mm/oom_kill.c and fs/proc/base.c since 2.6.36: what a kernel's version changes in the rule."""

from functools import lru_cache
from typing import Final, NamedTuple

from memtui.model.release import at_least


class OomRule(NamedTuple):
    """What oom_badness(), those who ask it and /proc/PID/oom_score do; the defaults are 6.18's."""

    table_levels: int = 3
    """Page tables that count as memory, from the PTE tables up; VmPTE of status counts the same, less VmPMD."""
    root_bonus: int = 0
    """Per cent of its pages that a process with CAP_SYS_ADMIN is forgiven (3.14 to 4.16)."""
    root_adj: int = 0
    """What CAP_SYS_ADMIN takes off oom_score_adj instead (before 3.14)."""
    in_thousandths: bool = False
    """Points are thousandths of the domain, 1 to 1000, and no pages (before 3.5)."""
    at_least_one: bool = False
    """Whoever can be killed has a point at least, and oom_score is 1000 x points / total pages (before 5.9)."""
    earlier_of_equals: bool = False
    """Of equals the one created first dies, not the last (before 5.3)."""
    child_dies: bool = False
    """The child with the most points that has memory of its own dies in its parent's place (before 5.2)."""

    @property
    def asks_for_root(self) -> bool:
        """Whether CAP_SYS_ADMIN matters."""
        return bool(self.root_bonus or self.root_adj)


NOW: Final = OomRule()

_HISTORY: Final[tuple[tuple[tuple[int, ...], dict[str, int | bool]], ...]] = (
    ((5, 9), {"at_least_one": True}),
    ((5, 3), {"earlier_of_equals": True}),
    ((5, 2), {"child_dies": True}),
    ((4, 17), {"root_bonus": 3}),
    ((4, 15), {"table_levels": 2}),
    ((4, 0), {"table_levels": 1}),
    ((3, 14), {"root_bonus": 0, "root_adj": 30}),
    ((3, 5), {"in_thousandths": True}),
    ((2, 6, 39), {"table_levels": 0}),
)
"""Version -> how the kernels before it differ, newest first."""
_LONGTERM: Final = ((3, 4), (3, 10), (3, 12), (3, 13))
"""Stable kernels that took over root's share of 3.14 soon after it came; their earliest releases are not told apart."""


@lru_cache(maxsize=8)
def rule_of(release: str) -> OomRule:
    """The rule of a kernel release; before 2.6.36 see `oom_legacy`, which is another one altogether."""
    rule = NOW
    for version, change in _HISTORY:
        if not at_least(release, *version):
            rule = rule._replace(**change)  # type: ignore[arg-type]
    if any(at_least(release, *line) and not at_least(release, line[0], line[1] + 1) for line in _LONGTERM):
        rule = rule._replace(root_bonus=3, root_adj=0)
    return rule
