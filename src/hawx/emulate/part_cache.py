"""PartCache: what kernels were prepared to multiply with, kept for all layers together under one cap, least recently used forgotten first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import RLock
from weakref import finalize

from hawx.emulate.parts import Part


class PartCache:
    """Parts by their owner, any object that lives as long as they may be asked for, and a key. Threads may share it."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.nbytes = 0
        self._parts: OrderedDict[tuple[int, Hashable], Part] = OrderedDict()
        self._owners: set[int] = set()
        self._lock = RLock()
        """Reentrant: an owner may be collected, and forgotten, while its own thread is in here."""

    def get(self, owner: object, key: Hashable, make: Callable[[], Part]) -> Part:
        """Return the part of `owner` under `key`; where there is none, the one that `make` returns."""
        name = id(owner), key
        with self._lock:
            part = self._parts.get(name)
            if part is not None:
                self._parts.move_to_end(name)
                return part
        part = make()
        with self._lock:
            if id(owner) not in self._owners:
                self._owners.add(id(owner))
                finalize(owner, self._forget, id(owner))
            if name not in self._parts:
                self._parts[name] = part
                self.nbytes += part.nbytes
            while self.nbytes > self.capacity and len(self._parts) > 1:
                self.nbytes -= self._parts.popitem(last=False)[1].nbytes
        return part

    def __len__(self) -> int:
        return len(self._parts)

    def _forget(self, owner: int) -> None:
        with self._lock:
            self._owners.discard(owner)
            for name in list(self._parts):
                if name[0] == owner and (part := self._parts.pop(name, None)) is not None:
                    self.nbytes -= part.nbytes
