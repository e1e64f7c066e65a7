"""Work on the workers of a Dask cluster, which come and go: docs/distributed.md says how to start one."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from multiprocessing.reduction import ForkingPickler
from pkgutil import resolve_name
from typing import Any

from hawx.errors import HawxError, InputError, ToolMissingError, is_out_of_memory
from hawx.runner import Given, Part

CONNECT_SECONDS = 10.0
RETURN_SECONDS = 300.0
"""How long a scheduler that has gone may take to come back."""
LOOK_SECONDS = 15.0
"""How often it is looked whether anybody works at all."""
AHEAD = 4
"""Parts that a thread of the cluster has waiting, so that neither it idles nor the scheduler holds thousands of them."""
ATTEMPTS = 5
"""How often what is lost is sent again while nothing comes back."""

HELD = 4
"""Works that a worker holds: a run comes back to its own after others."""
_Work = Callable[[Any], Any]
_works: dict[str, bytes | _Work] = {}
"""Of this worker, by key: as it came, until it is needed. (Reading it imports PyTorch, and a worker that is silent for long counts as gone.)"""


@contextmanager
def cluster_runner(address: str, note: Callable[[str], None] = lambda _: None) -> Iterator[Cluster]:
    """Give a runner on the workers of the scheduler at `address`; each worker gets a work once, whatever parts of it it does.

    Workers may join and leave; what a lost one had begun is done by another. Where the scheduler goes, `note` is told, and the run goes on when
    it is back. How to connect (TLS, timeouts) is Dask's own configuration.

    Raises:
        ToolMissingError: the package `distributed` is not installed.
        InputError: no scheduler answers at `address`, or a worker has another version of HAWX.
    """
    cluster = Cluster(address, note)
    try:
        yield cluster
    finally:
        cluster.close()


class Cluster:
    """A `Runner`: a connection to a scheduler, and what was sent to its workers."""

    def __init__(self, address: str, note: Callable[[str], None]) -> None:
        self._address, self._note = address, note
        self._client = _connect(address)
        self._ahead = AHEAD
        self._holding: dict[str, set[str]] = {}
        """Key of a work -> workers that hold it."""
        self._written_as = lru_cache(HELD)(_written)
        self._same: set[str] = set()
        """Workers that have this version of HAWX."""
        try:
            self._check()
        except BaseException:
            self.close()
            raise

    @property
    def workers(self) -> int:
        """Threads there are now, at least one: workers come and go."""
        return max(1, sum(int(threads) for threads in self._client.nthreads().values()))

    def map(self, work: Callable[[Part], Given], parts: Sequence[Part]) -> Iterator[Given]:
        """Give what `work` makes of each part; see `Runner.map`."""
        begun: dict[int, Any] = {}
        with suppress(OSError, TimeoutError):  # a cluster that has gone is noticed where the first part is waited for
            self._begin(work, parts, begun, 0)
        return self._results(work, parts, begun)

    def _results(self, work: Callable[[Part], Given], parts: Sequence[Part], begun: dict[int, Any]) -> Iterator[Given]:
        from distributed import CancelledError, KilledWorker

        attempts = 0
        for i in range(len(parts)):
            while True:
                try:
                    if i not in begun or len(begun) <= self._ahead // 2:
                        self._begin(work, parts, begun, i)
                    given: Given = self._awaited(begun[i])
                    break
                except MissingWorkError:  # the worker joined after it was sent
                    del begun[i]
                    self._holding.clear()
                except HawxError:
                    raise
                except KilledWorker as error:
                    raise HawxError(
                        f"one part of the work ended several workers of the Dask cluster at {self._address!r}, perhaps for want of memory; "
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
            yield given

    def _awaited(self, future: Any) -> Any:
        """Return what a future gives; where it takes long, say whether that is because nobody is there."""
        while True:
            try:
                return future.result(timeout=LOOK_SECONDS)
            except TimeoutError:
                if future.done():  # it is the work's own
                    raise
                self._check()

    def _begin(self, work: _Work, parts: Sequence[Any], begun: dict[int, Any], first: int) -> None:
        """Have so many parts from `first` on under way as the cluster has use for."""
        from hawx import __version__

        if first >= len(parts):
            return
        key = self._send(work)
        for k in range(first, min(len(parts), first + self._ahead)):
            if k not in begun:
                begun[k] = self._client.submit(do, key, parts[k], __version__, pure=False)

    def _send(self, work: _Work) -> str:
        """Have every worker hold the work, and return its key. Dask's own copies would not stay: its memory manager drops all but one of them."""
        workers, (key, data) = self._check(), self._written_as(work)
        if new := workers - self._holding.get(key, set()):
            held = self._client.run(holds, key, workers=list(new), on_error="ignore")
            if lacking := [worker for worker in new if not held.get(worker)]:
                self._client.run(keep, key, data, workers=lacking, on_error="ignore")
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
        self._note(f"the Dask cluster at {self._address} has lost work ({reason}): sending them again")
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


def _written(work: _Work) -> tuple[str, bytes]:
    """Return the key of a work, made of all that it holds, and the work as it travels."""
    data = bytes(ForkingPickler.dumps(work))
    return "hawx-" + hashlib.sha256(data).hexdigest()[:32], data


def _other_version(worker: str, found: str | None, expected: str) -> InputError:
    has = "has no HAWX" if found is None else f"has HAWX {found}"
    return InputError(
        f"Dask worker {worker!r} {has}; expected {expected} on all of them, as here. Install it there (pip install hawx=={expected}) or stop it."
    )


class MissingWorkError(HawxError):
    """A worker was asked about a work that it was not sent."""


def holds(key: str) -> bool:
    """Return whether this worker holds a work."""
    return key in _works


def keep(key: str, data: bytes) -> None:
    """Hold a work on this worker, in the place of the oldest where there are several."""
    while len(_works) >= HELD:
        del _works[next(iter(_works))]
    _works[key] = data


def do(key: str, part: Any, version: str) -> Any:
    """Return what a work makes of a part: what a worker runs.

    Raises:
        InputError: the worker has another version of HAWX than the `version` that asks.
        MissingWorkError: it does not hold the work.
    """
    from distributed import get_worker

    from hawx import __version__

    if __version__ != version:
        raise _other_version(get_worker().address, __version__, version)
    if (work := _works.get(key)) is None:
        raise MissingWorkError(f"Dask worker {get_worker().address!r} was not sent the work {key}.")
    if isinstance(work, bytes):
        work = _works[key] = ForkingPickler.loads(work)
    return work(part)
