"""What the tests of the address space share: the runner, its directories, and scripts that run on both kernels."""

from collections.abc import Iterator
from pathlib import Path as FilePath

import pytest

from tests.oracle.exec_stop import Ask, asking
from tests.oracle.mm_both import Both
from tests.oracle.mm_ops import Area, Arg, Op, Ref
from tests.oracle.mm_real import Place, build
from tests.oracle.mm_series import Seed


@pytest.fixture(scope="session")
def runner(tmp_path_factory: pytest.TempPathFactory) -> FilePath:
    """The compiled runner."""
    return build(tmp_path_factory.mktemp("mm-runner"))


@pytest.fixture(scope="session")
def ask() -> Iterator[Ask]:
    """Starts a program up to its exec stop and tells what the kernel shows then."""
    with asking() as answer:
        yield answer


@pytest.fixture
def place() -> Iterator[Place]:
    """Directories for the files of a series."""
    with Place() as made:
        yield made


class Script:
    """Calls written by hand, compared on both kernels; results are the running kernel's."""

    def __init__(self, both: Both) -> None:
        self.both = both
        self._first = frozenset(area.start for area in both.real.picture(0).areas)
        self._next = 1

    def call(self, name: str, *args: Arg, proc: int = 0) -> int:
        """Make a call that succeeds; its value."""
        value, error = self.attempt(name, *args, proc=proc)
        assert not error, f"{name}{args}: {error}"
        return value

    def attempt(self, name: str, *args: Arg, proc: int = 0) -> tuple[int, str]:
        """Make a call: its value, and the errno or signal."""
        result, _, mismatch = self.both.step(Op(self._next, proc, name, args))
        self._next += 1
        if mismatch is not None:
            pytest.fail(mismatch.trace(), pytrace=False)
        return result.value, result.errno or result.signal

    def quick(self, name: str, *args: Arg) -> str:
        """A call of which only the result is compared; its errno."""
        real, sim = (kernel.perform(Op(0, 0, name, args), args) for kernel in (self.both.real, self.both.sim))
        assert (real.value, real.errno) == (sim.value, sim.errno), f"{name}{args}: {sim.why}"
        return real.errno

    def last(self) -> Ref:
        """The result of the last call, which each kernel may number differently."""
        return Ref(self._next - 1)

    def kernel_alone(self, name: str, *args: Arg) -> int:
        """A call that the simulator does not see; its value, -1 on an error."""
        return self.both.real.perform(Op(0, 0, name, args), args).value

    def simulator_alone(self, name: str, *args: Arg) -> str:
        """A call that the kernel does not see; its errno."""
        return self.both.sim.perform(Op(0, 0, name, args), args).errno

    def made(self, proc: int = 0) -> list[str]:
        """The VMAs that were not there at the start, "10000000-10003000 rw-p"."""
        areas = self.both.real.picture(proc).areas
        return [shown(area) for area in areas if area.start not in self._first]


def shown(area: Area) -> str:
    """A VMA in short."""
    return f"{area.start:x}-{area.end:x} {area.perms}" + (f" {area.label}" if area.label else "")


@pytest.fixture
def script(runner: FilePath, place: Place) -> Iterator[Script]:
    """A fresh process on both kernels."""
    with Both(runner, place, Seed("golden", 0)) as both:
        yield Script(both)
