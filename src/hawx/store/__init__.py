"""Store: run folders and measurements on disk. Names load on first use: plain files need nothing of a run."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hawx.store.measurements import SqliteStore as SqliteStore
    from hawx.store.run import Result as Result
    from hawx.store.run import load_run as load_run
    from hawx.store.run import save_run as save_run

_NAMES = {"Result": "hawx.store.run", "SqliteStore": "hawx.store.measurements", "load_run": "hawx.store.run", "save_run": "hawx.store.run"}

__all__ = ["Result", "SqliteStore", "load_run", "save_run"]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'hawx.store' has no attribute {name!r}")
