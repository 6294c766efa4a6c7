"""What asks something of the source or of the user, and greys the keys that the source has no answer to."""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from memtui.model.request import Request
from memtui.model.snapshot import Snapshot
from memtui.ui.keys import keys_of

if TYPE_CHECKING:
    from textual.screen import Screen

    from memtui.ui.app import MemtuiApp
    from memtui.ui.widgets.pane import Pane

    _Screen = Screen[None]
else:
    # A part of the main screen, as all that derive from it: what makes a screen of them comes with the whole.
    # Textual looks through every class of a screen when it is made, which takes its time.
    _Screen = object


class AskingScreen(_Screen):
    """The ways to ask. What it shows, and its keys, are its subclasses' concern."""

    @property
    def memtui(self) -> "MemtuiApp":
        """The app, by its own type."""
        return cast("MemtuiApp", self.app)

    def pane(self, name: str) -> "Pane":
        """The pane of this name; one that was not shown yet is made."""
        raise NotImplementedError

    def action_show(self, name: str) -> None:
        """To a pane by its name."""
        raise NotImplementedError

    @property
    def address(self) -> int | None:
        """The byte that the cursor is on."""
        raise NotImplementedError

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey what the source cannot do."""
        keys = keys_of(action, parameters)
        return True if not keys or any(key.works(self.memtui.accepts) for key in keys) else None

    def say(self, status: str) -> None:
        """Put words into the header: what goes on by itself, or takes long."""
        raise NotImplementedError

    def ask(self, request: Request, then: Callable[[Snapshot], None] | None = None) -> None:
        """Of the source; `then` hears the answer once it is on the screen."""
        self.memtui.ask(request, then)

    def prompt(self, question: str, then: Callable[[str], None], *, value: str = "", hint: str = "") -> None:
        """Ask the user for a line; `then` gets it if there is one."""
        from memtui.ui.screens.prompt import Prompt

        def answered(line: str | None) -> None:
            if line:
                then(line)

        self.app.push_screen(Prompt(question, value, hint), answered)
