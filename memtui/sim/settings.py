"""The files of /proc and /sys in which user space reads the machine's settings."""

from typing import Final

from memtui.sim.kernel.kernel import Kernel

_THP: Final = ("always", "madvise", "never")


def setting(kernel: Kernel, path: str) -> bytes:
    """What a file of settings holds; nothing for another path."""
    if path.startswith("/proc/sys/vm/"):
        value = kernel.sysctl.get(path.removeprefix("/proc/sys/vm/"))
        return b"" if value is None else b"%d\n" % value
    if path == "/sys/kernel/mm/transparent_hugepage/enabled":
        chosen = kernel.facts.thp_enabled
        return (" ".join(f"[{word}]" if word == chosen else word for word in _THP) + "\n").encode()
    if path == "/sys/devices/system/cpu/online":
        last = kernel.facts.nr_cpus - 1
        return b"0-%d\n" % last if last else b"0\n"
    return b""
