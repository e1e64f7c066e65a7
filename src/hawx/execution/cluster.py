"""Measuring on the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hawx.designs import Assignment
from hawx.emulate.evaluator import Answers
from hawx.errors import HawxError, InputError, ToolMissingError
from hawx.verify import Runner, Task

CONNECT_SECONDS = 10.0


@contextmanager
def cluster_runner(address: str) -> Iterator[Runner]:
    """Give a runner that measures on the workers of the scheduler at `address`; each worker gets a task once.

    Raises:
        ToolMissingError: the package `distributed` is not installed.
        InputError: no scheduler answers at `address`.
    """
    try:
        from distributed import Client
    except ImportError:
        raise ToolMissingError("--dask needs the package 'distributed'; install it with: pip install 'hawx[dask]'") from None
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"no Dask scheduler answers at {address!r} ({reason}); expected an address such as tcp://host:8786.") from None
    sent: dict[int, tuple[Task, Any]] = {}

    def run(task: Task, assignments: Sequence[Assignment]) -> Sequence[Answers]:
        if id(task) not in sent:
            sent[id(task)] = task, client.scatter(task, broadcast=True, hash=False)
        _, remote = sent[id(task)]
        futures = [client.submit(answer_one, remote, assignment, pure=False) for assignment in assignments]
        try:
            return list(client.gather(futures))
        except HawxError:
            raise
        except Exception as error:
            raise HawxError(f"the Dask cluster at {address!r} failed ({error}); mend it and continue with --resume.") from error

    try:
        yield run
    finally:
        client.close()


def answer_one(task: Task, assignment: Assignment) -> Answers:
    """Return which images one design answers right: what a worker runs."""
    return task.answers([assignment])[0]
