"""What a system call of the simulated kernel gives back, and how a failure travels inside it."""

from functools import update_wrapper
from typing import TYPE_CHECKING, Concatenate, NamedTuple, ParamSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task

P = ParamSpec("P")


class Outcome(NamedTuple):
    """The result of a call or of a memory access."""

    value: int = 0
    """What the call returns; -1 when `errno` or `signal` is set."""
    errno: str = ""
    """ "ENOMEM", or ""."""
    why: str = ""
    """The rule that decided, in a sentence."""
    signal: str = ""
    """ "SIGSEGV SEGV_MAPERR": what a memory access ends in, or ""."""


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 VMA, 2 VMAs."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


class Errno(Exception):
    """A call fails: the errno's name, and the rule that says so."""

    def __init__(self, name: str, why: str = "") -> None:
        self.name = name
        self.why = f"{name}: {why}" if why else name
        super().__init__(self.why)


class Fault(Exception):
    """A memory access ends in a signal: its name and code, the byte address, and the rule that says so."""

    def __init__(self, signal: str, address: int, why: str) -> None:
        self.signal = signal
        self.address = address
        self.why = f"{signal} at {address:#x}: {why}"
        super().__init__(self.why)


def system_call(
    body: "Callable[Concatenate[Kernel, Task, P], int]",
) -> "Callable[Concatenate[Kernel, Task, P], Outcome]":
    """Turn a body that returns a number or raises Errno into a system call that gives an Outcome.

    The reasons that the body noted in `mm.why` on its way become the outcome's sentence.
    """

    def call(kernel: "Kernel", task: "Task", /, *args: P.args, **kwargs: P.kwargs) -> Outcome:
        if task.exited:
            return Outcome(-1, "ESRCH", "the process is dead")
        task.mm.why.clear()
        try:
            value = body(kernel, task, *args, **kwargs)
            outcome = Outcome(value, "", "; ".join(task.mm.why))
        except Errno as failure:
            outcome = Outcome(-1, failure.name, failure.why)
        except Fault as fault:
            outcome = Outcome(-1, "", fault.why, fault.signal)
        return kernel.finished(task, outcome)

    update_wrapper(call, body)
    return call
