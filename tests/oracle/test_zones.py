"""Zones, watermarks and reserves as the running kernel computes them."""

import re
from pathlib import Path as FilePath

import pytest

from memtui.sim.kernel.mmzone import Zone, default_min_free_kbytes, set_watermarks
from memtui.sim.kernel.profile import EXACT

ZONEINFO = FilePath("/proc/zoneinfo")
SYSCTL = FilePath("/proc/sys/vm")
NAMES = ("DMA", "DMA32", "Normal")

pytestmark = [pytest.mark.oracle, pytest.mark.skipif(not ZONEINFO.exists(), reason="there is no /proc/zoneinfo")]


def real_zones() -> list[tuple[str, dict[str, int], tuple[int, ...]]]:
    """Name, figures and protection of each zone that has pages."""
    found = []
    for part in re.split(r"^Node \d+, zone\s+", ZONEINFO.read_text(), flags=re.MULTILINE)[1:]:
        name = part.split()[0]
        figures = {key: int(re.findall(rf"^\s+{key}\s+(\d+)", part, re.MULTILINE)[0]) for key in ("min", "low", "high")}
        figures["managed"] = int(re.findall(r"^\s+managed\s+(\d+)", part, re.MULTILINE)[0])
        reserves = re.findall(r"protection: \(([^)]*)\)", part)[0]
        if figures["managed"] and name in NAMES:
            found.append((name, figures, tuple(int(figure) for figure in reserves.split(","))))
    return found


def sysctl(name: str) -> int:
    return int((SYSCTL / name).read_text())


def test_watermarks_and_reserves():
    real = real_zones()
    zones = [Zone(name, figures["managed"]) for name, figures, _ in real]
    set_watermarks(zones, sysctl("min_free_kbytes"), sysctl("watermark_scale_factor"), EXACT)
    for zone, (name, figures, reserves) in zip(zones, real, strict=True):
        marks = {"min": zone.min, "low": zone.low, "high": zone.high}
        assert marks == {key: figures[key] for key in marks}, name
        known = [reserves[NAMES.index(other.name)] for other in zones]
        assert list(zone.reserves) == known, name


def test_min_free_kbytes_by_default():
    thp = FilePath("/sys/kernel/mm/transparent_hugepage/enabled").read_text()
    managed = [figures["managed"] for _, figures, _ in real_zones()]
    default = default_min_free_kbytes(managed, EXACT, sysctl("watermark_scale_factor"), thp="[never]" not in thp)
    assert default == sysctl("min_free_kbytes")
