"""One character for each residence, so that a map reads without colour. None of them is wide in any terminal."""

from typing import Final

from memtui.model.pages import Residence

GLYPHS: Final[dict[Residence, str]] = {
    Residence.ANON: "█",
    Residence.PAGE_CACHE: "▓",
    Residence.SHMEM: "▒",
    Residence.SWAPPED: "░",
    # A ring, not a dot: it has to differ from "absent" in every font.
    Residence.ZERO: "○",
    Residence.ABSENT: "·",
    Residence.GUARD: "×",
    Residence.UNKNOWN: "?",
}

NAMES: Final[dict[Residence, str]] = {residence: residence.value.replace("_", " ") for residence in Residence}
"""As the screen spells them."""

NOT_MEASURED: Final = "—"
"""Stands for a figure, or for pages, that are not known."""


def residence_role(residence: Residence) -> str:
    """The role of its glyph: "residence.anon"."""
    return f"residence.{residence.value}"
