"""The real machine as the simulator's host."""

import os
import platform
from pathlib import Path

import pytest

from memtui.live.host import LiveHost
from memtui.live.procfs import Procfs
from memtui.model.elf import ET_DYN, ElfImage
from memtui.model.errors import ParseError, SourceError


def no_elf(path: str) -> ElfImage:
    raise ParseError("not an ELF file", file=path)


def test_this_machine():
    facts = LiveHost(no_elf).machine()
    assert facts.totalram_pages == os.sysconf("SC_PHYS_PAGES")
    assert facts.release == platform.release()
    assert facts.libc_version == os.confstr("CS_GNU_LIBC_VERSION").split()[1]
    maps = Path("/proc/self/maps").read_text(errors="surrogateescape")
    assert facts.vsyscall == ("[vsyscall]" in maps)
    for label, pages in (("[vdso]", facts.vdso_pages), ("[vvar]", facts.vvar_pages)):
        start, end = next(line for line in maps.splitlines() if line.endswith(label)).split()[0].split("-")
        assert pages == (int(end, 16) - int(start, 16)) // 4096
    assert facts.sysctl["overcommit_memory"] in (0, 1, 2)
    assert facts.thp_enabled in ("always", "madvise", "never")
    assert set(facts.rlimits) == {"STACK", "DATA", "AS", "MEMLOCK"}


def test_a_machine_of_a_tree(fake, tmp_path):
    sysfs = tmp_path / "sys/kernel/mm/transparent_hugepage"
    sysfs.mkdir(parents=True)
    (sysfs / "enabled").write_text("[always] madvise never\n")
    fake.write("self/status", f"CapEff:\t{1 << 14 | 1 << 21:016x}\n")
    fake.write("self/maps", "7fff-8fff r-xp 00000000 00:00 0                          [vdso]\n")
    facts = LiveHost(no_elf, procfs=Procfs(str(fake.root)), sysfs=str(tmp_path / "sys")).machine()
    assert (facts.totalram_pages, facts.total_swap_pages) == (1000, 100)
    assert (facts.cap_ipc_lock, facts.cap_sys_admin, facts.cap_sys_rawio) == (True, True, False)
    assert (facts.vdso_pages, facts.vvar_pages, facts.vvar_vclock_pages, facts.vsyscall) == (1, 0, 0, False)
    assert (facts.thp_enabled, facts.shmem_enabled) == ("always", "never")
    assert facts.root_fs == "ext4"
    fake.remove("meminfo")
    with pytest.raises(SourceError, match="RAM and swap"):
        LiveHost(no_elf, procfs=Procfs(str(fake.root))).machine()


def test_files_of_this_machine(tmp_path):
    host = LiveHost(no_elf)
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    path.chmod(0o640)
    facts = host.file(str(path))
    assert facts is not None
    assert (facts.size, facts.is_dir, facts.mode, facts.inode) == (5, False, 0o640, path.stat().st_ino)
    assert facts.fs_type
    folder, proc = host.file(str(tmp_path)), host.file("/proc/self/status")
    assert folder is not None
    assert folder.is_dir
    assert proc is not None
    assert proc.fs_type == "proc"
    assert host.file(str(tmp_path / "none")) is None
    assert host.file("nul\0byte") is None


def test_what_is_no_elf_is_none_and_the_rest_is_handed_on():
    image = ElfImage("/x", ET_DYN, 0, ())

    def reader(path: str) -> ElfImage:
        if path == "/gone":
            raise FileNotFoundError(path)
        return image if path == "/x" else no_elf(path)

    host = LiveHost(reader)
    assert host.elf("/x") is image
    assert host.elf("/gone") is None
    assert host.elf("/text") is None
