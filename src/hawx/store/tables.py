"""Decompositions of tables on disk, one file for every table, named by its hash. Whoever reads them verifies them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hawx.files import read_cached, write_cached


@dataclass(frozen=True)
class TableArchive:
    """A folder as the `Archive` of `hawx.blocks.knowledge`: files are whole or absent, and one that cannot be read or written is passed over."""

    folder: Path

    def read(self, table: str) -> Mapping[str, Any] | None:
        return read_cached(self._path(table))

    def write(self, table: str, record: Mapping[str, Any]) -> None:
        write_cached(self._path(table), record, indent=None)

    def _path(self, table: str) -> Path:
        return self.folder / f"{table}.json"
