"""The bytes of pages of a child that wrote them itself."""

import ctypes
import mmap
import os

import pytest

from memtui.live.procfs import Procfs
from memtui.live.source import LiveSource
from memtui.model.address import PAGE_SIZE
from memtui.model.request import Focus, Peek, Refresh


@pytest.fixture
def memory() -> mmap.mmap:
    """Four pages of our own, of which the second was written."""
    area = mmap.mmap(-1, 4 * PAGE_SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area[PAGE_SIZE : PAGE_SIZE + 5] = b"hello"
    return area


def test_a_page_is_read_again_with_each_picture_and_an_absent_one_is_left_alone(memory: mmap.mmap) -> None:
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    source = LiveSource(os.getpid(), procfs=Procfs(), smaps=False)
    content = source.apply(Peek(start + PAGE_SIZE)).content
    assert content is not None
    assert content.data is not None
    assert content.data[:6] == b"hello\0"
    memory[PAGE_SIZE] = ord("j")
    again = source.apply(Refresh()).content
    assert again is not None
    assert again.data is not None
    assert again.data[:5] == b"jello"
    absent = source.apply(Peek(start)).content
    assert absent is not None
    assert absent.data is None
    assert "no page is there" in absent.why
    mm = source.apply(Refresh()).mm
    assert mm is not None
    runs = [run for vma in mm.vmas for run in vma.runs or () if run.start <= start < run.end]
    assert runs == [], "looking did not bring it in"
    assert source.apply(Focus(os.getpid())).content is None
    assert source.apply(Peek(None)).content is None


def test_what_nobody_may_read(memory: mmap.mmap) -> None:
    source = LiveSource(os.getpid(), procfs=Procfs(), smaps=False)
    content = source.apply(Peek(0xFFFF_FFFF_FF60_0000)).content
    assert content is not None
    assert content.data is None
    assert content.why
