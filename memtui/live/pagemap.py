"""Models pagemap_read of fs/proc/task_mmu.c: the same ranges as PAGEMAP_SCAN from the plain file, page by page."""

import os
import re
from array import array
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from memtui.live.pagemap_scan import (
    PAGE_IS_FILE,
    PAGE_IS_GUARD,
    PAGE_IS_PFNZERO,
    PAGE_IS_PRESENT,
    PAGE_IS_SWAPPED,
    PageRange,
)
from memtui.live.procfs import Procfs
from memtui.model.address import PAGE_SHIFT, PAGE_SIZE
from memtui.model.errors import SourceError

PAGE_IS_UNSURE: Final = 1 << 32
"""No bit of the kernel's: a present page of no file that is not exclusive, which may be the zero page or anonymous
memory shared with a fork; without CAP_SYS_ADMIN the frame number that would tell is hidden."""

MAX_PAGES: Final = (16 << 30) >> PAGE_SHIFT
"""The largest VMA that is read page by page: 16 GiB take 32 MiB of pagemap."""

_ENTRY: Final = 8
_CHUNK_PAGES: Final = 1 << 15
_PFN: Final = (1 << 55) - 1
_EQUAL: Final = re.compile(rb"([^\0])\1*", re.DOTALL)
_EXCLUSIVE, _GUARD, _FILE, _SWAP, _PRESENT = 0x01, 0x04, 0x20, 0x40, 0x80
"""Bits 56, 58, 61, 62 and 63 of an entry, in its highest byte; bit 57 (uffd write-protected) says nothing here."""


def walk(fd: int, start: int, end: int, zero_pfn: int | None) -> Iterator[PageRange]:
    """The ranges of one VMA that are present or swapped; huge entries are not told from small ones.

    Args:
        fd: an open /proc/PID/pagemap.
        start: first byte of the VMA.
        end: behind its last byte.
        zero_pfn: the frame of the zero page (`find_zero_pfn`), None if frames are hidden.

    Raises:
        OSError: the process is gone (ESRCH), or anything else.
    """
    for chunk in range(start, end, _CHUNK_PAGES << PAGE_SHIFT):
        pages = min(_CHUNK_PAGES, (end - chunk) >> PAGE_SHIFT)
        entries = os.pread(fd, pages * _ENTRY, (chunk >> PAGE_SHIFT) * _ENTRY)
        for match in _EQUAL.finditer(entries[_ENTRY - 1 :: _ENTRY]):
            first, last = match.span()
            frames = entries[first * _ENTRY : last * _ENTRY]
            for begin, stop, categories in _pieces(match[1][0], frames, zero_pfn):
                if categories:
                    base = chunk + (first << PAGE_SHIFT)
                    yield base + (begin << PAGE_SHIFT), base + (stop << PAGE_SHIFT), categories


def find_zero_pfn(procfs: Procfs) -> int | None:
    """The frame number of the shared zero page, from a page of our own that is only read; None if hidden."""
    import ctypes  # which is slow to import, and only kernels without PAGEMAP_SCAN need it
    import mmap

    with mmap.mmap(-1, PAGE_SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as page:
        page.read(1)  # a read alone maps the zero page
        view = ctypes.c_char.from_buffer(page)
        offset = (ctypes.addressof(view) >> PAGE_SHIFT) * _ENTRY
        try:
            with procfs.opened("self/pagemap") as fd:
                entry = os.pread(fd, _ENTRY, offset)
        except SourceError:
            return None
        finally:
            del view  # or the mapping could not be closed
    return (int.from_bytes(entry, "little") & _PFN) or None


def _pieces(top: int, frames: bytes, zero_pfn: int | None) -> Iterator[tuple[int, int, int]]:
    """Split pages of one highest byte: index of the first, index behind the last, categories."""
    pages = len(frames) // _ENTRY
    if not top & _PRESENT:
        guard = PAGE_IS_GUARD if top & _GUARD else 0
        yield 0, pages, (PAGE_IS_SWAPPED | guard if top & _SWAP else 0)
    elif top & _FILE:
        yield 0, pages, PAGE_IS_PRESENT | PAGE_IS_FILE
    elif top & _EXCLUSIVE:
        yield 0, pages, PAGE_IS_PRESENT
    elif zero_pfn is None:
        yield 0, pages, PAGE_IS_PRESENT | PAGE_IS_UNSURE
    else:
        first = 0
        for is_zero, group in groupby(array("Q", frames), key=lambda entry: entry & _PFN == zero_pfn):
            count = sum(1 for _ in group)
            yield first, first + count, PAGE_IS_PRESENT | (PAGE_IS_PFNZERO if is_zero else 0)
            first += count
