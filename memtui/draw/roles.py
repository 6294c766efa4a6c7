"""Every role that a drawing uses, with its meaning. A theme gives each one a colour."""

from collections.abc import Mapping
from typing import Final

from memtui.model.pages import Residence

PART: Final = ".part"
"""Ending of a residence's lighter role: a cell of which less than half of the pages are there."""

_RESIDENCES: dict[str, str] = {
    "residence.anon": "pages without a file: heap, bss, stack, private after a write",
    "residence.page_cache": "pages of a file",
    "residence.shmem": "tmpfs, shared anonymous, SysV and POSIX shared memory, memfd",
    "residence.zero": "read before written: the shared zero page",
    "residence.swapped": "out on swap",
    "residence.absent": "mapped, never touched",
    "residence.guard": "a guard marker: an access is SIGSEGV",
    "residence.unknown": "present, but of an unknown kind; or not measured at all",
}

ROLES: Final[Mapping[str, str]] = {
    "text": "plain text",
    "text.dim": "what is there but should not catch the eye: units, punctuation, unknown figures",
    "text.strong": "the one thing of a row to see first",
    "title": "a heading inside a pane",
    "key": "the name of a figure, or a key to press",
    "value": "a figure",
    "error": "what went wrong, in words",
    "header": "the line on top of the screen",
    "header.name": "the program's name in it",
    "header.source": "live or sim",
    "header.title": "what is looked at",
    "header.stale": "the picture is no longer current",
    **_RESIDENCES,
    **{
        f"residence.{residence.value}{PART}": f"{residence.value} in less than half of the cell's pages"
        for residence in Residence
        if residence is not Residence.ABSENT
    },
    "map.address": "the start of a VMA",
    "map.address.dim": "the start of a row inside a VMA",
    "map.edge": "the bracket around the rows of a VMA",
    "map.label": "a VMA that maps a file",
    "map.label.again": "the same file as the VMA above it",
    "map.label.anon": "a VMA without a file",
    "map.label.special": "[heap], [stack], [vdso]: named by the kernel",
    "map.size": "the size of a VMA",
    "map.perms": "the permissions of a VMA",
    "map.perms.exec": "permissions with x",
    "map.perms.wx": "permissions with w and x",
    "map.hole": "a hole",
    "map.scale": "what a row and a cell stand for",
    "map.cursor": "the cell under the cursor",
    "map.cursor.row": "the row under the cursor",
    "map.changed": "changed since the last look",
    "bar.free": "free memory",
    "bar.slab": "the kernel's slabs",
    "bar.page_tables": "page tables",
    "bar.kernel": "kernel stacks and per-CPU memory",
    "bar.hugetlb": "memory set aside for hugetlbfs",
    "bar.rest": "memory that no counter tells",
    "bar.commit": "memory promised: Committed_AS",
    "bar.commit.over": "more promised than CommitLimit",
    "bar.empty": "the part of a bar that is not filled",
    "heap.used": "a chunk in use",
    "heap.tcache": "a chunk in a thread's cache",
    "heap.fastbin": "a chunk in a fastbin",
    "heap.free": "a chunk in the unsorted, a small or a large bin",
    "heap.top": "the free end of a heap",
    "heap.mmapped": "a chunk with a mapping of its own",
    "heap.tcache_struct": "the allocator's own: the lists of a thread's cache",
    "heap.fencepost": "the allocator's own: the end of a region that the heap has left",
    "heap.torn": "not known, because the process went on while it was read",
    "oom.head": "the heads of the columns",
    "oom.row": "a process that could be killed",
    "oom.victim": "the process that would be killed first",
    "oom.never": "a process that is never killed",
    "oom.differs": "the kernel's own oom_score differs from the computed one",
    "oom.agrees": "the kernel's own oom_score is the computed one",
    "step.number": "the number of a step",
    "step.current": "the step that ran last",
    "step.done": "a step before it",
    "step.todo": "a step to come",
    "step.made": "a step, or a call inside malloc, that the model made itself",
    "step.result": "the result of a call",
    "step.why": "the rule that decided the result",
    "step.narration": "the story around a step",
    "step.chapter": "the title of a chapter",
    "event.failure": "a call that failed",
    "event.signal": "a signal",
    "event.oom_kill": "a kill by the OOM killer",
    "event.divergence": "the recorded result and the predicted one differ",
    "event.no_effect": "a call that is kept without effect",
    "event.note": "a remark",
}
"""Role -> what it means: the complete list."""
