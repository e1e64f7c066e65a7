"""Characterizations on disk, found by content: the same Verilog, cells, tool and flow give the same figures and need no second run."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from hawx.files import cache_folder, read_cached, write_cached


def content_key(*parts: str) -> str:
    """Return the SHA-256 of the parts, each with its length, so that no two lists collide."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def load(kind: str, key: str) -> dict[str, Any] | None:
    """Return what was stored under this key, or None; an unreadable entry counts as absent."""
    return read_cached(_path(kind, key))


def save(kind: str, key: str, value: dict[str, Any]) -> None:
    """Store plain JSON values; written whole or not at all. A cache that cannot be written is no error."""
    write_cached(_path(kind, key), value)


def _path(kind: str, key: str) -> Path:
    return cache_folder() / kind / f"{key}.json"
