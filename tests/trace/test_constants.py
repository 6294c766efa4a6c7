"""The numbers of names, against the constants that Python was built with."""

import errno
import mmap
import os
import resource
import signal

import pytest

from memtui.trace.constants import CONSTANTS, ERRNO_MESSAGES, ERRNO_NUMBERS, errno_name

MODULES = {
    "PROT_": mmap,
    "MAP_": mmap,
    "MADV_": mmap,
    "O_": os,
    "SEEK_": os,
    "RLIMIT_": resource,
    "SIG": signal,
    "GRND_": os,
}
NOT_RAW = {"O_LARGEFILE", "MAP_TYPE"}
"""The C library hides these: 0 on x86-64."""


@pytest.mark.parametrize("prefix", sorted(MODULES))
def test_numbers_are_those_of_the_system(prefix: str) -> None:
    names = [name for name in CONSTANTS if name.startswith(prefix) and hasattr(MODULES[prefix], name)]
    assert len(names) >= 2
    for name in set(names) - NOT_RAW:
        assert CONSTANTS[name] == getattr(MODULES[prefix], name), name


def test_every_errno_is_named() -> None:
    for number, name in errno.errorcode.items():
        assert ERRNO_NUMBERS[name] == number
        known = errno_name(number)
        assert ERRNO_MESSAGES[known] == os.strerror(number)
    assert errno_name(-12) == "ENOMEM"
    assert errno_name(4000) == "ERRNO_4000"
