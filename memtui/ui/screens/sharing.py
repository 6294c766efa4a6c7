"""The part of the main screen that is about memory which several processes use, and about single files."""

from typing import TYPE_CHECKING, Final, cast

from memtui.model.request import ShowSharing, WatchFile
from memtui.ui.screens.asking import AskingScreen

if TYPE_CHECKING:
    from memtui.ui.widgets.machine_pane import MachinePane

_SHARING_PANES: Final = frozenset({"sharing", "files"})


class SharingScreen(AskingScreen):
    """Asks the source who shares what as long as that can be seen: it looks at every process for it."""

    def __init__(self) -> None:
        super().__init__()
        self._shares = False

    def want_sharing(self, side: str) -> None:
        """The pane at the side is now this one."""
        wanted = side in _SHARING_PANES
        if wanted != self._shares and self.memtui.accepts(ShowSharing):
            self._shares = wanted
            self.ask(ShowSharing(wanted))

    def action_watch_file(self) -> None:
        """Ask for a file, and list what of it is in the page cache; again: no more."""

        def given(path: str) -> None:
            self.ask(WatchFile(path))
            self.action_show("files")

        self.prompt("what is cached of which file?", given, hint="a path; the same once more leaves it out")

    def action_promise(self) -> None:
        """Ask for a size, and show what each mode of overcommit would answer."""

        def given(size: str) -> None:
            if cast("MachinePane", self.pane("machine")).promise(size):
                self.action_show("machine")
            else:
                self.notify(f"{size!r} is no size: 4096, 100M, 3G", severity="warning", markup=False)

        self.prompt("what if a process asked for how much?", given, value="1G", hint="bytes, or K, M, G, T")
