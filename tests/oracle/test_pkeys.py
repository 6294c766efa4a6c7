"""Protection keys on the running kernel and on the simulated one, whichever CPU this is."""

from pathlib import Path as FilePath

import pytest

from memtui.elf_reader import read_elf
from memtui.live.address_space import AddressSpaceReader
from memtui.live.host import LiveHost
from memtui.live.procfs import Procfs
from memtui.model.request import Seek
from memtui.sim.source import SimSource
from memtui.trace.parser import parse
from tests.oracle.conftest import Script
from tests.oracle.mm_ops import PAGE
from tests.oracle.mm_real import missing
from tests.oracle.test_mm_golden import ARENA, page, place

pytestmark = [pytest.mark.oracle, pytest.mark.skipif(missing() is not None, reason=missing() or "")]
EXEC, READ, RW, ANON, FIXED = 4, 1, 3, 0x22, 0x10
READS, WRITES, EXECUTES = 0, 1, 2
HAS_KEYS = "ospke" in LiveHost(read_elf).machine().cpu_flags


def test_execute_only_memory(script: Script) -> None:
    place(script, 0, 3, EXEC)
    answers = [script.attempt("touch", page(0), 1, how)[1] for how in (READS, WRITES, EXECUTES)]
    assert answers == (["SIGSEGV/4", "SIGSEGV/4", ""] if HAS_KEYS else ["", "SIGSEGV/2", ""])
    assert script.attempt("mlock", page(0), PAGE)[1] == ("ENOMEM" if HAS_KEYS else "")
    script.attempt("madvise", page(1), PAGE, 22)
    script.call("mprotect", page(1), PAGE, READ)
    script.call("mprotect", page(1), PAGE, EXEC)
    script.call("munlock", page(0), PAGE)
    assert len(script.made()) == 1


def test_every_key(script: Script) -> None:
    place(script, 0, 20)
    for number in range(17):
        key, _ = script.attempt("pkey_alloc", 0, number % 4)
        script.attempt("pkey_mprotect", page(number), PAGE, RW, key)
        script.attempt("touch", page(number), 1, READS)
        script.attempt("touch", page(number), 1, WRITES)
    script.call("mprotect", page(0), 20 * PAGE, EXEC)
    for key in (-1, 0x7FFFFFFF, 3, 3, 16, 1 << 32 | 4):
        script.attempt("pkey_free", key)
    script.call("mmap", page(30), PAGE, EXEC, ANON | FIXED, -1, 0)
    script.attempt("pkey_free", 3)
    script.attempt("pkey_mprotect", page(0), 0, RW, 99)
    script.attempt("pkey_mprotect", page(0) + 1, PAGE, RW, 99)
    script.attempt("pkey_mprotect", page(0), PAGE, 16, 99)
    script.attempt("pkey_mprotect", page(60), PAGE, RW, 99)
    script.attempt("pkey_mprotect", page(60), PAGE, RW, 1)
    script.call("mprotect", page(0), 20 * PAGE, RW)


def test_the_export_tells_the_key_as_smaps_does(script: Script, runner: FilePath) -> None:
    place(script, 0, 1, EXEC)
    place(script, 1, 1, READ)
    real = AddressSpaceReader(Procfs(), script.both.real.pids[0]).read()
    calls = [f"mmap({page(n):#x}, 4096, {prot}, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0)"
             for n, prot in enumerate(("PROT_EXEC", "PROT_READ"))]  # fmt: skip
    source = SimSource(parse(f'execve("{runner}", ["runner"], 0)\n' + "\n".join(calls)), LiveHost(read_elf), "keys")
    shown = source.apply(Seek(1 << 62)).mm
    assert shown is not None
    told = [{vma.start: vma.smaps.protection_key for vma in mm.vmas if vma.smaps is not None} for mm in (real, shown)]
    ours = [ARENA, ARENA + PAGE, 0xFFFF_FFFF_FF60_0000]
    assert [told[0][start] for start in ours] == [told[1][start] for start in ours]
    assert told[0][ARENA] == (1 if HAS_KEYS else None)
