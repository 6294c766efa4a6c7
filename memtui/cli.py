"""The composition root: argv -> Source -> print, or MemtuiApp."""


def main() -> None:
    """Entry point of the console script."""
    raise SystemExit("memtui: not wired yet")
