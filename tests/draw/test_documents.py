"""The printed texts, held against lines that a 6.18 kernel printed."""

import json

from memtui.draw.json_document import SCHEMA, dump, oom_document, snapshot_document
from memtui.draw.maps_text import maps_line, maps_text
from memtui.draw.smaps_text import smaps_text
from memtui.draw.trace_text import trace_text
from memtui.model.mm import MmSnapshot
from memtui.model.oom import OomDomain
from memtui.model.pages import PageRun, Residence
from memtui.model.snapshot import Snapshot
from memtui.model.step import StepLog, StepRecord
from memtui.model.system import SystemSnapshot
from memtui.model.task import Task
from memtui.model.vma import Smaps, Vma, VmaKind

CAT = Vma(0x55823B2C1000, 0x55823B2C3000, "r--p", 0, (0xFE, 0), 260131, "/usr/bin/cat", VmaKind.FILE)
ANON = Vma(0x7F3D9B4E5000, 0x7F3D9B5A9000, "rw-p", 0, (0, 0), 0, "", VmaKind.ANON)


def test_maps_lines_are_the_kernels():
    assert maps_line(CAT) == "55823b2c1000-55823b2c3000 r--p 00000000 fe:00 260131                     /usr/bin/cat"
    assert maps_line(ANON) == "7f3d9b4e5000-7f3d9b5a9000 rw-p 00000000 00:00 0 "


def test_low_addresses_have_eight_digits():
    assert maps_line(CAT._replace(start=0x400000, end=0x401000)).startswith("00400000-00401000 r--p")


def test_a_line_longer_than_the_padding_has_two_spaces():
    high = CAT._replace(start=0xFFFF_FFFF_FF60_0000, end=0xFFFF_FFFF_FF60_1000)
    line = maps_line(high._replace(offset=0xFFFF_FFFF_F000, inode=12345678901234567890))
    assert line.endswith("12345678901234567890  /usr/bin/cat")


def test_smaps_block_is_the_kernels():
    smaps = Smaps(8, 4, 4, 8, 8, 0, private_hugetlb=0, locked=0, thp_eligible=0, protection_key=0)
    assert smaps_text([CAT._replace(smaps=smaps, vm_flags=("rd", "mr"))]).splitlines()[1:] == [
        "Size:                  8 kB",
        "KernelPageSize:        4 kB",
        "MMUPageSize:           4 kB",
        "Rss:                   8 kB",
        "Pss:                   8 kB",
        "Pss_Dirty:             0 kB",
        "Private_Hugetlb:       0 kB",
        "Locked:                0 kB",
        "THPeligible:           0",
        "ProtectionKey:         0",
        "VmFlags: rd mr ",
    ]


def test_figures_that_are_unknown_have_no_line():
    assert smaps_text([ANON]) == maps_text([ANON])


def snapshot(**parts) -> Snapshot:
    return Snapshot("live", "5 cat", SystemSnapshot("6.18.44", {"MemTotal": 4000, "SwapTotal": 0}), **parts)


def test_json_of_a_process():
    runs = (PageRun(ANON.start, 3, Residence.ANON, huge=True),)
    vmas = (CAT, ANON._replace(runs=runs))
    mm = MmSnapshot(5, "cat", vmas, unknown={"smaps": "denied"})
    document = json.loads(dump(snapshot_document(snapshot(mm=mm))))
    assert document["schema"] == SCHEMA == 1
    assert document["process"]["pid"] == 5
    assert document["process"]["counters"]["VmRSS"] is None
    assert document["process"]["unknown"] == {"smaps": "denied"}
    cat, anon = document["vmas"]
    assert (cat["start"], cat["end"], cat["dev"], cat["path"], cat["kind"]) == (
        "0x55823b2c1000",
        "0x55823b2c3000",
        "fe:00",
        "/usr/bin/cat",
        "file",
    )
    assert cat["smaps"] is None
    assert cat["runs"] is None
    assert anon["runs"] == [{"start": "0x7f3d9b4e5000", "pages": 3, "residence": "anon", "huge": True}]


def test_json_keeps_bytes_that_are_no_utf8():
    name = b"/tmp/\xff".decode("utf-8", "surrogateescape")
    text = dump(snapshot_document(snapshot(mm=MmSnapshot(5, "cat", (CAT._replace(name=name),)))))
    assert text.isascii()
    assert json.loads(text)["vmas"][0]["path"].encode("utf-8", "surrogateescape") == b"/tmp/\xff"


def test_json_of_the_ranking_is_in_kill_order():
    tasks = [
        Task(pid, "t", rss_pages=rss, swap_pages=0, pgtable_pages=1, oom_score_adj=adj, kernel_oom_score=7)
        for pid, rss, adj in ((2, 10, 0), (3, 30, 0), (4, 20, -1000))
    ]
    document = oom_document(snapshot(tasks=tuple(tasks), domain=OomDomain("a/b", 500, "memory.max")))
    assert document["domain"] == {"cgroup": "a/b", "pages": 500, "why": "memory.max"}
    assert [(row["pid"], row["points"], row["never_killed"]) for row in document["tasks"]] == [
        (3, 31, None),
        (2, 11, None),
        (4, None, "oom_score_adj is -1000"),
    ]
    assert document["tasks"][0]["kernel_oom_score"] == 7
    assert document["tasks"][2]["oom_score"] == 0


def test_trace_text_prints_what_ran():
    log = StepLog(
        (
            StepRecord(1, "brk(NULL) = 0x5000", 1, done=True, why="asked\nonly"),
            StepRecord(2, "munmap(0x1000, 5)", 1),
        ),
        cursor=1,
    )
    assert trace_text(log) == "brk(NULL) = 0x5000\n"
    assert trace_text(log, why=True) == "brk(NULL) = 0x5000\n# asked\n# only\n"
