"""Size classes (gperftools 2.10, src/common.cc: SizeMap::Init)."""

from typing import Final, NamedTuple

PAGE_SHIFT: Final = 13
PAGE_SIZE: Final = 1 << PAGE_SHIFT
"""tcmalloc's own pages, twice as large as the machine's; bytes."""
MAX_SIZE: Final = 256 << 10
"""Larger requests are whole pages from the page heap; bytes."""
ALIGNMENT: Final = 8
MIN_ALIGN: Final = 16
MAX_SMALL_SIZE: Final = 1024
TRANSFER_NUM_OBJECTS: Final = 32
_BATCH_BYTES: Final = 64 << 10


class SizeClass(NamedTuple):
    """Objects of one size."""

    number: int
    size: int
    """Bytes."""
    pages: int
    """Of one span, in tcmalloc's pages."""
    batch: int
    """How many objects move at once between a thread's cache and the central list."""


def pages(size: int) -> int:
    """Tcmalloc's pages that hold `size` bytes."""
    return -(-size >> PAGE_SHIFT)


def alignment_for(size: int) -> int:
    """The step from a class of this size to the next: at most 1/8 is wasted."""
    if size >= 128:
        return min((1 << (size.bit_length() - 1)) // 8, PAGE_SIZE)
    return MIN_ALIGN if size >= MIN_ALIGN else ALIGNMENT


def batch_for(size: int) -> int:
    """About 64 KiB in one go, between 2 and 32 objects."""
    return min(max(_BATCH_BYTES // size, 2), TRANSFER_NUM_OBJECTS)


def span_pages(size: int) -> int:
    """Pages of a span: at most 1/8 is left over at its end, and it holds a quarter of a batch."""
    length = 0
    while True:
        length += PAGE_SIZE
        while length % size > length >> 3:
            length += PAGE_SIZE
        if length // size >= batch_for(size) // 4:
            return length >> PAGE_SHIFT


def size_classes() -> tuple[SizeClass, ...]:
    """All classes by ascending size; number 0 is a place holder."""
    found = [(0, 0)]
    size = ALIGNMENT
    while size <= MAX_SIZE:
        count = span_pages(size)
        before, before_pages = found[-1]
        if before and before_pages == count and (count << PAGE_SHIFT) // size == (count << PAGE_SHIFT) // before:
            found[-1] = size, count
        else:
            found.append((size, count))
        size += alignment_for(size)
    classes = [SizeClass(0, 0, 0, 0)]
    classes += [SizeClass(n, size, count, batch_for(size)) for n, (size, count) in enumerate(found) if n]
    return tuple(classes)


CLASSES: Final = size_classes()


def _class_numbers() -> tuple[int, ...]:
    numbers = []
    number = 1
    steps = (*range(0, MAX_SMALL_SIZE + 1, 8), *range(MAX_SMALL_SIZE + 128, MAX_SIZE + 1, 128))
    for size in steps:
        while CLASSES[number].size < size:
            number += 1
        numbers.append(number)
    return tuple(numbers)


_NUMBERS: Final = _class_numbers()


def class_of(size: int) -> SizeClass | None:
    """The smallest class that holds `size` bytes; None: larger than any. O(1)."""
    if size <= MAX_SMALL_SIZE:
        return CLASSES[_NUMBERS[(size + 7) >> 3]]
    if size <= MAX_SIZE:
        return CLASSES[_NUMBERS[(size + 127 + (120 << 7)) >> 7]]
    return None
