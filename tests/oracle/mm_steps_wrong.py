"""Makes up calls that are wrong on purpose."""

from tests.oracle.mm_ops import HUGE, MADV, PAGE, TASK_SIZE, WORD, Arg, Ref
from tests.oracle.mm_scene import ARENA, MOST_TOUCHED, Made, Scene
from tests.oracle.mm_steps_map import ANONYMOUS, FIXED, GROWSDOWN, HUGETLB, LOCKED, LOW, NOREPLACE, PRIVATE, SYNC, make
from tests.oracle.mm_steps_range import touchable


def wrong(scene: Scene) -> Made | None:
    rng = scene.rng
    address = scene.address()
    start = rng.choice((address, address + 1, 0, TASK_SIZE, TASK_SIZE - PAGE, WORD - PAGE, 1 << 47))
    length = rng.choice((0, 0, 1, PAGE, PAGE + 1, WORD - 1, WORD - PAGE, TASK_SIZE, 1 << 46, 1 << 63, 2 * PAGE))
    if start + length < WORD and length < 1 << 30 and not scene.safe(start, length):
        return None
    if start < TASK_SIZE and PAGE * 4 < length < WORD - PAGE:
        start = 0x7FFF_F800_0000 if scene.chance(0.5) else address
        if not scene.safe(start, length):
            return None
    fd: Arg = rng.choice((-1, 99))
    file = scene.fd()
    if file and scene.chance(0.6):
        fd = scene.of(file)
    makes = (
        lambda: make(
            scene,
            start,
            length,
            scene.prot(),
            rng.randrange(16) | ANONYMOUS | rng.choice((0, FIXED, NOREPLACE, GROWSDOWN, LOW, SYNC)),
            fd,
            rng.choice((0, 0, 1, PAGE)),
        ),
        lambda: make(
            scene,
            0,
            rng.choice((0, 1, PAGE, 8 * PAGE)),
            scene.prot(),
            rng.randrange(16) | rng.choice((0, GROWSDOWN, SYNC, 1 << 22, LOCKED)),
            fd,
            rng.choice((0, PAGE, 1, (1 << 63) - PAGE, WORD - PAGE, (1 << 44) - 2 * PAGE, 1 << 44)),
        ),
        lambda: make(
            scene, 0, scene.length(), 3, PRIVATE | ANONYMOUS, -1, rng.choice((0, 1, PAGE, WORD - PAGE, WORD - 2 * PAGE))
        ),
        lambda: make(scene, 0, rng.choice((0, 1, PAGE, HUGE)), scene.prot(), rng.randrange(16) | ANONYMOUS | HUGETLB),
        lambda: make(scene, 0, rng.choice((0, PAGE)), scene.prot(), PRIVATE | HUGETLB | rng.choice((0, FIXED)), fd),
        lambda: ("munmap", (start, length)),
        lambda: ("mprotect", (start, length, rng.choice((3, 0, 8, 16, 0x1000000, 0x3000000, 0x1000003)))),
        lambda: (
            "mremap",
            (
                start,
                length,
                rng.choice((0, PAGE, 2 * PAGE, WORD - 1, 1 << 47)),
                rng.randrange(9),
                rng.choice((0, 1, ARENA, TASK_SIZE, TASK_SIZE - PAGE)),
            ),
        ),
        lambda: ("madvise", (start, length, rng.choice((*MADV.values(), 5, 6, 7, 26, 99, 104)))),
        lambda: ("mlock", (start, length)),
        lambda: ("munlock", (start, length)),
        lambda: ("msync", (start, length, rng.randrange(9))),
        lambda: ("mincore", (start, length)),
        lambda: ("mlock2", (start, length, rng.randrange(3))),
        lambda: ("brk", (rng.choice((start, length)),)),
        lambda: ("touch", (start, 1, rng.choice((0, 1)))) if scene.safe(start, 1) else None,
        lambda: ("ftruncate", (fd, rng.choice((-1, 0, PAGE, 1 << 62)))),
    )
    made = rng.choice(makes)()
    return harmless(scene, made) if made else None


def harmless(scene: Scene, made: tuple[str, tuple[Arg, ...]]) -> Made | None:
    """Refuse what would lock or fill memory by the gigabyte, or hit the runner."""
    name, args = made
    first, length = (arg.known if isinstance(arg, Ref) else arg for arg in (*args, 0, 0)[:2])
    if not isinstance(first, int) or not isinstance(length, int):
        return made
    ends = (first + length) % WORD
    if (
        name in ("madvise", "mprotect", "munmap", "mremap", "mlock", "mlock2")
        and length
        and not scene.safe(first, length)
    ):
        return None
    if name == "touch" and not touchable(scene, first, PAGE):
        return None
    if name in ("mlock", "mlock2", "madvise", "mincore") and length > MOST_TOUCHED and first < ends <= TASK_SIZE + PAGE:
        return None
    if name == "mremap":
        target = args[4]
        if isinstance(target, int) and not scene.safe(target, 2 * PAGE):
            return None
    return made
