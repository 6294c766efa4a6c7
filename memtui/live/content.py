"""The bytes of one page of a process, read without stopping it and without bringing anything into memory."""

from memtui.live.heap_memory import ProcessMemory, TornError
from memtui.live.procfs import Procfs
from memtui.model.address import PAGE_SIZE
from memtui.model.content import Content
from memtui.model.errors import SourceError


def read_content(procfs: Procfs, folder: str, page: int) -> Content:
    """One page.

    To read a page that is not there would put one there (get_user_pages faults it in), and the picture would show
    what memtui did, not what the process did.

    Args:
        procfs: the tree to read.
        folder: of the process: "4242".
        page: its address.
    """
    try:
        with ProcessMemory.opened(procfs, folder) as memory:
            if not memory.present(page, page + PAGE_SIZE):
                return Content(page, None, "no page is there: to read it would bring one into memory")
            if not memory.present(page, page + PAGE_SIZE, swapped=False):
                return Content(page, None, "the page is on swap: to read it would bring it back into memory")
            return Content(page, memory.read(page, PAGE_SIZE))
    except TornError:
        return Content(page, None, "the kernel lets nobody read this page: not mapped, or memory of a device")
    except SourceError as error:
        return Content(page, None, str(error))
