"""Measuring on the workers of a Dask cluster, which come and go: docs/distributed.md says how to start one."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pkgutil import resolve_name
from typing import Any

import numpy as np

from hawx.designs import Assignment
from hawx.emulate.evaluator import Answers
from hawx.errors import HawxError, InputError, ToolMissingError, is_out_of_memory
from hawx.verify import Runner, Task, images_identity, library_identity, network_identity

CONNECT_SECONDS = 10.0
RETURN_SECONDS = 300.0
"""How long a scheduler that has gone may take to come back."""
AHEAD = 4
"""Designs that a thread of the cluster has waiting, so that neither it idles nor the scheduler holds thousands of them."""
ATTEMPTS = 5
"""How often what is lost is sent again while nothing comes back."""

HELD = 4
"""Tasks that a worker holds: a run has up to three."""
_tasks: dict[str, Task] = {}  # of this worker


@contextmanager
def cluster_runner(address: str, note: Callable[[str], None] = lambda _: None) -> Iterator[Runner]:
    """Give a runner that measures on the workers of the scheduler at `address`; each worker gets a task once, whatever it measures of it.

    Workers may join and leave; what a lost one had begun is measured by another. Where the scheduler goes, `note` is told, and the run goes on when
    it is back. How to connect (TLS, timeouts) is Dask's own configuration.

    Raises:
        ToolMissingError: the package `distributed` is not installed.
        InputError: no scheduler answers at `address`, or a worker has another version of HAWX.
    """
    cluster = _Cluster(address, note)
    try:
        yield cluster.run
    finally:
        cluster.close()


class _Cluster:
    """A connection to a scheduler, and what was sent to its workers."""

    def __init__(self, address: str, note: Callable[[str], None]) -> None:
        self._address, self._note = address, note
        self._client = _connect(address)
        self._ahead = AHEAD
        self._holding: dict[str, set[str]] = {}
        """Key of a task -> workers that hold it."""
        self._same: set[str] = set()
        """Workers that have this version of HAWX."""
        try:
            self._check()
        except BaseException:
            self.close()
            raise

    def run(self, task: Task, assignments: Sequence[Assignment]) -> Iterator[Answers]:
        """Yield which images each design answers right, in order."""
        from distributed import CancelledError, KilledWorker

        begun: dict[int, Any] = {}
        attempts = 0
        for i in range(len(assignments)):
            while True:
                try:
                    if i not in begun or len(begun) <= self._ahead // 2:
                        self._begin(task, assignments, begun, i)
                    right: Answers = begun[i].result()
                    break
                except MissingTaskError:  # the worker joined after it was sent
                    del begun[i]
                    self._holding.clear()
                except HawxError:
                    raise
                except KilledWorker as error:
                    raise HawxError(
                        f"design {assignments[i].id!r} ended several workers of the Dask cluster at {self._address!r}, perhaps for want of memory; "
                        "give workers more memory or fewer --images, and continue with --resume."
                    ) from error
                except (CancelledError, OSError, TimeoutError) as error:
                    attempts += 1
                    begun.clear()
                    self._recover(error, attempts)
                except Exception as error:
                    why = "has not enough memory" if is_out_of_memory(error) else f"failed ({error})"
                    raise HawxError(f"the Dask cluster at {self._address!r} {why}; mend it and continue with --resume.") from error
            attempts = 0
            del begun[i]
            yield right

    def _begin(self, task: Task, assignments: Sequence[Assignment], begun: dict[int, Any], first: int) -> None:
        """Have so many designs from `first` on under way as the cluster has use for."""
        from hawx import __version__

        key = self._send(task)
        for k in range(first, min(len(assignments), first + self._ahead)):
            if k not in begun:
                begun[k] = self._client.submit(answer_one, key, assignments[k], __version__, pure=False)

    def _send(self, task: Task) -> str:
        """Have every worker hold the task, and return its key. Dask's own copies would not stay: its memory manager drops all but one of them."""
        workers, key = self._check(), _key(task)
        if new := workers - self._holding.get(key, set()):
            held = self._client.run(holds, key, workers=list(new), on_error="ignore")
            if lacking := [worker for worker in new if not held.get(worker)]:
                self._client.run(keep, key, task, workers=lacking, on_error="ignore")
            self._holding[key] = workers
        return key

    def _check(self) -> set[str]:
        """Return the workers there are; wait for one where there is none.

        Raises:
            InputError: a worker has another version of HAWX, or none.
        """
        from hawx import __version__

        threads = self._client.nthreads()
        if not threads:
            self._note(f"the Dask scheduler at {self._address} has no workers: waiting for one")
            self._client.wait_for_workers(1)
            threads = self._client.nthreads()
        self._ahead = AHEAD * max(1, sum(threads.values()))
        if set(threads) <= self._same:
            return set(threads)
        new = [worker for worker in threads if worker not in self._same]
        versions = self._client.run(resolve_name, "hawx:__version__", workers=new, on_error="return")  # of the library: any HAWX answers it
        for worker, found in versions.items():
            if isinstance(found, OSError):
                continue  # it has just gone
            if found != __version__:
                raise _other_version(worker, found if isinstance(found, str) else None, __version__)
            self._same.add(worker)
        return set(threads)

    def _recover(self, error: BaseException, attempts: int) -> None:
        """Connect anew and forget what was sent: workers or scheduler have lost it."""
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if attempts > ATTEMPTS:
            raise HawxError(f"the Dask cluster at {self._address!r} loses what it is sent ({reason}); mend it and continue with --resume.") from error
        self._note(f"the Dask cluster at {self._address} has lost designs ({reason}): sending them again")
        self._holding.clear()
        self._same.clear()
        self.close()
        deadline = time.monotonic() + RETURN_SECONDS
        while True:
            try:
                self._client = _connect(self._address)
                self._check()
                return
            except (InputError, OSError, TimeoutError) as failed:
                if (isinstance(failed, InputError) and "HAWX" in str(failed)) or time.monotonic() > deadline:
                    raise HawxError(f"{failed} Start it again and continue with --resume.") from error
                time.sleep(1.0)

    def close(self) -> None:
        """Leave the cluster; what was sent to it goes."""
        with suppress(Exception):  # it may be gone
            self._client.close(timeout=2.0)


def _connect(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise ToolMissingError("--dask needs the package 'distributed'; install it with: pip install 'hawx[dask]'") from None
    try:
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if address.startswith("tls:"):
            reason += "; certificates are those of Dask's configuration distributed.comm.tls"
        raise InputError(f"no Dask scheduler answers at {address!r} ({reason}); expected an address such as tcp://host:8786.") from None


def _key(task: Task) -> str:
    """Return a name made of all that a task holds."""
    parts = [network_identity(task.network), library_identity(task.library), images_identity(task.images, task.labels)]
    if task.recovery is not None:
        parts.append(images_identity(task.recovery.images, np.zeros(0, np.int64)))
    return "hawx-task-" + hashlib.sha256(" ".join(parts).encode()).hexdigest()[:32]


def _other_version(worker: str, found: str | None, expected: str) -> InputError:
    has = "has no HAWX" if found is None else f"has HAWX {found}"
    return InputError(
        f"Dask worker {worker!r} {has}; expected {expected} on all of them, as here. Install it there (pip install hawx=={expected}) or stop it."
    )


class MissingTaskError(HawxError):
    """A worker was asked about a task that it was not sent."""


def holds(key: str) -> bool:
    """Return whether this worker holds a task."""
    return key in _tasks


def keep(key: str, task: Task) -> None:
    """Hold a task on this worker, in the place of the oldest where there are several."""
    while len(_tasks) >= HELD:
        del _tasks[next(iter(_tasks))]
    _tasks[key] = task


def answer_one(key: str, assignment: Assignment, version: str) -> Answers:
    """Return which images one design answers right: what a worker runs.

    Raises:
        InputError: the worker has another version of HAWX than the `version` that asks.
        MissingTaskError: it does not hold the task.
    """
    from distributed import get_worker

    from hawx import __version__

    if __version__ != version:
        raise _other_version(get_worker().address, __version__, version)
    if (task := _tasks.get(key)) is None:
        raise MissingTaskError(f"Dask worker {get_worker().address!r} was not sent task {key}.")
    return task.answers([assignment])[0]
