"""stat and status of processes with all sorts of names, and meminfo."""

import pytest

from memtui.live.meminfo import SYSCTLS, SystemReader, parse_meminfo, read_system
from memtui.live.procfs import Procfs
from memtui.live.status import parse_stat, parse_status, printable
from memtui.model.errors import SourceError

TAIL = (
    b"S 1 7 7 0 -1 4194304 0 0 0 0 0 0 0 0 20 -5 3 0 12345 0 0 0 1 2 140722 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 93824 0"
)


@pytest.mark.parametrize("comm", [b"bash", b"a) b", b") S 1 (", b"two\nlines", b"", b"\xff\xfe", b"(sd-pam)"])
def test_a_comm_may_hold_anything(comm):
    stat = parse_stat(b"42 (" + comm + b") " + TAIL + b"\n")
    assert stat.comm.encode(errors="surrogateescape") == comm
    assert (stat.pid, stat.state, stat.ppid, stat.nice, stat.threads, stat.start_time) == (42, "S", 1, -5, 3, 12345)
    assert (stat.start_stack, stat.start_brk) == (140722, 93824)
    assert not stat.is_kernel_thread
    assert "\n" not in printable(stat.comm)
    printable(stat.comm).encode()


def test_addresses_that_are_hidden_are_unknown():
    stat = parse_stat(b"42 (x) " + TAIL.replace(b"140722", b"0").replace(b"93824", b"0"))
    assert (stat.start_stack, stat.start_brk) == (None, None)


@pytest.mark.parametrize("text", [b"", b"42 (x)", b"42 (x) S 1", b"x (x) " + TAIL])
def test_another_form_is_refused(text):
    with pytest.raises(SourceError, match="another form"):
        parse_stat(text)


def test_counters_that_are_not_told_are_none():
    status = parse_status(b"Name:\tx\nUid:\t1000\t0\t0\t0\nVmPeak:\t  3060 kB\nVmSwap:\t       0 kB\nThreads:\t1\n")
    assert status.uid == 1000
    assert (status.counters.vm_peak, status.counters.vm_swap, status.counters.rss_anon) == (3060, 0, None)
    assert status.sys_admin is None
    assert parse_status(b"Name:\tkthreadd\n") == (None, 0, None, type(status.counters)())


@pytest.mark.parametrize(("bits", "admin"), [(b"000001ffffffffff", True), (b"0000000000200000", True), (b"0", False)])
def test_what_old_kernels_tell_besides(bits, admin):
    status = parse_status(
        b"Name:\tx\nUid:\t0\t0\nVmPTE:\t  40 kB\nVmPMD:\t  12 kB\nVmSwap:\t 0 kB\nThreads:\t1\nCapEff:\t" + bits + b"\n"
    )
    assert (status.counters.vm_pte, status.vm_pmd, status.sys_admin) == (40, 12, admin)


def test_meminfo_keeps_every_line():
    text = Procfs().read("meminfo")
    meminfo = parse_meminfo(text)
    assert len(meminfo) == text.count(b"\n")
    assert meminfo["MemTotal"] > 0
    assert "Active(anon)" in meminfo


def test_the_system_of_a_tree(fake):
    seconds = [0.0]
    reader = SystemReader(Procfs(str(fake.root)), lambda: seconds[0])
    system = reader.read()
    assert system.release == "6.1.0-fake"
    assert system.totalpages == 1000 + 100
    assert dict(system.sysctl) == {"swappiness": 60}
    assert reader.read() is system
    fake.write("sys/vm/swappiness", "0\n")
    assert reader.read() is system
    seconds[0] += 5
    assert reader.read().sysctl["swappiness"] == 0


def test_a_tree_without_meminfo_says_so(fake):
    fake.remove("meminfo")
    system = read_system(Procfs(str(fake.root)))
    assert system.totalpages is None
    assert "meminfo" in system.unknown["meminfo"]


def test_the_sysctl_that_changes_the_machine_is_not_read():
    assert "stat_refresh" not in SYSCTLS
    assert "compact_memory" not in SYSCTLS
    assert "drop_caches" not in SYSCTLS
