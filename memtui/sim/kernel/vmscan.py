"""Models mm/vmscan.c (6.18, without CONFIG_LRU_GEN): kswapd, direct reclaim, and what each pass scans.

Approximate, because a running kernel interleaves it with everything else: which pages go. The rules and the arithmetic
are the kernel's.
"""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from memtui.sim.kernel.file_rmap import Rmap
from memtui.sim.kernel.lru import ACTIVE_ANON, ACTIVE_FILE, INACTIVE_ANON, INACTIVE_FILE, UNEVICTABLE
from memtui.sim.kernel.lru_add import lru_add_drain
from memtui.sim.kernel.mmzone import recount
from memtui.sim.kernel.vmscan_batches import Batches, Scanned
from memtui.sim.kernel.vmscan_folio import FolioScan

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel

DEF_PRIORITY: Final = 12
MAX_RECLAIM_RETRIES: Final = 16
SWAP_CLUSTER_MAX: Final = 32
_BATCHES: Final = 16
"""A large pass is scanned in so many batches at least; the kernel's are of 32 pages always."""
SCAN_EQUAL, SCAN_FRACT, SCAN_ANON, SCAN_FILE = "both equally", "by swappiness", "anonymous only", "files only"


@dataclass(slots=True)
class ScanControl:
    """struct scan_control: one reclaim. Pages."""

    who: str
    """ "kswapd" or "direct"."""
    nr_to_reclaim: int
    priority: int = DEF_PRIORITY
    nr_scanned: int = 0
    nr_reclaimed: int = 0
    deactivate_anon: bool = False
    deactivate_file: bool = False
    force_deactivate: bool = False
    skipped_deactivate: bool = False
    cache_trim_mode: bool = False
    file_is_tiny: bool = False
    balance: str = ""
    """What the last pass scanned."""
    fraction: tuple[int, int] = (0, 0)
    """Shares of anonymous and file pages, where it went by swappiness."""

    @property
    def kswapd(self) -> bool:
        """Whether kswapd reclaims."""
        return self.who == "kswapd"


class KswapdRun(NamedTuple):
    """What kswapd did after it was woken once."""

    why: str
    before: int
    after: int
    """Free pages."""
    sc: ScanControl
    done: Counter[str]


class Reclaim:
    """One run over the node's lists, priority after priority."""

    def __init__(self, kernel: "Kernel", sc: ScanControl) -> None:
        lru_add_drain(kernel)
        self._kernel = kernel
        self._lruvec = kernel.lruvec
        self.sc = sc
        rmap = Rmap(kernel)
        self._folios = FolioScan(kernel, rmap, sc.who, swap=True)
        self._batches = Batches(kernel, rmap, sc.who)

    def shrink_node(self) -> int:
        """One pass at the current priority; pages freed."""
        before = self.sc.nr_reclaimed
        self._prepare()
        self._shrink_lruvec()
        return self.sc.nr_reclaimed - before

    def _prepare(self) -> None:
        """prepare_scan_control(): which lists may be aged, and whether old cache alone will do."""
        sc, lruvec = self.sc, self._lruvec
        if sc.force_deactivate:
            sc.deactivate_anon = sc.deactivate_file = True
        else:
            anon, file = lruvec.activations
            sc.deactivate_anon = anon != lruvec.refaults[0] or lruvec.inactive_is_low(INACTIVE_ANON)
            sc.deactivate_file = file != lruvec.refaults[1] or lruvec.inactive_is_low(INACTIVE_FILE)
        inactive = lruvec.size(INACTIVE_FILE)
        sc.cache_trim_mode = bool(inactive >> sc.priority) and not sc.deactivate_file
        file_pages = inactive + lruvec.size(ACTIVE_FILE)
        free = sum(zone.free for zone in self._kernel.zones)
        tiny = file_pages + free <= sum(zone.high for zone in self._kernel.zones)
        anon_left = lruvec.size(INACTIVE_ANON) >> sc.priority
        sc.file_is_tiny = tiny and not sc.deactivate_anon and bool(anon_left)

    def _scan_count(self) -> list[int]:
        """get_scan_count(): pages to scan of each list."""
        sc, kernel = self.sc, self._kernel
        swappiness = kernel.sysctl["swappiness"]
        anon = file = denominator = 1
        if kernel.swap.free <= 0:
            sc.balance = SCAN_FILE
        elif not sc.priority and swappiness:
            sc.balance = SCAN_EQUAL
        elif sc.file_is_tiny:
            sc.balance = SCAN_ANON
        elif sc.cache_trim_mode:
            sc.balance = SCAN_FILE
        else:
            sc.balance = SCAN_FRACT
            anon, file = pressure(swappiness, self._lruvec.anon_cost, self._lruvec.file_cost)
            anon, file = self._by_profile(swappiness, anon, file)
            denominator = anon + file
            sc.fraction = (anon, file)
        counts = []
        for lru in self._lruvec.lists[:UNEVICTABLE]:
            is_file = lru.number >= INACTIVE_FILE
            scan = lru.size >> sc.priority
            if sc.balance == SCAN_FRACT:
                scan = scan * (file if is_file else anon) // max(denominator, 1)
            elif sc.balance in (SCAN_FILE, SCAN_ANON) and is_file != (sc.balance == SCAN_FILE):
                scan = 0
            counts.append(scan)
        return counts

    def _by_profile(self, swappiness: int, anon: int, file: int) -> tuple[int, int]:
        """Before 5.8 the shares were swappiness : 200 - swappiness as well, but swappiness ended at 100."""
        if self._kernel.profile.max_swappiness == 100:
            return swappiness, 200 - swappiness
        return anon, file

    def _shrink_lruvec(self) -> None:
        """Scan the lists in turn until enough is freed, then the rest of both sides in proportion."""
        sc, left = self.sc, self._scan_count()
        targets, freed = list(left), 0
        batch = max(SWAP_CLUSTER_MAX, sum(left) // _BATCHES)
        proportional = not sc.kswapd and sc.priority == DEF_PRIORITY
        while left[INACTIVE_ANON] or left[ACTIVE_FILE] or left[INACTIVE_FILE]:
            done = self._shrink_alike(left, batch, None if proportional else sc.nr_to_reclaim - freed)
            freed += done.freed
            for number in range(UNEVICTABLE):
                if left[number] and not done.scanned:
                    count = min(left[number], batch)
                    left[number] -= count
                    freed += self._shrink_list(number, count)
            if freed < sc.nr_to_reclaim or proportional:
                continue
            if not _stop_smaller_side(left, targets):
                break
        sc.nr_reclaimed += freed
        if self._lruvec.inactive_is_low(INACTIVE_ANON) and self._kernel.swap.total:
            self._folios.shrink_active(ACTIVE_ANON, SWAP_CLUSTER_MAX)

    def _shrink_alike(self, left: list[int], batch: int, enough: int | None) -> Scanned:
        """What can be done at once, where no other list is to be scanned."""
        if any(left[ACTIVE_ANON:]):
            return Scanned()
        done = self._batches.shrink(batch, left[INACTIVE_ANON] // batch, enough)
        left[INACTIVE_ANON] -= done.scanned
        self.sc.nr_scanned += done.scanned
        return done

    def _shrink_list(self, number: int, count: int) -> int:
        sc = self.sc
        if number in (ACTIVE_ANON, ACTIVE_FILE):
            if sc.deactivate_file if number == ACTIVE_FILE else sc.deactivate_anon:
                self._folios.shrink_active(number, count)
            else:
                sc.skipped_deactivate = True
            return 0
        scanned, freed = self._folios.shrink_inactive(number, count)
        sc.nr_scanned += scanned
        return freed

    def done(self) -> None:
        """snapshot_refaults()."""
        self._lruvec.refaults = list(self._lruvec.activations)


def _stop_smaller_side(left: list[int], targets: list[int]) -> bool:
    """The side with less left is done; of the other as much as was scanned of this one in proportion stays."""
    anon, file = left[INACTIVE_ANON] + left[ACTIVE_ANON], left[INACTIVE_FILE] + left[ACTIVE_FILE]
    if not anon or not file:
        return False
    small, big, rest = (0, INACTIVE_FILE, anon) if file > anon else (INACTIVE_FILE, 0, file)
    percentage = rest * 100 // (targets[small] + targets[small + 1] + 1)
    left[small] = left[small + 1] = 0
    for number in (big, big + 1):
        scanned = targets[number] - left[number]
        goal = targets[number] * (100 - percentage) // 100
        left[number] = goal - min(goal, scanned)
    return True


def pressure(swappiness: int, anon_cost: int, file_cost: int) -> tuple[int, int]:
    """calculate_pressure_balance(): the shares of anonymous and of file pages in what is scanned."""
    total = anon_cost + file_cost
    anon_cost, file_cost = total + anon_cost, total + file_cost
    total = anon_cost + file_cost
    return swappiness * (total + 1) // (anon_cost + 1), (200 - swappiness) * (total + 1) // (file_cost + 1)


def balanced(kernel: "Kernel") -> bool:
    """pgdat_balanced(): some zone is above its high watermark."""
    return any(zone.above(zone.high) for zone in kernel.zones)


def wakeup_kswapd(kernel: "Kernel", why: str = "an allocation found no zone above low") -> None:
    """It runs now, unless it gave up; what it did is noted as an event."""
    if kernel.kswapd_failures >= MAX_RECLAIM_RETRIES or balanced(kernel):
        return
    before = sum(zone.free for zone in kernel.zones)
    taken = _counters(kernel)
    kernel.vmevents["pageoutrun"] += 1
    sc = balance_pgdat(kernel)
    if sc.nr_scanned:
        done = kernel.vmevents - taken
        kernel.kswapd_runs.append(KswapdRun(why, before, sum(zone.free for zone in kernel.zones), sc, done))


def balance_pgdat(kernel: "Kernel") -> ScanControl:
    """Reclaim with rising pressure until some zone is above high."""
    sc = ScanControl("kswapd", 0)
    reclaim = Reclaim(kernel, sc)
    sc.priority = DEF_PRIORITY
    while not balanced(kernel):
        sc.nr_to_reclaim = sum(max(zone.high, SWAP_CLUSTER_MAX) for zone in kernel.zones)
        scanned = sc.nr_scanned
        freed = reclaim.shrink_node()
        recount(kernel)
        raise_priority = sc.nr_scanned - scanned < sc.nr_to_reclaim or not freed
        if balanced(kernel):
            break
        if raise_priority or not freed:
            if sc.priority <= 1:
                break
            sc.priority -= 1
    reclaim.done()
    kernel.kswapd_failures = 0 if sc.nr_reclaimed else kernel.kswapd_failures + 1
    return sc


def try_to_free_pages(kernel: "Kernel") -> int:
    """Direct reclaim by whoever needs a page; pages freed."""
    sc = ScanControl("direct", SWAP_CLUSTER_MAX)
    reclaim = Reclaim(kernel, sc)
    taken = _counters(kernel)
    kernel.vmevents["allocstall"] += 1
    freed = _all_priorities(reclaim)
    if not freed and sc.skipped_deactivate:
        sc.force_deactivate = True
        freed = _all_priorities(reclaim)
    reclaim.done()
    kernel.kswapd_failures = 0 if freed else kernel.kswapd_failures
    kernel.stalls.append(kernel.vmevents - taken)
    return freed


def _all_priorities(reclaim: Reclaim) -> int:
    sc = reclaim.sc
    for priority in range(DEF_PRIORITY, -1, -1):
        sc.priority = priority
        reclaim.shrink_node()
        if sc.nr_reclaimed >= sc.nr_to_reclaim:
            break
    return sc.nr_reclaimed


def should_reclaim_retry(kernel: "Kernel") -> bool:
    """Tell whether some zone could reach MIN if all that may be reclaimed were."""
    lruvec = kernel.lruvec
    reclaimable = lruvec.size(INACTIVE_FILE) + lruvec.size(ACTIVE_FILE)
    if kernel.swap.free > 0:
        reclaimable += lruvec.size(INACTIVE_ANON) + lruvec.size(ACTIVE_ANON)
    return any(zone.free + reclaimable > zone.min + zone.reserves[-1] for zone in kernel.zones)


def _counters(kernel: "Kernel") -> Counter[str]:
    return Counter(kernel.vmevents)
