"""Knowledge: what is known of tables, by their hash, so that none is searched twice: by this process, the package, or an archive of the user's."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from io import BytesIO
from threading import Lock
from typing import Any, Protocol
from zipfile import ZipFile

from hawx.blocks.block import Block
from hawx.blocks.decompositions import NOTHING, SEARCH_SECONDS, Decompositions, decompose, from_record, to_record

CAPACITY = 1024
"""Tables that a process remembers, those used last: 10 to 150 kB each."""

FILE = "decompositions.zip"
"""Shipped records, one JSON file for every table, named by its hash; `benchmarks/embed_decompositions.py` writes it."""


class Archive(Protocol):
    """Keeps records beyond a process. What it returns is verified, so it may forget, or hold anything."""

    def read(self, table: str) -> Mapping[str, Any] | None:
        """Return what is kept under the hash of a table, or None."""

    def write(self, table: str, record: Mapping[str, Any]) -> None:
        """Keep plain JSON values; it may decline."""


class Knowledge:
    """Decompositions of tables: remembered, read from the package or an archive, or searched for and kept there. Threads may share it.

    It travels to other processes with all that it remembers.
    """

    def __init__(self, archive: Archive | None = None, remembered: Mapping[str, Decompositions] | None = None) -> None:
        self.archive = archive
        self._remembered = OrderedDict(remembered or {})
        self._spent: OrderedDict[str, float] = OrderedDict()
        """Seconds that tables have been run for which nobody knows."""
        self._lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        with self._lock:
            return Knowledge, (self.archive, dict(self._remembered))

    def __len__(self) -> int:
        return len(self._remembered)

    def of(self, block: Block) -> Decompositions:
        """Return all forms of the table of `block`."""
        with self._lock:
            return self._remember(block, self._known(block) or self._search(block))

    def worth(self, block: Block, seconds: float) -> Decompositions:
        """Return what is worth knowing of a table that is about to be run for `seconds` as it is: `NOTHING` until that adds up to a search.

        So a search never takes longer than what was run without it. Tables that anyone knows cost no search.
        """
        with self._lock:
            if (known := self._known(block)) is not None:
                return self._remember(block, known)
            spent = self._spent.pop(block.sha256, 0.0) + seconds
            if spent >= SEARCH_SECONDS:
                return self._remember(block, self._search(block))
            self._spent[block.sha256] = spent
            _trim(self._spent)
            return NOTHING

    def _remember(self, block: Block, found: Decompositions) -> Decompositions:
        self._remembered[block.sha256] = found
        self._remembered.move_to_end(block.sha256)
        _trim(self._remembered)
        return found

    def _known(self, block: Block) -> Decompositions | None:
        if (known := self._remembered.get(block.sha256)) is not None or block.sha256 in self._spent:
            return known
        record = shipped(block.sha256) or (self.archive and self.archive.read(block.sha256))
        return from_record(block, record) if record else None

    def _search(self, block: Block) -> Decompositions:
        found = decompose(block)
        if self.archive is not None:
            self.archive.write(block.sha256, to_record(block, found))
        return found


def _trim(values: OrderedDict[str, Any]) -> None:
    if len(values) > CAPACITY:
        values.popitem(last=False)


def shipped(table: str) -> Mapping[str, Any] | None:
    """Return the record that the package holds of a table, by its hash, or None."""
    archive = _package()
    name = f"{table}.json"
    if archive is None or name not in archive.NameToInfo:
        return None
    record: Mapping[str, Any] = json.loads(archive.read(name))
    return record


@cache
def _package() -> ZipFile | None:
    resource = files("hawx.blocks").joinpath("data", FILE)
    return ZipFile(BytesIO(resource.read_bytes())) if resource.is_file() else None


_common = Knowledge()


def common_knowledge() -> Knowledge:
    """Return what this process knows without an archive: every machine that is given no other shares it."""
    return _common
