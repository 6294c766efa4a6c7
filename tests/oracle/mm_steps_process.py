"""Makes up calls about files, segments, limits and processes."""

from tests.oracle.mm_ops import HUGE, PAGE, RLIMITS, WORD, Key, Path, Ref
from tests.oracle.mm_scene import MOST_TOUCHED, Made, Scene


def open_file(scene: Scene) -> Made | None:
    rng = scene.rng
    if len(scene.me.files) > 8:
        return close(scene)
    if scene.chance(0.06):
        return "open", (
            Path(*rng.choice((("/dev", "zero"), ("/dev", "null"), ("/", "tmp"), ("/dev", "zero")))),
            rng.choice((0, 2)),
        )
    place = rng.choice(("disk", "shm"))
    name = rng.choice(("a", "b", "c d", "e"))
    mode = rng.choices((2, 0, 1), (70, 20, 10))[0]
    return "open", (Path(place, name), mode | 0o100 | rng.choice((0, 0, 0, 0o1000)))


def memfd(scene: Scene) -> Made | None:
    if len(scene.me.files) > 8:
        return close(scene)
    return "memfd_create", (scene.rng.choice(("m", "fuzz", "")), scene.rng.choice((0, 1, 2, 2, 8, 16, 24, 32, 10)))


def add_seals(scene: Scene) -> Made | None:
    file = scene.fd()
    return ("add_seals", (scene.of(file), scene.rng.choice((1, 2, 4, 6, 8, 16, 32, 64)))) if file else None


def close(scene: Scene) -> Made | None:
    file = scene.fd()
    return ("close", (scene.of(file),)) if file else None


def dup(scene: Scene) -> Made | None:
    file = scene.fd()
    return ("dup", (scene.of(file),)) if file and len(scene.me.files) < 9 else None


def ftruncate(scene: Scene) -> Made | None:
    file = scene.fd()
    if file is None:
        return open_file(scene)
    size = scene.rng.choice(
        (
            0,
            PAGE,
            2 * PAGE,
            5 * PAGE,
            8 * PAGE,
            64 * PAGE,
            HUGE,
            5 * HUGE,
            100,
            3 * PAGE + 77,
            -1 if scene.chance(0.2) else PAGE,
        )
    )
    return "ftruncate", (scene.of(file), size)


def fallocate(scene: Scene) -> Made | None:
    file = scene.fd()
    if file is None:
        return None
    return "fallocate", (
        scene.of(file),
        scene.rng.choice((0, 1, 3)),
        scene.rng.randrange(8) * PAGE,
        scene.rng.randint(1, 8) * PAGE,
    )


def fallocate_blocks(scene: Scene) -> Made | None:
    """Blocks of a file zeroed, taken out or put in; in part with flags or at places that are refused."""
    file, rng = scene.fd(), scene.rng
    if file is None:
        return open_file(scene)
    mode = rng.choices((16, 17, 8, 32, 2, 9, 33, 64, 24, 128, 256, 4), (30, 20, 20, 20, 1, 1, 1, 2, 1, 1, 1, 1))[0]
    offset, length = rng.randrange(16) * PAGE, rng.randint(1, 32) * PAGE
    if scene.chance(0.15):
        offset, length = rng.randrange(64 * PAGE), rng.randint(1, 64 * PAGE)
    return "fallocate", (scene.of(file), mode, offset, length)


def zero_range(scene: Scene) -> Made | None:
    """Blocks of a file zeroed. To move blocks drops the cache: what is read again then waits for the disk, or not."""
    made = fallocate_blocks(scene)
    if made is None or made[0] != "fallocate":
        return made
    file, _, *rest = made[1]
    return "fallocate", (file, scene.rng.choice((16, 17)), *rest)


def pwrite(scene: Scene) -> Made | None:
    file = scene.fd()
    if file is None:
        return None
    return "pwrite64", (scene.of(file), scene.rng.choice((1, PAGE, 3 * PAGE)), scene.rng.randrange(8) * PAGE)


def pwrite_large(scene: Scene) -> Made | None:
    """A write that makes large folios: of many sizes, aligned or not."""
    file, rng = scene.fd(), scene.rng
    if file is None:
        return open_file(scene)
    count = rng.choice((rng.randint(1, 64) * PAGE, rng.randint(1, 300_000), 1 << rng.randint(12, 21), HUGE))
    return "pwrite64", (scene.of(file), count, rng.choice((0, rng.randrange(64) * PAGE, rng.randrange(3) * HUGE)))


def pread(scene: Scene) -> Made | None:
    file = scene.fd()
    if file is None:
        return None
    return "pread64", (scene.of(file), scene.rng.randint(1, 16) * PAGE, scene.rng.randrange(1 << 20))


def fsync(scene: Scene) -> Made | None:
    file = scene.fd()
    return ("fsync", (scene.of(file),)) if file else None


def unlink(scene: Scene) -> Made | None:
    return "unlink", (Path(scene.rng.choice(("disk", "shm")), scene.rng.choice(("a", "b", "c d", "e"))),)


def brk(scene: Scene) -> Made | None:
    rng = scene.rng
    start = scene.me.start_brk
    if not start or scene.chance(0.05):
        return "brk", (0,)
    most = 64 if scene.me.future else 600
    pages = rng.choice((0, 1, 2, 3, 4, 5, 8, 16, 33, 40, 64, min(512, most), min(513, most)))
    where = start + pages * PAGE + rng.choice((0, 0, 0, 1, 2048, 4095, -1))
    if scene.chance(0.05):
        where = rng.choice((1, start - PAGE, 1 << 46, 0x7FFF_FFFF_0000, start + (1 << 40), WORD - 1))
    if scene.me.future and where > start + MOST_TOUCHED:
        return None
    return "brk", (scene.ref(where),)


def setrlimit(scene: Scene) -> Made | None:
    rng = scene.rng
    which = rng.choice(list(RLIMITS.values()))
    counters = scene.me.picture.counters
    used = {2: "VmData", 3: "VmStk", 8: "VmLck", 9: "VmSize"}[which]
    soft = counters.get(used, 0) * 1024 + rng.choice((0, 1, 3, 16, 100, 1000, -2)) * PAGE + rng.choice((0, 0, 0, 5))
    hard = scene.hard[which]
    if scene.chance(0.4):
        soft = hard if which != 3 else 8 << 20
    if hard >= 0 and not 0 <= soft <= hard:
        soft = hard
    return "setrlimit", (which, soft if soft >= 0 else -1)


def fork(scene: Scene) -> Made | None:
    if not scene.unused or len(scene.processes) > 3:
        return leave(scene)
    if scene.chance(0.12):
        return "clone", (scene.unused[-1], 0x100)
    return "fork", (scene.unused[-1],)


def leave(scene: Scene) -> Made | None:
    others = [slot for slot in scene.processes if slot]
    if not others:
        return None
    scene.slot = scene.rng.choice(others)
    return "exit_group", (0,)


def personality(scene: Scene) -> Made | None:
    return "personality", (scene.rng.choice((0x40000, 0x440000)),)


def prctl(scene: Scene) -> Made | None:
    """PR_SET_THP_DISABLE (41), PR_SET_MEMORY_MERGE (67), PR_SET_MDWE (65), the last for good; each with its PR_GET."""
    option = scene.rng.choices((41, 67, 65, 42, 66, 68), (40, 40, 4, 5, 5, 5))[0]
    first = scene.rng.choice((0, 1, 1, 3 if option == 65 else 1))
    second = scene.rng.choice((0, 0, 2)) if option == 41 else 0
    if scene.chance(0.1):
        return "prctl", (option, scene.rng.randrange(6), scene.rng.randrange(4), scene.rng.choice((0, 0, 1)), 0)
    return "prctl", (option, first if option % 2 else 0, second, 0, 0)


def pkey_alloc(scene: Scene) -> Made | None:
    rng = scene.rng
    if len(scene.me.space.keys) > 3 and not scene.chance(0.2):
        return pkey_free(scene)
    return "pkey_alloc", (0 if scene.chance(0.97) else 1, rng.choices((0, 1, 2, 3, 4), (50, 20, 20, 8, 2))[0])


def pkey_free(scene: Scene) -> Made | None:
    return "pkey_free", (scene.key(),)


def pkey_set(scene: Scene) -> Made | None:
    keys = scene.me.space.keys
    return ("pkey_set", (scene.of(scene.rng.choice(keys)), scene.rng.randrange(4))) if keys else pkey_alloc(scene)


def shmget(scene: Scene) -> Made | None:
    rng = scene.rng
    if len(scene.segments) > 7:
        return shmat(scene)
    size = rng.choice((PAGE, 2 * PAGE, 3 * PAGE, 5 * PAGE, 5000, 1, 2 * HUGE, 0 if scene.chance(0.1) else PAGE))
    return "shmget", (
        Key(rng.choice((-1, -1, 0, 1))),
        size,
        0o600 | rng.choice((0o1000, 0o1000, 0o1000, 0o3000, 0o11000)),
    )


def shmat(scene: Scene) -> Made | None:
    rng = scene.rng
    if not scene.segments:
        return shmget(scene)
    op, shmid, size = rng.choice(scene.segments)
    flags = rng.choices((0, 0o10000, 0o20000, 0o40000, 0o100000, 0o60000), (50, 12, 10, 18, 4, 6))[0]
    address = 0
    if flags & 0o40000 or scene.chance(0.35):
        address = scene.odd(scene.address())
        if flags & 0o20000:
            address += rng.choice((0, 100))
        if not scene.safe(address, size):
            return None
    return "shmat", (Ref(op, 0, shmid), scene.ref(address) if address else 0, flags)


def shmdt(scene: Scene) -> Made | None:
    attached = [a for a in scene.areas() if a.label.startswith("/SYSV")]
    if not attached or scene.chance(0.1):
        return "shmdt", (scene.ref(scene.odd(scene.address())),)
    return "shmdt", (scene.ref(scene.odd(scene.rng.choice(attached).start)),)


def shmctl(scene: Scene) -> Made | None:
    if not scene.segments:
        return None
    op, shmid, _ = scene.rng.choice(scene.segments)
    return "shmctl", (Ref(op, 0, shmid), scene.rng.choice((0, 0, 0, 11, 12, 99)))
