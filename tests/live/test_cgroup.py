"""Memory cgroups of both versions: trees of plain files, and a real group of our own where that is allowed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from memtui.live.cgroup import UNLIMITED, GroupReader, MemoryCgroup, find_cgroup, members, read_domain
from memtui.live.mounts import parse_mountinfo
from memtui.live.procfs import Procfs
from memtui.live.source import LiveSource
from memtui.model.cgroup import GroupRoom
from memtui.model.errors import NotSupported, SourceError
from memtui.model.oom import OomDomain
from memtui.model.request import RankGroup, Refresh
from memtui.model.system import SystemSnapshot

MIB = 1 << 20
SYSTEM = SystemSnapshot("6.1", {"MemTotal": 4 << 20, "SwapTotal": 64 << 10}, {"swappiness": 60})
TOTAL, SWAP = ((4 << 20) + (64 << 10)) // 4, (64 << 10) // 4


def group(root: Path, name: str, **files: object) -> Path:
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in {"cgroup.procs": "", **files}.items():
        (folder / file.replace("__", ".")).write_text(f"{text}\n")
    return folder


def mounted(fake, v1: Path | None = None, v2: Path | None = None) -> Procfs:
    lines = ["27 1 254:0 / / rw - ext4 /dev/vda rw"]
    if v1 is not None:
        lines.append(f"30 27 0:40 / {v1}/cpu rw - cgroup cgroup rw,cpu")
        lines.append(f"31 27 0:41 / {v1} rw - cgroup cgroup rw,memory")
    if v2 is not None:
        lines.append(f"32 27 0:42 / {v2} rw - cgroup2 cgroup2 rw")
    fake.write("self/mountinfo", "\n".join(lines) + "\n")
    return Procfs(str(fake.root))


def v1_files(limit: int, memsw: int = UNLIMITED, swappiness: int = 60) -> dict[str, object]:
    names = ("memory__limit_in_bytes", "memory__memsw__limit_in_bytes", "memory__swappiness")
    return dict(zip(names, (limit, memsw, swappiness), strict=True))


@pytest.mark.parametrize(
    ("limit", "memsw", "swappiness", "pages"),
    [
        (100 * MIB, UNLIMITED, 60, 25600 + SWAP),
        (100 * MIB, 110 * MIB, 60, 25600 + 2560),
        (100 * MIB, 100 * MIB, 60, 25600),
        (100 * MIB, UNLIMITED, 0, 25600),
        (0, 0, 60, 1),
        (UNLIMITED, UNLIMITED, 60, TOTAL),
    ],
)
def test_the_total_of_v1(tmp_path, limit, memsw, swappiness, pages):
    folder = group(tmp_path, "g", **v1_files(limit, memsw, swappiness))
    domain = read_domain(MemoryCgroup("g", str(folder), 1), SYSTEM)
    assert (domain.name, domain.pages) == ("/g", pages)
    assert "memory.limit_in_bytes" in domain.why
    assert ("unlimited" in domain.why) == (limit == UNLIMITED)


def test_without_swap_accounting_all_swap_counts(tmp_path):
    folder = group(tmp_path, "g", memory__limit_in_bytes=100 * MIB, memory__swappiness=60)
    assert read_domain(MemoryCgroup("g", str(folder), 1), SYSTEM).pages == 25600 + SWAP


@pytest.mark.parametrize(
    ("limit", "swap", "pages"),
    [("104857600", "max", 25600 + SWAP), ("104857600", "0", 25600), ("104857600", "4096", 25601), ("max", "0", TOTAL)],
)
def test_the_total_of_v2(tmp_path, limit, swap, pages):
    folder = group(tmp_path, "g", memory__max=limit, memory__swap__max=swap)
    domain = read_domain(MemoryCgroup("g", str(folder), 2), SYSTEM)
    assert domain.pages == pages
    assert "memory.max" in domain.why


def test_swappiness_0_of_the_machine_leaves_swap_out_of_v2(tmp_path):
    folder = group(tmp_path, "g", memory__max=100 * MIB, memory__swap__max="max")
    system = SystemSnapshot("6.1", SYSTEM.meminfo, {"swappiness": 0})
    assert read_domain(MemoryCgroup("g", str(folder), 2), system).pages == 25600


@pytest.mark.parametrize("name", ["a/b", "/a/b", "/a/b/"])
def test_a_group_is_found_by_its_name_relative_to_the_mount(fake, tmp_path, name):
    group(tmp_path / "v1", "a/b", **v1_files(MIB))
    group(tmp_path / "v2", "a/b", memory__max="max")
    assert find_cgroup(mounted(fake, v1=tmp_path / "v1", v2=tmp_path / "v2"), name).version == 1
    found = find_cgroup(mounted(fake, v2=tmp_path / "v2"), name)
    assert found == MemoryCgroup("a/b", str(tmp_path / "v2/a/b"), 2)


def test_the_root_of_v2_has_no_limit(fake, tmp_path):
    group(tmp_path / "v2", "", cgroup__controllers="cpu memory")
    found = find_cgroup(mounted(fake, v2=tmp_path / "v2"), "/")
    assert read_domain(found, SYSTEM).pages == TOTAL


def test_a_group_that_does_not_exist_names_the_mounts(fake, tmp_path):
    procfs = mounted(fake, v1=tmp_path / "v1", v2=tmp_path / "v2")
    with pytest.raises(SourceError) as caught:
        find_cgroup(procfs, "nope")
    assert str(tmp_path / "v1") in str(caught.value)
    assert str(tmp_path / "v2") in str(caught.value)
    assert "/cpu" not in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(SourceError, match="none is mounted"):
        find_cgroup(mounted(fake), "nope")
    with pytest.raises(SourceError, match="leaves its mount"):
        find_cgroup(procfs, "a/../../etc")


def test_a_group_without_the_controller(fake, tmp_path):
    group(tmp_path / "v2", "a", cgroup__controllers="cpu")
    with pytest.raises(NotSupported, match="no memory controller"):
        find_cgroup(mounted(fake, v2=tmp_path / "v2"), "a")


def test_the_tasks_of_the_groups_below_count_too(fake, tmp_path):
    root = tmp_path / "v1"
    folder = group(root, "g", cgroup__procs="12\n0\n11", tasks="11\n12\n13", **v1_files(100 * MIB))
    group(root, "g/x", cgroup__procs="40", tasks="40")
    group(root, "g/x/y", cgroup__procs="30", tasks="30")
    group(root, "other", cgroup__procs="50", tasks="50")
    assert sorted(members(mounted(fake, v1=root), MemoryCgroup("g", str(folder), 1))) == [11, 12, 30, 40]
    for pid in (11, 12, 30, 40, 50):
        fake.add(pid)
    snapshot = LiveSource(None, procfs=mounted(fake, v1=root), cgroup="g").apply(Refresh())
    assert [task.pid for task in snapshot.tasks] == [12, 11, 40, 30]
    assert snapshot.domain is not None
    assert (snapshot.domain.name, snapshot.domain.pages) == ("/g", 25600 + 100)


def test_a_main_thread_decides_in_which_group_the_killer_meets_its_process(fake, tmp_path):
    """Thread 71 of process 70 was moved alone; that of 80 goes on where its main thread has exited."""
    root = tmp_path / "v1"
    folder = group(root, "g", cgroup__procs="70\n80", tasks="71\n81")
    fake.add(70)
    fake.add(80, state="Z", threads=2, memory=False)
    assert members(mounted(fake, v1=root), MemoryCgroup("g", str(folder), 1)) == [80]


def rooms(fake, procfs: Procfs, *texts: str) -> list[GroupRoom | None]:
    reader = GroupReader(procfs, 42)
    found = []
    for text in texts:
        fake.write("42/cgroup", text)
        found.append(reader.read())
    return found


def test_the_group_with_the_least_room_is_the_limit(fake, tmp_path):
    root = tmp_path / "v1"
    group(root, "a", **v1_files(100 * MIB), memory__usage_in_bytes=99 * MIB)
    group(root, "a/b", **v1_files(50 * MIB), memory__usage_in_bytes=40 * MIB)
    group(root, "c", **v1_files(UNLIMITED), memory__usage_in_bytes=MIB)
    procfs = mounted(fake, v1=root)
    above = GroupRoom("/a", 99 << 10, 100 << 10)
    texts = ("3:cpu:/a\n5:memory:/a/b\n0::/x\n", "5:memory:/c\n", "5:memory:/gone\n", "5:memory:/\n", "5:memory:/a\n")
    assert rooms(fake, procfs, *texts) == [above, None, None, None, above]
    assert GroupReader(procfs, 7).read() is None
    lowest = MemoryCgroup("a/b", str(root / "a/b"), 1)
    assert GroupReader(procfs, None, lowest).read() == above


def test_the_limit_of_a_group_of_v2_that_is_mounted_for_a_container(fake, tmp_path):
    folder = group(tmp_path, "app", memory__max="max", memory__current=7 * MIB)
    procfs = mounted(fake, v2=tmp_path)
    mountinfo = fake.root / "self/mountinfo"
    mountinfo.write_text(mountinfo.read_text().replace(f"0:42 / {tmp_path}", f"0:42 /pod/1 {tmp_path}"))
    assert rooms(fake, procfs, "0::/pod/1/app\n") == [None]
    (folder / "memory.max").write_text(f"{8 * MIB}\n")
    assert rooms(fake, procfs, "0::/pod/1/app\n", "0::/../other\n") == [GroupRoom("/app", 7 << 10, 8 << 10), None]


def v1_mount() -> str:
    for mount in parse_mountinfo(Path("/proc/self/mountinfo").read_bytes()):
        if mount.fs_type == "cgroup" and "memory" in mount.options and os.access(mount.point, os.W_OK):
            return mount.point
    return pytest.skip("no memory cgroup v1 that may be written")


def test_a_process_in_a_group_of_its_own():
    name = f"memtui-test-{os.getpid()}"
    folder = Path(v1_mount(), name)
    inner = folder / "inner"
    try:
        inner.mkdir(parents=True)
    except OSError as error:
        pytest.skip(f"no cgroup can be made: {error}")
    try:
        limit = 50 * MIB
        (folder / "memory.limit_in_bytes").write_text(str(limit))
        script = "import sys; print(1, flush=True); sys.stdin.read()"
        command = [sys.executable, "-c", script]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            (inner / "cgroup.procs").write_text(str(child.pid))
            snapshot = LiveSource(None, cgroup=f"/{name}").apply(Refresh())
            source = LiveSource(child.pid)
            alone = source.apply(Refresh())
            ranked = source.apply(RankGroup())
            again = source.apply(RankGroup(wanted=False))
            with pytest.raises(NotSupported, match="already"):
                LiveSource(None, cgroup=f"/{name}").apply(RankGroup())
            child.communicate()
        assert [task.pid for task in snapshot.tasks] == [child.pid]
        assert [verdict.task.pid for verdict in ranked.ranking] == [child.pid]
        assert ranked.domain is not None
        assert ranked.domain._replace(members=None) == snapshot.domain
        assert again.domain == alone.domain
        assert len(again.ranking) == len(alone.ranking) > 1
        swap = snapshot.system.meminfo["SwapTotal"] // 4
        assert snapshot.domain is not None
        assert snapshot.domain.pages == limit // 4096 + swap
        for taken in (snapshot, alone):
            assert taken.group is not None
            assert (taken.group.name, taken.group.limit) == (f"/{name}", limit >> 10)
            assert 0 < taken.group.usage < limit >> 10
    finally:
        inner.rmdir()
        folder.rmdir()


def test_who_is_in_no_limited_group_is_ranked_with_all_others():
    source = LiveSource(os.getpid())
    if source.apply(Refresh()).group is not None:
        pytest.skip("a memory cgroup limits the tests themselves")
    with pytest.raises(NotSupported, match="no memory cgroup with a limit"):
        source.apply(RankGroup())
    assert source.apply(Refresh()).domain == OomDomain(None, source.apply(Refresh()).system.totalpages, "RAM + swap")
