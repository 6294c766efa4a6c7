"""Zones, events, swap devices and pressure: of this machine, and as other kernels print them."""

import re
from pathlib import Path

from memtui.live.machine import read_events, read_pressure, read_swaps, read_zones
from memtui.live.procfs import Procfs
from memtui.model.system import SwapDevice, Zone

ZONEINFO = """Node 0, zone      DMA
  per-node stats
      nr_inactive_anon 100
  pages free     3840
        boost    0
        min      10
        low      13
        high     16
        managed  3840
        cma      0
        protection: (0, 100, 200)
      nr_free_pages 3840
  pagesets
    cpu: 0
              count:    0
              high:     0
Node 0, zone  Movable
  pages free     0
        min      32
        low      32
        high     32
        managed  0
        protection: (0, 0, 0)
Node 1, zone   Normal
  pages free     5
        min      6
        low      7
        high     8
        scanned  0
        managed  90
        protection: (0, 0, 0)
"""


def tree(tmp_path: Path, **files: str) -> Procfs:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return Procfs(str(tmp_path))


def test_zones_of_two_nodes_without_the_empty_ones(tmp_path: Path) -> None:
    unknown: dict[str, str] = {}
    assert read_zones(tree(tmp_path, zoneinfo=ZONEINFO), unknown) == (
        Zone("DMA 0", 3840, 3840, 10, 13, 16, (0, 100, 200)),
        Zone("Normal 1", 90, 5, 6, 7, 8, (0, 0, 0)),
    )
    assert unknown == {}


def test_swap_devices_and_events(tmp_path: Path) -> None:
    swaps = (
        "Filename\tType\tSize\tUsed\tPriority\n/dev/sda2   partition\t1000\t\t5\t\t-2\n/swap\\040file file\t7 0 10\n"
    )
    procfs = tree(tmp_path, swaps=swaps, vmstat="nr_free_pages 7\npgscan_kswapd 9\npswpout 3\n")
    assert read_swaps(procfs, {}) == (
        SwapDevice("/dev/sda2", "partition", 1000, 5, -2),
        SwapDevice("/swap\\040file", "file", 7, 0, 10),
    )
    assert read_events(procfs, {}) == {"pgscan_kswapd": 9, "pswpout": 3}


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    unknown: dict[str, str] = {}
    procfs = Procfs(str(tmp_path))
    assert read_zones(procfs, unknown) == ()
    assert read_pressure(procfs, unknown) == {}
    assert set(unknown) == {"zones", "pressure"}


def test_this_machine() -> None:
    text = Path("/proc/zoneinfo").read_text()
    zones = read_zones(Procfs(), {})
    managed = [int(figure) for figure in re.findall(r"^ +managed +(\d+)", text, re.MULTILINE)]
    assert [zone.managed for zone in zones] == [figure for figure in managed if figure]
    assert all(zone.min <= zone.low <= zone.high for zone in zones)
    assert all(0 <= zone.free <= zone.managed for zone in zones)
