"""Every source, each over something that does not change by itself."""

import subprocess
from collections.abc import Callable, Iterator

import pytest

from memtui.model.source import Source


def live(sleeper: subprocess.Popen[bytes]) -> Source:
    from memtui.live.source import LiveSource

    return LiveSource(sleeper.pid)


def simulated(_: object) -> Source:
    from memtui.model.request import Seek
    from memtui.scenarios import scenario_text
    from memtui.scenarios.host import ScenarioHost
    from memtui.sim.source import SimSource
    from memtui.trace.parser import parse

    source = SimSource(parse(scenario_text("first-malloc"), "first-malloc.trace"), ScenarioHost(), "first-malloc")
    source.apply(Seek(4))
    return source


SOURCES: dict[str, Callable[..., Source]] = {"live": live, "sim": simulated}


@pytest.fixture(params=sorted(SOURCES))
def source(request: pytest.FixtureRequest, sleeper: subprocess.Popen[bytes]) -> Iterator[Source]:
    made = SOURCES[request.param](sleeper)
    yield made
    made.close()
