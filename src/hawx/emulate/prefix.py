"""PrefixCache: states of a network part-way, kept under a memory cap, so that designs that begin alike share the work.

What is kept is decided by GreedyDual-Size (P. Cao and S. Irani, USENIX Symposium on Internet Technologies and Systems, 1997): an entry
is worth the work it saves per byte, and ages as others are evicted.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Generic, TypeVar

Value = TypeVar("Value")


@dataclass(slots=True)
class _Entry(Generic[Value]):
    value: Value
    nbytes: int
    work: float
    priority: float


class PrefixCache(Generic[Value]):
    """A mapping that forgets what is cheapest to make again per byte, once more than `capacity` bytes are held."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.nbytes = 0
        self._age = 0.0
        self._entries: dict[bytes, _Entry[Value]] = {}
        self._queue: list[tuple[float, bytes]] = []
        """(priority when it was queued, key), a heap; a priority that has grown since is queued again when it comes up."""

    def get(self, key: bytes) -> Value | None:
        """Return the value stored under `key`, or None."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        entry.priority = self._age + entry.work / entry.nbytes
        return entry.value

    def put(self, key: bytes, value: Value, nbytes: int, work: float) -> None:
        """Keep `value`, which takes `nbytes` and cost `work` (any unit) to make; evict others, or not keep it, to stay under the cap."""
        size = max(nbytes, 1)
        if key in self._entries or size > self.capacity:
            return
        entry = _Entry(value, size, work, self._age + work / size)
        self._entries[key] = entry
        heappush(self._queue, (entry.priority, key))
        self.nbytes += size
        while self.nbytes > self.capacity:
            queued, victim = heappop(self._queue)
            entry = self._entries[victim]
            if entry.priority > queued:
                heappush(self._queue, (entry.priority, victim))
                continue
            del self._entries[victim]
            self._age = queued
            self.nbytes -= entry.nbytes

    def __len__(self) -> int:
        return len(self._entries)
