"""A process with memory of every kind: prints what it did as JSON, then waits for the end of its input.

Each region is [first address, ruler], one letter a page: A anonymous, Z zero page, C page cache, S shmem, G guard,
. absent. Run with a folder on a disk and one on tmpfs ("" if there is none).
"""

import ctypes
import json
import os
import sys

PAGE = 4096
HUGE = 2 << 20
PROT_NONE, PROT_READ, RW = 0, 1, 3
MAP_SHARED, MAP_PRIVATE, MAP_FIXED, MAP_ANONYMOUS = 1, 2, 0x10, 0x20
MADV_HUGEPAGE, MADV_GUARD_INSTALL = 14, 102

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = libc.shmat.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]

regions = {}


def mapped(pages, prot=RW, flags=MAP_PRIVATE | MAP_ANONYMOUS, fd=-1, at=None):
    address = libc.mmap(at, pages * PAGE, prot, flags, fd, 0)
    assert address != ctypes.c_void_p(-1).value, os.strerror(ctypes.get_errno())
    return address


def read(address, *pages):
    for page in pages:
        assert ctypes.c_char.from_address(address + page * PAGE).value is not None


def write(address, *pages):
    for page in pages:
        ctypes.c_char.from_address(address + page * PAGE).value = b"x"


def file(folder, name, pages=4):
    """An open file whose pages are in the page cache; each of its own: a large folio is mapped whole by one fault."""
    path = os.path.join(os.fsencode(folder), name)
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    for _ in range(pages):
        os.write(fd, b"f" * PAGE)
    return path, fd


def private_memory():
    anon = mapped(8)
    write(anon, 0, 1)
    read(anon, 2)
    regions["anon"] = [anon, "AAZ....."]
    regions["prot_none"] = [mapped(4, PROT_NONE), "...."]
    guard = mapped(8)
    write(guard, *range(8))
    if libc.madvise(guard + 2 * PAGE, 2 * PAGE, MADV_GUARD_INSTALL) == 0:
        regions["guard"] = [guard, "AAGGAAAA"]


def huge_memory():
    for name, touch, letter in (("huge", write, "A"), ("huge_zero", read, "Z")):
        area = mapped(3 * HUGE // PAGE)
        block = (area + HUGE - 1) & -HUGE
        if libc.madvise(block, HUGE, MADV_HUGEPAGE) == 0:
            touch(block, *range(512))
            regions[name] = [block, letter * 512]


def disk_files(folder):
    _, fd = file(folder, b"read")
    pages = mapped(4, PROT_READ, MAP_PRIVATE, fd)
    read(pages, 0, 1, 2, 3)
    regions["page_cache"] = [pages, "CCCC"]
    _, fd = file(folder, b"cow")
    pages = mapped(4, RW, MAP_PRIVATE, fd)
    read(pages, 0, 1, 2, 3)
    write(pages, 1)
    regions["private_cow"] = [pages, "CACC"]
    _, fd = file(folder, b"shared")
    pages = mapped(4, RW, MAP_SHARED, fd)
    write(pages, 0, 2)
    regions["shared_file"] = [pages, "C.C."]
    path, fd = file(folder, b"gone")
    pages = mapped(4, PROT_READ, MAP_PRIVATE, fd)
    read(pages, 0, 1, 2, 3)
    os.unlink(path)
    regions["deleted"] = [pages, "CCCC"]
    for label, name in (("odd_name", b" two  words\nand a \xff byte\\012 (deleted) "), ("forged", b"[heap]")):
        _, fd = file(folder, name)
        pages = mapped(4, PROT_READ, MAP_PRIVATE, fd)
        read(pages, 0, 1, 2, 3)
        regions[label] = [pages, "CCCC"]


def shared_memory(tmpfs):
    pages = mapped(4, RW, MAP_SHARED | MAP_ANONYMOUS)
    write(pages, 1, 2)
    regions["shared_anon"] = [pages, ".SS."]
    fd = os.memfd_create("a name\nof two lines")
    os.ftruncate(fd, 4 * PAGE)
    pages = mapped(4, RW, MAP_SHARED, fd)
    write(pages, 0, 3)
    regions["memfd"] = [pages, "S..S"]
    number = libc.shmget(0, 4 * PAGE, 0o1600)
    if number >= 0:
        pages = libc.shmat(number, None, 0)
        libc.shmctl(number, 0, None)
        write(pages, 2)
        regions["sysv"] = [pages, "..S."]
    if tmpfs:
        fd = os.open(os.path.join(tmpfs, "file"), os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(fd, 4 * PAGE)
        pages = mapped(4, RW, MAP_SHARED, fd)
        write(pages, 0, 1)
        regions["tmpfs"] = [pages, "SS.."]
        pages = mapped(4, RW, MAP_PRIVATE, fd)
        write(pages, 1)
        regions["tmpfs_cow"] = [pages, ".A.."]


def main():
    private_memory()
    huge_memory()
    disk_files(sys.argv[1])
    shared_memory(sys.argv[2])
    pages = mapped(4)
    write(pages, 0, 1)
    regions["forked"] = [pages, "AA.."]
    if os.fork() == 0:
        os.read(0, 1)
        os._exit(0)
    print(json.dumps(regions), flush=True)
    os.read(0, 1)


main()
