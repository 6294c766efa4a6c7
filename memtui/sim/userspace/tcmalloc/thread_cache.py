"""The cache of one thread (gperftools 2.10, src/thread_cache.cc, src/thread_cache.h)."""

from typing import Final

from memtui.sim.userspace.page_writes import PageWrites
from memtui.sim.userspace.tcmalloc.central import CentralLists
from memtui.sim.userspace.tcmalloc.sizes import CLASSES, MAX_SIZE, SizeClass

OVERALL_SIZE: Final = 32 << 20
"""Of all threads' caches, TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES; bytes."""
MIN_SIZE: Final = MAX_SIZE * 2
STEAL_AMOUNT: Final = 1 << 16
MAX_OVERAGES: Final = 3
MAX_LENGTH: Final = 8192
BYTES: Final = 4160
"""sizeof(ThreadCache)."""
_LIST_BYTES: Final = 32


class FreeList:
    """Free objects of one class in a thread's cache."""

    __slots__ = ("low_water", "max_length", "objects", "overages")

    def __init__(self) -> None:
        self.objects: list[int] = []
        """The next to be given last."""
        self.low_water = 0
        """The least length since the last scavenge."""
        self.max_length = 1
        """Slow start: rises by one with each fetch until it is a batch, then by batches."""
        self.overages = 0


class Budget:
    """How much the caches of all threads may hold."""

    def __init__(self) -> None:
        self.unclaimed = OVERALL_SIZE
        self.caches: list[ThreadCache] = []
        """The newest first."""
        self._next: ThreadCache | None = None

    def join(self, cache: "ThreadCache") -> None:
        """A thread starts."""
        self._raise(cache)
        if not cache.max_size:
            cache.max_size = MIN_SIZE
            self.unclaimed -= MIN_SIZE
        if not self.caches:
            self._next = cache
        self.caches.insert(0, cache)

    def leave(self, cache: "ThreadCache") -> None:
        """A thread ends."""
        at = self.caches.index(cache)
        if self._next is cache:
            self._next = self.caches[at + 1] if at + 1 < len(self.caches) else None
        del self.caches[at]
        if self._next is None and self.caches:
            self._next = self.caches[0]
        self.unclaimed += cache.max_size

    def _raise(self, cache: "ThreadCache") -> None:
        if self.unclaimed > 0:
            self.unclaimed -= STEAL_AMOUNT
            cache.max_size += STEAL_AMOUNT
            return
        for _ in range(10):
            if self._next is None:
                self._next = self.caches[0]
            victim = self._next
            at = self.caches.index(victim) + 1
            self._next = self.caches[at] if at < len(self.caches) else None
            if victim is not cache and victim.max_size > MIN_SIZE:
                victim.max_size -= STEAL_AMOUNT
                cache.max_size += STEAL_AMOUNT
                return

    def raise_limit(self, cache: "ThreadCache") -> None:
        """IncreaseCacheLimit: 64 KiB more, from what nobody claims or from another thread."""
        self._raise(cache)


class ThreadCache:
    """Lists of free objects, one for each size class.

    Args:
        central: where objects come from and go to.
        budget: of all threads.
        record: address of the ThreadCache structure.
        writes: is told what is written.
    """

    def __init__(self, central: CentralLists, budget: Budget, record: int, writes: PageWrites) -> None:
        self._central = central
        self._budget = budget
        self._writes = writes
        self.record = record
        self.lists = [FreeList() for _ in CLASSES]
        self.size = 0
        """Bytes in the lists."""
        self.max_size = 0
        self.why = ""
        writes.write(record)
        writes.write(record + len(CLASSES) * _LIST_BYTES)
        writes.write(record + BYTES - 1)
        budget.join(self)

    def allocate(self, size_class: SizeClass) -> int:
        """An object; 0 when there is no memory."""
        listed = self.lists[size_class.number]
        objects = listed.objects
        if not objects:
            return self._fetch(listed, size_class)
        address = objects.pop()
        if len(objects) < listed.low_water:
            listed.low_water = len(objects)
        self.size -= size_class.size
        self.why = f"from the thread's list of {size_class.size}-byte objects: the one freed last"
        return address

    def deallocate(self, address: int, size_class: SizeClass) -> None:
        """An object becomes free."""
        listed = self.lists[size_class.number]
        listed.objects.append(address)
        self._writes.write(address)
        self.size += size_class.size
        self.why = f"to the thread's list of {size_class.size}-byte objects"
        if len(listed.objects) > listed.max_length:
            self._too_long(listed, size_class)
        if self.size > self.max_size:
            self._scavenge()

    def cleanup(self) -> None:
        """Everything goes to the central lists."""
        for listed, size_class in zip(self.lists, CLASSES, strict=True):
            if listed.objects:
                self._release(listed, size_class, len(listed.objects))

    def _fetch(self, listed: FreeList, size_class: SizeClass) -> int:
        """FetchFromCentralCache."""
        batch = size_class.batch
        central = self._central.lists[size_class.number]
        chain = central.remove(min(listed.max_length, batch))
        if not chain:
            return 0
        address = chain.pop()
        self.size += size_class.size * len(chain)
        self.why = (
            f"the thread's list of {size_class.size}-byte objects is empty and gets {len(chain) + 1}: {central.why}"
        )
        listed.objects += chain
        if listed.max_length < batch:
            listed.max_length += 1
        else:
            length = min(listed.max_length + batch, MAX_LENGTH)
            listed.max_length = length - length % batch
        return address

    def _too_long(self, listed: FreeList, size_class: SizeClass) -> None:
        """ListTooLong: a batch goes to the central list."""
        batch = size_class.batch
        self.why += f", longer than {listed.max_length}: {min(batch, len(listed.objects))} go to the central list"
        self._release(listed, size_class, batch)
        if listed.max_length < batch:
            listed.max_length += 1
        elif listed.max_length > batch:
            listed.overages += 1
            if listed.overages > MAX_OVERAGES:
                listed.max_length -= batch
                listed.overages = 0

    def _release(self, listed: FreeList, size_class: SizeClass, count: int) -> None:
        """ReleaseToCentralCache."""
        central = self._central.lists[size_class.number]
        count = min(count, len(listed.objects))
        self.size -= count * size_class.size
        while count:
            part = count if count <= size_class.batch else size_class.batch
            chain = listed.objects[-part:]
            del listed.objects[-part:]
            listed.low_water = min(listed.low_water, len(listed.objects))
            self._writes.write(chain[0])
            central.insert(chain)
            count -= part

    def _scavenge(self) -> None:
        """Half of what no list has needed since the last time goes to the central lists."""
        self.why += f"; the cache holds more than {self.max_size} bytes: unused objects go to the central lists"
        for listed, size_class in zip(self.lists, CLASSES, strict=True):
            low = listed.low_water
            if low > 0:
                self._release(listed, size_class, low // 2 if low > 1 else 1)
                if listed.max_length > size_class.batch:
                    listed.max_length = max(listed.max_length - size_class.batch, size_class.batch)
            listed.low_water = len(listed.objects)
        self._budget.raise_limit(self)
