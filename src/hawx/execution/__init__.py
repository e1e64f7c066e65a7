"""Execution: who measures designs. Counts never depend on who it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hawx.execution.pool import pool_counter
from hawx.verify import Counter, count_here

__all__ = ["counter_for", "pool_counter"]


@contextmanager
def counter_for(*, jobs: int = 1, dask: str | None = None) -> Iterator[Counter]:
    """Give a counter: this process, `jobs` processes, or the workers of the Dask scheduler at address `dask`."""
    if dask is not None:
        from hawx.execution.cluster import cluster_counter

        with cluster_counter(dask) as counter:
            yield counter
    elif jobs > 1:
        with pool_counter(jobs) as counter:
            yield counter
    else:
        yield count_here
