"""Reports that kernels printed when memory cgroups ran out: the task that was killed is ranked first."""

import re
from pathlib import Path

import pytest

from memtui.model.oom import rank
from memtui.model.task import Task

REPORTS = Path(__file__).with_name("oom_reports.txt").read_text(encoding="utf-8").strip().split("\n\n")
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
