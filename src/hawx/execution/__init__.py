"""Execution: who measures designs. Answers never depend on who it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hawx.execution.pool import pool_runner
from hawx.verify import Runner, run_here

__all__ = ["pool_runner", "runner_for"]


@contextmanager
def runner_for(*, jobs: int = 1, dask: str | None = None, note: Callable[[str], None] = lambda _: None) -> Iterator[Runner]:
    """Give a runner: this process, `jobs` processes, or the workers of the Dask scheduler at address `dask`.

    `note` is told in one line what the user should read, for example that a process died and fewer go on.
    """
    if dask is not None:
        from hawx.execution.cluster import cluster_runner

        with cluster_runner(dask, note) as runner:
            yield runner
    elif jobs > 1:
        with pool_runner(jobs, note) as runner:
            yield runner
    else:
        yield run_here
