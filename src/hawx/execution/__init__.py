"""Execution: who does the parts of a stage. Results never depend on who it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hawx.execution.pool import pool_runner
from hawx.execution.resources import default_jobs
from hawx.runner import Runner, run_here

__all__ = ["pool_runner", "runner_for"]


@contextmanager
def runner_for(*, jobs: int | None = None, dask: str | None = None, note: Callable[[str], None] = lambda _: None) -> Iterator[Runner]:
    """Give a runner: this process, `jobs` processes (see `default_jobs`), or the workers of the Dask scheduler at address `dask`.

    More than one process needs a main module that does nothing when it is imported, as all of Python's do (`if __name__ == "__main__":`).
    `note` is told in one line what the user should read, for example that a process died and fewer go on.
    """
    jobs = default_jobs() if jobs is None else jobs
    if dask is not None:
        from hawx.execution.cluster import cluster_runner

        with cluster_runner(dask, note) as runner:
            yield runner
    elif jobs > 1:
        with pool_runner(jobs, note) as runner:
            yield runner
    else:
        yield run_here
