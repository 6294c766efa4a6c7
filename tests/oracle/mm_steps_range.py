"""Makes up calls on parts of the address space, and touches."""

from tests.oracle.mm_ops import HUGE, MADV, PAGE, TASK_SIZE, Arg
from tests.oracle.mm_scene import ARENA, MOST_TOUCHED, Made, Scene
from tests.oracle.mm_steps_map import mmap_down

READ, WRITE, EXEC = 0, 1, 2
MOST_GUARDED = 64 * HUGE
"""Bytes that one step may make a guard region."""
IMAGE = "/runner"
"""How the label of the runner's own image ends."""
_GIVE_UP = ("MADV_FREE",) * 3 + ("MADV_PAGEOUT",) * 2 + ("MADV_COLD",)
_NOT_TOUCHED = ("[vvar]", "[vvar_vclock]", "[vdso]")
"""Which of their pages exist depends on the machine's clock; and vdso's code would run."""


def munmap(scene: Scene) -> Made | None:
    part = scene.range()
    if part is None or not scene.safe(*part):
        return None
    return "munmap", (scene.ref(scene.odd(part[0])), scene.odd(part[1]))


def mprotect(scene: Scene) -> Made | None:
    part = scene.range()
    if part is None or not scene.safe(*part):
        return None
    prot = scene.prot() if scene.chance(0.97) else scene.rng.choice((0x1000001, 0x1000003, 0x2000003, 11, 16))
    if prot & 0x1000000 and not scene.safe(part[0] - 4 * HUGE, 4 * HUGE):
        return None
    return "mprotect", (scene.ref(scene.odd(part[0])), scene.odd(part[1]), prot)


def pkey_mprotect(scene: Scene) -> Made | None:
    made = mprotect(scene)
    if made is None:
        return None
    start, length, prot = made[1]
    if scene.chance(0.3):
        prot = scene.rng.choice((4, 4, 5, 0))
    return "pkey_mprotect", (start, length, prot, scene.key() if scene.chance(0.85) else -1)


def mremap(scene: Scene) -> Made | None:
    rng = scene.rng
    part = scene.range()
    if part is None or not scene.safe(*part):
        return None
    address, old = part
    pages = old // PAGE
    new = rng.choice((old, old, old, old + PAGE, old + rng.randint(1, 8) * PAGE, rng.randint(1, pages) * PAGE, old * 2))
    if scene.chance(0.05):
        new = rng.choice((HUGE, 2 * HUGE, HUGE + PAGE, 64 * PAGE, 1 << 47, 1 << 40, 0))
    if scene.chance(0.06):
        old = 0
    area = next((a for a in scene.me.picture.areas if a.start <= address < a.end), None)
    if area and "lo" in area.flags.split() and new > MOST_TOUCHED:
        new = min(new, max(old, MOST_TOUCHED))
    flags = rng.choices((1, 0, 3, 5, 7, 2, 4, 8), (36, 16, 26, 9, 8, 1, 1, 1))[0]
    target: Arg = 0
    if flags & 2 or scene.chance(0.15):
        to = scene.odd(
            scene.address() if scene.chance(0.9) else rng.choice((0x1000, 0, TASK_SIZE - PAGE, ARENA + 64 * PAGE))
        )
        if flags & 2 and not scene.safe(to, new):
            return None
        target = scene.ref(to)
    return "mremap", (
        scene.ref(scene.odd(address)),
        scene.odd(old) if scene.chance(0.2) else old,
        scene.odd(new),
        flags,
        target,
    )


def madvise(scene: Scene) -> Made | None:
    rng = scene.rng
    part = scene.range()
    if part is None:
        return None
    advice = rng.choice(list(MADV.values())) if scene.chance(0.97) else rng.choice((5, 7, 26, 99, 104, -1))
    if not scene.safe(*part):
        return None
    address, length = part
    if advice == MADV["MADV_PAGEOUT"] and _meets_image(scene, address, length):
        return None
    if advice in (MADV["MADV_POPULATE_READ"], MADV["MADV_POPULATE_WRITE"], MADV["MADV_COLLAPSE"]):
        length = min(length, MOST_TOUCHED)
    if advice == MADV["MADV_GUARD_INSTALL"]:
        length = min(length, MOST_GUARDED)  # each 2 MiB takes a page table, on either side
    if advice == MADV["MADV_COLLAPSE"] and any(a.label and a.label[0] == "/" for a in scene.within(address, length)):
        length = min(length, HUGE // 2)  # huge pages of shared memory are not simulated
    return "madvise", (scene.ref(scene.odd(address)), scene.odd(length), advice)


def process_madvise(scene: Scene) -> Made | None:
    """Advice for itself or another process, by its slot."""
    made = madvise(scene)
    if made is None:
        return None
    address, length, advice = made[1]
    slot = scene.slot if scene.chance(0.4) else scene.rng.choice(list(scene.processes))
    if scene.chance(0.6):
        advice = scene.rng.choice((MADV["MADV_COLD"], MADV["MADV_WILLNEED"], MADV["MADV_DONTNEED"]))
    if scene.chance(0.05):
        length = scene.rng.choice((0, 1 << 31, 3 << 31, 1 << 47, 1 << 63, (1 << 64) - 1))
        advice = MADV["MADV_COLD"]
    return "process_madvise", (slot, address, length, advice, 0 if scene.chance(0.97) else 1)


def pageout(scene: Scene) -> Made | None:
    part = scene.range()
    if part is None or not scene.safe(*part) or _meets_image(scene, *part):
        return None
    return "madvise", (scene.ref(part[0]), part[1], MADV["MADV_PAGEOUT"])


def given_up(scene: Scene) -> Made | None:
    made = pageout(scene)
    return None if made is None else ("madvise", (*made[1][:2], MADV[scene.rng.choice(_GIVE_UP)]))


def _meets_image(scene: Scene, address: int, length: int) -> bool:
    """Whether pages of the runner's own file are among them: other processes use these as well, unforeseeably."""
    return any(area.label.endswith(IMAGE) for area in scene.within(address, length))


def mlock(scene: Scene) -> Made | None:
    part = scene.range()
    if part is None:
        return None
    address, length = part[0], min(part[1], MOST_TOUCHED)
    if scene.chance(0.3):
        return "mlock2", (scene.ref(scene.odd(address)), scene.odd(length), scene.rng.choice((0, 1, 1, 1, 2)))
    return "mlock", (scene.ref(scene.odd(address)), scene.odd(length))


def munlock(scene: Scene) -> Made | None:
    part = scene.range()
    return ("munlock", (scene.ref(scene.odd(part[0])), scene.odd(part[1]))) if part else None


def mlockall(scene: Scene) -> Made | None:
    flags = scene.rng.choice((1, 2, 3, 5, 6, 7, 4, 0, 8))
    small = sum(a.end - a.start for a in scene.me.picture.areas) < 4 * MOST_TOUCHED
    if flags & 1 and not flags & 4 and not small:
        return None
    return "mlockall", (flags,)


def munlockall(scene: Scene) -> Made | None:
    return "munlockall", ()


def msync(scene: Scene) -> Made | None:
    part = scene.range()
    return (
        ("msync", (scene.ref(scene.odd(part[0])), scene.odd(part[1]), scene.rng.choice((1, 4, 2, 6, 5, 0, 8))))
        if part
        else None
    )


def remap_file_pages(scene: Scene) -> Made | None:
    """Another part of the file of a shared mapping, or of what looks like one."""
    rng = scene.rng
    shared = [area for area in scene.areas() if "sh" in area.flags.split()]
    if not shared or scene.chance(0.1):
        part = scene.range()
    else:
        area = rng.choice(shared)
        pages = (area.end - area.start) // PAGE
        first = rng.randrange(pages)
        part = (
            area.start + first * PAGE,
            rng.randint(1, min(pages - first + (1 if scene.chance(0.1) else 0), 64)) * PAGE,
        )
    if part is None or not scene.safe(*part):
        return None
    start, length = part[0], min(part[1], MOST_TOUCHED)
    prot = 0 if scene.chance(0.96) else 1
    return "remap_file_pages", (
        scene.ref(scene.odd(start)),
        scene.odd(length),
        prot,
        rng.choice((0, 0, 1, 2, 3, 5, 512)),
        rng.choice((0, 0x10000)),
    )


def mincore(scene: Scene) -> Made | None:
    part = scene.range()
    return ("mincore", (scene.ref(scene.odd(part[0])), scene.odd(min(part[1], 4096 * PAGE)))) if part else None


def mseal(scene: Scene) -> Made | None:
    part = scene.range()
    if part is None or scene.seals > 6:
        return None
    scene.seals += 1
    return "mseal", (scene.ref(scene.odd(part[0])), scene.odd(part[1]), scene.rng.choice((0, 0, 0, 0, 1)))


def touchable(scene: Scene, start: int, length: int, mode: int = READ) -> bool:
    """Whether the simulator can know what an access gives: not of clock pages, nor of running what the image holds."""
    met = [area for area in scene.areas() if area.start < start + length and start < area.end]
    image = mode == EXEC and any(area.label.endswith(IMAGE) for area in met)
    return not image and not any(area.label in _NOT_TOUCHED for area in met)


def touch(scene: Scene) -> Made | None:
    part = scene.range()
    if part is None:
        return None
    mode = scene.rng.choices((WRITE, READ, EXEC), (60, 32, 8))[0]
    address, length = part[0], min(part[1], 48 * PAGE)
    if not touchable(scene, address, length, mode):
        return None
    if mode != READ and not scene.safe(address, length):
        return None
    if mode == READ and scene.chance(0.1):
        address += scene.rng.randrange(PAGE)
    return "touch", (scene.ref(address), length, mode)


def grow(scene: Scene) -> Made | None:
    """A touch below a VMA that grows down."""
    rng = scene.rng
    down = [a for a in scene.me.picture.areas if "gd" in a.flags.split()]
    if not down:
        return mmap_down(scene)
    area = rng.choice(down)
    pages = rng.choice((1, 1, 2, 3, 10, 100, 200, 256, 300, 1000, 1900, 2015, 2016, 2048, 4000))
    address = area.start - pages * PAGE
    if address < 0 or not scene.safe(address, PAGE):
        return None
    return "touch", (scene.ref(address), rng.choice((1, 1, 1, PAGE)), rng.choice((WRITE, WRITE, READ)))
