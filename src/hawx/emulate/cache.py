"""ByteCache: what was prepared for an owner, for all owners together under one cap of bytes, least recently used forgotten first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from operator import attrgetter
from threading import RLock
from typing import Any, TypeVar
from weakref import finalize, ref

Value = TypeVar("Value")

_NBYTES: Callable[[Any], int] = attrgetter("nbytes")


@dataclass(slots=True, eq=False)
class _Entry:
    value: Any
    nbytes: int


class ByteCache:
    """Values by their owner, any object that lives as long as they may be asked for, and a key. Threads may share it.

    An owner is not kept alive, and what is kept for it goes with it: values must not refer to their owners.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.nbytes = 0
        self._entries: OrderedDict[tuple[int, Hashable], _Entry] = OrderedDict()
        self._keys: dict[int, set[Hashable]] = {}
        self._lock = RLock()
        """Reentrant: an owner may be collected, and forgotten, while its own thread is in here."""

    def get(self, owner: object, key: Hashable, make: Callable[[], Value], size: Callable[[Value], int] = _NBYTES) -> Value:
        """Return the value of `owner` under `key`; where there is none, what `make` returns, which takes `size` of it bytes."""
        name = id(owner), key
        with self._lock:
            if name in self._entries:
                self._entries.move_to_end(name)
                kept: Value = self._entries[name].value
                return kept
        value = make()
        with self._lock:
            if id(owner) not in self._keys:
                self._keys[id(owner)] = set()
                finalize(owner, _forget, ref(self), id(owner)).atexit = False
            if name not in self._entries:
                self._keys[id(owner)].add(key)
                self._entries[name] = _Entry(value, size(value))
                self.nbytes += self._entries[name].nbytes
            self._evict()
        return value

    def __len__(self) -> int:
        return len(self._entries)

    def _evict(self) -> None:
        while self.nbytes > self.capacity and len(self._entries) > 1:
            (owner, key), entry = self._entries.popitem(last=False)
            self.nbytes -= entry.nbytes
            if owner in self._keys:
                self._keys[owner].discard(key)

    def forget(self, owner: int) -> None:
        """Drop what is kept for the owner of this `id`."""
        with self._lock:
            for key in self._keys.pop(owner, ()):
                if (entry := self._entries.pop((owner, key), None)) is not None:
                    self.nbytes -= entry.nbytes


def _forget(cache: ref[ByteCache], owner: int) -> None:
    if (kept := cache()) is not None:
        kept.forget(owner)
