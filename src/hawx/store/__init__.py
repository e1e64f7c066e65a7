"""Store: run folders and measurements on disk."""

from hawx.store.measurements import SqliteStore

__all__ = ["SqliteStore"]
