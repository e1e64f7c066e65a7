"""Characterizations on disk, found by content: the same Verilog, cells, tool and flow give the same figures and need no second run."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any


def cache_folder() -> Path:
    """Return the user's cache folder for HAWX: HAWX_CACHE, else XDG_CACHE_HOME/hawx, else ~/.cache/hawx."""
    own = os.environ.get("HAWX_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hawx"


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
    try:
        value = json.loads(_path(kind, key).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def save(kind: str, key: str, value: dict[str, Any]) -> None:
    """Store plain JSON values; written whole or not at all. A cache that cannot be written is no error."""
    path = _path(kind, key)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(value, file)
        Path(temporary).replace(path)


def entries(kind: str) -> Sequence[Path]:
    """Return the files stored of this kind."""
    return sorted((cache_folder() / kind).glob("*.json"))


def _path(kind: str, key: str) -> Path:
    return cache_folder() / kind / f"{key}.json"
