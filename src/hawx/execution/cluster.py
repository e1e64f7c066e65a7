"""Work on the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hawx.errors import HawxError, InputError, ToolMissingError
from hawx.runner import Given, Part

CONNECT_SECONDS = 10.0


@contextmanager
def cluster_runner(address: str) -> Iterator[Cluster]:
    """Give a runner on the workers of the scheduler at `address`; each worker gets a work once.

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
    try:
        yield Cluster(client, address)
    finally:
        client.close()


class Cluster:
    """A `Runner` on the workers of a scheduler."""

    def __init__(self, client: Any, address: str) -> None:
        self._client, self._address = client, address
        self._sent: dict[Callable[[Any], Any], Any] = {}

    @property
    def workers(self) -> int:
        """Workers there are now, at least one: more may come."""
        return max(1, len(self._client.nthreads()))

    def map(self, work: Callable[[Part], Given], parts: Sequence[Part]) -> Iterator[Given]:
        """Give what `work` makes of each part; see `Runner.map`."""
        if work not in self._sent:
            self._sent[work] = self._client.scatter(work, broadcast=True, hash=False)
        remote = self._sent[work]
        return self._results([self._client.submit(_do, remote, part, pure=False) for part in parts])

    def _results(self, futures: list[Any]) -> Iterator[Any]:
        try:
            for future in futures:
                yield future.result()
        except HawxError:
            raise
        except Exception as error:
            raise HawxError(f"the Dask cluster at {self._address!r} failed ({error}); mend it and continue with --resume.") from error


def _do(work: Callable[[Part], Given], part: Part) -> Given:
    return work(part)
