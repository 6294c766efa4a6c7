"""The built-in demos: one story a .trace file, and the recorded machine that they run on."""

from memtui.model.elf import ElfImage
from memtui.model.host import FileFacts, MachineFacts


def scenario_names() -> tuple[str, ...]:
    """The names, in the order in which they are offered."""
    raise NotImplementedError


def scenario_text(name: str) -> str:
    """The text of the trace.

    Raises:
        KeyError: there is no such scenario.
    """
    raise NotImplementedError


class ScenarioHost:
    """A recorded machine (`model.host.Host`): the demo program /demo/hello, its interpreter and its libc."""

    def machine(self) -> MachineFacts:
        """The machine that scenarios start from before `machine(...)` changes it."""
        raise NotImplementedError

    def elf(self, path: str) -> ElfImage | None:
        """The demo program, ld.so or libc."""
        raise NotImplementedError

    def file(self, path: str) -> FileFacts | None:
        """A file of the recorded machine."""
        raise NotImplementedError
