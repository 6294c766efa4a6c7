"""How the kernels between 2.6.36 and 5.9 chose, worked out by hand from their oom_badness()."""

import pytest

from memtui.model.oom import badness, oom_score, rank, victim_of, why_none
from memtui.model.oom_rule import NOW, rule_of
from memtui.model.task import Task

TOTAL = 200_000
"""Pages."""
BIG = Task(7, "big", ppid=1, rss_pages=40_000, swap_pages=10_000, pgtable_pages=100, oom_score_adj=50, sys_admin=True)


@pytest.mark.parametrize(
    ("release", "points", "score"),
    [
        # (40000 + 10000) * 1000 / 200000 = 250, - 30 + 50; then with page tables: 250.5
        ("2.6.38", 270, 270),
        ("2.6.39", 270, 270),
        ("3.2.0", 270, 270),
        # the longterm kernels spare root 3 %, here of 250 thousandths
        ("3.4.113", 250 - 7 + 50, 293),
        # now pages: 50100, and 200 of them for each of 50 - 30
        ("3.5", 54_100, 270),
        ("3.9.11", 54_100, 270),
        # 50100, less 3 %, and 10000
        ("3.10.108", 58_597, 292),
        ("3.14", 58_597, 292),
        ("4.4.302", 58_597, 292),
        ("4.16.18", 58_597, 292),
        ("4.17", 60_100, 300),
        ("5.4.0-150-generic", 60_100, 300),
        ("5.8.18", 60_100, 300),
        ("5.9", 60_100, (1000 + 300) * 2 // 3),
        ("6.18.44", 60_100, 866),
    ],
)
def test_points_and_score(release: str, points: int, score: int):
    rule = rule_of(release)
    assert (badness(BIG, TOTAL, rule), oom_score(badness(BIG, TOTAL, rule), TOTAL, rule)) == (points, score)


@pytest.mark.parametrize(("release", "least"), [("3.2", 1), ("3.16", 1), ("5.8", 1), ("5.9", 400 - 900 * 200)])
def test_who_can_be_killed_has_a_point_at_least_before_5_9(release: str, least: int):
    task = BIG._replace(rss_pages=400, swap_pages=0, pgtable_pages=0, oom_score_adj=-900, sys_admin=False)
    assert badness(task, TOTAL, rule_of(release)) == least


def test_thousandths_end_at_1000():
    task = BIG._replace(oom_score_adj=1000)
    assert badness(task, TOTAL, rule_of("3.0")) == 1000
    assert badness(task, TOTAL, rule_of("3.5")) == 50_100 + 970 * 200


def test_without_the_capabilities_there_is_no_figure_where_they_count():
    task = BIG._replace(sys_admin=None)
    assert why_none(task, rule_of("4.16")) == "whether it has CAP_SYS_ADMIN is not known"
    assert rank([task], TOTAL, TOTAL, rule_of("4.16"))[0].oom_score is None
    assert badness(task, TOTAL, rule_of("4.17")) == 60_100


def test_of_equals_the_earlier_dies_before_5_3():
    tasks = [BIG._replace(pid=pid) for pid in (3, 4, 5)]
    assert [row.task.pid for row in rank(tasks, TOTAL, TOTAL, rule_of("5.2.21"))] == [3, 4, 5]
    assert [row.task.pid for row in rank(tasks, TOTAL, TOTAL, rule_of("5.3"))] == [5, 4, 3]


def test_before_5_2_a_child_dies_in_its_parents_place():
    children = [BIG._replace(pid=pid, ppid=7, rss_pages=rss) for pid, rss in ((8, 10), (9, 500), (10, 20))]
    protected = BIG._replace(pid=11, ppid=7, oom_score_adj=-1000)
    for release, victim in (("5.1.21", 9), ("5.2", 7)):
        ranking = rank([BIG, *children, protected], TOTAL, TOTAL, rule_of(release))
        dies = victim_of(ranking, rule_of(release))
        assert ranking[0].task.pid == 7
        assert dies is not None
        assert dies.task.pid == victim
    assert victim_of(rank([protected], TOTAL, TOTAL), NOW) is None


def test_a_release_that_says_nothing_is_taken_for_a_new_one():
    assert rule_of("") == rule_of("7.0") == NOW
