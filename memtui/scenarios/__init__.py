"""The built-in demos: one story a .trace file."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

_SUMMARIES: Final = MappingProxyType(
    {
        "exec": "a program starts: each segment becomes a VMA, then the dynamic linker brings the libraries",
        "first-malloc": "the first malloc moves the break, and the kernel makes a heap",
        "brk-and-mmap": "the heap grows by brk, large blocks come by mmap, and where the border lies",
        "free-and-trim": "what free gives back to the kernel, and what it keeps",
        "allocators": "the same calls under glibc's malloc, jemalloc and tcmalloc, side by side",
        "demand-paging": "16 MiB asked for, and pages that come only when they are touched",
        "exit": "exit gives everything back, whoever forgot to free it; what files keep stays",
        "oom": "memory runs out, and the process with the most of it dies",
        "oom-then-and-now": "one out of memory, judged by today's rule and by that of 2.6.32",
        "oom-vip": "oom_score_adj and oom_adj: who is exempt, and who goes first",
        "oom-cgroup": "a memory cgroup runs out, on a machine with plenty of memory",
        "overcommit": "the same promises under the three modes of vm.overcommit_memory",
        "shared-file": "two processes map a file, and its pages are in memory once",
        "copy-on-write": "a write to a private mapping, or after a fork, copies the page",
        "anonymous": "memory without a file: how it comes, and the few ways it goes",
        "shared-anonymous": "memory that a parent and its child share without a file",
        "drop-caches": "what echo N > drop_caches frees, with sync and without",
        "tmpfs": "files that live in memory: no sync, no dropping, but swap",
        "shm-leak": "shared memory that outlives every process",
        "kswapd": "watermarks, the LRU lists, and what reclaim takes first",
        "swappiness": "anonymous memory against page cache, at 0, 60, 100 and 200",
        "tour": "the whole story in one sitting: from exec to out of memory",
    }
)
_CHAPTERS: Final = MappingProxyType(
    {
        "1  From exec to exit": (
            "exec",
            "first-malloc",
            "brk-and-mmap",
            "allocators",
            "demand-paging",
            "free-and-trim",
            "exit",
        ),
        "2  Out of memory": ("oom", "oom-then-and-now", "oom-vip", "oom-cgroup", "overcommit"),
        "3  Where pages live": ("shared-file", "copy-on-write", "anonymous", "shared-anonymous"),
        "4  How memory comes back": ("drop-caches", "tmpfs", "shm-leak", "kswapd", "swappiness"),
        "All of it": ("tour",),
    }
)
_NAMES: Final = tuple(_SUMMARIES)


def scenario_names() -> tuple[str, ...]:
    """The names, in the order in which they are offered."""
    return _NAMES


def scenario_summary(name: str) -> str:
    """What it shows, in a few words."""
    return _SUMMARIES[name]


def scenario_chapters() -> Mapping[str, tuple[str, ...]]:
    """The headings under which the scenarios stand, and their names, in the order of the story."""
    return {title: tuple(name for name in names if name in _SUMMARIES) for title, names in _CHAPTERS.items()}


def scenario_story(name: str) -> str:
    """What it tells: the titles of its parts, each with the first sentence under it; a paragraph a line.

    Raises:
        KeyError: there is no such scenario.
    """
    text = re.sub(r"\n# ", " ", re.sub(r"^(##.*)\n+# ", r"\1: ", scenario_text(name), flags=re.MULTILINE))
    parts = (line.removeprefix("## ") for line in text.splitlines() if line.startswith("## "))
    return "\n".join(re.sub(r"(: .*?\.) .*", r"\1", part) for part in parts)


def scenario_text(name: str) -> str:
    """The text of the trace.

    Raises:
        KeyError: there is no such scenario.
    """
    if name not in _NAMES:
        raise KeyError(name)
    return Path(__file__).with_name(f"{name}.trace").read_text(encoding="utf-8")
