"""Makes up calls of mmap."""

from tests.oracle.mm_ops import HUGE, PAGE, TASK_SIZE, WORD, Arg
from tests.oracle.mm_scene import ARENA, Made, Scene

SHARED, PRIVATE, DROPPABLE = 1, 2, 8
FIXED, ANONYMOUS, LOW, GROWSDOWN, LOCKED, NORESERVE, POPULATE = 0x10, 0x20, 0x40, 0x100, 0x2000, 0x4000, 0x8000
NONBLOCK, STACK, HUGETLB, SYNC, NOREPLACE, ABOVE4G = 0x10000, 0x20000, 0x40000, 0x80000, 0x100000, 0x80


def make(scene: Scene, address: int, length: int, prot: int, flags: int, fd: Arg = -1, offset: int = 0) -> Made | None:
    if flags & FIXED and not flags & NOREPLACE and not scene.safe(address, length):
        return None
    if flags & (LOCKED | POPULATE) or scene.me.future:
        length = scene.cap(length)
    if not address:
        return "mmap", (0, length, prot, flags, fd, offset)
    return "mmap", (scene.ref(address, length), length, prot, flags, fd, offset)


def extras(scene: Scene) -> int:
    """Flags that a mapping may have besides."""
    rng = scene.rng
    flags = 0
    for bit, part in (
        (NORESERVE, 0.04),
        (POPULATE, 0.04),
        (LOCKED, 0.02),
        (STACK, 0.03),
        (GROWSDOWN, 0.02),
        (LOW, 0.02),
        (ABOVE4G, 0.01),
        (NONBLOCK, 0.01),
    ):
        if rng.random() < part:
            flags |= bit
    return flags


def mmap(scene: Scene) -> Made | None:
    kind = scene.rng.choices((PRIVATE, SHARED, DROPPABLE), (92, 6, 2))[0]
    flags = kind | ANONYMOUS | extras(scene)
    pick = scene.rng.random()
    address = 0
    if pick < 0.15:
        address = scene.odd(scene.address())
    elif pick < 0.25:
        address, flags = scene.odd(scene.address()), flags | scene.rng.choice((FIXED, FIXED, NOREPLACE))
    return make(scene, address, scene.length(), scene.prot(), flags)


def mmap_fixed(scene: Scene) -> Made | None:
    kind = scene.rng.choices((PRIVATE, SHARED, DROPPABLE), (95, 4, 1))[0]
    flags = kind | ANONYMOUS | scene.rng.choice((FIXED, FIXED, FIXED, NOREPLACE, 0))
    if scene.chance(0.15):
        flags |= extras(scene)
    length = scene.rng.choice((1, 1, 2, 3, 4, 8)) * PAGE
    return make(scene, scene.odd(scene.address()), length, scene.rng.choice((3, 3, 3, 1, 0, 7)), flags)


def mmap_exec(scene: Scene) -> Made | None:
    """What may only be executed."""
    made = mmap_fixed(scene)
    if made is None:
        return None
    address, length, _, *rest = made[1]
    return "mmap", (address, length, scene.rng.choice((4, 4, 4, 12)), *rest)


def mmap_shared(scene: Scene) -> Made | None:
    flags = SHARED | ANONYMOUS | (extras(scene) & ~(GROWSDOWN | LOW))
    address = scene.address() if scene.chance(0.4) else 0
    flags |= scene.rng.choice((0, FIXED)) if address else 0
    return make(scene, address, scene.length(), scene.prot(), flags)


def mmap_huge(scene: Scene) -> Made | None:
    rng = scene.rng
    length = rng.choice((1, 1, 2, 3, 4)) * HUGE + rng.choice((0, 0, 0, PAGE, -PAGE, 1, 2 * PAGE, HUGE // 2))
    flags = rng.choices((PRIVATE, SHARED), (80, 20))[0] | ANONYMOUS | rng.choice((0, 0, 0, NORESERVE, STACK))
    if scene.chance(0.04):
        length = rng.choice((1 << 30, 1 << 34, 3 << 30, 1 << 36, 1 << 40, 1 << 45, 0x7FFF_0000_0000, 1 << 46))
        flags |= rng.choice((NORESERVE, 0))
    pick = rng.random()
    if pick < 0.15:
        return make(scene, rng.choice((scene.address(), scene.address() & -HUGE)), length, scene.prot(), flags)
    return make(scene, 0, length, rng.choice((3, 3, 1, 0)), flags)


def mmap_hint(scene: Scene) -> Made | None:
    rng = scene.rng
    stack = next((a.start for a in scene.me.picture.areas if "gd" in a.flags), 0x7FFF_FFFD_E000)
    places = (
        lambda: scene.address(),
        lambda: scene.address() + rng.choice((1, 123, 4095)),
        lambda: stack - rng.choice((1, 2, 255, 256, 257, 258, 300, 512)) * PAGE,
        lambda: 0x7FFF_F7FF_F000 + rng.randrange(-4, 64) * PAGE,
        lambda: rng.choice((1, 0xFFF, 0x1000, 0x1001, 0x2000, 0xFFFF, 0x10000)),
        lambda: TASK_SIZE - rng.randrange(0, 12) * PAGE,
        lambda: rng.choice((TASK_SIZE, 1 << 47, 1 << 48, 1 << 56, WORD - PAGE, WORD - 1)),
        lambda: (
            rng.choice((0x4000_0000, 0x7FFF_F000, 0x8000_0000, 0x5000_0000, 0x9000_0000, 0xFFFF_F000))
            + rng.randrange(3) * PAGE
        ),
        lambda: 0x2000_0000 + rng.randrange(6) * HUGE,
    )
    flags = rng.choices((PRIVATE, SHARED), (85, 15))[0] | ANONYMOUS
    flags |= rng.choices((0, LOW, ABOVE4G, NOREPLACE, GROWSDOWN, FIXED), (66, 16, 4, 6, 3, 5))[0]
    length = scene.length() if scene.chance(0.8) else HUGE * rng.randint(1, 3)
    address = rng.choice(places)() if scene.chance(0.85) else 0
    return make(scene, address % WORD, length, rng.choice((3, 3, 1, 0)), flags)


def mmap_locked(scene: Scene) -> Made | None:
    rng = scene.rng
    flags = (
        rng.choices((PRIVATE, SHARED), (85, 15))[0]
        | ANONYMOUS
        | rng.choice((LOCKED, LOCKED, POPULATE, LOCKED | POPULATE, LOCKED | NONBLOCK))
    )
    address = scene.address() if scene.chance(0.5) else 0
    flags |= FIXED if address else 0
    return make(scene, address, min(scene.length(), 64 * PAGE), scene.prot(), flags)


def mmap_down(scene: Scene) -> Made | None:
    rng = scene.rng
    flags = PRIVATE | ANONYMOUS | GROWSDOWN | rng.choice((0, 0, FIXED, NOREPLACE, STACK, LOW))
    address = (
        0 if scene.chance(0.3) else scene.address() if scene.chance(0.5) else ARENA + rng.randrange(8) * 128 * PAGE
    )
    return make(scene, address, rng.choice((1, 2, 3, 8)) * PAGE, rng.choice((3, 3, 3, 1, 0, 7)), flags)


def mmap_heap(scene: Scene) -> Made | None:
    if not scene.me.start_brk:
        return ("brk", (0,))
    address = scene.me.start_brk + scene.rng.randrange(0, 40) * PAGE
    flags = PRIVATE | ANONYMOUS | scene.rng.choice((FIXED, NOREPLACE, 0))
    return make(scene, address, scene.rng.choice((1, 1, 2, 4)) * PAGE, scene.rng.choice((3, 3, 0, 7, 1)), flags)


def mmap_file(scene: Scene) -> Made | None:
    rng = scene.rng
    file = scene.fd()
    if file is None:
        return None
    flags = rng.choices((SHARED, PRIVATE, 3, 0, 4), (46, 48, 4, 1, 1))[0]
    if scene.chance(0.1):
        flags |= extras(scene)
    if flags & 3 == 3 and scene.chance(0.3):
        flags |= rng.choice((SYNC, 1 << 25))
    prot = rng.choices((3, 1, 5, 7, 0, 2), (42, 34, 10, 4, 6, 4))[0]
    offset = rng.choice((0, 0, 0, 1, 2, 3, 4, 16, 512)) * PAGE
    address, length = 0, scene.length()
    near = scene.area()
    if near and near.label.startswith("/") and scene.chance(0.55):
        address = near.end if scene.chance(0.6) else near.start - length
        offset = near.offset + address - near.start + rng.choice((0, 0, 0, 0, PAGE))
        flags |= rng.choice((FIXED, FIXED, 0))
    elif scene.chance(0.3):
        address, flags = scene.address(), flags | rng.choice((FIXED, 0, NOREPLACE))
    elif scene.chance(0.15):
        length = HUGE * rng.randint(1, 3) + rng.choice((0, 0, PAGE, -PAGE))
        offset = rng.choice((0, PAGE, HUGE, 2 * HUGE))
    if offset < 0 or address < 0:
        return None
    return make(scene, scene.odd(address) if address else 0, length, prot, flags, scene.of(file), scene.odd(offset))
