"""What is in a page of a simulated process, as far as a simulation knows it."""

from collections.abc import Iterator

from memtui.draw.cells import runs_within
from memtui.draw.fit import safe
from memtui.draw.why_page import page_fields
from memtui.model.address import PAGE_SIZE
from memtui.model.content import Content
from memtui.model.pages import Residence
from memtui.model.step import StepLog
from memtui.model.vma import Vma, VmaKind

_WHY = (
    "A simulation knows which pages there are, and what for, but not the bytes in them: a step says that memory is "
    "written, not with what. The bytes of a live process can be read: memtui PID."
)
_NOT_READ = frozenset({Residence.GUARD, Residence.SWAPPED})


def simulated_content(vma: Vma, page: int, log: StepLog | None) -> Content:
    """A page without bytes; why there are none, and what is known of them, in words.

    Args:
        vma: whose page.
        page: its address.
        log: the steps: which of them touched it.
    """
    return Content(page, None, "\n".join([_WHY, "", *_known(vma, page, log)]))


def _known(vma: Vma, page: int, log: StepLog | None) -> Iterator[str]:
    run = next(iter(runs_within(vma.runs or (), page, page + PAGE_SIZE)), None)
    residence = Residence.ABSENT if run is None else run.residence
    of_file = f"{safe(vma.name)} from byte {vma.offset + page - vma.start:,} on"
    if vma.runs is not None and residence not in _NOT_READ and not vma.perms.startswith("---"):
        if residence is Residence.ZERO or (residence is Residence.ABSENT and not vma.inode):
            if vma.kind is VmaKind.ANON or vma.kind in (VmaKind.HEAP, VmaKind.STACK):
                yield "Whoever reads it gets 4,096 zeros."
        elif vma.kind is VmaKind.FILE and residence is Residence.ANON:
            yield f"A copy of {of_file}, with what the process has written since."
        elif vma.kind is VmaKind.FILE:
            yield f"The bytes of {of_file}, with what anyone has written to it since."
    for key, words in page_fields(vma, page, log):
        yield f"{key}: {words}"
