"""Lines of maps, all sorts of labels, and back to the very bytes."""

import os
import random

import pytest

from memtui.draw.maps_text import maps_text
from memtui.live.maps import FileSystems, MapsParser, kind_of, parse_line
from memtui.live.mounts import mount_of, parse_mountinfo
from memtui.live.procfs import Procfs
from memtui.model.errors import ParseError
from memtui.model.vma import VmaKind

DISK, TMPFS, DEV, HUGETLB, HIDDEN = (254, 0), (0, 23), (0, 6), (0, 50), (0, 1)
MOUNTINFO = b"""\
27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw,discard
25 27 0:23 / /dev/shm rw - tmpfs tmpfs rw,size=1k
24 27 0:6 / /dev rw - devtmpfs devtmpfs rw
40 27 0:50 / /huge\\040pages rw - hugetlbfs none rw,pagesize=2M
41 27 0:51 / /huge\\040pages/in\\134side rw - cgroup cgroup rw,memory
not a line of mountinfo
"""
SYSTEMS = FileSystems.of(parse_mountinfo(MOUNTINFO))


def line(name: bytes, dev: tuple[int, int] = (0, 0), inode: int = 0) -> bytes:
    place = b"7f0000000000-7f0000001000 rw-p 00001000 %02x:%02x %d " % (*dev, inode)
    return place.ljust(73) + name if name else place


@pytest.mark.parametrize(
    ("name", "dev", "kind"),
    [
        ("", None, VmaKind.ANON),
        ("[heap]", None, VmaKind.HEAP),
        ("[stack]", None, VmaKind.STACK),
        ("[stack:4242]", None, VmaKind.STACK),
        ("[anon:scudo [x] ]", None, VmaKind.ANON),
        ("[vdso]", None, VmaKind.SPECIAL),
        ("[vvar_vclock]", None, VmaKind.SPECIAL),
        ("[uprobes]", None, VmaKind.SPECIAL),
        ("[anon_shmem:cache]", HIDDEN, VmaKind.SHARED_ANON),
        ("/dev/zero (deleted)", HIDDEN, VmaKind.SHARED_ANON),
        ("/memfd:x (deleted)", HIDDEN, VmaKind.MEMFD),
        ("/SYSV0000beef (deleted)", HIDDEN, VmaKind.SYSV),
        ("/anon_hugepage (deleted)", HIDDEN, VmaKind.HUGETLB),
        ("/huge pages/x", HUGETLB, VmaKind.HUGETLB),
        ("/dev/shm/x", TMPFS, VmaKind.SHMEM),
        ("/dev/shm/x (deleted)", TMPFS, VmaKind.SHMEM),
        ("/dev/shm/of_another_namespace", (0, 99), VmaKind.SHMEM),
        ("/dev/zero", DEV, VmaKind.DEVICE),
        ("/dev/dri/card0", DEV, VmaKind.DEVICE),
        ("anon_inode:[perf_event]", HIDDEN, VmaKind.DEVICE),
        ("socket:[123]", HIDDEN, VmaKind.DEVICE),
        ("/usr/bin/[heap]", DISK, VmaKind.FILE),
        ("/memfd:x (deleted)", DISK, VmaKind.FILE),
        ("/SYSV0000beef (deleted)", DISK, VmaKind.FILE),
        ("/dev/zero (deleted)", DISK, VmaKind.FILE),
        ("/of/another/mount/namespace", (0, 99), VmaKind.FILE),
    ],
)
def test_the_kind_comes_from_the_device_before_the_label(name, dev, kind):
    found = parse_line(line(name.encode(), dev or (0, 0), 7 if dev else 0), SYSTEMS)
    assert found.kind is kind
    assert found.name == name
    assert kind_of(name, found.dev, found.inode, SYSTEMS) is kind


def test_every_field_stays():
    text = b"ffffffffff600000-ffffffffff601000 --xp 7fffffffff000 103:fffff 18446744073709551615  /a"
    vma = parse_line(text, SYSTEMS)
    assert vma[:7] == (
        0xFFFFFFFFFF600000,
        0xFFFFFFFFFF601000,
        "--xp",
        0x7FFFFFFFFF000,
        (0x103, 0xFFFFF),
        (1 << 64) - 1,
        "/a",
    )


LABELS = [
    b"",
    b"[heap]",
    b"/a  b",
    b"/new\\012line",
    b"/\xff\xfe (deleted)",
    b"/trailing ",
    b"[anon: x]",
    b"anon_inode:x",
]


def test_the_text_can_be_made_again_byte_for_byte():
    text = b"".join(line(name, DISK, 7) + b"\n" for name in LABELS)
    vmas = MapsParser().parse([text], SYSTEMS)
    assert maps_text(vmas).encode(errors="surrogateescape") == text
    own = Procfs().read("self/maps")
    vmas = MapsParser().parse([own[:99], own[99:]], SYSTEMS)
    assert maps_text(vmas).encode(errors="surrogateescape") == own


def test_lines_that_stay_give_the_same_objects_unless_the_mounts_changed():
    parser = MapsParser()
    text = line(b"/dev/shm/x", TMPFS, 7) + b"\n"
    first = parser.parse([text], SYSTEMS)
    again = parser.parse([text + line(b"[heap]") + b"\n"], SYSTEMS, first)
    assert again[0] is first[0]
    assert [vma.name for vma in again] == ["/dev/shm/x", "[heap]"]
    assert [vma.kind for vma in parser.parse([text], FileSystems(frozenset({TMPFS})), again)] == [VmaKind.FILE]


@pytest.mark.parametrize("seed", range(20))
def test_of_many_changes_those_lines_are_parsed_that_changed(seed):
    chance = random.Random(seed)
    parser, before, vmas = MapsParser(), {}, []
    for _ in range(6):
        places = sorted(chance.sample(range(1, 40), chance.randrange(1, 20)))
        lines = [f"{place:07x}0-{place:07x}{chance.choice('68')} rw-p 00000000 00:00 0 \n".encode() for place in places]
        vmas = parser.parse(lines, SYSTEMS, vmas)
        assert maps_text(vmas).encode() == b"".join(lines)
        assert all(before[line] is vma for line, vma in zip(lines, vmas, strict=True) if line in before)
        before = dict(zip(lines, vmas, strict=True))


@pytest.mark.parametrize("bad", [b"nonsense", b"1000-2000 rw-p 0 00:00", b"x-y rw-p 0 00:00 0 ", b""])
def test_a_line_of_another_form_is_named(bad):
    with pytest.raises(ParseError, match=r"^/proc/7/maps:2: not a line of maps$"):
        MapsParser().parse([line(b"") + b"\n" + bad + b"\n"], SYSTEMS, file="/proc/7/maps")


def test_mountinfo_with_optional_fields_and_escapes():
    mounts = parse_mountinfo(MOUNTINFO)
    assert [mount.point for mount in mounts] == ["/", "/dev/shm", "/dev", "/huge pages", "/huge pages/in\\side"]
    assert mounts[0].dev == DISK
    assert "memory" in mounts[-1].options
    assert SYSTEMS.shmem == {TMPFS, DEV}


def test_the_mount_of_a_path_is_the_longest_above_it():
    mounts = parse_mountinfo(MOUNTINFO)
    for path, point in [("/", "/"), ("/developer", "/"), ("/dev", "/dev"), ("/dev/shm/a/b", "/dev/shm"), ("/x", "/")]:
        mount = mount_of(mounts, path)
        assert mount is not None
        assert mount.point == point
    assert mount_of((), os.sep) is None
