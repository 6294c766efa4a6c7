"""What a step says about reclaim: one event for all runs of kswapd, one for all direct reclaim."""

from collections import Counter
from typing import TYPE_CHECKING, Final

from memtui.model.event import Event, EventKind
from memtui.sim.kernel.vmscan import SCAN_FRACT, ScanControl, balanced

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel

APPROXIMATE: Final = "Approximate: which pages"
"""A running kernel interleaves reclaim with everything else."""


def kswapd_event(kernel: "Kernel") -> Event | None:
    """What kswapd did in this step, all its runs together."""
    runs = kernel.kswapd_runs
    if not runs:
        return None
    times = f" {len(runs):,} times" if len(runs) > 1 else ""
    priorities = sorted({run.sc.priority for run in runs})
    down_to = f"{priorities[0]}" if len(priorities) == 1 else f"{priorities[0]} to {priorities[-1]}"
    done: Counter[str] = sum((run.done for run in runs), Counter())
    first, last = runs[0], runs[-1]
    end = "above high, it sleeps" if balanced(kernel) or len(runs) > 1 else "it cannot get above high"
    text = (
        f"kswapd woken{times}: {first.why} (free {first.before:,} pages); down to priority {down_to}: {_told(done)}"
        f"{_balance(last.sc, kernel)}; free {last.after:,} pages, {end}. {APPROXIMATE}"
    )
    return Event(EventKind.NOTE, text)


def direct_event(kernel: "Kernel") -> Event | None:
    """What direct reclaim did in this step."""
    if not kernel.stalls:
        return None
    done: Counter[str] = sum(kernel.stalls, Counter())
    times = f" {len(kernel.stalls):,} times" if len(kernel.stalls) > 1 else ""
    text = f"direct reclaim{times}: whoever asked for pages had to look for them: {_told(done)}. {APPROXIMATE}"
    return Event(EventKind.NOTE, text)


def _told(done: Counter[str]) -> str:
    parts = [
        f"scanned {done['pgscan_anon']:,} anonymous and {done['pgscan_file']:,} file pages",
        f"freed {done['pgsteal_anon']:,} and {done['pgsteal_file']:,}",
    ]
    parts += [f"{done['pswpout']:,} to swap"] if done["pswpout"] else []
    parts += [f"{done['pgpgout'] // 4:,} written to files"] if done["pgpgout"] else []
    parts += [f"activated {done['pgactivate']:,}"] if done["pgactivate"] else []
    return ", ".join(parts)


def _balance(sc: ScanControl, kernel: "Kernel") -> str:
    text = f", last pass: {sc.balance}" if sc.balance else ""
    if sc.balance == SCAN_FRACT:
        anon, file = sc.fraction
        text += f" {kernel.sysctl['swappiness']} (anon {anon} : file {file})"
    return text
