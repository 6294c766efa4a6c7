"""What the picture of a simulation says of memory that processes share."""

from memtui.model.request import Seek, ShowSharing
from memtui.model.sharing import SegmentKind, Sharing
from memtui.scenarios.host import ScenarioHost
from memtui.sim.source import SimSource
from memtui.trace.parser import parse

TRACE = """
machine(ram=64M, swap=16M, kernel="6.18")
s0 = shmget(0x51, 8192, IPC_CREAT|0600)
m0 = shmat(s0, NULL, 0)
touch(m0, 4096, WRITE)
shmdt(m0)
f0 = shm_open("/ring", O_RDWR|O_CREAT, 0600)
ftruncate(f0, 16384)
m1 = mmap(NULL, 16384, PROT_READ|PROT_WRITE, MAP_SHARED, f0, 0)
touch(m1, 8192, WRITE)
close(f0)
munmap(m1, 16384)
shm_unlink("/ring")
f1 = memfd_create("pool", 0)
ftruncate(f1, 4096)
close(f1)
shmctl(s0, IPC_RMID, NULL)
"""


def told(step: int) -> Sharing:
    source = SimSource(parse(TRACE, "test"), ScenarioHost(), "test")
    source.apply(ShowSharing())
    found = source.apply(Seek(step + 1)).sharing  # behind machine()
    assert found is not None
    return found


def test_nobody_asked():
    assert SimSource(parse(TRACE, "test"), ScenarioHost(), "test").apply(Seek(5)).sharing is None


def test_a_segment_that_nobody_uses_stays():
    (attached,) = told(3).segments
    assert (attached.kind, attached.size, attached.resident, attached.attached) == (SegmentKind.SYSV, 8192, 4096, 1)
    assert not attached.orphaned
    (left,) = told(4).segments
    assert (left.resident, left.attached, left.orphaned) == (4096, 0, True)


def test_a_file_in_memory_until_it_has_neither_name_nor_user():
    shared = next(segment for segment in told(8).segments if segment.kind is SegmentKind.POSIX)
    assert (shared.name, shared.resident, shared.attached) == ("/dev/shm/ring", 8192, 1)
    (mount,) = told(8).mounts
    assert (mount.point, mount.used, mount.files) == ("/dev/shm", 8192, 1)
    assert "not simulated" in mount.why
    assert [segment.orphaned for segment in told(10).segments] == [True, True]
    assert [segment.kind for segment in told(11).segments] == [SegmentKind.SYSV]


def test_a_memfd_goes_with_its_last_descriptor():
    (memfd,) = [segment for segment in told(13).segments if segment.kind is SegmentKind.MEMFD]
    assert (memfd.name, memfd.size, memfd.attached, memfd.orphaned) == ("memfd:pool", 4096, 1, False)
    assert not [segment for segment in told(14).segments if segment.kind is SegmentKind.MEMFD]
    assert told(15).segments == ()
