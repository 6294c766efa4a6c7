"""Simulations for the tests of this folder."""

from collections.abc import Callable

import pytest

from memtui.model.request import Seek
from memtui.model.snapshot import Snapshot
from memtui.scenarios.host import ScenarioHost
from memtui.sim.source import SimSource
from memtui.trace.parser import parse

ENDING = 1 << 62
Simulate = Callable[[str], SimSource]


@pytest.fixture
def simulate() -> Simulate:
    """A source of a trace on the recorded machine, before its first step."""
    return lambda text: SimSource(parse(text, "test.trace"), ScenarioHost(), "test")


@pytest.fixture
def end(simulate: Simulate) -> Callable[[str], Snapshot]:
    """The picture after the last step of a trace; every step leaves a sound kernel."""

    def run(text: str) -> Snapshot:
        source = simulate(text)
        snapshot = source.apply(Seek(ENDING))
        source._machine.check()
        return snapshot

    return run
