"""The README's table of all keys, made from the program's. `python tests/cli/readme_keys.py` writes it anew."""

import sys
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
BEGIN, END = "<!-- keys -->\n", "<!-- keys end -->\n"
sys.path.insert(0, str(ROOT))

from memtui.ui.keys import KEYS, Key  # noqa: E402 - of this checkout, whatever is installed


def table() -> str:
    """All keys in the order of the help, a row each."""
    rows = ["| key | what |", "| --- | --- |"]
    for group, keys in groupby(KEYS, lambda key: key.group):
        rows.append(f"| | **{group}** |")
        rows += [f"| {_code(key)} | {key.meaning} |" for key in keys]
    return "\n".join(rows) + "\n"


def _code(key: Key) -> str:
    return " ".join(f"`{one}`" for one in key.shown.split(" "))


def parts() -> tuple[str, str, str]:
    """What the README has before the table, in its place, and behind it."""
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    kept, _, after = rest.partition(END)
    return before, kept, after


if __name__ == "__main__":
    before, _, after = parts()
    README.write_text(before + BEGIN + table() + END + after, encoding="utf-8")
