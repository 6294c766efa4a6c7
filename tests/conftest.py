"""A process to look at, and where a skip is a failure: a machine that is there to compare with the real thing."""

import os
import subprocess
import sys
from collections.abc import Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings

# However busy the machine is, a test that is right passes.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

NO_SKIP = "MEMTUI_NO_SKIP"
"""Set by .ci/run: an oracle test that cannot run fails instead of being skipped."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and os.environ.get(NO_SKIP) and "oracle" in item.path.parts:
        report.outcome = "failed"
        report.longrepr = f"skipped, which {NO_SKIP} forbids: {report.longrepr}"
    return report


@pytest.fixture(scope="session", autouse=True)
def _cache_of_our_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What is kept on disk is kept apart from the user's."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


SLEEPER = "import sys; big = bytearray(1 << 20); print('ready', flush=True); sys.stdin.read()"


@pytest.fixture(scope="session")
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A Python that has touched memory and now waits."""
    child = subprocess.Popen([sys.executable, "-c", SLEEPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    yield child
    child.kill()
    child.communicate()
