"""Reports that kernels printed when memory ran out: the task that was killed is ranked first.

oom_reports.txt: memory cgroups of this project's own; oom_published.txt: other people's machines and cgroups.
"""

import re
from pathlib import Path

import pytest

from memtui.model.oom import badness, rank
from memtui.model.oom_rule import rule_of
from memtui.model.task import Task

REPORTS = Path(__file__).with_name("oom_reports.txt").read_text(encoding="utf-8").strip().split("\n\n")
PUBLISHED = [
    part
    for part in Path(__file__).with_name("oom_published.txt").read_text(encoding="utf-8").strip().split("\n\n")
    if not part.startswith("#")
]
ROW = re.compile(
    r"\[ *(?P<pid>\d+)\] +\d+ +\d+ +\d+ +(?P<rss>\d+) +\d+ +\d+ +\d+ +"
    r"(?P<tables>\d+) +(?P<swap>\d+) +(?P<adj>-?\d+) (?P<name>.+)"
)
RAM = 6171024
"""Pages; any figure does: points in a cgroup are measured against its limit."""


@pytest.mark.parametrize("report", REPORTS)
def test_the_victim_is_ranked_first(report: str):
    limit = re.search(r"memory: usage \d+kB, limit (\d+)kB", report)
    killed = re.search(r"Killed process (\d+)", report)
    assert limit is not None
    assert killed is not None
    tasks = [
        Task(
            int(row["pid"]),
            row["name"],
            rss_pages=int(row["rss"]),
            swap_pages=int(row["swap"]),
            pgtable_pages=int(row["tables"]) // 4096,
            oom_score_adj=int(row["adj"]),
        )
        for row in ROW.finditer(report)
    ]
    assert len(tasks) >= 3
    assert rank(tasks, int(limit[1]) // 4, RAM)[0].task.pid == int(killed[1])


def test_there_are_several_reports():
    assert len(REPORTS) >= 5
    assert len(PUBLISHED) >= 6


@pytest.mark.parametrize("report", PUBLISHED, ids=lambda report: report.partition(" killed")[0])
def test_the_published_victim_is_ranked_first(report: str):
    head, *rows = report.splitlines()
    release, _, pages, _, killed, *printed = head.split()
    total = int(pages)
    what, score = printed or ("", "")
    tasks = [_published(row)._replace(sys_admin=what == "root") for row in rows]
    rule = rule_of(release)
    verdicts = rank(tasks, total, total, rule)
    assert verdicts[0].task.pid == int(killed)
    assert verdicts[0].points == badness(verdicts[0].task, total, rule)
    if score:
        assert verdicts[0].oom_score == int(score)


def _published(row: str) -> Task:
    pid, rss, tables, swap, adj, name = row.split(maxsplit=5)
    return Task(
        int(pid), name, rss_pages=int(rss), swap_pages=int(swap), pgtable_pages=int(tables), oom_score_adj=int(adj)
    )
