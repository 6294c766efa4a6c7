"""errno becomes a domain error in one place."""

import errno
import os

import pytest

from memtui.live import procfs as module
from memtui.live.procfs import Procfs
from memtui.model.errors import AccessDenied, NotSupported, ProcessGone, SourceError

CASES = [
    (errno.ENOENT, NotSupported, "this kernel has no"),
    (errno.ESRCH, ProcessGone, "does not exist"),
    (errno.EACCES, AccessDenied, "CAP_SYS_PTRACE"),
    (errno.EPERM, AccessDenied, "CAP_SYS_PTRACE"),
    (errno.EIO, SourceError, os.strerror(errno.EIO)),
]


@pytest.mark.parametrize(("number", "kind", "words"), CASES)
def test_every_errno_at_open_and_at_read(tmp_path, monkeypatch, number, kind, words):
    (tmp_path / "file").write_text("x")

    def fail(*_: object) -> bytes:
        raise OSError(number, os.strerror(number))

    procfs = Procfs(str(tmp_path))
    for name in ("open", "read"):
        with monkeypatch.context() as patch:
            patch.setattr(module.os, name, fail)
            with pytest.raises(kind, match=words) as caught:
                procfs.read("file")
        assert type(caught.value) is kind
        assert str(tmp_path / "file") in str(caught.value)


def test_a_process_that_exits_has_no_mounts_any_more(tmp_path, monkeypatch):
    """mounts_open_common() of fs/proc_namespace.c: EINVAL once its namespaces are gone."""
    (tmp_path / "42").mkdir()

    def fail(*_: object) -> int:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(module.os, "open", fail)
    with pytest.raises(ProcessGone, match="exiting"):
        Procfs(str(tmp_path)).read("42/mountinfo")
    with pytest.raises(SourceError, match="Invalid argument") as caught:
        Procfs(str(tmp_path)).read("42/maps")
    assert type(caught.value) is SourceError


def test_an_error_inside_an_opened_file_is_translated_and_the_file_closed(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ProcessGone), Procfs(str(tmp_path)).opened("file") as fd:  # noqa: PT012
        kept = fd
        raise OSError(errno.ESRCH, "gone")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(kept)


def test_reads_are_bounded(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(bytes(100_000))
    procfs = Procfs(str(tmp_path))
    assert len(procfs.read("file")) == 100_000
    monkeypatch.setattr(module, "LIMIT", 99_999)
    with pytest.raises(SourceError, match="is larger than"):
        procfs.read("file")


def test_empty_files_links_folders_and_writes(tmp_path):
    procfs = Procfs(str(tmp_path))
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("target")
    for name in ("12", "9", "x", "1x"):
        (tmp_path / name).mkdir()
    assert procfs.read("file") == b""
    with pytest.raises(ProcessGone, match="is empty"):
        procfs.read_filled("file")
    assert procfs.readlink("link") == "target"
    assert procfs.numbers() == [9, 12]
    procfs.write("file", "5", hint="none")
    assert procfs.read("file") == b"5"
    for call in (procfs.readlink, procfs.numbers, procfs.read):
        with pytest.raises(NotSupported):
            call("missing")
        with pytest.raises(ProcessGone):
            call("4242/missing")
    with pytest.raises(NotSupported):
        procfs.write("missing", "x", hint="none")


def test_a_proc_of_processes_alone_is_not_taken_for_an_old_kernel(tmp_path):
    procfs = Procfs(str(tmp_path))
    (tmp_path / "self").mkdir()
    for name in ("meminfo", "sys/vm/swappiness"):
        with pytest.raises(NotSupported, match="subset=pid"):
            procfs.read(name)
    with pytest.raises(NotSupported, match="this kernel has no"):
        procfs.read("self/missing")
    (tmp_path / "meminfo").write_text("")
    with pytest.raises(NotSupported, match="this kernel has no"):
        procfs.read("pressure/memory")
