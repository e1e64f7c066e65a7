"""Store: run folders and measurements on disk."""

from hawx.store.measurements import SqliteStore
from hawx.store.run import load_run, save_run

__all__ = ["SqliteStore", "load_run", "save_run"]
