"""ELF files on the screen: what the cursor is on, the libraries, the way to a symbol, while files are still read."""

import subprocess
import threading
from collections.abc import Iterator

import pytest
from textual.pilot import Pilot

from memtui import elf_reader
from memtui.live.elf_files import LiveElf
from memtui.live.source import LiveSource
from memtui.model.elf import ET_DYN, PF_R, PF_W, PF_X, SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, ElfImage, Section, Segment
from memtui.model.elf_objects import LoadedObject, ObjectMap, object_map
from memtui.model.elf_order import in_order
from memtui.model.errors import AccessDenied
from memtui.model.mm import MmSnapshot
from memtui.model.symbols import SymbolPart, SymbolTable, table_of
from memtui.model.vma import Vma
from memtui.ui.widgets.bars import HeaderBar
from memtui.ui.widgets.detail_pane import DetailPane
from memtui.ui.widgets.libraries_pane import LibrariesPane
from memtui.ui.widgets.map_pane import MapPane
from tests.ui.conftest import Run, settle, until
from tests.ui.fake import LIBC, PROGRAM, Live, Simulated

ALLOCATED, CODE = SHF_ALLOC | SHF_WRITE, SHF_ALLOC | SHF_EXECINSTR
PROGRAM_IMAGE = ElfImage(
    "/bin/demo",
    ET_DYN,
    0x100,
    (Segment(PF_R | PF_X, 0, 0, 0x4000, 0x4000, 0x1000), Segment(PF_R | PF_W, 0x4000, 0x5000, 0x100, 0x200, 0x1000)),
    interp="/lib64/ld.so",
    needed=("libc.so.6", "libgone.so"),
    sections=(Section(".text", 1, CODE, 0x100, 0x100, 0x3000), Section(".data", 1, ALLOCATED, 0x5000, 0x4000, 0x100)),
)
LIBC_IMAGE = ElfImage(
    "/lib/libc.so.6",
    ET_DYN,
    0,
    (Segment(PF_R | PF_X, 0, 0, 480 << 12, 480 << 12, 0x1000),),
    soname="libc.so.6",
    sections=(Section(".text", 1, CODE, 0, 0, 480 << 12),),
)


def table(*symbols: tuple[str, int, int]) -> SymbolTable:
    strings, rows = b"\0", b""
    for name, value, size in symbols:
        head = len(strings).to_bytes(4, "little") + bytes([0x12, 0]) + (1).to_bytes(2, "little")
        rows += head + value.to_bytes(8, "little") + size.to_bytes(8, "little")
        strings += name.encode() + b"\0"
    return table_of([SymbolPart(rows, strings)], ".symtab")


class Files:
    """An `ElfSource` whose symbols come only when they are let through."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.read: list[str] = []

    def objects(self, mm: MmSnapshot) -> ObjectMap:
        return in_order(object_map(mm.vmas, self._image), "/bin/demo", None, "denied")

    def _image(self, vma: Vma) -> ElfImage:
        return {"/bin/demo": PROGRAM_IMAGE, "/lib/libc.so.6": LIBC_IMAGE}[vma.name]

    def symbols(self, mm: MmSnapshot, loaded: LoadedObject) -> SymbolTable:
        self.gate.wait(30)
        self.read.append(loaded.name)
        if loaded.name == "demo":
            raise AccessDenied("its file is denied", hint="needs root")
        return table(("malloc", 0x2345, 0x100), ("free", 0x4000, 8))


def rows(pilot: Pilot[None], pane: str) -> list[str]:
    view = pilot.app.screen.query_one(f"#{pane}")
    assert isinstance(view, DetailPane | MapPane | LibrariesPane)
    return [view.text_of(row) for row in range(len(view.lines))]


def field(pilot: Pilot[None], key: str) -> str:
    return next((row[10:] for row in rows(pilot, "detail") if row.startswith(f" {key} ")), "")


@pytest.fixture
def files() -> Iterator[Files]:
    made = Files()
    yield made
    made.gate.set()


async def test_symbols_load_beside_the_screen_and_a_refusal_says_why(run: Run, files: Files):
    async with run(Simulated(), elf=lambda source: files) as pilot:
        board = pilot.app.screen.query_one(MapPane)
        assert any("libc.so.6 .text" in row for row in rows(pilot, "map"))
        board.go(LIBC + 0x2000)
        await pilot.press("v")
        assert field(pilot, "symbol") == "— loading symbols…"
        assert field(pilot, "part") == ".text+0x2000 · code"
        # The screen answers while the file is read.
        await pilot.press("a", "end")
        assert board.vma is None
        assert files.read == []
        files.gate.set()
        board.go(LIBC + 0x2400)
        await pilot.press("v")
        await until(pilot, lambda: field(pilot, "symbol") == "malloc+0xbb · of 256 B · .symtab")
        await pilot.press("a")
        board.go(PROGRAM + 0x1000)
        await pilot.press("v")
        await until(pilot, lambda: field(pilot, "symbol") == "— its file is denied (needs root)")
        assert files.read == ["libc.so.6", "demo"]


async def test_a_symbol_is_found_by_its_name(run: Run, files: Files):
    files.gate.set()
    async with run(Simulated(), elf=lambda source: files) as pilot:
        board = pilot.app.screen.query_one(MapPane)
        await pilot.press("slash", *"free", "enter")
        await until(pilot, lambda: board.address == LIBC + 0x4000)
        await pilot.press("v")
        await until(pilot, lambda: field(pilot, "symbol") == "free · of 8 B · .symtab")
        await pilot.press("slash", *"nosuch", "enter")
        await settle(pilot)
        assert [note.message for note in pilot.app._notifications][-1] == (
            "nothing is named 'nosuch', and it is no address"
        )
        assert board.address == LIBC + 0x4000


async def test_looking_for_a_symbol_can_be_stopped(run: Run, files: Files):
    async with run(Simulated(), elf=lambda source: files) as pilot:
        header = pilot.app.screen.query_one(HeaderBar)
        board = pilot.app.screen.query_one(MapPane)
        before = board.address
        await pilot.press("slash", *"free", "enter")
        await until(pilot, lambda: "looking for free in demo · Esc stops" in header.text_of(0))
        await pilot.press("escape")
        await until(pilot, lambda: "Esc stops" not in header.text_of(0))
        files.gate.set()
        await settle(pilot)
        assert board.address == before


async def test_the_libraries_say_who_needs_them(run: Run, files: Files):
    async with run(Simulated(), elf=lambda source: files) as pilot:
        await pilot.press("L")
        pane = pilot.app.screen.query_one(LibrariesPane)
        assert [row.split() for row in rows(pilot, "libraries")] == [
            ["#", "start", "object", "needed", "by"],
            ["1", f"{PROGRAM:x}", "demo", "—", "program"],
            ["libgone.so", "not", "load…"],
            ["2", f"{LIBC:x}", "libc.so.6", "demo"],
        ]
        assert pane.subtitle == "DT_NEEDED breadth first from the program (denied)"
        await pilot.press("end", "enter")
        board = pilot.app.screen.query_one(MapPane)
        assert pilot.app.focused is board
        assert board.address == LIBC


async def test_a_source_without_files_says_so(run: Run):
    async with run(Live()) as pilot:
        await pilot.press("L")
        assert rows(pilot, "libraries") == [" this source has no ELF files"]


async def test_a_live_process_on_the_screen(run: Run, sleeper: subprocess.Popen[bytes]):
    async with run(LiveSource(sleeper.pid, smaps=False), elf=lambda source: LiveElf(elf_reader)) as pilot:
        await pilot.press("L")
        await until(pilot, lambda: any(" libc.so.6 " in row for row in rows(pilot, "libraries")))
        board = pilot.app.screen.query_one(MapPane)
        await pilot.press("slash", *"malloc", "enter")
        await until(pilot, lambda: board.vma is not None and board.vma.name.endswith("/libc.so.6"))
        await pilot.press("v")
        await until(pilot, lambda: field(pilot, "symbol").startswith("malloc"))
        assert " · code" in field(pilot, "part")
