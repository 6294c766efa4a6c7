"""A simulated process to try calls on, and rulers that draw address spaces as one line of letters."""

from typing import NamedTuple

from memtui.model.host import FileFacts, MachineFacts
from memtui.sim.kernel import brk, exec_mm, fault, fork, madvise, mlock, mmap, mprotect, mremap, munmap, task_mmu
from memtui.sim.kernel.check import check
from memtui.sim.kernel.exec_stack import StackLayout
from memtui.sim.kernel.kernel import Kernel
from memtui.sim.kernel.outcome import Outcome
from memtui.sim.kernel.profile import profile_for
from memtui.sim.kernel.task import Task

PAGE = 4096
AT = 0x1000_0000
R, W, X = 1, 2, 4
RW = R | W
SHARED, PRIVATE, FIXED, ANON = 1, 2, 0x10, 0x20
ANON_PRIVATE = ANON | PRIVATE
FILES = {
    "/disk/big": FileFacts(16 << 20, "ext4", (254, 1), 77),
    "/disk/small": FileFacts(5 * PAGE + 100, "ext4", (254, 1), 78),
    "/disk": FileFacts(4096, "ext4", (254, 1), 2, is_dir=True),
    "/dev/zero": FileFacts(0, "devtmpfs", (0, 6), 5),
}
LETTERS = {"---p": "n", "r--p": "r", "rw-p": "w", "r-xp": "x", "rwxp": "a", "rw-s": "S", "r--s": "R", "-w-p": "o"}


class Area(NamedTuple):
    """A VMA as maps and smaps tell it, offsets and sizes in pages from `AT`."""

    start: int
    end: int
    perms: str
    flags: str
    label: str


class World:
    """A kernel with one process, laid out as a static program without ASLR; `check()` runs after every call."""

    def __init__(self, release: str = "6.18.44", **facts: object) -> None:
        told = {"totalram_pages": 6171024, **facts}
        self.kernel = Kernel(MachineFacts(release=release, **told), profile_for(release), FILES.get)  # type: ignore[arg-type]
        self.task = exec_mm.first_task(self.kernel, "runner")
        layout = StackLayout(0x7FFFFFFDE000, 0x7FFFFFFFF000, 0x7FFFFFFFE000, 0x7FFFFFFFE000, 0x7FFFFFFFE000)
        exec_mm.setup_stack(self.kernel, self.task, layout)
        exec_mm.install_special_mapping(self.kernel, self.task, 0x7FFFF7FFD000, 2, exec_mm.VDSO_FLAGS, "[vdso]")
        exec_mm.install_special_mapping(self.kernel, self.task, 0x7FFFF7FF7000, 6, exec_mm.VVAR_FLAGS, "[vvar]")
        self.task.mm.start_brk = self.task.mm.brk = 0x6BE000
        self.task.mm.why.clear()

    def call(self, function: object, *args: object, task: Task | None = None) -> Outcome:
        """One call, after which every invariant must hold."""
        outcome = function(self.kernel, task or self.task, *args)  # type: ignore[operator]
        assert check(self.kernel) == []
        return outcome

    def ok(self, function: object, *args: object, task: Task | None = None) -> int:
        """The same, and it must succeed."""
        outcome = self.call(function, *args, task=task)
        assert (outcome.errno, outcome.signal) == ("", ""), outcome
        return outcome.value

    def map(
        self, addr: int = 0, pages: int = 1, prot: int = RW, flags: int = ANON_PRIVATE, fd: int = -1, offset: int = 0
    ) -> int:
        """mmap, `pages` pages; the address."""
        return self.ok(mmap.sys_mmap, addr, pages * PAGE, prot, flags, fd, offset)

    def put(self, page: int, pages: int = 1, prot: int = RW, flags: int = ANON_PRIVATE, **more: int) -> int:
        """mmap with MAP_FIXED at page number `page` of the ruler."""
        return self.map(AT + page * PAGE, pages, prot, flags | FIXED, **more)

    def unmap(self, page: int, pages: int = 1) -> None:
        self.ok(munmap.sys_munmap, AT + page * PAGE, pages * PAGE)

    def protect(self, page: int, pages: int, prot: int, task: Task | None = None) -> None:
        self.ok(mprotect.sys_mprotect, AT + page * PAGE, pages * PAGE, prot, task=task)

    def advise(self, page: int, pages: int, advice: int) -> None:
        self.ok(madvise.sys_madvise, AT + page * PAGE, pages * PAGE, advice)

    def lock(self, page: int, pages: int) -> None:
        self.ok(mlock.sys_mlock, AT + page * PAGE, pages * PAGE)

    def move(self, page: int, pages: int, to: int) -> None:
        """mremap with MREMAP_FIXED."""
        self.ok(mremap.sys_mremap, AT + page * PAGE, pages * PAGE, pages * PAGE, 3, AT + to * PAGE)

    def write(self, page: int, pages: int = 1, task: Task | None = None) -> None:
        self.touch(AT + page * PAGE, pages, write=True, task=task)

    def read(self, page: int, pages: int = 1, task: Task | None = None) -> None:
        self.touch(AT + page * PAGE, pages, write=False, task=task)

    def touch(self, addr: int, pages: int = 1, *, write: bool, task: Task | None = None) -> None:
        """Access whole pages; it must not end in a signal."""
        outcome = fault.access(self.kernel, task or self.task, addr, pages * PAGE, write)
        assert outcome.signal == "", outcome
        assert check(self.kernel) == []

    def brk(self, brk_: int) -> int:
        return self.ok(brk.sys_brk, brk_)

    def fork(self, task: Task | None = None) -> Task:
        return self.kernel.tasks[self.ok(fork.sys_fork, task=task)]

    def areas(self, task: Task | None = None, start: int = AT, end: int = AT + (1 << 20)) -> list[Area]:
        """The VMAs of the ruler's range."""
        mm = (task or self.task).mm
        return [
            Area(
                (vma.start - AT) // PAGE,
                (vma.end - AT) // PAGE,
                task_mmu.permissions(vma),
                " ".join(task_mmu.vm_flags(self.kernel, vma)),
                task_mmu.label(mm, vma),
            )
            for vma in mm.tree.span(start, end)
        ]

    def ruler(self, task: Task | None = None) -> str:
        """One letter a page, `|` between two VMAs that touch, `.` for a free page.

        n none, r r--, w rw-, x r-x, a rwx; S and R shared.
        """
        line, at = "", 0
        for area in self.areas(task):
            gap = area.start - at
            line += "." * gap if gap else "|" * bool(line)
            line += LETTERS[area.perms] * (area.end - area.start)
            at = area.end
        return line

    def counters(self, task: Task | None = None) -> dict[str, int | None]:
        return task_mmu.counters((task or self.task).mm)._asdict()


def space(picture: str, world: World | None = None) -> World:
    """Map what a ruler shows, from the left; letters as `World.ruler`.

    `|` keeps neighbours of equal letters apart only if something else does: it is the layout, not an order.
    """
    world = world or World()
    prots: dict[str, tuple[int, int]] = {
        "n": (0, PRIVATE),
        "r": (R, PRIVATE),
        "w": (RW, PRIVATE),
        "x": (R | X, PRIVATE),
        "a": (RW | X, PRIVATE),
        "S": (RW, SHARED),
    }
    at = 0
    for run in _runs(picture):
        if run[0] != ".":
            prot, kind = prots[run[0]]
            world.put(at, len(run), prot, ANON | kind)
        at += len(run)
    return world


def _runs(picture: str) -> list[str]:
    runs: list[str] = []
    for part in picture.split("|"):
        fresh = True
        for letter in part:
            if runs and not fresh and runs[-1][0] == letter:
                runs[-1] += letter
            else:
                runs.append(letter)
            fresh = False
    return runs
