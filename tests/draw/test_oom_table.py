"""The OOM ranking and its arithmetic as text."""

from memtui.draw.oom_table import OomTable, arithmetic
from memtui.model.mm import MmSnapshot
from memtui.model.oom import OomDomain, rank
from memtui.model.oom_rule import rule_of
from memtui.model.snapshot import Snapshot
from memtui.model.system import SystemSnapshot
from memtui.model.task import Task
from tests.draw.pictures import drawn, text

TOTAL = 6171021


def task(pid, comm, rss, swap, tables, adj, kernel, never=None):
    return Task(
        pid,
        comm,
        rss_pages=rss,
        swap_pages=swap,
        pgtable_pages=tables,
        oom_score_adj=adj,
        kernel_oom_score=kernel,
        never=never,
    )


TASKS = (
    task(1, "systemd", 3000, 0, 20, 0, 0, "global init"),
    task(9, "kthreadd", None, None, None, 0, 0, "kernel thread"),
    task(77, "sshd", 1200, 0, 15, -1000, 0),
    task(88, "chromium-browser", 253760, 12345, 1256, 300, 895),
    task(99, "bash\n", 1000, 0, 20, 0, None),
    task(101, "gone", None, 0, 20, 0, None),
    task(4242, "postgres", 53760, 0, 256, 100, 739),
)
MACHINE = OomDomain(None, TOTAL, "RAM + swap")


def table(width, domain=MACHINE, unknown=None):
    meminfo = {"MemTotal": 24684084, "SwapTotal": 0}
    return OomTable(
        Snapshot("live", "", SystemSnapshot("6.18.44", meminfo), TASKS, domain, unknown=unknown or {}), width
    )


def test_wide():
    assert drawn(table(98)) == [
        "    #     pid name                     score kernel      points      rss     swap       pt   adj",
        "†   1      88 chromium-browser           895    895   2,118,661  991 MiB 48.2 MiB  4.9 MiB  +300",
        "    2    4242 postgres                   738    739     671,116  210 MiB      0 B    1 MiB  +100",
        "    3      99 bash\\n                     666      —       1,020  3.9 MiB      0 B   80 KiB     0",
        "    —     101 gone                     its figures could not be read",
        "    —      77 sshd                     oom_score_adj is -1000",
        "    —       9 kthreadd                 kernel thread",
        "    —       1 systemd                  global init",
    ]


def test_narrow_panes_keep_the_score():
    assert drawn(table(50))[:3] == [
        "    #     pid name            score      rss   adj",
        "†   1      88 chromium-brows…   895  991 MiB  +300",
        "    2    4242 postgres          738  210 MiB  +100",
    ]
    assert drawn(table(50))[4] == "    —     101 gone            its figures could n…"
    assert drawn(table(30))[1] == "†   1      88 chromium-…   895"


def test_the_process_that_the_map_shows_is_marked():
    space = MmSnapshot(4242, "postgres", ())
    shown = Snapshot(
        "live", "", SystemSnapshot("6.18.44", {"MemTotal": 24684084, "SwapTotal": 0}), TASKS, MACHINE, space
    )
    rows = drawn(OomTable(shown, 98))
    assert [row[:6] for row in rows[1:4]] == ["†   1 ", " ►  2 ", "    3 "]


def test_roles_tell_the_victim_the_spared_and_a_score_that_differs():
    lines = table(98)
    assert [lines.row(row)[0].role for row in (0, 1, 2, 4)] == ["oom.head", "oom.victim", "oom.row", "oom.never"]
    assert [run.text.strip() for row in range(1, 4) for run in lines.row(row) if run.role == "oom.differs"] == ["739"]


def test_lookups():
    lines = table(98)
    assert lines.row_of(4242) == 2
    assert lines.row_of(5) is None
    assert lines.verdict_at(2).task.comm == "postgres"
    assert lines.verdict_at(0) is lines.verdict_at(-1) is lines.verdict_at(99) is None


def test_without_a_domain_it_says_why():
    assert drawn(table(50, None, {"domain": "needs /proc/meminfo"})) == [
        "    #     pid name            score      rss   adj",
        "— no ranking: needs /proc/meminfo",
    ]


def test_a_ranking_that_is_old_says_so_below():
    lines = table(50, MACHINE, {"tasks": "read 5 s ago"})
    assert drawn(lines)[-1] == "— read 5 s ago"
    assert lines.verdict_at(len(lines) - 1) is None


def verdict_of(pid, domain=MACHINE):
    return next(verdict for verdict in rank(TASKS, domain.pages, TOTAL) if verdict.task.pid == pid)


def test_arithmetic():
    assert text(arithmetic(verdict_of(88), MACHINE, TOTAL)) == [
        "88 chromium-browser",
        "rss                 253,760 pages  991 MiB",
        "+ swap               12,345 pages  48.2 MiB",
        "+ page tables         1,256 pages  4.9 MiB",
        "+ adj             1,851,300 pages  +300 × 6,171",
        "= points          2,118,661 pages  the highest dies",
        "of                6,171,021 pages  RAM + swap",
        "oom_score     2,118,661 × 1000 / 6,171,021 = 343",
        "              (1000 + 343) × 2 / 3 = 895",
        "kernel says   895 the same",
    ]


def test_arithmetic_of_a_cgroup_measures_points_against_its_limit_and_the_score_against_the_machine():
    group = OomDomain("/web", 65536, "memory.limit_in_bytes")
    rows = text(arithmetic(verdict_of(4242, group), group, TOTAL, 70))
    assert rows[4:7] == [
        "+ adj                 6,500 pages  +100 × 65",
        "= points             60,516 pages  the highest dies",
        "of                   65,536 pages  memory.limit_in_bytes",
    ]
    assert rows[0] == "4242 postgres in cgroup /web"
    assert rows[7:] == [
        "oom_score     671,116 × 1000 / 6,171,021 = 108",
        "              (1000 + 108) × 2 / 3 = 738",
        "kernel says   739 differs by +1",
    ]


def test_arithmetic_of_a_score_below_zero_truncates_towards_zero():
    spared = task(5, "db", 1000, 0, 10, -500, 333)
    (verdict,) = rank([spared], TOTAL, TOTAL)
    # -3,084,490 × 1000 / 6,171,021 is -499.8: C gives -499.
    assert verdict.oom_score == 501 * 2 // 3
    assert text(arithmetic(verdict, MACHINE, TOTAL))[-3:] == [
        "oom_score     -3,084,490 × 1000 / 6,171,021 = -499",
        "              (1000 - 499) × 2 / 3 = 334",
        "kernel says   333 differs by -1",
    ]


def test_arithmetic_of_the_never_killed():
    assert text(arithmetic(verdict_of(77), MACHINE, TOTAL)) == [
        "77 sshd",
        "never killed: oom_score_adj is -1000",
        "kernel says   0 the same",
    ]
    assert text(arithmetic(verdict_of(101), MACHINE, TOTAL)) == [
        "101 gone",
        "— its figures could not be read",
        "kernel says   — not told",
    ]


ROOT = task(88, "postgres", 253760, 12345, 1256, 300, 329)._replace(sys_admin=True)


def test_arithmetic_by_the_rule_of_4_4():
    rule = rule_of("4.4.302")
    (verdict,) = rank([ROOT], TOTAL, TOTAL, rule)
    assert text(arithmetic(verdict, MACHINE, TOTAL, 60, rule))[3:] == [
        "+ page tables         1,256 pages  4.9 MiB",
        "- root's 3 %          8,020  CAP_SYS_ADMIN",
        "+ adj             1,851,300 pages  +300 × 6,171",
        "= points          2,110,641 pages  the highest dies",
        "of                6,171,021 pages  RAM + swap",
        "oom_score     2,110,641 × 1000 / 6,171,021 = 342",
        "kernel says   329 differs by -13",
    ]


def test_arithmetic_by_the_rule_of_3_2_is_in_thousandths():
    rule = rule_of("3.2")
    (verdict,) = rank([ROOT], TOTAL, TOTAL, rule)
    assert text(arithmetic(verdict, MACHINE, TOTAL, 60, rule))[4:] == [
        "of                6,171,021 pages  RAM + swap",
        "in thousandths           43",
        "+ adj                   270   (root: -30)",
        "= points                313  1 to 1000; the highest dies",
        "kernel says   329 differs by +16",
    ]


def test_before_5_2_the_mark_is_at_the_child():
    parent = task(7, "make", 9000, 0, 20, 0, None)
    child = task(8, "cc1", 500, 0, 20, 0, None)._replace(ppid=7)
    meminfo = {"MemTotal": 24684084, "SwapTotal": 0}
    for release, marks, words in (
        ("5.1", ["", "†"], "chosen, but a child dies in its place"),
        ("5.2", ["†", ""], "dies first, by 33.2 MiB"),
    ):
        old = OomTable(Snapshot("live", "", SystemSnapshot(release, meminfo), (parent, child), MACHINE), 60)
        assert [line[0].strip() for line in drawn(old)[1:3]] == marks
        assert old.distance(1) == words
