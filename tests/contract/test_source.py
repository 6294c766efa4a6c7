"""What holds for every source of snapshots."""

import itertools
import json
import typing

import pytest

from memtui.draw.json_document import dump, oom_document, snapshot_document
from memtui.draw.maps_text import maps_text
from memtui.draw.smaps_text import smaps_text
from memtui.model.errors import SourceError
from memtui.model.mm import MmSnapshot
from memtui.model.oom import rank
from memtui.model.pages import Residence
from memtui.model.request import Focus, Refresh, Request
from memtui.model.snapshot import Snapshot
from memtui.model.source import Source


@pytest.fixture
def snapshot(source: Source) -> Snapshot:
    return source.apply(Refresh())


@pytest.fixture
def mm(snapshot: Snapshot) -> MmSnapshot:
    assert snapshot.mm is not None
    return snapshot.mm


def test_accepts_requests_of_the_union_and_refresh(source: Source):
    assert source.accepts <= set(typing.get_args(Request))
    assert Refresh in source.accepts


def test_every_accepted_kind_of_request_is_answered_or_refused_in_words(source: Source):
    with pytest.raises(SourceError) as caught:
        source.apply(Focus(0x7FFF_FFFF))
    assert str(caught.value)
    assert "\n" not in str(caught.value)
    assert source.apply(Refresh()).mm is not None


def test_vmas_ascend_without_overlap(mm: MmSnapshot):
    assert mm.vmas
    for left, right in itertools.pairwise(mm.vmas):
        assert left.end <= right.start
    for vma in mm.vmas:
        assert vma.start < vma.end
        assert vma.start % 4096 == vma.end % 4096 == 0
        assert len(vma.perms) == 4


def test_runs_lie_in_their_vma_in_order_and_never_absent(mm: MmSnapshot):
    for vma in mm.vmas:
        place = vma.start
        for run in vma.runs or ():
            assert run.start >= place
            assert run.pages > 0
            assert run.residence is not Residence.ABSENT
            place = run.end
        assert place <= vma.end


def test_neighbouring_runs_differ(mm: MmSnapshot):
    for vma in mm.vmas:
        for left, right in itertools.pairwise(vma.runs or ()):
            assert left.end < right.start or left[2:] != right[2:]


def test_counters_equal_the_runs(mm: MmSnapshot):
    pages = dict.fromkeys(Residence, 0)
    for vma in mm.vmas:
        assert vma.runs is not None, mm.unknown
        for run in vma.runs:
            pages[run.residence] += run.pages
    assert mm.counters.rss_anon == pages[Residence.ANON] * 4
    assert mm.counters.rss_file == pages[Residence.PAGE_CACHE] * 4
    assert mm.counters.rss_shmem == pages[Residence.SHMEM] * 4
    assert mm.counters.vm_swap == pages[Residence.SWAPPED] * 4


def test_vm_size_is_the_sum_of_the_vmas(mm: MmSnapshot):
    assert mm.counters.vm_size is not None
    assert mm.counters.vm_size * 1024 == sum(vma.size for vma in mm.vmas if vma.name != "[vsyscall]")


def test_smaps_figures_are_of_the_runs(mm: MmSnapshot):
    resident = {Residence.ANON, Residence.PAGE_CACHE, Residence.SHMEM}
    for vma in mm.vmas:
        if vma.smaps is None or vma.smaps.rss is None or vma.runs is None or vma.name == "[vsyscall]":
            continue
        assert vma.smaps.size * 1024 == vma.size
        assert vma.smaps.rss == 4 * sum(run.pages for run in vma.runs if run.residence in resident)


def test_what_did_not_change_is_the_same_object(source: Source):
    before, after = source.apply(Refresh()), source.apply(Refresh())
    assert before.mm is not None
    assert after.mm is not None
    same = [(a, b) for a, b in zip(before.mm.vmas, after.mm.vmas, strict=True) if a == b]
    # Another process that maps the same library moves Pss and the shared figures of a few.
    assert len(same) > len(after.mm.vmas) // 2
    assert all(a is b for a, b in same)


def test_the_process_in_focus_is_ranked(snapshot: Snapshot, mm: MmSnapshot):
    assert snapshot.domain is not None
    assert snapshot.system.totalpages
    verdicts = rank(snapshot.tasks, snapshot.domain.pages, snapshot.system.totalpages)
    assert mm.pid in [verdict.task.pid for verdict in verdicts]
    points = [verdict.points for verdict in verdicts if verdict.points is not None]
    assert points == sorted(points, reverse=True)


def test_every_printed_form_comes_out(snapshot: Snapshot, mm: MmSnapshot):
    assert maps_text(mm.vmas).count("\n") == len(mm.vmas)
    assert smaps_text(mm.vmas).startswith(maps_text(mm.vmas[:1]))
    assert len(json.loads(dump(snapshot_document(snapshot)))["vmas"]) == len(mm.vmas)
    assert json.loads(dump(oom_document(snapshot)))["tasks"]


def test_closing_twice_is_fine(source: Source):
    source.close()
    source.close()
