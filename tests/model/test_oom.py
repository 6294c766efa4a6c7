"""The kernel's arithmetic on figures that were taken from a running kernel or worked out by hand."""

import pytest

from memtui.model.oom import badness, oom_score, rank, why_none
from memtui.model.task import Task

TOTAL = 6_171_024
"""Pages of a machine with 24,684,096 kB and no swap."""


def task(pid: int = 100, rss: int | None = 0, adj: int = 0, swap: int = 0, pgtables: int = 0, never: str | None = None):
    return Task(pid, f"t{pid}", rss_pages=rss, swap_pages=swap, pgtable_pages=pgtables, oom_score_adj=adj, never=never)


def test_points_are_rss_swap_and_page_tables():
    assert badness(task(rss=10, swap=20, pgtables=3), TOTAL) == 33


def test_adj_weighs_in_thousandths_by_integer_division_first():
    assert badness(task(rss=10, adj=100), TOTAL) == 10 + 100 * 6171
    assert badness(task(rss=10, adj=-999), TOTAL) == 10 - 999 * 6171


@pytest.mark.parametrize(
    ("points", "score"),
    [
        (0, 666),
        (TOTAL // 2, 1000),
        (TOTAL, 1333),
        (-TOTAL // 2, 333),
        (None, 0),
    ],
)
def test_oom_score_as_proc_prints_it(points: int | None, score: int):
    assert oom_score(points, TOTAL) == score


def test_c_division_truncates_towards_zero():
    # points * 1000 / totalpages is -0.9...: C gives 0, Python's // would give -1 and so 666 - 1.
    assert oom_score(-TOTAL // 1001, TOTAL) == 666


def test_minus_1000_and_never_have_no_points():
    assert badness(task(rss=10, adj=-1000), TOTAL) is None
    assert why_none(task(rss=10, adj=-1000)) == "oom_score_adj is -1000"
    assert badness(task(rss=10, never="global init"), TOTAL) is None
    assert why_none(task(rss=10, never="global init")) == "global init"


def test_an_unread_figure_is_not_zero():
    row = rank([task(rss=None)], TOTAL, TOTAL)[0]
    assert row.points is None
    assert row.oom_score is None
    assert row.why_not == "its figures could not be read"


def test_never_killed_scores_zero():
    assert rank([task(adj=-1000)], TOTAL, TOTAL)[0].oom_score == 0


def test_on_a_tie_the_later_dies_first():
    order = [row.task.pid for row in rank([task(1, 5), task(2, 5), task(3, 4), task(4, 5)], TOTAL, TOTAL)]
    assert order == [4, 2, 1, 3]


def test_never_killed_come_last_even_below_negative_points():
    order = [row.task.pid for row in rank([task(1, adj=-1000), task(2, 5, adj=-500)], TOTAL, TOTAL)]
    assert order == [2, 1]


def test_points_follow_the_domain_and_the_score_the_machine():
    row = rank([task(rss=500, adj=10)], 10_000, TOTAL)[0]
    assert row.points == 500 + 10 * 10
    assert row.oom_score == oom_score(500 + 10 * 6171, TOTAL)
