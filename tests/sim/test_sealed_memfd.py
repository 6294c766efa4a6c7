"""Seals of memfds in traces and logs, and the hint of mremap, which strace leaves out."""

import pytest

MADE = """memfd_create("x", MFD_ALLOW_SEALING)
ftruncate(3, 8192)
"""


def flags(snapshot) -> list[str]:
    """VmFlags of the memfd's mappings."""
    return [" ".join(vma.vm_flags) for vma in snapshot.mm.vmas if "memfd" in vma.name]


def results(snapshot) -> list[str]:
    """What each step gives, as it is printed."""
    return [step.text.rpartition(" = ")[2].partition(" (")[0] for step in snapshot.steps.steps]


@pytest.mark.parametrize("command", ["F_ADD_SEALS, F_SEAL_GROW|F_SEAL_FUTURE_WRITE", "1033, 20"])
def test_a_sealed_memfd_is_mapped_without_the_right_to_write(end, command: str) -> None:
    mapped = "mmap(NULL, 4096, PROT_READ, MAP_SHARED, 3, 0)\n"
    assert flags(end(f"{MADE}fcntl(3, {command})\n{mapped}")) == ["rd sh mr me ms"]
    assert flags(end(MADE + mapped)) == ["rd sh mr mw me ms"]


def test_a_sealed_memfd_refuses(end) -> None:
    snapshot = end(
        MADE + "fcntl(3, F_ADD_SEALS, F_SEAL_WRITE|F_SEAL_SEAL)\n"
        "fcntl(3, F_GET_SEALS)\n"
        "fcntl(3, F_ADD_SEALS, F_SEAL_GROW)\n"
        "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 3, 0)\n"
    )
    assert results(snapshot)[2:] == ["0", "9", "-1 EPERM", "-1 EPERM"]


def test_a_hint_that_strace_leaves_out_is_taken_from_the_result(end) -> None:
    snapshot = end(
        "mmap(0x10000000, 8192, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x10000000\n"
        "mremap(0x10000000, 8192, 8192, MREMAP_MAYMOVE|MREMAP_DONTUNMAP) = 0x20000000\n"
    )
    assert results(snapshot)[-1] == "0x20000000"
    assert [vma.start for vma in snapshot.mm.vmas][:2] == [0x10000000, 0x20000000]
